use std::collections::VecDeque;

use super::{Change, Series, Weights, changes};
use crate::oneshot::Order;
use crate::run::event::{Body, EpochEnded, Event, SearchStarted, Step, TrainingStarted};
use crate::space::Genotype;

/// The mixing weights at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// In epochs from the start.
    pub at: f64,
    /// Wall clock, seconds since 1970.
    pub time: f64,
    pub weights: Weights,
}

/// The one-shot search.
#[derive(Clone, Debug, Default)]
pub struct Searching {
    pub setup: Option<SearchStarted>,
    /// Set where the run trains a genotype from scratch; `setup` then says what both have in common.
    pub training: Option<TrainingStarted>,
    /// The epoch that runs, from 0.
    pub epoch: usize,
    /// The step within it that the journal last told of.
    pub step: usize,
    pub latest: Option<Step>,
    /// Over epochs from the start, fractional.
    pub train_loss: Series,
    pub train_accuracy: Series,
    pub valid_loss: Series,
    pub epochs: Vec<EpochEnded>,
    /// Snapshots in order of time, thinned when there are many.
    pub alphas: Vec<Snapshot>,
    /// What each epoch changed in the genotype, with the epoch.
    pub changes: Vec<(usize, Vec<Change>)>,
    pub checkpoint: Option<(usize, usize, u64)>,
    /// Why the search ended before its last epoch, and after which.
    pub stopped: Option<(usize, String)>,
    /// How far two evaluations of a second-order gradient were apart when last measured.
    pub spread: Option<f64>,
    /// Seconds spent in pauses.
    paused: f64,
    paused_since: Option<f64>,
    marks: VecDeque<(f64, f64)>,
}

/// Snapshots kept, and steps that the rate is measured over.
const SNAPSHOTS: usize = 256;
const WINDOW: usize = 64;
/// The first step warms caches up and is left out of the rate.
const WARM_UP: f64 = 1.0;
/// Seconds that no step takes.
const DAY: f64 = 86_400.0;

impl Searching {
    pub(super) fn apply(&mut self, event: &Event) {
        match &event.body {
            Body::SearchStarted(setup) => self.begin(setup),
            Body::TrainingStarted(t) => {
                self.begin(&SearchStarted {
                    epochs: t.epochs,
                    steps_per_epoch: t.steps_per_epoch,
                    batch: t.batch,
                    method: String::new(),
                    order: Order::First,
                    regularisers: Vec::new(),
                    warm_up_epochs: 0,
                    stop: Vec::new(),
                    train: t.train,
                    valid: t.test,
                    parameters: t.parameters,
                    predicted_bytes: t.predicted_bytes,
                    policy: String::new(),
                    journal_every: t.journal_every,
                });
                self.training = Some(t.clone());
            }
            Body::Step(step) => self.take_step(step, event.time),
            Body::Alphas { epoch, step, normal, reduction } => {
                let at = self.position(*epoch, *step);
                while self.alphas.last().is_some_and(|s| s.at >= at) {
                    self.alphas.pop();
                }
                if self.alphas.len() == SNAPSHOTS {
                    let mut keep = true;
                    self.alphas.retain(|_| {
                        keep = !keep;
                        keep
                    });
                }
                self.alphas.push(Snapshot { at, time: event.time, weights: Weights::new(normal, reduction) });
            }
            Body::EpochEnded(epoch) => self.end_epoch(epoch),
            Body::SearchStopped { epoch, reason } => self.stopped = Some((*epoch, reason.clone())),
            Body::SecondOrder { spread, .. } => self.spread = Some(spread.0),
            Body::CheckpointSaved { epoch, step, bytes } => self.checkpoint = Some((*epoch, *step, *bytes)),
            Body::Paused => self.paused_since = Some(event.time),
            Body::Resumed => self.resume(event.time),
            Body::RunStarted(_) => {
                // Resumed: the time in between was no work.
                self.paused_since = None;
                self.marks.clear();
            }
            _ => {}
        }
    }

    fn begin(&mut self, setup: &SearchStarted) {
        // A search that is resumed says so once more; what is known stays.
        self.setup = Some(setup.clone());
        self.marks.clear();
    }

    fn resume(&mut self, now: f64) {
        if let Some(since) = self.paused_since.take() {
            self.paused += (now - since).max(0.0);
        }
    }

    /// The engine is gone: there is no rate by which time would be left.
    pub(super) fn halt(&mut self) {
        self.marks.clear();
    }

    fn take_step(&mut self, step: &Step, time: f64) {
        let at = self.position(step.epoch, step.step);
        if self.train_loss.span().is_some_and(|(_, to)| at <= to) {
            for series in [&mut self.train_loss, &mut self.train_accuracy, &mut self.valid_loss] {
                series.truncate_from(at);
            }
        }
        (self.epoch, self.step) = (step.epoch, step.step);
        self.train_loss.push(at, step.train_loss.0);
        self.train_accuracy.push(at, step.train_accuracy);
        if self.training.is_none() {
            self.valid_loss.push(at, step.valid_loss.0);
        }
        self.latest = Some(step.clone());
        // A clock that was set says nothing of the rate.
        if self.marks.back().is_some_and(|(before, _)| !(0.0..DAY).contains(&(time - self.paused - before))) {
            self.marks.clear();
        }
        self.marks.push_back((time - self.paused, self.steps_done()));
        if self.marks.len() > WINDOW {
            self.marks.pop_front();
        }
    }

    fn end_epoch(&mut self, epoch: &EpochEnded) {
        self.stopped = None;
        self.epochs.retain(|e| e.epoch < epoch.epoch);
        self.changes.retain(|(e, _)| *e < epoch.epoch);
        if let Some(before) = self.epochs.last() {
            let changed = changes(&before.genotype, &epoch.genotype);
            if !changed.is_empty() {
                self.changes.push((epoch.epoch, changed));
            }
        }
        if self.training.is_some() {
            // The test pictures are looked at once an epoch.
            let at = epoch.epoch as f64 + 1.0;
            self.valid_loss.truncate_from(at);
            self.valid_loss.push(at, epoch.valid_loss.0);
        }
        self.epoch = epoch.epoch + 1;
        self.step = 0;
        self.epochs.push(epoch.clone());
    }

    /// Epochs from the start.
    fn position(&self, epoch: usize, step: usize) -> f64 {
        epoch as f64 + step as f64 / self.steps_per_epoch() as f64
    }

    fn steps_per_epoch(&self) -> usize {
        self.setup.as_ref().map_or(1, |s| s.steps_per_epoch.max(1))
    }

    fn steps_done(&self) -> f64 {
        (self.epoch * self.steps_per_epoch() + self.step) as f64
    }

    /// Share of all steps that is done, 0 to 1.
    pub fn progress(&self) -> f64 {
        if self.stopped.is_some() {
            return 1.0;
        }
        let total = self.setup.as_ref().map_or(0, |s| s.epochs * s.steps_per_epoch);
        if total == 0 { 0.0 } else { (self.steps_done() / total as f64).min(1.0) }
    }

    /// Seconds to go at the rate of the latest steps, without warm-up and pauses.
    pub fn left(&self) -> Option<f64> {
        let setup = self.setup.as_ref()?;
        let first = self.marks.iter().find(|(_, step)| *step >= WARM_UP)?;
        let last = self.marks.back()?;
        let (seconds, steps) = (last.0 - first.0, last.1 - first.1);
        let total = (setup.epochs * setup.steps_per_epoch) as f64;
        (steps > 0.0 && seconds > 0.0).then(|| (total - self.steps_done()).max(0.0) * seconds / steps)
    }

    /// The genotype of the latest epoch.
    pub fn genotype(&self) -> Option<&Genotype> {
        self.epochs.last().map(|e| &e.genotype)
    }

    /// The snapshot of a moment, in epochs from the start: the latest that is not after it.
    pub fn snapshot(&self, at: f64) -> Option<&Snapshot> {
        self.alphas.iter().rev().find(|s| s.at <= at + 1e-9)
    }

    /// The latest mixing weights, from whichever event told them last.
    pub fn weights(&self) -> Option<Weights> {
        let told = self.epochs.last().filter(|e| !e.alphas_normal.is_empty());
        let from_epoch = told.map(|e| (e.epoch as f64 + 1.0, e));
        match (self.alphas.last(), from_epoch) {
            (Some(s), Some((at, e))) if at > s.at => Some(Weights::from_alphas(&e.alphas_normal, &e.alphas_reduction)),
            (Some(s), _) => Some(s.weights.clone()),
            (None, Some((_, e))) => Some(Weights::from_alphas(&e.alphas_normal, &e.alphas_reduction)),
            (None, None) => None,
        }
    }

    /// The best validation accuracy of any epoch.
    pub fn best_accuracy(&self) -> Option<f64> {
        self.epochs.iter().map(|e| e.valid_accuracy).filter(|a| a.is_finite()).reduce(f64::max)
    }
}
