//! Journals of before, where a training told of its steps and epochs as a search does.

use super::event::{Body, EpochEnded, Step, TrainingEpoch, TrainingStep};

/// Whether the journal is of a run that trains, as far as it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trains(bool);

impl Trains {
    /// An event as a training tells of it now.
    pub(super) fn renewed(&mut self, body: Body) -> Body {
        match body {
            Body::RunStarted(ref s) => self.0 |= s.trains,
            Body::TrainingStarted(_) => self.0 = true,
            Body::Step(s) if self.0 => return Body::TrainingStep(step(&s)),
            Body::EpochEnded(e) if self.0 => return Body::TrainingEpochEnded(epoch(&e)),
            _ => {}
        }
        body
    }
}

fn step(s: &Step) -> TrainingStep {
    TrainingStep {
        epoch: s.epoch,
        step: s.step,
        loss: s.train_loss,
        accuracy: s.train_accuracy,
        gradient_norm: s.gradient_norm,
        learning_rate: s.learning_rate,
        images_per_second: s.images_per_second,
    }
}

fn epoch(e: &EpochEnded) -> TrainingEpoch {
    TrainingEpoch {
        epoch: e.epoch,
        train_loss: e.train_loss,
        train_accuracy: e.train_accuracy,
        test_loss: e.valid_loss,
        test_accuracy: e.valid_accuracy,
        test_balanced_accuracy: e.valid_balanced_accuracy,
        seconds: e.seconds,
        waiting_seconds: e.waiting_seconds,
    }
}
