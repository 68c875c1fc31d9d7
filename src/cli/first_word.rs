//! The first word of an engine: what tells that it has begun.

use crate::run::RunFolder;
use crate::run::event::{Body, Event};
use crate::run::journal::Tail;

/// Whether an engine has said anything since, but that it can't begin.
pub struct FirstWord {
    tail: Tail<Event>,
    come: bool,
}

impl FirstWord {
    /// Whether an engine that says this has begun.
    pub fn is(event: &Event) -> bool {
        !matches!(event.body, Body::RunEnded { .. })
    }

    /// To be made before the engine is.
    pub fn of(folder: &RunFolder) -> FirstWord {
        FirstWord { tail: Tail::events(folder).at_end(), come: false }
    }

    pub fn has_come(&mut self) -> bool {
        if !self.come {
            self.come = self.tail.rest().iter().any(FirstWord::is);
        }
        self.come
    }
}
