//! `params`: the number of parameters, a count that a ranking function has to beat.

use super::{Context, Needs, RankingFunction};
use crate::nn::NnError;

/// Number of parameters: the yardstick that a ranking function has to beat.
pub struct Params;

impl RankingFunction for Params {
    fn name(&self) -> &'static str {
        "params"
    }
    fn needs(&self) -> Needs {
        Needs::default()
    }
    fn paper(&self) -> &'static str {
        "a count"
    }
    fn meaning(&self) -> &'static str {
        "number of parameters"
    }
    fn exact(&self) -> bool {
        true
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        Ok(context.net()?.parameters().count() as f64)
    }
}
