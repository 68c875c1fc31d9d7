//! Cutting the space: from the removal order that scoring recorded and a pruning level to a mask, hand changes on top,
//! undo and redo, and controls of the same size.

use std::collections::BTreeMap;

use super::{CellKind, Edge, Mask, OPERATIONS, Operation, Place};
use crate::random;

/// Where the automatic part of a cut comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The removal order of the ranking functions.
    Scores,
    /// Control: as many per edge, drawn by the saved seed.
    Random,
    /// Control: the operations that keep the least memory for a backward pass.
    Cheapest,
    /// Control: the operations with the most parameters.
    MostParameters,
}

impl Source {
    pub const ALL: [Source; 4] = [Source::Scores, Source::Random, Source::Cheapest, Source::MostParameters];

    pub const fn name(self) -> &'static str {
        match self {
            Source::Scores => "scores",
            Source::Random => "random",
            Source::Cheapest => "cheapest",
            Source::MostParameters => "most_parameters",
        }
    }

    pub fn by_name(name: &str) -> Option<Source> {
        Source::ALL.into_iter().find(|s| s.name() == name)
    }
}

/// Operations that an edge keeps at pruning level `xi`: the share of all eight that goes is at least `xi`, and one stays.
pub fn kept_per_edge(xi: f64) -> usize {
    // A hair over, so that 1 - 0.625 keeps its three.
    ((OPERATIONS as f64 * (1.0 - xi) + 1e-9).floor() as usize).clamp(1, OPERATIONS)
}

/// The level at which each edge keeps `kept` operations.
pub fn level_of(kept: usize) -> f64 {
    1.0 - kept.clamp(1, OPERATIONS) as f64 / OPERATIONS as f64
}

/// Everything that a cut is made from.
#[derive(Clone, Debug)]
pub struct Cutter {
    /// Operations that took part in scoring; no other can be kept.
    pub space: Mask,
    /// Removals, first to last. What is not in it stays to the end.
    pub order: Vec<Place>,
    /// For [`Source::Random`].
    pub seed: u64,
}

/// A cut in the making: level, source, and what was decided by hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    pub xi: f64,
    pub source: Source,
    by_hand: BTreeMap<Place, bool>,
}

/// A change of a proposal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// Another level; what was decided by hand stays.
    Level(f64),
    Source(Source),
    /// Nothing by hand any more.
    Automatic,
    Set(Place, bool),
    /// All of an edge, or only its best operation.
    Edge(CellKind, Edge, bool),
    /// An operation everywhere it can be kept, or nowhere that leaves the edge something else.
    Kind(Option<CellKind>, Operation, bool),
}

/// Why a change can't be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CutError {
    #[error("a pruning level lies above 0 and below 1, not at {0}")]
    Level(f64),
    #[error("edge {edge} of the {cell} cell would keep no operation; keep another one first", edge = .0.edge, cell = .0.cell)]
    Last(Place),
    #[error("{operation} did not take part in scoring, so it can't be kept on edge {edge} of the {cell} cell", operation = .0.operation, edge = .0.edge, cell = .0.cell)]
    Outside(Place),
}

impl Cutter {
    /// The levels that there are to choose from: from nothing gone but what never took part, to one operation an edge.
    pub fn levels(&self) -> impl Iterator<Item = f64> + use<> {
        let space = self.space;
        let most = Operation::ALL.iter().filter(|o| space.places().any(|p| p.operation == **o)).count();
        (1..=most).rev().map(level_of)
    }

    /// The operations of an edge, first to go first.
    fn ranking(&self, source: Source, cell: CellKind, edge: Edge) -> Vec<Operation> {
        let mut operations: Vec<Operation> = self.space.kept(cell, edge).collect();
        match source {
            Source::Scores => {
                let at = |o: &Operation| {
                    let place = Place::new(cell, edge, *o);
                    self.order.iter().position(|p| *p == place).unwrap_or(usize::MAX)
                };
                operations.sort_by_key(at);
            }
            Source::Random => {
                let index = (cell.index() * super::EDGES + edge.index()) as u64;
                random::shuffle(&mut random::stream_at(self.seed, "cut/random", [index, 0]), &mut operations);
            }
            Source::Cheapest => operations.sort_by_key(|o| std::cmp::Reverse(cost(*o))),
            Source::MostParameters => operations.sort_by_key(|o| weight(*o)),
        }
        operations
    }

    /// The mask of a source at a level.
    pub fn automatic(&self, source: Source, xi: f64) -> Mask {
        let mut mask = self.space;
        for cell in CellKind::ALL {
            for edge in Edge::all() {
                let ranking = self.ranking(source, cell, edge);
                let gone = ranking.len().saturating_sub(kept_per_edge(xi));
                for o in &ranking[..gone] {
                    mask.set(Place::new(cell, edge, *o), false);
                }
            }
        }
        mask
    }

    /// The mask of a proposal.
    pub fn mask(&self, proposal: &Proposal) -> Mask {
        let mut mask = self.automatic(proposal.source, proposal.xi);
        for (place, kept) in &proposal.by_hand {
            mask.set(*place, *kept);
        }
        // A level that removes what hand decisions left alone must not empty an edge: its best operation stays.
        for cell in CellKind::ALL {
            for edge in Edge::all() {
                if mask.count_on(cell, edge) == 0
                    && let Some(best) = self.ranking(proposal.source, cell, edge).last()
                {
                    mask.set(Place::new(cell, edge, *best), true);
                }
            }
        }
        mask
    }

    /// Places whose state was decided by hand and differs from the automatic cut.
    pub fn by_hand(&self, proposal: &Proposal) -> Vec<Place> {
        let (mask, automatic) = (self.mask(proposal), self.automatic(proposal.source, proposal.xi));
        Place::all().filter(|p| mask.contains(*p) != automatic.contains(*p)).collect()
    }

    /// # Errors
    /// A level outside (0, 1); a change that would empty an edge or keep what was not scored.
    pub fn change(&self, proposal: &Proposal, change: Change) -> Result<Proposal, CutError> {
        let mut next = proposal.clone();
        match change {
            Change::Level(xi) => {
                if !(xi > 0.0 && xi < 1.0) {
                    return Err(CutError::Level(xi));
                }
                next.xi = xi;
            }
            Change::Source(source) => next.source = source,
            Change::Automatic => next.by_hand.clear(),
            Change::Set(place, kept) => {
                if kept && !self.space.contains(place) {
                    return Err(CutError::Outside(place));
                }
                let mask = self.mask(&next);
                if !kept && mask.contains(place) && mask.count_on(place.cell, place.edge) == 1 {
                    return Err(CutError::Last(place));
                }
                next.by_hand.insert(place, kept);
            }
            Change::Edge(cell, edge, kept) => {
                let ranking = self.ranking(next.source, cell, edge);
                for (i, o) in ranking.iter().enumerate() {
                    next.by_hand.insert(Place::new(cell, edge, *o), kept || i + 1 == ranking.len());
                }
            }
            Change::Kind(cell, operation, kept) => {
                for cell in CellKind::ALL.into_iter().filter(|c| cell.is_none_or(|only| only == *c)) {
                    for edge in Edge::all() {
                        let place = Place::new(cell, edge, operation);
                        let mask = self.mask(&next);
                        let last = mask.contains(place) && mask.count_on(cell, edge) == 1;
                        if self.space.contains(place) && (kept || !last) {
                            next.by_hand.insert(place, kept);
                        }
                    }
                }
            }
        }
        Ok(next)
    }

    /// What a person should know before confirming; none of it forbids the cut.
    pub fn warnings(&self, mask: &Mask) -> Vec<String> {
        let mut found = Vec::new();
        for cell in CellKind::ALL {
            for edge in Edge::all() {
                if mask.kept(cell, edge).eq([Operation::None]) {
                    found.push(format!("edge {edge} of the {cell} cell keeps only `none`: it can't be chosen"));
                }
            }
        }
        let kept: std::collections::BTreeSet<Operation> = mask.places().map(|p| p.operation).collect();
        if kept.len() == 1 {
            found.extend(
                kept.iter().map(|o| format!("every kept operation is {o}: nothing is left to choose but edges")),
            );
        } else if !kept.iter().any(|o| o.is_convolution()) {
            found.push("no convolution is kept: the cells would have no weights of their own but projections".into());
        }
        found
    }
}

/// Rank by what an operation keeps for its backward pass, then by its arithmetic.
const fn cost(o: Operation) -> u8 {
    match o {
        Operation::None => 0,
        Operation::SkipConnect => 1,
        Operation::AvgPool3x3 => 2,
        Operation::MaxPool3x3 => 3,
        Operation::DilConv3x3 => 4,
        Operation::DilConv5x5 => 5,
        Operation::SepConv3x3 => 6,
        Operation::SepConv5x5 => 7,
    }
}

/// Rank by parameters; where there are none, a strided skip connection comes before the pools.
const fn weight(o: Operation) -> u8 {
    match o {
        Operation::None => 0,
        Operation::AvgPool3x3 => 1,
        Operation::MaxPool3x3 => 2,
        Operation::SkipConnect => 3,
        Operation::DilConv3x3 => 4,
        Operation::DilConv5x5 => 5,
        Operation::SepConv3x3 => 6,
        Operation::SepConv5x5 => 7,
    }
}

impl Proposal {
    pub fn new(source: Source, xi: f64) -> Proposal {
        Proposal { xi, source, by_hand: BTreeMap::new() }
    }
}

/// A proposal with its past and its undone future.
#[derive(Clone, Debug)]
pub struct History {
    past: Vec<Proposal>,
    now: Proposal,
    future: Vec<Proposal>,
    /// Changes, undos and redos so far: tells one state from another.
    pub revision: usize,
}

impl History {
    pub fn new(start: Proposal) -> History {
        History { past: Vec::new(), now: start, future: Vec::new(), revision: 0 }
    }

    pub fn now(&self) -> &Proposal {
        &self.now
    }

    pub fn push(&mut self, next: Proposal) {
        self.past.push(std::mem::replace(&mut self.now, next));
        self.future.clear();
        self.revision += 1;
    }

    /// Whether there was something to undo.
    pub fn undo(&mut self) -> bool {
        let Some(before) = self.past.pop() else { return false };
        self.future.push(std::mem::replace(&mut self.now, before));
        self.revision += 1;
        true
    }

    /// Whether there was something to redo.
    pub fn redo(&mut self) -> bool {
        let Some(after) = self.future.pop() else { return false };
        self.past.push(std::mem::replace(&mut self.now, after));
        self.revision += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Operations go in column order, on every edge.
    fn cutter(space: Mask) -> Cutter {
        let mut order = Vec::new();
        for o in &Operation::ALL[..7] {
            order.extend(space.places().filter(|p| p.operation == *o));
        }
        Cutter { space, order, seed: 3 }
    }

    #[test]
    fn a_level_counts_all_eight() {
        for (xi, kept) in [(0.01, 7), (0.125, 7), (0.25, 6), (0.5, 4), (0.625, 3), (0.75, 2), (0.875, 1), (0.99, 1)] {
            assert_eq!(kept_per_edge(xi), kept, "{xi}");
            for source in Source::ALL {
                let mask = cutter(Mask::NO_NONE).automatic(source, xi);
                assert_eq!(mask.count(), 28 * kept, "{xi} {source:?}");
                assert!(mask.check().is_ok());
            }
        }
        assert_eq!(kept_per_edge(level_of(3)), 3);
    }

    #[test]
    fn the_order_is_obeyed_and_controls_are_controls() {
        let c = cutter(Mask::NO_NONE);
        let half = c.automatic(Source::Scores, 0.5);
        assert_eq!(half, Mask::uniform(&Operation::ALL[4..]));
        assert_eq!(c.automatic(Source::MostParameters, 0.5), half);
        let cheap = c.automatic(Source::Cheapest, 0.5);
        assert!(cheap.places().all(|p| !matches!(p.operation, Operation::SepConv3x3 | Operation::SepConv5x5)));
        let random = c.automatic(Source::Random, 0.5);
        assert_ne!(random, half);
        assert_eq!(random, c.automatic(Source::Random, 0.5));
        assert_ne!(random, Cutter { seed: 4, ..c }.automatic(Source::Random, 0.5));
    }

    #[test]
    fn hand_changes_survive_a_level_and_are_undone() {
        let c = cutter(Mask::NO_NONE);
        let mut h = History::new(Proposal::new(Source::Scores, 0.5));
        let place: Place = "normal:3:max_pool_3x3".parse().unwrap();
        h.push(c.change(h.now(), Change::Set(place, true)).unwrap());
        h.push(c.change(h.now(), Change::Level(0.75)).unwrap());
        assert!(c.mask(h.now()).contains(place));
        assert_eq!(c.by_hand(h.now()), [place]);
        assert!(h.undo() && h.undo() && !h.undo());
        assert!(!c.mask(h.now()).contains(place));
        assert!(h.redo());
        assert!(c.mask(h.now()).contains(place));
        assert_eq!(h.revision, 5);
    }

    #[test]
    fn impossible_cuts_are_refused() {
        let c = cutter(Mask::NO_NONE);
        let p = Proposal::new(Source::Scores, 0.875);
        let last: Place = "reduction:0:dil_conv_5x5".parse().unwrap();
        assert_eq!(c.change(&p, Change::Set(last, false)), Err(CutError::Last(last)));
        let none: Place = "normal:0:none".parse().unwrap();
        assert_eq!(c.change(&p, Change::Set(none, true)), Err(CutError::Outside(none)));
        for xi in [0.0, 1.0, -1.0, f64::NAN] {
            assert!(matches!(c.change(&p, Change::Level(xi)), Err(CutError::Level(_))));
        }
        let all = c.change(&p, Change::Kind(None, Operation::DilConv5x5, false)).unwrap();
        assert!(c.mask(&all).check().is_ok());
        let e = Edge::new(2).unwrap();
        let wide = c.change(&p, Change::Edge(CellKind::Normal, e, true)).unwrap();
        assert_eq!(c.mask(&wide).count_on(CellKind::Normal, e), 7);
        let narrow = c.change(&wide, Change::Edge(CellKind::Normal, e, false)).unwrap();
        assert_eq!(c.mask(&narrow).count_on(CellKind::Normal, e), 1);
    }
}
