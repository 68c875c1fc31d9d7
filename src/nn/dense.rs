//! ReLU → dense convolution on one image: the convolutions of NAS-Bench-201. The values after the ReLU come padded.

use std::ops::Range;

use super::parallel::at_least;
use super::separable::STRIP;
use crate::kernels::matrix::{Outer, Packed, product};
use crate::kernels::norm::Collector;

/// Shape of a dense convolution; it is padded so that stride 1 keeps the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DenseShape {
    pub height: usize,
    pub width: usize,
    pub inputs: usize,
    pub outputs: usize,
    pub window: usize,
    pub stride: usize,
}

impl DenseShape {
    pub fn out_height(&self) -> usize {
        self.height.div_ceil(self.stride)
    }

    pub fn out_width(&self) -> usize {
        self.width.div_ceil(self.stride)
    }

    /// How far the window reaches beyond its middle.
    fn reach(&self) -> usize {
        self.window / 2
    }

    /// Numbers that one output reads.
    fn rows(&self) -> usize {
        self.window * self.window * self.inputs
    }

    /// Most numbers of the buffers that a thread reuses for it.
    pub fn scratch(&self) -> usize {
        let row = self.out_width() * self.rows();
        let rows = strips(self.out_height(), row).next().map_or(0, |rows| rows.len());
        rows * self.out_width() * (self.rows() + self.outputs)
    }

    pub fn weights(&self) -> usize {
        self.rows() * self.outputs
    }
}

/// Weights `[k·k·C_in, C_out]`, made ready once per pass, and the bias, if there is one.
pub(crate) struct Dense<'a> {
    pub shape: DenseShape,
    weights: &'a [f32],
    bias: Option<&'a [f32]>,
    packed: Packed,
}

/// Buffers that tasks reuse.
#[derive(Default)]
pub(crate) struct Scratch {
    columns: Vec<f32>,
    strip: Vec<f32>,
}

/// Strips of whole rows, `[first, last)`, whose windows stay in the cache.
fn strips(rows: usize, row: usize) -> impl Iterator<Item = Range<usize>> {
    let step = (4 * STRIP / row.max(1)).max(1);
    (0..rows).step_by(step).map(move |r| r..(r + step).min(rows))
}

impl<'a> Dense<'a> {
    /// `weights` are the convolution's, then the bias, if there is one.
    pub fn new(shape: DenseShape, weights: &'a [f32]) -> Dense<'a> {
        let (weights, bias) = weights.split_at(shape.weights());
        let packed = Packed::new(weights, shape.rows(), shape.outputs);
        Dense { shape, weights, bias: (!bias.is_empty()).then_some(bias), packed }
    }

    /// The weights turned round, which the backward pass needs.
    pub fn for_backward(&self) -> Packed {
        Packed::transposed(self.weights, self.shape.rows(), self.shape.outputs)
    }

    /// The windows of some rows of outputs, `[pixels, k·k·C_in]`; `padded` is `[H + 2p, W + 2p, C_in]`.
    fn windows(&self, padded: &[f32], padding: usize, rows: Range<usize>, to: &mut [f32]) {
        let s = &self.shape;
        let (c, k, wide) = (s.inputs, s.window, (s.width + 2 * padding) * s.inputs);
        let before = padding - s.reach();
        let places = rows.flat_map(|y| (0..s.out_width()).map(move |x| (y, x)));
        for ((y, x), to) in places.zip(to.chunks_exact_mut(s.rows())) {
            let first = (y * s.stride + before) * wide + (x * s.stride + before) * c;
            for (ky, to) in to.chunks_exact_mut(k * c).enumerate() {
                to.copy_from_slice(&padded[first + ky * wide..][..k * c]);
            }
        }
    }

    /// `padded` holds the values after the ReLU, by at least one pixel; `z` is `[H', W', C_out]`; its moments go to `moments`.
    pub fn forward(
        &self,
        padded: &[f32],
        padding: usize,
        z: &mut [f32],
        moments: Option<&mut Collector>,
        scratch: &mut Scratch,
    ) {
        let s = &self.shape;
        let row = s.out_width() * s.outputs;
        for rows in strips(s.out_height(), s.out_width() * s.rows()) {
            let pixels = rows.len() * s.out_width();
            let columns = at_least(&mut scratch.columns, pixels * s.rows());
            self.windows(padded, padding, rows.clone(), columns);
            let z = &mut z[rows.start * row..rows.end * row];
            product(columns, s.rows(), pixels, &self.packed, z, s.outputs);
            if let Some(bias) = self.bias {
                for pixel in z.chunks_exact_mut(s.outputs) {
                    pixel.iter_mut().zip(bias).for_each(|(z, b)| *z += b);
                }
            }
        }
        moments.into_iter().for_each(|m| m.add_map(z));
    }

    /// Backward pass of one image. `dz(at, to)` writes numbers `at` of the output's gradient `[H', W', C_out]` to `to`. The
    /// gradient of the values after the ReLU is written to `dx`, or added to what is there where `onto`; that of the weights
    /// and the bias is added to `gradient`, which lies as they do.
    pub fn backward_onto(
        &self,
        ready: &Packed,
        padded: &[f32],
        padding: usize,
        dz: impl Fn(Range<usize>, &mut [f32]),
        mut gradient: Option<&mut [f32]>,
        dx: &mut [f32],
        onto: bool,
        scratch: &mut Scratch,
    ) {
        let s = &self.shape;
        let (row, taps) = (s.out_width() * s.outputs, s.rows());
        if !onto {
            dx.fill(0.0);
        }
        for rows in strips(s.out_height(), s.out_width() * taps) {
            let pixels = rows.len() * s.out_width();
            let strip = at_least(&mut scratch.strip, pixels * s.outputs);
            dz(rows.start * row..rows.end * row, strip);
            let columns = at_least(&mut scratch.columns, pixels * taps);
            if let Some(gradient) = &mut gradient {
                let (weights, bias) = gradient.split_at_mut(s.weights());
                self.windows(padded, padding, rows.clone(), columns);
                Outer { m: pixels, k: taps, n: s.outputs, lda: taps, ldb: s.outputs, ldc: s.outputs }
                    .add(columns, strip, weights);
                if !bias.is_empty() {
                    for pixel in strip.chunks_exact(s.outputs) {
                        bias.iter_mut().zip(pixel).for_each(|(b, d)| *b += d);
                    }
                }
            }
            product(strip, s.outputs, pixels, ready, columns, taps);
            self.add_windows(columns, rows, dx);
        }
    }

    /// Adds the gradients of the windows of some rows of outputs to the pixels that they show.
    fn add_windows(&self, columns: &[f32], rows: Range<usize>, dx: &mut [f32]) {
        let s = &self.shape;
        let (c, k, reach) = (s.inputs, s.window, s.reach());
        let places = rows.flat_map(|y| (0..s.out_width()).map(move |x| (y * s.stride, x * s.stride)));
        for ((y, x), from) in places.zip(columns.chunks_exact(s.rows())) {
            // The part of the window that is inside the map.
            let left = reach.saturating_sub(x);
            let right = k.min(s.width + reach - x);
            for (ky, from) in from.chunks_exact(k * c).enumerate() {
                let Some(sy) = (y + ky).checked_sub(reach).filter(|sy| *sy < s.height) else { continue };
                let to = &mut dx[(sy * s.width + x + left - reach) * c..][..(right - left) * c];
                to.iter_mut().zip(&from[left * c..]).for_each(|(t, v)| *t += v);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::random;

    /// Against a loop over taps in float64, and gradients against inner products.
    #[test]
    fn agrees_with_a_plain_loop() {
        let mut rng = random::stream(0, "dense");
        let mut numbers = |len: usize| -> Vec<f32> { (0..len).map(|_| rng.random::<f32>() - 0.5).collect() };
        for (height, width, inputs, outputs, window, stride) in
            [(1, 1, 1, 1, 3, 1), (5, 7, 3, 4, 3, 1), (8, 8, 16, 20, 3, 2), (7, 5, 4, 33, 3, 2), (6, 6, 5, 3, 1, 1)]
        {
            let shape = DenseShape { height, width, inputs, outputs, window, stride };
            let (x, weights) = (numbers(height * width * inputs), numbers(shape.weights() + outputs));
            let (oh, ow, reach) = (shape.out_height(), shape.out_width(), window / 2);
            let dy = numbers(oh * ow * outputs);
            for padding in [1, 2] {
                let wide = width + 2 * padding;
                let mut padded = vec![0.0; (height + 2 * padding) * wide * inputs];
                for (y, row) in x.chunks_exact(width * inputs).enumerate() {
                    padded[((y + padding) * wide + padding) * inputs..][..row.len()].copy_from_slice(row);
                }
                let dense = Dense::new(shape, &weights);
                let mut z = vec![f32::NAN; oh * ow * outputs];
                dense.forward(&padded, padding, &mut z, None, &mut Scratch::default());
                let (mut dx, mut dw) = (vec![1.0; x.len()], vec![1.0; weights.len()]);
                let take = |at: Range<usize>, to: &mut [f32]| to.copy_from_slice(&dy[at]);
                let ready = dense.for_backward();
                dense.backward_onto(
                    &ready,
                    &padded,
                    padding,
                    take,
                    Some(&mut dw),
                    &mut dx,
                    true,
                    &mut Scratch::default(),
                );
                let (mut ex, mut ew) = (vec![1.0f64; x.len()], vec![1.0f64; weights.len()]);
                for (p, dy) in dy.chunks_exact(outputs).enumerate() {
                    let (y, xx) = (p / ow, p % ow);
                    for (o, d) in dy.iter().enumerate() {
                        let mut sum = f64::from(weights[shape.weights() + o]);
                        ew[shape.weights() + o] += f64::from(*d);
                        for t in 0..window * window {
                            let at = (y * stride + t / window, xx * stride + t % window);
                            let (Some(sy), Some(sx)) = (at.0.checked_sub(reach), at.1.checked_sub(reach)) else {
                                continue;
                            };
                            if sy >= height || sx >= width {
                                continue;
                            }
                            for i in 0..inputs {
                                let (at, w) = ((sy * width + sx) * inputs + i, (t * inputs + i) * outputs + o);
                                sum += f64::from(x[at]) * f64::from(weights[w]);
                                ex[at] += f64::from(*d) * f64::from(weights[w]);
                                ew[w] += f64::from(*d) * f64::from(x[at]);
                            }
                        }
                        assert!((f64::from(z[p * outputs + o]) - sum).abs() < 1e-5, "{shape:?}");
                    }
                }
                let near = |a: &[f32], b: &[f64]| a.iter().zip(b).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-4);
                assert!(near(&dx, &ex) && near(&dw, &ew), "{shape:?}");
            }
        }
    }
}
