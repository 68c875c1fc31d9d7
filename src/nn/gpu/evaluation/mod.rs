//! An evaluation network on a GPU: from pictures to logits and back without leaving it.

mod auxiliary;
mod cell;

use std::sync::Arc;

pub(crate) use auxiliary::sheet;

use self::auxiliary::{HeadPass, HeadState};
use self::cell::{CellGradients, CellPass, CellState};
use super::head::{Logits, head_backward, head_forward};
use super::stem::{StemPass, StemState};
use super::{DeviceSeen, Norms};
use crate::kernels::gpu::{Buffer, Gpu, GpuError};
use crate::nn::drop_path::Factors;
use crate::nn::evaluation::joined::{Joined, JoinedCell};
use crate::nn::norm::{Norm, Seen};
use crate::nn::plan::{CellSizes, read_by};

/// One pass through an evaluation network on a GPU.
pub(crate) struct EvaluationPass<'a> {
    pub gpu: &'a Gpu,
    pub plan: &'a Joined,
    /// Images, height and width.
    pub size: [usize; 3],
    /// Of the batch in training, which has a backward pass and the auxiliary head.
    pub norm: Norm,
    /// The stem's running statistics, and those of all other units.
    pub running: [&'a [f32]; 2],
    pub factors: &'a Factors,
}

/// What a network keeps from its forward to its backward pass.
pub(crate) struct EvaluationState {
    images: Buffer,
    parameters: Arc<Buffer>,
    factors: Buffer,
    stem: StemState,
    norms: Norms,
    /// Of the stem and of each cell, as long as they are needed.
    outputs: Vec<Option<Buffer>>,
    cells: Vec<CellState>,
    auxiliary: Option<HeadState>,
}

/// What a forward pass gives.
pub(crate) struct EvaluationOutput {
    /// `[heads, N, classes]`: the main head's, then the auxiliary one's where it takes part.
    pub logits: Vec<f32>,
    /// By unit.
    pub seen: Vec<Vec<Seen>>,
    pub state: Option<EvaluationState>,
}

fn address(buffer: Option<&Buffer>) -> u64 {
    buffer.map_or(0, Buffer::address)
}

impl EvaluationPass<'_> {
    fn trains(&self) -> bool {
        self.norm == Norm::Batch
    }

    fn stem(&self) -> StemPass<'_> {
        let [running, _] = self.running;
        StemPass { gpu: self.gpu, plan: &self.plan.stem, size: self.size, norm: self.norm, running }
    }

    /// By cell, where the factors of its edges are.
    fn factors(&self, buffer: &Buffer) -> Vec<Vec<Option<u64>>> {
        let own = |(i, cell): (usize, &JoinedCell)| match self.factors.places.get(i) {
            Some(places) => places.iter().map(|p| p.map(|at| buffer.at(at))).collect(),
            None => vec![None; cell.edges.len()],
        };
        self.plan.cells.iter().enumerate().map(own).collect()
    }

    fn cell<'b>(&'b self, i: usize, sizes: CellSizes, weights: u64, factors: &'b [Option<u64>]) -> CellPass<'b> {
        CellPass { gpu: self.gpu, cell: &self.plan.cells[i], sizes, weights, factors }
    }

    /// Shape of a cell's output.
    fn output(&self, i: usize, sizes: &CellSizes) -> [usize; 4] {
        let (h, w) = self.plan.cells[i].output_size(sizes);
        [sizes.images, h, w, self.plan.cells[i].outputs()]
    }

    /// The auxiliary head behind cell `i`.
    fn auxiliary(&self, i: usize, sizes: &CellSizes, weights: u64) -> Option<HeadPass<'_>> {
        let head = self.plan.auxiliary.as_ref().filter(|h| self.trains() && h.after == i)?;
        Some(HeadPass { gpu: self.gpu, head, size: self.output(i, sizes), classes: self.plan.classes, weights })
    }

    fn logits(&self, sizes: &[CellSizes]) -> Logits {
        let last = sizes.len() - 1;
        let [images, h, w, channels] = self.output(last, &sizes[last]);
        Logits { images, pixels: h * w, channels, classes: self.plan.classes }
    }

    /// `parameters` of all units, one behind the other, on the device.
    ///
    /// # Errors
    /// Too little memory, a fault of the device.
    pub fn forward(&self, images: &[f32], parameters: Arc<Buffer>) -> Result<EvaluationOutput, GpuError> {
        let (gpu, trains) = (self.gpu, self.trains());
        let sizes = self.plan.sizes(self.size);
        let images = Buffer::from_slice(gpu, images)?;
        let factors = Buffer::from_slice(gpu, &self.factors.numbers)?;
        let by_cell = self.factors(&factors);
        let weights = parameters.address();
        let (stem_out, stem_seen, stem) = self.stem().forward(images.address(), weights)?;
        let stem = trains.then_some(stem);
        let [_, running] = self.running;
        let mut norms = Norms::new(gpu, self.norm, &self.plan.layout, running)?;
        let mut outputs = vec![Some(stem_out)];
        let (mut cells, mut auxiliary) = (Vec::with_capacity(sizes.len()), None);
        for (i, &own) in sizes.iter().enumerate() {
            let inputs = read_by(i).map(|k| address(outputs[k].as_ref()));
            let (output, state) = self.cell(i, own, weights, &by_cell[i]).forward(inputs, &mut norms, trains)?;
            if let Some(head) = self.auxiliary(i, &own, weights) {
                auxiliary = Some(head.forward(output.address(), &mut norms)?);
            }
            cells.extend(state);
            outputs.push(Some(output));
            // Nobody but the next two cells reads an output, unless a backward pass does.
            let [older, _] = read_by(i + 1);
            outputs.iter_mut().take(if trains { 0 } else { older }).for_each(|o| *o = None);
        }
        let logits = self.logits(&sizes);
        let last = address(outputs[sizes.len()].as_ref());
        let main = head_forward(gpu, logits, last, parameters.at(self.plan.classifier))?;
        let count = logits.images * logits.classes;
        let mut found = main.to_vec(count)?;
        let auxiliary = match auxiliary {
            Some((logits, state)) => {
                found.extend(logits.to_vec(count)?);
                Some(state)
            }
            None => None,
        };
        let seen = DeviceSeen { moments: norms.moments.take(), slots: std::mem::take(&mut norms.seen) };
        let seen = self.plan.by_block(stem_seen.fetch()?, seen.fetch()?);
        let state =
            stem.map(|stem| EvaluationState { images, parameters, factors, stem, norms, outputs, cells, auxiliary });
        Ok(EvaluationOutput { logits: found, seen, state })
    }

    /// `gradient` is that of the logits, `[heads, N, classes]`. Returns that of the parameters, which stays on the device.
    ///
    /// # Errors
    /// As [`EvaluationPass::forward`].
    pub fn backward(&self, state: EvaluationState, gradient: &[f32]) -> Result<Buffer, GpuError> {
        let gpu = self.gpu;
        let EvaluationState { images, parameters, factors, stem, norms, mut outputs, mut cells, mut auxiliary } = state;
        let (sizes, by_cell) = (self.plan.sizes(self.size), self.factors(&factors));
        let (logits, weights, count) = (self.logits(&sizes), parameters.address(), sizes.len());
        let to = Buffer::zeros(gpu, self.plan.layout.len)?;
        let dy = Buffer::from_slice(gpu, gradient)?;
        let mut gradients: Vec<Option<Buffer>> = (0..=count).map(|_| None).collect();
        let (last, classifier) = (address(outputs[count].as_ref()), self.plan.classifier);
        let head = head_backward(gpu, logits, last, parameters.at(classifier), dy.address(), Some(to.at(classifier)))?;
        gradients[count] = Some(head);
        for i in (0..count).rev() {
            let (output, own) = (address(outputs[i + 1].as_ref()), address(gradients[i + 1].as_ref()));
            if let Some(head) = self.auxiliary(i, &sizes[i], weights)
                && let Some(state) = auxiliary.take()
            {
                let dy = dy.at(logits.images * logits.classes);
                head.backward(output, &state, &norms, dy, own, to.address())?;
            }
            let mut places = [(0, false); 2];
            for (k, place) in read_by(i).into_iter().zip(&mut places) {
                let there = gradients[k].is_some();
                if !there {
                    let numbers = outputs[k].as_ref().map_or(0, |o| o.bytes() / 4);
                    gradients[k] = Some(Buffer::new(gpu, numbers)?);
                }
                *place = (address(gradients[k].as_ref()), there);
            }
            let Some(state) = cells.pop() else { break };
            let inputs = read_by(i).map(|k| address(outputs[k].as_ref()));
            let found = CellGradients { inputs: places, weights: to.address() };
            self.cell(i, sizes[i], weights, &by_cell[i]).backward(inputs, &state, &norms, output, own, &found)?;
            (gradients[i + 1], outputs[i + 1]) = (None, None);
        }
        if let Some(dy) = &gradients[0] {
            self.stem().backward(images.address(), weights, &stem, dy.address(), to.address())?;
        }
        Ok(to)
    }
}
