use std::collections::VecDeque;

use super::{SLOTS, slot};
use crate::run::event::{Body, Event, Removal, ScoringEnded, ScoringStarted, Summary};
use crate::space::{Mask, Place};

/// What is known of one operation of one edge.
#[derive(Clone, Debug, Default)]
pub struct PlaceScore {
    /// Whether it takes part in the current round.
    pub alive: bool,
    /// The round that the values are from.
    pub round: usize,
    /// Score of each draw of that round.
    pub draws: Vec<f64>,
    /// By ranking function, the relative difference of each draw of that round.
    pub by_function: Vec<Vec<f64>>,
    /// By ranking function, the relative difference of each draw of the first round, in which all took part.
    pub first: Vec<Vec<f64>>,
    /// Score of every draw of every round so far.
    pub history: Vec<f64>,
    pub summary: Option<Summary>,
    /// The round in which it left.
    pub removed: Option<usize>,
}

impl PlaceScore {
    /// Mean over the draws so far, of the sum or of one ranking function; draws that are not finite are left out.
    pub fn mean(&self, function: Option<usize>) -> Option<f64> {
        mean(self.values(function))
    }

    /// Standard deviation over the draws so far; with fewer than two there is none.
    pub fn spread(&self, function: Option<usize>) -> Option<f64> {
        let finite: Vec<f64> = self.values(function).iter().copied().filter(|v| v.is_finite()).collect();
        let m = mean(&finite)?;
        (finite.len() > 1)
            .then(|| (finite.iter().map(|v| (v - m) * (v - m)).sum::<f64>() / (finite.len() - 1) as f64).sqrt())
    }

    /// The draws of its latest round.
    pub fn values(&self, function: Option<usize>) -> &[f64] {
        match function {
            None => &self.draws,
            Some(f) => self.by_function.get(f).map_or(&[], Vec::as_slice),
        }
    }

    /// Draws of the latest round that are NaN or infinite.
    pub fn undefined(&self) -> usize {
        self.draws.iter().filter(|v| !v.is_finite()).count()
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    let (sum, n) = values.iter().filter(|v| v.is_finite()).fold((0.0, 0usize), |(s, n), v| (s + v, n + 1));
    (n > 0).then(|| sum / n as f64)
}

/// Order of all operations by importance: rank 1 is the most important.
#[derive(Clone, Debug)]
pub struct Ranking {
    ranks: Vec<Option<usize>>,
    /// How many have a rank.
    pub total: usize,
}

impl Ranking {
    pub fn rank(&self, place: Place) -> Option<usize> {
        self.ranks.get(slot(place)).copied().flatten()
    }

    /// 1 for the most important, 0 for the least.
    pub fn height(&self, place: Place) -> Option<f64> {
        let rank = self.rank(place)?;
        Some(if self.total > 1 { 1.0 - (rank - 1) as f64 / (self.total - 1) as f64 } else { 1.0 })
    }
}

/// The scoring stage.
#[derive(Clone, Debug)]
pub struct Scoring {
    pub setup: Option<ScoringStarted>,
    pub round: usize,
    /// Evaluations of the current round, and how many of them are done.
    pub round_evaluations: usize,
    pub round_done: usize,
    /// Evaluations of all rounds that are done.
    pub done: usize,
    /// How many were done before each round.
    before: Vec<usize>,
    /// What is being scored.
    pub current: Option<(usize, Place)>,
    places: Vec<PlaceScore>,
    /// Removals so far, with the round.
    pub removals: Vec<(usize, Removal)>,
    pub ended: Option<ScoringEnded>,
    started: f64,
    last: f64,
    /// Times of the latest evaluations, for the rate.
    marks: VecDeque<(f64, usize)>,
}

impl Default for Scoring {
    fn default() -> Self {
        Scoring {
            setup: None,
            round: 0,
            round_evaluations: 0,
            round_done: 0,
            done: 0,
            before: Vec::new(),
            current: None,
            places: vec![PlaceScore::default(); SLOTS],
            removals: Vec::new(),
            ended: None,
            started: 0.0,
            last: 0.0,
            marks: VecDeque::new(),
        }
    }
}

/// Seconds that the rate is measured over at least, where there are so many: scores come in bursts, whatever several threads
/// have done.
const WINDOW: f64 = 20.0;
/// Marks at least, and at most, whatever time they took.
const MARKS: (usize, usize) = (64, 4096);

impl Scoring {
    pub(super) fn apply(&mut self, event: &Event) {
        match &event.body {
            Body::RunStarted(run) if self.setup.is_none() => self.enter(&run.space),
            Body::RunStarted(_) => {
                // Taken up again: the time in between was no work.
                self.started += (event.time - self.last).max(0.0);
                self.last = event.time;
                self.marks.clear();
            }
            Body::ScoringStarted(setup) => {
                *self = Scoring { setup: Some(setup.clone()), started: event.time, ..Scoring::default() };
                self.last = event.time;
            }
            Body::RoundStarted { round, mask, evaluations } => {
                self.begin_round(*round);
                self.round = *round;
                self.round_evaluations = *evaluations;
                self.round_done = 0;
                self.enter(mask);
                self.last = event.time;
            }
            Body::Scoring { draw, place, .. } => self.current = Some((*draw, *place)),
            Body::Score { round, place, relative, score, .. } => {
                self.done += 1;
                self.round_done += 1;
                self.last = event.time;
                self.marks.push_back((event.time, self.done));
                while self.marks.len() > MARKS.1 || self.marks.len() > MARKS.0 && self.marks[1].0 < event.time - WINDOW
                {
                    self.marks.pop_front();
                }
                self.current = None;
                if let Some(p) = self.places.get_mut(slot(*place)) {
                    if p.round != *round || p.by_function.len() != relative.len() {
                        p.round = *round;
                        p.draws.clear();
                        p.by_function = vec![Vec::new(); relative.len()];
                    }
                    if *round == 0 {
                        p.first.resize(relative.len(), Vec::new());
                        for (values, value) in p.first.iter_mut().zip(relative) {
                            values.push(value.0);
                        }
                    }
                    p.draws.push(score.0);
                    p.history.push(score.0);
                    for (values, value) in p.by_function.iter_mut().zip(relative) {
                        values.push(value.0);
                    }
                }
            }
            Body::RoundEnded { round, removed, summaries, .. } => {
                self.last = event.time;
                self.current = None;
                for summary in summaries {
                    if let Some(p) = self.places.get_mut(slot(summary.place)) {
                        p.summary = Some(summary.clone());
                    }
                }
                for removal in removed {
                    if let Some(p) = self.places.get_mut(slot(removal.place)) {
                        p.alive = false;
                        p.removed = Some(*round);
                    }
                    self.removals.push((*round, removal.clone()));
                }
            }
            Body::ScoringEnded(ended) => {
                self.last = event.time;
                self.current = None;
                self.ended = Some(ended.clone());
            }
            _ => {}
        }
    }

    /// A round that begins again, after its engine left, counts anew.
    fn begin_round(&mut self, round: usize) {
        if let Some(before) = self.before.get(round) {
            self.done = *before;
            self.marks.clear();
            self.removals.retain(|(r, _)| *r < round);
            for p in self.places.iter_mut().filter(|p| p.round == round) {
                p.draws.clear();
                p.by_function.iter_mut().for_each(Vec::clear);
                if round == 0 {
                    p.first.clear();
                }
            }
        }
        // A round takes at least one operation: a damaged line may name any other.
        let round = round.min(Place::all().count());
        self.before.truncate(round);
        self.before.resize(round + 1, self.done);
    }

    /// The engine is gone: nothing is being scored, and there is no rate.
    pub(super) fn halt(&mut self) {
        self.current = None;
        self.marks.clear();
    }

    fn enter(&mut self, mask: &Mask) {
        for place in Place::all() {
            if let Some(p) = self.places.get_mut(slot(place)) {
                p.alive = mask.contains(place);
            }
        }
    }

    /// What is known of a place.
    pub fn place(&self, place: Place) -> &PlaceScore {
        &self.places[slot(place) % SLOTS]
    }

    /// Whether the place takes part at all.
    pub fn takes_part(&self, place: Place) -> bool {
        let p = self.place(place);
        p.alive || p.removed.is_some() || !p.draws.is_empty()
    }

    /// The order of importance by the sum or by one function. What has left ranks below what stays, later removals above
    /// earlier ones, since scores of different rounds do not compare.
    pub fn ranking(&self, function: Option<usize>) -> Ranking {
        let mut known: Vec<(usize, usize, f64)> = Vec::with_capacity(SLOTS);
        for (i, p) in self.places.iter().enumerate() {
            if let Some(m) = p.mean(function) {
                known.push((p.removed.map_or(usize::MAX, |r| r), i, m));
            }
        }
        known.sort_by(|a, b| b.0.cmp(&a.0).then(b.2.total_cmp(&a.2)).then(a.1.cmp(&b.1)));
        let mut ranks = vec![None; SLOTS];
        for (rank, (_, i, _)) in known.iter().enumerate() {
            ranks[*i] = Some(rank + 1);
        }
        Ranking { ranks, total: known.len() }
    }

    /// The order by one function, or the sum, in the first round alone: the only one whose scores all compare.
    pub fn first_ranking(&self, function: Option<usize>) -> Ranking {
        let value = |p: &PlaceScore| match function {
            Some(f) => mean(p.first.get(f)?),
            None => (!p.first.is_empty()).then(|| p.first.iter().filter_map(|v| mean(v)).sum()),
        };
        let mut known: Vec<(usize, f64)> =
            self.places.iter().enumerate().filter_map(|(i, p)| Some((i, value(p)?))).collect();
        known.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let mut ranks = vec![None; SLOTS];
        for (rank, (i, _)) in known.iter().enumerate() {
            ranks[*i] = Some(rank + 1);
        }
        Ranking { ranks, total: known.len() }
    }

    /// Evaluations a second over the last few; without two there is none.
    pub fn rate(&self) -> Option<f64> {
        let (first, last) = (self.marks.front()?, self.marks.back()?);
        let seconds = last.0 - first.0;
        (seconds > 0.0).then(|| (last.1 - first.1) as f64 / seconds)
    }

    /// Evaluations of all rounds.
    pub fn total(&self) -> usize {
        self.setup.as_ref().map_or(0, |s| s.evaluations).max(self.done)
    }

    /// Seconds to go at the present rate.
    pub fn left(&self) -> Option<f64> {
        if self.ended.is_some() {
            return Some(0.0);
        }
        Some(self.total().saturating_sub(self.done) as f64 / self.rate()?)
    }

    /// Seconds spent.
    pub fn seconds(&self) -> f64 {
        self.ended.as_ref().map_or(self.last - self.started, |e| e.seconds)
    }

    /// The name of a function, or what the sum is called.
    pub fn function_name(&self, function: Option<usize>) -> &str {
        match (function, &self.setup) {
            (Some(f), Some(setup)) => setup.functions.get(f).map_or("?", String::as_str),
            _ => "sum",
        }
    }

    /// Removals that were within noise.
    pub fn ties(&self) -> usize {
        self.removals.iter().filter(|(_, r)| r.tie).count()
    }
}
