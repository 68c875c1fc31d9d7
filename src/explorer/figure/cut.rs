//! The figure of a cut: masks, and memory against pruning level.

use super::paper::{Anchor, Axes, INK, LINE, Paper, QUIET, series, tick};
use crate::explorer::forecast::Basis;
use crate::explorer::state::State;
use crate::explorer::verdict::Verdict;
use crate::run::describe;
use crate::run::event::Cut;
use crate::space::Place;
use crate::space::cut::level_text;

const GIB: f64 = 1_073_741_824.0;

/// What is kept, and whether that is any good; so many dots mark what is within noise.
pub(super) fn legend(state: &State, cut: &Cut, ties: usize) -> [String; 2] {
    let by_scores = cut.source == "scores";
    let source =
        if by_scores { describe::cut_source(cut) } else { format!("control: {}", cut.source.replace('_', " ")) };
    // What is not there needs no legend.
    let hand = if cut.by_hand.is_empty() { "" } else { "; outlined: by hand" };
    let ties = if ties > 0 { format!("; dot: within noise ({ties})") } else { String::new() };
    let kept = format!("{} of {} kept, ξ = {}, {source}{hand}{ties}", cut.mask.count(), cut.of(), level_text(cut.xi));
    let verdict = Verdict::of(state, cut);
    let words = match &verdict.headline(state, cut).1[..] {
        [] => format!("{} of {} kept operations are those of the parameter count", verdict.same, verdict.kept),
        pieces => pieces.join("; "),
    };
    [kept, words]
}

/// The unit that so many bytes are told in.
pub(super) fn unit(most: f64) -> (f64, &'static str) {
    if most >= GIB { (GIB, "GiB") } else { (GIB / 1024.0, "MiB") }
}

/// Both masks, and memory against pruning level with the range of random cuts.
pub fn draw(state: &State) -> Option<String> {
    let cut = state.cut.cut.as_ref()?;
    let forecast = Basis::of(state)?.forecast();
    let (columns, space) = (state.columns(), state.space());
    // Room for as many edges as the larger cell has.
    let below = 17.0 * space.graphs().iter().map(|g| g.edges.len()).max().unwrap_or(0).max(14) as f64 - 17.0 * 14.0;
    // Room for as many operations as there are.
    let step = (46.0 + 18.0 * columns.len() as f64).max(190.0);
    let aside = 2.0 * (step - 190.0);
    let mut p = Paper::new(880.0 + aside, 340.0 + below);
    let ties_of = state.verdict().map_or(&[][..], |v| &v.within_noise);
    let mut ties = 0;
    for (i, graph) in space.graphs().iter().enumerate() {
        let (cell, x) = (graph.kind, 20.0 + step * i as f64);
        p.text(x, 26.0, 13.0, INK, Anchor::Start, &format!("{cell} cell, kept"));
        for (i, o) in columns.iter().enumerate() {
            p.text(x + 47.0 + 18.0 * i as f64, 48.0, 6.0, QUIET, Anchor::Middle, o.short());
        }
        for (row, edge) in graph.edges.iter().enumerate() {
            let y = 54.0 + 17.0 * row as f64;
            p.text(x + 30.0, y + 11.0, 9.0, INK, Anchor::End, &edge.to_string());
            for (i, o) in columns.iter().enumerate() {
                let place = Place::new(cell, *edge, *o);
                let by_hand = cut.by_hand.contains(&place);
                let fill = match (cut.mask.contains(place), by_hand) {
                    (true, false) => series(0),
                    (true, true) => series(1),
                    (false, _) => "#ffffff".into(),
                };
                let left = x + 40.0 + 18.0 * i as f64;
                p.rect(left, y, 14.0, 14.0, &fill, if by_hand { INK } else { LINE });
                let tie = ties_of.iter().any(|t| t.goes == place);
                if tie && !by_hand && !cut.mask.contains(place) {
                    p.circle(left + 7.0, y + 7.0, 2.0, QUIET);
                    ties += 1;
                }
            }
        }
    }
    let [kept, words] = legend(state, cut, ties);
    p.text(20.0, 316.0 + below, 10.0, INK, Anchor::Start, &kept);
    p.text(20.0, 332.0 + below, 9.0, QUIET, Anchor::Start, &words);
    let most = forecast.levels.iter().map(|l| l.random.1).max()?.max(cut.full_memory_bytes) as f64;
    let (unit, name) = unit(most);
    let axes = Axes {
        left: 480.0 + aside,
        top: 40.0,
        width: 370.0,
        height: 230.0,
        x: (0.0, 1.0),
        y: (0.0, most / unit * 1.08),
    };
    // Where edges have unequal numbers of candidates ξ, which goes by the widest, is no share of all.
    let across = match state.full().is_even() {
        true => "pruning level ξ (share of operations that goes)",
        false => "share of operations that goes (pruning level ξ: of the widest edge's)",
    };
    axes.draw(&mut p, (across, &format!("predicted peak memory ({name})")), (&tick, &tick));
    let high: Vec<(f64, f64)> = forecast.levels.iter().map(|l| (l.gone, l.random.1 as f64 / unit)).collect();
    let low: Vec<(f64, f64)> = forecast.levels.iter().rev().map(|l| (l.gone, l.random.0 as f64 / unit)).collect();
    let band = format!("{}Z", axes.curve(&[high, low].concat()));
    p.path(&band, "#d8dee4", "none", 0.0);
    let curve: Vec<(f64, f64)> = forecast.levels.iter().map(|l| (l.gone, l.bytes as f64 / unit)).collect();
    p.path(&axes.curve(&curve), "none", &series(0), 1.8);
    let full = axes.at(0.0, cut.full_memory_bytes as f64 / unit).1;
    p.line((axes.left, full), (axes.left + axes.width, full), QUIET, "4 3");
    let (x, y) = axes.at(cut.gone(), cut.memory_bytes as f64 / unit);
    p.circle(x, y, 4.5, &series(1));
    p.text(480.0 + aside, 26.0, 10.0, QUIET, Anchor::Start, "dashed: full space");
    p.rect(590.0 + aside, 17.0, 14.0, 10.0, "#d8dee4", "none");
    p.text(608.0 + aside, 26.0, 10.0, QUIET, Anchor::Start, "random cuts of equal size");
    p.circle(757.0 + aside, 22.0, 4.5, &series(1));
    p.text(766.0 + aside, 26.0, 10.0, QUIET, Anchor::Start, "this cut");
    Some(p.done())
}
