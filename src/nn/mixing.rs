//! Mixing weights: what every operation of every edge counts for.

use candle_core::{D, Device, Result, Tensor};

use crate::space::{CellKind, EDGES, Edge, Mask, OPERATIONS, Operation};

/// Mixing weights of both kinds of cell, `[14, 8]` each: a softmax over the kept operations of every edge, 0 for the others
/// (arXiv 2505.13586, masked one-shot).
#[derive(Clone, Debug)]
pub struct Mixing {
    pub normal: Tensor,
    pub reduction: Tensor,
}

impl Mixing {
    /// Equal weights, `1 / kept`.
    ///
    /// # Errors
    /// A tensor operation that fails.
    pub fn uniform(mask: &Mask) -> Result<Mixing> {
        let table = |kind| {
            let mut rows = Vec::with_capacity(EDGES * OPERATIONS);
            for edge in Edge::all() {
                let share = 1.0 / mask.count_on(kind, edge).max(1) as f32;
                rows.extend(Operation::ALL.map(|o| if mask.keeps(kind, edge, o) { share } else { 0.0 }));
            }
            Tensor::from_vec(rows, (EDGES, OPERATIONS), &Device::Cpu)
        };
        Ok(Mixing { normal: table(CellKind::Normal)?, reduction: table(CellKind::Reduction)? })
    }

    /// Softmax of the alphas (`[14, 8]`) over what the mask keeps; gradients reach the alphas, those of cut operations are 0.
    ///
    /// # Errors
    /// Alphas of another shape.
    pub fn softmax(normal: &Tensor, reduction: &Tensor, mask: &Mask) -> Result<Mixing> {
        let table = |alphas: &Tensor, kind| {
            let mut rows = Vec::with_capacity(EDGES * OPERATIONS);
            for edge in Edge::all() {
                rows.extend(Operation::ALL.map(|o| if mask.keeps(kind, edge, o) { 0.0 } else { f32::NEG_INFINITY }));
            }
            let open = Tensor::from_vec(rows, (EDGES, OPERATIONS), alphas.device())?;
            let alphas = (alphas + open)?;
            let top = alphas.max_keepdim(D::Minus1)?.detach();
            let exp = alphas.broadcast_sub(&top)?.exp()?;
            exp.broadcast_div(&exp.sum_keepdim(D::Minus1)?)
        };
        Ok(Mixing { normal: table(normal, CellKind::Normal)?, reduction: table(reduction, CellKind::Reduction)? })
    }

    pub fn of(&self, kind: CellKind) -> &Tensor {
        match kind {
            CellKind::Normal => &self.normal,
            CellKind::Reduction => &self.reduction,
        }
    }
}
