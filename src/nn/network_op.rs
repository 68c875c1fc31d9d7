//! A whole network as one operation of candle's autograd, run on a GPU: what candle sees are the pictures, the parameters
//! and the logits; everything between stays on the device.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::gpu::{End, Moments, NetworkPass, NetworkPlan, NetworkState};
use super::norm::Norm;
use super::{Pass, Policy, slice, with_slices};
use crate::kernels::gpu::{Gpu, GpuError};

/// Inputs: pictures `[N, H, W, C]`, the parameters of all blocks, the mixing weights of both kinds. Output: logits
/// `[N, classes]`, or the features.
pub(crate) struct NetworkOp {
    pub gpu: Gpu,
    pub plan: NetworkPlan,
    pub pass: Pass,
    pub policy: Policy,
    /// By block.
    pub running: Vec<Arc<Vec<f32>>>,
    pub end: End,
    /// Wants to see the output of every block.
    pub trace: bool,
    pub side: Arc<Mutex<Side>>,
}

/// What a pass leaves beside its output.
#[derive(Default)]
pub(crate) struct Side {
    /// By block.
    pub seen: Vec<Moments>,
    pub outputs: Vec<Output>,
    state: Option<NetworkState>,
}

/// What a block gave, `[N, H, W, C]`.
pub(crate) type Output = (Vec<f32>, [usize; 4]);

fn fault(e: GpuError) -> candle_core::Error {
    candle_core::Error::wrap(e)
}

impl NetworkOp {
    fn pass(&self, size: [usize; 3]) -> NetworkPass<'_> {
        NetworkPass {
            gpu: &self.gpu,
            plan: &self.plan,
            size,
            norm: self.pass.norm,
            policy: self.policy,
            running: &self.running,
            probe: self.pass.probe.as_ref(),
            end: self.end,
            weights_wanted: self.pass.weights,
            mixing_wanted: self.pass.mixing,
            retain: self.pass.retain,
        }
    }

    /// Whether the running statistics take in this pass.
    pub fn updates(pass: &Pass) -> bool {
        pass.update_running && pass.norm == Norm::Batch
    }
}

impl CustomOp3 for NetworkOp {
    fn name(&self) -> &'static str {
        "supernet"
    }

    fn cpu_fwd(
        &self,
        sx: &CpuStorage,
        lx: &Layout,
        sw: &CpuStorage,
        lw: &Layout,
        sm: &CpuStorage,
        lm: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n, h, w, _) = lx.shape().dims4()?;
        let mut outputs = Vec::new();
        let mut take = |values, shape| outputs.push((values, shape));
        let each: Option<&mut dyn FnMut(Vec<f32>, [usize; 4])> = if self.trace { Some(&mut take) } else { None };
        let pass = self.pass([n, h, w]);
        let found = pass.forward(slice(sx, lx)?, slice(sw, lw)?, slice(sm, lm)?, each).map_err(fault)?;
        let mut side = self.side.lock().unwrap_or_else(PoisonError::into_inner);
        *side = Side { seen: found.seen, outputs, state: found.state };
        Ok((CpuStorage::F32(found.output), Shape::from(found.shape)))
    }

    fn bwd(
        &self,
        images: &Tensor,
        parameters: &Tensor,
        mixing: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let mut side = self.side.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut state) = side.state.take() else {
            candle_core::bail!("a backward pass needs a forward pass that keeps its state, once for each");
        };
        let (n, h, w, _) = images.dims4()?;
        let pass = self.pass([n, h, w]);
        let (of_weights, of_mixing) =
            with_slices([gradient], |[gradient]| pass.backward(&mut state, gradient))?.map_err(fault)?;
        if self.pass.retain {
            side.state = Some(state);
        }
        let tensor = |values: Vec<f32>, like: &Tensor| Tensor::from_vec(values, like.shape(), like.device());
        let of_weights = of_weights.map(|v| tensor(v, parameters)).transpose()?;
        Ok((None, of_weights, Some(tensor(of_mixing, mixing)?)))
    }
}
