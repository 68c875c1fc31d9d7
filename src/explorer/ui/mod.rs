//! What the person looks at and has under the cursor, and how keys change it. Pure: whatever reaches outside is returned
//! as an [`Effect`].

mod cursor;
mod dialogue;
mod edit;
mod idle;
mod list;
mod pointer;
mod typed;
mod update;

pub use dialogue::{Asked, Menu, Overlay};
pub use list::List;
pub use pointer::{Hits, Target};
pub use typed::{KEYS as TYPING, Typed};

use super::action::{Action, Context};
use super::form::{Field, Form};
use super::state::State;
use super::theme::{Markers, Name};
use crate::run::command::Body;
use crate::run::event::{Level, Stage};
use crate::run::status::Status;
use crate::space::cut::Source;
use crate::space::{CellKind, Edge, Mask, Operation, Place};

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
    /// Where a study is watched.
    Study,
}

impl Tab {
    /// Those that there always are.
    pub const ALL: [Tab; 6] = [Tab::Score, Tab::Cut, Tab::Search, Tab::Cell, Tab::Runs, Tab::Log];

    pub const fn title(self) -> &'static str {
        match self {
            Tab::Score => "Score",
            Tab::Cut => "Cut",
            Tab::Search => "Search",
            Tab::Cell => "Cell",
            Tab::Runs => "Runs",
            Tab::Log => "Log",
            Tab::Study => "Study",
        }
    }

    /// The stage that a screen is of.
    pub const fn stage(self) -> Option<Stage> {
        match self {
            Tab::Score => Some(Stage::Score),
            Tab::Cut => Some(Stage::Cut),
            Tab::Search => Some(Stage::Search),
            Tab::Cell => Some(Stage::Cell),
            Tab::Runs | Tab::Log | Tab::Study => None,
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

/// How curves of single steps are smoothed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Smooth {
    Off,
    Some,
    Much,
}

impl Smooth {
    pub const fn next(self) -> Smooth {
        match self {
            Smooth::Off => Smooth::Some,
            Smooth::Some => Smooth::Much,
            Smooth::Much => Smooth::Off,
        }
    }

    /// What of the mean before stays with each step.
    pub const fn weight(self) -> f64 {
        match self {
            Smooth::Off => 0.0,
            Smooth::Some => 0.6,
            Smooth::Much => 0.9,
        }
    }
}

/// What charts of the search are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    Epochs,
    Steps,
    /// Seconds of work.
    Time,
}

impl Axis {
    pub const fn next(self) -> Axis {
        match self {
            Axis::Epochs => Axis::Steps,
            Axis::Steps => Axis::Time,
            Axis::Time => Axis::Epochs,
        }
    }
}

/// What has to happen outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Send(Body),
    Leave,
    /// Leave whatever is not done yet.
    LeaveAtOnce,
    LeaveAfter(Body),
    Suspend,
    Redraw,
    Copy,
    Export,
    /// The run in this row of the list, live or as it was.
    Open(usize),
    Replay(usize),
    /// Resume the run in this row, or the one that is open.
    Resume(usize),
    ResumeOpen,
    /// Delete the run of this name.
    Remove(String),
    /// What the text of a field of a new run may become.
    Complete {
        field: Field,
        text: String,
        back: bool,
    },
    /// Write a note beside the run of this name, or its tags.
    Note {
        name: String,
        note: String,
    },
    Tags {
        name: String,
        tags: String,
    },
    /// Controls of this cut as runs of their own: their sources, and the cut that they stand beside.
    Queue {
        sources: Vec<Source>,
        beside: Mask,
    },
    /// The genotype that is known, trained from scratch with this preset's settings, as a run of its own.
    Train(&'static str),
    /// Other runs are pinned than before.
    Pins,
    /// The chosen runs side by side.
    Compare,
    StartDemo,
    /// Read the list of runs again.
    Scan,
    Theme,
    Mouse,
    /// The bell rings, or is quiet.
    Bell,
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
    /// The round whose scores are shown; none: of each operation the one that decided about it.
    pub round: Option<usize>,
    /// One ranking function, or the sum of all.
    pub function: Option<usize>,
    /// The other axis of the scatter.
    pub other_function: usize,
    /// What is filtered by on Score, Runs and Log.
    pub filters: [String; 3],
    /// Cuts that were marked on the curve: level and bytes.
    pub marks: Vec<(f64, u64)>,
    pub log_scale: bool,
    /// How curves of single steps are smoothed.
    pub smooth: Smooth,
    /// What charts of the search are over.
    pub axis: Axis,
    /// Names of runs whose curves lie behind those of the one that is open.
    pub pinned: Vec<String>,
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
    /// What is typed for a new run, also while its form is closed.
    pub form: Form,
    /// The line of the list under the cursor, and how many there are.
    pub runs: usize,
    pub runs_total: usize,
    pub list: List,
    /// Names of the runs chosen for a comparison, in the order of choosing.
    pub chosen: Vec<String>,
    /// Runs are compared, from so many lines down.
    pub comparing: Option<usize>,
    /// The first column of the comparison that is shown.
    pub compared_from: usize,
    /// Lines of a page: those of the window that a list has, less two.
    pub page: usize,
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
    /// The run that a question is about.
    pub about: String,
    /// Seconds that a file system has kept the program waiting.
    pub slow: Option<u64>,
    /// Columns of the screen; 0 where nobody knows.
    pub width: u16,
    /// Name of the run that is open.
    pub opened: Option<String>,
    /// How it stands, as far as its engine and its journal tell; none once it has ended.
    pub stands: Option<Status>,
    /// Its folder is no longer where it was.
    pub missing: bool,
    /// The list of runs is read for the first time: how many have been read, and of how many.
    pub reading: Option<(usize, usize)>,
    /// What is still to be done before the program leaves, as it was asked to.
    pub finishing: Option<String>,
    /// What is looked for in the help.
    pub wanted: String,
    /// Setting and seed under the cursor, of a study.
    pub study: (usize, usize),
    /// How many there are of each.
    pub study_size: (usize, usize),
}

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
            round: None,
            function: None,
            other_function: 1,
            filters: Default::default(),
            marks: Vec::new(),
            log_scale: false,
            smooth: Smooth::Some,
            axis: Axis::Epochs,
            pinned: Vec::new(),
            edge_lines: false,
            inspect: None,
            zoom: 0,
            frozen: false,
            markers,
            theme: None,
            overlay: None,
            form: Form::default(),
            runs: 0,
            runs_total: 0,
            list: List::default(),
            chosen: Vec::new(),
            comparing: None,
            compared_from: 0,
            page: 10,
            log_scroll: 0,
            log_level: Level::Debug,
            flash: None,
            leaving: false,
            replay: None,
            standing: None,
            engine_alive: true,
            skipped: 0,
            about: String::new(),
            slow: None,
            width: 0,
            opened: None,
            stands: None,
            missing: false,
            reading: None,
            finishing: None,
            wanted: String::new(),
            study: (0, 0),
            study_size: (0, 0),
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
            Tab::Score | Tab::Cut | Tab::Search | Tab::Cell if state.run.is_none() && self.opened.is_some() => {
                Context::Waiting
            }
            Tab::Score | Tab::Cut | Tab::Search | Tab::Cell if state.run.is_none() => Context::Start,
            Tab::Score => Context::Score,
            Tab::Cut => Context::Cut,
            Tab::Search => Context::Search,
            Tab::Cell => Context::Cell,
            Tab::Runs if self.comparing.is_some() => Context::Compare,
            Tab::Runs => Context::Runs,
            Tab::Log => Context::Log,
            Tab::Study => Context::Study,
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

    /// After new events: go along with the run, unless the person chose a screen.
    pub fn follow(&mut self, state: &State) {
        if let (true, Some(stage)) = (self.follow_stage, state.stage) {
            self.tab = match stage {
                Stage::Score => Tab::Score,
                Stage::Cut => Tab::Cut,
                Stage::Search | Stage::Train => Tab::Search,
                Stage::Cell => Tab::Cell,
            };
        }
    }
}
