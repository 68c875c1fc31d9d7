//! The figures laid out for a width in print: what does not fit side by side stands below each other, and letters have 7 to 9
//! points whatever the width is.

mod cell;
mod cut;
mod scores;
mod search;

use std::ops::RangeInclusive;

use super::What;
use crate::explorer::state::State;

/// Widths that the figures can be laid out for, in points: 60 to 400 mm.
pub const WIDTHS: RangeInclusive<f64> = 170.0..=1134.0;

/// Sizes of letters, in points; words at axes have 8.
const SMALL: f64 = 7.0;
const LARGE: f64 = 9.0;
/// Between what stands side by side, and around all.
const GAP: f64 = 12.0;
const MARGIN: f64 = 3.0;

/// The figure as SVG, so many points wide; none where the run has not come so far.
pub fn svg(state: &State, what: What, width: f64) -> Option<String> {
    let width = width.clamp(*WIDTHS.start(), *WIDTHS.end());
    match what {
        What::Scores => scores::draw(state, width),
        What::Cut => cut::draw(state, width),
        What::Search => search::draw(state, width),
        What::Cell => cell::draw(state.genotype()?, state, width),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explorer::fixture::{self, Until};

    /// All numbers behind a word of the drawing.
    fn numbers(svg: &str, word: &str) -> Vec<f64> {
        let parts = svg.split(word).skip(1);
        parts.filter_map(|part| part.split('"').next()?.parse().ok()).collect()
    }

    #[test]
    fn letters_keep_their_size_and_nothing_leaves_the_paper() {
        let state = State::from_events(&fixture::journal(Until::Done, 1));
        // One column and two of a page, and the narrowest.
        for width in [*WIDTHS.start(), 240.94, 481.89, *WIDTHS.end()] {
            for what in What::ALL {
                let svg = svg(&state, what, width).unwrap();
                assert!(svg.contains(&format!("width=\"{width:.2}pt\"")), "{what:?}");
                let sizes = numbers(&svg, "font-size=\"");
                assert!(!sizes.is_empty() && sizes.iter().all(|s| (7.0..=9.0).contains(s)), "{what:?}: {sizes:?}");
                for x in [" x=\"", " cx=\""].iter().flat_map(|word| numbers(&svg, word)) {
                    assert!((0.0..=width).contains(&x), "{what:?} at {width}: x {x}");
                }
                let height: f64 =
                    svg.split("height=\"").nth(1).and_then(|s| s.split("pt").next()).unwrap().parse().unwrap();
                for y in [" y=\"", " cy=\""].iter().flat_map(|word| numbers(&svg, word)) {
                    assert!((0.0..=height).contains(&y), "{what:?} at {width}: y {y} of {height}");
                }
                // No text ends beyond the paper, by the width that letters have at most.
                for part in svg.split("<text ").skip(1).filter(|part| !part.starts_with("transform")) {
                    let number = |key: &str| part.split(key).nth(1)?.split('"').next()?.parse::<f64>().ok();
                    let words = part.split('>').nth(1).and_then(|s| s.split('<').next()).unwrap();
                    let words = words.replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&");
                    let (x, size) = (number("x=\"").unwrap(), number("font-size=\"").unwrap());
                    let wide = crate::explorer::figure::paper::Paper::wide(&words, size);
                    let (from, to) = match part.split("anchor=\"").nth(1).and_then(|s| s.split('"').next()) {
                        Some("end") => (x - wide, x),
                        Some("middle") => (x - wide / 2.0, x + wide / 2.0),
                        _ => (x, x + wide),
                    };
                    assert!(from >= -1.0 && to <= width + 1.0, "{what:?} at {width}: `{words}` {from} to {to}");
                }
            }
        }
    }
}
