//! Scores of a run, as its journal tells them, by round and operation.

use std::collections::{BTreeMap, VecDeque};

use super::round::Round;
use crate::proxies::aggregate::Aggregate;
use crate::run::event::{Body, Drawn, Event, PlaceSummary, Removal, ScoringEnded, ScoringStarted, Vote};
use crate::space::{Mask, Place, Space};

/// What is known of one operation of one edge.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlaceScore {
    /// Whether it takes part in the current round.
    pub alive: bool,
    /// The round in which it was removed.
    pub removed: Option<usize>,
}

/// Order of operations by importance: rank 1 is the most important, and equal ones share a rank.
#[derive(Clone, Debug)]
pub struct Ranking {
    space: Space,
    ranks: Vec<Option<usize>>,
    /// How many have a rank.
    pub total: usize,
}

impl Ranking {
    /// By a key, the highest first; places without one have no rank.
    fn of<K: PartialOrd>(space: Space, key: impl Fn(Place) -> Option<K>) -> Ranking {
        let all = space.places().enumerate();
        let mut known: Vec<(K, usize)> = all.filter_map(|(slot, p)| Some((key(p)?, slot))).collect();
        known.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap_or(std::cmp::Ordering::Equal).then(a.1.cmp(&b.1)));
        let mut ranks = vec![None; space.slots()];
        let mut rank = 1;
        for (i, (key, slot)) in known.iter().enumerate() {
            if i > 0 && *key < known[i - 1].0 {
                rank = i + 1;
            }
            ranks[*slot] = Some(rank);
        }
        Ranking { space, ranks, total: known.len() }
    }

    /// The order of numbers, the highest first.
    pub fn by(space: Space, number: impl Fn(Place) -> Option<f64>) -> Ranking {
        Ranking::of(space, number)
    }

    pub fn rank(&self, place: Place) -> Option<usize> {
        self.ranks.get(self.space.slot(place)?).copied().flatten()
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
    /// What is scored.
    space: Space,
    pub setup: Option<ScoringStarted>,
    pub round: usize,
    /// Evaluations of the current round, and how many of them are done.
    pub round_evaluations: usize,
    pub round_done: usize,
    /// Evaluations of all rounds that are done.
    pub done: usize,
    /// How many were done before each round.
    before: Vec<usize>,
    /// How the round stands, where draws go on until all is decided.
    pub drawn: Option<Drawn>,
    /// What is being scored.
    pub current: Option<(usize, Place)>,
    places: Vec<PlaceScore>,
    rounds: BTreeMap<usize, Round>,
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
            space: Space::default(),
            setup: None,
            round: 0,
            round_evaluations: 0,
            round_done: 0,
            done: 0,
            before: Vec::new(),
            drawn: None,
            current: None,
            places: vec![PlaceScore::default(); Space::default().slots()],
            rounds: BTreeMap::new(),
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
                let (space, places) = (self.space, vec![PlaceScore::default(); self.space.slots()]);
                let setup = Some(setup.clone());
                *self = Scoring { space, places, setup, started: event.time, ..Scoring::default() };
                self.last = event.time;
            }
            Body::RoundStarted { round, mask, evaluations } => {
                self.begin_round(*round, mask);
                self.round = *round;
                self.round_evaluations = *evaluations;
                self.round_done = 0;
                self.drawn = None;
                self.enter(mask);
                self.last = event.time;
            }
            Body::Drawn(drawn) => self.drawn = Some(drawn.clone()),
            Body::Scoring { draw, place, .. } => self.current = Some((*draw, *place)),
            Body::SampledCell { .. } => self.evaluated(event.time),
            Body::Score { round, draw, place, relative, .. } => {
                if !self.samples_cells() {
                    self.evaluated(event.time);
                }
                self.current = None;
                let relative = relative.iter().map(|v| v.0).collect();
                self.round_mut(*round).take(*draw, *place, relative);
            }
            Body::RoundEnded { round, removed, summaries, votes, .. } => {
                self.last = event.time;
                self.current = None;
                self.round_mut(*round).end(summaries, votes);
                for removal in removed {
                    if let Some(p) = self.space.slot(removal.place).and_then(|slot| self.places.get_mut(slot)) {
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

    /// One more evaluation is done.
    fn evaluated(&mut self, time: f64) {
        self.done += 1;
        self.round_done += 1;
        self.last = time;
        self.marks.push_back((time, self.done));
        while self.marks.len() > MARKS.1 || self.marks.len() > MARKS.0 && self.marks[1].0 < time - WINDOW {
            self.marks.pop_front();
        }
    }

    /// Whether scores come from sampled cells.
    pub fn samples_cells(&self) -> bool {
        self.setup.as_ref().is_some_and(ScoringStarted::samples_cells)
    }

    /// A round that begins again, after its engine left, counts anew.
    fn begin_round(&mut self, round: usize, mask: &Mask) {
        if let Some(before) = self.before.get(round) {
            self.done = *before;
            self.marks.clear();
            self.removals.retain(|(r, _)| *r < round);
            for p in &mut self.places {
                p.removed = p.removed.filter(|r| *r < round);
            }
        }
        // A round takes at least one operation: a damaged line may name any other.
        let round = round.min(self.space.slots());
        self.before.truncate(round);
        self.before.resize(round + 1, self.done);
        self.rounds.retain(|r, _| *r < round);
        self.rounds.insert(round, Round::new(self.aggregate(), *mask));
    }

    fn round_mut(&mut self, round: usize) -> &mut Round {
        let aggregate = self.aggregate();
        let space = self.space;
        let round = round.min(space.slots());
        self.rounds.entry(round).or_insert_with(|| Round::new(aggregate, Mask::empty(space)))
    }

    /// How the ranking functions are put together.
    pub fn aggregate(&self) -> Aggregate {
        self.setup.as_ref().and_then(|s| s.aggregate.parse().ok()).unwrap_or(Aggregate::Relative)
    }

    /// The engine is gone: nothing is being scored, and there is no rate.
    pub(super) fn halt(&mut self) {
        self.current = None;
        self.marks.clear();
    }

    fn enter(&mut self, mask: &Mask) {
        if self.space != mask.space() {
            self.space = mask.space();
            self.places = vec![PlaceScore::default(); self.space.slots()];
        }
        for (p, place) in self.places.iter_mut().zip(self.space.places()) {
            p.alive = mask.contains(place);
        }
    }

    /// What is known of a place; nothing of one that the space does not have.
    pub fn place(&self, place: Place) -> PlaceScore {
        self.space.slot(place).and_then(|slot| self.places.get(slot)).copied().unwrap_or_default()
    }

    /// Whether the place takes part at all.
    pub fn takes_part(&self, place: Place) -> bool {
        let p = self.place(place);
        p.alive || p.removed.is_some() || self.rounds.values().any(|r| r.draws(place) > 0)
    }

    /// A round, if it has begun.
    pub fn of_round(&self, round: usize) -> Option<&Round> {
        self.rounds.get(&round)
    }

    /// Rounds that have begun.
    pub fn rounds(&self) -> usize {
        self.rounds.keys().next_back().map_or(0, |r| r + 1)
    }

    /// The round that decided about a place: the one in which it was removed, or the last in which its edge was decided or
    /// is being decided.
    pub fn deciding(&self, place: Place) -> Option<usize> {
        let last = || self.rounds.iter().rev().find(|(_, r)| r.competes(place)).map(|(r, _)| *r);
        self.place(place).removed.or_else(last)
    }

    /// The round whose numbers are shown for a place: the one that is asked for, or else the deciding one.
    pub fn shown(&self, place: Place, round: Option<usize>) -> Option<&Round> {
        let round = self.of_round(round.or_else(|| self.deciding(place))?)?;
        round.competes(place).then_some(round)
    }

    /// The number that decided about a place, or the mean relative difference of one function, in a round or the deciding one.
    pub fn number(&self, place: Place, function: Option<usize>, round: Option<usize>) -> Option<f64> {
        self.shown(place, round)?.mean(place, function)
    }

    /// Its standard deviation over draws; with fewer than two there is none.
    pub fn spread(&self, place: Place, function: Option<usize>, round: Option<usize>) -> Option<f64> {
        self.shown(place, round)?.spread(place, function)
    }

    /// What a round, or the deciding one, found out about a place.
    pub fn summary(&self, place: Place, round: Option<usize>) -> Option<&PlaceSummary> {
        self.shown(place, round)?.summary(place)
    }

    /// The removal of a place.
    pub fn removal(&self, place: Place) -> Option<&Removal> {
        self.removals.iter().find(|(_, r)| r.place == place).map(|(_, r)| r)
    }

    /// How the functions counted in a round, or in the last that is over.
    pub fn votes(&self, round: Option<usize>) -> &[Vote] {
        let round = match round {
            Some(round) => self.of_round(round),
            None => self.rounds.values().rev().find(|r| r.ended),
        };
        round.map_or(&[], |r| &r.votes)
    }

    /// Ranking functions without a vote in a round, or in the last that is over, and why.
    pub fn silent(&self, round: Option<usize>) -> Vec<(&str, &str)> {
        let votes = self.votes(round).iter().enumerate();
        votes.filter_map(|(f, v)| Some((self.function_name(Some(f)), v.silent.as_deref()?))).collect()
    }

    /// The order in one round by the sum or by one function. Without a round, the order of removal: what was removed ranks
    /// below what stays, later removals above earlier ones, since numbers of different rounds do not compare.
    pub fn ranking(&self, function: Option<usize>, round: Option<usize>) -> Ranking {
        if round.is_some() {
            return Ranking::by(self.space, |p| self.number(p, function, round));
        }
        let key = |p: Place| Some((self.place(p).removed.unwrap_or(usize::MAX), self.number(p, function, None)?));
        Ranking::of(self.space, key)
    }

    /// Evaluations a second over the last few; without two there is none.
    pub fn rate(&self) -> Option<f64> {
        let (first, last) = (self.marks.front()?, self.marks.back()?);
        let seconds = last.0 - first.0;
        (seconds > 0.0).then(|| (last.1 - first.1) as f64 / seconds)
    }

    /// Draws go on until all is decided: nobody knows how many there will be.
    pub fn until_decided(&self) -> bool {
        self.setup.as_ref().is_some_and(|s| s.until_decided)
    }

    /// Evaluations of all rounds; where draws go on until all is decided, at most.
    pub fn total(&self) -> usize {
        if self.ended.is_some() && self.until_decided() {
            return self.done;
        }
        self.setup.as_ref().map_or(0, |s| s.evaluations).max(self.done)
    }

    /// Seconds to go at the present rate, at most where the total is.
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
            _ if self.aggregate() == Aggregate::Ranks => "rank sum",
            _ => "sum",
        }
    }

    /// Removals that were within noise.
    pub fn ties(&self) -> usize {
        self.removals.iter().filter(|(_, r)| r.tie).count()
    }

    /// Removals that no defined score decided.
    pub fn undecided(&self) -> usize {
        self.removals.iter().filter(|(_, r)| unscored(r)).count()
    }

    /// The least p-value that so many draws of two operations can have, 1/C(2n, n), where it is above the level of
    /// significance: as 1 over a whole number.
    pub fn least_p(&self) -> Option<usize> {
        let draws = self.setup.as_ref()?.draws;
        // Of functions that are the same in every draw one is enough, and equal means equal.
        let counted = self.rounds.values().any(|r| self.space.places().any(|p| r.summary(p).is_some_and(told)));
        match draws {
            1 if !counted => Some(2),
            2 if !counted => Some(6),
            _ => None,
        }
    }
}

/// Whether a test says more than two draws can.
fn told(summary: &PlaceSummary) -> bool {
    summary.p.is_some_and(|p| p.0 < 0.1)
}

/// Whether chance decided, since no score was defined.
pub fn unscored(removal: &Removal) -> bool {
    removal.undefined || !removal.score.0.is_finite()
}
