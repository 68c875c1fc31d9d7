//! `plain`: what the loss would gain or lose by the weights, with its sign.

use super::{Context, Needs, RankingFunction};
use crate::nn::NnError;

/// `Σ w · ∂L/∂w` on one batch.
///
/// Weights before a batch norm add next to nothing: the loss does not depend on their size. What is left is the classifier, and
/// numbers that nearly cancel: float32 keeps three digits.
pub struct Plain;

impl RankingFunction for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }
    fn needs(&self) -> Needs {
        Needs { data: true, labels: true, gradients: true, ..Needs::default() }
    }
    fn paper(&self) -> &'static str {
        "Abdelfattah et al. 2021, Zero-Cost Proxies for Lightweight NAS (arXiv 2101.08134)"
    }
    fn meaning(&self) -> &'static str {
        "how the loss answers to a growth of all weights"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let saliency = |(v, g): (&f32, &f32)| f64::from(*v) * f64::from(*g);
        Ok(context.gradients()?.iter().flat_map(|w| w.values.iter().zip(&w.gradient).map(saliency)).sum())
    }
}
