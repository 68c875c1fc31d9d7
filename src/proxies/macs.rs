//! `macs`: multiply-accumulates, a count that a ranking function has to beat.

use super::{Context, Needs, RankingFunction};
use crate::nn::NnError;

/// Multiply-accumulates of convolutions and classifier for one picture.
pub struct Macs;

impl RankingFunction for Macs {
    fn name(&self) -> &'static str {
        "macs"
    }
    fn needs(&self) -> Needs {
        Needs::default()
    }
    fn paper(&self) -> &'static str {
        "a count"
    }
    fn meaning(&self) -> &'static str {
        "multiply-accumulates for one picture"
    }
    fn exact(&self) -> bool {
        true
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let (_, h, w, _) = context.draw.images.dims4()?;
        Ok(context.net()?.macs(h, w) as f64)
    }
}
