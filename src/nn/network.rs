//! A whole supernet on plain maps: from pictures to logits, and back.

use std::sync::Arc;

use super::cell::{CellPass, CellSizes, CellState};
use super::edge::COLUMNS;
use super::head;
use super::layout::CellPlan;
use super::norm::{Norm, Seen};
use super::stem::{StemPass, StemPlan, StemState};
use super::{Policy, Probe};
use crate::space::{CellKind, EDGES, NODES, Place};

/// Numbers of one kind's mixing weights.
pub(crate) const MIXING: usize = EDGES * COLUMNS;

/// The blocks of a network, and where each has its parameters in one flat vector of all.
#[derive(Clone)]
pub(crate) struct NetworkPlan {
    pub stem: Arc<StemPlan>,
    pub cells: Vec<Arc<CellPlan>>,
    pub classes: usize,
}

impl NetworkPlan {
    /// Parameters that lie one after the other, by block.
    pub fn parted<'a>(&self, all: &'a [f32]) -> Vec<&'a [f32]> {
        let starts = self.starts();
        let ends = starts.iter().skip(1).copied().chain([all.len()]);
        starts.iter().zip(ends).map(|(start, end)| &all[*start..end]).collect()
    }

    /// First parameter of each block (the stem, each cell, the classifier).
    pub fn starts(&self) -> Vec<usize> {
        let mut at = 0;
        let lengths = std::iter::once(self.stem.layout.len).chain(self.cells.iter().map(|c| c.layout.len));
        let mut starts: Vec<usize> = lengths
            .map(|len| {
                let start = at;
                at += len;
                start
            })
            .collect();
        starts.push(at);
        starts
    }

    /// The first cell of a kind.
    pub fn first(&self, kind: CellKind) -> Option<usize> {
        self.cells.iter().position(|c| c.shape.kind == kind)
    }

    pub fn sizes(&self, pictures: [usize; 3]) -> Vec<CellSizes> {
        CellSizes::along(self.cells.iter().map(Arc::as_ref), pictures)
    }

    /// The same blocks at the same places, without one operation.
    pub fn without(&self, place: Place) -> NetworkPlan {
        let cut = |cell: &Arc<CellPlan>| match cell.shape.kind == place.cell {
            true => Arc::new(cell.without(place.edge, place.operation)),
            false => cell.clone(),
        };
        NetworkPlan { cells: self.cells.iter().map(cut).collect(), ..self.clone() }
    }

    /// Where cell `i`'s mixing weights are among those of both kinds.
    pub fn mixing(&self, i: usize) -> std::ops::Range<usize> {
        match self.cells[i].shape.kind {
            CellKind::Normal => 0..MIXING,
            CellKind::Reduction => MIXING..2 * MIXING,
        }
    }
}

/// Where a pass ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The last cell's output, `[N, H, W, C]`.
    Features,
    Logits,
}

/// One pass through a network.
pub(crate) struct NetworkPass<'a> {
    pub plan: &'a NetworkPlan,
    /// Images, height and width.
    pub size: [usize; 3],
    pub norm: Norm,
    pub policy: Policy,
    /// Running statistics by block; none where a pass has no use for them.
    pub running: &'a [Arc<Vec<f32>>],
    pub probe: Option<&'a Arc<dyn Probe>>,
    pub end: End,
    /// Gradients that a backward pass will be asked for.
    pub weights_wanted: bool,
    pub mixing_wanted: bool,
    /// More than one backward pass may follow.
    pub retain: bool,
}

/// What a network keeps from its forward to its backward pass.
pub(crate) struct NetworkState {
    /// Of the stem and of each cell, as long as they are needed.
    outputs: Vec<Vec<f32>>,
    stem: Option<StemState>,
    cells: Vec<CellState>,
}

/// What a forward pass gives.
pub(crate) struct NetworkOutput {
    pub output: Vec<f32>,
    /// `[N, H, W, C]` or `[N, classes]`.
    pub shape: Vec<usize>,
    /// By block.
    pub seen: Vec<Vec<Seen>>,
    pub state: Option<NetworkState>,
}

/// Gradients of all blocks' parameters, if they are wanted, and of the mixing weights of both kinds.
pub(crate) type NetworkGradients = (Option<Vec<f32>>, Vec<f32>);

/// Somebody who is shown the output of every block, `[N, H, W, C]`.
pub(crate) type Watcher<'a> = dyn FnMut(&[f32], [usize; 4]) + 'a;

/// The outputs that cell `i` reads, counted from the stem's.
pub(crate) fn read_by(i: usize) -> [usize; 2] {
    [i.saturating_sub(1), i]
}

impl NetworkPass<'_> {
    fn running(&self, block: usize) -> &[f32] {
        self.running.get(block).map_or(&[], |r| r.as_slice())
    }

    pub fn stem(&self) -> StemPass<'_> {
        let (plan, running) = (&self.plan.stem, self.running(0));
        StemPass { plan, size: self.size, norm: self.norm, running, probe: self.probe }
    }

    pub fn cell(&self, i: usize, sizes: CellSizes) -> CellPass<'_> {
        CellPass {
            plan: &self.plan.cells[i],
            sizes,
            norm: self.norm,
            policy: self.policy.of_cell(i),
            running: self.running(i + 1),
            probe: self.probe,
        }
    }

    /// Shape of the last cell's output.
    pub fn features(&self, sizes: &[CellSizes]) -> [usize; 4] {
        let [n, height, width] = self.size;
        match (self.plan.cells.last(), sizes.last()) {
            (Some(plan), Some(sizes)) => {
                let (h, w) = plan.output_size(sizes);
                [n, h, w, NODES * plan.shape.channels]
            }
            _ => [n, height, width, self.plan.stem.outputs],
        }
    }

    /// `images` are `[N, H, W, C]`, `parameters` by block; `each` is shown the output of every block before the head.
    pub fn forward(
        &self,
        images: &[f32],
        parameters: &[&[f32]],
        mixing: &[f32],
        mut each: Option<&mut Watcher>,
    ) -> NetworkOutput {
        let sizes = self.plan.sizes(self.size);
        let [n, height, width] = self.size;
        let keep = self.weights_wanted || self.mixing_wanted;
        let (output, stem, seen) = self.stem().forward(images, parameters[0], self.weights_wanted);
        if let Some(each) = &mut each {
            each(&output, [n, height, width, self.plan.stem.outputs]);
        }
        let (mut outputs, mut seen, mut cells) = (vec![output], vec![seen], Vec::new());
        for (i, sizes) in sizes.iter().enumerate() {
            let [older, last] = read_by(i).map(|o| &outputs[o][..]);
            let mixing = &mixing[self.plan.mixing(i)];
            let (output, told, state) = self.cell(i, *sizes).forward([older, last], parameters[i + 1], mixing, keep);
            if let Some(each) = &mut each {
                let plan = &self.plan.cells[i];
                let (h, w) = plan.output_size(sizes);
                each(&output, [n, h, w, NODES * plan.shape.channels]);
            }
            outputs.push(output);
            seen.push(told);
            cells.extend(state);
            if !keep && i > 0 {
                // Nobody but the next two cells reads an output.
                outputs[i - 1] = Vec::new();
            }
        }
        let shape = self.features(&sizes);
        let head = parameters[self.plan.cells.len() + 1];
        let state = |outputs| keep.then_some(NetworkState { outputs, stem, cells });
        match self.end {
            End::Features => {
                let output = if keep { outputs.last().cloned() } else { outputs.pop() }.unwrap_or_default();
                NetworkOutput { output, shape: shape.to_vec(), seen, state: state(outputs) }
            }
            End::Logits => {
                let last = outputs.last().map_or(&[][..], Vec::as_slice);
                let output = head::forward(last, shape, head, self.plan.classes);
                NetworkOutput { output, shape: vec![n, self.plan.classes], seen, state: state(outputs) }
            }
        }
    }

    /// `gradient` is that of the output. Unless it is retained, the state is used up.
    pub fn backward(
        &self,
        state: &mut NetworkState,
        images: &[f32],
        parameters: &[&[f32]],
        mixing: &[f32],
        gradient: &[f32],
    ) -> NetworkGradients {
        let (starts, sizes) = (self.plan.starts(), self.plan.sizes(self.size));
        let cells = self.plan.cells.len();
        let total = parameters.iter().map(|p| p.len()).sum();
        let mut of_weights = self.weights_wanted.then(|| vec![0.0f32; total]);
        let mut of_mixing = vec![0.0f32; mixing.len()];
        // Of every output, once somebody who reads it has been passed.
        let mut gradients: Vec<Option<Vec<f32>>> = vec![None; cells + 1];
        gradients[cells] = Some(match self.end {
            End::Features => gradient.to_vec(),
            End::Logits => {
                let (head, last) = (starts[cells + 1].., &state.outputs[cells]);
                let to = of_weights.as_mut().map(|w| &mut w[head]);
                head::backward(last, self.features(&sizes), parameters[cells + 1], gradient, self.plan.classes, to)
            }
        });
        for i in (0..cells).rev() {
            let [older, last] = read_by(i);
            let range = starts[i + 1]..starts[i + 2];
            let Some(dy) = gradients[i + 1].take() else { continue };
            let inputs = [&state.outputs[older][..], &state.outputs[last][..]];
            let to = super::cell::To {
                weights: of_weights.as_mut().map(|w| &mut w[range]),
                mixing: &mut of_mixing[self.plan.mixing(i)],
                inputs: &mut gradients,
                // The stem's output needs a gradient only for the stem's own weights.
                places: [older, last].map(|o| (o > 0 || self.weights_wanted).then_some(o)),
            };
            self.cell(i, sizes[i]).backward(
                inputs,
                parameters[i + 1],
                &mixing[self.plan.mixing(i)],
                &state.cells[i],
                &state.outputs[i + 1],
                dy,
                to,
            );
            if !self.retain {
                state.cells.truncate(i);
                state.outputs.truncate(i + 1);
            }
        }
        if let (Some(to), Some(stem), Some(dy)) = (&mut of_weights, &state.stem, gradients[0].take()) {
            self.stem().backward(images, parameters[0], stem, &dy, &mut to[..starts[1]]);
        }
        (of_weights, of_mixing)
    }
}
