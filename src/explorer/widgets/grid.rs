//! A table of coloured values with a cursor: edges by operations.

use ratatui::style::{Modifier, Style};

use crate::explorer::draw::Pad;
use crate::explorer::ui::{Hits, Target};
use crate::space::{CellKind, Edge, Operation, Place};
use crate::text;

/// What stands at one place of the grid.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    pub text: String,
    /// Place on the heat map, 0 to 1.
    pub heat: Option<f64>,
    /// A glyph before the text.
    pub mark: Option<char>,
    /// On top of the heat map's style.
    pub style: Style,
}

/// A table of one kind of cell: an edge a line, an operation a column.
pub struct Grid<'a> {
    pub cell: CellKind,
    pub edges: &'a [Edge],
    pub columns: &'a [Operation],
    pub cursor: Place,
    pub entry: &'a dyn Fn(Place) -> Entry,
    /// Each entry can be clicked.
    pub hits: &'a Hits,
}

/// Columns of the edge's name.
const LABEL: u16 = 4;
/// Rows that a grid has room for at least, if it is to have a line for those that it has not.
const ROOMY: u16 = 6;
/// Columns of one operation: at least, at most.
const NARROW: u16 = 4;
const WIDE: u16 = 9;

impl Grid<'_> {
    /// Columns that a grid takes at least.
    pub fn least_width(columns: usize) -> u16 {
        LABEL + NARROW * u16::try_from(columns).unwrap_or(u16::MAX / NARROW)
    }

    /// Columns at which each operation has room for its whole short name.
    pub fn good_width(columns: usize) -> u16 {
        LABEL + (NARROW + 1) * u16::try_from(columns).unwrap_or(u16::MAX / WIDE)
    }

    /// Draws the heading and as many edges as fit, those around the cursor; how many more there are stands below, or, where
    /// every line counts, that there are in the heading.
    pub fn draw(&self, pad: &mut Pad) {
        let count = u16::try_from(self.columns.len()).unwrap_or(1).max(1);
        let width = |total: u16| (total.saturating_sub(LABEL) / count).clamp(NARROW, WIDE);
        // A column of air at the left, unless it makes all others narrower.
        let (w, h) = (pad.width(), pad.height());
        let air = u16::from(width(w.saturating_sub(1)) == width(w));
        let width = width(w);
        let pad = &mut pad.sub(air, 0, w - air, h);
        let (all, room) = (self.edges.len() as u16, pad.height().saturating_sub(1));
        let told = room < all && room > ROOMY;
        let rows = (room - u16::from(told)).min(all);
        let at = self.edges.iter().position(|e| *e == self.cursor.edge).unwrap_or(0) as u16;
        let first = at.saturating_sub(rows / 2).min(all - rows);
        let (above, below) = (first, all - rows - first);
        let here = self.cursor.cell == self.cell;
        let (dim, strong) = (pad.theme.dim(), pad.theme.strong());
        let heading = match (above, below) {
            (0, 0) => "edge".into(),
            _ if told => "edge".into(),
            (0, below) => format!("▼{below}"),
            (above, 0) => format!("▲{above}"),
            _ => "▲▼".into(),
        };
        pad.text(0, 0, &heading, dim);
        if told {
            let more = |n: u16, sign: char, where_: &str| (n > 0).then(|| format!("{sign} {n} more {where_}"));
            let words: Vec<String> = more(above, '▲', "above").into_iter().chain(more(below, '▼', "below")).collect();
            pad.fitted(0, 1 + rows, pad.width(), &words.join("  "), dim);
        }
        for (i, operation) in self.columns.iter().enumerate() {
            let x = LABEL + width * u16::try_from(i).unwrap_or(0);
            let style = if here && *operation == self.cursor.operation { strong } else { dim };
            let name = if width > NARROW { operation.short() } else { operation.narrow() };
            let room = u16::from(width > 5);
            pad.right(x + width - room, 0, name, style);
        }
        for (row, edge) in self.edges.iter().copied().skip(usize::from(first)).take(usize::from(rows)).enumerate() {
            let y = 1 + u16::try_from(row).unwrap_or(0);
            let style = if here && edge == self.cursor.edge { strong } else { dim };
            pad.text(0, y, &edge.to_string(), style);
            for (i, operation) in self.columns.iter().enumerate() {
                let x = LABEL + width * u16::try_from(i).unwrap_or(0);
                let place = Place::new(self.cell, edge, *operation);
                self.hits.add(pad.area_of(x, y, width, 1), Target::Place(place));
                self.draw_entry(&mut pad.sub(x, y, width, 1), &(self.entry)(place), place == self.cursor);
            }
        }
    }

    fn draw_entry(&self, pad: &mut Pad, entry: &Entry, under_cursor: bool) {
        let width = pad.width();
        let mut style = entry.style;
        if let Some(heat) = entry.heat {
            style = pad.theme.heat(heat).patch(style);
            pad.style(0, 0, width, 1, style);
            if let Some(shade) = pad.theme.shade(heat) {
                pad.put(0, 0, shade, Style::new());
            }
        }
        if let Some(mark) = entry.mark {
            pad.put(0, 0, mark, style);
        }
        let end = width - u16::from(width > 5);
        pad.right(end, 0, &text::fit(&entry.text, width), style);
        if under_cursor {
            // Not the map's colours turned round but the terminal's own: seen on any of them.
            let mut cursor = pad.theme.cursor();
            cursor.fg = Some(ratatui::style::Color::Reset);
            cursor.bg = Some(ratatui::style::Color::Reset);
            cursor.sub_modifier = Modifier::DIM;
            pad.style(0, 0, width, 1, cursor);
        }
    }
}
