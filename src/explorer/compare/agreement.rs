//! How far two runs agree: in what their cuts keep, against what chance gives for cuts of those sizes, and in how their scores
//! order the operations of an edge.

use super::statistics::jackknife;
use crate::explorer::state::State;
use crate::space::{Mask, Place};
use crate::statistics::{Overlap, overlap, t_quantile};
use crate::truth::statistics::kendall_within;

/// Two cuts against each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cuts {
    /// Operations that one keeps and the other drops.
    pub differ: usize,
    /// The rest: what chance gives for cuts that keep as many on each edge, κ, p.
    pub overlap: Overlap,
}

impl Cuts {
    /// Decisions that differ by chance, on average.
    pub fn chance(&self) -> f64 {
        (1.0 - self.overlap.chance) * self.overlap.decisions as f64
    }
}

/// Cuts of two runs; none before both have one, or where their spaces differ.
pub fn cuts(a: &State, b: &State) -> Option<Cuts> {
    let mask = |s: &State| s.cut.cut.as_ref().map(|c| c.mask);
    let (own, other) = (mask(a)?, mask(b)?);
    if own.space() != other.space() {
        return None;
    }
    let scored = |s: &State| s.run.as_ref().map(|r| r.space);
    // What neither had a choice about (`none`, mostly) is no agreement.
    let open = |p: &Place| {
        own.contains(*p)
            || other.contains(*p)
            || [scored(a), scored(b)].into_iter().flatten().any(|m| m.space() == own.space() && m.contains(*p))
    };
    of_masks(&own, &other, open)
}

fn of_masks(a: &Mask, b: &Mask, open: impl Fn(&Place) -> bool) -> Option<Cuts> {
    let space = a.space();
    let (mut own, mut other) = (Vec::new(), Vec::new());
    for (cell, edge) in space.all_edges() {
        let places: Vec<Place> = space.places().filter(|p| p.cell == cell && p.edge == edge).filter(&open).collect();
        let kept = |m: &Mask| places.iter().map(|p| m.contains(*p)).collect::<Vec<bool>>();
        own.push(kept(a));
        other.push(kept(b));
    }
    let differ = space.places().filter(&open).filter(|p| a.contains(*p) != b.contains(*p)).count();
    Some(Cuts { differ, overlap: overlap(&own, &other)? })
}

/// Orders of two runs against each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Orders {
    /// Kendall's τ-b over pairs of operations on the same edge, by the scores of the first round, in which all take part.
    pub tau: f64,
    /// Half of its 95 % interval, by the jackknife over edges; none with fewer than three.
    pub half: Option<f64>,
    pub edges: usize,
}

/// None before both have scored a round, or where they have no edge in common.
pub fn orders(a: &State, b: &State) -> Option<Orders> {
    if a.space() != b.space() {
        return None;
    }
    let number = |s: &State, p: Place| s.score.number(p, None, Some(0));
    let mut edges: Vec<Vec<(f64, f64)>> = Vec::new();
    for (cell, edge) in a.space().all_edges() {
        let places = a.space().places().filter(|p| p.cell == cell && p.edge == edge);
        let pairs: Vec<(f64, f64)> = places.filter_map(|p| Some((number(a, p)?, number(b, p)?))).collect();
        if pairs.len() > 1 {
            edges.push(pairs);
        }
    }
    let tau = |without: Option<usize>| {
        kendall_within(edges.iter().enumerate().filter(|(i, _)| Some(*i) != without).map(|(_, e)| e.as_slice()))
    };
    let n = edges.len();
    let error = jackknife(n, |i| tau(Some(i)));
    let half = error.map(|e| e * t_quantile(0.05, n - 1));
    Some(Orders { tau: tau(None)?, half, edges: n })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explorer::fixture::{self, Until};
    use crate::space::darts;

    #[test]
    fn cuts_are_judged_against_chance_of_their_sizes() {
        let ops = darts::SPACE.operations();
        let (half, other) = (Mask::uniform(darts::SPACE, &ops[..4]), Mask::uniform(darts::SPACE, &ops[4..]));
        let all = |_: &Place| true;
        let judged = |a: &Mask, b: &Mask| of_masks(a, b, all).unwrap();
        let same = judged(&half, &half);
        assert_eq!((same.differ, same.overlap.decisions, same.overlap.kappa), (0, 224, Some(1.0)));
        assert!((same.chance() - 112.0).abs() < 1e-9 && same.overlap.p < 1e-9);
        let opposite = judged(&half, &other);
        assert!(opposite.differ == 224 && (opposite.overlap.kappa.unwrap() + 1.0).abs() < 1e-9);
        // Every other operation: just what chance gives.
        let chance = judged(&half, &Mask::uniform(darts::SPACE, &[ops[0], ops[1], ops[4], ops[5]]));
        assert!(chance.overlap.kappa.unwrap().abs() < 1e-9 && (0.4..0.7).contains(&chance.overlap.p), "{chance:?}");
        // Where both keep all there is nothing to agree about.
        let full = Mask::uniform(darts::SPACE, ops);
        assert_eq!(judged(&full, &full).overlap.kappa, None);
    }

    #[test]
    fn orders_agree_with_themselves_and_more_than_chance_with_another_seed() {
        let state = |seed| State::from_events(&fixture::journal(Until::Done, seed));
        let own = orders(&state(1), &state(1)).unwrap();
        assert!((own.tau - 1.0).abs() < 1e-12 && own.edges == 28 && own.half.unwrap() < 1e-9, "{own:?}");
        let other = orders(&state(1), &state(2)).unwrap();
        assert!(other.tau > 0.5 && other.tau - other.half.unwrap() > 0.0, "{other:?}");
        assert_eq!(orders(&state(1), &State::default()), None);
        assert_eq!(cuts(&state(1), &State::default()), None);
        assert!(cuts(&state(1), &state(2)).unwrap().overlap.kappa.unwrap() > 0.5);
    }
}
