//! How to run a run: what becomes of its automatic cut, whether it waits for others, and how it is asked to leave.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::run::event::Level;

/// What to do with the automatic cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Confirm {
    /// Take it and go on.
    Automatic,
    /// Wait for commands that change and confirm it.
    #[default]
    Wait,
    /// End the run there, with [`Outcome::Stopped`](crate::run::event::Outcome::Stopped), unless it is confirmed already.
    Stop,
}

/// Asks an engine to leave: at the next step, with a checkpoint. For signals, which come from anywhere.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    pub fn ask(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// What helpers beside an engine have to say: it goes to the journal when the engine next looks at its commands.
#[derive(Clone, Debug, Default)]
pub struct Notices(Arc<Mutex<Vec<(Level, String)>>>);

impl Notices {
    pub fn tell(&self, level: Level, text: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((level, text));
    }

    /// What was told since the last time.
    pub(crate) fn take(&self) -> Vec<(Level, String)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How to run a run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub confirm: Confirm,
    /// Go on though settings, data or program have changed, or though the automatic cut is not by scores.
    pub force: bool,
    /// Wait until no run beside this one is at work that came before.
    pub queue: bool,
    pub interrupt: Interrupt,
    pub notices: Notices,
}
