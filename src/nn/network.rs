//! A whole network on plain maps, of a supernet or of a genotype: from pictures to logits, and back.

use std::convert::Infallible;
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
use super::walk::{Backward, Forward, Walk, Wanted};
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
    pub wanted: Wanted,
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

    /// The auxiliary head behind cell `i`, if there is one.
    pub fn auxiliary(&self, i: usize, sizes: &CellSizes) -> Option<HeadPass<'_>> {
        let plan = self.plan.auxiliary.as_deref()?;
        let (size, running) = (self.plan.cells[i].output_shape(sizes), self.running(self.plan.auxiliary_block()));
        Some(HeadPass { plan, size, classes: self.plan.classes, running })
    }

    pub fn walk(&self) -> Walk<'_> {
        Walk { plan: self.plan, wanted: self.wanted, end: self.end }
    }

    /// `images` are `[N, H, W, C]`, `parameters` by block; `each` is shown the output of every block before the head.
    pub fn forward(
        &self,
        images: &[f32],
        parameters: &[&[f32]],
        mixing: &[f32],
        each: Option<&mut Watcher>,
    ) -> NetworkOutput {
        let sizes = self.plan.sizes(self.size);
        let made = NetworkState { outputs: Vec::new(), stem: None, cells: Vec::new(), auxiliary: None, closing: None };
        let mut steps =
            Made { pass: self, sizes, images, parameters, mixing, each, made, seen: Vec::new(), head: None };
        let Ok(()) = self.walk().forward(&mut steps);
        let Made { mut made, mut seen, head, sizes, .. } = steps;
        let more = head.map_or_else(Vec::new, |(logits, of_head)| {
            seen.insert(self.plan.auxiliary_block(), of_head);
            logits
        });
        let (keep, shape) = (self.wanted.any(), self.plan.features(self.size, &sizes));
        let (output, shape) = if self.end == End::Features {
            let output = match &mut made.closing {
                Some((map, _)) => std::mem::take(map),
                None => if keep { made.outputs.last().cloned() } else { made.outputs.pop() }.unwrap_or_default(),
            };
            (output, shape.to_vec())
        } else {
            let classifier = parameters[self.plan.classifier_block()];
            let mut output = head::forward(made.last(), shape, classifier, self.plan.classes);
            output.extend(more);
            let heads = output.len() / (self.size[0] * self.plan.classes);
            let shape = [heads, self.size[0], self.plan.classes];
            (output, shape[usize::from(self.end == End::Logits)..].to_vec())
        };
        NetworkOutput { output, shape, seen, state: keep.then_some(made) }
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
        let total = parameters.iter().map(|p| p.len()).sum();
        let mut of_weights = self.wanted.weights.then(|| vec![0.0f32; total]);
        // Of every output, once somebody who reads it has been passed.
        let mut gradients: Vec<Option<Vec<f32>>> = vec![None; sizes.len() + self.plan.stems()];
        let of_last = match self.end {
            End::Features => gradient.to_vec(),
            End::Logits | End::AllLogits => {
                let block = self.plan.classifier_block();
                let to = of_weights.as_mut().map(|w| &mut w[starts[block]..]);
                let shape = self.plan.features(self.size, &sizes);
                let own = &gradient[..self.size[0] * self.plan.classes];
                head::backward(state.last(), shape, parameters[block], own, self.plan.classes, to)
            }
        };
        if let Some(last) = gradients.last_mut() {
            *last = Some(of_last);
        }
        let of_mixing = vec![0.0f32; mixing.len()];
        let mut steps = Back {
            pass: self,
            sizes,
            starts,
            images,
            parameters,
            mixing,
            gradient,
            state,
            gradients,
            of_weights,
            of_mixing,
            of_images: None,
        };
        let Ok(()) = self.walk().backward(&mut steps);
        (steps.of_weights, steps.of_mixing, steps.of_images)
    }
}

impl NetworkState {
    /// What the classifier reads.
    fn last(&self) -> &[f32] {
        self.closing.as_ref().map(|(map, _)| map).or(self.outputs.last()).map_or(&[], Vec::as_slice)
    }
}

/// A forward pass under way.
struct Made<'p, 'w> {
    pass: &'p NetworkPass<'p>,
    sizes: Vec<CellSizes>,
    images: &'p [f32],
    parameters: &'p [&'p [f32]],
    mixing: &'p [f32],
    each: Option<&'p mut Watcher<'w>>,
    made: NetworkState,
    /// By block, without the auxiliary head.
    seen: Vec<Vec<Seen>>,
    /// Logits and moments of the auxiliary head.
    head: Option<(Vec<f32>, Vec<Seen>)>,
}

impl Forward for Made<'_, '_> {
    type Fault = Infallible;

    fn stem(&mut self) -> Result<(), Infallible> {
        let pass = self.pass;
        let (outputs, state, seen) = pass.stem().forward(self.images, self.parameters[0], pass.wanted.stem());
        if let (Some(each), Some(last)) = (&mut self.each, outputs.last()) {
            each(last, pass.plan.stem.last(pass.size));
        }
        (self.made.outputs, self.made.stem) = (outputs, state);
        self.seen.push(seen);
        Ok(())
    }

    fn cell(&mut self, i: usize, reads: &[usize]) -> Result<(), Infallible> {
        let (pass, sizes) = (self.pass, self.sizes[i]);
        let read: Vec<&[f32]> = reads.iter().map(|o| &self.made.outputs[*o][..]).collect();
        let mixing = &self.mixing[pass.plan.mixing(i)];
        let (output, seen, state) =
            pass.cell(i, sizes).forward(&read, self.parameters[i + 1], mixing, pass.wanted.any());
        if let Some(each) = &mut self.each {
            each(&output, pass.plan.cells[i].output_shape(&sizes));
        }
        self.made.outputs.push(output);
        self.made.cells.extend(state);
        self.seen.push(seen);
        Ok(())
    }

    fn auxiliary(&mut self, i: usize) -> Result<(), Infallible> {
        let (pass, output) = (self.pass, self.made.outputs.last().map_or(&[][..], Vec::as_slice));
        if let Some(head) = pass.auxiliary(i, &self.sizes[i]) {
            let (logits, seen, state) = head.forward(output, self.parameters[pass.plan.auxiliary_block()]);
            self.head = Some((logits, seen));
            self.made.auxiliary = Some(state);
        }
        Ok(())
    }

    fn give_up(&mut self, k: usize) {
        self.made.outputs[k] = Vec::new();
    }

    fn closing(&mut self) -> Result<(), Infallible> {
        let pass = self.pass;
        if let Some(closing) = pass.closing(pass.plan.features(pass.size, &self.sizes)) {
            let (map, seen, statistics) = closing.forward(self.made.last(), self.parameters[pass.plan.closing_block()]);
            self.seen.push(seen);
            self.made.closing = Some((map, statistics));
        }
        Ok(())
    }
}

/// A way back that has begun.
struct Back<'p> {
    pass: &'p NetworkPass<'p>,
    sizes: Vec<CellSizes>,
    /// First parameter of each block.
    starts: Vec<usize>,
    images: &'p [f32],
    parameters: &'p [&'p [f32]],
    mixing: &'p [f32],
    /// Of all heads' logits.
    gradient: &'p [f32],
    state: &'p mut NetworkState,
    /// By output.
    gradients: Vec<Option<Vec<f32>>>,
    of_weights: Option<Vec<f32>>,
    of_mixing: Vec<f32>,
    of_images: Option<Vec<f32>>,
}

impl Backward for Back<'_> {
    type Fault = Infallible;

    fn closing(&mut self) -> Result<(), Infallible> {
        let (pass, block) = (self.pass, self.pass.plan.closing_block());
        let closing = pass.closing(pass.plan.features(pass.size, &self.sizes));
        let (Some(closing), Some((_, statistics)), Some(output), Some(of_last)) =
            (closing, &self.state.closing, self.state.outputs.last(), self.gradients.last_mut())
        else {
            return Ok(());
        };
        let to = self.of_weights.as_mut().map(|w| &mut w[self.starts[block]..self.starts[block + 1]]);
        *of_last = Some(closing.backward(output, statistics, of_last.take().unwrap_or_default(), to));
        if !pass.retain {
            self.state.closing = None;
        }
        Ok(())
    }

    fn auxiliary(&mut self, i: usize) -> Result<(), Infallible> {
        let (pass, block, output) = (self.pass, self.pass.plan.auxiliary_block(), i + self.pass.plan.stems());
        let (Some(head), Some(own), Some(dy), Some(to)) = (
            pass.auxiliary(i, &self.sizes[i]),
            &self.state.auxiliary,
            &mut self.gradients[output],
            &mut self.of_weights,
        ) else {
            return Ok(());
        };
        let of_head = &self.gradient[pass.size[0] * pass.plan.classes..];
        let to = &mut to[self.starts[block]..self.starts[block + 1]];
        head.backward(&self.state.outputs[output], self.parameters[block], own, of_head, dy, to);
        Ok(())
    }

    fn cell(&mut self, i: usize, reads: &[usize], reached: &[bool]) -> Result<(), Infallible> {
        let (pass, stems) = (self.pass, self.pass.plan.stems());
        let Some(dy) = self.gradients[i + stems].take() else { return Ok(()) };
        let inputs: Vec<&[f32]> = reads.iter().map(|o| &self.state.outputs[*o][..]).collect();
        let places: Vec<Option<usize>> = reads.iter().zip(reached).map(|(o, reached)| reached.then_some(*o)).collect();
        let to = super::cell::To {
            weights: self.of_weights.as_mut().map(|w| &mut w[self.starts[i + 1]..self.starts[i + 2]]),
            mixing: &mut self.of_mixing[pass.plan.mixing(i)],
            inputs: &mut self.gradients,
            places: &places,
            only: pass.only,
        };
        pass.cell(i, self.sizes[i]).backward(
            &inputs,
            self.parameters[i + 1],
            &self.mixing[pass.plan.mixing(i)],
            &self.state.cells[i],
            &self.state.outputs[i + stems],
            dy,
            to,
        );
        if !pass.retain {
            self.state.cells.truncate(i);
            self.state.outputs.truncate(i + stems);
        }
        Ok(())
    }

    fn stem(&mut self) -> Result<(), Infallible> {
        let Some(stem) = &self.state.stem else { return Ok(()) };
        let (pass, maps) = (self.pass, &self.state.outputs[..]);
        let to = self.of_weights.as_mut().map(|to| &mut to[..self.starts[1]]);
        let gradients = &mut self.gradients[..pass.plan.stems()];
        let (x, weights, wanted) = (self.images, self.parameters[0], pass.wanted.images);
        self.of_images = pass.stem().backward(x, weights, stem, maps, gradients, to, wanted, pass.only);
        Ok(())
    }
}
