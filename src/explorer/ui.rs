//! What the person looks at and has under the cursor, and how keys change it. Pure: whatever reaches outside is returned
//! as an [`Effect`].

use super::action::{Action, Context};
use super::state::State;
use super::theme::Markers;
use crate::run::command::{Body, Edit};
use crate::run::event::Stage;
use crate::space::{CellKind, Edge, OPERATIONS, Operation, Place};

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

/// A choice that lies over the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Menu {
    Confirm,
    Controls,
    Quit,
    Abort,
}

/// What a line of a menu does.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
    Nothing,
    Send(Body),
    /// Leave; the run goes on elsewhere, or there is none.
    Leave,
    /// Send the command, and leave when the engine has accepted it.
    LeaveAfter(Body),
}

/// A dialogue.
#[derive(Clone, Debug, PartialEq)]
pub enum Overlay {
    Help { scroll: usize },
    Menu { menu: Menu, cursor: usize },
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
    Open(usize),
    StartDemo,
    /// Read the list of runs again.
    Scan,
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
    /// One ranking function, or the sum of all.
    pub function: Option<usize>,
    pub log_scale: bool,
    pub markers: Markers,
    pub overlay: Option<Overlay>,
    pub runs: usize,
    pub runs_total: usize,
    /// Lines up from the newest.
    pub log_scroll: usize,
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

impl Ui {
    pub fn new(markers: Markers) -> Ui {
        Ui {
            tab: Tab::Score,
            follow_stage: true,
            cell: CellKind::Normal,
            edge: FIRST,
            operation: Operation::SepConv3x3,
            shown: Shown::Value,
            function: None,
            log_scale: false,
            markers,
            overlay: None,
            runs: 0,
            runs_total: 0,
            log_scroll: 0,
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
            Some(Overlay::Help { .. }) => return Context::Help,
            Some(Overlay::Menu { .. }) => return Context::Menu,
            None => {}
        }
        match self.tab {
            Tab::Score | Tab::Cut | Tab::Search | Tab::Cell if state.run.is_none() => Context::Start,
            Tab::Score => Context::Score,
            Tab::Cut => Context::Cut,
            Tab::Search => Context::Search,
            Tab::Cell => Context::Cell,
            Tab::Runs => Context::Runs,
            Tab::Log => Context::Log,
        }
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

    /// The lines of a menu.
    pub fn choices(&self, menu: Menu, state: &State) -> Vec<(String, Choice)> {
        let control = |source: &str| Choice::Send(Body::Cut(Edit::Source { source: source.into() }));
        match menu {
            Menu::Confirm => vec![
                ("start the search".into(), Choice::Send(Body::Confirm { revision: Some(state.cut.revision()) })),
                ("go on editing".into(), Choice::Nothing),
            ],
            Menu::Controls => vec![
                ("the scores".into(), control("scores")),
                ("random, of equal size".into(), control("random")),
                ("cheapest by memory".into(), control("cheapest")),
                ("most parameters".into(), control("most_parameters")),
            ],
            Menu::Quit => vec![
                ("detach: leave it running".into(), Choice::Leave),
                ("stop after this epoch or round, with a checkpoint".into(), Choice::LeaveAfter(Body::Stop)),
                ("abort at once".into(), Choice::LeaveAfter(Body::Abort)),
                ("cancel".into(), Choice::Nothing),
            ],
            Menu::Abort => {
                vec![("cancel".into(), Choice::Nothing), ("abort at once".into(), Choice::Send(Body::Abort))]
            }
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
                    self.overlay = Some(Overlay::Menu { menu: Menu::Quit, cursor: 0 });
                    None
                } else {
                    Some(Effect::Leave)
                }
            }
            Action::Help => self.open(Overlay::Help { scroll: 0 }),
            Action::Suspend => Some(Effect::Suspend),
            Action::Redraw => Some(Effect::Redraw),
            Action::ShowScore => self.show(Tab::Score),
            Action::ShowCut => self.show(Tab::Cut),
            Action::ShowSearch => self.show(Tab::Search),
            Action::ShowCell => self.show(Tab::Cell),
            Action::ShowRuns => {
                self.show(Tab::Runs);
                Some(Effect::Scan)
            }
            Action::ShowLog => self.show(Tab::Log),
            Action::Left | Action::Right | Action::Up | Action::Down => self.step(action, state),
            Action::First | Action::Last | Action::PageUp | Action::PageDown => self.jump(action, state),
            Action::OtherCell => {
                self.cell = match self.cell {
                    CellKind::Normal => CellKind::Reduction,
                    CellKind::Reduction => CellKind::Normal,
                };
                None
            }
            Action::Show => {
                self.shown = match self.shown {
                    Shown::Value => Shown::Rank,
                    Shown::Rank => Shown::Spread,
                    Shown::Spread => Shown::Value,
                };
                None
            }
            Action::Function => {
                let count = state.score.setup.as_ref().map_or(0, |s| s.functions.len());
                self.function = match self.function {
                    None if count > 0 => Some(0),
                    Some(f) if f + 1 < count => Some(f + 1),
                    _ => None,
                };
                None
            }
            Action::LogScale => {
                self.log_scale = !self.log_scale;
                None
            }
            Action::Markers => {
                self.markers = match self.markers {
                    Markers::Braille => Markers::HalfBlock,
                    Markers::HalfBlock => Markers::Ascii,
                    Markers::Ascii => Markers::Braille,
                };
                None
            }
            Action::Follow => {
                self.log_scroll = 0;
                None
            }
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
            Action::Copy => state.genotype().map(|_| Effect::Copy),
            Action::Export => state.genotype().map(|_| Effect::Export),
            Action::Open => (self.runs < self.runs_total).then_some(Effect::Open(self.runs)),
            Action::Demo => state.run.is_none().then_some(Effect::StartDemo),
            Action::LevelDown
            | Action::LevelUp
            | Action::Toggle
            | Action::WholeEdge
            | Action::WholeKind
            | Action::Undo
            | Action::Redo
            | Action::Automatic
            | Action::Controls
            | Action::Confirm => self.edit(action, state),
            // Outside of a replay they mean nothing.
            Action::Faster | Action::Slower | Action::Forward | Action::Back | Action::Yes | Action::No => None,
        }
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

    fn edit(&mut self, action: Action, state: &State) -> Option<Effect> {
        let Some(cut) = &state.cut.cut else {
            self.say("there is no cut yet: it is proposed when scoring is done");
            return None;
        };
        if state.cut.confirmed {
            self.say("the cut is confirmed and cannot change any more");
            return None;
        }
        let place = self.place();
        let level = |steps: f64| {
            // One operation an edge: between these levels nothing changes.
            let step = 1.0 / OPERATIONS as f64;
            Body::Cut(Edit::Level { xi: (((cut.xi / step).round() + steps) * step).clamp(step, 1.0 - step) })
        };
        let kept = cut.mask.contains(place);
        let body = match action {
            Action::LevelDown => level(-1.0),
            Action::LevelUp => level(1.0),
            Action::Toggle if kept => Body::Cut(Edit::Drop { place }),
            Action::Toggle => Body::Cut(Edit::Keep { place }),
            Action::WholeEdge => {
                let most = Operation::ALL
                    .iter()
                    .filter(|o| state.score.takes_part(Place::new(self.cell, self.edge, **o)))
                    .count();
                let keep = cut.mask.count_on(self.cell, self.edge) < most;
                Body::Cut(Edit::Edge { cell: self.cell, edge: self.edge, keep })
            }
            Action::WholeKind => {
                let everywhere = Edge::all().all(|e| cut.mask.keeps(self.cell, e, self.operation));
                let keep = !kept && !everywhere;
                Body::Cut(Edit::Kind { cell: Some(self.cell), operation: self.operation, keep })
            }
            Action::Undo => Body::Undo,
            Action::Redo => Body::Redo,
            Action::Automatic => Body::Cut(Edit::Automatic),
            Action::Controls => return self.open(Overlay::Menu { menu: Menu::Controls, cursor: 0 }),
            Action::Confirm => return self.open(Overlay::Menu { menu: Menu::Confirm, cursor: 0 }),
            _ => return None,
        };
        self.send(state, body)
    }

    fn step(&mut self, action: Action, state: &State) -> Option<Effect> {
        match (self.tab, action) {
            (Tab::Runs, Action::Up) => self.runs = self.runs.saturating_sub(1),
            (Tab::Runs, Action::Down) => self.runs = (self.runs + 1).min(self.runs_total.saturating_sub(1)),
            (Tab::Log, Action::Up) => self.scroll_log(1, state),
            (Tab::Log, Action::Down) => self.scroll_log(-1, state),
            (Tab::Score | Tab::Cut | Tab::Search, _) => self.move_cursor(action, state),
            _ => {}
        }
        None
    }

    fn jump(&mut self, action: Action, state: &State) -> Option<Effect> {
        match (self.tab, action) {
            (Tab::Runs, Action::First) => self.runs = 0,
            (Tab::Runs, Action::Last) => self.runs = self.runs_total.saturating_sub(1),
            (Tab::Runs, Action::PageUp) => self.runs = self.runs.saturating_sub(10),
            (Tab::Runs, _) => self.runs = (self.runs + 10).min(self.runs_total.saturating_sub(1)),
            (Tab::Log, Action::First) => self.log_scroll = state.log.lines.len().saturating_sub(1),
            (Tab::Log, Action::Last) => self.log_scroll = 0,
            (Tab::Log, Action::PageUp) => self.scroll_log(10, state),
            (Tab::Log, _) => self.scroll_log(-10, state),
            (Tab::Score | Tab::Cut | Tab::Search, _) => {
                let index = self.edge.index();
                self.edge = match action {
                    Action::First => Edge::new(0),
                    Action::Last => Edge::new(13),
                    Action::PageUp => Edge::new(index.saturating_sub(5)),
                    _ => Edge::new((index + 5).min(13)),
                }
                .unwrap_or(self.edge);
            }
            _ => {}
        }
        None
    }

    fn scroll_log(&mut self, lines: isize, state: &State) {
        self.log_scroll = self.log_scroll.saturating_add_signed(lines).min(state.log.lines.len().saturating_sub(1));
    }

    /// Left and right run on from one cell into the other, past columns that are not shown.
    fn move_cursor(&mut self, action: Action, state: &State) {
        let columns = state.columns();
        let at = columns.iter().position(|o| *o == self.operation);
        match action {
            Action::Up => self.edge = Edge::new(self.edge.index().wrapping_sub(1)).unwrap_or(self.edge),
            Action::Down => self.edge = Edge::new(self.edge.index() + 1).unwrap_or(self.edge),
            Action::Left => match at {
                Some(0) if self.cell == CellKind::Reduction => {
                    self.cell = CellKind::Normal;
                    self.operation = columns.last().copied().unwrap_or(self.operation);
                }
                Some(i) => self.operation = columns.get(i.saturating_sub(1)).copied().unwrap_or(self.operation),
                None => self.operation = columns.first().copied().unwrap_or(self.operation),
            },
            _ => match at {
                Some(i) if i + 1 == columns.len() && self.cell == CellKind::Normal => {
                    self.cell = CellKind::Reduction;
                    self.operation = columns.first().copied().unwrap_or(self.operation);
                }
                Some(i) => self.operation = columns.get(i + 1).copied().unwrap_or(self.operation),
                None => self.operation = columns.first().copied().unwrap_or(self.operation),
            },
        }
    }

    fn in_dialogue(&mut self, action: Action, state: &State) -> Option<Effect> {
        let overlay = self.overlay.take()?;
        match (overlay, action) {
            (_, Action::No) => None,
            (Overlay::Help { scroll }, _) => {
                let scroll = match action {
                    Action::Up => scroll.saturating_sub(1),
                    Action::Down => scroll + 1,
                    Action::PageUp => scroll.saturating_sub(10),
                    Action::PageDown => scroll + 10,
                    Action::First => 0,
                    Action::Last => 1000,
                    _ => scroll,
                };
                self.open(Overlay::Help { scroll: scroll.min(1000) })
            }
            (Overlay::Menu { menu, cursor }, Action::Yes) => {
                let choice = self.choices(menu, state).into_iter().nth(cursor).map(|c| c.1);
                match choice {
                    Some(Choice::Send(body)) => self.send(state, body),
                    Some(Choice::Leave) => Some(Effect::Leave),
                    Some(Choice::LeaveAfter(body)) => {
                        self.leaving = true;
                        Some(Effect::LeaveAfter(body))
                    }
                    Some(Choice::Nothing) | None => None,
                }
            }
            (Overlay::Menu { menu, cursor }, _) => {
                let last = self.choices(menu, state).len().saturating_sub(1);
                let cursor = match action {
                    Action::Up => cursor.saturating_sub(1),
                    Action::Down => (cursor + 1).min(last),
                    Action::First | Action::PageUp => 0,
                    Action::Last | Action::PageDown => last,
                    _ => cursor,
                };
                self.open(Overlay::Menu { menu, cursor })
            }
        }
    }
}
