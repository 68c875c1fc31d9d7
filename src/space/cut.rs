//! Cutting the space: from the removal order that scoring recorded and a pruning level to a mask, hand changes on top,
//! undo and redo, and controls of the same size.

use std::collections::BTreeMap;

use super::{By, CellKind, Counts, Edge, Mask, Operation, Place};
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
}

crate::words::words!(Source);

/// Over what a pruning level is a share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Each edge keeps as many.
    #[default]
    Edge,
    /// As many in all, wherever they are worth most: edges keep unequal numbers, each at least one.
    Global,
}

impl Scope {
    pub const ALL: [Scope; 2] = [Scope::Edge, Scope::Global];

    pub const fn name(self) -> &'static str {
        match self {
            Scope::Edge => "edge",
            Scope::Global => "global",
        }
    }

    /// The other one.
    #[must_use]
    pub const fn turned(self) -> Scope {
        match self {
            Scope::Edge => Scope::Global,
            Scope::Global => Scope::Edge,
        }
    }

    /// For journals, which leave the usual one out.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    pub fn is_edge(&self) -> bool {
        *self == Scope::Edge
    }
}

crate::words::words!(Scope);

/// Operations that an edge keeps at pruning level `xi` in a space with `width` candidates on its widest edge: the share of
/// those that goes is at least `xi`, and one stays.
pub fn kept_per_edge(xi: f64, width: usize) -> usize {
    // A hair over, so that 1 - 0.625 of eight keeps its three.
    ((width as f64 * (1.0 - xi) + 1e-9).floor() as usize).clamp(1, width.max(1))
}

/// The level at which each edge keeps `kept` operations of `width`.
pub fn level_of(kept: usize, width: usize) -> f64 {
    let width = width.max(1);
    1.0 - kept.clamp(1, width) as f64 / width as f64
}

/// A level in at most four decimals: what is shown is never above it, so that who types it gets the same cut.
pub fn level_text(xi: f64) -> String {
    let shown = (xi * 1e4 + 1e-6).floor() / 1e4;
    if shown > 0.0 { shown.to_string() } else { xi.to_string() }
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

/// How much the automatic part of a cut keeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Extent {
    /// The same number on every edge, by the pruning level.
    Level(f64),
    /// As many in all as at this level, unequal between edges: these.
    Global { xi: f64, mask: Mask },
    /// So many on each edge: a control beside a cut that keeps more on one edge than on another.
    Counts(Counts),
    /// Single operations, as many as are predicted to fit into so many bytes: these.
    Budget { bytes: u64, mask: Mask },
}

impl Extent {
    /// Share of the candidates `full` that goes.
    pub fn xi(&self, full: &Mask) -> f64 {
        let gone = |kept: usize| 1.0 - kept as f64 / full.count().max(1) as f64;
        match self {
            Extent::Level(xi) | Extent::Global { xi, .. } => *xi,
            Extent::Counts(counts) => gone(counts.sum()),
            Extent::Budget { mask, .. } => gone(mask.count()),
        }
    }

    /// The extent of a control that keeps as much on every edge as this cut of this extent does.
    fn beside(self, mask: &Mask, width: usize) -> Extent {
        match self {
            Extent::Level(xi) if mask.counts() == Counts::uniform(mask.space(), kept_per_edge(xi, width)) => self,
            _ => Extent::Counts(mask.counts()),
        }
    }
}

/// A cut in the making: how much is kept, where that comes from, and what was decided by hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    pub extent: Extent,
    pub source: Source,
    /// Which order of the scores, where those are the source; the caller has a [`Cutter`] for each.
    pub by: By,
    by_hand: BTreeMap<Place, bool>,
}

/// A change of a proposal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// Another level; what was decided by hand stays.
    Level(f64),
    /// What fits into so many bytes, found by the caller; what was decided by hand stays.
    Budget {
        bytes: u64,
        mask: Mask,
    },
    /// As many in all as at this level, found by the caller; what was decided by hand stays.
    Global {
        xi: f64,
        mask: Mask,
    },
    /// Another source, with as many operations on every edge as now; decisions by hand were those of the cut before.
    Source(Source),
    /// Nothing by hand any more.
    Automatic,
    Set(Place, bool),
    /// Exactly these: what the automatic part would have otherwise is decided by hand, and nothing else.
    Mask(Mask),
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
    #[error("{operation} is not in the space that is cut ({}), so it can't be kept on edge {edge} of the {cell} cell", why_outside(.0.operation), operation = .0.operation, edge = .0.edge, cell = .0.cell)]
    Outside(Place),
    #[error("there is no {0} in the search space {1}")]
    Absent(Place, &'static str),
    #[error("the mask is of {0}, not of {1}")]
    Space(&'static str, &'static str),
}

/// The setting that leaves an operation out.
const fn why_outside(operation: Operation) -> &'static str {
    if matches!(operation, Operation::None) { "score.none = \"off\"" } else { "space.name" }
}

impl Cutter {
    /// All candidates of the search space, whether they took part or not: what a pruning level is a share of.
    pub fn full(&self) -> Mask {
        self.space.space().full()
    }

    /// The levels that there are to choose from: from nothing gone but what never took part, to one operation an edge, or as far as
    /// the order goes.
    pub fn levels(&self) -> impl Iterator<Item = f64> + use<> {
        let width = self.full().widest();
        (self.ends_at()..=self.space.widest()).rev().map(move |kept| level_of(kept, width))
    }

    /// The operations of an edge that the order says nothing of: more than one where scoring ended at a level.
    fn unranked(&self, cell: CellKind, edge: Edge) -> Vec<Operation> {
        let mut own: Vec<Operation> = self.space.kept(cell, edge).collect();
        own.retain(|o| !self.order.contains(&Place::new(cell, edge, *o)));
        own
    }

    /// Operations of an edge at least that a cut by the order keeps: one, or more where scoring ended at a level. One without an order.
    pub fn ends_at(&self) -> usize {
        if self.order.is_empty() {
            return 1;
        }
        let edges = self.space.space().all_edges();
        edges.map(|(cell, edge)| self.unranked(cell, edge).len()).max().unwrap_or(1).max(1)
    }

    /// Whether the automatic part of a cut by scores lets something go that no score ranks, since the order ends before.
    pub fn goes_beyond(&self, proposal: &Proposal) -> bool {
        if proposal.source != Source::Scores || self.order.is_empty() {
            return false;
        }
        let mask = self.automatic_of(proposal);
        mask.space().all_edges().any(|(cell, edge)| {
            let unranked = self.unranked(cell, edge);
            unranked.len() > 1 && unranked.iter().any(|o| !mask.contains(Place::new(cell, edge, *o)))
        })
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
                let index = self.space.space().row(cell, edge).unwrap_or(0) as u64;
                random::shuffle(&mut random::stream_at(self.seed, "cut/random", [index, 0]), &mut operations);
            }
            Source::Cheapest => operations.sort_by_key(|o| std::cmp::Reverse(o.cost())),
            Source::MostParameters => operations.sort_by_key(|o| o.weight()),
        }
        operations
    }

    fn uniform(&self, kept: usize) -> Counts {
        Counts::uniform(self.space.space(), kept)
    }

    /// The operation that stays longest on an edge.
    pub fn best(&self, source: Source, cell: CellKind, edge: Edge) -> Option<Operation> {
        self.ranking(source, cell, edge).last().copied()
    }

    /// Every operation of the space, the most important first: first those that stay to the end on their edge, then those
    /// that go last, and so on; of one depth those of the higher score first (no score comes last), then by place. A random
    /// source draws the order of one depth by the saved seed, too. Any level is a prefix of it.
    pub fn by_importance(&self, source: Source, score: impl Fn(Place) -> Option<f64>) -> Vec<Place> {
        let mut all: Vec<(usize, Place)> = Vec::new();
        for (cell, edge) in self.space.space().all_edges() {
            let ranking = self.ranking(source, cell, edge);
            all.extend(ranking.iter().rev().enumerate().map(|(depth, o)| (depth, Place::new(cell, edge, *o))));
        }
        match source {
            Source::Scores => {
                let of = |p: Place| score(p).filter(|s| !s.is_nan());
                all.sort_by(|(d, p), (e, q)| {
                    let higher_first = match (of(*p), of(*q)) {
                        (Some(a), Some(b)) => b.total_cmp(&a),
                        (a, b) => b.is_some().cmp(&a.is_some()),
                    };
                    d.cmp(e).then(higher_first).then(p.cmp(q))
                });
            }
            Source::Random => {
                random::shuffle(&mut random::stream_at(self.seed, "cut/random/order", [0, 0]), &mut all);
                all.sort_by_key(|(depth, _)| *depth);
            }
            Source::Cheapest | Source::MostParameters => all.sort(),
        }
        all.into_iter().map(|(_, place)| place).collect()
    }

    /// The mask of a source at a level.
    pub fn automatic(&self, source: Source, xi: f64) -> Mask {
        self.with_counts(source, &self.uniform(kept_per_edge(xi, self.full().widest())))
    }

    /// The mask of a source with so many operations on each edge; an edge that has fewer keeps those.
    pub fn with_counts(&self, source: Source, counts: &Counts) -> Mask {
        let mut mask = self.space;
        for (cell, edge) in mask.space().all_edges() {
            let ranking = self.ranking(source, cell, edge);
            let gone = ranking.len().saturating_sub(counts.on(cell, edge).max(1));
            for o in &ranking[..gone] {
                mask.set(Place::new(cell, edge, *o), false);
            }
        }
        mask
    }

    /// The mask of a proposal without its decisions by hand.
    pub fn automatic_of(&self, proposal: &Proposal) -> Mask {
        match &proposal.extent {
            Extent::Level(xi) => self.automatic(proposal.source, *xi),
            Extent::Counts(counts) => self.with_counts(proposal.source, counts),
            Extent::Global { mask, .. } | Extent::Budget { mask, .. } => *mask,
        }
    }

    /// The mask of a proposal.
    pub fn mask(&self, proposal: &Proposal) -> Mask {
        let mut mask = self.automatic_of(proposal);
        for (place, kept) in &proposal.by_hand {
            mask.set(*place, *kept);
        }
        // A level that removes what hand decisions left alone must not empty an edge: its best operation stays.
        for (cell, edge) in mask.space().all_edges() {
            if mask.count_on(cell, edge) == 0
                && let Some(best) = self.ranking(proposal.source, cell, edge).last()
            {
                mask.set(Place::new(cell, edge, *best), true);
            }
        }
        mask
    }

    /// Places whose state was decided by hand and differs from the automatic cut.
    pub fn by_hand(&self, proposal: &Proposal) -> Vec<Place> {
        let (mask, automatic) = (self.mask(proposal), self.automatic_of(proposal));
        mask.space().places().filter(|p| mask.contains(*p) != automatic.contains(*p)).collect()
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
                next.extent = Extent::Level(xi);
            }
            Change::Global { xi, mask } => next.extent = Extent::Global { xi, mask },
            Change::Budget { bytes, mask } => next.extent = Extent::Budget { bytes, mask },
            Change::Source(source) if source == next.source => {}
            Change::Source(source) => {
                let extent = next.extent.beside(&self.mask(&next), self.full().widest());
                next = Proposal::new(source, extent);
            }
            Change::Automatic => next.by_hand.clear(),
            Change::Set(place, kept) => {
                if self.space.space().slot(place).is_none() {
                    return Err(CutError::Absent(place, self.space.space().name()));
                }
                if kept && !self.space.contains(place) {
                    return Err(CutError::Outside(place));
                }
                let mask = self.mask(&next);
                if !kept && mask.contains(place) && mask.count_on(place.cell, place.edge) == 1 {
                    return Err(CutError::Last(place));
                }
                next.by_hand.insert(place, kept);
            }
            Change::Mask(mask) => {
                let space = self.space.space();
                if mask.space() != space {
                    return Err(CutError::Space(mask.space().name(), space.name()));
                }
                if let Some(outside) = mask.places().find(|p| !self.space.contains(*p)) {
                    return Err(CutError::Outside(outside));
                }
                if let Some((cell, edge)) = mask.space().all_edges().find(|(c, e)| mask.count_on(*c, *e) == 0) {
                    let any = self.best(next.source, cell, edge).unwrap_or(Operation::SkipConnect);
                    return Err(CutError::Last(Place::new(cell, edge, any)));
                }
                let automatic = self.automatic_of(&next);
                let other = space.places().filter(|p| mask.contains(*p) != automatic.contains(*p));
                next.by_hand = other.map(|p| (p, mask.contains(p))).collect();
            }
            Change::Edge(cell, edge, kept) => {
                let ranking = self.ranking(next.source, cell, edge);
                for (i, o) in ranking.iter().enumerate() {
                    next.by_hand.insert(Place::new(cell, edge, *o), kept || i + 1 == ranking.len());
                }
            }
            Change::Kind(cell, operation, kept) => {
                let edges = self.space.space().all_edges();
                for (cell, edge) in edges.filter(|(c, _)| cell.is_none_or(|only| only == *c)) {
                    let place = Place::new(cell, edge, operation);
                    let mask = self.mask(&next);
                    let last = mask.contains(place) && mask.count_on(cell, edge) == 1;
                    if self.space.contains(place) && (kept || !last) {
                        next.by_hand.insert(place, kept);
                    }
                }
            }
        }
        Ok(next)
    }

    /// What a person should know before confirming; none of it forbids the cut.
    pub fn warnings(&self, mask: &Mask) -> Vec<String> {
        let mut found = Vec::new();
        let every_edge = mask.space().stacking().every_edge();
        for (cell, edge) in mask.space().all_edges() {
            if !every_edge && mask.kept(cell, edge).eq([Operation::None]) {
                found.push(format!("edge {edge} of the {cell} cell keeps only `none`: it can't be chosen"));
            }
        }
        let kept: std::collections::BTreeSet<Operation> = mask.places().map(|p| p.operation).collect();
        if kept.len() == 1 {
            let rest = if every_edge { "" } else { " but edges" };
            found.extend(kept.iter().map(|o| format!("every kept operation is {o}: nothing is left to choose{rest}")));
        } else if every_edge && mask.space().all_edges().all(|(cell, edge)| mask.count_on(cell, edge) <= 1) {
            found.push("one operation stays on every edge: that is one cell, and nothing is left to search".into());
        } else if !kept.iter().any(|o| o.is_convolution()) {
            found.push("no convolution is kept: the cells would have no weights of their own but projections".into());
        }
        found
    }
}

impl Proposal {
    pub fn new(source: Source, extent: Extent) -> Proposal {
        Proposal { extent, source, by: By::default(), by_hand: BTreeMap::new() }
    }

    /// By another order of the scores.
    #[must_use]
    pub fn by(self, by: By) -> Proposal {
        Proposal { by, ..self }
    }

    /// With these decisions by hand, and no others.
    #[must_use]
    pub fn decided(self, by_hand: impl IntoIterator<Item = (Place, bool)>) -> Proposal {
        Proposal { by_hand: by_hand.into_iter().collect(), ..self }
    }

    /// All decisions by hand, also those that agree with the automatic cut: at another level they may not.
    pub fn decisions(&self) -> impl Iterator<Item = (Place, bool)> + '_ {
        self.by_hand.iter().map(|(place, kept)| (*place, *kept))
    }

    /// Share of the candidates `full` that the automatic part lets go.
    pub fn xi(&self, full: &Mask) -> f64 {
        self.extent.xi(full)
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

    /// The cut that the controls since then stand beside: the last one that was not a control.
    pub fn before_controls(&self) -> Option<&Proposal> {
        self.past.iter().rev().find(|p| p.source == Source::Scores)
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
mod tests;
