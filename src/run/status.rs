//! How a run stands: what its journal says of it, and whether an engine is there. The one answer to this question for
//! every reader.

use std::io::{Read, Seek, SeekFrom};

use super::event::{Body, Event, Outcome, Stage};
use super::folder::{LOG, RunFolder};
use super::lock::Liveness;

/// What a run does.
#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    /// No engine has been here.
    New,
    /// An engine has it and has not said anything yet.
    Starting,
    /// What it is at, in two or three words.
    Running(String),
    /// Why, where it is not by command.
    Paused(Option<String>),
    /// Behind whom.
    Queued(String),
    WaitingForCut,
    Done,
    /// On request, with a way to go on.
    Stopped(String),
    Aborted(String),
    /// By an error that the engine told of.
    Failed(String),
    /// Its engine is gone without a word.
    Crashed(String),
    /// Its engine is on another machine, and nothing was heard of it for long.
    Unreachable(String),
}

impl Status {
    /// One word for a list and for scripts.
    pub const fn word(&self) -> &'static str {
        match self {
            Status::New => "new",
            Status::Starting | Status::Running(_) => "running",
            Status::Paused(_) => "paused",
            Status::Queued(_) => "queued",
            Status::WaitingForCut => "waiting for a cut",
            Status::Done => "done",
            Status::Stopped(_) => "stopped",
            Status::Aborted(_) => "aborted",
            Status::Failed(_) => "failed",
            Status::Crashed(_) => "crashed",
            Status::Unreachable(_) => "unreachable",
        }
    }

    /// What more there is to say; may come from a file, so it may hold anything.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Status::New | Status::WaitingForCut | Status::Done => None,
            Status::Starting => Some("starting"),
            Status::Paused(reason) => reason.as_deref(),
            Status::Running(text)
            | Status::Queued(text)
            | Status::Stopped(text)
            | Status::Aborted(text)
            | Status::Failed(text)
            | Status::Crashed(text)
            | Status::Unreachable(text) => Some(text.as_str()).filter(|t| !t.is_empty()),
        }
    }

    /// Whether an engine may be asked for something.
    pub const fn has_engine(&self) -> bool {
        matches!(
            self,
            Status::Starting | Status::Running(_) | Status::Paused(_) | Status::Queued(_) | Status::WaitingForCut
        )
    }

    /// Whether the run can be resumed.
    pub const fn can_go_on(&self) -> bool {
        matches!(self, Status::New | Status::Stopped(_) | Status::Aborted(_) | Status::Failed(_) | Status::Crashed(_))
    }
}

/// The part of the answer that the journal holds: a fold over its events.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    pub started: bool,
    pub stage: Option<Stage>,
    /// The run trains a genotype from scratch.
    pub trains: bool,
    pub round: usize,
    pub rounds: usize,
    /// How the round stands, where draws go on until all is decided.
    pub drawn: Option<String>,
    /// Epochs that have ended, and those that are planned.
    pub epoch: usize,
    pub epochs: usize,
    pub paused: bool,
    pub open_cut: bool,
    pub ended: Option<(Outcome, String)>,
    /// Wall clock of the latest event.
    pub last: f64,
}

impl Progress {
    pub fn apply(&mut self, event: &Event) {
        self.last = event.time;
        match &event.body {
            Body::RunStarted(s) => {
                self.trains = s.trains;
                (self.started, self.paused, self.ended) = (true, false, None);
                (self.stage, self.open_cut) = (None, false);
            }
            Body::StageStarted { stage } => {
                self.stage = Some(*stage);
                self.open_cut = false;
            }
            Body::ScoringStarted(s) => (self.round, self.rounds) = (0, s.rounds),
            Body::RoundStarted { round, .. } => (self.round, self.drawn) = (*round, None),
            Body::Drawn(drawn) => self.drawn = Some(drawn.words()),
            Body::RoundEnded { round, .. } => (self.round, self.drawn) = (round + 1, None),
            Body::CutProposed(_) => self.open_cut = true,
            Body::CutConfirmed(_) => self.open_cut = false,
            Body::SearchStarted(s) => self.epochs = s.epochs,
            Body::TrainingStarted(t) => self.epochs = t.epochs,
            Body::EpochEnded(e) => self.epoch = e.epoch + 1,
            Body::TrainingEpochEnded(e) => self.epoch = e.epoch + 1,
            Body::Paused => self.paused = true,
            Body::Resumed => self.paused = false,
            Body::RunEnded { outcome, detail, .. } => {
                self.ended = Some((*outcome, detail.clone()));
                self.paused = false;
            }
            _ => {}
        }
    }

    fn doing(&self) -> String {
        match self.stage {
            None => "starting".into(),
            Some(Stage::Score) => {
                let drawn = self.drawn.as_ref().map_or(String::new(), |words| format!(", {words}"));
                format!("scoring round {} of {}{drawn}", (self.round + 1).min(self.rounds.max(1)), self.rounds)
            }
            Some(Stage::Cut) => "cut confirmed".into(),
            Some(Stage::Search | Stage::Train) => {
                format!("epoch {} of {}", (self.epoch + 1).min(self.epochs.max(1)), self.epochs)
            }
            Some(Stage::Cell) if self.trains => "starting".into(),
            Some(Stage::Cell) => "deriving the cell".into(),
        }
    }

    /// How the run stands; `folder` is read for the last words of an engine that is gone.
    pub fn status(&self, liveness: &Liveness, folder: &RunFolder) -> Status {
        self.judge(liveness, || last_words(folder))
    }

    /// The same, for those who have the engine's last words ([`last_words`]) already, or must not read files.
    pub fn judge(&self, liveness: &Liveness, last_words: impl FnOnce() -> Option<String>) -> Status {
        if let Some((outcome, detail)) = &self.ended
            && !(liveness.is_alive() && *outcome != Outcome::Done)
        {
            return match outcome {
                Outcome::Done => Status::Done,
                Outcome::Stopped => Status::Stopped(detail.clone()),
                Outcome::Aborted => Status::Aborted(detail.clone()),
                Outcome::Failed => Status::Failed(detail.clone()),
            };
        }
        match liveness {
            Liveness::Alive(holder) if holder.queued => Status::Queued(holder.waits.clone().unwrap_or_default()),
            Liveness::Alive(holder) if holder.waits.is_some() => Status::Paused(holder.waits.clone()),
            Liveness::Alive(_) if self.ended.is_some() || !self.started => Status::Starting,
            Liveness::Alive(_) if self.paused => Status::Paused(None),
            Liveness::Alive(_) if self.open_cut => Status::WaitingForCut,
            Liveness::Alive(_) => Status::Running(self.doing()),
            Liveness::Unreachable(holder) => Status::Unreachable(format!("no sign of the engine, {}", holder.who())),
            Liveness::Gone(holder) => {
                // What it waited for when it went is what it could not write.
                let waited = holder.as_ref().filter(|h| !h.queued).and_then(|h| h.waits.as_deref());
                if let (Some(h), Some(reason)) = (holder, waited)
                    && h.left
                {
                    return Status::Stopped(format!("while it waited: {reason}"));
                }
                if holder.as_ref().is_some_and(|h| h.mute) {
                    return Status::Stopped(MUTE.into());
                }
                match (self.started, last_words()) {
                    (false, None) => Status::New,
                    (_, Some(words)) => Status::Crashed(words),
                    (true, None) => {
                        if let Some(reason) = waited {
                            return Status::Crashed(format!("its engine is gone; it waited: {reason}"));
                        }
                        let who = holder.as_ref().map_or(String::new(), |h| format!(", {},", h.who()));
                        Status::Crashed(format!("its engine{who} died unexpectedly while {}", self.doing()))
                    }
                }
            }
        }
    }
}

/// Of an engine that could write no last word.
const MUTE: &str = "its engine is gone, and its disk is read-only now, so it could not say why";

/// Letters of the log's end that are looked at.
const TAIL: u64 = 2048;

/// The last line of the run's log: what the system or the program itself said of the engine's end.
pub fn last_words(folder: &RunFolder) -> Option<String> {
    let mut file = folder.open_file(LOG).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).ok()?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().rev().map(str::trim).find(|l| !l.is_empty())?;
    // Where an engine began, everything is said.
    (!line.starts_with(BEGUN)).then(|| line.strip_prefix("error: ").unwrap_or(line).to_string())
}

/// How the line begins that marks the beginning of an engine in the log.
pub const BEGUN: &str = "# engine";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::config::Config;
    use crate::run::event::VERSION;
    use crate::run::lock::Holder;

    fn progress(bodies: Vec<Body>) -> Progress {
        let mut progress = Progress::default();
        for (seq, body) in bodies.into_iter().enumerate() {
            progress.apply(&Event { v: VERSION, seq: seq as u64, time: 1.0, body });
        }
        progress
    }

    #[test]
    fn every_state_is_told_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(dir.path(), Some("r"), "x", &Config::default()).unwrap();
        let started = || Progress { started: true, ..Progress::default() };
        let alive = || Liveness::Alive(Holder::default());
        let waits = Holder { waits: Some("no room".into()), ..Holder::default() };
        let queued = Holder { waits: Some("behind a".into()), queued: true, ..Holder::default() };
        let gone = || Liveness::Gone(None);
        let is = |p: &Progress, l: Liveness| p.status(&l, &folder);
        let went = |left: bool, mute: bool| {
            let waits = (!mute).then(|| "no room".to_string());
            Liveness::Gone(Some(Holder { waits, left, mute, ..Holder::default() }))
        };
        let search = || Body::StageStarted { stage: Stage::Search };
        let ended = |outcome| Body::RunEnded { outcome, detail: "why".into(), bad_input: false };

        assert_eq!(is(&Progress::default(), gone()), Status::New);
        assert_eq!(is(&Progress::default(), alive()), Status::Starting);
        assert!(matches!(is(&started(), alive()), Status::Running(_)));
        let paused = progress(vec![search(), Body::Paused]);
        assert_eq!(is(&Progress { started: true, ..paused }, alive()), Status::Paused(None));
        assert_eq!(is(&started(), Liveness::Alive(waits)), Status::Paused(Some("no room".into())));
        assert_eq!(is(&Progress::default(), Liveness::Alive(queued)), Status::Queued("behind a".into()));
        assert_eq!(is(&started(), went(true, false)), Status::Stopped("while it waited: no room".into()));
        assert_eq!(is(&started(), went(false, true)).word(), "stopped");
        assert_eq!(is(&started(), went(false, false)).word(), "crashed");
        assert!(is(&started(), went(false, false)).detail().is_some_and(|d| d.contains("no room")));
        assert_eq!(is(&Progress { open_cut: true, ..started() }, alive()), Status::WaitingForCut);
        assert!(matches!(is(&started(), Liveness::Unreachable(Holder::default())), Status::Unreachable(_)));
        for (outcome, word) in
            [(Outcome::Stopped, "stopped"), (Outcome::Aborted, "aborted"), (Outcome::Failed, "failed")]
        {
            let progress = progress(vec![ended(outcome)]);
            let standing = is(&progress, gone());
            assert_eq!((standing.word(), standing.detail()), (word, Some("why")));
            assert!(standing.can_go_on() && !standing.has_engine());
            // Another engine has come, and not spoken yet.
            assert_eq!(is(&progress, alive()), Status::Starting);
        }
        assert_eq!(is(&progress(vec![ended(Outcome::Done)]), gone()), Status::Done);
        let crashed = is(&started(), gone());
        assert!(crashed.detail().is_some_and(|d| d.contains("died unexpectedly")), "{crashed:?}");
        std::fs::write(folder.file(LOG), format!("{BEGUN}, 1\nerror: memory allocation failed\n\n")).unwrap();
        assert_eq!(is(&started(), gone()), Status::Crashed("memory allocation failed".into()));
        std::fs::write(folder.file(LOG), format!("old words\n{BEGUN}, 2\n")).unwrap();
        assert!(is(&started(), gone()).detail().is_some_and(|d| d.contains("died unexpectedly")));
    }
}
