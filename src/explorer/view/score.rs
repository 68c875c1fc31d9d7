//! Scores of every operation, live: heat maps, the operation under the cursor in detail, and what scoring costs.

use super::rounds::{removal_words, when};
use super::{Scene, detail, maps, pairs, ranked, scatter, with_room};
use crate::explorer::draw::Pad;
use crate::explorer::state::Ranking;
use crate::explorer::ui::{Layout, Shown};
use crate::explorer::widgets::{Entry, bar};
use crate::run::event::Stage;
use crate::space::{CellKind, Operation, Place};
use crate::text;
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
    let round = scene.ui.round_of(scene.state);
    let ranking = scene.state.score.ranking(scene.ui.function, round);
    let upper = if h >= 22 { maps::height(scene, h, 20) } else { h.saturating_sub(4).max(5) };
    let mut top = pad.sub(0, 0, w, upper);
    match scene.ui.layout {
        Layout::Map => grids(&mut top, scene, &ranking, round),
        Layout::List => ranked::draw(&mut top, scene, &ranking),
        Layout::Scatter => scatter::draw(&mut top, scene),
    }
    let (y, lower) = (upper, h - upper);
    if w < 72 {
        detail::operation(&mut pad.sub(0, y, w, lower), scene, &ranking);
        return;
    }
    let columns: u16 = if w >= 150 { 3 } else { 2 };
    let width = (w - 2 * (columns - 1)) / columns;
    let split = if columns == 2 && lower < 14 { w * 11 / 20 } else { width };
    let first = 8.min(lower);
    detail::operation(&mut pad.sub(0, y, split, first), scene, &ranking);
    let x = split + 2;
    cost(&mut pad.sub(x, y, if columns == 2 { w - x } else { width }, first), scene);
    if lower >= first + 6 {
        let (y, rest) = (y + first, lower - first);
        detail::edge(&mut pad.sub(0, y, split, rest), scene, &ranking);
        kinds(&mut pad.sub(x, y, if columns == 2 { w - x } else { width }, rest), scene, round);
    }
    if columns == 3 {
        let x = x + width + 2;
        removals(&mut pad.sub(x, y, w - x, lower), scene);
    }
}

/// A common power of ten for all numbers of the map, so that they fit: by how many zeros they are multiplied.
fn scale(scene: &Scene, round: Option<usize>) -> i32 {
    let top = scene.state.space().places().filter_map(|p| number(scene, p, round)).map(f64::abs).fold(0.0, f64::max);
    if top == 0.0 { 0 } else { (2 - top.log10().floor() as i32).clamp(0, 9) / 3 * 3 }
}

fn number(scene: &Scene, place: Place, round: Option<usize>) -> Option<f64> {
    match scene.ui.shown {
        Shown::Spread => scene.state.score.spread(place, scene.ui.function, round),
        _ => scene.state.score.number(place, scene.ui.function, round),
    }
}

fn grids(pad: &mut Pad, scene: &Scene, ranking: &Ranking, round: Option<usize>) {
    let score = &scene.state.score;
    let function = score.function_name(scene.ui.function);
    let zeros = scale(scene, round);
    let ascii = pad.theme.ascii;
    let unit = match (zeros, scene.ui.shown) {
        (0, _) | (_, Shown::Rank) => String::new(),
        _ if ascii => format!("x1e-{zeros}"),
        _ => format!("×10{}", text::superscript(i64::from(-zeros))),
    };
    let what = match scene.ui.shown {
        Shown::Value => "score".to_string(),
        Shown::Rank => format!("rank of {}", ranking.total),
        Shown::Spread => "spread".into(),
    };
    let factor = 10f64.powi(zeros);
    // The colour says the same as the number: that of a rank by its rank, any other by its place among those shown.
    let by_number =
        (scene.ui.shown != Shown::Rank).then(|| Ranking::by(scene.state.space(), |p| number(scene, p, round)));
    let top = scene.state.space().places().filter_map(|p| number(scene, p, round)).fold(0.0, f64::max);
    let heat = |place: Place| match scene.ui.shown {
        Shown::Rank => ranking.height(place),
        Shown::Value => by_number.as_ref()?.height(place),
        Shown::Spread => number(scene, place, round).map(|v| if top > 0.0 { v / top } else { 0.0 }),
    };
    let entry = |place: Place| {
        if !score.takes_part(place) {
            return Entry { text: "·".into(), style: Style::new().add_modifier(Modifier::DIM), ..Entry::default() };
        }
        let Some(of) = score.shown(place, round) else {
            // Its edge was decided before this round, or it was removed.
            return Entry { text: "—".into(), style: Style::new().add_modifier(Modifier::DIM), ..Entry::default() };
        };
        let now = round.is_none_or(|r| r == score.round);
        let current = now && score.current.is_some_and(|c| c.1 == place);
        let undefined = of.undefined(place, scene.ui.function) > 0;
        let value = number(scene, place, round);
        let text = match (scene.ui.shown, value) {
            (Shown::Rank, Some(_)) => ranking.rank(place).map_or_else(String::new, |r| r.to_string()),
            (_, Some(v)) => short(v * factor),
            // Not comparable yet; over, and nothing was defined.
            (_, None) if of.ended && scene.ui.shown != Shown::Spread => "nan".into(),
            (_, None) => String::new(),
        };
        let several = score.setup.as_ref().is_none_or(|s| s.rounds > 1);
        let mark = if current {
            Some('◐')
        } else if undefined {
            Some('!')
        } else {
            score
                .place(place)
                .removed
                // Where there is but one, it is the same for all.
                .filter(|r| several && round.is_none_or(|shown| shown == *r))
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
    let left_out = scene.state.leaves_out_none();
    let more = if left_out { format!("{function} · none is left out") } else { function.to_string() };
    let titles = maps::Titles { what: [&what, &when(scene, round)], note: &[&more, function], unit: &unit };
    maps::titled(pad, scene, &titles, &entry);
}

/// In four columns; a rank sum has as many digits.
fn short(value: f64) -> String {
    if (999.5..9999.5).contains(&value) { format!("{value:.0}") } else { text::compact(value) }
}

fn cost(pad: &mut Pad, scene: &Scene) {
    let state = scene.state;
    let score = &state.score;
    let rounds = score.setup.as_ref().map_or(0, |s| s.rounds);
    let note = if score.ended.is_some() {
        text::counted(rounds, "round")
    } else {
        format!("round {}/{rounds}", score.round + 1)
    };
    let mut inner = pad.panel("cost of scoring", &note, false);
    let (done, total) = (score.done, score.total());
    let share = if total > 0 { done as f64 / total as f64 } else { 0.0 };
    let open = score.until_decided() && score.ended.is_none();
    let count = if open { format!("{done} of at most {total}") } else { format!("{done}/{total}") };
    let room = inner.width().saturating_sub(4 + text::width(&count));
    let plain = inner.theme.plain();
    bar(&mut inner, 1, 0, room, share);
    inner.text(room + 2, 0, &count, plain);
    let unit = if score.samples_cells() { "cells/s" } else { "scores/s" };
    let mut rows = Vec::new();
    if score.ended.is_none() {
        let rate = score.rate().map_or_else(|| "—".into(), |r| format!("{} {unit}", text::significant(r, 3)));
        let left = score.left().map_or_else(|| "—".into(), text::duration);
        let left = if open && score.left().is_some() { format!("at most {left}") } else { left };
        rows.push(("rate", rate));
        rows.push(("left", left));
    }
    let spent = if score.ended.is_none() && state.is_live() && !state.paused {
        score.seconds() + (scene.now - state.now).max(0.0)
    } else {
        score.seconds()
    };
    let pace = score.ended.as_ref().filter(|e| e.seconds > 0.0).map(|e| done as f64 / e.seconds);
    let pace = pace.map_or_else(String::new, |r| format!(" · {} {unit}", text::significant(r, 3)));
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
    if let Some(drawn) = &score.drawn {
        rows.insert(0, ("draws", drawn.words()));
    }
    // What is wrong comes before what is cheap, since the last lines may have no room.
    let mut notes = Vec::new();
    if score.undecided() > 0 {
        let all = score.removals.len();
        notes.push(("no score", format!("{} of {all}: by chance", score.undecided())));
    }
    for (name, why) in score.silent(scene.ui.round_of(state)) {
        notes.push(("no vote", format!("{name}: {}", text::sanitize(why))));
    }
    if let Some(least) = score.least_p() {
        let draws = score.setup.as_ref().map_or(0, |s| s.draws);
        let plural = if draws == 1 { "" } else { "s" };
        notes.push(("p", format!("at least 1/{least} ({draws} draw{plural})")));
    }
    if score.ended.is_some() {
        notes.push(("ties", format!("{} of {} within noise", score.ties(), score.removals.len())));
    }
    rows.splice(0..0, notes);
    let (w, h) = (inner.width(), inner.height());
    pairs(&mut inner.sub(0, 1, w, h.saturating_sub(1)), &rows);
}

/// The kinds of cell, in the order of the columns.
pub(super) fn kinds_note(scene: &Scene) -> String {
    scene.state.space().kinds().map(CellKind::name).collect::<Vec<_>>().join(" · ")
}

/// Mean score of each kind of operation, by cell, all of one round.
fn kinds(pad: &mut Pad, scene: &Scene, round: Option<usize>) {
    let score = &scene.state.score;
    // Numbers of different rounds have no mean: without a round it is the first, in which all took part.
    let round = round.unwrap_or(0);
    let columns = scene.state.columns();
    let title = format!("mean by kind of operation, {}", when(scene, Some(round)));
    let mut inner = pad.panel(&title, &kinds_note(scene), false);
    let mean = |cell: CellKind, operation: Operation| {
        let edges = scene.state.space().edges(cell).iter();
        let values: Vec<f64> = edges
            .filter_map(|e| score.number(Place::new(cell, *e, operation), scene.ui.function, Some(round)))
            .collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let means = |o: Operation| scene.state.space().kinds().map(|c| mean(c, o)).collect();
    let all: Vec<(Operation, Vec<Option<f64>>)> = columns.iter().map(|o| (*o, means(*o))).collect();
    let most = all.iter().flat_map(|a| &a.1).flatten().copied().map(f64::abs).fold(0.0, f64::max);
    let (dim, plain) = (inner.theme.dim(), inner.theme.plain());
    let label = 15;
    let half = inner.width().saturating_sub(label + 1) / scene.state.space().kinds().len() as u16;
    let shown = with_room(&mut inner, 0, all.len());
    for (i, (operation, means)) in all.iter().take(shown).enumerate() {
        let y = i as u16;
        inner.text(1, y, operation.name(), plain);
        for (c, m) in means.iter().enumerate() {
            let x = label + half * c as u16;
            let Some(m) = m else { continue };
            let text = text::significant(*m, 2);
            inner.right(x + 8, y, &text, dim);
            let room = half.saturating_sub(11);
            // From zero: a bar of what is below it is drawn lightly.
            let share = if most > 0.0 { m.abs() / most } else { 0.0 };
            if *m < 0.0 {
                let length = (share * f64::from(room)).round() as u16;
                for i in 0..room {
                    inner.put(x + 9 + i, y, if i < length { '░' } else { '─' }, dim);
                }
            } else {
                bar(&mut inner, x + 9, y, room, share);
            }
        }
    }
}

/// What went, round by round, latest first.
fn removals(pad: &mut Pad, scene: &Scene) {
    let score = &scene.state.score;
    let note = format!("{} removed, {} within noise", score.removals.len(), score.ties());
    let mut inner = pad.panel("removed, latest first", &note, false);
    if score.removals.is_empty() {
        inner.prose("After each round the least important operation of every edge is removed; it will be listed here.");
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
        let room = inner.width().saturating_sub(44);
        inner.fitted(44, y, room, removal_words(removal), dim);
    }
}
