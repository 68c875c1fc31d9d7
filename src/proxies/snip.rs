//! `snip`: what the loss would lose without each weight.

use super::{Context, Needs, RankingFunction};
use crate::nn::NnError;

/// `Σ |w · ∂L/∂w|` on one batch.
pub struct Snip;

impl RankingFunction for Snip {
    fn name(&self) -> &'static str {
        "snip"
    }
    fn needs(&self) -> Needs {
        Needs { data: true, labels: true, gradients: true, ..Needs::default() }
    }
    fn paper(&self) -> &'static str {
        "Lee et al. 2019, SNIP (arXiv 1810.02340); Abdelfattah et al. 2021 (arXiv 2101.08134)"
    }
    fn meaning(&self) -> &'static str {
        "how much the loss would change without each weight"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let saliency = |(v, g): (&f32, &f32)| (f64::from(*v) * f64::from(*g)).abs();
        Ok(context.gradients()?.iter().flat_map(|w| w.values.iter().zip(&w.gradient).map(saliency)).sum())
    }
}
