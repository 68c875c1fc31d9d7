//! `vkdnw`: how evenly what a batch knows of the weights is spread.

use super::{Context, Needs, RankingFunction};
use crate::nn::NnError;

/// `−Σ p·ln p`, p the eigenvalues of the empirical Fisher information `Σ g·gᵀ`, as shares of their sum; g the gradients of the pictures'
/// own losses. They are those of the gradients' inner products, one for each picture.
///
/// The paper takes nine deciles of the eigenvalues for some weights of each layer and expected labels, and adds the number of
/// layers, which is `trainable_layers` here.
pub struct Vkdnw;

impl RankingFunction for Vkdnw {
    fn name(&self) -> &'static str {
        "vkdnw"
    }
    fn needs(&self) -> Needs {
        Needs { data: true, labels: true, gradients: true, each_picture: true, ..Needs::default() }
    }
    fn paper(&self) -> &'static str {
        "Tybl & Neumann 2025, VKDNW (arXiv 2502.04975), of the empirical Fisher information"
    }
    fn meaning(&self) -> &'static str {
        "how evenly the Fisher information of the weights is spread (entropy of its eigenvalues)"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let kernel = &context.losses()?.kernel;
        if kernel.iter().any(|v| !v.is_finite()) {
            return Ok(f64::NAN);
        }
        let values = kernel.symmetric_eigenvalues().map(|v| v.max(0.0));
        let shares = values.iter().map(|v| v / values.sum());
        // A share of 0 adds nothing; of no information at all there is no entropy.
        Ok(shares.map(|p| if p == 0.0 { 0.0 } else { -p * p.ln() }).sum())
    }
}
