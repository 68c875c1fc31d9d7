//! The screens, one file each. They only read: the state of the run, what the person looks at, and the clock.

mod axis;
mod bands;
mod cell;
mod compare;
mod curve;
mod curves;
mod cut;
mod detail;
mod dialogue;
mod form;
mod frame;
mod front;
mod glossary;
mod log;
mod maps;
mod memory;
mod ranked;
mod rounds;
mod runs;
mod scatter;
mod score;
mod search;
mod smooth;
mod start;
mod study;
mod truth;
mod typed;
mod verdict;
mod waiting;

pub use curves::smoothed;
pub use runs::list_columns;

use ratatui::buffer::Buffer;

use super::compare::{Comparison, Side};
use super::draw::{self, Pad};
use super::forecast::Forecast;
use super::judge::Judged;
use super::keymap::Keymap;
use super::runs::Row;
use super::state::{Size, State};
use super::study::Watched;
use super::text;
use super::theme::Theme;
use super::ui::{Asked, Hits, Overlay, Tab, Ui};

/// The smallest screen that is drawn.
pub const LEAST: (u16, u16) = (40, 12);

/// All that a screen may show.
pub struct Scene<'a> {
    pub state: &'a State,
    pub ui: &'a Ui,
    pub runs: &'a [Row],
    pub keymap: &'a Keymap,
    /// Runs that are compared.
    pub compared: &'a Comparison,
    /// Runs whose curves lie behind those of the one that is open.
    pub pinned: &'a [Side],
    /// Memory over pruning level, once it is counted.
    pub forecast: Option<&'a Forecast>,
    /// What a table of accuracies says of the cut and the cell, where there is one.
    pub judged: Option<&'a Judged>,
    /// The study that is watched.
    pub study: Watched<'a>,
    /// Where a click means something: filled while drawing.
    pub hits: &'a Hits,
    /// Where the runs are.
    pub folder: &'a str,
    /// Wall clock, seconds since 1970.
    pub now: f64,
    /// Sizes of the full space and of the cut that stands.
    pub sizes: Option<(Size, Size)>,
}

/// Draws everything.
pub fn draw(buffer: &mut Buffer, scene: &Scene, theme: &Theme) {
    let area = buffer.area;
    buffer.reset();
    scene.hits.clear();
    let mut pad = Pad::new(buffer, area, theme);
    if area.width < LEAST.0 || area.height < LEAST.1 {
        too_small(&mut pad);
    } else {
        screen(&mut pad, scene);
    }
    draw::finish(buffer, theme);
}

/// One sentence.
fn too_small(pad: &mut Pad) {
    let (w, h) = (pad.width(), pad.height());
    let sentence = format!("zonas needs {}x{}, this is {w}x{h}.", LEAST.0, LEAST.1);
    let style = pad.theme.plain();
    for (y, line) in text::wrap(&sentence, w).iter().enumerate() {
        pad.text(0, u16::try_from(y).unwrap_or(u16::MAX), line, style);
    }
}

fn screen(pad: &mut Pad, scene: &Scene) {
    let (w, h) = (pad.width(), pad.height());
    frame::header(&mut pad.sub(0, 0, w, 1), scene);
    let mut body = pad.sub(0, 1, w, h - 2);
    match scene.ui.tab {
        Tab::Runs if scene.ui.comparing.is_some() => compare::draw(&mut body, scene),
        Tab::Runs => runs::draw(&mut body, scene),
        Tab::Log => log::draw(&mut body, scene),
        Tab::Study => study::draw(&mut body, scene),
        _ if scene.state.run.is_none() && scene.ui.opened.is_some() => waiting::draw(&mut body, scene),
        _ if scene.state.run.is_none() => start::draw(&mut body, scene),
        Tab::Score => score::draw(&mut body, scene),
        Tab::Cut => cut::draw(&mut body, scene),
        Tab::Search => search::draw(&mut body, scene),
        Tab::Cell => cell::draw(&mut body, scene),
    }
    match &scene.ui.overlay {
        Some(Overlay::Help { scroll }) => dialogue::help(&mut body, scene, *scroll),
        Some(Overlay::Warnings { scroll }) => dialogue::warnings(&mut body, scene, *scroll),
        Some(Overlay::Palette { typed, cursor }) => dialogue::palette(&mut body, scene, typed, *cursor),
        Some(Overlay::Prompt { asked: Asked::Help, .. }) => dialogue::help(&mut body, scene, 0),
        Some(Overlay::Form) => form::draw(&mut body, scene),
        // Typed in the last line, so that what it filters stays in view.
        Some(Overlay::Prompt { .. }) => {}
        Some(Overlay::Menu { menu, cursor }) => dialogue::menu(&mut body, scene, *menu, *cursor),
        None => {}
    }
    frame::footer(&mut pad.sub(0, h - 1, w, 1), scene);
}

/// How many of so many lines there is room for below the first `from`; what has none is told in the last.
fn with_room(pad: &mut Pad, from: u16, lines: usize) -> usize {
    let room = usize::from(pad.height().saturating_sub(from));
    let shown = if lines <= room { lines } else { room.saturating_sub(1) };
    if shown < lines && room > 0 {
        let dim = pad.theme.dim();
        pad.text(1, from + shown as u16, &format!("▼ {} more", lines - shown), dim);
    }
    shown
}

/// Rows from the top: a label, and a value beside it.
fn pairs(pad: &mut Pad, rows: &[(&str, String)]) {
    let column = rows.iter().map(|r| text::width(r.0)).max().unwrap_or(0) + 3;
    let (dim, plain) = (pad.theme.dim(), pad.theme.plain());
    for (y, (label, value)) in rows.iter().enumerate() {
        let y = u16::try_from(y).unwrap_or(u16::MAX);
        pad.text(1, y, label, dim);
        let room = pad.width().saturating_sub(column);
        pad.fitted(column, y, room, value, plain);
    }
}
