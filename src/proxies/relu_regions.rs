//! `relu_regions`: how many linear regions small crops fall into.

use std::sync::Arc;

use super::agreement::Patterns;
use super::{Context, Needs, RankingFunction};
use crate::nn::{NnError, Pass};

/// `Σ_i 1 / (samples with the pattern of sample i)`: how many different on/off patterns small crops have.
pub struct ReluRegions;

impl RankingFunction for ReluRegions {
    fn name(&self) -> &'static str {
        "relu_regions"
    }
    fn needs(&self) -> Needs {
        Needs { data: true, ..Needs::default() }
    }
    fn paper(&self) -> &'static str {
        "Chen et al. 2021, TE-NAS (arXiv 2102.11535)"
    }
    fn meaning(&self) -> &'static str {
        "number of linear regions that small crops fall into"
    }
    fn constant_since(&self, _: usize) -> Option<&'static str> {
        Some("each crop has a pattern of its own, with and without the operation")
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let crops = &context.draw.crops;
        let n = crops.dim(0)?;
        let patterns = Arc::new(Patterns::new(n));
        let pass = Pass { probe: Some(patterns.clone()), ..Pass::observe() };
        context.net()?.forward(crops, &context.mixing, &pass)?;
        let a = patterns.take();
        // A pattern is counted at its first sample.
        let first = |i: &usize| !(0..*i).any(|j| a.counts[i * n + j] == a.units);
        Ok((0..n).filter(first).count() as f64)
    }
}
