//! `nngp_frobenius`: the Frobenius norm of the correlations between pictures' logits.

use super::{Context, Needs, RankingFunction};
use crate::nn::NnError;

/// Frobenius norm of the correlation matrix of a batch's logits.
pub struct NngpFrobenius;

/// Pearson correlations between the rows.
pub(super) fn correlations(rows: &[Vec<f64>]) -> Vec<f64> {
    let centred: Vec<Vec<f64>> = rows
        .iter()
        .map(|r| {
            let mean = r.iter().sum::<f64>() / r.len() as f64;
            let c: Vec<f64> = r.iter().map(|v| v - mean).collect();
            let norm = c.iter().map(|v| v * v).sum::<f64>().sqrt();
            c.into_iter().map(|v| v / norm).collect()
        })
        .collect();
    centred.iter().flat_map(|a| centred.iter().map(|b| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>())).collect()
}

impl RankingFunction for NngpFrobenius {
    fn name(&self) -> &'static str {
        "nngp_frobenius"
    }
    fn needs(&self) -> Needs {
        Needs { data: true, ..Needs::default() }
    }
    fn paper(&self) -> &'static str {
        "Rumiantsev & Coates 2023, Performing Neural Architecture Search without Gradients (ICASSP)"
    }
    fn meaning(&self) -> &'static str {
        "Frobenius norm of the correlations between the logits of different pictures"
    }
    fn constant_since(&self, classes: usize) -> Option<&'static str> {
        (classes == 2).then_some("with two classes the logits of any two pictures correlate by 1 or -1")
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        Ok(correlations(&context.observed()?.logits).iter().map(|v| v * v).sum::<f64>().sqrt())
    }
}
