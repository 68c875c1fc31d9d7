//! The cut that keeps the most within so many bytes: single operations, the most important first, until not one more fits.

use std::collections::BTreeMap;

use super::plan::Planner;
use super::quality::Quality;
use crate::nn::Policy;
use crate::run::config::CutBy;
use crate::space::cut::{Cutter, Source};
use crate::space::{CellKind, Edge, Mask, Operation, Place};

/// What a mask needs.
pub(super) trait Needs {
    /// Predicted peak bytes, and whether the run may take so many.
    fn plan(&self, mask: Mask) -> (u64, bool);
    /// Bytes with nothing computed again: they tell the cheaper of two operations wherever the peak lies.
    fn kept(&self, mask: Mask) -> u64;
}

impl Needs for Planner {
    fn plan(&self, mask: Mask) -> (u64, bool) {
        let plan = self.by_bytes(mask);
        (plan.bytes, plan.fits)
    }

    fn kept(&self, mask: Mask) -> u64 {
        self.bytes(mask, Policy::Keep)
    }
}

/// What there is to choose from.
pub(super) struct Choice<'a> {
    pub cutter: &'a Cutter,
    pub source: Source,
    /// How bytes are spent.
    pub by: CutBy,
    /// Score of an operation, where there is one: for the order of those that went in one round.
    pub score: &'a dyn Fn(Place) -> Option<f64>,
    /// Where cells were sampled: what cuts are worth.
    pub quality: Option<&'a Quality>,
    /// Decisions by hand, which hold.
    pub decided: BTreeMap<Place, bool>,
}

/// Of the lead that the best cell has over what the whole space is worth, the share that a cut keeps.
const LEAD: f64 = 0.9;

/// For each edge what it keeps if it has nothing else: any operation, one that a genotype can have, and what that costs.
type Rest = BTreeMap<(CellKind, Edge), (Operation, Operation, u64)>;

impl Choice<'_> {
    /// The cut within `bytes`, spent as [`Choice::by`] says; without a quality to go by, the one that keeps the most:
    /// operations are taken in the order of [`Cutter::by_importance`]: each is kept if it fits together with those before it
    /// and with the least that every edge, and every node, needs to be searched. Then all that were left out are tried
    /// again, until none of them fits.
    ///
    /// # Errors
    /// The least that a cut needs, if that is more than `bytes` or than the run may take.
    pub fn most(&self, needs: &impl Needs, bytes: u64) -> Result<Mask, u64> {
        match (self.by, self.quality) {
            (CutBy::Level, _) => return self.level(needs, bytes),
            (CutBy::Scores, Some(quality)) => return self.best(quality, needs, bytes),
            (CutBy::ScoresPerByte, Some(quality)) => return self.cheapest_losses(quality, needs, bytes),
            (CutBy::Scores | CutBy::ScoresPerByte, None) => {}
        }
        let order = self.order();
        let fits = fits(needs, bytes);
        let rest = self.rest(&order, needs, bytes)?;
        let complete = |kept: Mask| self.completed(kept, &rest);
        let mut kept = self.by_hand();
        for place in &order {
            if !kept.contains(*place) && fits(complete(kept.with(*place))) {
                kept.set(*place, true);
            }
        }
        let mut mask = complete(kept);
        loop {
            let before = mask;
            for place in &order {
                if !mask.contains(*place) && fits(mask.with(*place)) {
                    mask.set(*place, true);
                }
            }
            if mask == before {
                return Ok(mask);
            }
        }
    }

    /// The best that `bytes` buy: first the one operation an edge whose cells are best, by trading those whose loss is the least for
    /// the bytes that it saves, and then whatever is better and fits; then what can stay beside them while the cells that are left
    /// are in the mean worth nine tenths of that lead over all cells, the dearest loss last.
    fn best(&self, quality: &Quality, needs: &impl Needs, bytes: u64) -> Result<Mask, u64> {
        let fits = fits(needs, bytes);
        let rest = self.rest(&self.order(), needs, bytes)?;
        let whole = self.whole();
        if fits(whole) {
            // Bytes that need no cut make none.
            return Ok(whole);
        }
        let edges = self.edges();
        let mut mask = self.by_hand();
        for edge in &edges {
            let best = edge.all.iter().max_by(|a, b| quality.plain(**a).total_cmp(&quality.plain(**b)));
            best.filter(|_| edge.count(&mask) == 0).into_iter().for_each(|p| mask.set(*p, true));
        }
        let swaps = |mask: &Mask| -> Vec<Swap> { edges.iter().flat_map(|edge| self.swaps(edge, mask)).collect() };
        // What operations cost adds up, but for rounding.
        let around = mask;
        let alone = |edge: &Open, place: Place| {
            let others = edge.all.iter().filter(|p| **p != place && !self.decided.contains_key(p));
            let mut mask = around.with(place);
            others.for_each(|p| mask.set(*p, false));
            needs.kept(mask)
        };
        let costs: BTreeMap<Place, u64> =
            edges.iter().flat_map(|edge| edge.all.iter().map(|p| (*p, alone(edge, *p)))).collect();
        let cost = |place: Place| costs.get(&place).copied().unwrap_or(0);
        while !fits(mask) {
            let Some(looked) = quality.look(&mask) else { break };
            let worth = looked.mean();
            let dearness = |swap: &Swap| {
                let other = swap.of(&mask);
                let saved = cost(swap.old).saturating_sub(cost(swap.new));
                (saved > 0).then(|| ((worth - looked.mean_with(&other, &[swap.row])) / saved as f64, other))
            };
            let least = swaps(&mask).iter().filter_map(dearness).min_by(|a, b| a.0.total_cmp(&b.0));
            let Some((_, other)) = least else { break };
            mask = other;
        }
        if !fits(mask) {
            mask = self.completed(self.by_hand(), &rest);
        }
        mask = improved(mask, quality, &swaps, &fits, &cost);
        let floor = {
            let (chance, best) = (quality.mean(&whole), quality.mean(&mask));
            best - (1.0 - LEAD) * (best - chance).abs()
        };
        let mut open: Vec<(usize, Place)> =
            edges.iter().flat_map(|edge| edge.all.iter().map(|p| (edge.row, *p))).collect();
        while let Some(looked) = quality.look(&mask) {
            open.retain(|(_, p)| !mask.contains(*p));
            let worth = |(row, p): &(usize, Place)| looked.mean_with(&mask.with(*p), &[*row]);
            let best = open.iter().enumerate().map(|(i, more)| (i, worth(more))).filter(|(_, worth)| *worth >= floor);
            let Some((i, _)) = best.max_by(|a, b| a.1.total_cmp(&b.1)) else { break };
            // What does not fit now fits no better beside more.
            let (_, place) = open.remove(i);
            if fits(mask.with(place)) {
                mask.set(place, true);
            }
        }
        Ok(mask)
    }

    /// The lowest level that fits; where none does, the least.
    fn level(&self, needs: &impl Needs, bytes: u64) -> Result<Mask, u64> {
        let fits = fits(needs, bytes);
        let rest = self.rest(&self.order(), needs, bytes)?;
        let at = |xi: f64| {
            let mut mask = self.cutter.automatic(self.source, xi);
            self.decided
                .iter()
                .filter(|(p, _)| self.cutter.space.contains(**p))
                .for_each(|(p, kept)| mask.set(*p, *kept));
            self.completed(mask, &rest)
        };
        Ok(self.cutter.levels().map(at).find(|m| fits(*m)).unwrap_or_else(|| self.completed(self.by_hand(), &rest)))
    }

    /// What loses the least for the bytes that it saves goes, again and again, until the rest fits.
    fn cheapest_losses(&self, quality: &Quality, needs: &impl Needs, bytes: u64) -> Result<Mask, u64> {
        let fits = fits(needs, bytes);
        self.least(needs, bytes)?;
        let edges = self.edges();
        let whole = self.whole();
        let mut mask = whole;
        while !fits(mask) {
            let Some(looked) = quality.look(&mask) else { break };
            let (worth, now) = (looked.mean(), needs.kept(mask));
            let open =
                edges.iter().filter(|edge| edge.count(&mask) > 1).flat_map(|e| e.all.iter().map(|p| (e.row, *p)));
            let loss = |(row, place): (usize, Place)| {
                let mut other = mask;
                other.set(place, false);
                // What costs nothing is worth its bytes, unless it is worth less than nothing.
                let saved = now.saturating_sub(needs.kept(other)).max(1) as f64;
                ((worth - looked.mean_with(&other, &[row])) / saved, other)
            };
            let goes = open.filter(|(_, p)| mask.contains(*p) && !self.decided.contains_key(p)).map(loss);
            let Some((_, other)) = goes.min_by(|a, b| a.0.total_cmp(&b.0)) else { break };
            mask = other;
        }
        // One dear operation on every edge, and still too much: others have to take their place.
        if fits(mask) { Ok(mask) } else { self.best(quality, needs, bytes) }
    }

    /// Everything that may be kept.
    fn whole(&self) -> Mask {
        let all = self.cutter.space.places().filter(|p| self.may_keep(*p));
        all.fold(self.by_hand(), |mask, place| mask.with(place))
    }

    fn edges(&self) -> Vec<Open> {
        let space = self.cutter.space.space();
        let open = |(row, (cell, edge))| {
            let all = self.cutter.space.kept(cell, edge).map(|o| Place::new(cell, edge, o));
            Open { row, cell, edge, all: all.filter(|p| self.may_keep(*p)).collect() }
        };
        space.all_edges().enumerate().map(open).collect()
    }

    /// The one operation of an edge for another, where hands allow.
    fn swaps(&self, edge: &Open, mask: &Mask) -> Vec<Swap> {
        let old = edge.all.iter().find(|p| mask.contains(**p) && !self.decided.contains_key(p));
        let Some(old) = old.filter(|_| edge.count(mask) == 1) else { return Vec::new() };
        let others = edge.all.iter().filter(|p| *p != old);
        others.map(|new| Swap { row: edge.row, old: *old, new: *new }).collect()
    }

    /// Whether there is a cut that fits.
    ///
    /// # Errors
    /// The least that a cut needs, if none does.
    pub fn least(&self, needs: &impl Needs, bytes: u64) -> Result<(), u64> {
        self.rest(&self.order(), needs, bytes).map(drop)
    }

    fn order(&self) -> Vec<Place> {
        let all = self.cutter.by_importance(self.source, self.score);
        all.into_iter().filter(|p| self.may_keep(*p)).collect()
    }

    /// What edges keep that have nothing else: the best of each where all these fit together, else the cheapest.
    fn rest(&self, order: &[Place], needs: &impl Needs, bytes: u64) -> Result<Rest, u64> {
        let fits = fits(needs, bytes);
        let best = self.rest_by(&|p| order.iter().position(|o| *o == p).unwrap_or(0) as u64);
        let around = self.completed(self.by_hand(), &best);
        if fits(around) {
            return Ok(best);
        }
        let cheapest = self.rest_by(&|place| {
            // As the only one of its edge in a network that is otherwise the same.
            let mut mask = around;
            mask.kept(place.cell, place.edge).for_each(|operation| mask.set(Place { operation, ..place }, false));
            needs.kept(mask.with(place))
        });
        let least = self.completed(self.by_hand(), &cheapest);
        if fits(least) { Ok(cheapest) } else { Err(needs.plan(least).0) }
    }

    /// What is kept by hand.
    fn by_hand(&self) -> Mask {
        let mut mask = Mask::empty(self.cutter.space.space());
        self.decided
            .iter()
            .filter(|(p, kept)| **kept && self.cutter.space.contains(**p))
            .for_each(|(p, _)| mask.set(*p, true));
        mask
    }

    /// In the space and not dropped by hand. Of an edge where all were, the best stays: it would be empty.
    fn may_keep(&self, place: Place) -> bool {
        let dropped = |p: Place| self.decided.get(&p) == Some(&false);
        let all = || self.cutter.space.kept(place.cell, place.edge).all(|o| dropped(Place { operation: o, ..place }));
        let best = || self.cutter.best(self.source, place.cell, place.edge) == Some(place.operation);
        self.cutter.space.contains(place) && (!dropped(place) || (all() && best()))
    }

    /// With what is missing to one operation on every edge, and to two edges into every node that a genotype can choose.
    fn completed(&self, mut mask: Mask, rest: &Rest) -> Mask {
        let usable = |mask: &Mask, cell, edge| mask.kept(cell, edge).any(|o| o != Operation::None);
        let or_skip = (Operation::SkipConnect, Operation::SkipConnect, 0);
        for graph in mask.space().graphs() {
            let cell = graph.kind;
            let of = |edge: Edge| rest.get(&(cell, edge)).copied().unwrap_or(or_skip);
            // Where every edge is chosen, `none` will do.
            let nodes = if graph.stacking.every_edge() { 0..0 } else { graph.node_states() };
            for state in nodes {
                let open = graph.into_state(state).filter(|e| usable(&mask, cell, *e)).count();
                let mut closed: Vec<Edge> = graph.into_state(state).filter(|e| !usable(&mask, cell, *e)).collect();
                closed.sort_by_key(|e| (of(*e).2, *e));
                for edge in closed.into_iter().take(2usize.saturating_sub(open)) {
                    mask.set(Place::new(cell, edge, of(edge).1), true);
                }
            }
            for edge in graph.edges {
                if mask.count_on(cell, *edge) == 0 {
                    mask.set(Place::new(cell, *edge, of(*edge).0), true);
                }
            }
        }
        mask
    }

    fn rest_by(&self, cost: &dyn Fn(Place) -> u64) -> Rest {
        let of = |(cell, edge)| {
            let kept = self.cutter.space.kept(cell, edge).map(|o| Place::new(cell, edge, o));
            let mut costs: Vec<(u64, Operation)> =
                kept.filter(|p| self.may_keep(*p)).map(|p| (cost(p), p.operation)).collect();
            costs.sort();
            let first = costs.first()?;
            let usable = costs.iter().find(|(_, o)| *o != Operation::None).unwrap_or(first);
            Some(((cell, edge), (first.1, usable.1, usable.0)))
        };
        self.cutter.space.space().all_edges().filter_map(of).collect()
    }
}

/// An edge, and what it may keep.
struct Open {
    row: usize,
    cell: CellKind,
    edge: Edge,
    all: Vec<Place>,
}

impl Open {
    fn count(&self, mask: &Mask) -> usize {
        mask.count_on(self.cell, self.edge)
    }
}

/// Another operation in the place of an edge's only one.
#[derive(Clone, Copy)]
struct Swap {
    row: usize,
    old: Place,
    new: Place,
}

impl Swap {
    fn of(&self, mask: &Mask) -> Mask {
        let mut other = mask.with(self.new);
        other.set(self.old, false);
        other
    }
}

/// Takes the best swap that fits, until none is better; then the best that does not fit together with another that makes room for
/// it.
fn improved(
    mut mask: Mask,
    quality: &Quality,
    swaps: &impl Fn(&Mask) -> Vec<Swap>,
    fits: &impl Fn(Mask) -> bool,
    cost: &impl Fn(Place) -> u64,
) -> Mask {
    while let Some(looked) = quality.look(&mask) {
        let now = looked.mean() + LEAST_GAIN;
        let best_first = |mut found: Vec<(f64, Mask)>| {
            found.retain(|(worth, _)| *worth > now);
            found.sort_by(|a, b| b.0.total_cmp(&a.0));
            found.into_iter().map(|(_, m)| m)
        };
        let all = swaps(&mask);
        let one = |swap: &Swap| (looked.mean_with(&swap.of(&mask), &[swap.row]), swap.of(&mask));
        let ones: Vec<(f64, Mask)> = all.iter().map(one).collect();
        if let Some(better) = best_first(ones.clone()).find(|m| fits(*m)) {
            mask = better;
            continue;
        }
        let too_dear = all.iter().zip(&ones).filter(|(_, (worth, _))| *worth > now).map(|(swap, _)| swap);
        let with_room = |dear: &Swap| -> Vec<(f64, Mask)> {
            let cheaper = |s: &&Swap| s.row != dear.row && cost(s.new) < cost(s.old);
            let both = |s: &Swap| s.of(&dear.of(&mask));
            let of = |s: &Swap| (looked.mean_with(&both(s), &[dear.row, s.row]), both(s));
            all.iter().filter(cheaper).map(of).collect()
        };
        let Some(better) = best_first(too_dear.flat_map(with_room).collect()).find(|m| fits(*m)) else { break };
        mask = better;
    }
    mask
}

/// Less than this is rounding.
const LEAST_GAIN: f64 = 1e-9;

fn fits(needs: &impl Needs, bytes: u64) -> impl Fn(Mask) -> bool {
    move |mask| {
        let (need, may) = needs.plan(mask);
        may && need <= bytes
    }
}

/// What to say where the least that a cut needs is too much.
pub(super) fn too_little(planner: &Planner, bytes: u64, least: u64, by_hand: bool) -> String {
    let kept = if by_hand { " and what is kept by hand" } else { "" };
    let least_of_all = format!("one operation on every edge{kept} needs {} MiB", mib(least));
    match planner.budget().filter(|may| least <= bytes && least > *may) {
        Some(may) => {
            format!("no cut fits: {least_of_all}, and the search may take {} MiB (device.memory_budget)", mib(may))
        }
        None => format!(
            "no cut fits into {}: {least_of_all}",
            if bytes < 1 << 20 { format!("{bytes} bytes") } else { format!("{} MiB", bytes >> 20) }
        ),
    }
}

/// In MiB, rounded up.
pub(super) fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::searchable::searchable;
    use crate::space::darts;

    /// Every operation costs something of its own.
    struct Costs;

    fn cost(p: Place) -> u64 {
        let own = [0, 7, 6, 1, 31, 47, 17, 23][p.operation as usize];
        // A skip connection of stride 2 is not the cheapest.
        let strided =
            p.operation == Operation::SkipConnect && darts::SPACE.graph(p.cell).is_some_and(|g| g.stride(p.edge) == 2);
        1000 * (own + u64::from(strided) * 12) + p.edge.number().unwrap_or(0) as u64
    }

    impl Needs for Costs {
        fn plan(&self, mask: Mask) -> (u64, bool) {
            (self.kept(mask), true)
        }

        fn kept(&self, mask: Mask) -> u64 {
            mask.places().map(cost).sum::<u64>() + 5
        }
    }

    fn cutter(space: Mask) -> Cutter {
        let mut order = Vec::new();
        for o in [1, 6, 0, 3, 5, 2, 4, 7].map(|i| darts::SPACE.operations()[i]) {
            order.extend(space.places().filter(|p| p.operation == o));
        }
        order.truncate(order.len() - 28);
        Cutter { space, order, seed: 3 }
    }

    fn choice<'a>(cutter: &'a Cutter, source: Source, decided: &[(&str, bool)]) -> Choice<'a> {
        let decided = decided.iter().map(|(p, kept)| (p.parse().unwrap(), *kept)).collect();
        Choice { cutter, source, by: CutBy::Scores, score: &|_| None, quality: None, decided }
    }

    #[test]
    fn nothing_that_fits_is_left_out() {
        for space in [darts::NO_NONE, darts::FULL] {
            let cutter = cutter(space);
            let decided = [("normal:0▸2:max3", true), ("normal:0▸2:dil5", false), ("reduction:0▸2:max3", false)];
            for decided in [&decided[..], &[]] {
                for source in Source::ALL {
                    let choice = choice(&cutter, source, decided);
                    let all = choice.most(&Costs, u64::MAX).unwrap();
                    let dropped = decided.iter().filter(|d| !d.1).count();
                    assert_eq!(all.count(), space.count() - dropped);
                    let least = choice.most(&Costs, 0).unwrap_err();
                    assert!(choice.most(&Costs, least - 1).is_err());
                    for bytes in (least..Costs.kept(darts::FULL) + 20_000).step_by(211_003) {
                        let mask = choice.most(&Costs, bytes).unwrap();
                        assert!(Costs.kept(mask) <= bytes && mask.check().is_ok());
                        assert_eq!(searchable(&mask), Ok(()));
                        for (place, kept) in &choice.decided {
                            assert_eq!(mask.contains(*place), *kept);
                        }
                        for p in space.places().filter(|p| !mask.contains(*p) && choice.may_keep(*p)) {
                            assert!(Costs.kept(mask.with(p)) > bytes, "{p} fits into {bytes}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_least_is_the_cheapest_of_every_edge() {
        let cutter = cutter(darts::NO_NONE);
        let least = choice(&cutter, Source::Scores, &[]).most(&Costs, 0).unwrap_err();
        let per_edge =
            |cell, e: Edge| darts::NO_NONE.kept(cell, e).map(|o| cost(Place::new(cell, e, o))).min().unwrap();
        let expected: u64 = darts::SPACE
            .kinds()
            .flat_map(|c| darts::SPACE.edges(CellKind::Normal).iter().copied().map(move |e| per_edge(c, e)))
            .sum();
        assert_eq!(least, expected + 5);
        // With `none`, two edges into a node are enough.
        let cutter = self::cutter(darts::FULL);
        let mask = choice(&cutter, Source::Cheapest, &[]);
        let least = mask.most(&Costs, 0).unwrap_err();
        assert!(least < expected);
        assert_eq!(searchable(&mask.most(&Costs, least).unwrap()), Ok(()));
    }

    #[test]
    fn the_most_important_come_first() {
        let cutter = cutter(darts::NO_NONE);
        // The whole of a level, and then a little more: that is spent on what was removed last.
        let level = cutter.automatic(Source::Scores, 0.5);
        let choice = choice(&cutter, Source::Scores, &[]);
        assert_eq!(choice.most(&Costs, Costs.kept(level)).unwrap(), level);
        let more = choice.most(&Costs, Costs.kept(level) + 31_100).unwrap();
        assert!(level.places().all(|p| more.contains(p)) && more.count() > level.count());
        let next = cutter.by_importance(Source::Scores, |_| None)[level.count()];
        assert!(more.contains(next), "{next}");
    }

    #[test]
    fn what_is_worth_most_stays_within_the_bytes() {
        let cutter = cutter(darts::NO_NONE);
        // Dear ones are worth more, but for the dearest; poolings are worth less than nothing.
        let value = |p: Place| [0.0, -1.0, -0.9, 0.5, 0.8, 0.7, 0.2, 0.1][p.operation as usize];
        let effects: Vec<(Place, Vec<f64>)> = darts::NO_NONE.places().map(|p| (p, vec![value(p)])).collect();
        let quality = Quality::by(&darts::NO_NONE, &effects, &[1.0], 1).unwrap();
        let decided: BTreeMap<Place, bool> =
            [("normal:0▸2:max3", true), ("normal:1▸2:sep3", false)].map(|(p, k)| (p.parse().unwrap(), k)).into();
        let choice = |decided| Choice {
            cutter: &cutter,
            source: Source::Scores,
            by: CutBy::Scores,
            score: &|_| None,
            quality: Some(&quality),
            decided,
        };
        let mean = |mask: &Mask| mask.places().map(value).sum::<f64>() / mask.count() as f64;
        let whole = Costs.kept(darts::NO_NONE);
        assert_eq!(choice(BTreeMap::new()).most(&Costs, whole).unwrap(), darts::NO_NONE);
        let all = choice(BTreeMap::new()).most(&Costs, whole - 1).unwrap();
        assert!(all.count() >= 28 && mean(&all) > mean(&darts::NO_NONE) + 0.1, "what costs nothing but quality goes");
        assert!(quality.mean(&all) > quality.mean(&darts::NO_NONE));
        for share in [30, 45, 60, 80] {
            let bytes = Costs.kept(all) * share / 100;
            let mask = choice(BTreeMap::new()).most(&Costs, bytes).unwrap();
            assert!(Costs.kept(mask) <= bytes && mask.check().is_ok() && searchable(&mask) == Ok(()));
            let most = Choice { quality: None, ..choice(BTreeMap::new()) }.most(&Costs, bytes).unwrap();
            assert!(mean(&mask) > mean(&most) + 0.1, "{share}: {} and {}", mean(&mask), mean(&most));
            assert!(quality.mean(&mask) > quality.mean(&most));
        }
        let by_hand = choice(decided.clone()).most(&Costs, Costs.kept(all)).unwrap();
        assert!(decided.iter().all(|(place, kept)| by_hand.contains(*place) == *kept));
        let least = choice(BTreeMap::new()).most(&Costs, 0).unwrap_err();
        assert!(choice(BTreeMap::new()).most(&Costs, least).is_ok());
    }

    #[test]
    fn a_budget_is_spent_as_it_is_asked() {
        let cutter = cutter(darts::NO_NONE);
        let value = |p: Place| [0.0, -1.0, -0.9, 0.5, 0.8, 0.7, 0.2, 0.1][p.operation as usize];
        let effects: Vec<(Place, Vec<f64>)> = darts::NO_NONE.places().map(|p| (p, vec![value(p)])).collect();
        let quality = Quality::by(&darts::NO_NONE, &effects, &[1.0], 1).unwrap();
        let whole = Costs.kept(darts::NO_NONE);
        for hand in [vec![], vec![("normal:0▸2:max3", true), ("normal:1▸2:sep3", false)]] {
            let spent = |by: CutBy, bytes: u64| {
                let choice = Choice { by, quality: Some(&quality), ..choice(&cutter, Source::Scores, &hand) };
                let mask = choice.most(&Costs, bytes).unwrap();
                assert!(Costs.kept(mask) <= bytes && searchable(&mask) == Ok(()), "{by}");
                assert!(choice.decided.iter().all(|(p, kept)| mask.contains(*p) == *kept), "{by}");
                mask
            };
            for share in [25, 50, 75] {
                let bytes = whole * share / 100;
                let [best, most, level] =
                    [CutBy::Scores, CutBy::ScoresPerByte, CutBy::Level].map(|by| spent(by, bytes));
                let lead = |mask: &Mask| quality.mean(mask) - quality.mean(&darts::NO_NONE);
                assert!(lead(&best) >= LEAD * lead(&level).max(lead(&most)) - 1e-9, "{share}");
                assert!(Costs.kept(most) >= Costs.kept(level).min(Costs.kept(best)), "{share}: most of it is spent");
                let counts = level.counts().list();
                let differ = counts.iter().filter(|n| **n != counts[5]).count();
                assert!(differ <= hand.len(), "{counts:?}");
            }
        }
    }

    #[test]
    fn an_edge_whose_operations_were_all_dropped_keeps_its_best() {
        let cutter = cutter(darts::NO_NONE);
        let all: Vec<String> = darts::SPACE.operations().iter().map(|o| format!("normal:0▸2:{o}")).collect();
        let decided: Vec<(&str, bool)> = all.iter().map(|p| (p.as_str(), false)).collect();
        let mask = choice(&cutter, Source::Scores, &decided).most(&Costs, u64::MAX).unwrap();
        assert!(mask.kept(CellKind::Normal, Edge::new(0).unwrap()).eq([Operation::DilConv5x5]));
        assert_eq!(8 * 28 - 28 - 6, mask.count());
    }
}
