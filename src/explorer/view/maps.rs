//! Two grids side by side, or only the one with the cursor where there is no room.

use super::Scene;
use crate::explorer::draw::Pad;
use crate::explorer::widgets::{Entry, Grid};
use crate::space::{CellKind, Operation, Place};
use crate::text;

/// Draws the grids of both cells; `title` says what they show, `note` stands at the right end of the title.
pub fn draw(pad: &mut Pad, scene: &Scene, title: &str, note: &str, entry: &dyn Fn(Place) -> Entry) {
    let columns = scene.state.columns();
    let least = Grid::least_width(columns.len());
    let (w, h) = (pad.width(), pad.height());
    if w >= 2 * least + 2 && scene.state.space().kinds().len() > 1 {
        let half = (w - 2) / 2;
        one(&mut pad.sub(0, 0, half, h), scene, CellKind::Normal, &columns, title, "", entry);
        one(&mut pad.sub(half + 2, 0, w - half - 2, h), scene, CellKind::Reduction, &columns, title, note, entry);
    } else {
        one(pad, scene, scene.ui.cell, &columns, title, note, entry);
    }
}

/// Lines of the grids where there is room: 16, and more for cells with more edges than DARTS', if so many are left below.
pub fn height(scene: &Scene, room: u16, below: u16) -> u16 {
    let most = scene.state.space().graphs().iter().map(|g| g.edges.len()).max().unwrap_or(0);
    let wanted = u16::try_from(most).unwrap_or(u16::MAX).saturating_add(2).max(16);
    wanted.min(room.saturating_sub(below).max(16))
}

/// What stands above the grids of both cells.
pub struct Titles<'a> {
    /// What is shown, and which of it: at the left and at the right, or both where there is one grid.
    pub what: [&'a str; 2],
    /// At the left, the first of these that has room.
    pub note: &'a [&'a str],
    /// At the right; never left out, wherever there is room for it.
    pub unit: &'a str,
}

/// Draws the grids of both cells with different words.
pub fn titled(pad: &mut Pad, scene: &Scene, titles: &Titles, entry: &dyn Fn(Place) -> Entry) {
    let columns = scene.state.columns();
    let (w, h) = (pad.width(), pad.height());
    let [what, which] = titles.what;
    // As much as a panel's title leaves free beside the short name of the cell.
    let fits = |cell: CellKind, title: &str, note: &str, width: u16| {
        text::width(cell.name()) + text::width(title) + text::width(note) + 11 <= width
    };
    if w >= 2 * Grid::least_width(columns.len()) + 2 && scene.state.space().kinds().len() > 1 {
        let half = (w - 2) / 2;
        let apart = fits(CellKind::Reduction, which, titles.unit, w - half - 2);
        let (before, after) = if apart { ("", titles.unit) } else { (titles.unit, "") };
        let notes: Vec<String> = titles.note.iter().map(|n| format!("{before} {n}").trim().to_string()).collect();
        let room = |n: &&String| fits(CellKind::Normal, what, n, half);
        let note = notes.iter().find(room).map_or(before, String::as_str);
        one(&mut pad.sub(0, 0, half, h), scene, CellKind::Normal, &columns, what, note, entry);
        one(&mut pad.sub(half + 2, 0, w - half - 2, h), scene, CellKind::Reduction, &columns, which, after, entry);
    } else {
        let cell = scene.ui.cell;
        let both = if what == which { what.to_string() } else { format!("{what}, {which}") };
        let short = titles.note.last().copied().unwrap_or("");
        let whole = format!("{} {short}", titles.unit);
        let tried = [(both.as_str(), whole.trim()), (&both, titles.unit), (which, titles.unit)];
        let (title, note) = tried.into_iter().find(|(t, n)| fits(cell, t, n, w)).unwrap_or((which, titles.unit));
        one(pad, scene, cell, &columns, title, note, entry);
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
    let edges = scene.state.space().edges(cell);
    Grid { cell, edges, columns, cursor: scene.ui.place(), entry, hits: scene.hits }.draw(&mut inner.sub(0, 0, w, h));
}
