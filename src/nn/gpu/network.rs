//! A whole network on a GPU: from pictures to logits and back without leaving it.

use std::sync::Arc;

use super::auxiliary::{HeadPass, HeadState};
use super::cell::{CellGradients, CellPass, CellState};
use super::closing::{Closed, ClosingPass};
use super::head::{Logits, head_backward, head_forward};
use super::residual::Watch;
use super::stem::{StemPass, StemState};
use super::{DeviceSeen, Norms, View};
use crate::kernels::gpu::buffer::download;
use crate::kernels::gpu::{Buffer, Gpu, GpuError, Precision};
use crate::nn::network::{self, End};
use crate::nn::norm::Seen;
use crate::nn::plan::CellSizes;
use crate::nn::walk::{Backward, Forward};

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
        let values = download(self.gpu, map.address, n * pixels * channels)?;
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
        each: Option<&mut dyn FnMut(Vec<f32>, [usize; 4])>,
    ) -> Result<NetworkOutput, GpuError> {
        let (gpu, n) = (self.gpu, self.of.size[0]);
        let images = Buffer::from_slice(gpu, images)?;
        let mixing = Buffer::from_slice(gpu, mixing)?;
        let factors = match self.of.factors.filter(|f| !f.numbers.is_empty()) {
            Some(factors) => Some(Buffer::from_slice(gpu, &factors.numbers)?),
            None => None,
        };
        let by_cell = self.factors(factors.as_ref());
        let made = NetworkState {
            images,
            parameters,
            mixing,
            outputs: Vec::new(),
            stem: None,
            cells: Vec::new(),
            auxiliary: None,
            closed: None,
            factors,
        };
        let (starts, sizes) = (self.of.plan.starts(), self.of.plan.sizes(self.of.size));
        let mut steps = Made { pass: self, starts, sizes, by_cell, each, made, moments: Vec::new(), head: None };
        self.of.walk().forward(&mut steps)?;
        let Made { made, mut moments, head, starts, sizes, .. } = steps;
        let more = match head {
            Some((logits, seen)) => {
                moments.insert(self.of.plan.auxiliary_block(), self.watched(seen)?);
                logits.to_vec(n * self.of.plan.classes)?
            }
            None => Vec::new(),
        };
        let last = made.last();
        let (output, shape) = match self.of.end {
            End::Features => {
                let shape = self.of.plan.features(self.of.size, &sizes).to_vec();
                (download(gpu, last, shape.iter().product())?, shape)
            }
            End::Logits | End::AllLogits => {
                let classifier = made.parameters.at(starts[self.of.plan.classifier_block()]);
                let found = head_forward(gpu, self.logits(&sizes), last, classifier)?;
                let mut output = found.to_vec(n * self.of.plan.classes)?;
                output.extend(more);
                let heads = output.len() / (n * self.of.plan.classes);
                let shape = [heads, n, self.of.plan.classes];
                (output, shape[usize::from(self.of.end == End::Logits)..].to_vec())
            }
        };
        Ok(NetworkOutput { output, shape, seen: moments, state: self.of.wanted.any().then_some(made) })
    }

    /// `gradient` is that of the output. Returns the gradients of the parameters, if they are wanted, which stay on the device,
    /// and of the mixing weights.
    ///
    /// # Errors
    /// As [`NetworkPass::forward`].
    pub fn backward(&self, state: &mut NetworkState, gradient: &[f32]) -> Result<(Option<Buffer>, Vec<f32>), GpuError> {
        let gpu = self.gpu;
        let (starts, sizes) = (self.of.plan.starts(), self.of.plan.sizes(self.of.size));
        let logits = self.logits(&sizes);
        let len = self.of.plan.layouts().map(|l| l.len).sum();
        let to = match self.of.wanted.weights {
            true => Some(Buffer::zeros(gpu, len)?),
            false => None,
        };
        let mixing_len = state.mixing.bytes() / 4;
        let to_mixing = Buffer::zeros(gpu, mixing_len)?;
        let by_cell = self.factors(state.factors.as_ref());
        let mut gradients: Vec<Option<Buffer>> = (0..sizes.len() + self.of.plan.stems()).map(|_| None).collect();
        let dy = Buffer::from_slice(gpu, gradient)?;
        // That of the auxiliary head's logits lies behind.
        let of_head = dy.at(if self.of.end == End::AllLogits { logits.images * logits.classes } else { 0 });
        let mut held = None;
        let of_last = match self.of.end {
            End::Features => dy,
            End::Logits | End::AllLogits => {
                let block = starts[self.of.plan.classifier_block()];
                let (weights, to) = (state.parameters.at(block), to.as_ref().map(|to| to.at(block)));
                let found = head_backward(gpu, logits, state.last(), weights, dy.address(), to)?;
                held = Some(dy);
                found
            }
        };
        if let Some(last) = gradients.last_mut() {
            *last = Some(of_last);
        }
        let mut steps = Back { pass: self, starts, sizes, by_cell, of_head, state, gradients, to, to_mixing };
        self.of.walk().backward(&mut steps)?;
        let Back { gradients, to, to_mixing, .. } = steps;
        drop((held, gradients));
        let mixing = to_mixing.to_vec(mixing_len)?;
        Ok((to, mixing))
    }
}

impl NetworkState {
    /// Numbers of output `k`.
    fn numbers(&self, k: usize) -> usize {
        self.outputs[k].as_ref().map_or(0, |o| o.bytes() / 4)
    }

    /// Where output `k` is.
    fn output(&self, k: usize) -> u64 {
        address(self.outputs[k].as_ref())
    }

    /// Where that is which the classifier reads.
    fn last(&self) -> u64 {
        let last = self.outputs.last().and_then(Option::as_ref);
        address(self.closed.as_ref().map(|closed| &closed.map).or(last))
    }
}

/// A forward pass under way.
struct Made<'p, 'w> {
    pass: &'p NetworkPass<'p>,
    /// First parameter of each block.
    starts: Vec<usize>,
    sizes: Vec<CellSizes>,
    /// Of the edges that may be left out, by cell.
    by_cell: Vec<Vec<Option<u64>>>,
    each: Option<&'w mut dyn FnMut(Vec<f32>, [usize; 4])>,
    made: NetworkState,
    /// By block, without the auxiliary head.
    moments: Vec<Moments>,
    /// Logits and moments of the auxiliary head.
    head: Option<(Buffer, DeviceSeen)>,
}

impl Made<'_, '_> {
    /// Shows a block's output `[N, H, W, C]` to whoever wants to see it.
    fn show(&mut self, buffer: &Buffer, shape: [usize; 4]) -> Result<(), GpuError> {
        if let Some(each) = &mut self.each {
            each(buffer.to_vec(shape.iter().product())?, shape);
        }
        Ok(())
    }

    /// Where a block's parameters are.
    fn weights(&self, block: usize) -> u64 {
        self.made.parameters.at(self.starts[block])
    }
}

impl Forward for Made<'_, '_> {
    type Fault = GpuError;

    fn stem(&mut self) -> Result<(), GpuError> {
        let (pass, of) = (self.pass, &self.pass.of);
        let watcher = |map: View, size| pass.watch(map, size);
        let watch = of.probe.map(|_| &watcher as Watch);
        let (x, wanted) = (self.made.images.address(), of.wanted.stem());
        let (maps, seen, stem) = pass.stem().forward(x, self.weights(0), wanted, watch)?;
        self.made.stem = wanted.then_some(stem);
        if let Some(last) = maps.last() {
            self.show(last, of.plan.stem.last(of.size))?;
        }
        self.moments.push(pass.watched(seen)?);
        self.made.outputs = maps.into_iter().map(Some).collect();
        Ok(())
    }

    fn cell(&mut self, i: usize, reads: &[usize]) -> Result<(), GpuError> {
        let (pass, of, sizes) = (self.pass, &self.pass.of, self.sizes[i]);
        let inputs: Vec<u64> = reads.iter().map(|k| self.made.output(*k)).collect();
        let (weights, mixing) = (self.weights(i + 1), pass.mixing_of(i, &self.made.mixing));
        let found = pass.cell(i, sizes, &self.by_cell[i]).forward(&inputs, weights, mixing, of.wanted.any())?;
        self.show(&found.output, of.plan.cells[i].output_shape(&sizes))?;
        self.moments.push(pass.watched(found.seen)?);
        self.made.cells.extend(found.state);
        self.made.outputs.push(Some(found.output));
        Ok(())
    }

    fn auxiliary(&mut self, i: usize) -> Result<(), GpuError> {
        let (pass, block) = (self.pass, self.pass.of.plan.auxiliary_block());
        if let Some(head) = pass.auxiliary(i, &self.sizes[i], self.weights(block)) {
            let mut norms = Norms::new(pass.gpu, pass.of.norm, &head.head.layout, pass.of.running(block))?;
            let (logits, state) = head.forward(self.made.output(i + pass.of.plan.stems()), &mut norms)?;
            let seen = DeviceSeen { moments: norms.moments.take(), slots: std::mem::take(&mut norms.seen) };
            self.head = Some((logits, seen));
            self.made.auxiliary = Some((state, norms));
        }
        Ok(())
    }

    fn give_up(&mut self, k: usize) {
        self.made.outputs[k] = None;
    }

    fn closing(&mut self) -> Result<(), GpuError> {
        let pass = self.pass;
        if let Some(closing) = pass.closing(&self.sizes, self.weights(pass.of.plan.closing_block())) {
            let (found, seen) = closing.forward(self.made.last())?;
            self.moments.push(pass.watched(seen)?);
            self.made.closed = Some(found);
        }
        Ok(())
    }
}

/// A way back that has begun.
struct Back<'p> {
    pass: &'p NetworkPass<'p>,
    starts: Vec<usize>,
    sizes: Vec<CellSizes>,
    by_cell: Vec<Vec<Option<u64>>>,
    /// Where the gradient of the auxiliary head's logits is.
    of_head: u64,
    state: &'p mut NetworkState,
    /// By output.
    gradients: Vec<Option<Buffer>>,
    /// Of all parameters, and of the mixing weights.
    to: Option<Buffer>,
    to_mixing: Buffer,
}

impl Back<'_> {
    fn weights(&self, block: usize) -> u64 {
        self.state.parameters.at(self.starts[block])
    }

    fn to(&self, block: usize) -> Option<u64> {
        self.to.as_ref().map(|to| to.at(self.starts[block]))
    }
}

impl Backward for Back<'_> {
    type Fault = GpuError;

    fn closing(&mut self) -> Result<(), GpuError> {
        let (pass, block) = (self.pass, self.pass.of.plan.closing_block());
        let closing = pass.closing(&self.sizes, self.weights(block));
        let dy = self.gradients.last().and_then(Option::as_ref);
        if let (Some(closing), Some(made), Some(dy)) = (closing, &self.state.closed, dy) {
            let last = self.state.outputs.last().and_then(Option::as_ref);
            closing.backward(address(last), made, dy, self.to(block))?;
            if !pass.of.retain {
                self.state.closed = None;
            }
        }
        Ok(())
    }

    fn auxiliary(&mut self, i: usize) -> Result<(), GpuError> {
        let (pass, output) = (self.pass, i + self.pass.of.plan.stems());
        let block = pass.of.plan.auxiliary_block();
        if let (Some(head), Some((own, norms)), Some(to)) =
            (pass.auxiliary(i, &self.sizes[i], self.weights(block)), self.state.auxiliary.as_ref(), self.to(block))
        {
            let (x, dx) = (self.state.output(output), address(self.gradients[output].as_ref()));
            head.backward(x, own, norms, self.of_head, dx, to)?;
            if !pass.of.retain {
                self.state.auxiliary = None;
            }
        }
        Ok(())
    }

    fn cell(&mut self, i: usize, reads: &[usize], reached: &[bool]) -> Result<(), GpuError> {
        let (pass, own) = (self.pass, i + self.pass.of.plan.stems());
        let mut inputs = vec![None; reads.len()];
        for ((&k, place), _) in reads.iter().zip(&mut inputs).zip(reached).filter(|(_, reached)| **reached) {
            let there = self.gradients[k].is_some();
            if !there {
                self.gradients[k] = Some(Buffer::new(pass.gpu, self.state.numbers(k))?);
            }
            *place = Some((address(self.gradients[k].as_ref()), there));
        }
        let found = CellGradients { inputs, weights: self.to(i + 1), mixing: pass.mixing_of(i, &self.to_mixing) };
        let read: Vec<u64> = reads.iter().map(|k| self.state.output(*k)).collect();
        let (weights, mixing) = (self.weights(i + 1), pass.mixing_of(i, &self.state.mixing));
        let (output, dy) = (self.state.output(own), address(self.gradients[own].as_ref()));
        let (cell, state) = (pass.cell(i, self.sizes[i], &self.by_cell[i]), &mut self.state.cells[i]);
        cell.backward(&read, weights, mixing, state, output, dy, &found)?;
        self.gradients[own] = None;
        if !pass.of.retain {
            self.state.outputs[own] = None;
            self.state.cells.truncate(i);
        }
        Ok(())
    }

    fn stem(&mut self) -> Result<(), GpuError> {
        let (Some(to), Some(stem)) = (self.to(0), &self.state.stem) else { return Ok(()) };
        let (x, weights, stems) = (self.state.images.address(), self.weights(0), self.pass.of.plan.stems());
        self.pass.stem().backward(x, weights, stem, &self.state.outputs, &mut self.gradients[..stems], to)
    }
}
