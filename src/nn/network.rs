//! A whole network on plain maps, of a supernet or of a genotype: from pictures to logits, and back.

use std::sync::Arc;

use super::auxiliary::{HeadPass, HeadState};
use super::cell::{CellPass, CellState};
use super::closing::ClosingPass;
use super::drop_path::Factors;
use super::head;
use super::noise::Noise;
use super::norm::{Norm, Seen, Statistics};
use super::plan::{CellSizes, NetworkPlan};
use super::stem::{StemPass, StemState};
use super::{Policy, Probe};

/// Where a pass ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The last cell's output, `[N, H, W, C]`.
    Features,
    Logits,
    /// Logits `[heads, N, classes]`: those of the classifier, then of the auxiliary head where the network has one and its weights'
    /// gradients are wanted.
    AllLogits,
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
    /// Edges that are left out, image by image.
    pub factors: Option<&'a Factors>,
    /// Gradients that a backward pass will be asked for.
    pub weights_wanted: bool,
    pub mixing_wanted: bool,
    pub images_wanted: bool,
    /// More than one backward pass may follow.
    pub retain: bool,
    /// Of the gradients of the convolutions' weights only what this image's maps give, which are at most as many as groups.
    pub only: Option<usize>,
    pub noise: Noise,
}

/// What a network keeps from its forward to its backward pass.
pub(crate) struct NetworkState {
    /// Of the stem, one or two, and of each cell, as long as they are needed.
    outputs: Vec<Vec<f32>>,
    stem: Option<StemState>,
    cells: Vec<CellState>,
    auxiliary: Option<HeadState>,
    /// What the classifier reads, where that is not the last output, and the norm that made it.
    closing: Option<(Vec<f32>, Statistics)>,
}

impl NetworkState {
    /// Of the stem, one or two, and of each cell.
    pub fn outputs(&self) -> &[Vec<f32>] {
        &self.outputs
    }

    pub fn cells(&self) -> &[CellState] {
        &self.cells
    }
}

/// What a forward pass gives.
pub(crate) struct NetworkOutput {
    pub output: Vec<f32>,
    /// `[N, H, W, C]`, `[N, classes]` or `[heads, N, classes]`.
    pub shape: Vec<usize>,
    /// By block.
    pub seen: Vec<Vec<Seen>>,
    pub state: Option<NetworkState>,
}

/// Gradients of all blocks' parameters, if they are wanted, of the mixing weights of both kinds, and of the pictures, if they are
/// wanted.
pub(crate) type NetworkGradients = (Option<Vec<f32>>, Vec<f32>, Option<Vec<f32>>);

/// Somebody who is shown the output of every block, of the stem the last, `[N, H, W, C]`.
pub(crate) type Watcher<'a> = dyn FnMut(&[f32], [usize; 4]) + 'a;

impl NetworkPass<'_> {
    pub fn running(&self, block: usize) -> &[f32] {
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
            factors: self.factors,
            index: i,
            noise: self.noise,
        }
    }

    /// The norm and the ReLU behind the last cell, where they are.
    pub fn closing(&self, shape: [usize; 4]) -> Option<ClosingPass<'_>> {
        let plan = self.plan.closing.as_deref()?;
        let running = self.running(self.plan.closing_block());
        Some(ClosingPass { plan, shape, norm: self.norm, running, probe: self.probe })
    }

    /// The auxiliary head behind cell `i`, where it takes part.
    pub fn auxiliary(&self, i: usize, sizes: &CellSizes) -> Option<HeadPass<'_>> {
        let trains = self.end == End::AllLogits && self.weights_wanted;
        let plan = self.plan.auxiliary.as_deref().filter(|h| trains && h.after == i)?;
        let (size, running) = (self.plan.cells[i].output_shape(sizes), self.running(self.plan.auxiliary_block()));
        Some(HeadPass { plan, size, classes: self.plan.classes, running })
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
        let n = self.size[0];
        let keep = self.weights_wanted || self.mixing_wanted || self.images_wanted;
        let keep_stem = self.weights_wanted || self.images_wanted;
        let (mut outputs, stem, seen) = self.stem().forward(images, parameters[0], keep_stem);
        if let (Some(each), Some(last)) = (&mut each, outputs.last()) {
            each(last, self.plan.stem.last(self.size));
        }
        let (mut seen, mut cells) = (vec![seen], Vec::new());
        let stems = self.plan.stems();
        let mut auxiliary = None;
        for (i, sizes) in sizes.iter().enumerate() {
            let read: Vec<&[f32]> = self.plan.reads(i).map(|o| &outputs[o][..]).collect();
            let mixing = &mixing[self.plan.mixing(i)];
            let (output, told, state) = self.cell(i, *sizes).forward(&read, parameters[i + 1], mixing, keep);
            if let Some(each) = &mut each {
                each(&output, self.plan.cells[i].output_shape(sizes));
            }
            if let Some(head) = self.auxiliary(i, sizes) {
                auxiliary = Some(head.forward(&output, parameters[self.plan.auxiliary_block()]));
            }
            outputs.push(output);
            seen.push(told);
            cells.extend(state);
            if let Some(old) = (i + stems).checked_sub(2).filter(|_| !keep) {
                // Nobody but the next two cells reads an output.
                outputs[old] = Vec::new();
            }
        }
        let shape = self.plan.features(self.size, &sizes);
        let head = parameters[self.plan.classifier_block()];
        let (more, told, auxiliary) = match auxiliary {
            Some((logits, told, state)) => (logits, Some(told), Some(state)),
            None => (Vec::new(), None, None),
        };
        seen.extend(told);
        let mut closing = None;
        if let Some(pass) = self.closing(shape) {
            let last = outputs.last().map_or(&[][..], Vec::as_slice);
            let (map, told, statistics) = pass.forward(last, parameters[self.plan.closing_block()]);
            seen.push(told);
            closing = Some((map, statistics));
        }
        if self.end == End::Features {
            let output = match &mut closing {
                Some((map, _)) => std::mem::take(map),
                None => if keep { outputs.last().cloned() } else { outputs.pop() }.unwrap_or_default(),
            };
            let state = keep.then_some(NetworkState { outputs, stem, cells, auxiliary, closing });
            return NetworkOutput { output, shape: shape.to_vec(), seen, state };
        }
        let last = closing.as_ref().map(|(map, _)| map).or(outputs.last()).map_or(&[][..], Vec::as_slice);
        let mut output = head::forward(last, shape, head, self.plan.classes);
        output.extend(more);
        let heads = output.len() / (n * self.plan.classes);
        let shape = [heads, n, self.plan.classes][usize::from(self.end == End::Logits)..].to_vec();
        let state = keep.then_some(NetworkState { outputs, stem, cells, auxiliary, closing });
        NetworkOutput { output, shape, seen, state }
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
        let (cells, stems) = (self.plan.cells.len(), self.plan.stems());
        let end = cells + stems - 1;
        let total = parameters.iter().map(|p| p.len()).sum();
        let mut of_weights = self.weights_wanted.then(|| vec![0.0f32; total]);
        let mut of_mixing = vec![0.0f32; mixing.len()];
        // Of every output, once somebody who reads it has been passed.
        let mut gradients: Vec<Option<Vec<f32>>> = vec![None; end + 1];
        gradients[end] = Some(match self.end {
            End::Features => gradient.to_vec(),
            End::Logits | End::AllLogits => {
                let read = state.closing.as_ref().map_or(&state.outputs[end], |(map, _)| map);
                let (block, last) = (self.plan.classifier_block(), read);
                let to = of_weights.as_mut().map(|w| &mut w[starts[block]..]);
                let (shape, own) =
                    (self.plan.features(self.size, &sizes), &gradient[..self.size[0] * self.plan.classes]);
                head::backward(last, shape, parameters[block], own, self.plan.classes, to)
            }
        });
        if let (Some(pass), Some((_, statistics))) =
            (self.closing(self.plan.features(self.size, &sizes)), &state.closing)
        {
            let block = self.plan.closing_block();
            let to = of_weights.as_mut().map(|w| &mut w[starts[block]..starts[block + 1]]);
            let dy = gradients[end].take().unwrap_or_default();
            gradients[end] = Some(pass.backward(&state.outputs[end], statistics, dy, to));
            if !self.retain {
                state.closing = None;
            }
        }
        for i in (0..cells).rev() {
            let read: Vec<usize> = self.plan.reads(i).collect();
            let range = starts[i + 1]..starts[i + 2];
            let Some(mut dy) = gradients[i + stems].take() else { continue };
            if let (Some(head), Some(own), Some(to)) = (self.auxiliary(i, &sizes[i]), &state.auxiliary, &mut of_weights)
            {
                let block = self.plan.auxiliary_block();
                let of_head = &gradient[self.size[0] * self.plan.classes..];
                let to = &mut to[starts[block]..starts[block + 1]];
                head.backward(&state.outputs[i + stems], parameters[block], own, of_head, &mut dy, to);
            }
            let inputs: Vec<&[f32]> = read.iter().map(|o| &state.outputs[*o][..]).collect();
            // The stem's output needs a gradient only for the stem's own weights, and for the pictures.
            let below = self.weights_wanted || self.images_wanted;
            let places: Vec<Option<usize>> = read.iter().map(|o| (*o >= stems || below).then_some(*o)).collect();
            let to = super::cell::To {
                weights: of_weights.as_mut().map(|w| &mut w[range]),
                mixing: &mut of_mixing[self.plan.mixing(i)],
                inputs: &mut gradients,
                places: &places,
                only: self.only,
            };
            self.cell(i, sizes[i]).backward(
                &inputs,
                parameters[i + 1],
                &mixing[self.plan.mixing(i)],
                &state.cells[i],
                &state.outputs[i + stems],
                dy,
                to,
            );
            if !self.retain {
                state.cells.truncate(i);
                state.outputs.truncate(i + stems);
            }
        }
        let mut of_images = None;
        if let Some(stem) = &state.stem {
            let to = of_weights.as_mut().map(|to| &mut to[..starts[1]]);
            let (maps, of_maps, wanted) = (&state.outputs[..], &mut gradients[..stems], self.images_wanted);
            of_images = self.stem().backward(images, parameters[0], stem, maps, of_maps, to, wanted, self.only);
        }
        (of_weights, of_mixing, of_images)
    }
}
