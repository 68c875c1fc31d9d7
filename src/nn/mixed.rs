//! One mixed operation on its own: to look at single operations, and to measure them.

use std::ops::Range;

use super::edge::{Bundle, Edge, Geometry, Gradients};
use super::gpu::MixedPass;
use super::layout::{BlockLayout, Slot};
use super::noise::Noise;
use super::norm::{Norm, NormPass};
use super::plan::mixture;
use crate::kernels::gpu::{Gpu, GpuError, Precision};
use crate::space::{self, CellKind, Operation};

/// The operations of one edge, with weights in one flat vector.
pub struct MixedOperation {
    pub(super) edge: Edge,
    layout: BlockLayout,
    channels: usize,
    stride: usize,
    precision: Precision,
}

/// Gradients that [`MixedOperation::backward`] finds.
#[derive(Clone, Debug)]
pub struct MixedGradients {
    /// `[N, H, W, C]`.
    pub input: Vec<f32>,
    /// As the weights lie.
    pub weights: Vec<f32>,
    /// Of each operation.
    pub mixing: Vec<f32>,
}

impl MixedOperation {
    /// `stride` is 1 or 2. Mixing weights are one for each of `operations`, in their order.
    pub fn new(operations: &[Operation], channels: usize, stride: usize) -> MixedOperation {
        let kind = if stride == 2 { CellKind::Reduction } else { CellKind::Normal };
        let first = space::Edge::between(0, space::INPUTS).map(|edge| mixture(kind, edge, operations, channels));
        let (edge, layout) = first.unwrap_or_default();
        MixedOperation { edge, layout, channels, stride, precision: Precision::Float32 }
    }

    /// With maps that a GPU keeps like this.
    #[must_use]
    pub fn with(self, precision: Precision) -> MixedOperation {
        MixedOperation { precision, ..self }
    }

    /// As [`MixedOperation::forward`], on a GPU.
    ///
    /// # Errors
    /// Too little memory, a fault of the device.
    pub fn forward_on(
        &self,
        gpu: &Gpu,
        size: [usize; 3],
        x: &[f32],
        weights: &[f32],
        mixing: &[f32],
    ) -> Result<Vec<f32>, GpuError> {
        self.pass(gpu, size).forward(x, weights, mixing)
    }

    /// As [`MixedOperation::backward`], on a GPU; without `weights_wanted` the weights' gradient is empty.
    ///
    /// # Errors
    /// As [`MixedOperation::forward_on`].
    pub fn backward_on(
        &self,
        gpu: &Gpu,
        size: [usize; 3],
        x: &[f32],
        weights: &[f32],
        mixing: &[f32],
        dy: &[f32],
        weights_wanted: bool,
    ) -> Result<MixedGradients, GpuError> {
        self.pass(gpu, size).backward(x, weights, mixing, dy, weights_wanted)
    }

    fn pass<'a>(&'a self, gpu: &'a Gpu, size: [usize; 3]) -> MixedPass<'a> {
        let (geometry, edge, layout) = (self.geometry(size), &self.edge, &self.layout);
        MixedPass { gpu, geometry, edge, layout, precision: self.precision }
    }

    /// Names and places of the weights.
    pub fn slots(&self) -> &[Slot] {
        &self.layout.slots
    }

    /// Numbers of the flat weights.
    pub fn len(&self) -> usize {
        self.layout.len
    }

    pub fn is_empty(&self) -> bool {
        self.layout.len == 0
    }

    /// Where a slot's numbers lie.
    pub fn range(slot: &Slot) -> Range<usize> {
        slot.offset..slot.offset + slot.len()
    }

    fn geometry(&self, [images, height, width]: [usize; 3]) -> Geometry {
        Geometry { images, height, width, channels: self.channels, stride: self.stride }
    }

    fn norms() -> NormPass<'static> {
        NormPass { norm: Norm::Batch, running: &[], seen: Vec::new(), noise: Noise::default() }
    }

    /// `Σ mixing[o] · o(x)` for `x` `[N, H, W, C]` with `size` = `[N, H, W]`, in training mode.
    pub fn forward(&self, size: [usize; 3], x: &[f32], weights: &[f32], mixing: &[f32]) -> Vec<f32> {
        let g = self.geometry(size);
        let bundle = Bundle::of(&self.edge, mixing);
        let states = bundle.branches_forward(&g, x, weights, &mut Self::norms());
        let mut out = vec![0.0; g.images * g.output()];
        bundle.mix_into(&g, x, &states, &mut [&mut out], &[true]);
        out
    }

    /// Gradients for the output's gradient `dy`; runs the forward pass again.
    pub fn backward(&self, size: [usize; 3], x: &[f32], weights: &[f32], mixing: &[f32], dy: &[f32]) -> MixedGradients {
        let g = self.geometry(size);
        let bundle = Bundle::of(&self.edge, mixing);
        let states = bundle.branches_forward(&g, x, weights, &mut Self::norms());
        let mut found = MixedGradients {
            input: vec![0.0; x.len()],
            weights: vec![0.0; weights.len()],
            mixing: vec![0.0; mixing.len()],
        };
        let mut to = Gradients { input: &mut found.input, weights: Some(&mut found.weights), only: None };
        let of_mixing = bundle.backward(&g, x, weights, &states, &[dy], &mut to);
        for (b, v) in self.edge.branches.iter().zip(of_mixing) {
            found.mixing[b.column] = v;
        }
        found
    }
}
