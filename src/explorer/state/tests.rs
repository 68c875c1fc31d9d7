//! The state of the explorer after journals made by hand.

use super::*;
use crate::explorer::fixture::{self, Until};
use crate::run::event::Stage;
use crate::space::{Place, darts};

#[test]
fn scoring_is_counted_ranked_and_timed() {
    let events = fixture::journal(Until::Scoring, 1);
    let state = State::from_events(&events);
    let score = &state.score;
    assert_eq!((score.round, score.done), (1, 196 * 3 + 168 + 70));
    assert!(score.current.is_some());
    assert_eq!(state.status(), "scoring 2/6");
    let rate = score.rate().unwrap();
    assert!((25.0..40.0).contains(&rate), "{rate}");
    let left = score.left().unwrap();
    assert!((left - (score.total() - score.done) as f64 / rate).abs() < 1e-6);
    let ranking = score.ranking(None, None);
    assert_eq!(ranking.total, 196);
    let mut ranks: Vec<usize> = darts::SPACE.places().filter_map(|p| ranking.rank(p)).collect();
    ranks.sort_unstable();
    assert_eq!(ranks, (1..=196).collect::<Vec<_>>());
    // What has left ranks below all that stays.
    let worst_alive =
        darts::SPACE.places().filter(|p| score.place(*p).alive).filter_map(|p| ranking.rank(p)).max().unwrap();
    let best_gone = darts::SPACE
        .places()
        .filter(|p| score.place(*p).removed.is_some())
        .filter_map(|p| ranking.rank(p))
        .min()
        .unwrap();
    assert!(worst_alive < best_gone);
    assert_eq!(worst_alive, 168);
}

#[test]
fn functions_are_compared_by_the_first_round_alone() {
    let score = State::from_events(&fixture::journal(Until::Proposed, 1)).score;
    let (whole, first) = (score.ranking(Some(1), None), score.ranking(Some(1), Some(0)));
    assert_eq!((whole.total, first.total), (196, 196));
    // The second function of the journal prefers what the first lets go: in the first round it still may.
    let gone_first = score.removals.iter().filter(|(round, _)| *round == 0).map(|(_, r)| r.place);
    let best = |ranking: &Ranking| gone_first.clone().filter_map(|p| ranking.rank(p)).min().unwrap();
    assert!(best(&whole) > 168 && best(&first) < 98, "{} {}", best(&whole), best(&first));
}

#[test]
fn a_round_that_begins_again_counts_once() {
    let events = fixture::journal(Until::Scoring, 1);
    let mut state = State::from_events(&events);
    let draws = |s: &State| s.score.of_round(1).unwrap().draws(s.score.current.unwrap().1);
    let (done, before) = (state.score.done, draws(&state));
    let again = events.iter().position(|e| matches!(&e.body, Body::RoundStarted { round: 1, .. })).unwrap();
    events.iter().skip(again).for_each(|e| state.apply(e));
    assert_eq!(state.score.done, done);
    assert_eq!(draws(&state), before);
}

#[test]
fn undefined_draws_are_counted_and_left_out() {
    let events = fixture::journal(Until::Proposed, 1);
    let state = State::from_events(&events);
    let place: Place = "normal:5:max_pool_3x3".parse().unwrap();
    let round = state.score.shown(place, None).unwrap();
    assert_eq!(
        (round.undefined(place, None), round.undefined(place, Some(0)), round.undefined(place, Some(1))),
        (1, 0, 1)
    );
    assert!(round.mean(place, None).is_some_and(f64::is_finite));
    assert!(round.mean(place, Some(0)).is_some_and(f64::is_finite));
}

#[test]
fn it_is_nobodys_turn_before_there_is_a_cut() {
    let events = fixture::journal(Until::Proposed, 1);
    let begun = events.iter().position(|e| matches!(e.body, Body::StageStarted { stage: Stage::Cut })).unwrap();
    assert_eq!(State::from_events(&events[..=begun]).status(), "cutting");
}

#[test]
fn revisions_are_counted_on_when_a_run_is_taken_up() {
    let mut state = State::from_events(&fixture::journal(Until::Proposed, 1));
    let (before, cut) = (state.cut.revision(), state.cut.cut.clone().unwrap());
    let events = [Body::StageStarted { stage: Stage::Cut }, Body::CutProposed(cut)];
    events.into_iter().for_each(|body| state.apply(&Event { v: 1, seq: 10_000, time: 1e9, body }));
    assert_eq!(state.cut.revision(), before + 1);
}

#[test]
fn a_cut_is_open_until_it_is_confirmed() {
    let open = State::from_events(&fixture::journal(Until::Proposed, 1));
    assert!(open.cut.is_open());
    assert_eq!(open.cut.revision(), 1);
    assert_eq!(open.status(), "your turn");
    let hand: Place = "normal:2:skip_connect".parse().unwrap();
    assert!(open.cut.by_hand(hand));
    let later = State::from_events(&fixture::journal(Until::Searching, 1));
    assert!(!later.cut.is_open() && later.cut.confirmed);
}

#[test]
fn the_search_is_followed_to_its_end() {
    let state = State::from_events(&fixture::journal(Until::Searching, 1));
    let (search, epochs) = (&state.search, &state.epochs);
    assert_eq!((epochs.epoch, epochs.step, search.epochs.len()), (2, 12, 2));
    assert!((epochs.progress() - 62.0 / 100.0).abs() < 1e-9);
    let left = epochs.left().unwrap();
    assert!((9.0..16.0).contains(&left), "{left}");
    assert_eq!(search.alphas.len(), 13);
    let done = State::from_events(&fixture::journal(Until::Done, 1));
    assert!(done.ended.is_some() && done.found.is_some() && !done.is_live());
    assert!([Stage::Score, Stage::Cut, Stage::Search, Stage::Cell].iter().all(|s| done.passed(*s)));
    let weights = done.search.weights().unwrap();
    for cell in darts::SPACE.kinds() {
        let list = chosen(done.genotype().unwrap(), cell, Some(&weights));
        assert_eq!(list.len(), 8);
        // The best of its edge, so nothing that it is compared with is above it.
        assert!(list.iter().all(|c| c.weight.unwrap() > 0.0 && c.margin.is_none_or(|(m, _)| m >= 0.0)));
    }
}

#[test]
fn a_pause_is_no_work() {
    let mut events = fixture::journal(Until::Searching, 1);
    let before = State::from_events(&events).epochs.left().unwrap();
    let n = events.len();
    let middle = n - 20;
    for e in events.iter_mut().skip(middle) {
        e.time += 3600.0;
        e.seq += 2;
    }
    let at = events[middle - 1].time;
    for (i, (body, time)) in [(Body::Paused, at), (Body::Resumed, at + 3600.0)].into_iter().enumerate() {
        let seq = events[middle - 1].seq + 1 + i as u64;
        events.insert(middle + i, Event { v: VERSION, seq, time, body });
    }
    let state = State::from_events(&events);
    let after = state.epochs.left().unwrap();
    assert!((before - after).abs() < 0.5, "{before} {after}");
    assert_eq!(state.missing, 0);
}

#[test]
fn a_repeated_epoch_replaces_what_it_repeats() {
    let events = fixture::journal(Until::Done, 1);
    let mut state = State::from_events(&events);
    let steps = state.epochs.train_loss.buckets().len();
    let epochs = state.search.epochs.len();
    // Taken up from the checkpoint of the first epoch.
    let again = events.iter().position(|e| matches!(&e.body, Body::Step(s) if s.epoch == 1)).unwrap();
    for event in events.iter().skip(again) {
        state.apply(event);
    }
    assert_eq!(state.epochs.train_loss.buckets().len(), steps);
    assert_eq!(state.search.epochs.len(), epochs);
    let at: Vec<f64> = state.search.alphas.iter().map(|s| s.at).collect();
    assert!(at.windows(2).all(|w| w[0] < w[1]));
}

#[test]
fn what_is_not_known_is_counted_not_folded() {
    let mut events = fixture::journal(Until::Started, 1);
    let mut later = events[1].clone();
    later.v = VERSION + 1;
    events.push(later);
    let mut gap = events[1].clone();
    gap.seq = 7;
    events.push(gap);
    let state = State::from_events(&events);
    assert_eq!((state.unknown, state.missing), (1, 5));
}

#[test]
fn the_log_is_bounded_and_harmless() {
    let mut state = State::default();
    for seq in 0..6000 {
        let body = Body::Log { level: crate::run::event::Level::Info, text: format!("line {seq} \x1b[31m") };
        state.apply(&Event { v: VERSION, seq, time: seq as f64 + 1.0, body });
    }
    assert_eq!((state.log.lines.len(), state.log.dropped), (5000, 1000));
    assert!(state.log.lines.iter().all(|l| !l.text.contains('\x1b')));
}
