//! `zico`: how large the gradients of each weight are beside their spread from batch to batch.

use super::{Context, Needs, RankingFunction};
use crate::nn::NnError;

/// `Σ over layers of ln Σ over its weights of E|∂L/∂w| / σ(∂L/∂w)`, mean and deviation over the two halves of the batch.
pub struct Zico;

impl RankingFunction for Zico {
    fn name(&self) -> &'static str {
        "zico"
    }
    fn needs(&self) -> Needs {
        Needs { data: true, labels: true, gradients: true, ..Needs::default() }
    }
    fn paper(&self) -> &'static str {
        "Li et al. 2023, ZiCo (arXiv 2301.11300, eq. 14)"
    }
    fn meaning(&self) -> &'static str {
        "how large gradients are beside their spread between two batches"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let pictures = context.draw.images.dim(0)?;
        if pictures < 4 {
            // Batch norm of one picture is none.
            return Ok(f64::NAN);
        }
        let half = pictures / 2;
        let (first, second) = (context.gradients_of(0..half)?, context.gradients_of(half..2 * half)?);
        let layer = |(a, b): (&super::context::Weight, &super::context::Weight)| -> f64 {
            let pairs = a.gradient.iter().zip(&b.gradient).map(|(a, b)| (f64::from(*a), f64::from(*b)));
            // Of two numbers the deviation is half of their distance. One that does not vary is passed over.
            pairs.filter(|(a, b)| a != b).map(|(a, b)| (a.abs() + b.abs()) / (a - b).abs()).sum()
        };
        // A layer without any gradient adds nothing.
        Ok(first.iter().zip(&second).map(layer).filter(|v| *v != 0.0).map(f64::ln).sum())
    }
}
