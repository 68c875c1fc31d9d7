//! How surely a cut keeps what it keeps: the draws are drawn again with replacement, from a seed of its own.

use super::Unsure;
use crate::engine::stored::Stored;
use crate::proxies::aggregate::Combined;
use crate::random;
use crate::space::{Mask, Place};

/// Times that draws are drawn again.
const RESAMPLED: usize = 200;

/// How often each kept operation was again among the highest of its edge, as many as are kept there.
#[derive(Clone, Debug, Default)]
pub(super) struct Stays {
    of: Vec<(Place, usize)>,
    /// Those of which the score is below one that goes.
    lower: Vec<Place>,
}

impl Stays {
    /// In the mean; none where there was nothing to decide, or no second draw.
    pub fn share(&self) -> Option<f64> {
        let all = self.of.len() * RESAMPLED;
        (all > 0).then(|| self.of.iter().map(|(_, n)| n).sum::<usize>() as f64 / all as f64)
    }

    /// Those below a share, the least sure first.
    pub fn unsure(&self, sure: f64) -> Vec<Unsure> {
        let one = |(place, n): &(Place, usize)| {
            let lower = self.lower.contains(place);
            Unsure { place: *place, stays: *n as f64 / RESAMPLED as f64, lower }
        };
        let mut found: Vec<Unsure> = self.of.iter().map(one).filter(|u| u.stays < sure).collect();
        found.sort_by(|a, b| a.stays.total_cmp(&b.stays).then(a.place.cmp(&b.place)));
        found
    }
}

/// Of each mask, with the same draws for all.
pub(super) fn stays(stored: &Stored, combined: &Combined, masks: &[Mask]) -> Vec<Stays> {
    let mut found = vec![Stays::default(); masks.len()];
    for (row, (cell, edge)) in stored.mask.space().all_edges().enumerate() {
        let own: Vec<usize> = (0..stored.places.len())
            .filter(|i| (stored.places[*i].cell, stored.places[*i].edge) == (cell, edge))
            .collect();
        let draws = own.iter().map(|i| combined.samples[*i].len()).min().unwrap_or(0);
        let kept: Vec<Vec<bool>> =
            masks.iter().map(|m| own.iter().map(|i| m.contains(stored.places[*i])).collect()).collect();
        let counts: Vec<usize> = kept.iter().map(|k| k.iter().filter(|k| **k).count()).collect();
        let open = |count: usize| draws > 1 && (1..own.len()).contains(&count);
        if !counts.iter().any(|n| open(*n)) {
            continue;
        }
        let whole = |at: usize| combined.samples[own[at]].iter().sum::<f64>() / combined.samples[own[at]].len() as f64;
        let mut again = vec![vec![0; own.len()]; masks.len()];
        let mut rng = random::stream_at(0, "cut/bootstrap", [row as u64, 0]);
        for _ in 0..RESAMPLED {
            let drawn: Vec<usize> = (0..draws).map(|_| random::below(&mut rng, draws as u64) as usize).collect();
            let sum = |i: usize| drawn.iter().map(|d| combined.samples[i][*d]).sum::<f64>();
            let mut order: Vec<(f64, usize)> = own.iter().enumerate().map(|(at, i)| (sum(*i), at)).collect();
            order.sort_by(|a, b| b.0.total_cmp(&a.0));
            for ((again, kept), count) in again.iter_mut().zip(&kept).zip(&counts) {
                order.iter().take(*count).filter(|(_, at)| kept[*at]).for_each(|(_, at)| again[*at] += 1);
            }
        }
        for (((found, again), kept), count) in found.iter_mut().zip(&again).zip(&kept).zip(&counts) {
            if open(*count) {
                let of = (0..own.len()).filter(|at| kept[*at]).map(|at| (stored.places[own[at]], again[at]));
                found.of.extend(of);
                let goes = (0..own.len()).filter(|at| !kept[*at]).map(&whole).fold(f64::NEG_INFINITY, f64::max);
                let lower = (0..own.len()).filter(|at| kept[*at] && whole(*at) < goes);
                found.lower.extend(lower.map(|at| stored.places[own[at]]));
            }
        }
    }
    found
}
