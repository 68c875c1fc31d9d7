//! Dense convolutions, perhaps with a bias, on one image: those of NAS-Bench-201, behind a ReLU, and the halves of factorised ones.
//! What they read comes padded.

use std::ops::Range;

use crate::kernels::dense::{self, Shape, Turned, Weights};
use crate::kernels::norm::Collector;

/// Weights `[taps·C_in, C_out]`, and the bias, if there is one.
pub(crate) struct Dense<'a> {
    pub shape: Shape,
    weights: &'a [f32],
    bias: Option<&'a [f32]>,
}

/// Maps with a border of zeros, which stays from image to image; one for each size.
#[derive(Default)]
pub(crate) struct Bordered(Vec<([usize; 5], Vec<f32>)>);

impl Bordered {
    /// That of this height, width, channels, and rows and columns of border; `len`: its numbers.
    pub fn of(&mut self, key: [usize; 5], len: usize) -> &mut Vec<f32> {
        let at = self.0.iter().position(|(of, _)| *of == key).unwrap_or_else(|| {
            self.0.push((key, vec![0.0; len]));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }
}

/// Buffers that tasks reuse.
#[derive(Default)]
pub(crate) struct Scratch {
    /// Gradients of outputs.
    bordered: Bordered,
    kernel: dense::Scratch,
}

impl<'a> Dense<'a> {
    /// `weights` are the convolution's, then the bias, if there is one.
    pub fn new(shape: Shape, weights: &'a [f32]) -> Dense<'a> {
        let (weights, bias) = weights.split_at(shape.weights_len());
        Dense { shape, weights, bias: (!bias.is_empty()).then_some(bias) }
    }

    /// The weights made ready, once per pass, for [`forward`](Dense::forward).
    pub fn for_forward(&self) -> Weights {
        Weights::new(self.shape, self.weights, self.bias)
    }

    /// The weights turned round, which the backward pass needs.
    pub fn for_backward(&self) -> Turned {
        Turned::new(self.shape, self.weights)
    }

    /// `padded` holds the values after the ReLU; `z` is `[H', W', C_out]`; its moments go to `moments`.
    pub fn forward(
        &self,
        ready: &Weights,
        padded: &[f32],
        padding: [usize; 2],
        z: &mut [f32],
        moments: Option<&mut Collector>,
        scratch: &mut Scratch,
    ) {
        dense::forward(ready, padded, padding, 0..self.shape.out_height(), z, false, &mut scratch.kernel);
        moments.into_iter().for_each(|m| m.add_map(z));
    }

    /// Backward pass of one image. `dz(at, to)` writes numbers `at` of the output's gradient `[H', W', C_out]` to `to`. The
    /// gradient of the values after the ReLU is written to `dx`, where it is wanted, or added to what is there where `onto`; that of the weights
    /// and the bias is added to `gradient`, which lies as they do.
    pub fn backward_onto(
        &self,
        turned: &Turned,
        padded: &[f32],
        padding: [usize; 2],
        dz: impl Fn(Range<usize>, &mut [f32]),
        gradient: Option<&mut [f32]>,
        dx: Option<&mut [f32]>,
        onto: bool,
        scratch: &mut Scratch,
    ) {
        let s = &self.shape;
        let (border, row) = (s.reach(), s.out_width() * s.outputs);
        let key = [s.out_height(), s.out_width(), s.outputs, border[0], border[1]];
        let Scratch { bordered, kernel } = scratch;
        let own = bordered.of(key, s.out_padded_len(border));
        for y in 0..s.out_height() {
            dz(y * row..(y + 1) * row, &mut own[s.out_padded_at(y, border)..][..row]);
        }
        if let Some(gradient) = gradient {
            let (weights, bias) = gradient.split_at_mut(s.weights_len());
            dense::add_weight_gradient(s, padded, padding, own, border, weights, kernel);
            if !bias.is_empty() {
                // The border is zeros.
                dense::add_bias_gradient(own, bias);
            }
        }
        if let Some(dx) = dx {
            dense::input_gradient(turned, own, border, 0..s.height, dx, onto, kernel);
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
            let shape = Shape { height, width, inputs, outputs, kernel: [window; 2], stride: [stride; 2] };
            let (x, weights) = (numbers(height * width * inputs), numbers(shape.weights_len() + outputs));
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
                dense.forward(&dense.for_forward(), &padded, [padding; 2], &mut z, None, &mut Scratch::default());
                let (mut dx, mut dw) = (vec![1.0; x.len()], vec![1.0; weights.len()]);
                let take = |at: Range<usize>, to: &mut [f32]| to.copy_from_slice(&dy[at]);
                let ready = dense.for_backward();
                dense.backward_onto(
                    &ready,
                    &padded,
                    [padding; 2],
                    take,
                    Some(&mut dw),
                    Some(&mut dx),
                    true,
                    &mut Scratch::default(),
                );
                let (mut ex, mut ew) = (vec![1.0f64; x.len()], vec![1.0f64; weights.len()]);
                for (p, dy) in dy.chunks_exact(outputs).enumerate() {
                    let (y, xx) = (p / ow, p % ow);
                    for (o, d) in dy.iter().enumerate() {
                        let mut sum = f64::from(weights[shape.weights_len() + o]);
                        ew[shape.weights_len() + o] += f64::from(*d);
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
