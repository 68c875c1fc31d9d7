//! `trainable_layers`: the number of layers that have weights, a count that a ranking function has to beat.

use super::{Context, Needs, RankingFunction};
use crate::nn::NnError;

/// Number of convolutions of the kept operations, of the cells' inputs and the stem, and the classifier.
pub struct TrainableLayers;

impl RankingFunction for TrainableLayers {
    fn name(&self) -> &'static str {
        "trainable_layers"
    }
    fn needs(&self) -> Needs {
        Needs::default()
    }
    fn paper(&self) -> &'static str {
        "a count; the ℵ of Tybl & Neumann 2025, VKDNW (arXiv 2502.04975)"
    }
    fn meaning(&self) -> &'static str {
        "number of layers that have weights"
    }
    fn exact(&self) -> bool {
        true
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let layouts = context.net()?.parameters().layouts();
        Ok(layouts.iter().flat_map(|l| &l.slots).filter(|s| s.kind.is_weight()).count() as f64)
    }
}
