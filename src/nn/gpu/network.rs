//! A whole network on a GPU: from pictures to logits and back without leaving it.

use std::sync::Arc;

use super::DeviceSeen;
use super::cell::{CellGradients, CellPass, CellState};
use super::head::{Logits, head_backward, head_forward};
use super::stem::{StemPass, StemState};
use crate::kernels::gpu::{Buffer, Gpu, GpuError, Precision};
use crate::nn::network::{self, End};
use crate::nn::norm::Seen;
use crate::nn::plan::{CellSizes, MIXING, read_by};
use crate::space::{CellKind, NODES};

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
    /// Of the stem and of each cell, as long as they are needed.
    outputs: Vec<Option<Buffer>>,
    stem: Option<StemState>,
    cells: Vec<CellState>,
}

/// What a forward pass gives.
pub(crate) struct NetworkOutput {
    pub output: Vec<f32>,
    /// `[N, H, W, C]` or `[N, classes]`.
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

    fn cell(&self, i: usize, sizes: CellSizes) -> CellPass<'_> {
        CellPass {
            gpu: self.gpu,
            plan: &self.of.plan.cells[i],
            sizes,
            norm: self.of.norm,
            policy: self.of.policy.of_cell(i),
            precision: self.precision,
            running: &self.of.running[i + 1],
            probe: self.of.probe,
        }
    }

    fn logits(&self, sizes: &[CellSizes]) -> Logits {
        let last = sizes.len() - 1;
        let (h, w) = self.of.plan.cells[last].output_size(&sizes[last]);
        let channels = NODES * self.of.plan.cells[last].shape.channels;
        Logits { images: self.of.size[0], pixels: h * w, channels, classes: self.of.plan.classes }
    }

    fn mixing_of(&self, i: usize, mixing: &Buffer) -> u64 {
        let kind = usize::from(self.of.plan.cells[i].shape.kind == CellKind::Reduction);
        mixing.at(kind * MIXING)
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
        let mut show = |buffer: &Buffer, [n, h, w, c]: [usize; 4]| -> Result<(), GpuError> {
            if let Some(each) = &mut each {
                each(buffer.to_vec(n * h * w * c)?, [n, h, w, c]);
            }
            Ok(())
        };
        let (stem_out, seen, stem) = self.stem().forward(images.address(), parameters.at(starts[0]))?;
        let stem = self.of.weights_wanted.then_some(stem);
        let [n, h, w] = self.of.size;
        show(&stem_out, [n, h, w, self.of.plan.stem.outputs])?;
        let mut moments = vec![self.watched(seen)?];
        let mut outputs = vec![Some(stem_out)];
        let mut cells = Vec::with_capacity(sizes.len());
        for (i, &own) in sizes.iter().enumerate() {
            let inputs = read_by(i).map(|k| address(outputs[k].as_ref()));
            let at = parameters.at(starts[i + 1]);
            let found = self.cell(i, own).forward(inputs, at, self.mixing_of(i, &mixing), keep)?;
            let (h, w) = self.of.plan.cells[i].output_size(&own);
            show(&found.output, [n, h, w, NODES * self.of.plan.cells[i].shape.channels])?;
            moments.push(self.watched(found.seen)?);
            cells.extend(found.state);
            outputs.push(Some(found.output));
            // Nobody but the next two cells reads an output, unless a backward pass does; the stem's has a gradient only
            // for the stem's own weights.
            let [older, _] = read_by(i + 1);
            for (k, output) in outputs.iter_mut().enumerate().take(older) {
                if !keep || (k == 0 && !self.of.weights_wanted) {
                    *output = None;
                }
            }
        }
        let logits = self.logits(&sizes);
        let last = address(outputs[sizes.len()].as_ref());
        let (h, w) = self.of.plan.cells[sizes.len() - 1].output_size(&sizes[sizes.len() - 1]);
        let (output, shape) = match self.of.end {
            End::Features => {
                let shape = vec![n, h, w, logits.channels];
                (crate::kernels::gpu::buffer::download(gpu, last, shape.iter().product())?, shape)
            }
            End::Logits | End::AllLogits => {
                let found = head_forward(gpu, logits, last, parameters.at(starts[sizes.len() + 1]))?;
                (found.to_vec(n * self.of.plan.classes)?, vec![n, self.of.plan.classes])
            }
        };
        let state = keep.then_some(NetworkState { images, parameters, mixing, outputs, stem, cells });
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
        let count = sizes.len();
        let len = starts[count + 1] + (logits.channels + 1) * logits.classes;
        let to = match self.of.weights_wanted {
            true => Some(Buffer::zeros(gpu, len)?),
            false => None,
        };
        let to_block = |block: usize| to.as_ref().map(|t| t.at(starts[block]));
        let to_mixing = Buffer::zeros(gpu, 2 * MIXING)?;
        let mut gradients: Vec<Option<Buffer>> = (0..=count).map(|_| None).collect();
        let dy = Buffer::from_slice(gpu, gradient)?;
        gradients[count] = Some(match self.of.end {
            End::Features => dy,
            End::Logits | End::AllLogits => {
                let (x, weights) = (address(state.outputs[count].as_ref()), state.parameters.at(starts[count + 1]));
                head_backward(gpu, logits, x, weights, dy.address(), to_block(count + 1))?
            }
        });
        for i in (0..count).rev() {
            let mut inputs = [None, None];
            for (k, place) in read_by(i).into_iter().zip(&mut inputs) {
                // The stem's output needs a gradient only for the stem's own weights.
                if !self.of.weights_wanted && k == 0 {
                    continue;
                }
                let there = gradients[k].is_some();
                if !there {
                    gradients[k] = Some(Buffer::new(gpu, state.numbers(k))?);
                }
                *place = Some((address(gradients[k].as_ref()), there));
            }
            let found = CellGradients { inputs, weights: to_block(i + 1), mixing: self.mixing_of(i, &to_mixing) };
            let output = address(state.outputs[i + 1].as_ref());
            let read = read_by(i).map(|k| address(state.outputs[k].as_ref()));
            let (weights, mixing) = (state.parameters.at(starts[i + 1]), self.mixing_of(i, &state.mixing));
            let own = &mut state.cells[i];
            let dy = address(gradients[i + 1].as_ref());
            self.cell(i, sizes[i]).backward(read, weights, mixing, own, output, dy, &found)?;
            gradients[i + 1] = None;
            if !self.of.retain {
                state.outputs[i + 1] = None;
                state.cells.truncate(i);
            }
        }
        if let (Some(to), Some(stem), Some(dy)) = (to_block(0), &state.stem, &gradients[0]) {
            self.stem().backward(state.images.address(), state.parameters.at(0), stem, dy.address(), to)?;
        }
        let mixing = to_mixing.to_vec(2 * MIXING)?;
        Ok((to, mixing))
    }
}

impl NetworkState {
    /// Numbers of output `k`.
    fn numbers(&self, k: usize) -> usize {
        self.outputs[k].as_ref().map_or(0, |o| o.bytes() / 4)
    }
}
