//! The convolutions of the evaluation network as candle operations on maps `[N, H, W, C]`, with backward passes of their own.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use crate::kernels::depthwise::{self, Load};
use crate::kernels::relu;
use crate::nn::parallel::{Images, at_least, image, map_groups, sum_parts, unfilled, zeros};
use crate::nn::project::{self, Projection, Projector};
use crate::nn::separable::{self, Separable};
use crate::nn::{slice, with_slices};

pub(super) type Output = Result<(CpuStorage, Shape)>;

/// ReLU → depthwise → pointwise. Inputs: `[N, H, W, C]`, and the weights: depthwise `[k·k, C]`, then pointwise `[C, C]`.
/// Output: `[N, H', W', C]`.
pub(super) struct ConvolutionOp {
    pub kernel: usize,
    pub stride: usize,
    pub dilation: usize,
}

impl ConvolutionOp {
    fn shape(&self, height: usize, width: usize, channels: usize) -> depthwise::Shape {
        let ConvolutionOp { kernel, stride, dilation } = *self;
        depthwise::Shape { height, width, channels, kernel, stride, dilation }
    }
}

impl CustomOp2 for ConvolutionOp {
    fn name(&self) -> &'static str {
        "evaluation-convolution"
    }

    fn cpu_fwd(&self, sx: &CpuStorage, lx: &Layout, sw: &CpuStorage, lw: &Layout) -> Output {
        let (n, h, w, c) = lx.shape().dims4()?;
        let x = slice(sx, lx)?;
        let s = self.shape(h, w, c);
        let layer = Separable::new(s, slice(sw, lw)?);
        let len = s.out_height() * s.out_width() * c;
        // SAFETY: every image is written below.
        let mut z = unsafe { unfilled(n * len) };
        let writer = Images::new(&mut z, n);
        map_groups(n, |group| {
            let (mut padded, mut scratch) = (Vec::new(), separable::Scratch::default());
            let padded = at_least(&mut padded, s.padded_len(s.reach()));
            for i in group {
                depthwise::pad(image(x, i, h * w * c), h, w, c, s.reach(), Load::Relu, 0.0, padded);
                // SAFETY: groups do not share images.
                layer.forward(padded, s.reach(), unsafe { writer.image(i) }, None, &mut scratch);
            }
        });
        Ok((CpuStorage::F32(z), Shape::from((n, s.out_height(), s.out_width(), c))))
    }

    fn bwd(&self, x: &Tensor, weights: &Tensor, _: &Tensor, dz: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (n, h, w, c) = x.dims4()?;
        let s = self.shape(h, w, c);
        let found = with_slices([x, weights, dz], |[x, weights, dz]| {
            let layer = Separable::new(s, weights);
            let ready = layer.for_backward();
            let (len, out) = (h * w * c, s.out_height() * s.out_width() * c);
            let mut dx = zeros(n * len, n);
            let writer = Images::new(&mut dx, n);
            let parts = map_groups(n, |group| {
                let (mut padded, mut scratch) = (Vec::new(), separable::Scratch::default());
                let padded = at_least(&mut padded, s.padded_len(s.reach()));
                let mut own = vec![0.0f32; weights.len()];
                for i in group {
                    let (x, dz) = (image(x, i, len), image(dz, i, out));
                    // SAFETY: groups do not share images.
                    let dx = unsafe { writer.image(i) };
                    depthwise::pad(x, h, w, c, s.reach(), Load::Relu, 0.0, padded);
                    layer.backward(
                        &ready,
                        padded,
                        s.reach(),
                        |at, to| to.copy_from_slice(&dz[at]),
                        Some(&mut own),
                        |at, from| relu::add_where_positive(&x[at.clone()], from, &mut dx[at]),
                        &mut scratch,
                    );
                }
                own
            });
            (dx, total(weights.len(), &parts))
        })?;
        both(found, x, weights)
    }
}

/// ReLU → 1x1 convolution, or FactorizedReduce. Inputs: `[N, H, W, C]`, and the weights `[C, C']` (two halves of them where
/// it reduces). Output: `[N, H', W', C']`.
pub(super) struct ProjectOp {
    pub outputs: usize,
    pub halve: bool,
}

impl ProjectOp {
    fn shape(&self, height: usize, width: usize, channels_in: usize) -> Projection {
        Projection { height, width, channels_in, channels_out: self.outputs, halve: self.halve }
    }
}

impl CustomOp2 for ProjectOp {
    fn name(&self) -> &'static str {
        "evaluation-projection"
    }

    fn cpu_fwd(&self, sx: &CpuStorage, lx: &Layout, sw: &CpuStorage, lw: &Layout) -> Output {
        let (n, h, w, c) = lx.shape().dims4()?;
        let x = slice(sx, lx)?;
        let s = self.shape(h, w, c);
        let layer = Projector::new(s, slice(sw, lw)?, false);
        // SAFETY: every image is written below.
        let mut z = unsafe { unfilled(n * s.pixels() * self.outputs) };
        let writer = Images::new(&mut z, n);
        map_groups(n, |group| {
            let mut scratch = project::Scratch::default();
            for i in group {
                // SAFETY: groups do not share images.
                layer.forward(image(x, i, h * w * c), unsafe { writer.image(i) }, &mut scratch);
            }
        });
        Ok((CpuStorage::F32(z), Shape::from((n, s.out_height(), s.out_width(), self.outputs))))
    }

    fn bwd(&self, x: &Tensor, weights: &Tensor, _: &Tensor, dz: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (n, h, w, c) = x.dims4()?;
        let s = self.shape(h, w, c);
        let found = with_slices([x, weights, dz], |[x, weights, dz]| {
            let layer = Projector::new(s, weights, true);
            let (len, out) = (h * w * c, s.pixels() * self.outputs);
            let mut dx = zeros(n * len, n);
            let writer = Images::new(&mut dx, n);
            let parts = map_groups(n, |group| {
                let mut scratch = project::Scratch::default();
                let mut own = vec![0.0f32; weights.len()];
                for i in group {
                    // SAFETY: groups do not share images.
                    let dx = unsafe { writer.image(i) };
                    layer.backward(image(x, i, len), image(dz, i, out), Some(&mut own), Some(dx), &mut scratch);
                }
                own
            });
            (dx, total(weights.len(), &parts))
        })?;
        both(found, x, weights)
    }
}

fn total(len: usize, parts: &[Vec<f32>]) -> Vec<f32> {
    let mut all = vec![0.0f32; len];
    sum_parts(parts, &mut all);
    all
}

/// Gradients of both inputs as tensors of their shapes.
pub(super) fn both(found: (Vec<f32>, Vec<f32>), a: &Tensor, b: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
    let tensor = |values, like: &Tensor| {
        Ok::<_, candle_core::Error>(Some(Tensor::from_vec(values, like.shape(), like.device())?))
    };
    Ok((tensor(found.0, a)?, tensor(found.1, b)?))
}
