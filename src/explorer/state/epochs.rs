//! What a search and a training have in common: epochs of steps, their losses and accuracies, and the time that is left.

use std::collections::VecDeque;

use super::Series;
use crate::run::event::{Body, EpochEnded, Event, SearchStarted, Step, TrainingEpoch, TrainingStarted, TrainingStep};

/// What is planned. Held out are the validation pictures of a search, the test pictures of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    pub epochs: usize,
    pub steps_per_epoch: usize,
    pub batch: usize,
    pub train: usize,
    pub held_out: usize,
    pub parameters: u64,
    pub predicted_bytes: u64,
}

/// The step that the journal last told of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latest {
    pub train_accuracy: f64,
    pub gradient_norm: f64,
    pub learning_rate: f64,
    pub images_per_second: f64,
}

/// Means of an epoch that has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// From 0.
    pub epoch: usize,
    pub train_loss: f64,
    pub train_accuracy: f64,
    pub held_out_loss: f64,
    pub held_out_accuracy: f64,
    /// The mean of the classes' accuracies.
    pub balanced_accuracy: Option<f64>,
}

/// The epochs of a run.
#[derive(Clone, Debug, Default)]
pub struct Epochs {
    pub plan: Option<Plan>,
    /// The epoch that runs, from 0.
    pub epoch: usize,
    /// The step within it that the journal last told of.
    pub step: usize,
    pub latest: Option<Latest>,
    /// Over epochs from the start, fractional.
    pub train_loss: Series,
    pub train_accuracy: Series,
    pub held_out_loss: Series,
    pub ended: Vec<Epoch>,
    /// Seconds of work until then, without pauses and times without an engine.
    pub worked: Series,
    pub checkpoint: Option<(usize, usize, u64)>,
    /// No epoch follows, though some are planned.
    over: bool,
    /// Seconds spent in pauses.
    paused: f64,
    paused_since: Option<f64>,
    /// When it was last told of work, less pauses.
    worked_until: Option<f64>,
    marks: VecDeque<(f64, f64)>,
}

/// Steps that the rate is measured over.
const WINDOW: usize = 64;
/// The first step warms caches up and is left out of the rate.
const WARM_UP: f64 = 1.0;
/// Seconds that no step takes.
const DAY: f64 = 86_400.0;

impl From<&SearchStarted> for Plan {
    fn from(s: &SearchStarted) -> Plan {
        Plan {
            epochs: s.epochs,
            steps_per_epoch: s.steps_per_epoch,
            batch: s.batch,
            train: s.train,
            held_out: s.valid,
            parameters: s.parameters,
            predicted_bytes: s.predicted_bytes,
        }
    }
}

impl From<&TrainingStarted> for Plan {
    fn from(t: &TrainingStarted) -> Plan {
        Plan {
            epochs: t.epochs,
            steps_per_epoch: t.steps_per_epoch,
            batch: t.batch,
            train: t.train,
            held_out: t.test,
            parameters: t.parameters,
            predicted_bytes: t.predicted_bytes,
        }
    }
}

impl From<&EpochEnded> for Epoch {
    fn from(e: &EpochEnded) -> Epoch {
        Epoch {
            epoch: e.epoch,
            train_loss: e.train_loss.0,
            train_accuracy: e.train_accuracy,
            held_out_loss: e.valid_loss.0,
            held_out_accuracy: e.valid_accuracy,
            balanced_accuracy: e.valid_balanced_accuracy,
        }
    }
}

impl From<&TrainingEpoch> for Epoch {
    fn from(e: &TrainingEpoch) -> Epoch {
        Epoch {
            epoch: e.epoch,
            train_loss: e.train_loss.0,
            train_accuracy: e.train_accuracy,
            held_out_loss: e.test_loss.0,
            held_out_accuracy: e.test_accuracy,
            balanced_accuracy: e.test_balanced_accuracy,
        }
    }
}

impl Epochs {
    pub(super) fn apply(&mut self, event: &Event) {
        match &event.body {
            Body::SearchStarted(setup) => self.begin(setup.into(), event.time),
            Body::TrainingStarted(setup) => self.begin(setup.into(), event.time),
            Body::Step(s) => {
                self.take_step((s.epoch, s.step), s.train_loss.0, latest(s), event.time);
                self.held_out_loss.push(self.position(s.epoch, s.step), s.valid_loss.0);
            }
            Body::TrainingStep(s) => self.take_step((s.epoch, s.step), s.loss.0, latest_of_training(s), event.time),
            Body::EpochEnded(e) => self.end_epoch(e.into(), event.time),
            Body::TrainingEpochEnded(e) => {
                // The test pictures are looked at once an epoch.
                let at = e.epoch as f64 + 1.0;
                self.held_out_loss.truncate_from(at);
                self.held_out_loss.push(at, e.test_loss.0);
                self.end_epoch(e.into(), event.time);
            }
            Body::SearchStopped { .. } => self.over = true,
            Body::CheckpointSaved { epoch, step, bytes } => self.checkpoint = Some((*epoch, *step, *bytes)),
            Body::Paused => self.paused_since = Some(event.time),
            Body::Resumed | Body::RunEnded { .. } => {
                if let Some(since) = self.paused_since.take() {
                    self.paused += (event.time - since).max(0.0);
                }
            }
            Body::RunStarted(_) => {
                // Resumed: the time in between was no work.
                (self.paused_since, self.worked_until) = (None, None);
                self.marks.clear();
            }
            _ => {}
        }
    }

    fn begin(&mut self, plan: Plan, time: f64) {
        // A run that is resumed says so once more; what is known stays.
        self.plan = Some(plan);
        self.worked_until = Some(time - self.paused);
        self.marks.clear();
    }

    /// The engine is gone: there is no rate by which time would be left.
    pub(super) fn halt(&mut self) {
        self.marks.clear();
    }

    fn take_step(&mut self, (epoch, step): (usize, usize), loss: f64, latest: Latest, time: f64) {
        let at = self.position(epoch, step);
        if self.train_loss.span().is_some_and(|(_, to)| at <= to) {
            for series in [&mut self.train_loss, &mut self.train_accuracy, &mut self.held_out_loss] {
                series.truncate_from(at);
            }
        }
        (self.epoch, self.step) = (epoch, step);
        self.work(at, time);
        self.train_loss.push(at, loss);
        self.train_accuracy.push(at, latest.train_accuracy);
        self.latest = Some(latest);
        // A clock that was set says nothing of the rate.
        if self.marks.back().is_some_and(|(before, _)| !(0.0..DAY).contains(&(time - self.paused - before))) {
            self.marks.clear();
        }
        self.marks.push_back((time - self.paused, self.steps_done()));
        if self.marks.len() > WINDOW {
            self.marks.pop_front();
        }
    }

    /// Until this moment of the clock the run has worked, and has come so far.
    fn work(&mut self, at: f64, time: f64) {
        // The first step of an epoch is where the epoch before has ended.
        if self.worked.span().is_some_and(|(_, to)| at < to) {
            self.worked.truncate_from(at);
        }
        let now = time - self.paused;
        // A clock that was set tells nothing.
        let more = self.worked_until.map(|before| now - before).filter(|s| (0.0..DAY).contains(s)).unwrap_or(0.0);
        self.worked_until = Some(now);
        let before = self.worked.last().map_or(0.0, |(_, seconds)| seconds);
        self.worked.push(at, before + more);
    }

    fn end_epoch(&mut self, epoch: Epoch, time: f64) {
        self.work(epoch.epoch as f64 + 1.0, time);
        self.ended.retain(|e| e.epoch < epoch.epoch);
        self.epoch = epoch.epoch + 1;
        self.step = 0;
        self.over = false;
        self.ended.push(epoch);
    }

    /// Epochs from the start.
    pub(super) fn position(&self, epoch: usize, step: usize) -> f64 {
        epoch as f64 + step as f64 / self.steps_per_epoch() as f64
    }

    fn steps_per_epoch(&self) -> usize {
        self.plan.map_or(1, |p| p.steps_per_epoch.max(1))
    }

    fn steps_done(&self) -> f64 {
        (self.epoch * self.steps_per_epoch() + self.step) as f64
    }

    /// Share of all steps that is done, 0 to 1.
    pub fn progress(&self) -> f64 {
        if self.over {
            return 1.0;
        }
        let total = self.plan.map_or(0, |p| p.epochs * p.steps_per_epoch);
        if total == 0 { 0.0 } else { (self.steps_done() / total as f64).min(1.0) }
    }

    /// Seconds to go at the rate of the latest steps, without warm-up and pauses.
    pub fn left(&self) -> Option<f64> {
        let plan = self.plan?;
        let first = self.marks.iter().find(|(_, step)| *step >= WARM_UP)?;
        let last = self.marks.back()?;
        let (seconds, steps) = (last.0 - first.0, last.1 - first.1);
        let total = (plan.epochs * plan.steps_per_epoch) as f64;
        (steps > 0.0 && seconds > 0.0).then(|| (total - self.steps_done()).max(0.0) * seconds / steps)
    }

    /// The best accuracy of any epoch on the pictures that are held out.
    pub fn best_accuracy(&self) -> Option<f64> {
        self.ended.iter().map(|e| e.held_out_accuracy).filter(|a| a.is_finite()).reduce(f64::max)
    }
}

fn latest(s: &Step) -> Latest {
    Latest {
        train_accuracy: s.train_accuracy,
        gradient_norm: s.gradient_norm.0,
        learning_rate: s.learning_rate,
        images_per_second: s.images_per_second,
    }
}

fn latest_of_training(s: &TrainingStep) -> Latest {
    Latest {
        train_accuracy: s.accuracy,
        gradient_norm: s.gradient_norm.0,
        learning_rate: s.learning_rate,
        images_per_second: s.images_per_second,
    }
}
