//! Memory of a training step, by counting the maps that are alive at its peak.

use super::EvaluationConfig;
use super::plan::Plan;
use crate::nn::parallel::GROUPS;
use crate::space::CellKind;

impl EvaluationConfig {
    /// Bytes that a training step on `images` pictures of this size takes over the state before the network was made: every
    /// layer's output is kept for the backward pass, and the gradients of one cell's maps are alive beside them.
    pub fn footprint(&self, images: usize, height: usize, width: usize) -> u64 {
        let plan = Plan::new(self);
        let map = |h: usize, w: usize, c: usize| (images * h * w * c * 4) as u64;
        let (mut h, mut w, mut c) = (height, width, self.channels);
        // The stem keeps its convolution's output too.
        let mut kept = map(h, w, self.input_channels) + 2 * map(h, w, plan.stem.outputs);
        // Its gradient, and that of the convolution's output.
        let mut beside = 2 * map(h, w, plan.stem.outputs);
        for (cell, kind) in plan.cells.iter().zip(self.layout()) {
            let reduces = kind == CellKind::Reduction;
            c *= if reduces { 2 } else { 1 };
            let inputs = map(h, w, c);
            if reduces {
                (h, w) = (h.div_ceil(2), w.div_ceil(2));
            }
            let one = map(h, w, c);
            // Projections are made at the inputs' size, and all else at the outputs'.
            kept += inputs * cell.projections.iter().map(Vec::len).sum::<usize>() as u64;
            kept += one * cell.edges.iter().map(|e| e.layers.len() as u64).sum::<u64>();
            // Nodes, and their concatenation.
            kept += one * (cell.edges.len() / 2 + cell.concat.len()) as u64;
            // The output's gradient and those of the states, summed and being added.
            beside = beside.max(one * (2 * cell.concat.len() + 6) as u64 + 2 * inputs);
        }
        let parameters = plan.units.iter().map(|u| 4 * u.len as u64).sum::<u64>();
        // While a layer goes back, every group of images has a gradient of its weights.
        let groups = images.div_ceil(images.div_ceil(GROUPS).max(1)) as u64;
        let parts = groups * plan.units.iter().map(|u| 4 * u.len as u64).max().unwrap_or(0);
        // Weights, momentum, gradients; copies of weights and gradients while they move.
        kept + beside.max(parts) + 5 * parameters
    }
}
