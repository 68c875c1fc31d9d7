//! The evaluation network on a GPU as one operation of candle's autograd, as a supernet is: between pictures and logits
//! everything stays on the device.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use super::joined::Joined;
use crate::nn::drop_path::Factors;
use crate::nn::gpu::{EvaluationPass, EvaluationState};
use crate::nn::norm::{Norm, Seen};
use crate::nn::resident::Resident;
use crate::nn::{slice, with_slices};

/// Inputs: pictures `[N, H, W, C]`, and one number for the parameters, which are on the GPU, as their gradients will be. Output:
/// logits `[heads, N, classes]`, the main head's first.
pub(super) struct NetworkOp {
    pub gpu: Resident,
    pub plan: Arc<Joined>,
    pub norm: Norm,
    /// Running statistics of the stem, and of all other blocks.
    pub running: [Vec<f32>; 2],
    pub factors: Factors,
    pub side: Arc<Mutex<Side>>,
}

/// What a pass leaves beside its output.
#[derive(Default)]
pub(super) struct Side {
    /// Moments of every batch norm, by block.
    pub seen: Vec<Vec<Seen>>,
    state: Option<EvaluationState>,
}

impl NetworkOp {
    fn pass(&self, size: [usize; 3]) -> EvaluationPass<'_> {
        EvaluationPass {
            gpu: &self.gpu.gpu,
            plan: &self.plan,
            size,
            norm: self.norm,
            running: self.running.each_ref().map(Vec::as_slice),
            factors: &self.factors,
        }
    }
}

impl CustomOp2 for NetworkOp {
    fn name(&self) -> &'static str {
        "evaluation-network"
    }

    fn cpu_fwd(&self, sx: &CpuStorage, lx: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, h, w, _) = lx.shape().dims4()?;
        let pass = self.pass([n, h, w]);
        let found = pass.forward(slice(sx, lx)?, self.gpu.weights.clone()).map_err(candle_core::Error::wrap)?;
        let classes = self.plan.classes;
        let shape = Shape::from((found.logits.len() / (n * classes), n, classes));
        *self.side.lock().unwrap_or_else(PoisonError::into_inner) = Side { seen: found.seen, state: found.state };
        Ok((CpuStorage::F32(found.logits), shape))
    }

    fn bwd(
        &self,
        images: &Tensor,
        _: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let state = self.side.lock().unwrap_or_else(PoisonError::into_inner).state.take();
        let Some(state) = state else {
            candle_core::bail!("a backward pass needs a forward pass that keeps its state, once for each");
        };
        let (n, h, w, _) = images.dims4()?;
        let found = with_slices([gradient], |[dy]| self.pass([n, h, w]).backward(state, dy))?;
        self.gpu.leave(Some(found.map_err(candle_core::Error::wrap)?));
        Ok((None, None))
    }
}
