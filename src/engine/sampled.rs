//! Ranking functions on networks of one cell each, at the size of a run's proxy network.

use rayon::prelude::*;

use super::error::EngineError;
use super::past::Past;
use super::score::Proxy;
use super::{prepared, scoring};
use crate::nn::NnError;
use crate::proxies::{Context, Draw, RankingFunction};
use crate::run::config::Config;
use crate::space::Mask;

/// The values of each function on each of these networks, by mask, in the mean over so many draws: NaN where one is undefined
/// in every draw. All networks of a draw have the same pictures, and the same weights where they have the same operations.
///
/// # Errors
/// Settings and data as [`super::check`] finds them, and what passes of the networks can fail with.
pub fn values(
    config: &Config,
    functions: &[&'static dyn RankingFunction],
    masks: &[Mask],
    draws: usize,
) -> Result<Vec<Vec<f64>>, EngineError> {
    let (pool, setup) = prepared(config, &Past::default())?;
    let proxy = Proxy::of(&setup);
    let draws = draws.max(1) as u64;
    let drawn: Vec<Draw> = (0..draws).map(|draw| scoring::drawn(&setup, draw, |_| ())).collect::<Result<_, _>>()?;
    let one = |mask: &Mask| -> Result<Vec<f64>, NnError> {
        let (mut sums, mut counts) = (vec![0.0; functions.len()], vec![0usize; functions.len()]);
        for (number, draw) in drawn.iter().enumerate() {
            let net = proxy.network(mask, config.seed, number as u64)?;
            let context = Context::new(&net, draw)?;
            for (f, function) in functions.iter().enumerate() {
                let value = function.evaluate(&context)?;
                if value.is_finite() {
                    sums[f] += value;
                    counts[f] += 1;
                }
            }
        }
        Ok(sums.iter().zip(counts).map(|(sum, n)| sum / n as f64).collect())
    };
    let found: Result<Vec<Vec<f64>>, NnError> = pool.install(|| masks.par_iter().map(one).collect());
    Ok(found?)
}
