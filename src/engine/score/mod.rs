//! The zero-shot stage (arXiv 2505.13586, Algorithm 1): leave each operation out in turn, see how much every ranking
//! function loses, and let the least important operation of each edge go; again, until every edge has one.

mod evaluator;
pub mod significance;

pub use evaluator::{NetworkEvaluator, Proxy};

use std::collections::HashMap;

use crate::random;
use crate::run::event::{Body, Removal, Summary};
use crate::run::number::Number;
use crate::space::{CellKind, EDGES, Edge, Mask, Place};

/// How the ranking functions are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// Sum of relative differences (the paper).
    Relative,
    /// Sum over functions of the rank of the relative difference among all operations of the round (TE-NAS). Ties share a
    /// rank.
    Ranks,
}

impl Aggregate {
    pub fn by_name(name: &str) -> Option<Aggregate> {
        match name {
            "relative" => Some(Aggregate::Relative),
            "ranks" => Some(Aggregate::Ranks),
            _ => None,
        }
    }
}

/// Settings of the stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Draws of weights and batch per round (V).
    pub draws: usize,
    /// Operations that each edge loses per round.
    pub remove_per_round: usize,
    pub aggregate: Aggregate,
    pub seed: u64,
}

/// What evaluates networks. Values are turned so that higher is better; `draw` counts over all rounds and gives both sides
/// of a difference the same weights and batch.
pub trait Evaluator {
    type Error;
    fn functions(&self) -> usize;
    /// How many places are worth evaluating at once.
    fn parallel(&self) -> usize;
    /// The values of the network under `mask`; the following calls of [`Evaluator::without`] refer to it.
    fn baseline(&mut self, mask: &Mask, draw: u64) -> Result<Vec<f64>, Self::Error>;
    /// For each place the values of the last baseline's network without it, in their order.
    fn without(&self, places: &[Place]) -> Result<Vec<Vec<f64>>, Self::Error>;
}

/// Where events go, and where a request to stop comes from.
pub trait Watcher<E> {
    fn emit(&mut self, body: Body) -> Result<(), E>;
    /// Between evaluations: pauses inside if asked to; true asks to stop at once.
    fn interrupted(&mut self) -> Result<bool, E>;
    /// Between rounds: true asks to stop here.
    fn enough(&mut self) -> Result<bool, E>;
}

/// What the stage found.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    pub order: Vec<Removal>,
    pub ties: usize,
    pub undefined: usize,
    /// Stopped on request before the end.
    pub stopped: bool,
}

/// What was scored before; a stage that goes on from it ends as if it had never been interrupted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Whole rounds.
    pub rounds: usize,
    pub order: Vec<Removal>,
    pub undefined: usize,
    /// Of the round after those: relative differences by function, for a draw and a place.
    pub partial: HashMap<(usize, Place), Vec<f64>>,
}

impl Progress {
    /// One more round.
    pub fn take(&mut self, removed: Vec<Removal>, summaries: &[Summary]) {
        self.rounds += 1;
        self.partial.clear();
        self.undefined += summaries.iter().map(|s| s.undefined).sum::<usize>();
        self.order.extend(removed);
    }

    fn ended(self, stopped: bool) -> Scored {
        let ties = self.order.iter().filter(|r| r.tie).count();
        Scored { ties, order: self.order, undefined: self.undefined, stopped }
    }
}

/// Rounds that are needed until every edge of `space` keeps one operation.
pub fn rounds(space: &Mask, remove_per_round: usize) -> usize {
    round_masks(space, remove_per_round).0
}

/// Leave-one-out evaluations of all rounds and draws.
pub fn evaluations(space: &Mask, settings: &Settings) -> usize {
    round_masks(space, settings.remove_per_round).1 * settings.draws
}

/// Number of rounds, and of places that they look at.
fn round_masks(space: &Mask, remove_per_round: usize) -> (usize, usize) {
    let k = remove_per_round.max(1);
    let mut counts: Vec<usize> = CellKind::ALL
        .into_iter()
        .flat_map(|c| Edge::all().map(move |e| (c, e)))
        .map(|(c, e)| space.count_on(c, e))
        .collect();
    let (mut rounds, mut places) = (0, 0);
    while counts.iter().any(|n| *n > 1) {
        rounds += 1;
        places += counts.iter().filter(|n| **n > 1).sum::<usize>();
        counts.iter_mut().for_each(|n| *n = n.saturating_sub(k).max(1).min(*n));
    }
    (rounds, places)
}

/// Draws of one place in one round.
struct Scores {
    place: Place,
    /// By draw, by function; NaN or infinite where undefined.
    relative: Vec<Vec<f64>>,
}

/// `(r(N_t) − r(N_t \ e)) / |r(N_t)|`; undefined where the base is 0.
fn relative(base: f64, without: f64) -> f64 {
    if base == 0.0 { f64::NAN } else { (base - without) / base.abs() }
}

/// Runs the stage from `space` down to one operation an edge, going on from `progress`.
///
/// # Errors
/// Those of the evaluator and of the watcher.
pub fn run<E, V: Evaluator<Error = E>, W: Watcher<E>>(
    space: &Mask,
    settings: &Settings,
    mut progress: Progress,
    evaluator: &mut V,
    watcher: &mut W,
) -> Result<Scored, E> {
    let mut mask = *space;
    for r in &progress.order {
        mask.set(r.place, false);
    }
    for round in progress.rounds..rounds(space, settings.remove_per_round) {
        if watcher.enough()? {
            return Ok(progress.ended(true));
        }
        let places: Vec<Place> = mask.places().filter(|p| mask.count_on(p.cell, p.edge) > 1).collect();
        let evaluations = places.len() * settings.draws;
        let mut known = std::mem::take(&mut progress.partial);
        if known.is_empty() {
            watcher.emit(Body::RoundStarted { round, mask, evaluations })?;
        }
        let start = std::time::Instant::now();
        let mut scores: Vec<Scores> =
            places.iter().map(|p| Scores { place: *p, relative: Vec::with_capacity(settings.draws) }).collect();
        for draw in 0..settings.draws {
            let sound = |v: &Vec<f64>| v.len() == evaluator.functions();
            let mut found: Vec<Option<Vec<f64>>> =
                places.iter().map(|p| known.remove(&(draw, *p)).filter(sound)).collect();
            let missing: Vec<usize> = (0..places.len()).filter(|i| found[*i].is_none()).collect();
            if !missing.is_empty() {
                let base = evaluator.baseline(&mask, (round * settings.draws + draw) as u64)?;
                watcher.emit(Body::Baseline { round, draw, values: base.iter().map(|v| Number(*v)).collect() })?;
                for chunk in missing.chunks(evaluator.parallel().max(1)) {
                    if watcher.interrupted()? {
                        return Ok(progress.ended(true));
                    }
                    let at: Vec<Place> = chunk.iter().map(|i| places[*i]).collect();
                    for place in &at {
                        watcher.emit(Body::Scoring { round, draw, place: *place })?;
                    }
                    for (i, values) in chunk.iter().zip(evaluator.without(&at)?) {
                        let differences: Vec<f64> = base.iter().zip(&values).map(|(b, v)| relative(*b, *v)).collect();
                        watcher.emit(Body::Score {
                            round,
                            draw,
                            place: places[*i],
                            values: values.into_iter().map(Number).collect(),
                            relative: differences.iter().map(|v| Number(*v)).collect(),
                            score: Number(differences.iter().sum()),
                        })?;
                        found[*i] = Some(differences);
                    }
                }
            }
            for (s, differences) in scores.iter_mut().zip(found) {
                s.relative.extend(differences);
            }
        }
        let (removed, summaries) = settle(&mask, settings, round, &scores);
        for r in &removed {
            mask.set(r.place, false);
        }
        progress.take(removed.clone(), &summaries);
        watcher.emit(Body::RoundEnded { round, seconds: start.elapsed().as_secs_f64(), removed, summaries })?;
    }
    Ok(progress.ended(false))
}

/// Scores of one place over the draws in which they are defined.
fn defined(aggregate: Aggregate, scores: &[Scores]) -> Vec<Vec<f64>> {
    match aggregate {
        Aggregate::Relative => scores
            .iter()
            .map(|s| s.relative.iter().map(|d| d.iter().sum::<f64>()).filter(|v| v.is_finite()).collect())
            .collect(),
        Aggregate::Ranks => {
            let draws = scores.first().map_or(0, |s| s.relative.len());
            let mut sums = vec![Vec::new(); scores.len()];
            for draw in 0..draws {
                let sound: Vec<usize> =
                    (0..scores.len()).filter(|i| scores[*i].relative[draw].iter().all(|v| v.is_finite())).collect();
                let functions = scores.first().map_or(0, |s| s.relative[draw].len());
                let mut total = vec![0.0; scores.len()];
                for f in 0..functions {
                    let value = |i: usize| scores[i].relative[draw][f];
                    let mut order = sound.clone();
                    order.sort_by(|a, b| value(*a).total_cmp(&value(*b)));
                    let mut rank = 0.0;
                    for (k, i) in order.iter().enumerate() {
                        // Equal values share a rank; the next distinct one is one more.
                        if k > 0 && value(*i) != value(order[k - 1]) {
                            rank += 1.0;
                        }
                        total[*i] += rank;
                    }
                }
                for i in sound {
                    sums[i].push(total[i]);
                }
            }
            sums
        }
    }
}

/// What a round decides: the lowest of each edge go.
fn settle(mask: &Mask, settings: &Settings, round: usize, scores: &[Scores]) -> (Vec<Removal>, Vec<Summary>) {
    let samples = defined(settings.aggregate, scores);
    let mean = |v: &[f64]| if v.is_empty() { f64::NAN } else { v.iter().sum::<f64>() / v.len() as f64 };
    let (mut removed, mut summaries) = (Vec::new(), Vec::new());
    for cell in CellKind::ALL {
        for edge in Edge::all() {
            let mut own: Vec<usize> =
                (0..scores.len()).filter(|i| scores[*i].place.cell == cell && scores[*i].place.edge == edge).collect();
            if own.is_empty() {
                continue;
            }
            // A lot for each, so that equal scores go by the saved seed; undefined ones come last: they are not ranked, and
            // go only when nothing else is left.
            let mut lots: Vec<usize> = (0..own.len()).collect();
            let index = (cell.index() * EDGES + edge.index()) as u64;
            random::shuffle(&mut random::stream_at(settings.seed, "score/lot", [round as u64, index]), &mut lots);
            let lot_of: std::collections::BTreeMap<usize, usize> = own.iter().copied().zip(lots).collect();
            own.sort_by(|a, b| {
                let (x, y) = (mean(&samples[*a]), mean(&samples[*b]));
                x.is_nan()
                    .cmp(&y.is_nan())
                    .then(x.partial_cmp(&y).unwrap_or(std::cmp::Ordering::Equal))
                    .then(lot_of[a].cmp(&lot_of[b]))
            });
            let goes = settings.remove_per_round.max(1).min(mask.count_on(cell, edge).saturating_sub(1));
            for (rank, i) in own.iter().enumerate() {
                let next = own.get(rank + 1);
                let p = next.and_then(|n| significance::lower_p(&samples[*i], &samples[*n]));
                let m = mean(&samples[*i]);
                let s = &samples[*i];
                let deviation = match s.len() {
                    0 | 1 => f64::NAN,
                    n => (s.iter().map(|v| (v - m).powi(2)).sum::<f64>() / (n - 1) as f64).sqrt(),
                };
                let functions = scores[*i].relative.first().map_or(0, Vec::len);
                let by_function = (0..functions)
                    .map(|f| {
                        let own: Vec<f64> =
                            scores[*i].relative.iter().map(|d| d[f]).filter(|v| v.is_finite()).collect();
                        Number(mean(&own))
                    })
                    .collect();
                if rank < goes {
                    // Against the first that stays, if there is one.
                    let against = own.get(goes).and_then(|n| significance::lower_p(s, &samples[*n]));
                    removed.push(Removal {
                        place: scores[*i].place,
                        score: Number(m),
                        tie: against.is_none_or(|p| p > significance::ALPHA),
                        by_lot: m.is_nan() || next.is_some_and(|n| mean(&samples[*n]) == m),
                    });
                }
                summaries.push(Summary {
                    place: scores[*i].place,
                    mean: Number(m),
                    deviation: Number(deviation),
                    by_function,
                    next: next.map(|n| scores[*n].place),
                    p: p.map(Number),
                    undefined: scores[*i].relative.len() - s.len(),
                });
            }
        }
    }
    (removed, summaries)
}

#[cfg(test)]
mod tests;
