//! `swap`: how many ways there are in which the units of a network answer to a batch.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Context, Needs, RankingFunction};
use crate::nn::{NnError, Pass, Probe};

/// Bits of a word.
const PICTURES: usize = 64;

/// Different words of one bit for each picture, in order.
#[derive(Default)]
struct Ways(Mutex<Vec<u64>>);

impl Probe for Ways {
    fn relu(&self, values: &[f32], mean: Option<&[f32]>, [images, channels]: [usize; 2], _: usize) {
        let units = values.len() / images.max(1);
        if units == 0 {
            return;
        }
        let zeros = vec![0.0; channels];
        let thresholds = mean.unwrap_or(&zeros);
        let mut words = vec![0u64; units];
        for (i, image) in values.chunks_exact(units).enumerate() {
            let answers = image.chunks_exact(channels).flat_map(|p| p.iter().zip(thresholds).map(|(v, t)| v > t));
            words.iter_mut().zip(answers).for_each(|(w, on)| *w |= u64::from(on) << i);
        }
        words.sort_unstable();
        words.dedup();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.append(&mut words);
        all.sort_unstable();
        all.dedup();
    }

    fn norm(&self, _: &[f64]) {}
}

/// Number of different rows `1[x > 0]`, `[units, N]`: a unit of a ReLU's input, on or off for each picture of a batch, of at most 64
/// pictures. Not regularised by the parameters, weights as they are.
pub struct Swap;

impl RankingFunction for Swap {
    fn name(&self) -> &'static str {
        "swap"
    }
    fn needs(&self) -> Needs {
        Needs { data: true, ..Needs::default() }
    }
    fn paper(&self) -> &'static str {
        "Peng et al. 2024, SWAP-NAS (arXiv 2403.04161), without its regularisation"
    }
    fn meaning(&self) -> &'static str {
        "number of ways in which units answer to a batch"
    }
    fn constant_since(&self, _: usize) -> Option<&'static str> {
        Some("units answer to so few pictures in every way there is, with and without the operation")
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let images = context.draw.images.narrow(0, 0, context.draw.images.dim(0)?.min(PICTURES))?;
        let ways = Arc::new(Ways::default());
        let pass = Pass { probe: Some(ways.clone()), ..Pass::observe() };
        context.net()?.forward(&images, &context.mixing, &pass)?;
        Ok(ways.0.lock().unwrap_or_else(PoisonError::into_inner).len() as f64)
    }
}
