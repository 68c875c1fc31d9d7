//! The state of a search or of a training as a checkpoint, and back.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::EngineError;
use super::control::Control;
use crate::data::difference;
use crate::nn::NnError;
use crate::oneshot::SearcherState;
use crate::run::checkpoint::{Checkpoint, CheckpointError};
use crate::run::config::Run;
use crate::run::event::{Body, Level};
use crate::run::{CHECKPOINTS, RunFolder};
use crate::space::Mask;

/// How far a search is, and what it has seen of the epoch that runs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Position {
    pub epoch: usize,
    /// Steps of the epoch that are done.
    pub step: usize,
    /// Sums over those steps: loss of each picture, right answers, pictures, seconds.
    pub loss: f64,
    pub right: u64,
    pub pictures: u64,
    pub seconds: f64,
}

impl Position {
    /// The error that a number which is not finite is; `section` is where the settings are that may help.
    pub fn not_finite(
        &self,
        what: &'static str,
        section: &'static str,
        good: (usize, usize),
        folder: &RunFolder,
    ) -> EngineError {
        EngineError::NotFinite {
            what,
            epoch: self.epoch,
            step: self.step,
            good_epoch: good.0,
            good_step: good.1,
            section,
            folder: folder.file(CHECKPOINTS),
        }
    }
}

/// Free part of a checkpoint's header. Sums are kept as bits, so that not even the last one is lost.
#[derive(Debug, Serialize, Deserialize)]
struct Meta {
    mask: Mask,
    data: String,
    epoch: usize,
    step: usize,
    loss_bits: u64,
    right: u64,
    pictures: u64,
    seconds_bits: u64,
    batches: u64,
    adam_steps: u64,
    /// How many blobs there are of each kind.
    counts: [usize; 6],
}

/// Kinds of blobs: names, in the order of `Meta::counts`.
const KINDS: [&str; 6] = ["weights", "running", "alphas", "momentum", "adam_first", "adam_second"];

fn parts(state: &SearcherState) -> [&Vec<Vec<f32>>; 6] {
    [&state.weights, &state.running, &state.alphas, &state.momentum, &state.adam_first, &state.adam_second]
}

/// A search's state, ready to be saved or restored.
pub(super) struct Saved(Checkpoint);

impl Saved {
    pub fn of(state: &SearcherState, mask: Mask, at: &Position, data: &str) -> Result<Saved, EngineError> {
        let parts = parts(state);
        let meta = Meta {
            mask,
            data: data.into(),
            epoch: at.epoch,
            step: at.step,
            loss_bits: at.loss.to_bits(),
            right: at.right,
            pictures: at.pictures,
            seconds_bits: at.seconds.to_bits(),
            batches: state.batches,
            adam_steps: state.adam_steps,
            counts: parts.map(Vec::len),
        };
        let meta = serde_json::to_value(meta).map_err(|e| CheckpointError::Missing(format!("header ({e})")))?;
        let mut checkpoint = Checkpoint { meta, blobs: Vec::new() };
        for (kind, blobs) in KINDS.iter().zip(parts) {
            for (i, values) in blobs.iter().enumerate() {
                checkpoint.push_floats(&format!("{kind}/{i}"), values);
            }
        }
        Ok(Saved(checkpoint))
    }

    /// Whether every number is finite.
    pub fn is_finite(&self) -> bool {
        self.0
            .blobs
            .iter()
            .all(|(_, bytes)| bytes.as_chunks::<4>().0.iter().all(|b| f32::from_le_bytes(*b).is_finite()))
    }

    /// Size of the file in bytes.
    pub fn save(&self, folder: &RunFolder) -> Result<u64, EngineError> {
        Ok(self.0.save(folder)?)
    }

    /// The newest sound one of a run, if there is any; damaged ones go to the log.
    pub fn load(control: &mut Control, folder: &RunFolder) -> Result<Option<Saved>, EngineError> {
        let Some((checkpoint, passed)) = Checkpoint::load(folder)? else { return Ok(None) };
        for text in passed {
            control.log(Level::Warning, text)?;
        }
        Ok(Some(Saved(checkpoint)))
    }

    /// Gives the state to `take`, of what was built from the same configuration.
    pub fn restore(
        self,
        take: impl FnOnce(SearcherState) -> Result<(), NnError>,
        mask: &Mask,
        data: &str,
        folder: &RunFolder,
        force: bool,
    ) -> Result<Position, EngineError> {
        let refuse = |reason: String| EngineError::Resume { folder: folder.file(CHECKPOINTS), reason };
        let meta: Meta = serde_json::from_value(self.0.meta.clone()).map_err(|e| refuse(format!("its header: {e}")))?;
        if meta.mask != *mask {
            return Err(refuse("it was saved under another cut".into()));
        }
        if let Some(change) = difference(&meta.data, data).filter(|_| !force) {
            return Err(refuse(format!("{change}; put the old data back, or use --force")));
        }
        let mut read = KINDS.iter().zip(meta.counts).map(|(kind, count)| {
            (0..count).map(|i| self.0.floats(&format!("{kind}/{i}"))).collect::<Result<Vec<_>, _>>()
        });
        let mut part = || read.next().unwrap_or_else(|| Ok(Vec::new()));
        let state = SearcherState {
            weights: part()?,
            running: part()?,
            batches: meta.batches,
            alphas: part()?,
            momentum: part()?,
            adam_steps: meta.adam_steps,
            adam_first: part()?,
            adam_second: part()?,
        };
        take(state).map_err(|e| refuse(e.to_string()))?;
        Ok(Position {
            epoch: meta.epoch,
            step: meta.step,
            loss: f64::from_bits(meta.loss_bits),
            right: meta.right,
            pictures: meta.pictures,
            seconds: f64::from_bits(meta.seconds_bits),
        })
    }
}

/// Saving takes at most one part in so many of the time.
const SHARE: u32 = 100;

/// When a checkpoint is due, and the last good one.
pub(super) struct Keeper {
    /// Epoch and step of the last checkpoint.
    pub at: (usize, usize),
    time: Instant,
    /// What it took.
    cost: Duration,
}

impl Keeper {
    pub fn new(at: &Position) -> Keeper {
        Keeper { at: (at.epoch, at.step), time: Instant::now(), cost: Duration::ZERO }
    }

    /// Whether it is time for a checkpoint, by the settings; where saving takes long it is done less often.
    pub fn is_due(&self, run: &Run, at: &Position) -> bool {
        let since = at.step.saturating_sub(if self.at.0 == at.epoch { self.at.1 } else { 0 });
        let seconds = Duration::from_secs(run.checkpoint_seconds).max(self.cost * SHARE);
        (run.checkpoint_steps > 0 && since >= run.checkpoint_steps) || self.time.elapsed() > seconds
    }

    pub fn save(
        &mut self,
        control: &mut Control,
        folder: &RunFolder,
        saved: &Saved,
        at: &Position,
    ) -> Result<(), EngineError> {
        // First, so that no state is ahead of what is told of it.
        control.sync()?;
        let began = Instant::now();
        let bytes = control.persist(|_| saved.save(folder))?;
        self.cost = began.elapsed();
        (self.at, self.time) = ((at.epoch, at.step), Instant::now());
        control.emit(Body::CheckpointSaved { epoch: at.epoch, step: at.step, bytes })
    }
}
