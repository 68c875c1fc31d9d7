//! How many bytes a search step needs at its peak, counted from the network's own plan: nothing is allocated or run.

use super::cell::CellSizes;
use super::edge::{Edge, Geometry};
use super::layout::{CellPlan, CellShape};
use super::{Policy, SupernetConfig, head, stem::StemPlan};
use crate::space::{self, INPUTS, NODES, Operation};

/// Numbers, by what they are for. All sizes are in float32 numbers until [`Footprint::bytes`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Weights, their gradients, the optimiser's momentum.
    pub weights: u64,
    /// What is kept from the forward pass for the backward pass, at the moment of the peak.
    pub kept: u64,
    /// Buffers of the block that runs at the peak.
    pub working: u64,
}

impl Footprint {
    /// Peak over the idle process, in bytes.
    pub fn bytes(&self) -> u64 {
        4 * (self.weights + self.kept + self.working)
    }
}

/// Maps that a branch keeps, counted in maps of the node's size.
fn branch_maps(operation: Operation, stride: usize) -> u64 {
    match operation {
        Operation::None => 0,
        Operation::SkipConnect => u64::from(stride == 2),
        Operation::SepConv3x3 | Operation::SepConv5x5 => 2,
        _ => 1,
    }
}

fn edge_maps(edge: &Edge, g: &Geometry) -> u64 {
    let maps: u64 = edge.branches.iter().map(|b| branch_maps(b.operation, g.stride)).sum();
    maps * (g.images * g.output()) as u64
}

/// Numbers of one cell in one pass.
struct CellNumbers {
    parameters: u64,
    /// Output `[N, H', W', 4C]`.
    output: u64,
    inputs: [u64; 2],
    projected: u64,
    /// Maps of all edges under [`Policy::Keep`].
    edges: u64,
    /// Maps of the edge that has most, which [`Policy::Recompute`] makes again.
    widest_edge: u64,
    /// Gradients in the middle of separable convolutions, on the edge that has most.
    middles: u64,
}

impl CellNumbers {
    fn new(plan: &CellPlan, sizes: &CellSizes) -> CellNumbers {
        let (h, w) = plan.output_size(sizes);
        let map = |size: (usize, usize), channels: usize| (sizes.images * size.0 * size.1 * channels) as u64;
        let edges: Vec<(&Edge, Geometry)> =
            space::Edge::all().map(|e| (&plan.edges[e.index()], plan.geometry(sizes, e))).collect();
        let projected: u64 = (0..INPUTS)
            .map(|i| {
                let p = plan.shape.projection(i, sizes.inputs[i].0, sizes.inputs[i].1);
                map((p.out_height(), p.out_width()), p.channels_out)
            })
            .sum();
        let middles = |e: &Edge, g: &Geometry| {
            let halves =
                e.branches.iter().filter(|b| matches!(b.operation, Operation::SepConv3x3 | Operation::SepConv5x5));
            (halves.count() * g.images * g.output()) as u64
        };
        CellNumbers {
            parameters: plan.layout.len as u64,
            output: map((h, w), NODES * plan.shape.channels),
            inputs: [0, 1].map(|i| map(sizes.inputs[i], plan.shape.inputs[i])),
            projected,
            edges: edges.iter().map(|(e, g)| edge_maps(e, g)).sum(),
            widest_edge: edges.iter().map(|(e, g)| edge_maps(e, g)).max().unwrap_or(0),
            middles: edges.iter().map(|(e, g)| middles(e, g)).max().unwrap_or(0),
        }
    }
}

impl SupernetConfig {
    /// Peak of one search step (architecture step, then weight step) on a batch of `images` pictures of `height` x `width`
    /// pixels. `second_order` adds the copies of the weights that the unrolled step holds.
    pub fn search_footprint(&self, images: usize, height: usize, width: usize, second_order: bool) -> Footprint {
        let stem_channels = self.stem_multiplier * self.channels;
        let stem_parameters = StemPlan::new(self.input_channels, stem_channels).layout.len as u64;
        let shapes = CellShape::stack(self.channels, stem_channels, &self.layout);
        let features = NODES * shapes.last().map_or(self.channels, |s| s.channels);
        let pixels = (images * height * width) as u64;
        let stem = pixels * stem_channels as u64;
        let (mut older, mut last) = ((height, width), (height, width));
        let cells: Vec<CellNumbers> = shapes
            .into_iter()
            .enumerate()
            .map(|(i, shape)| {
                let plan = CellPlan::new(i, shape, &self.mask);
                let sizes = CellSizes { images, inputs: [older, last] };
                (older, last) = (last, plan.output_size(&sizes));
                CellNumbers::new(&plan, &sizes)
            })
            .collect();
        let parameters = stem_parameters
            + cells.iter().map(|c| c.parameters).sum::<u64>()
            + head::layout(features, self.classes).len as u64;
        // Weights, momentum and, at the step's end, gradients; the unrolled step keeps the weights and two gradients aside.
        let weights = parameters * if second_order { 6 } else { 3 };
        let pictures = pixels * self.input_channels as u64;
        let outputs: u64 = cells.iter().map(|c| c.output).sum();
        let state = |c: &CellNumbers| c.projected + if self.policy == Policy::Keep { c.edges } else { 0 };
        let mut peak = Footprint { weights, ..Footprint::default() };
        for (i, c) in cells.iter().enumerate() {
            let kept = pictures + 2 * stem + outputs + cells[..=i].iter().map(state).sum::<u64>();
            let again = if self.policy == Policy::Recompute { c.widest_edge } else { 0 };
            // Gradients of the output and of both inputs; those, the inputs' sum as it was and as it becomes; the nodes and
            // their gradients apart; the projected inputs' gradients.
            let passing = c.output + c.inputs[1] + c.inputs.iter().max().copied().unwrap_or(0);
            let working = passing + 2 * c.output + c.inputs.iter().sum::<u64>() + c.projected + c.middles + again;
            if kept + working > peak.kept + peak.working {
                peak = Footprint { weights, kept, working };
            }
        }
        peak
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{CellKind, Mask};

    fn config(mask: Mask, policy: Policy) -> SupernetConfig {
        let layout = CellKind::published_layout(8);
        SupernetConfig { channels: 16, classes: 10, input_channels: 3, layout, stem_multiplier: 3, mask, policy }
    }

    #[test]
    fn grows_with_the_batch_and_shrinks_with_the_cut() {
        let bytes = |mask, policy, batch| config(mask, policy).search_footprint(batch, 32, 32, false).bytes();
        let full = bytes(Mask::FULL, Policy::Keep, 64);
        let half = bytes(Mask::uniform(&Operation::ALL[1..5]), Policy::Keep, 64);
        assert!(half < full * 7 / 10, "{half} {full}");
        assert!(bytes(Mask::FULL, Policy::Recompute, 64) < full / 2);
        let growth = bytes(Mask::FULL, Policy::Keep, 128) - full;
        assert_eq!(growth, bytes(Mask::FULL, Policy::Keep, 192) - bytes(Mask::FULL, Policy::Keep, 128));
        for place in Mask::FULL.places() {
            assert!(bytes(Mask::FULL.without(place), Policy::Keep, 64) <= full, "{place}");
        }
    }
}
