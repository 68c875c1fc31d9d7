//! What the explorer knows: a fold over the events of one run, and selections from it. Nothing here draws, computes a
//! network, or reads a file, so a run that is live, re-attached, finished or replayed is one code path.

mod alphas;
mod cell;
mod cut;
mod epochs;
mod gpu;
mod log;
mod round;
mod score;
mod search;
mod series;

pub use alphas::Weights;
pub use cell::{Change, Chosen, Found, changes, chosen};
pub use cut::{Cutting, Size, most_parameters};
pub use epochs::{Epoch, Epochs, Latest, Plan};
pub use gpu::Gpu;
pub use log::{Line, Log};
pub use round::Round;
pub use score::{Ranking, Scoring, unscored};
pub use search::{Searching, Snapshot};
pub use series::{Bucket, Series};

use crate::run::config::Config;
use crate::run::event::{Body, Event, Outcome, RunStarted, Stage, TrainingStarted, VERSION};
use crate::run::status::Progress;
use crate::space::{Genotype, Mask, Operation, Space, darts};

/// When a stage ran.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StageTimes {
    pub started: Option<f64>,
    /// Seconds that it took, once it is over.
    pub seconds: Option<f64>,
    pub peak_bytes: Option<u64>,
}

/// How the run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    pub outcome: Outcome,
    pub detail: String,
}

/// Answer of the engine to a command.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub id: String,
    pub command: String,
    /// The reason, if it was refused.
    pub refused: Option<String>,
}

/// Everything known of one run.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub run: Option<RunStarted>,
    /// The settings that it runs with.
    pub config: Option<Config>,
    /// Wall clock of the first and of the latest event, seconds since 1970.
    pub began: f64,
    pub now: f64,
    /// The stage that runs, or ran last.
    pub stage: Option<Stage>,
    pub stages: [StageTimes; Stage::COUNT],
    pub score: Scoring,
    pub cut: Cutting,
    /// Of the search or the training.
    pub epochs: Epochs,
    pub search: Searching,
    /// Set where the run trains a genotype from scratch.
    pub training: Option<TrainingStarted>,
    pub found: Option<Found>,
    /// Used bytes over the wall clock, in seconds since 1970; in pieces, where nothing was told for a while.
    pub memory: Series,
    pub memory_peak: Option<u64>,
    /// Of the process before it had anything to do: the first sample of its engine.
    pub memory_idle: Option<u64>,
    pub memory_total: Option<u64>,
    /// The GPU that the run works on, once it has told.
    pub gpu: Option<Gpu>,
    pub log: Log,
    pub paused: bool,
    pub ended: Option<Ended>,
    /// The engine is gone though it has not said so: nothing is under way.
    halted: bool,
    /// How the run stands, as far as its events tell.
    pub progress: Progress,
    /// Answers to commands since the run began; the last few.
    pub answers: Vec<Answer>,
    /// Lines of another version of the format, which are skipped.
    pub unknown: u64,
    /// Events that are missing between two that came.
    pub missing: u64,
    next: u64,
}

/// Answers kept.
const ANSWERS: usize = 32;
/// Between two samples of memory that are one curve: so many seconds, or so many times what lay between those before, since
/// long runs are sampled less often.
const QUIET: f64 = 60.0;
const STRIDES: f64 = 8.0;

impl State {
    /// Folds all events in.
    pub fn from_events<'a>(events: impl IntoIterator<Item = &'a Event>) -> State {
        let mut state = State::default();
        for event in events {
            state.apply(event);
        }
        state
    }

    /// Folds one event in.
    pub fn apply(&mut self, event: &Event) {
        if event.v != VERSION {
            self.unknown += 1;
            return;
        }
        self.missing += event.seq.saturating_sub(self.next);
        self.next = event.seq.max(self.next) + 1;
        if self.began == 0.0 {
            self.began = event.time;
        }
        self.now = self.now.max(event.time);
        self.progress.apply(event);
        self.log.note(event);
        self.score.apply(event);
        self.cut.apply(&event.body);
        self.epochs.apply(event);
        self.search.apply(event, &self.epochs);
        match &event.body {
            Body::RunStarted(run) => {
                self.memory.interrupt();
                self.halted = false;
                self.memory_idle = None;
                // Again when an engine takes the run up where another left it.
                self.run = Some(run.clone());
                self.ended = None;
                self.paused = false;
            }
            Body::TrainingStarted(training) => self.training = Some(training.clone()),
            Body::Origin(origin) => self.config = Config::parse(&origin.config, "the journal").ok(),
            Body::StageStarted { stage } => {
                self.stage = Some(*stage);
                self.stages[*stage as usize] = StageTimes { started: Some(event.time), ..StageTimes::default() };
            }
            Body::StageEnded { stage, seconds, peak_bytes } => {
                let times = &mut self.stages[*stage as usize];
                times.seconds = Some(*seconds);
                times.peak_bytes = *peak_bytes;
            }
            Body::Memory { used_bytes, peak_bytes, total_bytes } => {
                self.remember(event.time, *used_bytes as f64);
                self.memory_idle.get_or_insert(*used_bytes);
                self.memory_peak = Some(self.memory_peak.unwrap_or(0).max(*peak_bytes));
                self.memory_total = Some(*total_bytes);
            }
            Body::Device(told) => self.gpu.get_or_insert_default().take(event.time - self.began, told),
            Body::CommandAccepted { id, command } => {
                self.answer(Answer { id: id.clone(), command: command.clone(), refused: None });
            }
            Body::CommandRefused { id, command, reason } => {
                self.answer(Answer { id: id.clone(), command: command.clone(), refused: Some(reason.clone()) });
            }
            Body::Paused => self.paused = true,
            Body::Resumed => self.paused = false,
            Body::Found { genotype, parameters, macs, stem } => {
                let (parameters, macs, stem) = (*parameters, *macs, *stem);
                self.found = Some(Found { genotype: genotype.clone(), parameters, macs, stem });
            }
            Body::RunEnded { outcome, detail, .. } => {
                self.ended = Some(Ended { outcome: *outcome, detail: detail.clone() });
                self.paused = false;
            }
            _ => {}
        }
    }

    /// A sample of memory. What is dated later than it is of a clock that has been set right since.
    fn remember(&mut self, time: f64, bytes: f64) {
        if let Some((last, _)) = self.memory.last() {
            if time <= last {
                self.memory.truncate_from(time);
                self.memory.interrupt();
            } else if self.memory.last_stride() > 0.0 && time - last > QUIET.max(self.memory.last_stride() * STRIDES) {
                self.memory.interrupt();
            }
        }
        self.memory.push(time, bytes);
    }

    /// The engine is gone without a word, or is there again: nothing goes on meanwhile, and no time is left.
    pub fn halt(&mut self, halted: bool) {
        self.halted = halted && self.ended.is_none();
        if self.halted {
            self.score.halt();
            self.epochs.halt();
            self.memory.interrupt();
        }
    }

    fn answer(&mut self, answer: Answer) {
        if self.answers.len() == ANSWERS {
            self.answers.remove(0);
        }
        self.answers.push(answer);
    }

    /// Whether events may still come.
    pub fn is_live(&self) -> bool {
        self.run.is_some() && self.ended.is_none() && !self.halted
    }

    /// Whether the engine is gone though the run has not ended.
    pub fn is_halted(&self) -> bool {
        self.halted
    }

    /// The genotype that was found, or that of the latest epoch.
    pub fn genotype(&self) -> Option<&Genotype> {
        self.found.as_ref().map(|f| &f.genotype).or_else(|| self.search.genotype())
    }

    /// What is to be said of a genotype that the search may still change: `of epoch 3 of 50, not the last`.
    pub fn passing(&self) -> Option<String> {
        let last = self.search.epochs.last().filter(|_| self.found.is_none())?;
        let of = self.search.setup.as_ref().map_or_else(String::new, |s| format!(" of {}", s.epochs));
        Some(format!("of epoch {}{of}, not the last", last.epoch + 1))
    }

    /// The search space; DARTS as long as no run says another one.
    pub fn space(&self) -> Space {
        self.run.as_ref().map_or(darts::SPACE, |r| r.space.space())
    }

    /// All candidates of the search space.
    pub fn full(&self) -> Mask {
        self.run.as_ref().map_or(darts::FULL, RunStarted::full)
    }

    /// The operations that tables have columns for: those of the search space, but `none` only where it takes part.
    pub fn columns(&self) -> Vec<Operation> {
        let space = self.space();
        let mut none = space.places().filter(|p| p.operation == Operation::None).filter(|p| {
            self.run.as_ref().is_some_and(|r| r.space.contains(*p))
                || self.cut.cut.as_ref().is_some_and(|c| c.mask.contains(*p))
        });
        let with_none = none.next().is_some();
        let full = self.full();
        let there = |o: &Operation| full.places().any(|p| p.operation == *o);
        space
            .operations()
            .iter()
            .copied()
            .filter(|o| if *o == Operation::None { with_none } else { there(o) })
            .collect()
    }

    /// Whether `none` is a candidate of the search space that went before scoring.
    pub fn leaves_out_none(&self) -> bool {
        !self.columns().contains(&Operation::None) && self.full().places().any(|p| p.operation == Operation::None)
    }

    /// Whether a stage has begun.
    pub fn reached(&self, stage: Stage) -> bool {
        self.stages[stage as usize].started.is_some()
    }

    /// Whether a stage is over.
    pub fn passed(&self, stage: Stage) -> bool {
        self.stages[stage as usize].seconds.is_some()
    }

    /// Whether the run trains a genotype from scratch, and neither scores nor searches.
    pub fn trains(&self) -> bool {
        self.training.is_some() || self.run.as_ref().is_some_and(|r| r.trains)
    }

    /// The stage that the search screen is of: a run that trains has no search.
    pub fn epochs_stage(&self) -> Stage {
        if self.trains() { Stage::Train } else { Stage::Search }
    }

    /// What the run is doing, in two or three words.
    pub fn status(&self) -> String {
        if let Some(ended) = &self.ended {
            return match ended.outcome {
                Outcome::Done => "done",
                // It waits for a person, though no engine waits with it.
                Outcome::Stopped if self.cut.is_open() => "stopped at its cut",
                Outcome::Stopped => "stopped",
                Outcome::Aborted => "aborted",
                Outcome::Failed => "failed",
            }
            .into();
        }
        if self.paused {
            return "paused".into();
        }
        match self.stage {
            None if self.run.is_some() => "starting".into(),
            None => "no events yet".into(),
            Some(Stage::Score) => match &self.score.setup {
                Some(setup) => format!("scoring {}/{}", self.score.round + 1, setup.rounds.max(1)),
                None => "scoring".into(),
            },
            // The proposal is a moment behind the stage's beginning: until then no key would do anything.
            Some(Stage::Cut) if self.cut.cut.is_none() => "cutting".into(),
            Some(Stage::Cut) if !self.cut.confirmed => "your turn".into(),
            Some(Stage::Cut) => "cut".into(),
            Some(Stage::Search | Stage::Train) => match &self.epochs.plan {
                Some(plan) => format!("epoch {}/{}", (self.epochs.epoch + 1).min(plan.epochs), plan.epochs),
                None if self.trains() => "training".into(),
                None => "searching".into(),
            },
            Some(Stage::Cell) if self.trains() => "starting".into(),
            Some(Stage::Cell) => "deriving".into(),
        }
    }
}

#[cfg(test)]
mod tests;
