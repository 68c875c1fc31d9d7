//! The rounds of scoring on a made-up ranking: order, ties, undefined values, stopping.

use std::convert::Infallible;

use super::*;
use crate::space::darts;

/// A made-up ranking: every operation is worth its column, plus noise by draw; some are undefined.
struct Made {
    draw: u64,
    mask: Mask,
    noise: f64,
    /// The operations of this edge of both cells are told apart by nothing but noise.
    restless: Option<usize>,
    /// Where the first function is undefined, and where both are.
    undefined: [Option<Place>; 2],
    constant: bool,
}

fn worth(p: Place) -> f64 {
    1.0 + p.operation as usize as f64
}

impl Made {
    /// What the operation is worth in this draw.
    fn worth(&self, p: Place) -> f64 {
        if self.restless.is_none_or(|edge| p.edge.number() != Some(edge)) {
            return worth(p);
        }
        random::normal(&mut random::stream_at(self.draw, "made", [p.operation as u64, p.cell as u64]))
    }
}

impl Evaluator for Made {
    type Error = Infallible;
    fn functions(&self) -> usize {
        2
    }
    fn name(&self, function: usize) -> &str {
        ["first", "second"][function]
    }
    fn difference(&self, _: usize, base: f64, without: f64) -> f64 {
        (base - without) / base.abs()
    }
    fn turned(&self, _: usize, value: f64) -> f64 {
        value
    }
    fn parallel(&self) -> usize {
        5
    }
    fn open(&mut self, draw: u64) -> Result<(), Infallible> {
        self.draw = draw;
        Ok(())
    }
    fn cells(&self, masks: &[Mask]) -> Result<Vec<Vec<f64>>, Infallible> {
        let one = |mask: &Mask| {
            let sum: f64 = mask.places().map(|p| if self.constant { 1.0 } else { self.worth(p) }).sum();
            // What no operation explains, another for every draw and network.
            let key = mask.places().map(|p| p.operation as u64 + 9 * p.edge.number().unwrap_or(0) as u64).sum::<u64>()
                + self.draw;
            vec![sum + self.noise * (key % 7) as f64, sum]
        };
        Ok(masks.iter().map(one).collect())
    }
    fn baseline(&mut self, mask: &Mask, draw: u64) -> Result<Vec<f64>, Infallible> {
        (self.draw, self.mask) = (draw, *mask);
        let sum: f64 = if self.constant { 50.0 } else { mask.places().map(worth).sum() };
        Ok(vec![-sum, sum])
    }
    fn without(&self, places: &[Place]) -> Result<Vec<Vec<f64>>, Infallible> {
        let sum: f64 = self.mask.places().map(worth).sum();
        Ok(places
            .iter()
            .map(|p| {
                if self.constant {
                    return vec![-50.0, 50.0];
                }
                if self.undefined[1] == Some(*p) {
                    return vec![f64::NAN, f64::INFINITY];
                }
                let wobble = self.noise * ((self.draw * 7 + p.edge.number().unwrap_or(0) as u64 * 3) % 5) as f64;
                // The first is negative, and just as good a ranking: |r| must divide.
                let first = if self.undefined[0] == Some(*p) { f64::NAN } else { -sum - self.worth(*p) - wobble };
                vec![first, sum - self.worth(*p) - wobble]
            })
            .collect())
    }
}

#[derive(Default)]
struct Recorder {
    events: Vec<Body>,
    stop_after: Option<usize>,
    rounds: Option<usize>,
}

impl Watcher<Infallible> for Recorder {
    fn emit(&mut self, body: Body) -> Result<(), Infallible> {
        self.events.push(body);
        Ok(())
    }
    fn interrupted(&mut self) -> Result<bool, Infallible> {
        Ok(self.stop_after.is_some_and(|n| self.events.len() >= n))
    }
    fn enough(&mut self) -> Result<bool, Infallible> {
        let ended = self.events.iter().filter(|e| matches!(e, Body::RoundEnded { .. })).count();
        Ok(self.rounds.is_some_and(|n| ended >= n))
    }
}

fn settings() -> Settings {
    Settings {
        draws: 4.into(),
        max_evaluations: 0,
        max_seconds: 0.0,
        asked: Some(Counts::uniform(darts::SPACE, 4)),
        whole_order: true,
        remove_per_round: 1,
        aggregate: Aggregate::Relative,
        estimator: Estimator::LeaveOneOut,
        sample: 60,
        undecided: Source::Scores,
        seed: 5,
    }
}

fn made() -> Made {
    Made { draw: 0, mask: darts::FULL, noise: 0.0, restless: None, undefined: [None; 2], constant: false }
}

#[test]
fn the_least_goes_first_and_the_order_is_whole() {
    for aggregate in Aggregate::ALL {
        let mut r = Recorder::default();
        let settings = Settings { aggregate, ..settings() };
        let found = run(&darts::NO_NONE, &settings, Progress::default(), &mut made(), &mut r).unwrap();
        assert_eq!(found.order.len(), 28 * 6);
        for (i, removal) in found.order.iter().enumerate() {
            assert_eq!(removal.place.operation, darts::SPACE.operations()[1 + i / 28], "{aggregate:?}");
            assert!(!removal.by_lot);
        }
        let scores = r.events.iter().filter(|e| matches!(e, Body::Score { .. })).count();
        assert_eq!(scores, evaluations(&darts::NO_NONE, &settings));
        assert_eq!(scores, 28 * (7 + 6 + 5 + 4 + 3 + 2) * 4);
        assert_eq!((found.ties, found.undefined), (0, 0));
    }
}

#[test]
fn equal_scores_are_ties_and_go_by_the_seed() {
    let order = |seed| {
        let mut made = Made { constant: true, ..made() };
        let found = run(
            &darts::FULL,
            &Settings { seed, ..settings() },
            Progress::default(),
            &mut made,
            &mut Recorder::default(),
        )
        .unwrap();
        assert!(found.order.iter().all(|r| r.tie && r.by_lot));
        assert_eq!(found.ties, 28 * 7);
        found.order.into_iter().map(|r| r.place).collect::<Vec<_>>()
    };
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
}

#[test]
fn an_undefined_function_leaves_the_others_to_decide() {
    let place: Place = "normal:2:max_pool_3x3".parse().unwrap();
    let summary = |r: &Recorder| {
        let found = r.events.iter().find_map(|e| match e {
            Body::RoundEnded { summaries, .. } => summaries.iter().find(|s| s.place == place).cloned(),
            _ => None,
        });
        found.unwrap()
    };
    let mut r = Recorder::default();
    let mut one = Made { undefined: [Some(place), None], ..made() };
    let found = run(&darts::NO_NONE, &settings(), Progress::default(), &mut one, &mut r).unwrap();
    // Least of its edge by the function that is left, it goes first, and is counted.
    assert_eq!(found.undefined, 4);
    assert!(found.order[..28].iter().any(|x| x.place == place && !x.undefined && !x.by_lot));
    let s = summary(&r);
    assert!(s.mean.0.is_finite() && s.undefined == 4 && s.votes[0].0.is_nan() && s.votes[1].0.is_finite());

    let mut r = Recorder::default();
    let mut both = Made { undefined: [None, Some(place)], ..made() };
    let found = run(&darts::NO_NONE, &settings(), Progress::default(), &mut both, &mut r).unwrap();
    // Nothing can be said of its edge while it is there; all other edges are decided by their scores.
    let s = summary(&r);
    assert!(s.mean.0.is_nan() && s.undefined == 8);
    let first: Vec<_> = found.order[..28].iter().filter(|x| x.undefined).collect();
    assert!(first.len() == 1 && first[0].place.edge == place.edge && first[0].by_lot && first[0].tie);
}

#[test]
fn a_function_without_a_vote_is_named_once() {
    let mut r = Recorder::default();
    let mut made = Made { constant: true, ..made() };
    run(&darts::NO_NONE, &settings(), Progress::default(), &mut made, &mut r).unwrap();
    let logs: Vec<_> = r.events.iter().filter(|e| matches!(e, Body::Log { level: Level::Warning, .. })).collect();
    assert_eq!(logs.len(), 2, "{logs:?}");
    assert!(format!("{logs:?}").contains("second has no vote: it is the same whichever operation"));
    let votes = r.events.iter().find_map(|e| if let Body::RoundEnded { votes, .. } = e { Some(votes) } else { None });
    assert!(votes.unwrap().iter().all(|v| v.silent.is_some() && v.divisor.0.is_nan()));
}

#[test]
fn noise_makes_ties_and_a_request_stops() {
    let mut made = Made { noise: 3.0, ..made() };
    let found = run(&darts::NO_NONE, &settings(), Progress::default(), &mut made, &mut Recorder::default()).unwrap();
    // Draws that differ by more than the operations do: no verdict, though the means still rank rightly.
    assert_eq!(found.ties, found.order.len());
    assert!(found.order.iter().all(|r| !r.by_lot));
    let mut r = Recorder { stop_after: Some(100), ..Recorder::default() };
    assert!(run(&darts::NO_NONE, &settings(), Progress::default(), &mut made, &mut r).unwrap().stopped);
    assert!(r.events.len() < 120);
}

#[test]
fn several_go_at_once() {
    let settings = Settings { remove_per_round: 3, ..settings() };
    assert_eq!(rounds(&darts::NO_NONE, &settings), 2);
    let found = run(&darts::NO_NONE, &settings, Progress::default(), &mut made(), &mut Recorder::default()).unwrap();
    assert_eq!(found.order.len(), 28 * 6);
}

#[test]
fn taken_up_between_rounds_it_ends_the_same() {
    let mut whole = Recorder::default();
    let noisy = || Made { noise: 3.0, ..made() };
    let expected = run(&darts::FULL, &settings(), Progress::default(), &mut noisy(), &mut whole).unwrap();
    let mut first = Recorder { rounds: Some(3), ..Recorder::default() };
    let stopped = run(&darts::FULL, &settings(), Progress::default(), &mut noisy(), &mut first).unwrap();
    assert!(stopped.stopped);
    assert_eq!(stopped.order, expected.order[..3 * 28]);
    let mut progress = Progress::default();
    for e in first.events {
        if let Body::RoundEnded { removed, summaries, .. } = e {
            progress.take(removed, &summaries);
        }
    }
    let mut rest = Recorder::default();
    let found = run(&darts::FULL, &settings(), progress, &mut noisy(), &mut rest).unwrap();
    assert_eq!(found, expected);
    assert!(matches!(rest.events[0], Body::RoundStarted { round: 3, .. }));
}

fn sampled() -> Settings {
    Settings { estimator: Estimator::Cells, aggregate: Aggregate::Decorrelated, draws: 6.into(), ..settings() }
}

#[test]
fn sampled_cells_give_the_order_in_one_round() {
    let mut r = Recorder::default();
    let found = run(&darts::NO_NONE, &sampled(), Progress::default(), &mut made(), &mut r).unwrap();
    assert_eq!((found.order.len(), found.stopped), (28 * 6, false));
    // Every level is a prefix: each edge's least, then each edge's next.
    for (i, removal) in found.order.iter().enumerate() {
        assert_eq!(removal.place.operation, darts::SPACE.operations()[1 + i / 28]);
        assert_eq!(removal.p_above.len(), 6 - i / 28);
        assert!(!removal.within_noise(removal.p_above.len()) && removal.settled.is_none());
    }
    let count = |f: fn(&Body) -> bool| r.events.iter().filter(|e| f(e)).count();
    assert_eq!(count(|e| matches!(e, Body::SampledCell { .. })), evaluations(&darts::NO_NONE, &sampled()));
    assert_eq!(count(|e| matches!(e, Body::Score { .. })), 28 * 7 * 6);
    assert_eq!(count(|e| matches!(e, Body::RoundEnded { .. })), 1);
}

#[test]
fn what_noise_hides_is_settled_as_asked_and_said() {
    let order = |undecided| {
        let settings = Settings { undecided, ..sampled() };
        let mut all_noise = Made { constant: true, noise: 1.0, ..made() };
        run(&darts::NO_NONE, &settings, Progress::default(), &mut all_noise, &mut Recorder::default()).unwrap().order
    };
    let largest = |order: &[Removal]| {
        let gone = |p: Place| order.iter().any(|r| r.place == p);
        let left = darts::NO_NONE.places().filter(|p| !gone(*p));
        left.filter(|p| p.operation == Operation::SepConv5x5).count()
    };
    let counted = order(Source::MostParameters);
    assert!(largest(&counted) > 20, "{}", largest(&counted));
    assert!(counted.iter().any(|r| r.settled == Some(Source::MostParameters)));
    assert!(order(Source::Scores).iter().all(|r| r.settled.is_none()));
    assert_ne!(order(Source::Random), counted);
    // What goes under a level is judged against the lowest that stays there.
    let least = &counted[0];
    assert!((1..=least.p_above.len()).all(|kept| {
        let p = least.p_above[least.p_above.len() - kept].0;
        least.within_noise(kept) == (p.is_nan() || p > significance::ALPHA)
    }));
}

#[test]
fn cells_taken_up_in_the_middle_end_the_same() {
    let noisy = || Made { noise: 3.0, ..made() };
    let expected = run(&darts::NO_NONE, &sampled(), Progress::default(), &mut noisy(), &mut Recorder::default());
    // In the middle of a draw's cells, and of the scores that follow from them.
    for stop in [25, 90, 300] {
        let mut first = Recorder { stop_after: Some(stop), ..Recorder::default() };
        let stopped = run(&darts::NO_NONE, &sampled(), Progress::default(), &mut noisy(), &mut first).unwrap();
        assert!(stopped.stopped && stopped.order.is_empty());
        let mut progress = Progress::default();
        for e in first.events {
            match e {
                Body::SampledCell { draw, number, values } => {
                    progress.cells.insert((draw, number), values.into_iter().map(f64::from).collect());
                }
                Body::Score { draw, place, relative, .. } => {
                    progress.partial.insert((draw, place), relative.into_iter().map(f64::from).collect());
                }
                _ => {}
            }
        }
        let found = run(&darts::NO_NONE, &sampled(), progress, &mut noisy(), &mut Recorder::default());
        assert_eq!(found, expected);
    }
}

/// Where a journal with these events leaves off.
fn left(events: Vec<Body>) -> Progress {
    let mut progress = Progress::default();
    for e in events {
        match e {
            Body::SampledCell { draw, number, values } => {
                progress.cells.insert((draw, number), values.into_iter().map(f64::from).collect());
            }
            Body::Score { draw, place, relative, .. } => {
                progress.partial.insert((draw, place), relative.into_iter().map(f64::from).collect());
            }
            Body::Drawn(d) => {
                progress.told.insert(d.draw, d.end);
                progress.seconds = d.seconds;
            }
            Body::RoundEnded { removed, summaries, .. } => progress.take(removed, &summaries),
            _ => {}
        }
    }
    progress
}

fn drawn(events: &[Body]) -> Vec<&Drawn> {
    events.iter().filter_map(|e| if let Body::Drawn(d) = e { Some(d) } else { None }).collect()
}

fn until_decided(estimator: Estimator) -> Settings {
    Settings { estimator, draws: Draws::Auto, ..sampled() }
}

#[test]
fn draws_end_when_all_is_decided() {
    for estimator in [Estimator::Cells, Estimator::LeaveOneOut, Estimator::Discretise] {
        let settings = until_decided(estimator);
        let mut r = Recorder::default();
        let found = run(&darts::NO_NONE, &settings, Progress::default(), &mut made(), &mut r).unwrap();
        for (i, removal) in found.order.iter().enumerate() {
            assert_eq!(removal.place.operation, darts::SPACE.operations()[1 + i / 28], "{estimator}");
        }
        let ends: Vec<_> = drawn(&r.events).into_iter().filter(|d| d.end.is_some()).collect();
        assert_eq!(ends.len(), rounds(&darts::NO_NONE, &settings), "{estimator}");
        for end in ends {
            assert_eq!((end.end, end.open), (Some(DrawsEnd::Decided), 0), "{estimator}");
            // Which cells are sampled is noise, too.
            let looks = if estimator.samples() { 2 } else { 1 };
            assert!(race::LOOKS[..looks].contains(&(end.draw + 1)), "{estimator}");
            assert_eq!(end.boundaries, 28, "{estimator}");
        }
        let at_the_cut = found.order.iter().filter(|r| r.p_above.len() == 4 || r.p_above.is_empty());
        assert!(at_the_cut.into_iter().all(|r| !r.within_noise(4)), "{estimator}");
    }
}

#[test]
fn later_draws_are_about_what_is_open() {
    let settings = until_decided(Estimator::LeaveOneOut);
    let mut r = Recorder::default();
    let mut made = Made { restless: Some(3), ..made() };
    run(&darts::NO_NONE, &settings, Progress::default(), &mut made, &mut r).unwrap();
    let first = r.events.iter().position(|e| matches!(e, Body::RoundEnded { .. })).unwrap();
    let later = r.events[..first].iter().filter_map(|e| match e {
        Body::Score { draw, place, .. } if *draw >= race::LOOKS[0] => Some(*place),
        _ => None,
    });
    let later: Vec<Place> = later.collect();
    assert!(later.len() > 20 && later.iter().all(|p| p.edge.number() == Some(3)), "{}", later.len());
    let last = *drawn(&r.events[..first]).last().unwrap();
    // What noise decides is open until the draws end, or decided wrongly in one of twenty cases at most.
    assert!(last.open >= 1 && last.open <= 2 && last.end.is_some(), "{last:?}");
    let spent = r.events.iter().filter(|e| matches!(e, Body::Score { .. })).count();
    assert!(spent <= evaluations(&darts::NO_NONE, &settings));
    assert_eq!(drawn(&r.events).last().unwrap().evaluations, spent);
}

#[test]
fn a_budget_ends_draws_and_what_is_open_is_named() {
    for (estimator, most) in [(Estimator::Cells, 500), (Estimator::Discretise, 1800), (Estimator::LeaveOneOut, 6000)] {
        let settings =
            Settings { max_evaluations: most, undecided: Source::MostParameters, ..until_decided(estimator) };
        let mut r = Recorder::default();
        // A regression tells an edge by its kind of cell, too.
        let mut all_noise = match estimator.samples() {
            true => Made { constant: true, noise: 1.0, ..made() },
            false => Made { restless: Some(2), ..made() },
        };
        let found = run(&darts::NO_NONE, &settings, Progress::default(), &mut all_noise, &mut r).unwrap();
        let all = drawn(&r.events);
        let last = all.last().unwrap();
        assert!(last.evaluations <= most, "{estimator}: {last:?}");
        assert_eq!(all.iter().filter(|d| d.end.is_some()).count(), rounds(&darts::NO_NONE, &settings), "{estimator}");
        assert!(all.iter().any(|d| d.end == Some(DrawsEnd::Evaluations)), "{estimator}: {last:?}");
        let there = |r: &&Removal| estimator.samples() || r.place.edge.number() == Some(2);
        let noisy = found.order.iter().filter(there).any(|r| r.within_noise(4));
        assert!(noisy, "{estimator}");
    }
}

#[test]
fn draws_until_decided_are_taken_up_in_the_middle() {
    for estimator in [Estimator::Cells, Estimator::LeaveOneOut, Estimator::Discretise] {
        let settings = Settings { remove_per_round: 3, ..until_decided(estimator) };
        let noisy = || Made { noise: 3.0, restless: Some(5), ..made() };
        let mut whole = Recorder::default();
        let expected = run(&darts::NO_NONE, &settings, Progress::default(), &mut noisy(), &mut whole).unwrap();
        let all = whole.events.len();
        let look = whole.events.iter().position(|e| matches!(e, Body::Drawn(d) if d.boundaries > 0)).unwrap();
        for stop in [25, look, look + 1, look + 30, all - 5] {
            let events: Vec<Body> = whole.events[..stop].to_vec();
            let before = drawn(&events).len();
            let mut rest = Recorder::default();
            let found = run(&darts::NO_NONE, &settings, left(events), &mut noisy(), &mut rest).unwrap();
            assert_eq!(found, expected, "{estimator}, {stop} of {all}");
            assert_eq!(before + drawn(&rest.events).len(), drawn(&whole.events).len(), "{estimator}, {stop}");
        }
    }
}

#[test]
fn where_seconds_ended_draws_a_resumed_run_ends() {
    let settings = Settings { max_seconds: 1e-9, ..until_decided(Estimator::Cells) };
    let noisy = || Made { noise: 3.0, ..made() };
    let mut r = Recorder::default();
    let expected = run(&darts::NO_NONE, &settings, Progress::default(), &mut noisy(), &mut r).unwrap();
    assert_eq!(drawn(&r.events).last().unwrap().end, Some(DrawsEnd::Seconds));
    r.events.retain(|e| !matches!(e, Body::RoundEnded { .. }));
    // An engine with all the time there is.
    let settings = Settings { max_seconds: 0.0, ..settings };
    let mut rest = Recorder::default();
    let found = run(&darts::NO_NONE, &settings, left(r.events), &mut noisy(), &mut rest).unwrap();
    assert_eq!(found, expected);
    assert!(drawn(&rest.events).is_empty());
}

#[test]
fn rounds_may_end_at_the_cut() {
    let settings = Settings { whole_order: false, ..settings() };
    assert_eq!(rounds(&darts::NO_NONE, &settings), 3);
    assert_eq!(evaluations(&darts::NO_NONE, &settings), 28 * (7 + 6 + 5) * 4);
    let whole = Settings { whole_order: true, ..settings };
    let of = |settings: &Settings| {
        run(&darts::NO_NONE, settings, Progress::default(), &mut made(), &mut Recorder::default()).unwrap().order
    };
    assert_eq!(of(&settings), of(&whole)[..3 * 28]);
    // However little is asked for, there is a round.
    let all = Settings { asked: Some(Counts::uniform(darts::SPACE, 8)), ..settings };
    assert_eq!(rounds(&darts::NO_NONE, &all), 1);
}
