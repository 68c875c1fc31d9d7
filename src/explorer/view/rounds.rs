//! Rounds of scoring in words: which one is shown, and how it decided a removal.

use super::Scene;
use crate::explorer::state::unscored;
use crate::run::event::Removal;
use crate::space::cut::Source;

/// Which round's numbers are shown.
pub fn when(scene: &Scene, round: Option<usize>) -> String {
    let score = &scene.state.score;
    match round {
        Some(r) if score.of_round(r).is_some_and(|r| !r.ended) => format!("round {} so far", r + 1),
        Some(r) => format!("round {}", r + 1),
        None if score.of_round(score.round).is_some_and(|r| !r.ended) => format!("round {} so far", score.round + 1),
        None => "deciding rounds".into(),
    }
}

/// How a removal was decided, where it was not clear.
pub fn removal_words(removal: &Removal) -> &'static str {
    if unscored(removal) {
        "at random: no score"
    } else if removal.by_lot {
        "at random: equal"
    } else {
        match removal.settled {
            Some(Source::MostParameters) => "a tie: fewer parameters",
            Some(Source::Cheapest) => "a tie: dearer",
            Some(_) => "a tie: at random",
            None if removal.tie => "a tie",
            None => "",
        }
    }
}
