//! What the engine said, and what happened, as lines.

use std::collections::VecDeque;

use crate::run::describe::describe;
use crate::run::event::{Event, Level};
use crate::text;

/// One line of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Seconds since 1970.
    pub time: f64,
    pub level: Level,
    pub text: String,
}

/// What the engine said, and what happened, as text; bounded.
#[derive(Clone, Debug, Default)]
pub struct Log {
    pub lines: VecDeque<Line>,
    /// Lines that made room for later ones.
    pub dropped: u64,
}

/// Lines kept.
const CAPACITY: usize = 5000;

impl Log {
    pub(super) fn note(&mut self, event: &Event) {
        for (level, text) in describe(event) {
            if self.lines.len() == CAPACITY {
                self.lines.pop_front();
                self.dropped += 1;
            }
            self.lines.push_back(Line { time: event.time, level, text: text::sanitize(&text) });
        }
    }
}
