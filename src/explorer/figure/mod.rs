//! Figures for papers: what the screens show, as vector graphics on white paper, with axes, units and a legend.

mod cell;
mod cut;
mod paper;
mod pdf;
mod png;
mod print;
mod scores;
mod search;
pub mod study;

use super::state::State;
pub use pdf::{PdfError, render as pdf};
pub use png::{PngError, render as png, render_printed as png_printed, render_scaled as png_scaled};
pub use print::{WIDTHS, svg as printed};

/// What a figure shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Importance of every operation as heat maps.
    Scores,
    /// Kept operations, and predicted memory against pruning level.
    Cut,
    /// Losses and accuracies over epochs.
    Search,
    /// Both cells as graphs.
    Cell,
}

impl What {
    pub const ALL: [What; 4] = [What::Scores, What::Cut, What::Search, What::Cell];

    pub const fn name(self) -> &'static str {
        match self {
            What::Scores => "scores",
            What::Cut => "cut",
            What::Search => "search",
            What::Cell => "cell",
        }
    }
}

/// The figure as SVG; none where the run has not come so far.
pub fn svg(state: &State, what: What) -> Option<String> {
    match what {
        What::Scores => scores::draw(state),
        What::Cut => cut::draw(state),
        What::Search => search::draw(state),
        What::Cell => cell::draw(state.genotype()?, state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explorer::fixture::{self, Until};

    #[test]
    fn every_figure_is_labelled_and_inside_its_paper() {
        let state = State::from_events(&fixture::journal(Until::Done, 1));
        let parts: [(What, &[&str]); 4] = [
            (What::Scores, &["normal cell", "reduction cell", "sep_conv_3x3", "importance", "0▸2"]),
            (What::Cut, &["pruning level ξ", "GiB", "random cuts", "this cut", "kept"]),
            (What::Search, &["epoch", "loss", "accuracy (%)", "train", "validation"]),
            (What::Cell, &["normal cell", "reduction cell", "sep_conv_5x5", "parameters"]),
        ];
        for (what, words) in parts {
            let svg = svg(&state, what).unwrap();
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
            for word in words {
                assert!(svg.contains(word), "{what:?} lacks {word}");
            }
            assert!(!svg.contains("NaN") && !svg.contains("inf\""), "{what:?}");
            assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
        }
    }

    #[test]
    fn before_its_time_there_is_no_figure() {
        let state = State::from_events(&fixture::journal(Until::Started, 1));
        assert!(What::ALL.into_iter().all(|w| svg(&state, w).is_none()));
        let scoring = State::from_events(&fixture::journal(Until::Scoring, 1));
        assert!(svg(&scoring, What::Scores).is_some() && svg(&scoring, What::Cut).is_none());
    }
}
