//! A cut in print: the masks, and below them memory against pruning level.

use super::{GAP, LARGE, MARGIN, SMALL};
use crate::explorer::figure::cut::{legend, unit};
use crate::explorer::figure::paper::{Anchor, Axes, INK, LINE, PRINT, Paper, QUIET, series, tick};
use crate::explorer::forecast::Basis;
use crate::explorer::state::State;
use crate::space::Place;

/// Names of edges.
const EDGE: f64 = 20.0;
/// Sides of squares, and from one to the next.
const SQUARE: f64 = 8.0;
const STEP: f64 = 10.0;
/// Above the squares: the kind of cell, and the names of operations, which run upwards.
const ABOVE: f64 = 36.0;
const LEFT: f64 = 34.0;
/// From this width on the curve stands beside the masks.
const WIDE: f64 = 400.0;

pub fn draw(state: &State, width: f64) -> Option<String> {
    let cut = state.cut.cut.as_ref()?;
    let forecast = Basis::of(state)?.forecast();
    let (columns, graphs) = (state.columns(), state.space().graphs());
    let room = width - 2.0 * MARGIN;
    let each = EDGE + STEP * columns.len() as f64;
    let abreast = graphs.len() > 1 && 2.0 * each + GAP <= room;
    let tall = |g: &crate::space::Graph| ABOVE + STEP * g.edges.len() as f64 + 6.0;
    let (masks, across) = match abreast {
        true => (graphs.iter().map(tall).fold(0.0, f64::max), 2.0 * each + GAP),
        false => (graphs.iter().map(tall).sum(), each),
    };
    let aside = width >= WIDE && room - across - GAP >= 190.0;
    let chart = if aside { (MARGIN + across + GAP, 0.0) } else { (MARGIN, masks + 6.0) };
    let frame = width - MARGIN - 4.0 - chart.0 - LEFT;
    let frame_height = (0.55 * frame).clamp(80.0, 170.0);
    let chart_height = 24.0 + frame_height + 24.0;
    let ties_of = state.verdict().map_or(&[][..], |v| &v.within_noise);
    let is_tie = |place: Place| {
        ties_of.iter().any(|t| t.goes == place) && !cut.by_hand.contains(&place) && !cut.mask.contains(place)
    };
    let ties = state.space().places().filter(|p| is_tie(*p)).count();
    let names = columns.iter().map(|o| format!("{}: {}", o.short(), o.name())).collect::<Vec<_>>().join(", ");
    let [kept, verdict] = legend(state, cut, ties);
    let words = [kept, verdict, names].into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" · ");
    let lines = Paper::count(&words, room, SMALL) as f64;
    let upper = if aside { masks.max(chart_height) } else { masks + 6.0 + chart_height };
    let mut p = Paper::printed(width, upper + 1.4 * SMALL * lines + 8.0);
    let mut top = 0.0;
    for (i, graph) in graphs.iter().enumerate() {
        let x = MARGIN + if abreast { (each + GAP) * i as f64 } else { 0.0 };
        p.text(x, top + 10.0, LARGE, INK, Anchor::Start, &format!("{} cell, kept", graph.kind));
        for (i, o) in columns.iter().enumerate() {
            p.upright(x + EDGE + STEP * i as f64 + 6.5, top + ABOVE - 11.0, SMALL, o.short());
        }
        for (row, edge) in graph.edges.iter().enumerate() {
            let y = top + ABOVE + STEP * row as f64;
            p.text(x + EDGE - 3.0, y + 6.6, SMALL, INK, Anchor::End, &edge.to_string());
            for (i, o) in columns.iter().enumerate() {
                let place = Place::new(graph.kind, *edge, *o);
                let by_hand = cut.by_hand.contains(&place);
                let fill = match (cut.mask.contains(place), by_hand) {
                    (true, false) => series(0),
                    (true, true) => series(1),
                    (false, _) => "#ffffff".into(),
                };
                let left = x + EDGE + STEP * i as f64;
                p.rect(left, y, SQUARE, SQUARE, &fill, if by_hand { INK } else { LINE });
                if is_tie(place) {
                    p.circle(left + SQUARE / 2.0, y + SQUARE / 2.0, 1.2, QUIET);
                }
            }
        }
        if !abreast {
            top += tall(graph);
        }
    }
    let most = forecast.levels.iter().map(|l| l.random.1).max()?.max(cut.full_memory_bytes) as f64;
    let (unit, name) = unit(most);
    let axes = Axes {
        left: chart.0 + LEFT,
        top: chart.1 + 24.0,
        width: frame,
        height: frame_height,
        x: (0.0, 1.0),
        y: (0.0, most / unit * 1.08),
    };
    let across = if state.full().is_even() { "pruning level ξ" } else { "share of operations that goes" };
    axes.draw_as(&PRINT, &mut p, (across, &format!("peak memory ({name})")), (&tick, &tick));
    let high: Vec<(f64, f64)> = forecast.levels.iter().map(|l| (l.gone, l.random.1 as f64 / unit)).collect();
    let low: Vec<(f64, f64)> = forecast.levels.iter().rev().map(|l| (l.gone, l.random.0 as f64 / unit)).collect();
    p.path(&format!("{}Z", axes.curve(&[high, low].concat())), "#d8dee4", "none", 0.0);
    let curve: Vec<(f64, f64)> = forecast.levels.iter().map(|l| (l.gone, l.bytes as f64 / unit)).collect();
    p.path(&axes.curve(&curve), "none", &series(0), 1.0);
    let full = axes.at(0.0, cut.full_memory_bytes as f64 / unit).1;
    p.line((axes.left, full), (axes.left + axes.width, full), QUIET, "3 2");
    let (x, y) = axes.at(cut.gone(), cut.memory_bytes as f64 / unit);
    p.circle(x, y, 2.6, &series(1));
    // The legend, in two lines: not wider than the frame of the narrowest figure.
    let (left, first) = (axes.left, chart.1 + 7.0);
    p.line((left, first), (left + 12.0, first), QUIET, "3 2");
    p.text(left + 15.0, first + 2.5, SMALL, QUIET, Anchor::Start, "full space");
    p.circle(left + 68.0, first, 2.6, &series(1));
    p.text(left + 73.0, first + 2.5, SMALL, QUIET, Anchor::Start, "this cut");
    p.rect(left, first + 6.5, 12.0, 6.0, "#d8dee4", "none");
    p.text(left + 15.0, first + 12.0, SMALL, QUIET, Anchor::Start, "random cuts of equal size");
    p.lines((MARGIN, upper + 8.0), room, SMALL, INK, &words);
    Some(p.done())
}
