//! `meco`: how little the channels of the maps correlate.

use std::sync::{Arc, Mutex, PoisonError};

use nalgebra::DMatrix;

use super::nngp_frobenius::correlations;
use super::{Context, Needs, RankingFunction};
use crate::nn::{NnError, Pass, Probe};

/// Sum of the least eigenvalues.
#[derive(Default)]
struct Least(Mutex<f64>);

impl Probe for Least {
    fn relu(&self, values: &[f32], _: Option<&[f32]>, [_, channels]: [usize; 2], multiplicity: usize) {
        // A norm moves and stretches channels, which correlations do not see.
        let channel = |c| values.iter().skip(c).step_by(channels).copied().map(f64::from).collect();
        let rows: Vec<Vec<f64>> = (0..channels).map(channel).collect();
        let kernel = DMatrix::from_vec(channels, channels, correlations(&rows));
        if kernel.iter().all(|v| v.is_finite()) {
            let least = kernel.symmetric_eigenvalues().min();
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) += multiplicity as f64 * least;
        }
    }

    fn norm(&self, _: &[f64]) {}
}

/// `Σ over ReLUs of λ_min`, the least eigenvalue of the correlations between the channels of what a ReLU reads, for one picture of N(0, 1).
/// Maps of which a channel does not vary add nothing. Published code also counts what a layer makes of the same map again.
pub struct MeCo;

impl RankingFunction for MeCo {
    fn name(&self) -> &'static str {
        "meco"
    }
    fn needs(&self) -> Needs {
        Needs::default()
    }
    fn paper(&self) -> &'static str {
        "Jiang et al. 2023, MeCo (NeurIPS)"
    }
    fn meaning(&self) -> &'static str {
        "how little the channels of the maps correlate (least eigenvalues, one picture of noise)"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let sum = Arc::new(Least::default());
        let pass = Pass { probe: Some(sum.clone()), ..Pass::observe() };
        context.net()?.forward(&context.draw.noise[0].narrow(0, 0, 1)?, &context.mixing, &pass)?;
        Ok(*sum.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
