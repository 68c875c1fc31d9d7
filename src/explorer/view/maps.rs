//! Two grids side by side, or only the one with the cursor where there is no room.

use super::Scene;
use crate::explorer::draw::Pad;
use crate::explorer::text;
use crate::explorer::widgets::{Entry, Grid};
use crate::space::{CellKind, Operation, Place};

/// Draws the grids of both cells; `title` says what they show, `note` stands at the right end of the title.
pub fn draw(pad: &mut Pad, scene: &Scene, title: &str, note: &str, entry: &dyn Fn(Place) -> Entry) {
    let columns = scene.state.columns();
    let least = Grid::least_width(columns.len());
    let (w, h) = (pad.width(), pad.height());
    if w >= 2 * least + 2 {
        let half = (w - 2) / 2;
        one(&mut pad.sub(0, 0, half, h), scene, CellKind::Normal, &columns, title, "", entry);
        one(&mut pad.sub(half + 2, 0, w - half - 2, h), scene, CellKind::Reduction, &columns, title, note, entry);
    } else {
        one(pad, scene, scene.ui.cell, &columns, title, note, entry);
    }
}

/// Draws the grids of both cells with different words: what they show and which of it in their titles, and a note in each,
/// the first of some wordings that has room.
pub fn titled(pad: &mut Pad, scene: &Scene, titles: [&str; 2], notes: [&[&str]; 2], entry: &dyn Fn(Place) -> Entry) {
    let columns = scene.state.columns();
    let (w, h) = (pad.width(), pad.height());
    // As much as a panel's title leaves free.
    let fitting = |title: &str, width: u16, notes: &[&str]| {
        let room = width.saturating_sub(text::width(title) + 8);
        notes.iter().find(|n| text::width(n) <= room).or(notes.last()).map_or_else(String::new, ToString::to_string)
    };
    if w >= 2 * Grid::least_width(columns.len()) + 2 {
        let half = (w - 2) / 2;
        let short = |cell: CellKind| format!("{cell} · {}", titles[cell.index()]);
        for (cell, x, width) in [(CellKind::Normal, 0, half), (CellKind::Reduction, half + 2, w - half - 2)] {
            let note = fitting(&short(cell), width, notes[cell.index()]);
            one(&mut pad.sub(x, 0, width, h), scene, cell, &columns, titles[cell.index()], &note, entry);
        }
    } else {
        let cell = scene.ui.cell;
        let title = format!("{}, {}", titles[0], titles[1]);
        let note = fitting(&format!("{cell} · {title}"), w, &[notes[0][notes[0].len() - 1]]);
        let unit = notes[1].first().copied().unwrap_or("");
        one(pad, scene, cell, &columns, &title, format!("{unit} {note}").trim(), entry);
    }
}

/// Draws the grid of one cell.
pub fn one(
    pad: &mut Pad,
    scene: &Scene,
    cell: CellKind,
    columns: &[Operation],
    title: &str,
    note: &str,
    entry: &dyn Fn(Place) -> Entry,
) {
    let here = scene.ui.cell == cell;
    let whole = format!("{cell} cell · {title}");
    // Rather than the note, a word of the title is left out.
    let crowded = text::width(&whole) + text::width(note) + 7 > pad.width();
    let title = if crowded { format!("{cell} · {title}") } else { whole };
    let mut inner = pad.panel(&title, note, here);
    let w = inner.width();
    let h = inner.height();
    Grid { cell, columns, cursor: scene.ui.place(), entry, hits: scene.hits }.draw(&mut inner.sub(0, 0, w, h));
}
