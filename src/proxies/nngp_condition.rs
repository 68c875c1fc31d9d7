//! `nngp_condition`: the condition number of the kernel of a batch's logits.

use super::nngp_eigenvalue::eigenvalues;
use super::{Context, Direction, Needs, RankingFunction};
use crate::nn::NnError;

/// Condition number of `Z·Zᵀ`, Z the logits `[N, classes]`, on its largest `min(N − 1, classes)` eigenvalues: there are no more than
/// classes, and behind a batch norm the logits of a batch sum to a constant, which takes one of N.
pub struct NngpCondition;

impl RankingFunction for NngpCondition {
    fn name(&self) -> &'static str {
        "nngp_condition"
    }
    fn direction(&self) -> Direction {
        Direction::LowerIsBetter
    }
    fn needs(&self) -> Needs {
        Needs { data: true, ..Needs::default() }
    }
    fn paper(&self) -> &'static str {
        "Lee et al. 2018, NNGP (arXiv 1711.00165); as used by Rumiantsev & Coates 2023 (ICASSP)"
    }
    fn meaning(&self) -> &'static str {
        "how unevenly the logits of different pictures are spread (lower is better)"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let rows = &context.observed()?.logits;
        let (n, classes) = (rows.len(), rows.first().map_or(0, Vec::len));
        let values = eigenvalues(rows);
        let kept = classes.min(n.saturating_sub(1));
        if kept < 2 || values.iter().any(|v| !v.is_finite()) {
            return Ok(f64::NAN);
        }
        Ok(values[n - 1] / values[n - kept])
    }
}
