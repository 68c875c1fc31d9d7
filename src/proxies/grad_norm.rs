//! `grad_norm`: the size of the loss's gradient.

use super::{Context, Needs, RankingFunction};
use crate::nn::NnError;

/// `Σ over weight tensors of ‖∂L/∂w‖₂` on one batch.
pub struct GradNorm;

impl RankingFunction for GradNorm {
    fn name(&self) -> &'static str {
        "grad_norm"
    }
    fn needs(&self) -> Needs {
        Needs { data: true, labels: true, gradients: true, ..Needs::default() }
    }
    fn paper(&self) -> &'static str {
        "Abdelfattah et al. 2021, Zero-Cost Proxies for Lightweight NAS (arXiv 2101.08134)"
    }
    fn meaning(&self) -> &'static str {
        "how large the first gradients are"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let norm = |g: &[f32]| g.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        Ok(context.gradients()?.iter().map(|w| norm(&w.gradient)).sum())
    }
}
