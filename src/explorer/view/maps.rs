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
