//! A dense 3x3 convolution with its norm over a batch, from maps behind a ReLU or as they are to the map before the norm; and
//! back. The norm has a scale and shift.

use std::ops::Range;

use super::dense::{Dense, Scratch};
use super::layout::{BlockLayout, Kind};
use super::norm::{Norm, NormPass, NormSlot, Statistics, Sums, collector};
use super::parallel::{Images, image, map_groups, only, sum_parts, unfilled};
use crate::kernels::dense::Shape;
use crate::kernels::depthwise::{self, Load};
use crate::kernels::norm::{Collector, add_products};

/// Where the parameters and statistics of a convolution and its norm are in their block.
#[derive(Clone, Debug)]
pub(crate) struct ConvolutionPlan {
    pub inputs: usize,
    pub outputs: usize,
    pub stride: usize,
    /// Of the convolution; the norm's scale and shift are behind them.
    pub weights: Range<usize>,
    pub norm: NormSlot,
}

impl ConvolutionPlan {
    /// Takes its place in the block: the weights are called `names[0]`, the norm `names[1]`.
    pub fn add(
        layout: &mut BlockLayout,
        names: [String; 2],
        [inputs, outputs]: [usize; 2],
        stride: usize,
    ) -> ConvolutionPlan {
        let (start, [weights, norm]) = (layout.len, names);
        layout.add(weights, Kind::Convolution { kernel: [3; 2] }, outputs, inputs);
        let weights = start..layout.len;
        layout.add(format!("{norm}.weight"), Kind::NormWeight, outputs, 1);
        layout.add(format!("{norm}.bias"), Kind::NormBias, outputs, 1);
        ConvolutionPlan { inputs, outputs, stride, weights, norm: layout.add_norm(norm, outputs) }
    }

    /// On maps of this size.
    pub fn shape(&self, (height, width): (usize, usize)) -> Shape {
        let (kernel, stride) = ([3; 2], [self.stride; 2]);
        Shape { height, width, inputs: self.inputs, outputs: self.outputs, kernel, stride }
    }

    /// Of what it makes of a map of this size.
    pub fn output_size(&self, (height, width): (usize, usize)) -> (usize, usize) {
        (height.div_ceil(self.stride), width.div_ceil(self.stride))
    }

    /// Scale and shift of the norm; `weights` are the block's.
    fn gain<'w>(&self, weights: &'w [f32]) -> [&'w [f32]; 2] {
        let (at, c) = (self.weights.end, self.outputs);
        [&weights[at..][..c], &weights[at + c..][..c]]
    }
}

/// One pass through it.
pub(crate) struct Convolved<'a> {
    pub plan: &'a ConvolutionPlan,
    pub images: usize,
    /// Height and width of its input.
    pub size: (usize, usize),
    /// The block's parameters.
    pub weights: &'a [f32],
}

/// `x` behind `load`, padded by one pixel of zeros.
fn padded(x: &[f32], s: &Shape, load: Load) -> Vec<f32> {
    let mut to = vec![0.0; (s.height + 2) * (s.width + 2) * s.inputs];
    depthwise::pad(x, s.height, s.width, s.inputs, 1, load, 0.0, &mut to);
    to
}

/// Back through a ReLU that read `x`: a choice for each number, and no branch.
fn shut(d: &mut [f32], x: &[f32]) {
    d.iter_mut().zip(x).for_each(|(d, v)| *d = if *v <= 0.0 { 0.0 } else { *d });
}

impl Convolved<'_> {
    fn shape(&self) -> Shape {
        self.plan.shape(self.size)
    }

    /// Numbers of one image's input and output.
    fn numbers(&self) -> (usize, usize) {
        let ((h, w), (oh, ow)) = (self.size, self.plan.output_size(self.size));
        (h * w * self.plan.inputs, oh * ow * self.plan.outputs)
    }

    /// The map before the norm, and the norm.
    pub fn forward(&self, x: &[f32], load: Load, norms: &mut NormPass) -> (Vec<f32>, Statistics) {
        let (shape, (len, out), norm) = (self.shape(), self.numbers(), norms.norm);
        let dense = Dense::new(shape, &self.weights[self.plan.weights.clone()]);
        let ready = dense.for_forward();
        // SAFETY: every image is written below.
        let mut z = unsafe { unfilled(self.images * out) };
        let writer = Images::new(&mut z, self.images);
        let parts = map_groups(self.images, |group| {
            let (mut moments, mut scratch) = (collector(norm, shape.outputs), Scratch::default());
            for n in group {
                let x = padded(image(x, n, len), &shape, load);
                // SAFETY: groups do not share images.
                dense.forward(&ready, &x, [1; 2], unsafe { writer.image(n) }, moments.as_mut(), &mut scratch);
            }
            moments.map(Collector::finish)
        });
        // No norm at all: neither scale nor shift.
        let affine = (norm != Norm::Off).then(|| self.plan.gain(self.weights));
        let statistics = norms.settle(self.plan.norm, parts.into_iter().flatten()).with(affine);
        (z, statistics)
    }

    /// The map behind the norm.
    pub fn formed(&self, z: &[f32], statistics: &Statistics) -> Vec<f32> {
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

    /// From behind the norm to what the convolution reads: to the input itself where it is read behind a ReLU of its own, and
    /// to the values behind the ReLU where it is read behind a norm. Sets that gradient in `dx`, and adds those of the
    /// block's parameters to what is in `to`: with `picture`, what that image's maps give.
    pub fn backward(
        &self,
        (x, load): (&[f32], Load),
        (z, statistics): (&[f32], &Statistics),
        dy: &[f32],
        dx: Option<&mut [f32]>,
        to: Option<&mut [f32]>,
        picture: Option<usize>,
    ) {
        let (shape, (len, out), c) = (self.shape(), self.numbers(), self.plan.outputs);
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
        let place = self.plan.weights.clone();
        let dense = Dense::new(shape, &self.weights[place.clone()]);
        let (ready, wanted, reached) = (dense.for_backward(), to.is_some(), dx.is_some());
        let mut none = Vec::new();
        let writer = Images::new(dx.unwrap_or(&mut none), self.images);
        let gradients = map_groups(self.images, |group| {
            let (mut gradient, mut scratch) = (vec![0.0; if wanted { place.len() } else { 0 }], Scratch::default());
            for n in group {
                let (own, dy, z) = (image(x, n, len), image(dy, n, out), image(z, n, out));
                let read = padded(own, &shape, load);
                let dz = |at: Range<usize>, to: &mut [f32]| form.apply(&dy[at.clone()], &z[at], to);
                let own_gradient = wanted.then_some(&mut gradient[..]);
                // SAFETY: groups do not share images.
                let mut dx = reached.then(|| unsafe { writer.image(n) });
                dense.backward_onto(&ready, &read, [1; 2], dz, own_gradient, dx.as_deref_mut(), false, &mut scratch);
                if let (Some(dx), Load::Relu) = (dx, load) {
                    shut(dx, own);
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

    /// What a gradient behind the ReLU is before it, where the ReLU reads `z` behind the norm.
    pub fn gate(&self, d: &mut [f32], z: &[f32], statistics: &Statistics) {
        let (form, out) = (statistics.form(), self.numbers().1);
        let writer = Images::new(d, self.images);
        map_groups(self.images, |group| {
            let mut map = vec![0.0; out];
            for n in group {
                let z = image(z, n, out);
                form.apply(z, z, &mut map);
                // SAFETY: groups do not share images.
                let d = unsafe { writer.image(n) };
                shut(d, &map);
            }
        });
    }
}
