//! The cut editor: what is kept, what goes, and what that buys.

use ratatui::style::{Modifier, Style};

use super::{Scene, maps, pairs};
use crate::explorer::draw::Pad;
use crate::explorer::text;
use crate::explorer::widgets::{Entry, bar};
use crate::run::event::Cut;
use crate::space::{CellKind, Edge, Place};

/// ```text
/// masks of both cells ............ 16 lines, fewer where there is no room
/// what it buys | level, warnings | kept by kind
/// ```
pub fn draw(pad: &mut Pad, scene: &Scene) {
    let (w, h) = (pad.width(), pad.height());
    let Some(cut) = &scene.state.cut.cut else {
        let mut inner = pad.panel("cut", "", false);
        if scene.state.trains() {
            inner.prose("This run trains a genotype from scratch: nothing is cut. The Train screen shows how it goes.");
            return;
        }
        inner.prose(
            "When scoring is done, the automatic cut will be proposed here: the least important operations of every edge \
             go. You can change it by hand, see what it saves, and confirm it; then the search begins on what is left.",
        );
        return;
    };
    let upper = if h >= 22 { 16 } else { h.saturating_sub(4).max(5) };
    grids(&mut pad.sub(0, 0, w, upper), scene, cut);
    let (y, lower) = (upper, h - upper);
    if w < 72 {
        buys(&mut pad.sub(0, y, w, lower), scene, cut);
        return;
    }
    // The curve stands in a row of its own where there is one, else in place of the prose.
    let (y, lower) = if lower >= 21 {
        let curve = (lower - 10).min(18);
        super::curve::draw(&mut pad.sub(0, y, w, curve), scene, cut);
        (y + curve, lower - curve)
    } else {
        (y, lower)
    };
    let columns: u16 = if w >= 110 { 3 } else { 2 };
    let width = (w - 2 * (columns - 1)) / columns;
    buys(&mut pad.sub(0, y, width, lower), scene, cut);
    level(&mut pad.sub(width + 2, y, width, lower), scene, cut);
    if columns == 3 {
        let x = 2 * (width + 2);
        let top = 10.min(lower);
        kinds(&mut pad.sub(x, y, w - x, top), scene, cut);
        if lower > top + 3 {
            noise(&mut pad.sub(x, y + top, w - x, lower - top), scene);
        }
    }
}

fn grids(pad: &mut Pad, scene: &Scene, cut: &Cut) {
    let ranking = scene.state.score.ranking(None);
    let entry = |place: Place| {
        let kept = cut.mask.contains(place);
        let by_hand = cut.by_hand.contains(&place);
        let known = scene.state.score.takes_part(place);
        let (glyph, style) = match (kept, by_hand) {
            (true, true) => ("◆", Style::new().add_modifier(Modifier::BOLD)),
            (true, false) => ("■", Style::new()),
            (false, true) => ("◇", Style::new().add_modifier(Modifier::BOLD)),
            (false, false) if known => ("·", Style::new().add_modifier(Modifier::DIM)),
            (false, false) => ("", Style::new()),
        };
        let heat = if kept { ranking.height(place) } else { None };
        Entry { text: format!("{glyph} "), heat, mark: None, style }
    };
    let state = if scene.state.cut.confirmed { "confirmed" } else { "proposed" };
    maps::draw(pad, scene, "■ kept", state, &entry);
}

fn buys(pad: &mut Pad, scene: &Scene, cut: &Cut) {
    let ascii = pad.theme.ascii;
    let mut inner = pad.panel("what this cut buys", "", false);
    let (dim, plain) = (inner.theme.dim(), inner.theme.plain());
    let good = inner.theme.good();
    let (compact, crowded) = (inner.height() < 8, inner.height() < 6);
    let mut y = 0;
    let columns = [21, 31, 38];
    if inner.height() >= 7 {
        for (x, name) in columns.iter().zip(["full", "cut", ""]) {
            inner.right(*x, y, name, dim);
        }
        y += 1;
    }
    let mut row = |label: &str, full: String, now: String, change: String| {
        inner.text(1, y, label, dim);
        inner.right(columns[0], y, &full, plain);
        inner.right(columns[1], y, &now, plain);
        inner.right(columns[2], y, &change, good);
        y += 1;
    };
    let kept = cut.mask.count();
    row("operations", "224".into(), kept.to_string(), text::change(224.0, kept as f64));
    row(
        "memory",
        text::bytes(cut.full_memory_bytes),
        text::bytes(cut.memory_bytes),
        text::change(cut.full_memory_bytes as f64, cut.memory_bytes as f64),
    );
    let step = cut.full_step_seconds.zip(cut.step_seconds);
    if let Some((full, now)) = step {
        row("a search step", text::seconds(full), text::seconds(now), text::change(full, now));
    }
    if let Some((full, now)) = &scene.sizes {
        if let (Some(a), Some(b)) = (full.parameters, now.parameters) {
            row("parameters", text::count(a), text::count(b), text::change(a as f64, b as f64));
        }
        // Where there is not room for both, the time says more.
        if let (Some(a), Some(b), false) = (full.macs, now.macs, crowded && step.is_some()) {
            row("MACs", text::count(a), text::count(b), text::change(a as f64, b as f64));
        }
        row(
            "genotypes",
            text::power_of_ten(full.genotypes_log10, ascii),
            text::power_of_ten(now.genotypes_log10, ascii),
            String::new(),
        );
    }
    if !compact {
        let rest = inner.height().saturating_sub(y + 1);
        let w = inner.width();
        let words = "Memory is the predicted peak of the search; parameters and MACs (multiply-accumulates of one \
                     picture) are those of the supernet; genotypes are the pairs of cells that the space can express.";
        inner.sub(0, y + 1, w, rest).prose_whole(words);
    }
}

fn level(pad: &mut Pad, scene: &Scene, cut: &Cut) {
    let size = text::cut_size(cut);
    let title = if size.starts_with('ξ') { format!("pruning level {size}") } else { size };
    let mut inner = pad.panel(&title, &text::cut_source(cut), false);
    let w = inner.width();
    let plain = inner.theme.plain();
    let gone = 1.0 - cut.mask.count() as f64 / 224.0;
    let words = format!("{:.0} % gone", gone * 100.0);
    bar(&mut inner, 1, 0, w.saturating_sub(4 + text::width(&words)), gone);
    inner.right(w.saturating_sub(1), 0, &words, plain);
    let mut y = 1;
    if cut.by_hand.is_empty() {
        let dim = inner.theme.dim();
        inner.text(1, y, "nothing changed by hand", dim);
        y += 1;
    } else {
        let kept = cut.by_hand.iter().filter(|p| cut.mask.contains(**p)).count();
        let text = format!("by hand: ◆ {kept} kept, ◇ {} dropped", cut.by_hand.len() - kept);
        let accent = inner.theme.accent();
        inner.text(1, y, &text, accent);
        y += 1;
    }
    let warning = inner.theme.warning();
    for text in &cut.warnings {
        for (i, line) in text::wrap(&text::sanitize(text), w.saturating_sub(4)).iter().enumerate() {
            if i == 0 {
                inner.text(1, y, "!", warning);
            }
            inner.text(3, y, line, plain);
            y += 1;
        }
    }
    if cut.warnings.is_empty() {
        let dim = inner.theme.dim();
        inner.text(1, y, "no warnings", dim);
        y += 1;
    }
    let dim = inner.theme.dim();
    let place = scene.ui.place();
    let p = scene.state.score.place(place);
    if inner.height() > y {
        let value = p.mean(None).map_or_else(|| "no score".into(), |v| format!("score {}", text::significant(v, 3)));
        let left = p.removed.map_or_else(|| "never removed".into(), |r| format!("out in round {}", r + 1));
        let text = format!("{} {}: {value}, {left}", place.edge, place.operation.short());
        inner.fitted(1, inner.height() - 1, w.saturating_sub(2), &text, dim);
    }
}

/// How many of each kind of operation are kept, by cell.
fn kinds(pad: &mut Pad, scene: &Scene, cut: &Cut) {
    let mut inner = pad.panel("kept by kind of operation", "normal · reduction", false);
    let (dim, plain) = (inner.theme.dim(), inner.theme.plain());
    let label = 15;
    let half = inner.width().saturating_sub(label) / 2;
    for (y, operation) in scene.state.columns().iter().enumerate() {
        let y = y as u16;
        inner.text(1, y, operation.name(), plain);
        for cell in CellKind::ALL {
            let count = Edge::all().filter(|e| cut.mask.keeps(cell, *e, *operation)).count();
            let x = label + half * cell.index() as u16;
            inner.right(x + 2, y, &count.to_string(), dim);
            bar(&mut inner, x + 3, y, half.saturating_sub(5), count as f64 / 14.0);
        }
    }
}

/// Decisions of this cut that were within noise.
fn noise(pad: &mut Pad, scene: &Scene) {
    let Some(cut) = &scene.state.cut.cut else { return };
    let ties: Vec<_> =
        scene.state.score.removals.iter().filter(|(_, r)| r.tie && !cut.mask.contains(r.place)).collect();
    let mut inner = pad.panel("decided within noise", &format!("{} of this cut", ties.len()), false);
    let rows: Vec<(String, String)> = ties
        .iter()
        .rev()
        .take(usize::from(inner.height()))
        .map(|(round, r)| {
            let word = if r.by_lot { "by lot" } else { "a tie" };
            (
                format!("{} {}", r.place.edge, r.place.operation.short()),
                format!("{}, round {}, {word}", r.place.cell, round + 1),
            )
        })
        .collect();
    let rows: Vec<(&str, String)> = rows.iter().map(|(a, b)| (a.as_str(), b.clone())).collect();
    pairs(&mut inner, &rows);
}
