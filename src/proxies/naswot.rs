//! `naswot`: how differently the ReLUs answer to different pictures.

use nalgebra::DMatrix;

use super::{Context, Needs, RankingFunction};
use crate::nn::NnError;

/// `log |det K|` with `K = Σ over ReLUs of X·Xᵀ + (1 − X)·(1 − X)ᵀ`, X the on/off patterns of a batch.
pub struct Naswot;

impl RankingFunction for Naswot {
    fn name(&self) -> &'static str {
        "naswot"
    }
    fn needs(&self) -> Needs {
        Needs { data: true, ..Needs::default() }
    }
    fn paper(&self) -> &'static str {
        "Mellor et al. 2021, Neural Architecture Search without Training (arXiv 2006.04647)"
    }
    fn meaning(&self) -> &'static str {
        "how differently the ReLUs answer to different pictures"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let a = &context.observed()?.agreement;
        let kernel = DMatrix::from_iterator(a.images, a.images, a.counts.iter().map(|c| *c as f64));
        Ok(kernel.lu().u().diagonal().iter().map(|d| d.abs().ln()).sum())
    }
}
