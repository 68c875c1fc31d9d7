//! The explorer without a terminal: the same screens and the same bytes, for measuring.

use std::io::{self, Write};

use super::compare::Comparison;
use super::forecast::{Basis, Forecast};
use super::keymap::Keymap;
use super::runs::Row;
use super::screen::Screen;
use super::state::{Size, State};
use super::study::Watched;
use super::theme::{ColorDepth, Markers, Name, Theme};
use super::ui::{Hits, Tab, Ui};
use super::view::{self, Scene};
use crate::run::event::Event;
use crate::space::Mask;

/// A run, a screen of it, and a terminal that only counts.
pub struct Offscreen {
    /// What is known of the run.
    pub state: State,
    ui: Ui,
    runs: Vec<Row>,
    theme: Theme,
    keymap: Keymap,
    hits: Hits,
    size: (u16, u16),
    forecast: Option<Forecast>,
    sizes: Option<(Mask, Size, Size)>,
    screen: Screen<Counter>,
    sent: std::rc::Rc<std::cell::Cell<usize>>,
}

/// Counts bytes.
struct Counter(std::rc::Rc<std::cell::Cell<usize>>);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.set(self.0.get() + bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Offscreen {
    pub fn new(events: &[Event], tab: Tab, size: (u16, u16)) -> Offscreen {
        let mut ui = Ui::new(Markers::Braille);
        ui.tab = tab;
        let sent = std::rc::Rc::new(std::cell::Cell::new(0));
        let mut new = Offscreen {
            state: State::default(),
            ui,
            runs: Vec::new(),
            theme: Theme { depth: ColorDepth::True, ascii: false, markers: Markers::Braille, name: Name::Dark },
            keymap: Keymap::defaults(),
            hits: Hits::default(),
            size,
            forecast: None,
            sizes: None,
            screen: Screen::new(Counter(sent.clone())),
            sent,
        };
        new.apply(events);
        new
    }

    /// The list of runs.
    pub fn list(&mut self, runs: Vec<Row>) {
        self.ui.runs_total = runs.len();
        self.runs = runs;
    }

    /// Folds events in.
    pub fn apply(&mut self, events: &[Event]) {
        events.iter().for_each(|e| self.state.apply(e));
        if self.forecast.is_none() {
            self.forecast = Basis::of(&self.state).map(|b| b.forecast());
        }
        if let (None, Some(cut)) = (&self.sizes, &self.state.cut.cut) {
            let run = self.state.run.as_ref();
            self.sizes = Some((cut.mask, Size::of(&self.state.full(), run), Size::of(&cut.mask, run)));
        }
    }

    /// Draws; returns how many bytes went to the terminal.
    pub fn frame(&mut self) -> usize {
        let before = self.sent.get();
        let scene = Scene {
            state: &self.state,
            ui: &self.ui,
            runs: &self.runs,
            keymap: &self.keymap,
            compared: &Comparison::default(),
            pinned: &[],
            forecast: self.forecast.as_ref(),
            judged: None,
            study: Watched::Nothing,
            hits: &self.hits,
            folder: "runs",
            now: self.state.now,
            sizes: self.sizes.as_ref().map(|(_, full, now)| (*full, *now)),
        };
        let theme = &self.theme;
        // A counter takes all bytes.
        let _ = self.screen.draw(self.size, |buffer| view::draw(buffer, &scene, theme));
        self.sent.get() - before
    }
}
