//! What an earlier engine left in the journal of a run that is resumed.

use std::collections::HashSet;

use super::error::EngineError;
use super::score;
use crate::run::RunFolder;
use crate::run::event::{Body, Cut, CutMove, Event, Origin, Outcome, ScoringEnded};
use crate::run::journal::Tail;
use crate::space::{Space, Stem};

/// What an earlier engine left in the journal of a run.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// An engine has been here.
    pub started: bool,
    /// What it searched then.
    pub space: Option<Space>,
    /// What stood before the cells of its networks.
    pub stem: Option<Stem>,
    pub origin: Option<Origin>,
    /// Devices that the run has been on, each time that it was resumed on another.
    pub devices: Vec<String>,
    /// Scoring as far as it went: whole rounds, and the scores of the one after.
    pub scoring: score::Progress,
    /// Seconds of those rounds.
    pub scoring_seconds: f64,
    pub scored: Option<ScoringEnded>,
    /// The cuts that were proposed, and how many they are.
    pub cuts: Vec<Cut>,
    pub proposals: usize,
    pub confirmed: Option<Cut>,
    pub done: bool,
    /// Ids of commands that were answered.
    pub answered: HashSet<String>,
    /// Commands that were obeyed, and whose answer the engine did not live to write: id and name.
    pub owed: Vec<(String, &'static str)>,
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

    /// # Errors
    /// There is nothing to go on with.
    pub fn unfinished(&self, folder: &RunFolder) -> Result<(), EngineError> {
        if self.done { Err(EngineError::Finished(folder.path().to_path_buf())) } else { Ok(()) }
    }

    fn fold(&mut self, event: Event) {
        match event.body {
            Body::RunStarted(s) => {
                self.started = true;
                self.space = Some(s.space.space());
                self.stem = Some(s.stem);
                if self.devices.last() != Some(&s.device) {
                    self.devices.push(s.device);
                }
            }
            Body::Origin(origin) => self.origin = Some(origin),
            Body::ScoringStarted(_) => (self.scoring, self.scoring_seconds) = (score::Progress::default(), 0.0),
            Body::Score { round, draw, place, relative, .. } if round == self.scoring.rounds => {
                let relative = relative.into_iter().map(f64::from).collect();
                self.scoring.partial.insert((draw, place), relative);
            }
            Body::SampledCell { draw, number, values } => {
                self.scoring.cells.insert((draw, number), values.into_iter().map(f64::from).collect());
            }
            Body::Drawn(d) if d.round == self.scoring.rounds => {
                self.scoring.told.insert(d.draw, d.end);
                self.scoring.seconds = d.seconds;
            }
            Body::RoundEnded { round, seconds, removed, summaries, .. } if round == self.scoring.rounds => {
                self.scoring.take(removed, &summaries);
                self.scoring_seconds += seconds;
            }
            Body::ScoringEnded(ended) => self.scored = Some(ended),
            Body::CutProposed(cut) => {
                let name = match cut.moved {
                    Some(CutMove::Undo) => "undo",
                    Some(CutMove::Redo) => "redo",
                    None => "cut",
                };
                self.owe(&cut, name);
                self.cuts.push(cut);
                self.proposals += 1;
            }
            Body::CutConfirmed(cut) => {
                self.owe(&cut, "confirm");
                self.confirmed = Some(cut);
            }
            Body::CommandAccepted { id, .. } | Body::CommandRefused { id, .. } => {
                self.owed.retain(|(of, _)| *of != id);
                self.answered.insert(id);
            }
            Body::RunEnded { outcome, .. } => self.done = outcome == Outcome::Done,
            _ => {}
        }
    }

    /// The command that a cut comes from is obeyed; its answer follows.
    fn owe(&mut self, cut: &Cut, name: &'static str) {
        if let Some(id) = &cut.command {
            self.answered.insert(id.clone());
            self.owed.push((id.clone(), name));
        }
    }
}
