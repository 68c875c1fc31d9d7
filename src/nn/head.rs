//! The classifier: global average pooling and a linear layer.

use rayon::prelude::*;

use super::layout::{BlockLayout, Kind};
use super::parallel::unfilled;

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
    let mut out = vec![0.0f64; x.len() / pixels];
    x.par_chunks_exact(pixels * c).zip(out.par_chunks_exact_mut(c)).for_each(|(map, sum)| {
        for pixel in map.chunks_exact(c) {
            for (s, v) in sum.iter_mut().zip(pixel) {
                *s += f64::from(*v);
            }
        }
        sum.iter_mut().for_each(|s| *s /= pixels as f64);
    });
    out
}

/// Logits `[N, classes]` of features of this shape, `[N, H, W, C]`.
pub(crate) fn forward(x: &[f32], [_, h, w, c]: [usize; 4], parameters: &[f32], classes: usize) -> Vec<f32> {
    let (weight, bias) = parameters.split_at(c * classes);
    let mean = average(x, h * w, c);
    let mut out = vec![0.0; mean.len() / c * classes];
    mean.par_chunks_exact(c).zip(out.par_chunks_exact_mut(classes)).for_each(|(row, out)| {
        for (k, out) in out.iter_mut().enumerate() {
            let sum: f64 = row.iter().enumerate().map(|(i, v)| v * f64::from(weight[i * classes + k])).sum();
            *out = (sum + f64::from(bias[k])) as f32;
        }
    });
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
    // SAFETY: each image is written below.
    let mut dx = unsafe { unfilled(x.len()) };
    dx.par_chunks_exact_mut(h * w * c).zip(dy.par_chunks_exact(k)).for_each(|(dx, dy)| {
        let (pixel, others) = dx.split_at_mut(c);
        for (to, weights) in pixel.iter_mut().zip(parameters.chunks_exact(k)) {
            let sum: f64 = weights.iter().zip(dy).map(|(w, d)| f64::from(*w) * f64::from(*d)).sum();
            *to = (sum / (h * w) as f64) as f32;
        }
        others.chunks_exact_mut(c).for_each(|to| to.copy_from_slice(pixel));
    });
    dx
}
