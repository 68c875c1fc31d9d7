//! The residual block between two stages of NAS-Bench-201, which halves the maps: ReLU → 3x3 convolution of stride 2 → norm →
//! ReLU → 3x3 convolution → norm, plus 2x2 average pooling → 1x1 convolution. Norms have a scale and shift.

use std::ops::Range;
use std::sync::Arc;

use super::Probe;
use super::dense::{Dense, Scratch};
use super::norm::{Norm, NormPass, NormSlot, Statistics, Sums, collector};
use super::parallel::{Images, image, map_groups, only, sum_parts, unfilled, zeros};
use crate::kernels::dense::Shape;
use crate::kernels::depthwise::{self, Load};
use crate::kernels::matrix::{Outer, Packed, product};
use crate::kernels::norm::{Collector, Moments, add_products};

/// Where its parameters and statistics are in the block.
#[derive(Clone, Debug)]
pub(crate) struct ResidualPlan {
    pub inputs: usize,
    pub outputs: usize,
    /// Weights of each of the two convolutions, whose norm's scale and shift are behind them.
    pub convolutions: [Range<usize>; 2],
    pub norms: [NormSlot; 2],
    /// Weights beside them, `[C_in, C_out]`.
    pub side: Range<usize>,
}

impl ResidualPlan {
    /// Of the halved maps; at odd sizes the last row and column stay by themselves, where the published code cannot run.
    pub fn output_size(&self, (height, width): (usize, usize)) -> (usize, usize) {
        (height.div_ceil(2), width.div_ceil(2))
    }

    /// The two convolutions on maps of this size.
    pub fn shapes(&self, (height, width): (usize, usize)) -> [Shape; 2] {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let first = Shape { height, width, inputs, outputs, kernel: 3, stride: 2 };
        let (height, width) = self.output_size((height, width));
        [first, Shape { height, width, inputs: outputs, stride: 1, ..first }]
    }

    /// Scale and shift of norm `k`.
    fn gain<'w>(&self, k: usize, weights: &'w [f32]) -> [&'w [f32]; 2] {
        let (at, c) = (self.convolutions[k].end, self.outputs);
        [&weights[at..][..c], &weights[at + c..][..c]]
    }
}

/// What a pass gives and keeps.
pub(crate) struct Residual {
    /// `[N, H', W', C]`.
    pub map: Vec<f32>,
    /// Before each norm, and the norms; for a backward pass.
    normed: Option<[(Vec<f32>, Statistics); 2]>,
}

/// One pass through the block.
pub(crate) struct ResidualPass<'a> {
    pub plan: &'a ResidualPlan,
    pub images: usize,
    /// Height and width of its input.
    pub size: (usize, usize),
    /// The block's parameters.
    pub weights: &'a [f32],
}

/// The mean of each 2x2 pixels of `[H, W, C]`, of those that are there.
fn halved(x: &[f32], (height, width): (usize, usize), c: usize, to: &mut [f32]) {
    let (oh, ow) = (height.div_ceil(2), width.div_ceil(2));
    for (p, to) in to.chunks_exact_mut(c).enumerate().take(oh * ow) {
        let (y, xx) = (p / ow * 2, p % ow * 2);
        let (rows, columns) = ((height - y).min(2), (width - xx).min(2));
        to.fill(0.0);
        for place in 0..rows * columns {
            let at = ((y + place / columns) * width + xx + place % columns) * c;
            to.iter_mut().zip(&x[at..]).for_each(|(t, v)| *t += v);
        }
        to.iter_mut().for_each(|t| *t /= (rows * columns) as f32);
    }
}

/// Adds what [`halved`] made of a map to the map's gradient.
fn spread(d: &[f32], (height, width): (usize, usize), c: usize, to: &mut [f32]) {
    let ow = width.div_ceil(2);
    for (p, d) in d.chunks_exact(c).enumerate() {
        let (y, xx) = (p / ow * 2, p % ow * 2);
        let (rows, columns) = ((height - y).min(2), (width - xx).min(2));
        for place in 0..rows * columns {
            let at = ((y + place / columns) * width + xx + place % columns) * c;
            to[at..].iter_mut().zip(d).for_each(|(t, v)| *t += v / (rows * columns) as f32);
        }
    }
}

/// `x` behind `load`, padded by one pixel of zeros.
fn padded(x: &[f32], s: &Shape, load: Load) -> Vec<f32> {
    let mut to = vec![0.0; (s.height + 2) * (s.width + 2) * s.inputs];
    depthwise::pad(x, s.height, s.width, s.inputs, 1, load, 0.0, &mut to);
    to
}

impl ResidualPass<'_> {
    /// Numbers of one image's input and output.
    fn numbers(&self) -> (usize, usize) {
        let ((h, w), (oh, ow)) = (self.size, self.plan.output_size(self.size));
        (h * w * self.plan.inputs, oh * ow * self.plan.outputs)
    }

    /// A convolution over the batch: the map before its norm, and its moments by group.
    fn convolve(&self, k: usize, x: &[f32], load: Load, norm: Norm) -> (Vec<f32>, Vec<Moments>) {
        let shape = self.plan.shapes(self.size)[k];
        let dense = Dense::new(shape, &self.weights[self.plan.convolutions[k].clone()]);
        let (len, out) = (shape.height * shape.width * shape.inputs, self.numbers().1);
        // SAFETY: every image is written below.
        let mut z = unsafe { unfilled(self.images * out) };
        let writer = Images::new(&mut z, self.images);
        let parts = map_groups(self.images, |group| {
            let mut moments = collector(norm, shape.outputs);
            for n in group {
                let x = padded(image(x, n, len), &shape, load);
                // SAFETY: groups do not share images.
                dense.forward(&x, 1, unsafe { writer.image(n) }, moments.as_mut());
            }
            moments.map(Collector::finish)
        });
        (z, parts.into_iter().flatten().collect())
    }

    /// `x` is `[N, H, W, C]`; `keep`: for a backward pass.
    pub fn forward(&self, x: &[f32], keep: bool, norms: &mut NormPass, probe: Option<&Arc<dyn Probe>>) -> Residual {
        let (plan, norm) = (self.plan, norms.norm);
        let affine = |k: usize| (norm != Norm::Off).then(|| plan.gain(k, self.weights));
        let (z, parts) = self.convolve(0, x, Load::Relu, norm);
        let first = norms.settle(plan.norms[0], parts).with(affine(0));
        if let Some(probe) = probe {
            probe.relu(x, None, [self.images, plan.inputs], 1);
            probe.relu(&self.formed(&z, &first), None, [self.images, plan.outputs], 1);
        }
        let (z2, parts) = self.convolve(1, &z, first.load_relu(), norm);
        let first = keep.then_some((z, first));
        let second = norms.settle(plan.norms[1], parts).with(affine(1));
        let mut map = self.formed(&z2, &second);
        let normed = first.map(|first| [first, (z2, second)]);
        let (len, out) = self.numbers();
        let (side, c) = (Packed::new(&self.weights[plan.side.clone()], plan.inputs, plan.outputs), plan.outputs);
        let writer = Images::new(&mut map, self.images);
        map_groups(self.images, |group| {
            let pixels = out / c;
            let (mut mean, mut beside) = (vec![0.0; pixels * plan.inputs], vec![0.0; out]);
            for n in group {
                halved(image(x, n, len), self.size, plan.inputs, &mut mean);
                product(&mean, plan.inputs, pixels, &side, &mut beside, c);
                // SAFETY: groups do not share images.
                let map = unsafe { writer.image(n) };
                map.iter_mut().zip(&beside).for_each(|(t, v)| *t += v);
            }
        });
        Residual { map, normed }
    }

    /// A map behind its norm.
    fn formed(&self, z: &[f32], statistics: &Statistics) -> Vec<f32> {
        let (form, out) = (statistics.form(), self.numbers().1);
        // SAFETY: every image is written below.
        let mut map = unsafe { unfilled(z.len()) };
        let writer = Images::new(&mut map, self.images);
        map_groups(self.images, |group| {
            for n in group {
                let z = image(z, n, out);
                // SAFETY: groups do not share images.
                form.apply(z, z, unsafe { writer.image(n) });
            }
        });
        map
    }

    /// Backward pass of [`ResidualPass::forward`], which gave `made`; `dy` is the gradient of its map. The gradient of the input
    /// is added to what is in `input`, those of the block's parameters to what is in `to`.
    pub fn backward(
        &self,
        x: &[f32],
        made: &Residual,
        dy: &[f32],
        input: Option<&mut Option<Vec<f32>>>,
        mut to: Option<&mut [f32]>,
        picture: Option<usize>,
    ) {
        let Some([(z, first), (z2, second)]) = &made.normed else { return };
        if input.is_none() && to.is_none() {
            return;
        }
        let (len, out) = self.numbers();
        // SAFETY: each image is written by the convolution's way back.
        let mut middle = unsafe { unfilled(z.len()) };
        self.back(1, (z, out, first.load_relu()), (z2, second), dy, Some(&mut middle), to.as_deref_mut(), picture);
        self.gate(&mut middle, z, first);
        let mut none = None;
        let wanted = input.is_some();
        let dx = input.unwrap_or(&mut none);
        let mut own = wanted.then(|| zeros(x.len(), self.images));
        self.back(0, (x, len, Load::Relu), (z, first), &middle, own.as_deref_mut(), to.as_deref_mut(), picture);
        drop(middle);
        self.beside(x, dy, own.as_deref_mut(), to, picture);
        let Some(mut own) = own else { return };
        if let Some(there) = dx.take() {
            own.iter_mut().zip(&there).for_each(|(t, v)| *t += v);
        }
        *dx = Some(own);
    }

    /// From behind norm `k` to the values after the ReLU that its convolution reads; where these are the block's own input, to
    /// the input itself.
    fn back(
        &self,
        k: usize,
        (x, len, load): (&[f32], usize, Load),
        (z, statistics): (&[f32], &Statistics),
        dy: &[f32],
        dx: Option<&mut [f32]>,
        to: Option<&mut [f32]>,
        picture: Option<usize>,
    ) {
        let (shape, out, c) = (self.plan.shapes(self.size)[k], self.numbers().1, self.plan.outputs);
        let parts = map_groups(self.images, |group| {
            let mut sums = Sums::new(c);
            for n in group {
                let (dy, z) = (image(dy, n, out), image(z, n, out));
                add_products(dy, z, &statistics.mean, &mut sums.plain, &mut sums.product);
            }
            sums
        });
        let sums = Sums::total(c, &parts);
        let form = statistics.backward(1.0, &sums);
        let place = self.plan.convolutions[k].clone();
        let dense = Dense::new(shape, &self.weights[place.clone()]);
        let (ready, wanted) = (dense.for_backward(), to.is_some());
        let mut unread = zeros(if dx.is_some() { 0 } else { self.images * len }, self.images);
        let writer = Images::new(dx.unwrap_or(&mut unread), self.images);
        let gradients = map_groups(self.images, |group| {
            let (mut gradient, mut scratch) = (vec![0.0; if wanted { place.len() } else { 0 }], Scratch::default());
            for n in group {
                let (own, dy, z) = (image(x, n, len), image(dy, n, out), image(z, n, out));
                let read = padded(own, &shape, load);
                // SAFETY: groups do not share images.
                let dx = unsafe { writer.image(n) };
                let dz = |at: Range<usize>, to: &mut [f32]| form.apply(&dy[at.clone()], &z[at], to);
                let own_gradient = wanted.then_some(&mut gradient[..]);
                dense.backward_onto(&ready, &read, 1, dz, own_gradient, dx, false, &mut scratch);
                if matches!(load, Load::Relu) {
                    dx.iter_mut().zip(own).filter(|(_, v)| **v <= 0.0).for_each(|(d, _)| *d = 0.0);
                }
            }
            gradient
        });
        if let Some(to) = to {
            sum_parts(&only(gradients, picture), &mut to[place.clone()]);
            if statistics.is_affine() {
                statistics.add_affine_gradients(&sums, &mut to[place.end..][..2 * c]);
            }
        }
    }

    /// What a gradient behind the ReLU is before it, where the ReLU reads `z` behind its norm.
    fn gate(&self, d: &mut [f32], z: &[f32], statistics: &Statistics) {
        let (form, out) = (statistics.form(), self.numbers().1);
        let writer = Images::new(d, self.images);
        map_groups(self.images, |group| {
            let mut map = vec![0.0; out];
            for n in group {
                let z = image(z, n, out);
                form.apply(z, z, &mut map);
                // SAFETY: groups do not share images.
                let d = unsafe { writer.image(n) };
                d.iter_mut().zip(&map).filter(|(_, v)| **v <= 0.0).for_each(|(d, _)| *d = 0.0);
            }
        });
    }

    /// Back through pooling and 1x1 convolution.
    fn beside(&self, x: &[f32], dy: &[f32], dx: Option<&mut [f32]>, to: Option<&mut [f32]>, picture: Option<usize>) {
        let (plan, (len, out)) = (self.plan, self.numbers());
        let (c_in, c, pixels) = (plan.inputs, plan.outputs, out / plan.outputs);
        let turned = Packed::transposed(&self.weights[plan.side.clone()], c_in, c);
        let (wanted, reached) = (to.is_some(), dx.is_some());
        let mut unread = Vec::new();
        let writer = Images::new(dx.unwrap_or(&mut unread), self.images);
        let outer = Outer { m: pixels, k: c_in, n: c, lda: c_in, ldb: c, ldc: c };
        let gradients = map_groups(self.images, |group| {
            let (mut gradient, mut mean) =
                (vec![0.0; if wanted { plan.side.len() } else { 0 }], vec![0.0; pixels * c_in]);
            for n in group {
                let dy = image(dy, n, out);
                if wanted {
                    halved(image(x, n, len), self.size, c_in, &mut mean);
                    outer.add(&mean, dy, &mut gradient);
                }
                if reached {
                    product(dy, c, pixels, &turned, &mut mean, c_in);
                    // SAFETY: groups do not share images.
                    spread(&mean, self.size, c_in, unsafe { writer.image(n) });
                }
            }
            gradient
        });
        if let Some(to) = to {
            sum_parts(&only(gradients, picture), &mut to[plan.side.clone()]);
        }
    }
}
