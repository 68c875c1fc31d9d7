//! `epsinas`: how far apart the features of two constant initialisations are.

use super::{Context, Needs, RankingFunction};
use crate::nn::NnError;

/// What every weight is, once and once more.
const WEIGHTS: [f64; 2] = [1e-7, 1.0];

/// What is that close to the least of features on [0, 1] is the least itself, but for rounding.
const LEAST: f64 = 1e-9;

/// Mean distance of what the classifier reads with all weights 1e-7 and with all 1, each laid on [0, 1], over the mean of both. The
/// least of each is passed over, as in published code, and here also what equals it but for rounding: channels are alike.
///
/// In float64, which holds 1e-7 through any number of convolutions. On a GPU's side, too, this is computed on the CPU.
pub struct EpsiNas;

impl RankingFunction for EpsiNas {
    fn name(&self) -> &'static str {
        "epsinas"
    }
    fn needs(&self) -> Needs {
        Needs { data: true, float64: true, ..Needs::default() }
    }
    fn paper(&self) -> &'static str {
        "Gracheva 2023, epsinas (arXiv 2302.04406)"
    }
    fn meaning(&self) -> &'static str {
        "how far apart the features of two constant initialisations are"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let net = context.net()?;
        let features = |value| -> Result<Vec<f64>, NnError> {
            Ok(laid(net.features_of_constant(&context.draw.images, &context.mixing, value)?))
        };
        let (a, b) = (features(WEIGHTS[0])?, features(WEIGHTS[1])?);
        let mean = |values: &mut dyn Iterator<Item = f64>| {
            let (sum, count) = values.filter(|v| v.is_finite()).fold((0.0, 0.0), |(s, n), v| (s + v, n + 1.0));
            sum / count
        };
        let distance = mean(&mut a.iter().zip(&b).map(|(a, b)| (a - b).abs()));
        Ok(distance / mean(&mut a.iter().chain(&b).copied()))
    }
}

/// From the least to the greatest on [0, 1]; NaN where it is the least.
fn laid(features: Vec<f64>) -> Vec<f64> {
    let least = features.iter().copied().fold(f64::INFINITY, f64::min);
    let most = features.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let one = |v: f64| (v - least) / (most - least);
    features.into_iter().map(one).map(|v| if v < LEAST { f64::NAN } else { v }).collect()
}
