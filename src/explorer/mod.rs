//! The terminal program: a window on one run. It never computes: its state is a fold over the run's events, and what the
//! person wants goes to the engine as commands. See [`open`] and [`start`].

mod action;
mod app;
mod clipboard;
mod color;
mod compare;
mod draw;
mod errands;
mod export;
mod feed;
pub mod figure;
mod forecast;
mod form;
mod health;
mod judge;
mod keymap;
mod news;
pub mod offscreen;
mod pictures;
mod replay;
mod runs;
mod screen;
mod settings;
pub mod state;
pub mod study;
mod summary;
mod svg;
mod terminal;
pub use crate::text;
pub mod theme;
mod ui;
mod verdict;
mod view;
mod widgets;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use crate::run::RunFolder;
use crate::run::config::Config;
use crate::run::journal::Tail;
use crate::study::{Seeds, Study};
pub use export::{alphas, space_words};
pub use judge::Accuracies;
pub use pictures::{picture, pictures, study_picture};
pub use replay::SPEEDS;
pub use settings::{Settings, SettingsError};
pub use terminal::size as terminal_size;
use theme::ColorDepth;
pub use ui::Tab;

/// How the explorer looks, and where runs are.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of all runs.
    pub runs: PathBuf,
    /// Only ASCII, whatever the locale says.
    pub ascii: bool,
    /// Colours, whatever the environment says.
    pub depth: Option<ColorDepth>,
    /// The screen to begin with; else the one of the run's stage.
    pub tab: Option<Tab>,
    /// A study to watch beside the runs.
    pub study: Option<Study>,
    /// A table that cuts and cells are judged by, in place of the run's own.
    pub accuracies: Option<Accuracies>,
    /// Theme, mouse and keys of the person's own.
    pub settings: Settings,
    /// For tests of how the terminal is left: the view breaks down at this picture.
    #[doc(hidden)]
    pub panic_at: Option<u32>,
}

impl Options {
    /// As the environment and the person's settings say.
    pub fn new(runs: PathBuf, settings: Settings) -> Options {
        Options { runs, ascii: false, depth: None, tab: None, study: None, accuracies: None, settings, panic_at: None }
    }
}

/// Starts engines in processes of their own; the explorer itself has none. Each gives the reason in words where it can't.
pub trait Engines: Send + 'static {
    /// Begins the demo.
    ///
    /// # Errors
    /// No folder for it, no process.
    fn demo(&mut self) -> Result<RunFolder, String>;

    /// Begins a new run with these settings, under this name or one that is made up; it waits for a confirmation of its cut.
    ///
    /// # Errors
    /// What the engine refuses to begin, no folder for it, no process.
    fn begin(&mut self, name: Option<&str>, config: &Config) -> Result<RunFolder, String>;

    /// Begins runs with these settings and several seeds: a study in the folder of runs, with a runner of its own.
    ///
    /// # Errors
    /// No folder for it, no process.
    fn several(&mut self, name: Option<&str>, config: &Config, seeds: &Seeds) -> Result<Study, String>;

    /// Resumes a run that was left off.
    ///
    /// # Errors
    /// It is done, is at work, or is not what it was; no process.
    fn resume(&mut self, folder: &RunFolder) -> Result<(), String>;

    /// Begins a new run of that name, or of one like it, that waits for its turn; scores that would come out the same are
    /// those of `like`.
    ///
    /// # Errors
    /// No folder for it, no process.
    fn queue(&mut self, like: &RunFolder, name: &str, config: &Config) -> Result<RunFolder, String>;
}

/// How the explorer was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By the person.
    Left,
    /// By this signal.
    Signal(i32),
}

/// What can go wrong with the explorer itself.
#[derive(Debug, thiserror::Error)]
pub enum ExplorerError {
    #[error("the terminal can't be used: {0}; `zonas run` and `zonas show` work without one")]
    Terminal(#[from] std::io::Error),
    #[error("the key table is wrong: {0}")]
    Keys(String),
    #[error("{0}")]
    Study(String),
    #[error("{path} can't be written: {source}")]
    Picture { path: PathBuf, source: std::io::Error },
}

/// Opens the explorer on a run, until the person leaves; then a summary stays on the terminal.
///
/// # Errors
/// No usable terminal.
pub fn open(folder: RunFolder, options: &Options, engines: Box<dyn Engines>) -> Result<Exit, ExplorerError> {
    app::run(Some(folder), None, options, engines)
}

/// Opens the explorer with nothing yet: it says what will happen and offers the demo and the runs that there are.
///
/// # Errors
/// No usable terminal.
pub fn start(options: &Options, engines: Box<dyn Engines>) -> Result<Exit, ExplorerError> {
    app::run(None, None, options, engines)
}

/// Opens the explorer on a run as it was, `speed` times as fast.
///
/// # Errors
/// No usable terminal.
pub fn replay(
    folder: RunFolder,
    speed: f64,
    options: &Options,
    engines: Box<dyn Engines>,
) -> Result<Exit, ExplorerError> {
    app::run(Some(folder), Some(speed), options, engines)
}

/// All that is known of a run, folded from its journal.
pub fn state_of(folder: &RunFolder) -> state::State {
    let mut state = state::State::default();
    let mut tail = Tail::events(folder).overview();
    loop {
        let events = tail.read();
        if events.is_empty() {
            return state;
        }
        events.iter().for_each(|e| state.apply(e));
    }
}
