//! ReLU → depthwise → pointwise on one image: the half of a separable convolution, and all of a dilated one.

use std::ops::Range;

use super::parallel::at_least;
use crate::kernels::depthwise::{self, Shape};
use crate::kernels::matrix::{Outer, Packed, product};
use crate::kernels::norm::Collector;

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

/// Buffers that tasks reuse.
#[derive(Default)]
pub(crate) struct Scratch {
    between: Vec<f32>,
    strip: Vec<f32>,
    /// One map per size: its places between and around stay 0 from image to image.
    spread: Vec<(Spread, Vec<f32>)>,
}

/// What decides where a spread map is written.
type Spread = [usize; 5];

/// Numbers in the strips of rows that one step hands to the next: they stay in the first cache.
pub(crate) const STRIP: usize = 2048;

/// Strips of whole rows, `[first, last)`.
fn strips(rows: usize, row: usize) -> impl Iterator<Item = Range<usize>> {
    let step = (STRIP / row).max(1);
    (0..rows).step_by(step).map(move |r| r..(r + step).min(rows))
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

    /// `padded` holds the values after the ReLU; `z` is `[H', W', C]`; its moments go to `moments`.
    pub fn forward(
        &self,
        padded: &[f32],
        padding: usize,
        z: &mut [f32],
        mut moments: Option<&mut Collector>,
        scratch: &mut Scratch,
    ) {
        let (s, c) = (&self.shape, self.shape.channels);
        let row = s.out_width() * c;
        for rows in strips(s.out_height(), row) {
            let pixels = rows.len() * s.out_width();
            let between = at_least(&mut scratch.between, pixels * c);
            depthwise::forward_rows(s, padded, padding, self.depthwise, rows.clone(), between);
            let z = &mut z[rows.start * row..rows.end * row];
            product(between, c, pixels, &self.packed, z, c);
            if let Some(m) = &mut moments {
                m.add_rows(z);
            }
        }
        if let Some(m) = moments {
            m.close();
        }
    }

    /// Backward pass of one image. `dz(at, to)` writes numbers `at` of the output's gradient `[H', W', C]` to `to`;
    /// `dx(at, from)` takes numbers `at` of the gradient of the values after the ReLU, `[H, W, C]`. The weights' gradient is
    /// added to `gradient`, which lies as the weights do.
    pub fn backward(
        &self,
        ready: &SeparableBackward,
        padded: &[f32],
        padding: usize,
        dz: impl Fn(Range<usize>, &mut [f32]),
        gradient: Option<&mut [f32]>,
        mut dx: impl FnMut(Range<usize>, &[f32]),
        scratch: &mut Scratch,
    ) {
        let s = &self.shape;
        let at = self.backward_to_spread(ready, padded, padding, dz, gradient, scratch);
        let row = s.width * s.channels;
        for rows in strips(s.height, row) {
            let numbers = rows.start * row..rows.end * row;
            let strip = at_least(&mut scratch.strip, numbers.len());
            depthwise::input_gradient(s, &scratch.spread[at].1, &ready.flipped, rows, strip, false);
            dx(numbers, strip);
        }
    }

    /// As [`Separable::backward`]; the gradient of the values after the ReLU is written to `dx`, or added to what is there
    /// where `onto`.
    pub fn backward_onto(
        &self,
        ready: &SeparableBackward,
        padded: &[f32],
        padding: usize,
        dz: impl Fn(Range<usize>, &mut [f32]),
        gradient: Option<&mut [f32]>,
        dx: &mut [f32],
        onto: bool,
        scratch: &mut Scratch,
    ) {
        let at = self.backward_to_spread(ready, padded, padding, dz, gradient, scratch);
        let rows = 0..self.shape.height;
        depthwise::input_gradient(&self.shape, &scratch.spread[at].1, &ready.flipped, rows, dx, onto);
    }

    /// Up to the depthwise convolution's output, whose gradient then lies in the spread map of the number that is returned.
    fn backward_to_spread(
        &self,
        ready: &SeparableBackward,
        padded: &[f32],
        padding: usize,
        dz: impl Fn(Range<usize>, &mut [f32]),
        gradient: Option<&mut [f32]>,
        scratch: &mut Scratch,
    ) -> usize {
        let s = &self.shape;
        let c = s.channels;
        let mut gradient = gradient.map(|g| g.split_at_mut(s.kernel * s.kernel * c));
        let key = [s.height, s.width, c, s.stride, s.reach()];
        let at = scratch.spread.iter().position(|(of, _)| *of == key).unwrap_or_else(|| {
            scratch.spread.push((key, vec![0.0; s.padded_len(s.reach())]));
            scratch.spread.len() - 1
        });
        let spread = &mut scratch.spread[at].1;
        let row = s.out_width() * c;
        for rows in strips(s.out_height(), row) {
            let pixels = rows.len() * s.out_width();
            let strip = at_least(&mut scratch.strip, pixels * c);
            dz(rows.start * row..rows.end * row, strip);
            if let Some((_, pointwise)) = &mut gradient {
                let between = at_least(&mut scratch.between, pixels * c);
                depthwise::forward_rows(s, padded, padding, self.depthwise, rows.clone(), between);
                Outer { m: pixels, k: c, n: c, lda: c, ldb: c, ldc: c }.add(between, strip, pointwise);
            }
            for (y, dz) in rows.zip(strip.chunks_exact(row)) {
                let (start, step) = depthwise::spread_row(s, y);
                product(dz, c, s.out_width(), &ready.transposed, &mut spread[start..], step);
            }
        }
        if let Some((weights, _)) = &mut gradient {
            depthwise::add_weight_gradient(s, padded, padding, spread, weights);
        }
        at
    }
}
