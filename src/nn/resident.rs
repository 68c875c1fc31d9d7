//! Parameters that stay on a GPU: the weights, where an optimiser moves them, its momentum, and the gradients that a backward
//! pass has left. The host's copy is renewed when somebody asks for it.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};

use super::{NnError, Parameters};
use crate::kernels::gpu::{Buffer, Gpu, GpuError};
use crate::kernels::sgd::Descent;

/// A network's parameters on a GPU, one block behind the other.
#[derive(Default)]
pub(super) struct There {
    weights: Option<Arc<Buffer>>,
    /// They have moved since the host has had them.
    ahead: bool,
}

/// Where a backward pass on a GPU leaves the gradients of all parameters.
pub(crate) type Found = Arc<Mutex<Option<Buffer>>>;

/// A GPU with a network's parameters.
pub(crate) struct Resident {
    pub gpu: Gpu,
    pub weights: Arc<Buffer>,
    pub found: Found,
}

impl Resident {
    /// What candle's autograd sees in place of the parameters: that their gradients are wanted, or not.
    pub fn anchor(tracked: bool) -> Result<Tensor, NnError> {
        let anchor = Var::zeros(1, DType::F32, &Device::Cpu)?;
        Ok(if tracked { anchor.as_tensor().clone() } else { anchor.as_detached_tensor() })
    }

    pub fn leave(&self, gradients: Option<Buffer>) {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = gradients;
    }
}

/// An optimiser's momentum, wherever the parameters are.
#[derive(Default)]
pub struct Momentum {
    /// By block; empty before the first step, as PyTorch has it.
    here: Vec<Vec<f32>>,
    /// One block behind the other, with the lengths of the blocks.
    there: Option<(Buffer, Vec<usize>)>,
}

impl Momentum {
    /// By block; empty before the first step.
    ///
    /// # Errors
    /// A fault of the device.
    pub fn values(&self) -> Result<Cow<'_, [Vec<f32>]>, NnError> {
        match &self.there {
            None => Ok(Cow::Borrowed(&self.here)),
            Some((buffer, lengths)) => Ok(Cow::Owned(parted(&buffer.to_vec(lengths.iter().sum())?, lengths))),
        }
    }

    /// Puts back what [`Momentum::values`] gave.
    pub fn set(&mut self, values: Vec<Vec<f32>>) {
        *self = Momentum { here: values, there: None };
    }

    fn take(&mut self) -> Result<Vec<Vec<f32>>, NnError> {
        match self.there.take() {
            None => Ok(std::mem::take(&mut self.here)),
            Some((buffer, lengths)) => Ok(parted(&buffer.to_vec(lengths.iter().sum())?, &lengths)),
        }
    }

    /// Brings it to the GPU; whether there was any.
    fn bring(&mut self, gpu: &Gpu, lengths: &[usize]) -> Result<(u64, bool), NnError> {
        if self.there.as_ref().is_some_and(|(buffer, _)| !buffer.is_on(gpu)) {
            self.here = self.take()?;
        }
        let first = self.here.is_empty() && self.there.is_none();
        let buffer = match self.there.take() {
            Some((buffer, _)) => buffer,
            None => {
                let buffer = Buffer::new(gpu, lengths.iter().sum())?;
                write(&buffer, &self.here)?;
                self.here = Vec::new();
                buffer
            }
        };
        let address = buffer.address();
        self.there = Some((buffer, lengths.to_vec()));
        Ok((address, first))
    }
}

/// Blocks of these lengths.
pub(super) fn parted(all: &[f32], lengths: &[usize]) -> Vec<Vec<f32>> {
    let mut rest = all;
    let part = |len: &usize| {
        let (own, others) = rest.split_at(*len);
        rest = others;
        own.to_vec()
    };
    lengths.iter().map(part).collect()
}

fn write(to: &Buffer, blocks: &[Vec<f32>]) -> Result<(), GpuError> {
    let mut at = 0;
    blocks.iter().try_for_each(|block| {
        to.write(at, block)?;
        at += block.len();
        Ok(())
    })
}

impl Parameters {
    pub(super) fn lengths(&self) -> Vec<usize> {
        self.layouts().iter().map(|l| l.len).collect()
    }

    /// The parameters on a GPU, for a pass there; what an earlier backward pass has left is given up.
    ///
    /// # Errors
    /// Too little memory, a fault of the device.
    pub(crate) fn on(&self, gpu: &Gpu) -> Result<Resident, NnError> {
        let kept = self.there().weights.clone().filter(|w| w.is_on(gpu));
        let weights = match kept {
            Some(weights) => weights,
            None => {
                let values = self.values()?;
                let weights = Arc::new(Buffer::new(gpu, self.count())?);
                write(&weights, &values)?;
                *self.there() = There { weights: Some(weights.clone()), ahead: false };
                weights
            }
        };
        let resident = Resident { gpu: gpu.clone(), weights, found: self.found.clone() };
        resident.leave(None);
        Ok(resident)
    }

    /// Renews the host's copy, if a GPU has moved on.
    ///
    /// # Errors
    /// A fault of the device.
    pub(super) fn fetch(&self) -> Result<(), NnError> {
        let mut there = self.there();
        if let (Some(weights), true) = (&there.weights, there.ahead) {
            let values = parted(&weights.to_vec(self.count())?, &self.lengths());
            self.set_vars(values)?;
            there.ahead = false;
        }
        Ok(())
    }

    /// The host's copy has changed.
    pub(super) fn forget(&self) {
        *self.there() = There::default();
    }

    /// The gradients that a backward pass on a GPU has left, by block.
    ///
    /// # Errors
    /// A fault of the device.
    pub(super) fn left(&self) -> Result<Option<Vec<Vec<f32>>>, NnError> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(found.map(|g| g.to_vec(self.count())).transpose()?.map(|all| parted(&all, &self.lengths())))
    }

    /// One step of SGD along the gradients of the backward pass that gave `store`, where the parameters are. Returns the
    /// gradients' norm before clipping.
    ///
    /// # Errors
    /// Too little memory, a fault of the device, or candle's own.
    pub fn descend(&self, store: GradStore, momentum: &mut Momentum, step: &Descent) -> Result<f64, NnError> {
        let left = self.found.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(gradient) = left {
            return self.descend_there(&gradient, momentum, step);
        }
        let gradients = self.gradients(&store)?;
        // The maps of the step go before the weights are copied.
        drop(store);
        let mut weights = self.values()?;
        let mut moved = momentum.take()?;
        let first = moved.is_empty();
        if first {
            moved = gradients.iter().map(|g| vec![0.0; g.len()]).collect();
        }
        let norm = step.step(first, &mut weights, &gradients, &mut moved);
        momentum.set(moved);
        self.set_values(weights)?;
        Ok(norm)
    }

    fn descend_there(&self, gradient: &Buffer, momentum: &mut Momentum, step: &Descent) -> Result<f64, NnError> {
        let gpu = gradient.gpu();
        let weights = self.on(gpu)?.weights;
        let (moving, first) = momentum.bring(gpu, &self.lengths())?;
        self.there().ahead = true;
        Ok(step.step_on(gpu, first, [weights.address(), gradient.address(), moving], self.count())?)
    }
}
