//! Maps of dual numbers, and what is done to them: forward, and back.

use std::ops::Range;

use super::Given;
use crate::kernels::norm::EPSILON;
use crate::nn::noise::Noise;

/// `[N, H, W, C]`: numbers, and their derivatives as all weights grow by the same share.
pub(super) struct Map {
    pub size: [usize; 4],
    pub value: Vec<f64>,
    pub dot: Vec<f64>,
}

/// A convolution: `[taps, C]` where it is depthwise, else `[taps, C_in, C_out]`.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    pub weights: Range<usize>,
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: usize,
    /// The pixel that the first window begins with.
    pub first: [isize; 2],
    pub outputs: usize,
    pub depthwise: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Relu,
    /// Side by side: their channels follow one another.
    Convolve(Vec<Window>),
    /// With statistics of the batch.
    Norm {
        /// Scale and shift, where it has them.
        affine: Option<(Range<usize>, Range<usize>)>,
    },
    MaxPool {
        window: usize,
        stride: usize,
    },
    /// Over what is there; `before` rows and columns are missing at the first window.
    AveragePool {
        window: usize,
        stride: usize,
        before: usize,
    },
    Noise {
        place: usize,
        stride: usize,
    },
}

impl Map {
    pub fn zeros(images: usize, [h, w, c]: [usize; 3]) -> Map {
        let numbers = images * h * w * c;
        Map { size: [images, h, w, c], value: vec![0.0; numbers], dot: vec![0.0; numbers] }
    }

    /// Adds `other` times a constant to the channels from `channel` on.
    pub fn add_scaled(&mut self, other: &Map, by: f64, channel: usize) {
        let (own, theirs) = (self.size[3], other.size[3]);
        for (to, from) in [(&mut self.value, &other.value), (&mut self.dot, &other.dot)] {
            for (to, from) in to.chunks_exact_mut(own).zip(from.chunks_exact(theirs)) {
                to[channel..][..theirs].iter_mut().zip(from).for_each(|(t, v)| *t += by * v);
            }
        }
    }

    /// Means over the pixels of an image, and their derivatives.
    pub fn mean(&self, image: usize) -> [Vec<f64>; 2] {
        let [_, h, w, c] = self.size;
        let share = 1.0 / (h * w) as f64;
        [&self.value, &self.dot].map(|all| {
            let mut sums = vec![0.0; c];
            for pixel in all[image * h * w * c..][..h * w * c].chunks_exact(c) {
                sums.iter_mut().zip(pixel).for_each(|(s, v)| *s += share * v);
            }
            sums
        })
    }

    /// So many channels from `channel` on, times a constant.
    pub fn part(&self, by: f64, channel: usize, channels: usize) -> Map {
        let [n, h, w, c] = self.size;
        let of = |all: &[f64]| {
            let mut part = Vec::with_capacity(n * h * w * channels);
            all.chunks_exact(c).for_each(|pixel| part.extend(pixel[channel..][..channels].iter().map(|v| by * v)));
            part
        };
        Map { size: [n, h, w, channels], value: of(&self.value), dot: of(&self.dot) }
    }
}

/// How windows lie over a map.
#[derive(Clone, Copy)]
struct Over {
    from: [usize; 2],
    to: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: usize,
    first: [isize; 2],
}

impl Over {
    /// Every pixel of the result with each that its window has, and the number of the tap. Places outside are left out.
    #[inline]
    fn each(&self, mut of: impl FnMut(usize, usize, usize)) {
        let inside = |at: usize, axis: usize, tap: usize| {
            let place = (at * self.stride[axis]) as isize + self.first[axis] + (tap * self.dilation) as isize;
            usize::try_from(place).ok().filter(|p| *p < self.from[axis])
        };
        for y in 0..self.to[0] {
            for x in 0..self.to[1] {
                for row in 0..self.kernel[0] {
                    let Some(iy) = inside(y, 0, row) else { continue };
                    for column in 0..self.kernel[1] {
                        let Some(ix) = inside(x, 1, column) else { continue };
                        of(y * self.to[1] + x, iy * self.from[1] + ix, row * self.kernel[1] + column);
                    }
                }
            }
        }
    }
}

impl Window {
    fn over(&self, [h, w]: [usize; 2]) -> Over {
        Over {
            from: [h, w],
            to: [h.div_ceil(self.stride[0]), w.div_ceil(self.stride[1])],
            kernel: self.kernel,
            stride: self.stride,
            dilation: self.dilation,
            first: self.first,
        }
    }

    /// Writes the channels of `to` from `channel` on. As the weights grow by themselves, so does what they give.
    fn forward(&self, x: &Map, weights: &[f64], to: &mut Map, channel: usize) {
        let [n, h, w, c_in] = x.size;
        let ([_, oh, ow, c], outputs) = (to.size, self.outputs);
        let weights = &weights[self.weights.clone()];
        let over = self.over([h, w]);
        for image in 0..n {
            let (from, at) = (image * h * w * c_in, image * oh * ow * c + channel);
            over.each(|o, i, tap| {
                let (i, o) = (from + i * c_in, at + o * c);
                let (to_value, to_dot) = (&mut to.value[o..][..outputs], &mut to.dot[o..][..outputs]);
                if self.depthwise {
                    let (value, dot) = (&x.value[i..][..outputs], &x.dot[i..][..outputs]);
                    for (k, w) in weights[tap * outputs..][..outputs].iter().enumerate() {
                        to_value[k] += w * value[k];
                        to_dot[k] += w * (value[k] + dot[k]);
                    }
                    return;
                }
                for j in 0..c_in {
                    let (value, dot) = (x.value[i + j], x.value[i + j] + x.dot[i + j]);
                    for (k, w) in weights[(tap * c_in + j) * outputs..][..outputs].iter().enumerate() {
                        to_value[k] += w * value;
                        to_dot[k] += w * dot;
                    }
                }
            });
        }
    }

    /// Adds to the gradient of the input; shows those of the weights.
    fn backward(&self, x: &Map, d: &Map, channel: usize, block: usize, weights: &[f64], to: &mut Map, given: Given) {
        let [n, h, w, c_in] = x.size;
        let ([_, oh, ow, c], outputs) = (d.size, self.outputs);
        let weights = &weights[self.weights.clone()];
        let (mut of, mut of_dot) = (vec![0.0; weights.len()], vec![0.0; weights.len()]);
        let over = self.over([h, w]);
        for image in 0..n {
            let (from, at) = (image * h * w * c_in, image * oh * ow * c + channel);
            over.each(|o, i, tap| {
                let (i, o) = (from + i * c_in, at + o * c);
                let (dv, dd) = (&d.value[o..][..outputs], &d.dot[o..][..outputs]);
                if self.depthwise {
                    let at = tap * outputs;
                    for k in 0..outputs {
                        let (w, value, dot) = (weights[at + k], x.value[i + k], x.dot[i + k]);
                        of[at + k] += value * dv[k];
                        of_dot[at + k] += dot * dv[k] + value * dd[k];
                        to.value[i + k] += w * dv[k];
                        to.dot[i + k] += w * (dv[k] + dd[k]);
                    }
                    return;
                }
                for j in 0..c_in {
                    let at = (tap * c_in + j) * outputs;
                    let (value, dot) = (x.value[i + j], x.dot[i + j]);
                    let own = weights[at..][..outputs].iter().zip(dv).zip(dd);
                    let (mut back, mut back_dot) = (0.0, 0.0);
                    for (((w, dv), dd), (g, g_dot)) in
                        own.zip(of[at..][..outputs].iter_mut().zip(&mut of_dot[at..][..outputs]))
                    {
                        *g += value * dv;
                        *g_dot += dot * dv + value * dd;
                        back += w * dv;
                        back_dot += w * (dv + dd);
                    }
                    to.value[i + j] += back;
                    to.dot[i + j] += back_dot;
                }
            });
        }
        given(block, self.weights.clone(), &of, &of_dot);
    }
}

impl Step {
    /// `[H, W, C]` of what it makes.
    pub fn shape(&self, [h, w, c]: [usize; 3]) -> [usize; 3] {
        match self {
            Step::Relu | Step::Norm { .. } => [h, w, c],
            Step::Convolve(windows) => {
                let [sy, sx] = windows.first().map_or([1; 2], |window| window.stride);
                [h.div_ceil(sy), w.div_ceil(sx), windows.iter().map(|window| window.outputs).sum()]
            }
            Step::MaxPool { stride, .. } | Step::AveragePool { stride, .. } | Step::Noise { stride, .. } => {
                [h.div_ceil(*stride), w.div_ceil(*stride), c]
            }
        }
    }

    /// How the windows of a pooling lie.
    fn pool(x: &Map, window: usize, stride: usize, before: usize) -> Over {
        let [_, h, w, _] = x.size;
        Over {
            from: [h, w],
            to: [h.div_ceil(stride), w.div_ceil(stride)],
            kernel: [window; 2],
            stride: [stride; 2],
            dilation: 1,
            first: [-(before as isize); 2],
        }
    }

    /// By number of the result in an image the number of the greatest input of its window, the first of equal ones.
    fn greatest(x: &Map, over: &Over, image: usize) -> Vec<usize> {
        let [_, h, w, c] = x.size;
        let own = &x.value[image * h * w * c..][..h * w * c];
        let mut best = vec![usize::MAX; over.to[0] * over.to[1] * c];
        over.each(|o, i, _| {
            for k in 0..c {
                let (best, at) = (&mut best[o * c + k], i * c + k);
                if own.get(*best).is_none_or(|there| own[at] > *there || own[at].is_nan() && !there.is_nan()) {
                    *best = at;
                }
            }
        });
        best
    }

    /// Pixels that are there in each window.
    fn counts(over: &Over) -> Vec<f64> {
        let mut counts = vec![0.0; over.to[0] * over.to[1]];
        over.each(|o, _, _| counts[o] += 1.0);
        counts
    }

    /// What it makes of a map; `weights` are the block's.
    pub fn forward(&self, x: &Map, weights: &[f64], noise: Noise) -> Map {
        let [n, h, w, c] = x.size;
        let shape = self.shape([h, w, c]);
        let mut to = Map::zeros(n, shape);
        let (from_len, len) = (h * w * c, shape.iter().product::<usize>());
        match self {
            Step::Relu => {
                for (i, v) in x.value.iter().enumerate().filter(|(_, v)| **v > 0.0 || v.is_nan()) {
                    (to.value[i], to.dot[i]) = (*v, x.dot[i]);
                }
            }
            Step::Convolve(windows) => {
                let mut channel = 0;
                for window in windows {
                    window.forward(x, weights, &mut to, channel);
                    channel += window.outputs;
                }
            }
            Step::Norm { affine } => {
                let norm = Normed::of(x);
                for (i, at) in (0..n * h * w).flat_map(|p| (0..c).map(move |i| (i, p * c + i))) {
                    let (hat, hat_dot) = norm.hat(x, i, at);
                    let (gain, shift) = gain(affine.as_ref(), weights, i);
                    (to.value[at], to.dot[at]) = (gain * hat + shift, gain * hat_dot);
                }
            }
            Step::MaxPool { window, stride } => {
                let over = Step::pool(x, *window, *stride, (window - 1) / 2);
                for image in 0..n {
                    for (o, i) in Step::greatest(x, &over, image).into_iter().enumerate() {
                        (to.value[image * len + o], to.dot[image * len + o]) =
                            (x.value[image * from_len + i], x.dot[image * from_len + i]);
                    }
                }
            }
            Step::AveragePool { window, stride, before } => {
                let over = Step::pool(x, *window, *stride, *before);
                let counts = Step::counts(&over);
                for image in 0..n {
                    over.each(|o, i, _| {
                        for k in 0..c {
                            let (from, at) = (image * from_len + i * c + k, image * len + o * c + k);
                            to.value[at] += x.value[from] / counts[o];
                            to.dot[at] += x.dot[from] / counts[o];
                        }
                    });
                }
            }
            Step::Noise { place, .. } => {
                let mut drawn = vec![0.0f32; len];
                for image in 0..n {
                    noise.draw(*place, image, &mut drawn);
                    to.value[image * len..][..len].iter_mut().zip(&drawn).for_each(|(t, v)| *t = f64::from(*v));
                }
            }
        }
        to
    }

    /// The gradient of the input, from that of the result.
    pub fn backward(&self, x: &Map, d: &Map, block: usize, weights: &[f64], given: Given) -> Map {
        let [n, h, w, c] = x.size;
        let mut to = Map::zeros(n, [h, w, c]);
        let (from_len, len) = (h * w * c, d.size[1..].iter().product::<usize>());
        match self {
            Step::Relu => {
                for (i, _) in x.value.iter().enumerate().filter(|(_, v)| **v > 0.0) {
                    (to.value[i], to.dot[i]) = (d.value[i], d.dot[i]);
                }
            }
            Step::Convolve(windows) => {
                let mut channel = 0;
                for window in windows {
                    window.backward(x, d, channel, block, weights, &mut to, given);
                    channel += window.outputs;
                }
            }
            Step::Norm { affine } => Normed::of(x).backward(x, d, |i| gain(affine.as_ref(), weights, i).0, &mut to),
            Step::MaxPool { window, stride } => {
                let over = Step::pool(x, *window, *stride, (window - 1) / 2);
                for image in 0..n {
                    for (o, i) in Step::greatest(x, &over, image).into_iter().enumerate() {
                        to.value[image * from_len + i] += d.value[image * len + o];
                        to.dot[image * from_len + i] += d.dot[image * len + o];
                    }
                }
            }
            Step::AveragePool { window, stride, before } => {
                let over = Step::pool(x, *window, *stride, *before);
                let counts = Step::counts(&over);
                for image in 0..n {
                    over.each(|o, i, _| {
                        for k in 0..c {
                            let (from, at) = (image * from_len + i * c + k, image * len + o * c + k);
                            to.value[from] += d.value[at] / counts[o];
                            to.dot[from] += d.dot[at] / counts[o];
                        }
                    });
                }
            }
            // Nothing of the input is in it.
            Step::Noise { .. } => {}
        }
        to
    }
}

/// Scale and shift of channel `i`.
fn gain(affine: Option<&(Range<usize>, Range<usize>)>, weights: &[f64], i: usize) -> (f64, f64) {
    affine.map_or((1.0, 0.0), |(gain, shift)| (weights[gain.start + i], weights[shift.start + i]))
}

/// Statistics of a batch by channel, and their derivatives.
struct Normed {
    mean: Vec<f64>,
    mean_dot: Vec<f64>,
    /// 1 / sqrt(variance + epsilon).
    scale: Vec<f64>,
    scale_dot: Vec<f64>,
}

impl Normed {
    fn of(x: &Map) -> Normed {
        let [n, h, w, c] = x.size;
        let share = 1.0 / (n * h * w) as f64;
        let mean = |all: &[f64]| {
            let mut sums = vec![0.0; c];
            all.chunks_exact(c).for_each(|pixel| sums.iter_mut().zip(pixel).for_each(|(s, v)| *s += v));
            sums.iter_mut().for_each(|s| *s *= share);
            sums
        };
        let (means, means_dot) = (mean(&x.value), mean(&x.dot));
        let (mut variance, mut variance_dot) = (vec![0.0; c], vec![0.0; c]);
        for (value, dot) in x.value.chunks_exact(c).zip(x.dot.chunks_exact(c)) {
            for i in 0..c {
                let off = value[i] - means[i];
                variance[i] += share * off * off;
                variance_dot[i] += 2.0 * share * off * (dot[i] - means_dot[i]);
            }
        }
        let scale: Vec<f64> = variance.iter().map(|v| 1.0 / (v + EPSILON).sqrt()).collect();
        let scale_dot = scale.iter().zip(&variance_dot).map(|(s, v)| -0.5 * s.powi(3) * v).collect();
        Normed { mean: means, mean_dot: means_dot, scale, scale_dot }
    }

    /// The normalised number at `at`, of channel `i`.
    fn hat(&self, x: &Map, i: usize, at: usize) -> (f64, f64) {
        let (off, off_dot) = (x.value[at] - self.mean[i], x.dot[at] - self.mean_dot[i]);
        (off * self.scale[i], off_dot * self.scale[i] + off * self.scale_dot[i])
    }

    /// `dx = gain · scale · (dy − mean(dy) − x̂ · mean(dy · x̂))`, and its derivative.
    fn backward(&self, x: &Map, d: &Map, gain: impl Fn(usize) -> f64, to: &mut Map) {
        let [n, h, w, c] = x.size;
        let share = 1.0 / (n * h * w) as f64;
        let places = || (0..n * h * w).flat_map(|p| (0..c).map(move |i| (i, p * c + i)));
        // Means of dy and of dy · x̂, each with its derivative.
        let mut means = vec![[0.0; 4]; c];
        for (i, at) in places() {
            let ((hat, hat_dot), dy, dy_dot) = (self.hat(x, i, at), d.value[at], d.dot[at]);
            let own = [dy, dy_dot, dy * hat, dy_dot * hat + dy * hat_dot];
            means[i].iter_mut().zip(own).for_each(|(m, v)| *m += share * v);
        }
        for (i, at) in places() {
            let (hat, hat_dot) = self.hat(x, i, at);
            let [plain, plain_dot, product, product_dot] = means[i];
            let (gain, scale, scale_dot) = (gain(i), self.scale[i], self.scale_dot[i]);
            let inner = d.value[at] - plain - hat * product;
            let inner_dot = d.dot[at] - plain_dot - hat_dot * product - hat * product_dot;
            to.value[at] = gain * scale * inner;
            to.dot[at] = gain * (scale_dot * inner + scale * inner_dot);
        }
    }
}
