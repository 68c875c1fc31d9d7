use std::collections::HashSet;

use super::score;
use crate::run::RunFolder;
use crate::run::event::{Body, Cut, Event, Outcome, ScoringEnded};
use crate::run::journal::Tail;

/// What an earlier engine left in the journal of a run.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// An engine has been here.
    pub started: bool,
    /// Scoring as far as whole rounds go.
    pub scoring: score::Progress,
    /// Seconds of those rounds.
    pub scoring_seconds: f64,
    pub scored: Option<ScoringEnded>,
    /// The last cut that was proposed, and how many were.
    pub proposed: Option<Cut>,
    pub proposals: usize,
    pub confirmed: Option<Cut>,
    pub done: bool,
    /// Ids of commands that were answered.
    pub answered: HashSet<String>,
}

impl Past {
    pub fn read(folder: &RunFolder) -> Past {
        let mut past = Past::default();
        let mut tail = Tail::events(folder);
        loop {
            let events = tail.read();
            if events.is_empty() {
                return past;
            }
            events.into_iter().for_each(|e| past.fold(e));
        }
    }

    fn fold(&mut self, event: Event) {
        match event.body {
            Body::RunStarted(_) => self.started = true,
            Body::ScoringStarted(_) => (self.scoring, self.scoring_seconds) = (score::Progress::default(), 0.0),
            Body::RoundEnded { round, seconds, removed, summaries } if round == self.scoring.rounds => {
                self.scoring.take(removed, &summaries);
                self.scoring_seconds += seconds;
            }
            Body::ScoringEnded(ended) => self.scored = Some(ended),
            Body::CutProposed(cut) => {
                self.proposed = Some(cut);
                self.proposals += 1;
            }
            Body::CutConfirmed(cut) => self.confirmed = Some(cut),
            Body::CommandAccepted { id, .. } | Body::CommandRefused { id, .. } => {
                self.answered.insert(id);
            }
            Body::RunEnded { outcome, .. } => self.done = outcome == Outcome::Done,
            _ => {}
        }
    }
}
