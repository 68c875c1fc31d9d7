//! The residual block between two stages of NAS-Bench-201, which halves the maps: ReLU → 3x3 convolution of stride 2 → norm →
//! ReLU → 3x3 convolution → norm, plus 2x2 average pooling → 1x1 convolution. Norms have a scale and shift.

use std::ops::Range;
use std::sync::Arc;

use super::Probe;
use super::convolved::{ConvolutionPlan, Convolved};
use super::norm::{NormPass, Statistics};
use super::parallel::{Images, image, map_groups, only, sum_parts, unfilled, zeros};
use crate::kernels::dense::Shape;
use crate::kernels::depthwise::Load;
use crate::kernels::matrix::{Outer, Packed, product};

/// Where its parameters and statistics are in the block.
#[derive(Clone, Debug)]
pub(crate) struct ResidualPlan {
    pub inputs: usize,
    pub outputs: usize,
    pub convolutions: [ConvolutionPlan; 2],
    /// Weights beside them, `[C_in, C_out]`.
    pub side: Range<usize>,
}

impl ResidualPlan {
    /// Of the halved maps; at odd sizes the last row and column stay by themselves, where the published code cannot run.
    pub fn output_size(&self, size: (usize, usize)) -> (usize, usize) {
        self.convolutions[0].output_size(size)
    }

    /// The two convolutions on maps of this size.
    pub fn shapes(&self, size: (usize, usize)) -> [Shape; 2] {
        [self.convolutions[0].shape(size), self.convolutions[1].shape(self.output_size(size))]
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

impl ResidualPass<'_> {
    /// Numbers of one image's input and output.
    fn numbers(&self) -> (usize, usize) {
        let ((h, w), (oh, ow)) = (self.size, self.plan.output_size(self.size));
        (h * w * self.plan.inputs, oh * ow * self.plan.outputs)
    }

    fn convolution(&self, k: usize) -> Convolved<'_> {
        let size = if k == 0 { self.size } else { self.plan.output_size(self.size) };
        Convolved { plan: &self.plan.convolutions[k], images: self.images, size, weights: self.weights }
    }

    /// `x` is `[N, H, W, C]`; `keep`: for a backward pass.
    pub fn forward(&self, x: &[f32], keep: bool, norms: &mut NormPass, probe: Option<&Arc<dyn Probe>>) -> Residual {
        let (plan, [of_first, of_second]) = (self.plan, [0, 1].map(|k| self.convolution(k)));
        let (z, first) = of_first.forward(x, Load::Relu, norms);
        if let Some(probe) = probe {
            probe.relu(x, None, [self.images, plan.inputs], 1);
            probe.relu(&of_first.formed(&z, &first), None, [self.images, plan.outputs], 1);
        }
        let (z2, second) = of_second.forward(&z, first.load_relu(), norms);
        let first = keep.then_some((z, first));
        let mut map = of_second.formed(&z2, &second);
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
        let [of_first, of_second] = [0, 1].map(|k| self.convolution(k));
        // SAFETY: each image is written by the convolution's way back.
        let mut middle = unsafe { unfilled(z.len()) };
        let read = (&z[..], first.load_relu());
        of_second.backward(read, (z2, second), dy, Some(&mut middle), to.as_deref_mut(), picture);
        of_first.gate(&mut middle, z, first);
        let mut none = None;
        let wanted = input.is_some();
        let dx = input.unwrap_or(&mut none);
        let mut own = wanted.then(|| zeros(x.len(), self.images));
        of_first.backward((x, Load::Relu), (z, first), &middle, own.as_deref_mut(), to.as_deref_mut(), picture);
        drop(middle);
        self.beside(x, dy, own.as_deref_mut(), to, picture);
        let Some(mut own) = own else { return };
        if let Some(there) = dx.take() {
            own.iter_mut().zip(&there).for_each(|(t, v)| *t += v);
        }
        *dx = Some(own);
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
