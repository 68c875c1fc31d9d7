//! What there is to tell of a run: its events, and how it stands.

use crate::run::event::Event;
use crate::run::lock::Liveness;

/// What the reader tells.
pub enum News {
    Events(Vec<Event>),
    /// All that was written so far has been told.
    CaughtUp {
        /// Lines that could not be read.
        skipped: u64,
        /// Lines that were left out of a long journal, since the last time.
        passed: u64,
    },
    /// Whether an engine holds the run; its last words, if it is gone.
    Engine(Liveness, Option<String>),
    /// The run's folder is no longer where it was, or is there again.
    Missing(bool),
    /// What was told holds no longer; all of it comes again.
    Reset,
    /// Where a replay is: the time of the run, and words for the person.
    Replay(f64, String),
}
