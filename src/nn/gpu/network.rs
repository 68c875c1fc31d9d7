//! A whole network on a GPU: from pictures to logits and back without leaving it.

use std::sync::Arc;

use super::auxiliary::{HeadPass, HeadState};
use super::cell::{CellGradients, CellPass, CellState};
use super::closing::{Closed, ClosingPass};
use super::head::{Logits, head_backward, head_forward};
use super::residual::Watch;
use super::stem::{StemPass, StemState};
use super::{DeviceSeen, Norms, View};
use crate::kernels::gpu::{Buffer, Gpu, GpuError, Precision};
use crate::nn::network::{self, End};
use crate::nn::norm::Seen;
use crate::nn::plan::{CellPlan, CellSizes, Entry};

/// One pass through a network on a GPU.
pub(crate) struct NetworkPass<'a> {
    pub gpu: &'a Gpu,
    pub of: network::NetworkPass<'a>,
    /// How maps are kept.
    pub precision: Precision,
}

/// What a network keeps from its forward to its backward pass.
pub(crate) struct NetworkState {
    images: Buffer,
    parameters: Arc<Buffer>,
    mixing: Buffer,
    /// Of the stem, one or two, and of each cell, as long as they are needed.
    outputs: Vec<Option<Buffer>>,
    stem: Option<StemState>,
    cells: Vec<CellState>,
    auxiliary: Option<(HeadState, Norms)>,
    closed: Option<Closed>,
    factors: Option<Buffer>,
}

/// What a forward pass gives.
pub(crate) struct NetworkOutput {
    pub output: Vec<f32>,
    /// `[N, H, W, C]`, `[N, classes]` or `[heads, N, classes]`.
    pub shape: Vec<usize>,
    pub seen: Vec<Moments>,
    pub state: Option<NetworkState>,
}

/// The moments of a block's norms: fetched where somebody watched, else still on the device.
pub(crate) enum Moments {
    Here(Vec<Seen>),
    OnDevice(DeviceSeen),
}

impl Moments {
    /// # Errors
    /// A fault of the pass.
    pub fn fetch(self) -> Result<Vec<Seen>, GpuError> {
        match self {
            Moments::Here(seen) => Ok(seen),
            Moments::OnDevice(seen) => seen.fetch(),
        }
    }
}

fn address(buffer: Option<&Buffer>) -> u64 {
    buffer.map_or(0, Buffer::address)
}

impl NetworkPass<'_> {
    fn stem(&self) -> StemPass<'_> {
        let (plan, running) = (&self.of.plan.stem, &self.of.running[0]);
        StemPass { gpu: self.gpu, plan, size: self.of.size, norm: self.of.norm, running }
    }

    /// By cell, where the factors of its edges are.
    fn factors(&self, buffer: Option<&Buffer>) -> Vec<Vec<Option<u64>>> {
        let (Some(buffer), Some(factors)) = (buffer, self.of.factors) else {
            return vec![Vec::new(); self.of.plan.cells.len()];
        };
        factors.places.iter().map(|cell| cell.iter().map(|p| p.map(|at| buffer.at(at))).collect()).collect()
    }

    /// The auxiliary head behind cell `i`, where it takes part.
    fn auxiliary(&self, i: usize, sizes: &CellSizes, weights: u64) -> Option<HeadPass<'_>> {
        let head = self.of.auxiliary(i, sizes)?;
        Some(HeadPass { gpu: self.gpu, head: head.plan, size: head.size, classes: head.classes, weights })
    }

    /// The norm and the ReLU behind the last cell, where they are.
    fn closing(&self, sizes: &[CellSizes], weights: u64) -> Option<ClosingPass<'_>> {
        let own = self.of.closing(self.of.plan.features(self.of.size, sizes))?;
        let (plan, shape, norm, running, probe) = (own.plan, own.shape, own.norm, own.running, own.probe);
        Some(ClosingPass { gpu: self.gpu, plan, shape, norm, running, probe, weights })
    }

    /// Whether a backward pass needs output `k`. The stem's have a gradient only for the stem's own weights, but edges may read
    /// them as they are.
    fn is_kept(&self, k: usize) -> bool {
        let whole = |cell: &Arc<CellPlan>| cell.entries.iter().any(|e| matches!(e, Entry::Whole));
        let trains = self.of.weights_wanted || self.of.mixing_wanted;
        trains && (k >= self.of.plan.stems() || self.of.weights_wanted || self.of.plan.cells.first().is_some_and(whole))
    }

    fn cell<'b>(&'b self, i: usize, sizes: CellSizes, factors: &'b [Option<u64>]) -> CellPass<'b> {
        CellPass {
            gpu: self.gpu,
            plan: &self.of.plan.cells[i],
            sizes,
            norm: self.of.norm,
            policy: self.of.policy.of_cell(i),
            precision: self.precision,
            running: &self.of.running[i + 1],
            probe: self.of.probe,
            factors,
            noise: self.of.noise,
        }
    }

    fn logits(&self, sizes: &[CellSizes]) -> Logits {
        let [images, h, w, channels] = self.of.plan.features(self.of.size, sizes);
        Logits { images, pixels: h * w, channels, classes: self.of.plan.classes }
    }

    fn mixing_of(&self, i: usize, mixing: &Buffer) -> u64 {
        let own = self.of.plan.mixing(i);
        if own.is_empty() { 0 } else { mixing.at(own.start) }
    }

    /// Shows what a ReLU of the stem reads, of so many pixels and channels, to whoever watches.
    fn watch(&self, map: View, (pixels, channels): (usize, usize)) -> Result<(), GpuError> {
        let Some(probe) = self.of.probe else { return Ok(()) };
        let n = self.of.size[0];
        let values = crate::kernels::gpu::buffer::download(self.gpu, map.address, n * pixels * channels)?;
        probe.relu(&values, None, [n, channels], 1);
        Ok(())
    }

    fn watched(&self, seen: DeviceSeen) -> Result<Moments, GpuError> {
        let Some(probe) = self.of.probe else { return Ok(Moments::OnDevice(seen)) };
        let seen = seen.fetch()?;
        seen.iter().for_each(|s| probe.norm(&s.moments.variance()));
        Ok(Moments::Here(seen))
    }

    /// `parameters` of all blocks, one behind the other, on the device; `mixing` of both kinds. Outputs of the blocks are shown
    /// to `each`.
    ///
    /// # Errors
    /// Too little memory, a fault of the device.
    pub fn forward(
        &self,
        images: &[f32],
        parameters: Arc<Buffer>,
        mixing: &[f32],
        mut each: Option<&mut dyn FnMut(Vec<f32>, [usize; 4])>,
    ) -> Result<NetworkOutput, GpuError> {
        let gpu = self.gpu;
        let keep = self.of.weights_wanted || self.of.mixing_wanted;
        let starts = self.of.plan.starts();
        let sizes = self.of.plan.sizes(self.of.size);
        let images = Buffer::from_slice(gpu, images)?;
        let mixing = Buffer::from_slice(gpu, mixing)?;
        let factors = match self.of.factors.filter(|f| !f.numbers.is_empty()) {
            Some(factors) => Some(Buffer::from_slice(gpu, &factors.numbers)?),
            None => None,
        };
        let by_cell = self.factors(factors.as_ref());
        let mut auxiliary = None;
        let mut show = |buffer: &Buffer, [n, h, w, c]: [usize; 4]| -> Result<(), GpuError> {
            if let Some(each) = &mut each {
                each(buffer.to_vec(n * h * w * c)?, [n, h, w, c]);
            }
            Ok(())
        };
        let n = self.of.size[0];
        let watcher = |map: View, size| self.watch(map, size);
        let watch = self.of.probe.map(|_| &watcher as Watch);
        let (x, wanted) = (images.address(), self.of.weights_wanted);
        let (maps, seen, stem) = self.stem().forward(x, parameters.at(starts[0]), wanted, watch)?;
        let stem = wanted.then_some(stem);
        if let Some(last) = maps.last() {
            show(last, self.of.plan.stem.last(self.of.size))?;
        }
        let mut moments = vec![self.watched(seen)?];
        let mut outputs: Vec<Option<Buffer>> = maps.into_iter().map(Some).collect();
        let stems = outputs.len();
        let mut cells = Vec::with_capacity(sizes.len());
        for (i, &own) in sizes.iter().enumerate() {
            let plan = &self.of.plan.cells[i];
            let inputs: Vec<u64> = plan.reads(i, stems).map(|k| address(outputs[k].as_ref())).collect();
            let at = parameters.at(starts[i + 1]);
            let found = self.cell(i, own, &by_cell[i]).forward(&inputs, at, self.mixing_of(i, &mixing), keep)?;
            show(&found.output, plan.output_shape(&own))?;
            let block = self.of.plan.auxiliary_block();
            if let Some(head) = self.auxiliary(i, &own, parameters.at(starts[block])) {
                let mut norms = Norms::new(gpu, self.of.norm, &head.head.layout, self.of.running(block))?;
                let (logits, state) = head.forward(found.output.address(), &mut norms)?;
                let seen = DeviceSeen { moments: norms.moments.take(), slots: std::mem::take(&mut norms.seen) };
                auxiliary = Some((logits, seen, (state, norms)));
            }
            moments.push(self.watched(found.seen)?);
            cells.extend(found.state);
            outputs.push(Some(found.output));
            // Nobody but the next cells reads an output, unless a backward pass does.
            let older = plan.reads(i + 1, stems).min().unwrap_or(0);
            for (k, output) in outputs.iter_mut().enumerate().take(older) {
                if !self.is_kept(k) {
                    *output = None;
                }
            }
        }
        let logits = self.logits(&sizes);
        let last = address(outputs[sizes.len() + stems - 1].as_ref());
        let (more, auxiliary) = match auxiliary {
            Some((logits, seen, state)) => {
                moments.push(self.watched(seen)?);
                (logits.to_vec(n * self.of.plan.classes)?, Some(state))
            }
            None => (Vec::new(), None),
        };
        let mut closed = None;
        if let Some(closing) = self.closing(&sizes, parameters.at(starts[self.of.plan.closing_block()])) {
            let (found, seen) = closing.forward(last)?;
            moments.push(self.watched(seen)?);
            closed = Some(found);
        }
        let last = closed.as_ref().map_or(last, |c| c.map.address());
        let (output, shape) = match self.of.end {
            End::Features => {
                let shape = self.of.plan.features(self.of.size, &sizes).to_vec();
                (crate::kernels::gpu::buffer::download(gpu, last, shape.iter().product())?, shape)
            }
            End::Logits | End::AllLogits => {
                let classifier = parameters.at(starts[self.of.plan.classifier_block()]);
                let found = head_forward(gpu, logits, last, classifier)?;
                let mut output = found.to_vec(n * self.of.plan.classes)?;
                output.extend(more);
                let heads = output.len() / (n * self.of.plan.classes);
                let shape = [heads, n, self.of.plan.classes];
                (output, shape[usize::from(self.of.end == End::Logits)..].to_vec())
            }
        };
        let state = keep.then_some(NetworkState {
            images,
            parameters,
            mixing,
            outputs,
            stem,
            cells,
            auxiliary,
            closed,
            factors,
        });
        Ok(NetworkOutput { output, shape, seen: moments, state })
    }

    /// `gradient` is that of the output. Returns the gradients of the parameters, if they are wanted, which stay on the device,
    /// and of the mixing weights.
    ///
    /// # Errors
    /// As [`NetworkPass::forward`].
    pub fn backward(&self, state: &mut NetworkState, gradient: &[f32]) -> Result<(Option<Buffer>, Vec<f32>), GpuError> {
        let gpu = self.gpu;
        let starts = self.of.plan.starts();
        let sizes = self.of.plan.sizes(self.of.size);
        let logits = self.logits(&sizes);
        let (count, stems) = (sizes.len(), self.of.plan.stems());
        let end = count + stems - 1;
        let len = self.of.plan.layouts().map(|l| l.len).sum();
        let to = match self.of.weights_wanted {
            true => Some(Buffer::zeros(gpu, len)?),
            false => None,
        };
        let to_block = |block: usize| to.as_ref().map(|t| t.at(starts[block]));
        let mixing_len = state.mixing.bytes() / 4;
        let to_mixing = Buffer::zeros(gpu, mixing_len)?;
        let by_cell = self.factors(state.factors.as_ref());
        let (classifier, block) = (self.of.plan.classifier_block(), self.of.plan.auxiliary_block());
        let mut gradients: Vec<Option<Buffer>> = (0..=end).map(|_| None).collect();
        let dy = Buffer::from_slice(gpu, gradient)?;
        // That of the auxiliary head's logits lies behind.
        let of_head = dy.at(if self.of.end == End::AllLogits { logits.images * logits.classes } else { 0 });
        let mut held = None;
        gradients[end] = Some(match self.of.end {
            End::Features => dy,
            End::Logits | End::AllLogits => {
                let x = state.closed.as_ref().map(|c| &c.map).or(state.outputs[end].as_ref());
                let (x, weights) = (address(x), state.parameters.at(starts[classifier]));
                let found = head_backward(gpu, logits, x, weights, dy.address(), to_block(classifier))?;
                held = Some(dy);
                found
            }
        });
        let own = self.of.plan.closing_block();
        let closing = self.closing(&sizes, state.parameters.at(starts[own]));
        if let (Some(closing), Some(made), Some(dy)) = (closing, &state.closed, &gradients[end]) {
            closing.backward(address(state.outputs[end].as_ref()), made, dy, to_block(own))?;
            if !self.of.retain {
                state.closed = None;
            }
        }
        for i in (0..count).rev() {
            let weights = state.parameters.at(starts[block]);
            if let (Some(head), Some((own, norms)), Some(to)) =
                (self.auxiliary(i, &sizes[i], weights), state.auxiliary.as_ref(), to_block(block))
            {
                let (x, dx) = (address(state.outputs[i + stems].as_ref()), address(gradients[i + stems].as_ref()));
                head.backward(x, own, norms, of_head, dx, to)?;
                if !self.of.retain {
                    state.auxiliary = None;
                }
            }
            let reads: Vec<usize> = self.of.plan.reads(i).collect();
            let mut inputs = vec![None; reads.len()];
            for (&k, place) in reads.iter().zip(&mut inputs) {
                // The stem's outputs need a gradient only for the stem's own weights.
                if !self.of.weights_wanted && k < stems {
                    continue;
                }
                let there = gradients[k].is_some();
                if !there {
                    gradients[k] = Some(Buffer::new(gpu, state.numbers(k))?);
                }
                *place = Some((address(gradients[k].as_ref()), there));
            }
            let found = CellGradients { inputs, weights: to_block(i + 1), mixing: self.mixing_of(i, &to_mixing) };
            let output = address(state.outputs[i + stems].as_ref());
            let read: Vec<u64> = reads.iter().map(|k| address(state.outputs[*k].as_ref())).collect();
            let (weights, mixing) = (state.parameters.at(starts[i + 1]), self.mixing_of(i, &state.mixing));
            let own = &mut state.cells[i];
            let dy = address(gradients[i + stems].as_ref());
            self.cell(i, sizes[i], &by_cell[i]).backward(&read, weights, mixing, own, output, dy, &found)?;
            gradients[i + stems] = None;
            if !self.of.retain {
                state.outputs[i + stems] = None;
                state.cells.truncate(i);
            }
        }
        if let (Some(to), Some(stem)) = (to_block(0), &state.stem) {
            let (x, weights) = (state.images.address(), state.parameters.at(0));
            self.stem().backward(x, weights, stem, &state.outputs, &mut gradients[..stems], to)?;
        }
        drop(held);
        let mixing = to_mixing.to_vec(mixing_len)?;
        Ok((to, mixing))
    }
}

impl NetworkState {
    /// Numbers of output `k`.
    fn numbers(&self, k: usize) -> usize {
        self.outputs[k].as_ref().map_or(0, |o| o.bytes() / 4)
    }
}
