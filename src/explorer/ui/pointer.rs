//! The mouse: what is drawn says what a click on it means, so the two cannot drift.

use std::cell::RefCell;

use ratatui::layout::{Position, Rect};

use super::{Effect, Overlay, Tab, Ui};
use crate::explorer::action::Action;
use crate::explorer::state::State;
use crate::run::listing::Column;
use crate::space::Place;

/// What a click means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    Tab(Tab),
    Place(Place),
    /// A line of the list of runs.
    Run(usize),
    /// One setting with one seed, of a study.
    Spot(usize, usize),
    /// Over a column of it.
    Column(Column),
    /// A field of a new run.
    Field(usize),
    /// A line of a menu or of the palette.
    Choice(usize),
    Action(Action),
}

/// Where on the screen what was drawn; the last drawn lies on top.
#[derive(Default)]
pub struct Hits(RefCell<Vec<(Rect, Target)>>);

impl Hits {
    pub fn clear(&self) {
        self.0.borrow_mut().clear();
    }

    pub fn add(&self, area: Rect, target: Target) {
        self.0.borrow_mut().push((area, target));
    }

    pub fn at(&self, column: u16, row: u16) -> Option<Target> {
        let hits = self.0.borrow();
        hits.iter().rev().find(|(area, _)| area.contains(Position::new(column, row))).map(|(_, target)| *target)
    }
}

impl Ui {
    /// A click. What lies under a dialogue is not reached.
    pub fn click(&mut self, target: Option<Target>, state: &State) -> Option<Effect> {
        match (target, &mut self.overlay) {
            (Some(Target::Choice(i)), Some(Overlay::Menu { cursor, .. } | Overlay::Palette { cursor, .. })) => {
                // The first click marks, the second does: no run is stopped by a slip.
                if *cursor == i {
                    return self.update(Action::Yes, state);
                }
                *cursor = i;
                None
            }
            (Some(Target::Field(at)), Some(Overlay::Form)) => self.also(|ui| ui.form.go_to(at)),
            (_, Some(_)) => None,
            (Some(Target::Tab(tab)), None) => match tab {
                Tab::Runs => self.update(Action::ShowRuns, state),
                _ => self.show(tab),
            },
            (Some(Target::Place(place)), None) => {
                self.go_to(place);
                None
            }
            (Some(Target::Run(row)), None) => {
                if self.runs == row {
                    return Some(Effect::Run(Action::Open));
                }
                self.runs = row.min(self.runs_total.saturating_sub(1));
                None
            }
            (Some(Target::Spot(setting, seed)), None) => {
                if self.study == (setting, seed) {
                    return Some(Effect::Run(Action::Open));
                }
                self.study = (setting, seed);
                None
            }
            (Some(Target::Column(column)), None) => self.also(|ui| ui.sort_by(column)),
            (Some(Target::Action(action)), None) => Some(Effect::Run(action)),
            (Some(Target::Choice(_) | Target::Field(_)) | None, None) => None,
        }
    }

    /// The wheel: scrolls lists, zooms charts.
    pub fn wheel(&mut self, up: bool, state: &State) -> Option<Effect> {
        let action = match (&self.overlay, self.tab, up) {
            (None, Tab::Search, true) => Action::ZoomIn,
            (None, Tab::Search, false) => Action::ZoomOut,
            (_, _, true) => Action::Up,
            (_, _, false) => Action::Down,
        };
        self.update(action, state)
    }
}
