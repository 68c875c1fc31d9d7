//! The state of a search or of a training as a checkpoint, and back.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::control::Control;
use super::error::EngineError;
use super::seal::Seal;
use crate::data::difference;
use crate::nn::NnError;
use crate::oneshot::{SearcherState, TrainerState};
use crate::run::checkpoint::{Checkpoint, CheckpointError};
use crate::run::config::{Config, Run};
use crate::run::event::{Body, Level};
use crate::run::{CHECKPOINTS, RunFolder};
use crate::space::{Mask, Space};

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
    /// Of a search: the cut. Trainings of before have one, too, which means nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mask: Option<Mask>,
    data: String,
    #[serde(default)]
    run: String,
    #[serde(default)]
    config: String,
    epoch: usize,
    step: usize,
    loss_bits: u64,
    right: u64,
    pictures: u64,
    seconds_bits: u64,
    #[serde(flatten)]
    numbers: Numbers,
}

impl Meta {
    /// Why the run of this seal must not go on from here.
    fn refused_by(&self, seal: &Seal) -> Option<String> {
        if seal.force {
            return None;
        }
        if seal.fresh || seal.known && !self.run.is_empty() && self.run != seal.run {
            let text =
                "it was saved by another run; put the run's own checkpoints there, or put it away and begin a new run";
            return Some(text.into());
        }
        if let Some(change) = difference(&self.data, &seal.data) {
            return Some(format!("{change}; put the old data back, or use --force"));
        }
        if let (Ok(was), Ok(is)) =
            (Config::parse(&self.config, "the checkpoint"), Config::parse(&seal.config, "the run"))
            && !self.config.is_empty()
            && let Some((key, a, b)) = was.differences(&is).into_iter().next()
        {
            return Some(format!(
                "it was saved with setting {key} = {a}, and that is {b} now; put it back, or use --force"
            ));
        }
        None
    }
}

/// What of a state is not in tables of floats.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Numbers {
    batches: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    adam_steps: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stopped: Option<String>,
}

/// Tables of floats by name.
pub(super) type Tables<'a> = Vec<(&'static str, &'a [Vec<f32>])>;

/// A state that checkpoints hold.
pub(super) trait State: Sized {
    fn tables(&self) -> Tables<'_>;

    fn numbers(&self) -> Numbers;

    /// # Errors
    /// Those of `table`.
    fn read<E>(numbers: Numbers, table: impl FnMut(&str) -> Result<Vec<Vec<f32>>, E>) -> Result<Self, E>;
}

impl State for SearcherState {
    fn tables(&self) -> Tables<'_> {
        vec![
            ("weights", &self.weights),
            ("running", &self.running),
            ("alphas", &self.alphas),
            ("momentum", &self.momentum),
            ("adam_first", &self.adam_first),
            ("adam_second", &self.adam_second),
        ]
    }

    fn numbers(&self) -> Numbers {
        Numbers { batches: self.batches, adam_steps: Some(self.adam_steps), stopped: self.stopped.clone() }
    }

    fn read<E>(numbers: Numbers, mut table: impl FnMut(&str) -> Result<Vec<Vec<f32>>, E>) -> Result<Self, E> {
        Ok(SearcherState {
            weights: table("weights")?,
            running: table("running")?,
            batches: numbers.batches,
            alphas: table("alphas")?,
            momentum: table("momentum")?,
            adam_steps: numbers.adam_steps.unwrap_or_default(),
            adam_first: table("adam_first")?,
            adam_second: table("adam_second")?,
            stopped: numbers.stopped,
        })
    }
}

impl State for TrainerState {
    fn tables(&self) -> Tables<'_> {
        vec![("weights", &self.weights), ("running", &self.running), ("momentum", &self.momentum)]
    }

    fn numbers(&self) -> Numbers {
        Numbers { batches: self.batches, ..Numbers::default() }
    }

    fn read<E>(numbers: Numbers, mut table: impl FnMut(&str) -> Result<Vec<Vec<f32>>, E>) -> Result<Self, E> {
        Ok(TrainerState {
            weights: table("weights")?,
            running: table("running")?,
            batches: numbers.batches,
            momentum: table("momentum")?,
        })
    }
}

/// Bytes of a state for each parameter, at most: weight, momentum and running statistics, and as much again.
const EACH: u64 = 16;
/// Bytes of everything else.
const HEADER: u64 = 16 << 20;

/// A state, ready to be saved or restored.
pub(super) struct Saved(Checkpoint);

impl Saved {
    /// `mask`: the cut that a search is under.
    pub fn of(state: &impl State, mask: Option<Mask>, at: &Position, seal: &Seal) -> Result<Saved, EngineError> {
        let meta = Meta {
            mask,
            data: seal.data.clone(),
            run: seal.run.clone(),
            config: seal.config.clone(),
            epoch: at.epoch,
            step: at.step,
            loss_bits: at.loss.to_bits(),
            right: at.right,
            pictures: at.pictures,
            seconds_bits: at.seconds.to_bits(),
            numbers: state.numbers(),
        };
        let meta = serde_json::to_value(meta).map_err(|e| CheckpointError::Missing(format!("header ({e})")))?;
        let mut checkpoint = Checkpoint { meta, blobs: Vec::new() };
        for (name, table) in state.tables() {
            for (i, values) in table.iter().enumerate() {
                checkpoint.push_floats(&format!("{name}/{i}"), values);
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

    /// The newest sound one of a run whose network has so many parameters, if there is any; damaged ones go to the log.
    pub fn load(control: &mut Control, folder: &RunFolder, parameters: usize) -> Result<Option<Saved>, EngineError> {
        let most = HEADER + EACH * parameters as u64;
        let Some((checkpoint, passed)) = Checkpoint::load_within(folder, most)? else { return Ok(None) };
        for text in passed {
            control.log(Level::Warning, text)?;
        }
        Ok(Some(Saved(checkpoint)))
    }

    /// Gives the state to `take`, of what was built from the same configuration; `mask`: the cut that a search is under.
    pub fn restore<S: State>(
        self,
        take: impl FnOnce(S) -> Result<(), NnError>,
        mask: Option<&Mask>,
        seal: &Seal,
        folder: &RunFolder,
    ) -> Result<Position, EngineError> {
        let refuse = |reason: String| EngineError::Resume { folder: folder.file(CHECKPOINTS), reason };
        if let Some(reason) = mask.and_then(|mask| other_space(&self.0.meta, mask.space())) {
            return Err(refuse(reason));
        }
        let meta: Meta = serde_json::from_value(self.0.meta.clone()).map_err(|e| refuse(format!("its header: {e}")))?;
        if let Some(reason) = meta.refused_by(seal) {
            return Err(refuse(reason));
        }
        if mask.is_some_and(|mask| meta.mask.as_ref() != Some(mask)) {
            return Err(refuse("it was saved under another cut".into()));
        }
        let at = Position {
            epoch: meta.epoch,
            step: meta.step,
            loss: f64::from_bits(meta.loss_bits),
            right: meta.right,
            pictures: meta.pictures,
            seconds: f64::from_bits(meta.seconds_bits),
        };
        take(S::read(meta.numbers, |name| table(&self.0, name))?).map_err(|e| refuse(e.to_string()))?;
        Ok(at)
    }
}

/// Why a run in this space must not go on from a checkpoint with this header: its mask is of another. Looked at before the mask is
/// read, which a space that nobody knows could not be.
fn other_space(meta: &serde_json::Value, space: Space) -> Option<String> {
    let default = Space::default().key();
    let (was, is) = (meta.get("mask")?.get("space").and_then(|key| key.as_str()).unwrap_or(&default), space.key());
    let name = |key: &str| key.split('#').next().unwrap_or_default().to_string();
    if was == is {
        return None;
    }
    let what = match name(was) == name(&is) {
        true => format!("it is of another definition of the search space `{}` than this run's", name(&is)),
        false => format!("it is of the search space `{}`, and this run searches `{}`", name(was), name(&is)),
    };
    Some(format!("{what}; put the run's own checkpoints there, or put it away and begin a new run"))
}

/// The latest state of a search, for those who take it elsewhere.
#[derive(Debug)]
pub struct Searched {
    pub mask: Mask,
    /// Epochs that are over, and steps of the next that are.
    pub epoch: usize,
    pub step: usize,
    /// Fingerprint of the data.
    pub data: String,
    pub state: SearcherState,
    /// A sentence about each damaged checkpoint that was passed over.
    pub passed: Vec<String>,
}

/// Reads the latest checkpoint of a search; `None` where there is none. Its masks are read only if the space is known: read the
/// journal first.
///
/// # Errors
/// A folder that can't be read; checkpoints, but none that is whole, or one that is of no search.
pub fn searched(folder: &RunFolder) -> Result<Option<Searched>, CheckpointError> {
    let Some((checkpoint, passed)) = Checkpoint::load(folder)? else { return Ok(None) };
    let damaged = |reason: String| CheckpointError::Damaged { path: folder.file(CHECKPOINTS), reason };
    let meta: Meta =
        serde_json::from_value(checkpoint.meta.clone()).map_err(|e| damaged(format!("its header: {e}")))?;
    let mask = meta.mask.ok_or_else(|| damaged("it is of no search".into()))?;
    let state = SearcherState::read(meta.numbers, |name| table(&checkpoint, name))?;
    Ok(Some(Searched { mask, epoch: meta.epoch, step: meta.step, data: meta.data, state, passed }))
}

fn table(checkpoint: &Checkpoint, name: &str) -> Result<Vec<Vec<f32>>, CheckpointError> {
    let there = |i: &usize| checkpoint.has(&format!("{name}/{i}"));
    (0..).take_while(there).map(|i| checkpoint.floats(&format!("{name}/{i}"))).collect()
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_checkpoint_of_another_space_is_told_apart() {
        let [darts, other] = ["darts", "nas_bench_201"].map(|name| Space::find(name).unwrap());
        let header = |mask: &Mask| json!({ "mask": mask, "epoch": 3 });
        for space in [darts, other] {
            assert_eq!(other_space(&header(&space.full()), space), None);
        }
        let text = other_space(&header(&darts.full()), other).unwrap();
        assert!(
            text.starts_with("it is of the search space `darts`, and this run searches `nas_bench_201`;"),
            "{text}"
        );
        assert!(other_space(&header(&other.full()), darts).is_some());
        // Of files nobody knows any more.
        let of = |key: &str| json!({ "mask": { "space": key, "normal": [] } });
        let text = other_space(&of("mine#0123456789abcdef"), darts).unwrap();
        assert!(text.starts_with("it is of the search space `mine`, and this run searches `darts`;"), "{text}");
        let text = other_space(&of("darts#0123456789abcdef"), darts).unwrap();
        assert!(text.contains("another definition of the search space `darts`"), "{text}");
        // A training has no mask.
        assert_eq!(other_space(&json!({ "epoch": 3 }), darts), None);
    }
}
