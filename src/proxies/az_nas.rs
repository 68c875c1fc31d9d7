//! `az_expressivity`, `az_progressivity`, `az_trainability`: three parts of AZ-NAS. Its fourth, complexity, is `macs`.

use super::{Context, Needs, RankingFunction};
use crate::nn::NnError;

const PAPER: &str = "Lee & Ham 2024, AZ-NAS (arXiv 2403.19232)";

const OF_OUTPUTS: Needs = Needs { data: true, ..Needs::NONE };

const OF_GRADIENTS: Needs = Needs { gradients: true, ..OF_OUTPUTS };

/// Sum over the stem and the cells of the entropy of their channels' principal components (eq. 2).
pub struct Expressivity;

/// The least step of that entropy from one block to the next (eq. 3).
pub struct Progressivity;

/// Mean over the cells of `−σ − 1/(σ + 1e-6) + 2`, σ the largest singular value of a cell's mean Jacobian (eq. 6).
pub struct Trainability;

impl RankingFunction for Expressivity {
    fn name(&self) -> &'static str {
        "az_expressivity"
    }
    fn needs(&self) -> Needs {
        OF_OUTPUTS
    }
    fn paper(&self) -> &'static str {
        PAPER
    }
    fn meaning(&self) -> &'static str {
        "how evenly the outputs of the cells fill their channels (entropy of principal components)"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        Ok(context.entropies()?.iter().sum())
    }
}

impl RankingFunction for Progressivity {
    fn name(&self) -> &'static str {
        "az_progressivity"
    }
    fn needs(&self) -> Needs {
        OF_OUTPUTS
    }
    fn paper(&self) -> &'static str {
        PAPER
    }
    fn meaning(&self) -> &'static str {
        "the least step by which that entropy grows from one cell to the next"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let steps = context.entropies()?.windows(2).map(|pair| pair[1] - pair[0]);
        // `f64::min` would pass over a NaN.
        Ok(steps.reduce(|a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) }).unwrap_or(f64::NAN))
    }
}

impl RankingFunction for Trainability {
    fn name(&self) -> &'static str {
        "az_trainability"
    }
    fn needs(&self) -> Needs {
        OF_GRADIENTS
    }
    fn paper(&self) -> &'static str {
        PAPER
    }
    fn meaning(&self) -> &'static str {
        "how near the cells are to handing gradients on at their own size (0 at best)"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let found = context.stretches()?;
        Ok(found.iter().map(|s| 2.0 - s - 1.0 / (s + 1e-6)).sum::<f64>() / found.len() as f64)
    }
}
