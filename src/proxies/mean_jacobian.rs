//! `mean_jacobian`: how much of a signal the cells hand on whatever the picture is.

use super::{Context, Needs, RankingFunction};
use crate::nn::NnError;

/// `mean over cells of ln σ`, σ the largest singular value of a cell's mean Jacobian.
///
/// AZ-NAS (eq. 6) scores `−σ − 1/σ + 2`, which is best at σ = 1 and punishes what stretches as much as what shrinks. Behind batch
/// norms nothing explodes, and σ tells how much of a gradient comes through in the same direction for all pictures and pixels: a skip
/// connection hands on everything, a pooling some, a random convolution little. So its logarithm is taken as it is.
pub struct MeanJacobian;

impl RankingFunction for MeanJacobian {
    fn name(&self) -> &'static str {
        "mean_jacobian"
    }
    fn needs(&self) -> Needs {
        Needs { data: true, gradients: true, ..Needs::default() }
    }
    fn paper(&self) -> &'static str {
        "the σ of Lee & Ham 2024, AZ-NAS (arXiv 2403.19232, eq. 5), in a logarithm"
    }
    fn meaning(&self) -> &'static str {
        "how much of a gradient the cells hand on whatever the picture is (mean of ln σ)"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let found = context.stretches()?;
        Ok(found.iter().map(|s| s.ln()).sum::<f64>() / found.len() as f64)
    }
    /// Of logarithms, which have no zero of their own, the plain difference.
    fn difference(&self, base: f64, without: f64) -> f64 {
        base - without
    }
}
