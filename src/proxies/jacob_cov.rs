//! `jacob_cov`: how little the pixels of different pictures correlate in what they do to the logits.

use nalgebra::DMatrix;

use super::nngp_frobenius::correlations;
use super::{Context, Needs, RankingFunction};
use crate::nn::NnError;

/// Keeps the logarithm finite.
const K: f64 = 1e-5;

/// `−Σ ln(v + k) + 1/(v + k)`, v the eigenvalues of the correlations between the pictures' gradients of their summed logits by
/// their own pixels, k = 1e-5.
///
/// Published code takes the gradient of the whole batch's sum, which behind a batch norm is none: there the logits of a batch
/// sum to a constant. By itself each picture has one, in every space.
pub struct JacobCov;

impl RankingFunction for JacobCov {
    fn name(&self) -> &'static str {
        "jacob_cov"
    }
    fn needs(&self) -> Needs {
        Needs { data: true, gradients: true, pixels: true, ..Needs::default() }
    }
    fn paper(&self) -> &'static str {
        "Mellor et al. 2020, first version (arXiv 2006.04647v1); Abdelfattah et al. 2021 (arXiv 2101.08134)"
    }
    fn meaning(&self) -> &'static str {
        "how little different pictures correlate in what their pixels do to the logits"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let rows = context.jacobians()?;
        let kernel = DMatrix::from_vec(rows.len(), rows.len(), correlations(rows));
        if kernel.iter().any(|v| !v.is_finite()) {
            return Ok(f64::NAN);
        }
        let values = kernel.symmetric_eigenvalues();
        Ok(-values.iter().map(|v| (v + K).ln() + 1.0 / (v + K)).sum::<f64>())
    }
}
