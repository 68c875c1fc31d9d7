//! ReLU → depthwise → pointwise on one image: the half of a separable convolution, and all of a dilated one.

use crate::kernels::depthwise::{self, Shape};
use crate::kernels::matrix::{Outer, Packed, product};

/// Weights of one half, made ready once per pass.
pub(crate) struct Separable<'a> {
    pub shape: Shape,
    depthwise: &'a [f32],
    pointwise: &'a [f32],
    packed: Packed,
}

/// What only the backward pass needs.
pub(crate) struct SeparableBackward {
    flipped: Vec<f32>,
    transposed: Packed,
}

/// Buffers of one task.
#[derive(Default)]
pub(crate) struct Scratch {
    between: Vec<f32>,
    /// One map per shape: its places between and around stay 0 from image to image.
    spread: Vec<(Shape, Vec<f32>)>,
}

impl<'a> Separable<'a> {
    /// `weights`: depthwise `[k·k, C]`, then pointwise `[C, C]`.
    pub fn new(shape: Shape, weights: &'a [f32]) -> Separable<'a> {
        let c = shape.channels;
        let (depthwise, pointwise) = weights.split_at(shape.kernel * shape.kernel * c);
        Separable { shape, depthwise, pointwise, packed: Packed::new(pointwise, c, c) }
    }

    pub fn for_backward(&self) -> SeparableBackward {
        let c = self.shape.channels;
        SeparableBackward {
            flipped: depthwise::flip(self.depthwise, c),
            transposed: Packed::transposed(self.pointwise, c, c),
        }
    }

    fn pixels(&self) -> usize {
        self.shape.out_height() * self.shape.out_width()
    }

    fn run_depthwise<'s>(&self, padded: &[f32], padding: usize, scratch: &'s mut Scratch) -> &'s [f32] {
        let len = self.pixels() * self.shape.channels;
        if scratch.between.len() < len {
            scratch.between.resize(len, 0.0);
        }
        depthwise::forward(&self.shape, padded, padding, self.depthwise, &mut scratch.between[..len]);
        &scratch.between[..len]
    }

    /// `padded` holds the values after the ReLU; `z` is `[H', W', C]`.
    pub fn forward(&self, padded: &[f32], padding: usize, z: &mut [f32], scratch: &mut Scratch) {
        let c = self.shape.channels;
        let between = self.run_depthwise(padded, padding, scratch);
        product(between, c, self.pixels(), &self.packed, z, c);
    }

    /// Gradient of the values after the ReLU in `dx` (`[H, W, C]`, overwritten); those of the weights are added to
    /// `gradient`, which lies as the weights do.
    pub fn backward(
        &self,
        ready: &SeparableBackward,
        padded: &[f32],
        padding: usize,
        dz: &[f32],
        gradient: Option<&mut [f32]>,
        dx: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let s = &self.shape;
        let c = s.channels;
        let mut gradient = gradient.map(|g| g.split_at_mut(s.kernel * s.kernel * c));
        if let Some((_, pointwise)) = &mut gradient {
            let between = self.run_depthwise(padded, padding, scratch);
            Outer { m: self.pixels(), k: c, n: c, lda: c, ldb: c, ldc: c }.add(between, dz, pointwise);
        }
        let at = scratch.spread.iter().position(|(of, _)| of == s).unwrap_or_else(|| {
            scratch.spread.push((*s, vec![0.0; s.padded_len(s.reach())]));
            scratch.spread.len() - 1
        });
        let spread = &mut scratch.spread[at].1;
        let row = s.out_width() * c;
        for (y, dz) in dz.chunks_exact(row).enumerate() {
            let (start, step) = depthwise::spread_row(s, y);
            product(dz, c, s.out_width(), &ready.transposed, &mut spread[start..], step);
        }
        if let Some((weights, _)) = &mut gradient {
            depthwise::add_weight_gradient(s, padded, padding, spread, weights);
        }
        depthwise::input_gradient(s, spread, &ready.flipped, 0..s.height, dx);
    }
}
