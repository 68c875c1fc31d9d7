//! Scores of every operation, live: heat maps, the operation under the cursor in detail, and what scoring costs.

use super::{Scene, maps, pairs, ranked, scatter};
use crate::explorer::draw::Pad;
use crate::explorer::state::{PlaceScore, Ranking};
use crate::explorer::text;
use crate::explorer::ui::{Layout, Shown};
use crate::explorer::widgets::{Entry, bar, spark};
use crate::run::event::Stage;
use crate::space::{CellKind, Edge, Operation, Place};
use ratatui::style::{Modifier, Style};

/// ```text
/// maps of both cells ........ 16 lines, fewer where there is no room
/// detail | cost               6 lines and more
/// edge   | by kind | removals where there is room
/// ```
pub fn draw(pad: &mut Pad, scene: &Scene) {
    let (w, h) = (pad.width(), pad.height());
    if scene.state.score.setup.is_none() {
        let mut inner = pad.panel("scores", "", false);
        if scene.state.trains() {
            inner.prose(
                "This run trains a genotype from scratch: nothing is scored. The Train screen shows how it goes.",
            );
            return;
        }
        if scene.state.cut.cut.as_ref().is_some_and(|c| c.unscored) {
            inner.prose(
                "Nothing is scored in this run: its cut is a control (cut.source), which needs no scores. The Cut screen shows \
                 it.",
            );
            return;
        }
        inner.prose(
            "Every operation of every edge will be scored here as soon as scoring begins, which is within seconds: how \
             much the network loses without it, measured without training. Nothing needs to be pressed.",
        );
        return;
    }
    let ranking = scene.state.score.ranking(scene.ui.function);
    let upper = if h >= 22 { 16 } else { h.saturating_sub(4).max(5) };
    let mut top = pad.sub(0, 0, w, upper);
    match scene.ui.layout {
        Layout::Map => grids(&mut top, scene, &ranking),
        Layout::List => ranked::draw(&mut top, scene, &ranking),
        Layout::Scatter => scatter::draw(&mut top, scene),
    }
    let (y, lower) = (upper, h - upper);
    if w < 72 {
        detail(&mut pad.sub(0, y, w, lower), scene, &ranking);
        return;
    }
    let columns: u16 = if w >= 150 { 3 } else { 2 };
    let width = (w - 2 * (columns - 1)) / columns;
    let split = if columns == 2 && lower < 14 { w * 11 / 20 } else { width };
    let first = 8.min(lower);
    detail(&mut pad.sub(0, y, split, first), scene, &ranking);
    let x = split + 2;
    cost(&mut pad.sub(x, y, if columns == 2 { w - x } else { width }, first), scene);
    if lower >= first + 6 {
        let (y, rest) = (y + first, lower - first);
        edge(&mut pad.sub(0, y, split, rest), scene, &ranking);
        kinds(&mut pad.sub(x, y, if columns == 2 { w - x } else { width }, rest), scene);
    }
    if columns == 3 {
        let x = x + width + 2;
        removals(&mut pad.sub(x, y, w - x, lower), scene);
    }
}

/// A common power of ten for all numbers of the map, so that they fit: by how many zeros they are multiplied.
fn scale(scene: &Scene) -> i32 {
    let top = Place::all().filter_map(|p| number(scene, p)).map(f64::abs).fold(0.0, f64::max);
    if top == 0.0 { 0 } else { (2 - top.log10().floor() as i32).clamp(0, 9) / 3 * 3 }
}

fn number(scene: &Scene, place: Place) -> Option<f64> {
    let p = scene.state.score.place(place);
    match scene.ui.shown {
        Shown::Spread => p.spread(scene.ui.function),
        _ => p.mean(scene.ui.function),
    }
}

fn grids(pad: &mut Pad, scene: &Scene, ranking: &Ranking) {
    let score = &scene.state.score;
    let function = score.function_name(scene.ui.function);
    let zeros = scale(scene);
    let ascii = pad.theme.ascii;
    // Before the name, which may be cut off.
    let unit = match zeros {
        0 => String::new(),
        _ if ascii => format!("x 10^-{zeros} "),
        _ => format!("×10{} ", text::superscript(i64::from(-zeros))),
    };
    let (title, note) = match scene.ui.shown {
        Shown::Value => ("importance", format!("{unit}{function}")),
        Shown::Rank => ("rank", format!("1 is best of {}, {function}", ranking.total)),
        Shown::Spread => ("spread over draws", format!("{unit}{function}")),
    };
    let factor = 10f64.powi(zeros);
    let heat = spread_scale(scene, ranking);
    let entry = |place: Place| {
        let p = score.place(place);
        if !score.takes_part(place) {
            return Entry { text: "·".into(), style: Style::new().add_modifier(Modifier::DIM), ..Entry::default() };
        }
        let current = score.current.is_some_and(|c| c.1 == place);
        let undefined = p.mean(scene.ui.function).is_none() && p.undefined() > 0;
        let text = match scene.ui.shown {
            _ if undefined => "nan".into(),
            Shown::Rank => ranking.rank(place).map_or_else(String::new, |r| r.to_string()),
            _ => number(scene, place).map_or_else(String::new, |v| text::compact(v * factor)),
        };
        let mark = if current {
            Some('◐')
        } else if p.undefined() > 0 {
            Some('!')
        } else {
            p.removed
                .and_then(|r| text::superscript(r as i64 + 1).chars().next())
                // Among ASCII it would be one more digit of the number.
                .filter(|_| scene.ui.shown == Shown::Value && !ascii)
        };
        let mut style = Style::new();
        if current {
            style = style.add_modifier(Modifier::BOLD | Modifier::UNDERLINED);
        }
        Entry { text, heat: heat(place), mark, style }
    };
    maps::draw(pad, scene, title, note.trim(), &entry);
}

/// What the colour stands for: the rank, or on the spread's map the spread itself.
fn spread_scale<'a>(scene: &'a Scene, ranking: &'a Ranking) -> Box<dyn Fn(Place) -> Option<f64> + 'a> {
    if scene.ui.shown != Shown::Spread {
        return Box::new(|place| ranking.height(place));
    }
    let top = Place::all().filter_map(|p| number(scene, p)).fold(0.0, f64::max);
    Box::new(move |place| number(scene, place).map(|v| if top > 0.0 { v / top } else { 0.0 }))
}

fn detail(pad: &mut Pad, scene: &Scene, ranking: &Ranking) {
    let place = scene.ui.place();
    let score = &scene.state.score;
    let p = score.place(place);
    let title = format!("{} {} · {}", place.edge, place.operation, place.cell);
    let mut inner = pad.panel(&title, "", false);
    if !score.takes_part(place) {
        inner.prose("This operation does not take part: it was left out of the space before scoring.");
        return;
    }
    let names: Vec<Option<usize>> =
        std::iter::once(None).chain((0..score.setup.as_ref().map_or(0, |s| s.functions.len())).map(Some)).collect();
    let (dim, plain, strong) = (inner.theme.dim(), inner.theme.plain(), inner.theme.strong());
    let column = 16;
    let lines = inner.height().saturating_sub(2);
    let mut y = 0;
    for function in names.into_iter().take(usize::from(lines.max(1))) {
        let style = if function == scene.ui.function { strong } else { dim };
        inner.fitted(1, y, column - 2, score.function_name(function), style);
        match p.mean(function) {
            Some(v) => {
                inner.right(column + 9, y, &text::significant(v, 3), plain);
                if let Some(s) = p.spread(function) {
                    inner.text(column + 10, y, &format!("±{}", text::significant(s, 2)), dim);
                }
            }
            None => {
                inner.text(column + 1, y, if p.undefined() > 0 { "undefined" } else { "not scored yet" }, dim);
            }
        }
        let rank =
            if function == scene.ui.function { ranking.rank(place) } else { score.ranking(function).rank(place) };
        if let Some(rank) = rank {
            let x = column + 20;
            if inner.width() >= x + 14 {
                inner.text(x, y, &format!("rank {rank}/{}", ranking.total), plain);
            }
        }
        y += 1;
    }
    let room = usize::from(inner.width().saturating_sub(16));
    inner.text(1, y, "draws", dim);
    let drawn = spark(&p.history, room.min(48));
    let accent = inner.theme.accent();
    let x = inner.text(column, y, &drawn, accent);
    inner.text(x + 1, y, &format!("{}", p.history.len()), dim);
    y += 1;
    for line in verdict(p, place) {
        for line in text::wrap(&line, inner.width().saturating_sub(2)) {
            inner.text(1, y, &line, plain);
            y += 1;
        }
    }
}

/// What the last finished round says of an operation, in words.
fn verdict(p: &PlaceScore, place: Place) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(summary) = &p.summary {
        match (summary.next, summary.p) {
            (Some(next), Some(v)) if v.0.is_finite() => {
                let name = next.operation.short();
                let value = text::significant(v.0, 2);
                lines.push(if v.0 < 0.05 {
                    format!("lower than {name} by more than noise (p={value})")
                } else {
                    format!("a tie with {name}: within noise (p={value})")
                });
            }
            (None, _) => lines.push(format!("the best of edge {}", place.edge)),
            _ => {}
        }
    }
    if p.undefined() > 0 {
        lines.push(format!("{} of {} draws are NaN or infinite and left out", p.undefined(), p.draws.len()));
    }
    if let Some(round) = p.removed {
        lines.push(format!("left in round {}", round + 1));
    }
    lines
}

fn cost(pad: &mut Pad, scene: &Scene) {
    let state = scene.state;
    let score = &state.score;
    let rounds = score.setup.as_ref().map_or(0, |s| s.rounds);
    let note = if score.ended.is_some() {
        format!("{rounds} rounds")
    } else {
        format!("round {} of {rounds}", score.round + 1)
    };
    let mut inner = pad.panel("cost of scoring", &note, false);
    let (done, total) = (score.done, score.total());
    let share = if total > 0 { done as f64 / total as f64 } else { 0.0 };
    let count = format!("{done}/{total}");
    let room = inner.width().saturating_sub(4 + text::width(&count));
    let plain = inner.theme.plain();
    bar(&mut inner, 1, 0, room, share);
    inner.text(room + 2, 0, &count, plain);
    let mut rows = Vec::new();
    if score.ended.is_none() {
        let rate = score.rate().map_or_else(|| "—".into(), |r| format!("{} scores/s", text::significant(r, 3)));
        let left = score.left().map_or_else(|| "—".into(), text::duration);
        rows.push(("rate", rate));
        rows.push(("left", left));
    }
    let spent = if score.ended.is_none() && state.is_live() && !state.paused {
        score.seconds() + (scene.now - state.now).max(0.0)
    } else {
        score.seconds()
    };
    let pace = score.ended.as_ref().filter(|e| e.seconds > 0.0).map(|e| done as f64 / e.seconds);
    let pace = pace.map_or_else(String::new, |r| format!(" · {} scores/s", text::significant(r, 3)));
    rows.push(("spent", format!("{}{pace}", text::duration(spent))));
    let peak = score.ended.as_ref().and_then(|e| e.peak_bytes).or(state.stages[Stage::Score as usize].peak_bytes);
    rows.push((
        "peak",
        match (peak, state.memory_peak) {
            (Some(bytes), _) => text::bytes(bytes),
            (None, Some(bytes)) => format!("{} (whole process)", text::bytes(bytes)),
            (None, None) => "—".into(),
        },
    ));
    if let Some(search) = state.stages[Stage::Search as usize].seconds.filter(|s| *s > 0.0) {
        rows.push((
            "share",
            format!("{} % of the search's time", text::significant(score.seconds() / search * 100.0, 2)),
        ));
    } else if score.ended.is_some() {
        rows.push(("share", "of the search: known when that is done".into()));
    }
    if score.ended.is_some() {
        rows.push(("ties", format!("{} of {} decisions within noise", score.ties(), score.removals.len())));
    }
    let (w, h) = (inner.width(), inner.height());
    pairs(&mut inner.sub(0, 1, w, h.saturating_sub(1)), &rows);
}

/// All operations of the edge under the cursor, best first.
fn edge(pad: &mut Pad, scene: &Scene, ranking: &Ranking) {
    let ui = scene.ui;
    let score = &scene.state.score;
    let mut inner = pad.panel(&format!("edge {} · {}", ui.edge, ui.cell), "best first", false);
    let mut places: Vec<Place> =
        Operation::ALL.into_iter().map(|o| Place::new(ui.cell, ui.edge, o)).filter(|p| score.takes_part(*p)).collect();
    places.sort_by_key(|p| ranking.rank(*p).unwrap_or(usize::MAX));
    let (dim, plain, strong) = (inner.theme.dim(), inner.theme.plain(), inner.theme.strong());
    inner.text(1, 0, "operation", dim);
    inner.right(25, 0, "value", dim);
    inner.right(34, 0, "spread", dim);
    inner.right(40, 0, "rank", dim);
    inner.text(42, 0, "against the next", dim);
    for (i, place) in places.iter().enumerate() {
        let y = 1 + i as u16;
        let p = score.place(*place);
        let here = place.operation == ui.operation;
        inner.text(1, y, place.operation.name(), if here { strong } else { plain });
        let value = |v: Option<f64>, d| v.map_or_else(|| "—".into(), |v| text::significant(v, d));
        inner.right(25, y, &value(p.mean(ui.function), 3), plain);
        inner.right(34, y, &value(p.spread(ui.function), 2), dim);
        let rank = ranking.rank(*place).map_or_else(|| "—".into(), |r| r.to_string());
        inner.right(40, y, &rank, plain);
        let against = match (p.summary.as_ref(), p.removed) {
            (Some(s), removed) => {
                let tie = match s.p {
                    Some(p) if p.0.is_finite() => {
                        format!("p={}{}", text::significant(p.0, 2), if p.0 < 0.05 { "" } else { " tie" })
                    }
                    _ if s.next.is_none() => "the best".into(),
                    _ => "—".into(),
                };
                removed.map_or(tie.clone(), |r| format!("{tie}, out {}", r + 1))
            }
            (None, _) => String::new(),
        };
        let room = inner.width().saturating_sub(42);
        inner.fitted(42, y, room, &against, dim);
    }
}

/// Mean score of each kind of operation, by cell.
fn kinds(pad: &mut Pad, scene: &Scene) {
    let score = &scene.state.score;
    let columns = scene.state.columns();
    let mut inner = pad.panel("mean by kind of operation", "normal · reduction", false);
    let mean = |cell: CellKind, operation: Operation| {
        let values: Vec<f64> =
            Edge::all().filter_map(|e| score.place(Place::new(cell, e, operation)).mean(scene.ui.function)).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let all: Vec<(Operation, [Option<f64>; 2])> =
        columns.iter().map(|o| (*o, CellKind::ALL.map(|c| mean(c, *o)))).collect();
    let values = || all.iter().flat_map(|a| a.1).flatten();
    let (low, high) = (values().fold(0.0, f64::min), values().fold(0.0, f64::max));
    let (dim, plain) = (inner.theme.dim(), inner.theme.plain());
    let label = 15;
    let half = inner.width().saturating_sub(label + 1) / 2;
    for (i, (operation, means)) in all.iter().enumerate() {
        let y = i as u16;
        inner.text(1, y, operation.name(), plain);
        for (c, m) in means.iter().enumerate() {
            let x = label + half * c as u16;
            let Some(m) = m else { continue };
            let text = text::significant(*m, 2);
            inner.right(x + 8, y, &text, dim);
            let room = half.saturating_sub(11);
            let share = if high > low { (m - low) / (high - low) } else { 0.0 };
            bar(&mut inner, x + 9, y, room, share);
        }
    }
}

/// What went, round by round, latest first.
fn removals(pad: &mut Pad, scene: &Scene) {
    let score = &scene.state.score;
    let note = format!("{} gone, {} within noise", score.removals.len(), score.ties());
    let mut inner = pad.panel("removed, latest first", &note, false);
    if score.removals.is_empty() {
        inner.prose("After each round the least important operation of every edge goes; it will be listed here.");
        return;
    }
    let (dim, plain) = (inner.theme.dim(), inner.theme.plain());
    for (y, (round, removal)) in score.removals.iter().rev().take(usize::from(inner.height())).enumerate() {
        let y = y as u16;
        inner.text(1, y, &format!("{}", round + 1), dim);
        let place = removal.place;
        inner.text(4, y, &format!("{} {}", place.edge, place.operation), plain);
        inner.text(22, y, place.cell.name(), dim);
        inner.right(42, y, &text::significant(removal.score.0, 3), plain);
        let word = if removal.by_lot {
            "by lot"
        } else if removal.tie {
            "a tie"
        } else {
            ""
        };
        inner.text(44, y, word, dim);
    }
}
