//! A cell as one operation of candle's autograd.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::cell::{CellPass, CellSizes, CellState};
use super::layout::CellPlan;
use super::norm::{Norm, Seen};
use super::{Policy, Probe, slice, with_slices};
use crate::space::NODES;

/// Inputs: the older and the last output `[N, H, W, C]`, and the block's parameters followed by the mixing weights.
/// Output: `[N, H', W', 4C]`.
pub(crate) struct CellOp {
    pub plan: Arc<CellPlan>,
    pub norm: Norm,
    pub policy: Policy,
    pub running: Arc<Vec<f32>>,
    pub probe: Option<Arc<dyn Probe>>,
    /// A backward pass will follow.
    pub keep: bool,
    /// More than one backward pass may follow.
    pub retain: bool,
    pub inputs_wanted: [bool; 2],
    pub weights_wanted: bool,
    pub side: Arc<Mutex<Side>>,
}

/// What a pass leaves beside its output.
#[derive(Default)]
pub(crate) struct Side {
    pub seen: Vec<Seen>,
    state: Option<CellState>,
}

impl CellOp {
    fn pass(&self, sizes: CellSizes) -> CellPass<'_> {
        CellPass {
            plan: &self.plan,
            sizes,
            norm: self.norm,
            policy: self.policy,
            running: &self.running,
            probe: self.probe.as_ref(),
        }
    }
}

fn sizes(older: &Shape, last: &Shape) -> Result<CellSizes> {
    let ((n, h0, w0, _), (m, h1, w1, _)) = (older.dims4()?, last.dims4()?);
    if n != m {
        candle_core::bail!("a cell's inputs have {n} and {m} images");
    }
    Ok(CellSizes { images: n, inputs: [(h0, w0), (h1, w1)] })
}

impl CustomOp3 for CellOp {
    fn name(&self) -> &'static str {
        "supernet-cell"
    }

    fn cpu_fwd(
        &self,
        s0: &CpuStorage,
        l0: &Layout,
        s1: &CpuStorage,
        l1: &Layout,
        sw: &CpuStorage,
        lw: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let sizes = sizes(l0.shape(), l1.shape())?;
        let pass = self.pass(sizes);
        let (output, seen, state) = pass.forward([slice(s0, l0)?, slice(s1, l1)?], slice(sw, lw)?, self.keep);
        let (h, w) = self.plan.output_size(&sizes);
        let mut side = self.side.lock().unwrap_or_else(PoisonError::into_inner);
        *side = Side { seen, state };
        Ok((CpuStorage::F32(output), Shape::from((sizes.images, h, w, NODES * self.plan.shape.channels))))
    }

    fn bwd(
        &self,
        older: &Tensor,
        last: &Tensor,
        weights: &Tensor,
        output: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let mut side = self.side.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(state) = side.state.take() else {
            candle_core::bail!("a cell's backward pass needs a forward pass that keeps its state, once for each");
        };
        let pass = self.pass(sizes(older.shape(), last.shape())?);
        let found =
            with_slices([older, last, weights, output, gradient], |[older, last, weights, output, gradient]| {
                pass.backward([older, last], weights, &state, output, gradient, self.inputs_wanted, self.weights_wanted)
            })?;
        if self.retain {
            side.state = Some(state);
        }
        let [older_gradient, last_gradient] = found.inputs;
        let tensor = |values: Option<Vec<f32>>, like: &Tensor| {
            values.map(|v| Tensor::from_vec(v, like.shape(), like.device())).transpose()
        };
        Ok((
            tensor(older_gradient, older)?,
            tensor(last_gradient, last)?,
            Some(Tensor::from_vec(found.parameters, weights.shape(), weights.device())?),
        ))
    }
}
