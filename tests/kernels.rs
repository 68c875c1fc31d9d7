//! Kernels against plain loops in float64, and the backward pass of every operation against central differences of those
//! loops: odd sizes, 1 to 67 channels, strides, dilations, one image, 7x7 maps.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use zonas::kernels::depthwise::{self, Load, Shape};
use zonas::kernels::norm::Collector;
use zonas::kernels::{Level, pool};
use zonas::nn::{Kind, MixedOperation};
use zonas::space::{Compute, Operation};

/// Runs a test at every instruction set that this processor has.
fn at_every_level(test: impl Fn()) {
    crate::at_levels(&Level::available(), test);
}

fn numbers(n: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| rng.random::<f32>() * 2.0 - 1.0).collect()
}

fn wide(v: &[f32]) -> Vec<f64> {
    v.iter().map(|x| f64::from(*x)).collect()
}

fn close(ours: &[f32], expected: &[f64], what: &str) {
    assert_eq!(ours.len(), expected.len(), "{what}");
    let norm = expected.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-12);
    let d = ours.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum::<f64>().sqrt();
    assert!(d <= 2e-6 * norm, "{what}: relative error {:.2e}", d / norm);
}

/// A map `[N, H, W, C]` in float64.
#[derive(Clone)]
struct Map {
    n: usize,
    h: usize,
    w: usize,
    c: usize,
    v: Vec<f64>,
}

impl Map {
    fn new(n: usize, h: usize, w: usize, c: usize) -> Map {
        Map { n, h, w, c, v: vec![0.0; n * h * w * c] }
    }

    fn at(&self, n: usize, y: isize, x: isize, c: usize) -> Option<f64> {
        let inside = y >= 0 && x >= 0 && (y as usize) < self.h && (x as usize) < self.w;
        inside.then(|| self.v[((n * self.h + y as usize) * self.w + x as usize) * self.c + c])
    }

    /// Every number of a map of this size from its place.
    fn fill(n: usize, h: usize, w: usize, c: usize, f: impl Fn(usize, usize, usize, usize) -> f64) -> Map {
        let mut m = Map::new(n, h, w, c);
        for (i, v) in m.v.iter_mut().enumerate() {
            *v = f(i / (h * w * c), i / (w * c) % h, i / c % w, i % c);
        }
        m
    }

    fn relu(&self) -> Map {
        Map { v: self.v.iter().map(|v| v.max(0.0)).collect(), ..*self }
    }

    fn depthwise(&self, weights: &[f64], k: usize, stride: usize, dilation: usize) -> Map {
        let p = (dilation * (k - 1) / 2) as isize;
        Map::fill(self.n, self.h.div_ceil(stride), self.w.div_ceil(stride), self.c, |n, y, x, c| {
            (0..k * k)
                .map(|t| {
                    let sy = (y * stride + t / k * dilation) as isize - p;
                    let sx = (x * stride + t % k * dilation) as isize - p;
                    self.at(n, sy, sx, c).unwrap_or(0.0) * weights[t * self.c + c]
                })
                .sum()
        })
    }

    /// 1x1 convolution with `weights` `[C_in, outputs]` of the pixels at `stride`, moved by `shift`.
    fn pointwise(&self, weights: &[f64], outputs: usize, stride: usize, shift: usize) -> Map {
        Map::fill(self.n, self.h.div_ceil(stride), self.w.div_ceil(stride), outputs, |n, y, x, o| {
            (0..self.c)
                .map(|i| {
                    let (sy, sx) = ((y * stride + shift) as isize, (x * stride + shift) as isize);
                    self.at(n, sy, sx, i).unwrap_or(0.0) * weights[i * outputs + o]
                })
                .sum()
        })
    }

    fn pool(&self, window: usize, stride: usize, max: bool) -> Map {
        let reach = window as isize / 2;
        Map::fill(self.n, self.h.div_ceil(stride), self.w.div_ceil(stride), self.c, |n, y, x, c| {
            let inside: Vec<f64> = (0..window * window)
                .filter_map(|t| {
                    let (dy, dx) = ((t / window) as isize - reach, (t % window) as isize - reach);
                    self.at(n, (y * stride) as isize + dy, (x * stride) as isize + dx, c)
                })
                .collect();
            if max {
                inside.iter().copied().fold(f64::NEG_INFINITY, f64::max)
            } else {
                inside.iter().sum::<f64>() / inside.len() as f64
            }
        })
    }

    fn norm(&self) -> Map {
        let count = (self.n * self.h * self.w) as f64;
        let mut out = self.clone();
        for c in 0..self.c {
            let values = || self.v.iter().skip(c).step_by(self.c);
            let mean = values().sum::<f64>() / count;
            let variance = values().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
            for v in out.v.iter_mut().skip(c).step_by(self.c) {
                *v = (*v - mean) / (variance + 1e-5).sqrt();
            }
        }
        out
    }

    /// With weights `[taps·C, C]` and a bias by channel; of sides and strides that of the rows comes first.
    fn dense(&self, k: [usize; 2], stride: [usize; 2], weights: &[f64], bias: impl Fn(usize) -> f64) -> Map {
        Map::fill(self.n, self.h.div_ceil(stride[0]), self.w.div_ceil(stride[1]), self.c, |n, y, x, c| {
            let taps = (0..k[0] * k[1]).flat_map(|t| (0..self.c).map(move |i| (t, i)));
            let value = |(t, i): (usize, usize)| {
                let at = |axis: usize, from: usize, tap: usize| {
                    (from * stride[axis] + tap) as isize - (k[axis] / 2) as isize
                };
                let from = self.at(n, at(0, y, t / k[1]), at(1, x, t % k[1]), i);
                from.unwrap_or(0.0) * weights[(t * self.c + i) * self.c + c]
            };
            bias(c) + taps.map(value).sum::<f64>()
        })
    }

    fn operation(&self, o: Operation, stride: usize, slots: &[(Kind, Vec<f64>)]) -> Map {
        let half = |x: &Map, at: usize, stride: usize, dilation: usize| {
            let k = o.kernel().unwrap();
            x.relu().depthwise(&slots[at].1, k, stride, dilation).pointwise(&slots[at + 1].1, self.c, 1, 0).norm()
        };
        match o.compute() {
            Compute::Zero => Map::new(self.n, self.h.div_ceil(stride), self.w.div_ceil(stride), self.c),
            Compute::MaxPool { window } => self.pool(window, stride, true).norm(),
            Compute::AveragePool { window } => self.pool(window, stride, false).norm(),
            Compute::Identity if stride == 1 => self.clone(),
            Compute::Identity => {
                let r = self.relu();
                let (a, b) = (self.c / 2, self.c - self.c / 2);
                let (left, right) = (r.pointwise(&slots[0].1, a, 2, 0), r.pointwise(&slots[1].1, b, 2, 1));
                Map::fill(self.n, left.h, left.w, self.c, |n, y, x, c| {
                    let (y, x) = (y as isize, x as isize);
                    if c < a { left.at(n, y, x, c).unwrap() } else { right.at(n, y, x, c - a).unwrap() }
                })
                .norm()
            }
            Compute::Separable { dilation, halves, .. } => {
                let first = half(self, 0, stride, dilation);
                (1..halves).fold(first, |x, i| half(&x, 2 * i, 1, dilation))
            }
            Compute::Dense { window } => {
                let bias = &slots[1].1;
                self.relu().dense([window; 2], [stride; 2], &slots[0].1, |c| bias[c]).norm()
            }
            Compute::Factorised { window } => {
                let between = self.relu().dense([1, window], [1, stride], &slots[0].1, |_| 0.0);
                between.dense([window, 1], [stride, 1], &slots[1].1, |_| 0.0).norm()
            }
            Compute::Noise => unreachable!("noise has no reference"),
        }
    }
}

#[test]
fn depthwise_convolutions_match_plain_loops() {
    at_every_level(|| {
        for channels in [1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 31, 32, 48, 64, 67] {
            for (height, width) in [(7, 7), (8, 8), (5, 9), (1, 1), (3, 16)] {
                for (kernel, dilation) in [(3, 1), (5, 1), (3, 2), (5, 2), (7, 1)] {
                    for stride in [1, 2] {
                        let s = Shape { height, width, channels, kernel, stride, dilation };
                        let what = format!("{s:?}");
                        let x = numbers(height * width * channels, 1);
                        let weights = numbers(kernel * kernel * channels, 2);
                        let map = Map { n: 1, h: height, w: width, c: channels, v: wide(&x) };
                        let expected = map.depthwise(&wide(&weights), kernel, stride, dilation);
                        for extra in [0, 3] {
                            let padding = s.reach() + extra;
                            let mut padded = vec![f32::NAN; s.padded_len(padding)];
                            depthwise::pad(&x, height, width, channels, padding, Load::Copy, 0.0, &mut padded);
                            let mut out = vec![f32::NAN; expected.v.len()];
                            depthwise::forward(&s, &padded, padding, &weights, &mut out);
                            close(&out, &expected.v, &what);

                            // <dy, conv(x)> is linear in both arguments, so its gradients are convolutions with unit vectors.
                            let dy = numbers(out.len(), 3);
                            let mut spread = vec![0.0; s.padded_len(s.reach())];
                            for y in 0..s.out_height() {
                                let (start, step) = depthwise::spread_row(&s, y);
                                for x in 0..s.out_width() {
                                    let from = &dy[(y * s.out_width() + x) * channels..][..channels];
                                    spread[start + x * step..][..channels].copy_from_slice(from);
                                }
                            }
                            let mut dx = vec![f32::NAN; x.len()];
                            let flipped = depthwise::flip(&weights, channels);
                            depthwise::input_gradient(&s, &spread, &flipped, 0..height, &mut dx, false);
                            // Onto one that is there already.
                            let mut twice = dx.clone();
                            depthwise::input_gradient(&s, &spread, &flipped, 0..height, &mut twice, true);
                            let mut dw = vec![0.0; weights.len()];
                            depthwise::add_weight_gradient(&s, &padded, padding, &spread, &mut dw);
                            let (mut ex, mut ew) = (vec![0.0; x.len()], vec![0.0; weights.len()]);
                            let p = s.reach() as isize;
                            for y in 0..s.out_height() {
                                for xx in 0..s.out_width() {
                                    for c in 0..channels {
                                        let d = f64::from(dy[(y * s.out_width() + xx) * channels + c]);
                                        for t in 0..kernel * kernel {
                                            let sy = (y * stride + t / kernel * dilation) as isize - p;
                                            let sx = (xx * stride + t % kernel * dilation) as isize - p;
                                            if let Some(v) = map.at(0, sy, sx, c) {
                                                let at = (sy as usize * width + sx as usize) * channels + c;
                                                ex[at] += d * f64::from(weights[t * channels + c]);
                                                ew[t * channels + c] += d * v;
                                            }
                                        }
                                    }
                                }
                            }
                            close(&dx, &ex, &what);
                            close(&dw, &ew, &what);
                            ex.iter_mut().for_each(|v| *v *= 2.0);
                            close(&twice, &ex, &what);
                        }
                    }
                }
            }
        }
    });
}

#[test]
fn pools_match_plain_loops() {
    at_every_level(|| {
        for channels in [1, 3, 4, 16, 21, 67] {
            for (h, w) in [(7, 7), (8, 8), (5, 9), (1, 1)] {
                for stride in [1, 2] {
                    let s = pool::shape(h, w, channels, 3, stride);
                    let x = numbers(h * w * channels, 4);
                    let map = Map { n: 1, h, w, c: channels, v: wide(&x) };
                    let mut scratch = pool::Scratch::default();
                    let mut out = vec![f32::NAN; s.out_height() * s.out_width() * channels];
                    pool::max_forward(&s, &x, &mut out, &mut scratch);
                    close(&out, &map.pool(3, stride, true).v, "max");
                    pool::average_forward(&s, &x, &mut out, &mut scratch);
                    close(&out, &map.pool(3, stride, false).v, "average");
                    pool::max_forward(&pool::shape(h, w, channels, 5, stride), &x, &mut out, &mut scratch);
                    close(&out, &map.pool(5, stride, true).v, "max of 5");
                }
            }
        }
    });
}

/// Equal values: PyTorch gives the gradient to the first of a window.
#[test]
fn max_pool_gives_a_tie_to_the_first() {
    at_every_level(|| {
        let s = pool::shape(3, 3, 1, 3, 2);
        let mut dx = vec![0.0; 9];
        pool::max_backward(&s, &[1.0; 9], &[1.0, 2.0, 4.0, 8.0], &mut dx, &mut pool::Scratch::default());
        assert_eq!(dx, [1.0, 2.0, 0.0, 4.0, 8.0, 0.0, 0.0, 0.0, 0.0]);
    });
}

#[test]
fn moments_match_two_passes_also_far_from_zero() {
    at_every_level(|| {
        for channels in [1, 3, 4, 16, 20, 67] {
            let mut x = numbers(channels * 211, 5);
            x.iter_mut().for_each(|v| *v = *v * 0.1 + 30.0);
            let mut moments = Collector::new(channels);
            for part in x.chunks(channels * 53) {
                moments.add_map(part);
            }
            let moments = moments.finish();
            for c in 0..channels {
                let values: Vec<f64> = x.iter().skip(c).step_by(channels).map(|v| f64::from(*v)).collect();
                let mean = values.iter().sum::<f64>() / 211.0;
                let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 211.0;
                assert!((moments.mean[c] - mean).abs() < 1e-7 * mean, "{channels}");
                assert!((moments.variance()[c] - variance).abs() < 1e-6 * variance, "{channels}");
            }
        }
    });
}

/// Every operation: forward against plain loops, gradients of input, weights and mixing weight against central differences.
#[test]
fn operations_match_plain_loops_and_central_differences() {
    at_every_level(|| {
        let cases = [(2, 7, 7, 5), (1, 8, 8, 4), (3, 5, 6, 1), (1, 7, 7, 19), (2, 4, 4, 16)];
        for (n, h, w, c) in cases {
            // Of noise there is nothing to compute in loops.
            for operation in Operation::catalogue().filter(|o| *o != Operation::Noise) {
                for stride in [1, 2] {
                    // Half of one channel is none, and a norm takes away what one weight does.
                    let one = operation == Operation::SkipConnect && stride == 2 || operation.kernel() == Some(1);
                    if one && c == 1 {
                        continue;
                    }
                    check_operation(operation, stride, n, h, w, c);
                }
            }
        }
    });
}

fn check_operation(operation: Operation, stride: usize, n: usize, h: usize, w: usize, c: usize) {
    let what = format!("{operation} stride {stride} on [{n}, {h}, {w}, {c}]");
    let op = MixedOperation::new(&[operation], c, stride);
    let (x, weights) = (numbers(n * h * w * c, 6), numbers(op.len(), 7));
    let run = |x: &[f64], weights: &[f64], m: f64| -> Map {
        let slots: Vec<(Kind, Vec<f64>)> =
            op.slots().iter().map(|s| (s.kind, weights[MixedOperation::range(s)].to_vec())).collect();
        let mut out = Map { n, h, w, c, v: x.to_vec() }.operation(operation, stride, &slots);
        out.v.iter_mut().for_each(|v| *v *= m);
        out
    };
    let (xw, ww) = (wide(&x), wide(&weights));
    let expected = run(&xw, &ww, 0.7);
    let out = op.forward([n, h, w], &x, &weights, &[0.7]);
    let dy = numbers(out.len(), 8);
    if operation == Operation::None {
        assert!(out.iter().all(|v| *v == 0.0));
        return;
    }
    let norm = expected.v.iter().map(|v| v * v).sum::<f64>().sqrt();
    let d = out.iter().zip(&expected.v).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum::<f64>().sqrt();
    assert!(d <= 1e-5 * norm.max(1.0), "{what}: {:.1e}", d / norm);

    let found = op.backward([n, h, w], &x, &weights, &[0.7], &dy);
    let loss = |x: &[f64], weights: &[f64], m: f64| -> f64 {
        run(x, weights, m).v.iter().zip(&dy).map(|(a, b)| a * f64::from(*b)).sum()
    };
    let h = 1e-6;
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let scale = |g: &[f32]| g.iter().map(|v| f64::from(v.abs())).fold(1e-3, f64::max);
    for _ in 0..24 {
        let i = rng.random_range(0..x.len());
        let (mut up, mut down) = (xw.clone(), xw.clone());
        up[i] += h;
        down[i] -= h;
        let d = (loss(&up, &ww, 0.7) - loss(&down, &ww, 0.7)) / (2.0 * h);
        assert!(
            (d - f64::from(found.input[i])).abs() < 2e-4 * scale(&found.input),
            "{what}: d/dx[{i}] {d} {}",
            found.input[i]
        );
        if !weights.is_empty() {
            let i = rng.random_range(0..weights.len());
            let (mut up, mut down) = (ww.clone(), ww.clone());
            up[i] += h;
            down[i] -= h;
            let d = (loss(&xw, &up, 0.7) - loss(&xw, &down, 0.7)) / (2.0 * h);
            assert!(
                (d - f64::from(found.weights[i])).abs() < 2e-4 * scale(&found.weights),
                "{what}: d/dw[{i}] {d} {}",
                found.weights[i]
            );
        }
    }
    let d = (loss(&xw, &ww, 0.7 + h) - loss(&xw, &ww, 0.7 - h)) / (2.0 * h);
    let ours = f64::from(found.mixing[0]);
    assert!((d - ours).abs() < 1e-4 * d.abs().max(1.0), "{what}: d/dmixing {d} {ours}");
}

/// N(0, 1) that knows nothing of its input, and whose mixing weight has the gradient Σ dy·noise.
#[test]
fn noise_is_noise() {
    let (size, c) = ([3, 8, 6], 7);
    for (stride, pixels) in [(1, 48), (2, 12)] {
        let op = MixedOperation::new(&[Operation::Noise], c, stride);
        assert!(op.is_empty());
        let x = numbers(3 * 48 * c, 1);
        let out = op.forward(size, &x, &[], &[1.0]);
        assert_eq!(out.len(), 3 * pixels * c);
        assert_eq!(out, op.forward(size, &numbers(x.len(), 2), &[], &[1.0]));
        let n = out.len() as f64;
        let mean = out.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
        let variance = out.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n;
        assert!(mean.abs() < 4.0 / n.sqrt() && (variance - 1.0).abs() < 6.0 / n.sqrt(), "{mean} {variance}");
        let mut images = out.chunks(pixels * c);
        assert_ne!(images.next(), images.next());
        let dy = numbers(out.len(), 3);
        let found = op.backward(size, &x, &[], &[0.5], &dy);
        let expected: f64 = out.iter().zip(&dy).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        assert!((f64::from(found.mixing[0]) - expected).abs() < 1e-4 * expected.abs().max(1.0));
        assert!(found.input.iter().all(|v| *v == 0.0));
    }
}
