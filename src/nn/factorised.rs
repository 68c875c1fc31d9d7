//! ReLU → dense convolution of a row of pixels → dense convolution of a column, on one image: `conv_7x1_1x7` of the published
//! list. Strides are taken where the window lies: the row's halves the columns, the column's the rows. What is between the two
//! is made again on the way back, so that it is never kept.

use std::ops::Range;

use super::dense::{self, Bordered, Dense};
use super::parallel::at_least;
use crate::kernels::dense::{Shape, Turned, Weights};
use crate::kernels::norm::Collector;

/// The shapes of both convolutions, the row's first, of `channels` maps of this size.
pub(crate) fn shapes([height, width, channels]: [usize; 3], window: usize, stride: usize) -> [Shape; 2] {
    let row = Shape { height, width, inputs: channels, outputs: channels, kernel: [1, window], stride: [1, stride] };
    [row, Shape { width: row.out_width(), kernel: [window, 1], stride: [stride, 1], ..row }]
}

/// Both convolutions, their weights made ready once per pass.
pub(crate) struct Factorised<'a> {
    row: Dense<'a>,
    column: Dense<'a>,
    ready: [Weights; 2],
}

/// Their weights turned round, for the backward pass.
pub(crate) struct FactorisedBackward([Turned; 2]);

/// Buffers that tasks reuse.
#[derive(Default)]
pub(crate) struct Scratch {
    /// What the second convolution reads.
    middles: Bordered,
    /// Its gradient.
    gradient: Vec<f32>,
    dense: dense::Scratch,
}

impl<'a> Factorised<'a> {
    /// `weights` are those of the row, then those of the column.
    pub fn new([row, column]: [Shape; 2], weights: &'a [f32]) -> Factorised<'a> {
        let (of_row, of_column) = weights.split_at(row.weights_len());
        let (row, column) = (Dense::new(row, of_row), Dense::new(column, of_column));
        Factorised { ready: [row.for_forward(), column.for_forward()], row, column }
    }

    pub fn for_backward(&self) -> FactorisedBackward {
        FactorisedBackward([self.row.for_backward(), self.column.for_backward()])
    }

    /// How much padding it needs on every side.
    pub fn reach(&self) -> usize {
        self.row.shape.reach()[1]
    }

    /// What is between the two, with the second's border of zeros.
    fn middle<'s>(
        &self,
        padded: &[f32],
        padding: usize,
        middles: &'s mut Bordered,
        scratch: &mut dense::Scratch,
    ) -> &'s [f32] {
        let s = &self.column.shape;
        let border = s.reach();
        let middle = middles.of([s.height, s.width, s.inputs, border[0], border[1]], s.padded_len(border));
        let (at, len) = (border[0] * s.width * s.inputs, self.row.shape.out_len());
        self.row.forward(&self.ready[0], padded, [padding; 2], &mut middle[at..][..len], None, scratch);
        middle
    }

    /// `padded` holds the values after the ReLU; `z` is `[H', W', C]`; its moments go to `moments`.
    pub fn forward(
        &self,
        padded: &[f32],
        padding: usize,
        z: &mut [f32],
        moments: Option<&mut Collector>,
        scratch: &mut Scratch,
    ) {
        let Scratch { middles, dense, .. } = scratch;
        let middle = self.middle(padded, padding, middles, dense);
        self.column.forward(&self.ready[1], middle, self.column.shape.reach(), z, moments, dense);
    }

    /// Backward pass of one image, as [`Dense::backward_onto`].
    pub fn backward_onto(
        &self,
        FactorisedBackward([of_row, of_column]): &FactorisedBackward,
        padded: &[f32],
        padding: usize,
        dz: impl Fn(Range<usize>, &mut [f32]),
        gradient: Option<&mut [f32]>,
        dx: &mut [f32],
        onto: bool,
        scratch: &mut Scratch,
    ) {
        let (row, column) = (&self.row.shape, &self.column.shape);
        // Only the weights' gradient reads what is between.
        let middle = match gradient {
            Some(_) => self.middle(padded, padding, &mut scratch.middles, &mut scratch.dense),
            None => &[],
        };
        let (to_row, to_column) = gradient.map(|g| g.split_at_mut(row.weights_len())).unzip();
        let between = at_least(&mut scratch.gradient, row.out_len());
        let own = &mut scratch.dense;
        self.column.backward_onto(of_column, middle, column.reach(), dz, to_column, Some(&mut *between), false, own);
        let take = |at: Range<usize>, to: &mut [f32]| to.copy_from_slice(&between[at]);
        self.row.backward_onto(of_row, padded, [padding; 2], take, to_row, Some(dx), onto, own);
    }
}
