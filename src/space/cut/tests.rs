//! Cuts, changes and controls.

use super::*;
use crate::space::darts;

/// Operations go in column order, on every edge.
fn cutter(space: Mask) -> Cutter {
    let mut order = Vec::new();
    for o in &darts::SPACE.operations()[..7] {
        order.extend(space.places().filter(|p| p.operation == *o));
    }
    Cutter { space, order, seed: 3 }
}

#[test]
fn a_level_counts_all_eight() {
    for (xi, kept) in [(0.01, 7), (0.125, 7), (0.25, 6), (0.5, 4), (0.625, 3), (0.75, 2), (0.875, 1), (0.99, 1)] {
        assert_eq!(kept_per_edge(xi, 8), kept, "{xi}");
        for source in Source::ALL {
            let mask = cutter(darts::NO_NONE).automatic(source, xi);
            assert_eq!(mask.count(), 28 * kept, "{xi} {source:?}");
            assert!(mask.check().is_ok());
        }
    }
    assert_eq!(kept_per_edge(level_of(3, 8), 8), 3);
}

#[test]
fn a_level_that_is_shown_can_be_typed() {
    for width in 2..=16 {
        for kept in 1..width {
            let text = level_text(level_of(kept, width));
            assert!(text.len() <= 6, "{text}");
            assert_eq!(kept_per_edge(text.parse().unwrap(), width), kept, "{text} of {width}");
        }
    }
    assert_eq!(
        [0.5, 1.0 / 3.0, 0.33333333333333337, 0.875, 0.3, 0.1 + 0.2].map(level_text),
        ["0.5", "0.3333", "0.3333", "0.875", "0.3", "0.3"]
    );
}

#[test]
fn the_widest_edge_decides_what_a_level_keeps() {
    let mut uneven = darts::NO_NONE;
    let (cell, edge) = uneven.space().all_edges().next().unwrap();
    for o in &darts::SPACE.operations()[3..7] {
        uneven.set(Place::new(cell, edge, *o), false);
    }
    assert!(!uneven.is_even() && darts::FULL.is_even());
    // Of its three all stay, as everywhere four of eight do.
    let mask = cutter(uneven).automatic(Source::Scores, 0.5);
    assert_eq!((mask.count_on(cell, edge), mask.count()), (3, 27 * 4 + 3));
}

#[test]
fn the_order_is_obeyed_and_controls_are_controls() {
    let c = cutter(darts::NO_NONE);
    let half = c.automatic(Source::Scores, 0.5);
    assert_eq!(half, Mask::uniform(darts::SPACE, &darts::SPACE.operations()[4..]));
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
    let c = cutter(darts::NO_NONE);
    let mut h = History::new(Proposal::new(Source::Scores, Extent::Level(0.5)));
    let place: Place = "normal:1▸3:max_pool_3x3".parse().unwrap();
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
fn a_decision_that_agrees_with_the_level_counts_at_the_next() {
    let c = cutter(darts::NO_NONE);
    let place: Place = "normal:0▸2:avg_pool_3x3".parse().unwrap();
    // It stays at 0.25 anyway, and goes at 0.5.
    let p = Proposal::new(Source::Scores, Extent::Level(0.25));
    let kept = c.change(&p, Change::Set(place, true)).unwrap();
    assert!(c.by_hand(&kept).is_empty());
    assert_eq!(kept.decisions().collect::<Vec<_>>(), [(place, true)]);
    let half = c.change(&kept, Change::Level(0.5)).unwrap();
    assert!(c.mask(&half).contains(place));
    assert_eq!(Proposal::new(Source::Scores, Extent::Level(0.5)).decided(kept.decisions()), half);
}

#[test]
fn a_control_keeps_as_many_on_every_edge() {
    let c = cutter(darts::NO_NONE);
    let half = Proposal::new(Source::Scores, Extent::Level(0.5));
    let e = Edge::new(2).unwrap();
    let place: Place = "normal:0▸2:skip".parse().unwrap();
    let by_hand = c.change(&half, Change::Edge(CellKind::Normal, e, true)).unwrap();
    let by_hand = c.change(&by_hand, Change::Set(place, true)).unwrap();
    let swapped = c.change(&half, Change::Set(place, true)).unwrap();
    let swapped = c.change(&swapped, Change::Set("normal:0▸2:dil5".parse().unwrap(), false)).unwrap();
    let budget = c.change(&half, Change::Budget { bytes: 9, mask: darts::NO_NONE.without(place) }).unwrap();
    for source in [Source::Random, Source::Cheapest, Source::MostParameters] {
        for beside in [&half, &by_hand, &swapped, &budget] {
            let control = c.change(beside, Change::Source(source)).unwrap();
            assert_eq!(c.mask(&control).counts(), c.mask(beside).counts(), "{source:?}");
            assert!(c.by_hand(&control).is_empty());
            let other = c.change(&control, Change::Source(Source::Scores)).unwrap();
            assert_eq!(c.mask(&other).counts(), c.mask(beside).counts());
        }
    }
    // Where every edge keeps the same the level stays one.
    let control = c.change(&swapped, Change::Source(Source::Random)).unwrap();
    assert_eq!((control.extent, control.xi(&darts::FULL)), (Extent::Level(0.5), 0.5));
    assert_eq!(c.change(&control, Change::Source(Source::Random)), Ok(control));
}

#[test]
fn importance_is_the_removal_order_turned_round() {
    let c = cutter(darts::NO_NONE);
    let all = c.by_importance(Source::Scores, |p| {
        (p.edge.number().unwrap_or(0) != 3).then_some(p.edge.number().unwrap_or(0) as f64)
    });
    assert_eq!(all.len(), 196);
    for (xi, kept) in [(0.875, 1), (0.5, 4), (0.125, 7)] {
        let mut mask = Mask::empty(darts::SPACE);
        all[..28 * kept].iter().for_each(|p| mask.set(*p, true));
        assert_eq!(mask, c.automatic(Source::Scores, xi));
    }
    // By score, then without one.
    assert_eq!(all[0].to_string(), "normal:4▸5:dil_conv_5x5");
    assert_eq!(all[27].to_string(), "reduction:1▸3:dil_conv_5x5");
    for source in Source::ALL {
        let mut all = c.by_importance(source, |_| None);
        let mut first = Mask::empty(darts::SPACE);
        all[..56].iter().for_each(|p| first.set(*p, true));
        assert_eq!(first, c.automatic(source, 0.75), "{source:?}");
        assert_eq!(all, c.by_importance(source, |_| None));
        all.sort();
        assert!(all.into_iter().eq(darts::NO_NONE.places()));
    }
}

#[test]
fn impossible_cuts_are_refused() {
    let c = cutter(darts::NO_NONE);
    let p = Proposal::new(Source::Scores, Extent::Level(0.875));
    let last: Place = "reduction:0▸2:dil_conv_5x5".parse().unwrap();
    assert_eq!(c.change(&p, Change::Set(last, false)), Err(CutError::Last(last)));
    let none: Place = "normal:0▸2:none".parse().unwrap();
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

#[test]
fn a_level_is_a_share_of_the_candidates_of_the_space() {
    for (name, levels, half) in [("darts_s1", vec![0.0, 0.5], 28), ("darts_s3", vec![0.0, 1.0 / 3.0, 2.0 / 3.0], 28)] {
        let full = crate::space::Space::find(name).unwrap().full();
        let c = Cutter { space: full, order: Vec::new(), seed: 3 };
        assert_eq!(
            c.levels().map(|xi| (xi * 1e9).round()).collect::<Vec<_>>(),
            levels.iter().map(|xi| (xi * 1e9f64).round()).collect::<Vec<_>>()
        );
        for source in Source::ALL {
            let mask = c.automatic(source, 0.5);
            assert_eq!((mask.count(), mask.and(&full)), (half, mask), "{name} {source:?}");
            assert!(mask.check().is_ok());
        }
        // What is no candidate can't be kept.
        let p = Proposal::new(Source::Scores, Extent::Level(0.5));
        let outside = darts::SPACE.places().find(|p| !full.contains(*p)).unwrap();
        for kept in [true, false] {
            let refused = c.change(&p, Change::Set(outside, kept)).unwrap_err();
            assert!(refused.to_string().contains(name) || refused.to_string().contains("space.name"), "{refused}");
        }
        let counts = Extent::Counts(Counts::uniform(full.space(), 1));
        assert!((counts.xi(&full) - (1.0 - 28.0 / full.count() as f64)).abs() < 1e-12);
    }
}

#[test]
fn an_order_that_ends_early_goes_so_far() {
    let mut c = cutter(darts::NO_NONE);
    assert_eq!(c.ends_at(), 1);
    // `none` takes no part: three rounds are scored.
    c.order = darts::SPACE.operations()[1..4]
        .iter()
        .flat_map(|o| darts::NO_NONE.places().filter(|p| p.operation == *o))
        .collect();
    assert_eq!(c.ends_at(), 4);
    assert_eq!(c.levels().collect::<Vec<_>>(), [0.125, 0.25, 0.375, 0.5]);
    let at = |c: &Cutter, source, xi| c.goes_beyond(&Proposal::new(source, Extent::Level(xi)));
    assert!(!at(&c, Source::Scores, 0.5) && at(&c, Source::Scores, 0.625));
    assert!(!at(&c, Source::MostParameters, 0.875));
    // Without any order there is nothing that ends.
    c.order.clear();
    assert_eq!((c.ends_at(), at(&c, Source::Scores, 0.875)), (1, false));
}
