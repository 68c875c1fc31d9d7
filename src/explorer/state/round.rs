//! One round of scoring: what each operation lost in each draw, and the number that decided.

use std::cell::OnceCell;

use crate::engine::stored::Stored;
use crate::proxies::aggregate::{self, Aggregate, Combined};
use crate::run::event::{PlaceSummary, ScoringStarted, Vote};
use crate::space::{Mask, Place};

/// What a round found of one operation.
#[derive(Clone, Debug, Default)]
struct Tried {
    /// The draw, and its relative differences by ranking function.
    draws: Vec<(usize, Vec<f64>)>,
    summary: Option<PlaceSummary>,
}

/// One round.
#[derive(Clone, Debug)]
pub struct Round {
    aggregate: Aggregate,
    mask: Mask,
    tried: Vec<Tried>,
    /// How each ranking function counted: empty while the round is under way, and in journals of earlier versions.
    pub votes: Vec<Vote>,
    /// Its summaries are there: the numbers are those that decided.
    pub ended: bool,
    /// The draws put together, when they are first asked for; every new draw empties it.
    combined: OnceCell<Together>,
}

#[derive(Clone, Debug)]
struct Together {
    /// By slot, the place's number in what follows.
    at: Vec<Option<usize>>,
    combined: Combined,
}

impl Round {
    pub(super) fn new(aggregate: Aggregate, mask: Mask) -> Round {
        let tried = vec![Tried::default(); mask.space().slots()];
        Round { aggregate, mask, tried, votes: Vec::new(), ended: false, combined: OnceCell::new() }
    }

    /// One draw of one place.
    pub(super) fn take(&mut self, draw: usize, place: Place, relative: Vec<f64>) {
        let Some(tried) = self.mask.space().slot(place).and_then(|slot| self.tried.get_mut(slot)) else { return };
        match tried.draws.iter_mut().rev().find(|(d, _)| *d == draw) {
            Some((_, known)) => *known = relative,
            None => tried.draws.push((draw, relative)),
        }
        self.combined.take();
    }

    pub(super) fn end(&mut self, summaries: &[PlaceSummary], votes: &[Vote]) {
        self.ended = true;
        self.votes = votes.to_vec();
        for summary in summaries {
            if let Some(tried) = self.mask.space().slot(summary.place).and_then(|slot| self.tried.get_mut(slot)) {
                tried.summary = Some(summary.clone());
            }
        }
    }

    fn tried(&self, place: Place) -> Option<&Tried> {
        self.tried.get(self.mask.space().slot(place)?)
    }

    /// Whether something was decided about the place's edge in this round.
    pub fn competes(&self, place: Place) -> bool {
        let scored = self.tried(place).is_some_and(|t| !t.draws.is_empty() || t.summary.is_some());
        scored || self.mask.contains(place) && self.mask.count_on(place.cell, place.edge) > 1
    }

    /// What the round found out about a place, once it is over.
    pub fn summary(&self, place: Place) -> Option<&PlaceSummary> {
        self.tried(place)?.summary.as_ref()
    }

    /// Draws of a place so far.
    pub fn draws(&self, place: Place) -> usize {
        self.tried(place).map_or(0, |t| t.draws.len())
    }

    /// Draws of a place in which one of the functions, or any, is not finite.
    pub fn undefined(&self, place: Place, function: Option<usize>) -> usize {
        let bad = |v: &[f64]| match function {
            Some(f) => v.get(f).is_some_and(|v| !v.is_finite()),
            None => v.iter().any(|v| !v.is_finite()),
        };
        self.tried(place).map_or(0, |t| t.draws.iter().filter(|(_, v)| bad(v)).count())
    }

    /// Relative differences of one function by draw, or, without one, the sums that decide.
    pub fn values(&self, place: Place, function: Option<usize>) -> Vec<f64> {
        match function {
            Some(f) => {
                let draws = self.tried(place).map_or(&[][..], |t| &t.draws);
                draws.iter().map(|(_, v)| v.get(f).copied().unwrap_or(f64::NAN)).collect()
            }
            None => self.sums(place).map_or_else(Vec::new, <[f64]>::to_vec),
        }
    }

    /// The number that decided; while the round is under way, what it would be by the draws so far. Of one function the mean
    /// relative difference.
    pub fn mean(&self, place: Place, function: Option<usize>) -> Option<f64> {
        match (function, self.summary(place)) {
            (None, Some(summary)) => Some(summary.mean.0).filter(|v| v.is_finite()),
            (None, None) => mean(self.sums(place)?),
            (Some(_), _) => mean(&self.values(place, function)),
        }
    }

    /// Standard deviation of the same over draws; with fewer than two there is none.
    pub fn spread(&self, place: Place, function: Option<usize>) -> Option<f64> {
        if let (None, Some(summary)) = (function, self.summary(place)) {
            return Some(summary.deviation.0).filter(|v| v.is_finite());
        }
        let values = self.values(place, function);
        let finite: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
        let m = mean(&finite)?;
        (finite.len() > 1)
            .then(|| (finite.iter().map(|v| (v - m) * (v - m)).sum::<f64>() / (finite.len() - 1) as f64).sqrt())
    }

    /// What a function adds to the number that decides.
    pub fn vote(&self, place: Place, function: usize) -> Option<f64> {
        let vote = match self.summary(place) {
            Some(summary) if !summary.votes.is_empty() => summary.votes.get(function)?.0,
            // A plain sum of earlier versions: each adds its mean.
            Some(summary) if self.aggregate == Aggregate::Relative => summary.by_function.get(function)?.0,
            Some(_) => return None,
            None => *self.together().combined.votes.get(self.index(place)?)?.get(function)?,
        };
        Some(vote).filter(|v| v.is_finite())
    }

    fn sums(&self, place: Place) -> Option<&[f64]> {
        let sums = self.together().combined.samples.get(self.index(place)?)?;
        Some(sums)
    }

    fn index(&self, place: Place) -> Option<usize> {
        self.together().at.get(self.mask.space().slot(place)?).copied().flatten()
    }

    fn together(&self) -> &Together {
        self.combined.get_or_init(|| {
            let space = self.mask.space();
            let competing = space.places().enumerate().filter(|(_, p)| self.competes(*p));
            let (slots, places): (Vec<usize>, Vec<Place>) = competing.unzip();
            let mut at = vec![None; space.slots()];
            slots.iter().enumerate().for_each(|(i, slot)| at[*slot] = Some(i));
            let tried = |slot: usize| &self.tried[slot].draws;
            // In the order of the draws: those that are not there yet are undefined, and so have no vote.
            let mut numbers: Vec<usize> = slots.iter().flat_map(|slot| tried(*slot).iter().map(|(d, _)| *d)).collect();
            numbers.sort_unstable();
            numbers.dedup();
            let functions = slots.iter().flat_map(|slot| tried(*slot).iter().map(|(_, v)| v.len())).max().unwrap_or(0);
            let of = |slot: usize| -> Vec<Vec<f64>> {
                let mut draws = vec![vec![f64::NAN; functions]; numbers.len()];
                for (draw, values) in tried(slot) {
                    if let Ok(i) = numbers.binary_search(draw) {
                        draws[i][..values.len()].copy_from_slice(values);
                    }
                }
                draws
            };
            let edge = |p: &Place| space.row(p.cell, p.edge).unwrap_or(0);
            let edges: Vec<usize> = places.iter().map(edge).collect();
            let relative: Vec<_> = slots.into_iter().map(of).collect();
            Together { at, combined: aggregate::combine(self.aggregate, &edges, &relative) }
        })
    }

    /// What every operation lost in every draw, for other cuts of it.
    pub fn stored(&self, setup: &ScoringStarted) -> Stored {
        let space = self.mask.space();
        let of = |place: Place| {
            let draws = self.tried(place).map_or(&[][..], |t| &t.draws);
            draws.iter().map(move |(draw, values)| ((place, *draw), values.clone()))
        };
        let found = space.places().flat_map(of).collect();
        let stored = Stored::new(setup.functions.clone(), self.mask, found, setup.rounds);
        Stored { sampled: setup.samples_cells(), ..stored }
    }
}

/// Of those that are finite.
fn mean(values: &[f64]) -> Option<f64> {
    let (sum, n) = values.iter().filter(|v| v.is_finite()).fold((0.0, 0usize), |(s, n), v| (s + v, n + 1));
    (n > 0).then(|| sum / n as f64)
}
