//! `zen`: how strongly features answer to a small change of the input.

use std::sync::Arc;

use super::context::Variances;
use super::{Context, Needs, RankingFunction};
use crate::nn::{NnError, Pass};

/// `log mean_n Σ |φ(x) − φ(x + γε)| + Σ over batch norms of log √(mean over channels of their input's variance)`, with φ
/// the last cell's output, weights, x and ε from N(0, 1), γ = 0.01.
pub struct Zen;

const GAMMA: f64 = 0.01;

impl RankingFunction for Zen {
    fn name(&self) -> &'static str {
        "zen"
    }
    fn needs(&self) -> Needs {
        Needs::default()
    }
    fn paper(&self) -> &'static str {
        "Lin et al. 2021, Zen-NAS (arXiv 2102.01063)"
    }
    fn meaning(&self) -> &'static str {
        "how strongly the features answer to a small change of the input"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let [x, epsilon] = &context.draw.noise;
        let variances = Arc::new(Variances::default());
        let pass = Pass { probe: Some(variances.clone()), ..Pass::observe() };
        let net = context.with_normal_weights()?;
        let a = net.features(x, &context.mixing, &pass)?;
        let b = net.features(&(x + (epsilon * GAMMA)?)?, &context.mixing, &Pass::observe())?;
        let (a, b) = (a.flatten_all()?.to_vec1::<f32>()?, b.flatten_all()?.to_vec1::<f32>()?);
        let difference: f64 = a.iter().zip(&b).map(|(a, b)| f64::from((a - b).abs())).sum();
        let scale: f64 = variances.take().iter().map(|v| 0.5 * v.ln()).sum();
        Ok((difference / x.dim(0)? as f64).ln() + scale)
    }
}
