//! How a command ends: the exit codes, and a mistake of the person who called.

use crate::engine::Outcome;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done,
    Failure,
    /// Usage, or input that is missing or wrong.
    BadInput,
    /// Stopped early, with a way to go on.
    Stopped,
    Interrupted,
}

impl Exit {
    pub const fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failure => 1,
            Exit::BadInput => 2,
            Exit::Stopped => 75,
            Exit::Interrupted => 130,
        }
    }
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Exit {
        match outcome {
            Outcome::Done => Exit::Done,
            Outcome::Failed => Exit::Failure,
            Outcome::Aborted => Exit::Interrupted,
            Outcome::Stopped => Exit::Stopped,
        }
    }
}

/// A mistake of the person who called: one sentence, exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);
