//! `ntk_condition`: the condition number of the neural tangent kernel.

use super::{Context, Direction, Needs, RankingFunction};
use crate::nn::NnError;

/// Condition number of the neural tangent kernel `Θ = G·Gᵀ`, G the gradients of each picture's summed logits.
///
/// With batch statistics right before the global average the logits of a batch sum to a constant, so the vector of ones is
/// always in the kernel's null space: the condition number is taken on the other n − 1 eigenvalues.
pub struct NtkCondition;

impl RankingFunction for NtkCondition {
    fn name(&self) -> &'static str {
        "ntk_condition"
    }
    fn direction(&self) -> Direction {
        Direction::LowerIsBetter
    }
    fn needs(&self) -> Needs {
        Needs { data: true, gradients: true, each_picture: true, ..Needs::default() }
    }
    fn paper(&self) -> &'static str {
        "Chen et al. 2021, TE-NAS (arXiv 2102.11535)"
    }
    fn meaning(&self) -> &'static str {
        "how unevenly training would go at first (lower is better)"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let kernel = context.tangent_kernel()?;
        let n = kernel.nrows();
        if n < 3 || kernel.iter().any(|v| !v.is_finite()) {
            return Ok(f64::NAN);
        }
        let mut values: Vec<f64> = kernel.symmetric_eigenvalues().iter().copied().collect();
        values.sort_by(f64::total_cmp);
        Ok(values[n - 1] / values[1])
    }
}
