//! What the person looks at and has under the cursor, and how keys change it. Pure: whatever reaches outside is returned
//! as an [`Effect`].

mod cursor;
mod dialogue;
mod edit;
mod pointer;

pub use dialogue::{Asked, Menu, Overlay};
pub use pointer::{Hits, Target};

use super::action::{Action, Context};
use super::runs::Row;
use super::state::State;
use super::text;
use super::theme::{Markers, Name};
use crate::run::command::Body;
use crate::run::event::{Level, Stage};
use crate::space::{CellKind, Edge, Operation, Place};

const FIRST: Edge = match Edge::new(0) {
    Some(edge) => edge,
    None => panic!("a cell has edges"),
};

/// The screens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    Score,
    Cut,
    Search,
    Cell,
    Runs,
    Log,
}

impl Tab {
    pub const ALL: [Tab; 6] = [Tab::Score, Tab::Cut, Tab::Search, Tab::Cell, Tab::Runs, Tab::Log];

    pub const fn title(self) -> &'static str {
        match self {
            Tab::Score => "Score",
            Tab::Cut => "Cut",
            Tab::Search => "Search",
            Tab::Cell => "Cell",
            Tab::Runs => "Runs",
            Tab::Log => "Log",
        }
    }

    /// The stage that a screen is of.
    pub const fn stage(self) -> Option<Stage> {
        match self {
            Tab::Score => Some(Stage::Score),
            Tab::Cut => Some(Stage::Cut),
            Tab::Search => Some(Stage::Search),
            Tab::Cell => Some(Stage::Cell),
            Tab::Runs | Tab::Log => None,
        }
    }

    pub fn parse(text: &str) -> Option<Tab> {
        Tab::ALL.into_iter().find(|t| t.title().eq_ignore_ascii_case(text))
    }
}

/// What the numbers of the Score screen are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Value,
    Rank,
    Spread,
}

/// How the Score screen lays operations out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Edges as lines, operations as columns.
    Map,
    /// All operations in order of importance.
    List,
    /// Ranks by two functions against each other.
    Scatter,
}

/// What has to happen outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Send(Body),
    Leave,
    LeaveAfter(Body),
    Suspend,
    Redraw,
    Copy,
    Export,
    /// The run in this row of the list, live or as it was.
    Open(usize),
    Replay(usize),
    /// The chosen runs side by side.
    Compare,
    StartDemo,
    /// Read the list of runs again.
    Scan,
    Theme,
    Mouse,
    /// The picture stands still, or moves again.
    Freeze(bool),
    /// An action chosen by name, as if its key had been pressed.
    Run(Action),
}

/// What the person looks at.
#[derive(Clone, Debug)]
pub struct Ui {
    pub tab: Tab,
    /// Go with the run from stage to stage until the person chooses a screen.
    pub follow_stage: bool,
    pub cell: CellKind,
    pub edge: Edge,
    pub operation: Operation,
    pub shown: Shown,
    pub layout: Layout,
    /// One ranking function, or the sum of all.
    pub function: Option<usize>,
    /// The other axis of the scatter.
    pub other_function: usize,
    /// What is filtered by on Score, Runs and Log.
    pub filters: [String; 3],
    /// Memory, in bytes, that the person wants to stay within.
    pub budget: Option<u64>,
    /// Cuts that were marked on the curve: level and bytes.
    pub marks: Vec<(f64, u64)>,
    pub log_scale: bool,
    /// Weights of one edge over time instead of the map.
    pub edge_lines: bool,
    /// Time of the time cursor, in epochs.
    pub inspect: Option<f64>,
    /// Charts show the latest 1/2^zoom of the search.
    pub zoom: u32,
    pub frozen: bool,
    pub markers: Markers,
    /// The theme that the person chose here.
    pub theme: Option<Name>,
    pub overlay: Option<Overlay>,
    pub runs: usize,
    pub runs_total: usize,
    /// Names of the runs chosen for a comparison, in the order of choosing.
    pub chosen: Vec<String>,
    /// Runs are compared, from so many lines down.
    pub comparing: Option<usize>,
    /// Lines up from the newest.
    pub log_scroll: usize,
    /// The lowest level that the log shows.
    pub log_level: Level,
    /// A word from the program, and until when (seconds of the caller's clock).
    pub flash: Option<(String, f64)>,
    /// Leaving was asked for, when the engine has answered.
    pub leaving: bool,
    /// Where the replay is, if this is one.
    pub replay: Option<String>,
    /// What the run is, where its own events don't tell: crashed, unreachable, waiting for room.
    pub standing: Option<&'static str>,
    /// An engine holds the run, as far as is known.
    pub engine_alive: bool,
    /// Lines of the journal that could not be read.
    pub skipped: u64,
}

/// Most that charts zoom in: 1/2^6.
const ZOOM: u32 = 6;

impl Ui {
    pub fn new(markers: Markers) -> Ui {
        Ui {
            tab: Tab::Score,
            follow_stage: true,
            cell: CellKind::Normal,
            edge: FIRST,
            operation: Operation::SepConv3x3,
            shown: Shown::Value,
            layout: Layout::Map,
            function: None,
            other_function: 1,
            filters: Default::default(),
            budget: None,
            marks: Vec::new(),
            log_scale: false,
            edge_lines: false,
            inspect: None,
            zoom: 0,
            frozen: false,
            markers,
            theme: None,
            overlay: None,
            runs: 0,
            runs_total: 0,
            chosen: Vec::new(),
            comparing: None,
            log_scroll: 0,
            log_level: Level::Debug,
            flash: None,
            leaving: false,
            replay: None,
            standing: None,
            engine_alive: true,
            skipped: 0,
        }
    }

    /// The operation under the cursor.
    pub fn place(&self) -> Place {
        Place::new(self.cell, self.edge, self.operation)
    }

    /// Whose keys count.
    pub fn context(&self, state: &State) -> Context {
        match &self.overlay {
            Some(overlay) => overlay.context(),
            None => self.screen(state),
        }
    }

    /// The screen below any dialogue.
    pub fn screen(&self, state: &State) -> Context {
        match self.tab {
            Tab::Score | Tab::Cut | Tab::Search | Tab::Cell if state.run.is_none() => Context::Start,
            Tab::Score => Context::Score,
            Tab::Cut => Context::Cut,
            Tab::Search => Context::Search,
            Tab::Cell => Context::Cell,
            Tab::Runs if self.comparing.is_some() => Context::Compare,
            Tab::Runs => Context::Runs,
            Tab::Log => Context::Log,
        }
    }

    /// What is filtered by on the present screen.
    pub fn filter(&self) -> &str {
        &self.filters[self.filter_slot()]
    }

    fn filter_slot(&self) -> usize {
        match self.tab {
            Tab::Runs => 1,
            Tab::Log => 2,
            _ => 0,
        }
    }

    /// Whether a run is in the list under the present filter.
    pub fn lists(&self, row: &Row) -> bool {
        let wanted = &self.filters[1];
        text::contains(&row.name, wanted) || text::contains(&row.status, wanted) || text::contains(&row.data, wanted)
    }

    /// After new events: go along with the run, unless the person chose a screen.
    pub fn follow(&mut self, state: &State) {
        if let (true, Some(stage)) = (self.follow_stage, state.stage) {
            self.tab = match stage {
                Stage::Score => Tab::Score,
                Stage::Cut => Tab::Cut,
                Stage::Search => Tab::Search,
                Stage::Cell => Tab::Cell,
            };
        }
    }

    /// Carries an action out.
    pub fn update(&mut self, action: Action, state: &State) -> Option<Effect> {
        if self.overlay.is_some() {
            return self.in_dialogue(action, state);
        }
        match action {
            Action::Quit => {
                if state.is_live() && self.engine_alive && !self.leaving {
                    self.open(Overlay::Menu { menu: Menu::Quit, cursor: 0 })
                } else {
                    Some(Effect::Leave)
                }
            }
            Action::Help => self.open(Overlay::Help { scroll: 0 }),
            Action::Warnings => self.open(Overlay::Warnings { scroll: 0 }),
            Action::Palette => self.open(Overlay::Palette { typed: String::new(), cursor: 0 }),
            Action::Filter => {
                let typed = self.filter().to_string();
                self.open(Overlay::Prompt { asked: Asked::Filter, typed })
            }
            Action::Theme => Some(Effect::Theme),
            Action::Mouse => Some(Effect::Mouse),
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
            Action::Left | Action::Right | Action::Up | Action::Down => self.step(action, state),
            Action::First | Action::Last | Action::PageUp | Action::PageDown => self.jump(action, state),
            Action::OtherCell => self.also(|ui| {
                ui.cell = match ui.cell {
                    CellKind::Normal => CellKind::Reduction,
                    CellKind::Reduction => CellKind::Normal,
                };
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
                None
            }
            Action::LogScale => self.also(|ui| ui.log_scale = !ui.log_scale),
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
            Action::Copy | Action::Export if state.genotype().is_none() => {
                self.say("there is no genotype yet: the first comes with the first epoch of the search");
                None
            }
            Action::Copy => Some(Effect::Copy),
            Action::Export => Some(Effect::Export),
            Action::Open => (self.runs < self.runs_total).then_some(Effect::Open(self.runs)),
            Action::Replay => (self.runs < self.runs_total).then_some(Effect::Replay(self.runs)),
            Action::Compare => {
                if self.tab == Tab::Cell {
                    self.show(Tab::Runs);
                    self.say("choose the other run with space, then compare");
                    return Some(Effect::Scan);
                }
                Some(Effect::Compare)
            }
            Action::No => self.also(|ui| ui.comparing = None),
            Action::Demo => state.run.is_none().then_some(Effect::StartDemo),
            Action::LevelDown
            | Action::LevelUp
            | Action::Budget
            | Action::Mark
            | Action::Toggle
            | Action::WholeEdge
            | Action::WholeKind
            | Action::Undo
            | Action::Redo
            | Action::Automatic
            | Action::Controls
            | Action::Confirm => self.edit(action, state),
            // Needs the list of runs; outside of a replay, or of a dialogue, they mean nothing.
            Action::Choose | Action::Faster | Action::Slower | Action::Forward | Action::Back | Action::Yes => None,
        }
    }

    fn also(&mut self, change: impl FnOnce(&mut Ui)) -> Option<Effect> {
        change(self);
        None
    }

    fn open(&mut self, overlay: Overlay) -> Option<Effect> {
        self.overlay = Some(overlay);
        None
    }

    fn show(&mut self, tab: Tab) -> Option<Effect> {
        self.tab = tab;
        self.follow_stage = false;
        None
    }

    /// Chooses a run for the comparison, or no longer.
    pub fn choose(&mut self, name: &str) {
        if let Some(at) = self.chosen.iter().position(|n| n == name) {
            self.chosen.remove(at);
        } else if self.chosen.len() < super::compare::MOST {
            self.chosen.push(name.to_string());
        } else {
            self.say(format!("{} runs side by side are the most", super::compare::MOST));
        }
    }

    /// The time cursor: there or not, and along the snapshots of the weights.
    fn inspect(&mut self, action: Action, state: &State) -> Option<Effect> {
        let times: Vec<f64> = state.search.alphas.iter().map(|s| s.at).collect();
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
    fn send(&mut self, state: &State, body: Body) -> Option<Effect> {
        state.run.as_ref()?;
        if state.ended.is_some() {
            self.say("this run has ended; nothing can be changed any more");
            return None;
        }
        if !self.engine_alive {
            self.say("no engine works on this run any more, so nobody would listen");
            return None;
        }
        Some(Effect::Send(body))
    }

    /// A word in the footer, until the next key or for a while.
    pub fn say(&mut self, text: impl Into<String>) {
        self.flash = Some((text.into(), f64::INFINITY));
    }
}
