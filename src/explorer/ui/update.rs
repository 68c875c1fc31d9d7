//! What each action does.

use super::Asked;
use super::{Effect, Layout, Menu, Overlay, Shown, Tab, Typed, Ui};
use crate::explorer::action::Action;
use crate::explorer::state::State;
use crate::explorer::theme::Markers;
use crate::run::command::Body;
use crate::run::event::{Level, Outcome};
use crate::space::CellKind;

/// Most that charts zoom in: 1/2^6.
const ZOOM: u32 = 6;

impl Ui {
    /// Carries an action out.
    pub fn update(&mut self, action: Action, state: &State) -> Option<Effect> {
        if self.overlay.is_some() {
            return self.in_dialogue(action, state);
        }
        match action {
            Action::Quit if self.finishing.is_some() => Some(Effect::LeaveAtOnce),
            Action::Quit => {
                if state.is_live() && self.engine_alive && !self.leaving {
                    self.open(Overlay::Menu { menu: Menu::Quit, cursor: 0 })
                } else {
                    Some(Effect::Leave)
                }
            }
            Action::Help => self.open(Overlay::Help { scroll: 0 }),
            Action::Warnings => self.open(Overlay::Warnings { scroll: 0 }),
            Action::Palette => self.open(Overlay::Palette { typed: Typed::default(), cursor: 0 }),
            Action::Filter => {
                let typed = Typed::from(self.filter());
                self.open(Overlay::Prompt { asked: Asked::Filter, typed })
            }
            Action::New => self.open(Overlay::Form),
            Action::Theme => Some(Effect::Theme),
            Action::Mouse => Some(Effect::Mouse),
            Action::Bell => Some(Effect::Bell),
            Action::Suspend => Some(Effect::Suspend),
            Action::Redraw => Some(Effect::Redraw),
            Action::ShowScore => self.show(Tab::Score),
            Action::ShowCut => self.show(Tab::Cut),
            Action::ShowSearch => self.show(Tab::Search),
            Action::ShowCell => self.show(Tab::Cell),
            Action::ShowRuns => {
                self.show(Tab::Runs);
                self.comparing = None;
                Some(Effect::Scan)
            }
            Action::ShowLog => self.show(Tab::Log),
            Action::ShowStudy => self.show(Tab::Study),
            Action::Left | Action::Right | Action::Up | Action::Down => self.step(action, state),
            Action::First | Action::Last | Action::PageUp | Action::PageDown => self.jump(action, state),
            Action::OtherCell => self.also(|ui| {
                let other = match ui.cell {
                    CellKind::Normal => CellKind::Reduction,
                    CellKind::Reduction => CellKind::Normal,
                };
                ui.enter(other, state);
            }),
            Action::Show => self.also(|ui| {
                ui.shown = match ui.shown {
                    Shown::Value => Shown::Rank,
                    Shown::Rank => Shown::Spread,
                    Shown::Spread => Shown::Value,
                };
            }),
            Action::Order => self.also(|ui| {
                ui.layout = match ui.layout {
                    Layout::Map => Layout::List,
                    Layout::List => Layout::Scatter,
                    Layout::Scatter => Layout::Map,
                };
                ui.apart(state, false);
            }),
            Action::Function | Action::OtherFunction => {
                let count = state.score.setup.as_ref().map_or(0, |s| s.functions.len());
                if action == Action::OtherFunction {
                    self.other_function = if self.other_function + 1 < count { self.other_function + 1 } else { 0 };
                } else {
                    self.function = match self.function {
                        None if count > 0 => Some(0),
                        Some(f) if f + 1 < count => Some(f + 1),
                        _ => None,
                    };
                }
                self.apart(state, action == Action::OtherFunction);
                None
            }
            Action::RoundBack | Action::RoundOn => self.also(|ui| ui.step_round(action == Action::RoundOn, state)),
            Action::LogScale => self.also(|ui| ui.log_scale = !ui.log_scale),
            Action::Smooth => self.also(|ui| ui.smooth = ui.smooth.next()),
            Action::Axis => self.also(|ui| ui.axis = ui.axis.next()),
            Action::EdgeLines if state.trains() => {
                self.say("a training has no mixing weights to show");
                None
            }
            Action::EdgeLines if (1..72).contains(&self.width) => {
                self.say("needs 72 columns to show weights");
                None
            }
            Action::EdgeLines => self.also(|ui| ui.edge_lines = !ui.edge_lines),
            Action::ZoomIn => self.also(|ui| ui.zoom = (ui.zoom + 1).min(ZOOM)),
            Action::ZoomOut => self.also(|ui| ui.zoom = ui.zoom.saturating_sub(1)),
            Action::ZoomAll => self.also(|ui| ui.zoom = 0),
            Action::Inspect | Action::Earlier | Action::Later => self.inspect(action, state),
            Action::Freeze => {
                self.frozen = !self.frozen;
                Some(Effect::Freeze(self.frozen))
            }
            Action::Markers => self.also(|ui| {
                ui.markers = match ui.markers {
                    Markers::Braille => Markers::HalfBlock,
                    Markers::HalfBlock => Markers::Ascii,
                    Markers::Ascii => Markers::Braille,
                };
            }),
            Action::Follow => self.also(|ui| ui.log_scroll = 0),
            Action::LogLevel => self.also(|ui| {
                ui.log_scroll = 0;
                ui.log_level = match ui.log_level {
                    Level::Debug => Level::Info,
                    Level::Info => Level::Warning,
                    Level::Warning => Level::Error,
                    Level::Error => Level::Debug,
                };
            }),
            Action::Pause => self.send(state, if state.paused { Body::Resume } else { Body::Pause }),
            Action::Stop => self.send(state, Body::Stop),
            Action::Checkpoint => self.send(state, Body::Checkpoint),
            Action::Abort => {
                if state.is_live() {
                    self.open(Overlay::Menu { menu: Menu::Abort, cursor: 0 })
                } else {
                    self.send(state, Body::Abort)
                }
            }
            Action::Copy | Action::Export | Action::Train if state.genotype().is_none() => {
                self.say("there is no genotype yet: the first comes with the first epoch of the search");
                None
            }
            // Done where the study is.
            Action::Measure | Action::Baseline => None,
            Action::Copy => Some(Effect::Copy),
            Action::Export => Some(Effect::Export),
            Action::Train => self.open(Overlay::Menu { menu: Menu::Train, cursor: 0 }),
            Action::Columns => {
                let keys: Vec<String> = self.list.columns.iter().map(|c| c.key()).collect();
                self.open(Overlay::Prompt { asked: Asked::Columns, typed: keys.join(" ").into() })
            }
            Action::Turn => self.also(Ui::turn_sort),
            Action::Group => self.also(Ui::group),
            Action::Compare => {
                if self.tab == Tab::Cell {
                    self.show(Tab::Runs);
                    self.say("choose the other run with space, then compare");
                    return Some(Effect::Scan);
                }
                Some(Effect::Compare)
            }
            Action::No => self.also(|ui| ui.comparing = None),
            Action::Demo => (state.run.is_none() && self.opened.is_none()).then_some(Effect::StartDemo),
            Action::LevelDown
            | Action::LevelUp
            | Action::Budget
            | Action::Scope
            | Action::Mark
            | Action::Toggle
            | Action::WholeEdge
            | Action::WholeKind
            | Action::Undo
            | Action::Redo
            | Action::Automatic
            | Action::Controls
            | Action::By
            | Action::Confirm => self.edit(action, state),
            // Those need the list of runs; these mean nothing outside of a replay, or of a dialogue.
            Action::Resume => self.resume(state),
            Action::Open
            | Action::Replay
            | Action::Choose
            | Action::Pin
            | Action::Delete
            | Action::Note
            | Action::Tags => None,
            Action::SortBack | Action::SortOn => None,
            Action::Faster | Action::Slower | Action::Forward | Action::Back | Action::Yes => None,
            Action::Complete | Action::CompleteBack => None,
        }
    }

    /// The axes of the scatter are two functions, where there are two: one that would be against itself goes on to the next.
    fn apart(&mut self, state: &State, passing: bool) {
        let count = state.score.setup.as_ref().map_or(0, |s| s.functions.len());
        if count == 0 {
            return;
        }
        self.other_function = self.other_function.min(count - 1);
        // On the map and in the list only one is chosen.
        let scattered = self.layout == Layout::Scatter || passing;
        if scattered && count > 1 && self.function == Some(self.other_function) {
            self.other_function = (self.other_function + 1) % count;
        }
    }

    pub(super) fn also(&mut self, change: impl FnOnce(&mut Ui)) -> Option<Effect> {
        change(self);
        None
    }

    pub(super) fn open(&mut self, overlay: Overlay) -> Option<Effect> {
        self.overlay = Some(overlay);
        None
    }

    pub(super) fn show(&mut self, tab: Tab) -> Option<Effect> {
        self.tab = tab;
        self.follow_stage = false;
        None
    }

    /// The time cursor: there or not, and along the snapshots of the weights.
    fn inspect(&mut self, action: Action, state: &State) -> Option<Effect> {
        let mut times: Vec<f64> = state.search.alphas.iter().map(|s| s.at).collect();
        if times.is_empty() {
            // A training has no alphas; its epochs are what there is to go along.
            times.extend(state.epochs.ended.iter().map(|e| e.epoch as f64 + 1.0));
        }
        let last = times.len().checked_sub(1)?;
        self.inspect = match (action, self.inspect) {
            (Action::Inspect, Some(_)) => None,
            (_, None) => times.last().copied(),
            (Action::Earlier, Some(at)) => times.iter().rev().find(|t| **t < at - 1e-9).or(times.first()).copied(),
            (_, Some(at)) => times.iter().find(|t| **t > at + 1e-9).or(times.get(last)).copied(),
        };
        None
    }

    /// A command, or the reason why none can be sent.
    pub(super) fn send(&mut self, state: &State, body: Body) -> Option<Effect> {
        self.heard(state).then_some(Effect::Send(body))
    }

    /// Whether anybody listens to commands; says why not.
    pub(super) fn heard(&mut self, state: &State) -> bool {
        if state.run.is_none() && self.opened.is_none() {
            return false;
        }
        match &state.ended {
            _ if self.missing => self.say("this run's folder is gone: it was deleted or moved"),
            Some(ended) if ended.outcome == Outcome::Done => {
                self.say("this run is done; nothing can be changed any more");
            }
            Some(_) => self.say(format!("this run is {}, not running; resume it first: R", state.status())),
            None if !self.engine_alive => self.say("not running; resume it first: R"),
            None => return true,
        }
        false
    }

    /// Resumes the run that is open, or says why not.
    fn resume(&mut self, state: &State) -> Option<Effect> {
        let done = state.ended.as_ref().is_some_and(|e| e.outcome == Outcome::Done);
        match &self.opened {
            None => self.say("no run is open: choose one among the runs"),
            Some(_) if self.missing => self.say("this run's folder is gone: it was deleted or moved"),
            Some(_) if self.replay.is_some() => self.say("this is a replay: open the run to resume it"),
            Some(name) if done => self.say(format!("{name} is done: there is nothing to resume")),
            Some(name) if self.engine_alive && state.ended.is_none() => {
                self.say(format!("{name} is at work already"));
            }
            Some(_) => return Some(Effect::ResumeOpen),
        }
        None
    }

    /// A word in the footer, until the next key or for a while.
    pub fn say(&mut self, text: impl Into<String>) {
        self.flash = Some((text.into(), f64::INFINITY));
    }
}
