//! The classifier: global average pooling and a linear layer.

use super::layout::{BlockLayout, Kind};

pub(crate) fn layout(name: &str, channels: usize, classes: usize) -> BlockLayout {
    let mut layout = BlockLayout::default();
    add(&mut layout, name, channels, classes);
    layout
}

pub(crate) fn add(layout: &mut BlockLayout, name: &str, channels: usize, classes: usize) {
    layout.add(format!("{name}.weight"), Kind::Classifier, classes, channels);
    layout.add(format!("{name}.bias"), Kind::Bias, classes, 1);
}

/// Means over the pixels, `[N, C]`.
fn average(x: &[f32], pixels: usize, c: usize) -> Vec<f64> {
    let mut out = Vec::with_capacity(x.len() / pixels);
    for map in x.chunks_exact(pixels * c) {
        let mut sum = vec![0.0f64; c];
        for pixel in map.chunks_exact(c) {
            for (s, v) in sum.iter_mut().zip(pixel) {
                *s += f64::from(*v);
            }
        }
        out.extend(sum.iter().map(|s| s / pixels as f64));
    }
    out
}

/// Logits `[N, classes]` of features of this shape, `[N, H, W, C]`.
pub(crate) fn forward(x: &[f32], [_, h, w, c]: [usize; 4], parameters: &[f32], classes: usize) -> Vec<f32> {
    let (weight, bias) = parameters.split_at(c * classes);
    let mean = average(x, h * w, c);
    let mut out = Vec::with_capacity(mean.len() / c * classes);
    for row in mean.chunks_exact(c) {
        for k in 0..classes {
            let sum: f64 = row.iter().enumerate().map(|(i, v)| v * f64::from(weight[i * classes + k])).sum();
            out.push((sum + f64::from(bias[k])) as f32);
        }
    }
    out
}

/// Gradient of the features; that of the parameters goes to `to`.
pub(crate) fn backward(
    x: &[f32],
    [_, h, w, c]: [usize; 4],
    parameters: &[f32],
    dy: &[f32],
    classes: usize,
    to: Option<&mut [f32]>,
) -> Vec<f32> {
    let k = classes;
    if let Some(to) = to {
        let mut dp = vec![0.0f64; parameters.len()];
        for (row, dy) in average(x, h * w, c).chunks_exact(c).zip(dy.chunks_exact(k)) {
            for (i, v) in row.iter().enumerate() {
                for (j, d) in dy.iter().enumerate() {
                    dp[i * k + j] += v * f64::from(*d);
                }
            }
            for (j, d) in dy.iter().enumerate() {
                dp[c * k + j] += f64::from(*d);
            }
        }
        to.iter_mut().zip(dp).for_each(|(t, v)| *t = v as f32);
    }
    let mut dx = Vec::with_capacity(x.len());
    for dy in dy.chunks_exact(k) {
        let pixel: Vec<f32> = parameters[..c * k]
            .chunks_exact(k)
            .map(|weights| {
                let sum: f64 = weights.iter().zip(dy).map(|(w, d)| f64::from(*w) * f64::from(*d)).sum();
                (sum / (h * w) as f64) as f32
            })
            .collect();
        for _ in 0..h * w {
            dx.extend_from_slice(&pixel);
        }
    }
    dx
}
