//! Mixing weights: what every operation of every edge counts for.

use candle_core::{D, Device, Result, Tensor};

use crate::space::{CellKind, Mask};

/// Mixing weights of both kinds of cell, `[edges, operations]` each (no rows for a kind that the space does not have): a softmax over the kept operations of every edge, 0 for the others
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
        let table = |kind| table(mask, kind, |kept, count| if kept { 1.0 / count as f32 } else { 0.0 }, &Device::Cpu);
        Ok(Mixing { normal: table(CellKind::Normal)?, reduction: table(CellKind::Reduction)? })
    }

    /// Softmax of the alphas (`[edges, operations]`) over what the mask keeps; gradients reach the alphas, those of cut operations are 0.
    ///
    /// # Errors
    /// Alphas of another shape.
    pub fn softmax(normal: &Tensor, reduction: &Tensor, mask: &Mask) -> Result<Mixing> {
        let table = |alphas: &Tensor, kind| {
            if mask.space().graph(kind).is_none() {
                return Ok(alphas.clone());
            }
            let open = |kept, _| if kept { 0.0 } else { f32::NEG_INFINITY };
            let open = table(mask, kind, open, alphas.device())?;
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

/// A number for each operation of each edge, `[edges, operations]`, from whether it is kept and how many its edge keeps.
fn table(mask: &Mask, kind: CellKind, of: impl Fn(bool, usize) -> f32, device: &Device) -> Result<Tensor> {
    let (edges, operations) = (mask.space().edges(kind), mask.space().operations());
    let mut rows = Vec::with_capacity(edges.len() * operations.len());
    for edge in edges {
        let count = mask.count_on(kind, *edge).max(1);
        rows.extend(operations.iter().map(|o| of(mask.keeps(kind, *edge, *o), count)));
    }
    Tensor::from_vec(rows, (edges.len(), operations.len()), device)
}
