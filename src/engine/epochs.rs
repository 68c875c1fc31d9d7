//! What a search and a training have in common: steps that are summed up and told of, and a look at other pictures.

use std::sync::Arc;

use super::control::Control;
use super::error::EngineError;
use super::saved::Position;
use super::setup::tensors;
use crate::data::{self, DataError, Dataset, Loader};
use candle_core::Tensor;

use crate::nn::NnError;
use crate::oneshot::{Batch, right};
use crate::run::event::Level;

/// Journal lines that the steps of a whole run may take.
const STEP_LINES: usize = 4000;

/// The steps of a run, and what of them goes to the journal.
pub(super) struct Steps {
    pub per_epoch: usize,
    /// One in so many goes to the journal.
    pub every: usize,
    /// Pictures and seconds since the last step in the journal.
    pace: (usize, f64),
    /// Seconds in which this epoch's steps, as far as this engine made them, waited for pictures.
    waited: f64,
}

impl Steps {
    /// `every`: 0 chooses so that the journal stays small.
    pub fn new(per_epoch: usize, epochs: usize, every: usize) -> Steps {
        let chosen = (per_epoch * epochs).div_ceil(STEP_LINES).max(1);
        Steps { per_epoch, every: if every > 0 { every } else { chosen }, pace: (0, 0.0), waited: 0.0 }
    }

    /// Whether the step at this place is told of, of which one in `every` is: the last of an epoch always.
    pub fn is_told(&self, at: &Position, every: usize) -> bool {
        (at.epoch * self.per_epoch + at.step).is_multiple_of(every) || at.step + 1 == self.per_epoch
    }

    /// Takes a step with this loss and so many right answers into the sums of its epoch. If its turn to be told of has come,
    /// the pictures per second since the last one that was.
    pub fn take(
        &mut self,
        at: &mut Position,
        loss: f64,
        right: usize,
        (pictures, seconds, waited): (usize, f64, f64),
    ) -> Option<f64> {
        self.waited += waited;
        at.loss += loss * pictures as f64;
        at.right += right as u64;
        at.pictures += pictures as u64;
        at.seconds += seconds;
        self.pace = (self.pace.0 + pictures, self.pace.1 + seconds);
        if !self.is_told(at, self.every) {
            return None;
        }
        let (seen, seconds) = std::mem::take(&mut self.pace);
        Some(seen as f64 / seconds.max(1e-9))
    }
}

impl Steps {
    /// Ends an epoch: the seconds in which its steps waited for pictures.
    pub fn waited(&mut self) -> f64 {
        std::mem::take(&mut self.waited)
    }
}

/// A run that goes from epoch to epoch.
pub(super) trait Epochs {
    fn control(&mut self) -> &mut Control;

    fn at(&self) -> Position;

    /// Whether no epoch is to follow, though there are some left.
    fn is_over(&self) -> bool {
        false
    }

    /// The rest of an epoch. False if asked to stop at once, or to leave after this step.
    fn epoch(&mut self) -> Result<bool, EngineError>;

    /// Saves a checkpoint, unless a number in it is not finite: the last good one is not to be pushed out by it.
    fn save(&mut self) -> Result<(), EngineError>;
}

/// All epochs from where the run is; `resumed` if it was resumed from a checkpoint. False if asked to end before: the
/// checkpoint then holds the state, an older one if it was to be at once.
pub(super) fn run(run: &mut dyn Epochs, epochs: usize, resumed: bool) -> Result<bool, EngineError> {
    let at = run.at();
    if resumed {
        run.control().log(Level::Info, format!("resumed at epoch {}, step {}", at.epoch, at.step))?;
    } else {
        run.save()?;
    }
    let left = |run: &dyn Epochs| run.at().epoch < epochs && !run.is_over();
    while left(run) {
        if !run.epoch()? {
            if !run.control().aborts() {
                run.save()?;
            }
            return Ok(false);
        }
        let asked = run.control().stops() || run.control().leaves();
        if asked && left(run) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What a look at pictures has found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    /// Mean over pictures.
    pub loss: f64,
    /// Share of the pictures that were classified rightly.
    pub accuracy: f64,
    /// Mean over the classes that there are pictures of: the share of theirs that were classified rightly.
    pub balanced: f64,
}

/// The accuracies of so many right answers among so many pictures, by class.
fn accuracies(classes: &[[u64; 2]]) -> (f64, f64) {
    let sum = |part: usize| classes.iter().map(|class| class[part]).sum::<u64>() as f64;
    let there = || classes.iter().filter(|class| class[1] > 0);
    let recalls = there().map(|[right, all]| *right as f64 / *all as f64).sum::<f64>();
    (sum(0) / sum(1), recalls / there().count() as f64)
}

/// Mean loss and accuracies over the pictures of a plan; `look` gives the logits of a batch and the sum of its losses. `None`
/// if asked to stop at once.
pub(super) fn evaluate(
    control: &mut Control,
    dataset: &Arc<dyn Dataset>,
    plan: data::Plan,
    mut look: impl FnMut(&Batch) -> Result<(Tensor, f64), NnError>,
) -> Result<Option<Look>, EngineError> {
    let count = plan.indices.len() as f64;
    let mut loss = 0.0;
    let mut classes = vec![[0; 2]; dataset.summary().classes()];
    for batch in Loader::new(dataset.clone(), plan)? {
        control.poll()?;
        if control.aborts() || control.leaves() {
            return Ok(None);
        }
        let batch = batch?;
        let labels = batch.labels.clone();
        let batch = tensors(batch)?;
        let (logits, l) = look(&batch)?;
        loss += l;
        for (label, right) in labels.into_iter().zip(right(&logits, &batch.labels)?) {
            classes[label as usize][0] += u64::from(right);
            classes[label as usize][1] += 1;
        }
    }
    let (accuracy, balanced) = accuracies(&classes);
    Ok(Some(Look { loss: loss / count, accuracy, balanced }))
}

pub(super) fn next(loader: &mut Loader) -> Result<data::Batch, DataError> {
    loader.next().unwrap_or_else(|| Err(DataError::Worker { reason: "ended before the epoch did".into() }))
}

/// What of a step is not finite, of its losses and the norm of its gradient.
pub(super) fn not_finite(valid_loss: Option<f64>, train_loss: f64, gradient_norm: f64) -> Option<&'static str> {
    if valid_loss.is_some_and(|l| !l.is_finite()) {
        Some("the validation loss")
    } else if !train_loss.is_finite() {
        Some("the training loss")
    } else if !gradient_norm.is_finite() {
        Some("the gradient of the weights")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracies_of_pictures_and_of_classes() {
        // 90 of 100 of the common class, 1 of 10 of the rare one, and a class without pictures.
        let (plain, balanced) = accuracies(&[[90, 100], [0, 0], [1, 10]]);
        assert!((plain - 91.0 / 110.0).abs() < 1e-12);
        assert!((balanced - (0.9 + 0.1) / 2.0).abs() < 1e-12);
        assert_eq!(accuracies(&[[3, 4], [1, 4]]), (0.5, 0.5));
    }
}
