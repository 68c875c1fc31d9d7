//! Training of an evaluation network from scratch (DARTS, appendix A.2).

use candle_core::Tensor;
use candle_nn::loss::cross_entropy;

use super::loss::Loss;
use super::optimiser::{Sgd, SgdSettings};
use super::relaxed::{Batch, accuracy, scalar};
use crate::nn::{DropPath, Evaluation, EvaluationPass, NnError};

/// Settings of the training, without the schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainerSettings {
    pub sgd: SgdSettings,
    /// Weight of the auxiliary head's loss.
    pub auxiliary: f64,
}

/// An evaluation network in training, and its optimiser.
pub struct Trainer {
    pub net: Evaluation,
    pub settings: TrainerSettings,
    /// What steps minimise; what is evaluated is the plain one.
    pub loss: Loss,
    sgd: Sgd,
}

/// What one step of a training has seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainerReport {
    /// Of the main head.
    pub loss: f64,
    /// Pictures of the batch that were classified rightly.
    pub right: usize,
    /// L2 norm of all gradients before clipping.
    pub gradient_norm: f64,
}

/// Everything that changes during a training, as plain numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainerState {
    pub weights: Vec<Vec<f32>>,
    pub running: Vec<Vec<f32>>,
    pub batches: u64,
    pub momentum: Vec<Vec<f32>>,
}

impl Trainer {
    pub fn new(net: Evaluation, settings: TrainerSettings) -> Trainer {
        Trainer { net, settings, loss: Loss::default(), sgd: Sgd::new(settings.sgd) }
    }

    /// One step at learning rate `rate`. The loss that is told is that of the main head.
    ///
    /// # Errors
    /// A fault of the device, or candle's own. A loss that is not finite is reported, and nothing moves after it.
    pub fn step(&mut self, batch: &Batch, rate: f64, drop: Option<DropPath>) -> Result<TrainerReport, NnError> {
        let logits = self.net.forward(&batch.images, EvaluationPass::Train(drop))?;
        let main = self.loss.of(&logits.main, &batch.labels)?;
        let right = accuracy(&logits.main, &batch.labels)?;
        let told = TrainerReport { loss: scalar(&main)?, right, gradient_norm: f64::NAN };
        let loss = match &logits.auxiliary {
            Some(auxiliary) => (main + (self.loss.of(auxiliary, &batch.labels)? * self.settings.auxiliary)?)?,
            None => main,
        };
        if !scalar(&loss)?.is_finite() {
            return Ok(TrainerReport { loss: f64::NAN, ..told });
        }
        let found = loss.backward()?;
        // The maps of the step go before the weights are copied.
        std::mem::drop((loss, logits));
        let gradient_norm = self.sgd.step(rate, self.net.parameters(), found)?;
        Ok(TrainerReport { gradient_norm, ..told })
    }

    /// Loss (summed over pictures) and right answers in evaluation mode.
    ///
    /// # Errors
    /// A fault of the device, or candle's own.
    pub fn evaluate(&self, batch: &Batch) -> Result<(f64, usize), NnError> {
        let (logits, loss) = self.answers(batch)?;
        Ok((loss, accuracy(&logits, &batch.labels)?))
    }

    /// Logits `[N, classes]` in evaluation mode, and loss (summed over pictures).
    ///
    /// # Errors
    /// A fault of the device, or candle's own.
    pub fn answers(&self, batch: &Batch) -> Result<(Tensor, f64), NnError> {
        let logits = self.net.forward(&batch.images, EvaluationPass::Test)?.main;
        let loss = scalar(&cross_entropy(&logits, &batch.labels)?)?;
        let pictures = logits.dim(0)? as f64;
        Ok((logits, loss * pictures))
    }

    /// Everything that a checkpoint needs.
    ///
    /// # Errors
    /// A fault of the device, or candle's own.
    pub fn state(&self) -> Result<TrainerState, NnError> {
        let (running, batches) = self.net.parameters().running();
        let (weights, momentum) = (self.net.parameters().values()?, self.sgd.momentum.values()?.into_owned());
        Ok(TrainerState { weights, running, batches, momentum })
    }

    /// Puts a state back.
    ///
    /// # Errors
    /// A state of another network; nothing is changed then.
    pub fn restore(&mut self, state: TrainerState) -> Result<(), NnError> {
        let own = self.net.parameters();
        let state = TrainerState {
            weights: own.reblocked(state.weights),
            running: own.reblocked_running(state.running),
            momentum: own.reblocked(state.momentum),
            ..state
        };
        if !own.fit(&state.weights) || !(state.momentum.is_empty() || own.fit(&state.momentum)) {
            return Err(NnError::Weights("the saved state belongs to another network".into()));
        }
        self.net.parameters().restore_running(state.running, state.batches)?;
        self.net.parameters().set_values(state.weights)?;
        self.sgd.momentum.set(state.momentum);
        Ok(())
    }
}
