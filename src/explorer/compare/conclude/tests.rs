//! What follows from runs that are made up so that it is known.

use super::*;
use crate::explorer::fixture::{self, Until};
use crate::explorer::state::State;
use crate::run::config::Config;

/// A run that is done, with this best accuracy.
fn side(xi: f64, seed: u64, best: f64) -> Side {
    let mut config = Config { seed, ..Config::default() };
    config.cut.xi = xi;
    let mut state = State::from_events(&fixture::journal(Until::Done, seed));
    state.epochs.ended.iter_mut().for_each(|e| e.held_out_accuracy = best);
    if let Some(cut) = &mut state.cut.cut {
        cut.by_hand.clear();
    }
    Side { name: format!("r{seed}"), state, config: Some(config) }
}

fn of(sides: Vec<Side>) -> Vec<Said> {
    crate::explorer::compare::Comparison::of(sides).said
}

fn about<'a>(said: &'a [Said], word: &str) -> &'a Said {
    said.iter().find(|s| s.words.starts_with(word)).unwrap_or_else(|| panic!("nothing about {word}: {said:?}"))
}

#[test]
fn one_run_of_each_concludes_nothing_of_settings() {
    let said = of(vec![side(0.5, 1, 0.7), side(0.75, 2, 0.8)]);
    let accuracy = about(&said, "Accuracy");
    assert_eq!(accuracy.tone, Tone::Lacking);
    assert!(accuracy.words.contains("r1 70.0 %, r2 80.0 %. One run tells nothing"), "{}", accuracy.words);
    // But their cuts can be held against chance.
    let cuts = about(&said, "Cuts of r1 and r2");
    assert!(cuts.tone == Tone::Clear && cuts.words.contains("beyond chance"), "{}", cuts.words);
    assert_eq!(about(&said, "Scores of r1 and r2").tone, Tone::Clear);
}

#[test]
fn a_difference_is_told_only_beyond_noise() {
    let arms = |b: [f64; 3]| {
        let first = [0.70, 0.71, 0.72].into_iter().enumerate();
        let mut sides: Vec<Side> = first.map(|(i, v)| side(0.5, 1 + i as u64, v)).collect();
        sides.extend(b.into_iter().enumerate().map(|(i, v)| side(0.75, 1 + i as u64, v)));
        of(sides)
    };
    let clear = arms([0.75, 0.761, 0.769]);
    let accuracy = about(&clear, "Accuracy");
    assert_eq!(accuracy.tone, Tone::Clear);
    assert!(accuracy.words.contains("xi 0.75 ×3 is 5.0 points above xi 0.5 ×3"), "{}", accuracy.words);
    assert!(accuracy.words.contains("3 pairs of the same seed"), "{}", accuracy.words);
    let noise = arms([0.75, 0.69, 0.71]);
    let accuracy = about(&noise, "Accuracy");
    assert_eq!(accuracy.tone, Tone::Noise);
    assert!(accuracy.words.contains("no difference is shown"), "{}", accuracy.words);
    // The same journals in both arms: settings change nothing, and three of each are too few for a small p.
    assert_eq!(about(&noise, "Cuts, decisions").tone, Tone::Lacking);
    assert!(about(&noise, "Scores, Kendall").words.contains("p can't be below 0.1"));
}

#[test]
fn several_arms_share_their_confidence_and_one_alone_tells_its_spread() {
    let mut sides = Vec::new();
    for (xi, base) in [(0.25, 0.70), (0.5, 0.71), (0.75, 0.72)] {
        sides.extend((1..=3).map(|seed| side(xi, seed, base + 0.01 * ((xi * 40.0 + seed as f64 * 7.0) % 3.0).sin())));
    }
    let said = of(sides);
    let accuracies: Vec<&Said> = said.iter().filter(|s| s.words.starts_with("Accuracy")).collect();
    assert_eq!(accuracies.len(), 2);
    assert!(accuracies[0].words.contains("for all 2 comparisons together"), "{}", accuracies[0].words);
    let said = of((1..=3).map(|seed| side(0.5, seed, 0.7 + 0.01 * seed as f64)).collect());
    assert!(about(&said, "Accuracy of 3 seeds").words.contains("72.0 ± 1.0 %"), "{said:?}");
    assert!(said.len() == 3 && of(vec![side(0.5, 1, 0.7)]).is_empty());
    // What is not done has no part in it.
    let mut early = side(0.5, 1, 0.9);
    early.state.ended = None;
    assert!(about(&of(vec![early, side(0.75, 1, 0.7)]), "Accuracy").words.contains("no run that is done"));
}
