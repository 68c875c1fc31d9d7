//! Health rule: mixing weights that settle early.

use super::{Reading, Rule, share};
use crate::explorer::state::{State, Weights};

/// Entropy of the mixing weights.
pub struct Collapse;

/// Share of edges that are decided.
const THRESHOLD: f64 = 0.9;
/// An edge counts as decided where its entropy is below this share of an even mixture's.
const LOW: f64 = 0.15;
/// In the last third of a search, decided edges are what is wanted.
const LATE: f64 = 2.0 / 3.0;

impl Rule for Collapse {
    fn title(&self) -> &'static str {
        "alphas collapse early"
    }

    fn help(&self) -> &'static str {
        "Share of edges (with two or more operations kept) whose mixing weights have an entropy below 15 % of an even \
         mixture's, before two thirds of the search. Decided that early, the rest of the search cannot change its mind."
    }

    fn source(&self) -> &'static str {
        "entropy of alphas as in ASAP (Noy et al. 2019), arXiv 1904.04123; the thresholds are ours"
    }

    fn read(&self, state: &State) -> Option<Reading> {
        let value = decided(&state.search.weights()?)?;
        let late = LATE * state.search.setup.as_ref().map_or(0.0, |s| s.epochs as f64);
        // What was still open by then is no warning, however the search ends.
        let before = state.search.alphas.iter().rev().find(|s| s.at <= late).and_then(|s| decided(&s.weights));
        if state.epochs.progress() > LATE && before.is_none_or(|b| b < THRESHOLD) {
            let words = format!("edges decided: {:.0} %, in the last third of the search", value * 100.0);
            return Some(Reading { value, threshold: f64::INFINITY, words });
        }
        Some(Reading { value, threshold: THRESHOLD, words: format!("edges decided: {}", share(value, THRESHOLD)) })
    }
}

/// Share of edges that are as good as decided; none where no edge has a choice.
fn decided(weights: &Weights) -> Option<f64> {
    let (mut low, mut edges) = (0usize, 0usize);
    let space = weights.space();
    for (cell, edge) in space.all_edges() {
        let row = space.operations().iter().map(|o| f64::from(weights.get(cell, edge, *o))).filter(|w| *w > 0.0);
        let (entropy, count) = row.fold((0.0, 0usize), |(h, n), w| (h - w * w.ln(), n + 1));
        if count > 1 {
            edges += 1;
            low += usize::from(entropy < LOW * (count as f64).ln());
        }
    }
    (edges > 0).then(|| low as f64 / edges as f64)
}
