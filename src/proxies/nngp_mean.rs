//! `nngp_mean`: the mean of the correlations between pictures' logits.

use super::nngp_frobenius::correlations;
use super::{Context, Needs, RankingFunction};
use crate::nn::NnError;

/// Mean of the correlation matrix of a batch's logits.
pub struct NngpMean;

impl RankingFunction for NngpMean {
    fn name(&self) -> &'static str {
        "nngp_mean"
    }
    fn needs(&self) -> Needs {
        Needs { data: true, ..Needs::default() }
    }
    fn paper(&self) -> &'static str {
        "Rumiantsev & Coates 2023, Performing Neural Architecture Search without Gradients (ICASSP)"
    }
    fn meaning(&self) -> &'static str {
        "mean correlation between the logits of different pictures"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let k = correlations(&context.observed()?.logits);
        Ok(k.iter().sum::<f64>() / k.len() as f64)
    }
}
