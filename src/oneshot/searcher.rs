//! The bi-level search (arXiv 1806.09055, algorithm 1): a step of the alphas and a step of the weights, by the parts of a method.

use candle_core::Tensor;
use candle_nn::loss::cross_entropy;

use super::alphas::Alphas;
use super::loss::Loss;
use super::method::Method;
use super::optimiser::{Adam, AdamSettings, Sgd, SgdSettings};
use super::order::Order;
use super::part::Moment;
use super::relaxed::{Batch, Relaxed, accuracy, scalar};
use super::second_order;
use crate::nn::{NnError, Pass, Supernet};
use crate::space::{Genotype, Mask};

/// Settings of the bi-level search; the published ones are the defaults of the program's configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    pub sgd: SgdSettings,
    pub adam: AdamSettings,
    pub method: Method,
}

impl Settings {
    /// SGD and Adam as in DARTS, without the schedule.
    pub fn published(order: Order) -> Settings {
        Settings {
            sgd: SgdSettings { momentum: 0.9, weight_decay: 3e-4, clip: 5.0, nesterov: false },
            adam: AdamSettings { learning_rate: 3e-4, beta1: 0.5, beta2: 0.999, weight_decay: 1e-3 },
            method: Method::darts(order),
        }
    }
}

/// What one step has seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    pub train_loss: f64,
    /// Pictures of the training batch that were classified rightly.
    pub train_right: usize,
    pub valid_loss: Option<f64>,
    /// L2 norm of all weight gradients before clipping.
    pub gradient_norm: f64,
}

/// A supernet in search: its weights, its alphas and both optimisers.
pub struct Searcher {
    pub net: Supernet,
    pub settings: Settings,
    /// What steps minimise; what is evaluated is the plain one.
    pub loss: Loss,
    alphas: Alphas,
    sgd: Sgd,
    adam: Adam,
    moment: Moment,
    stopped: Option<String>,
}

/// Everything that changes during a search, as plain numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SearcherState {
    pub weights: Vec<Vec<f32>>,
    pub running: Vec<Vec<f32>>,
    pub batches: u64,
    pub alphas: Vec<Vec<f32>>,
    pub momentum: Vec<Vec<f32>>,
    pub adam_steps: u64,
    pub adam_first: Vec<Vec<f32>>,
    pub adam_second: Vec<Vec<f32>>,
    /// Why the search has ended before its last epoch, if it has.
    pub stopped: Option<String>,
}

impl Searcher {
    /// Alphas start at 1e-3·N(0, 1) from the stream `alphas`, equal for every mask.
    ///
    /// # Errors
    /// Candle's own.
    pub fn new(net: Supernet, settings: Settings, seed: u64) -> Result<Searcher, NnError> {
        let alphas = Alphas::new(&net, seed)?;
        let (sgd, adam) = (Sgd::new(settings.sgd), Adam::new(settings.adam));
        Ok(Searcher {
            net,
            settings,
            loss: Loss::default(),
            alphas,
            sgd,
            adam,
            moment: Moment::default(),
            stopped: None,
        })
    }

    pub fn mask(&self) -> Mask {
        self.net.config().mask
    }

    /// Raw alphas by kind, flat, row after row.
    ///
    /// # Errors
    /// Candle's own.
    pub fn alphas(&self) -> Result<[Vec<f32>; 2], NnError> {
        self.alphas.values()
    }

    /// # Errors
    /// Tables of another size.
    pub fn set_alphas(&self, alphas: [&[f32]; 2]) -> Result<(), NnError> {
        self.alphas.set(alphas)
    }

    /// Mixing weights by kind, flat, row after row, 0 where cut.
    ///
    /// # Errors
    /// Candle's own.
    pub fn mixing_values(&self) -> Result<[Vec<f32>; 2], NnError> {
        let mixing = self.relaxed().detached()?;
        let flat = |t: &Tensor| t.flatten_all()?.to_vec1::<f32>();
        Ok([flat(&mixing.normal)?, flat(&mixing.reduction)?])
    }

    /// The genotype that the alphas stand for now.
    ///
    /// # Errors
    /// Candle's own.
    pub fn genotype(&self) -> Result<Genotype, NnError> {
        let [normal, reduction] = self.mixing_values()?;
        Ok(self.settings.method.selection.select([&normal, &reduction], &self.mask()))
    }

    fn relaxed(&self) -> Relaxed<'_> {
        Relaxed {
            net: &self.net,
            alphas: &self.alphas,
            mixing: self.settings.method.mixing,
            sgd: &self.sgd,
            loss: &self.loss,
        }
    }

    /// Says where the search is, before the steps of an epoch: parts of the method may depend on it. Whether the alphas move
    /// in this epoch.
    pub fn begin_epoch(&mut self, moment: Moment) -> bool {
        self.moment = moment;
        self.settings.method.warm_up.is_over(moment)
    }

    /// Asks the rules of the method whether the search ends with this epoch, in which [`Searcher::begin_epoch`] said that the
    /// alphas move or not; why, if it does.
    ///
    /// # Errors
    /// Candle's own.
    pub fn end_epoch(&mut self) -> Result<Option<&str>, NnError> {
        if self.settings.method.warm_up.is_over(self.moment) && self.stopped.is_none() {
            self.stopped = self.settings.method.stop_reason(&self.genotype()?);
        }
        Ok(self.stopped())
    }

    /// Why the search has ended before its last epoch, if it has.
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    /// One search step: the alphas move on the validation batch (unless it is absent, as in a warm-up), with the method's
    /// regularisers, then the weights on
    /// the training batch at learning rate `rate`.
    ///
    /// # Errors
    /// A fault of the device, or candle's own. A loss that is not finite is reported, and nothing moves after it.
    pub fn step(&mut self, train: &Batch, valid: Option<&Batch>, rate: f64) -> Result<StepReport, NnError> {
        let mut valid_loss = None;
        if let Some(valid) = valid {
            let method = &self.settings.method;
            let (loss, mut gradients) = method.order.gradient().gradient(&self.relaxed(), train, valid, rate)?;
            valid_loss = Some(loss);
            if !loss.is_finite() {
                return Ok(StepReport { train_loss: f64::NAN, train_right: 0, valid_loss, gradient_norm: f64::NAN });
            }
            let mut alphas = self.alphas()?.to_vec();
            method.regularise(&self.alphas, &alphas, self.moment, &mut gradients);
            self.adam.step(&mut alphas, &gradients, self.alphas.active());
            self.set_alphas([&alphas[0], &alphas[1]])?;
        }
        let logits = self.net.forward(&train.images, &self.relaxed().detached()?, &Pass::weight_step())?;
        let loss = self.loss.of(&logits, &train.labels)?;
        let train_loss = scalar(&loss)?;
        let train_right = accuracy(&logits, &train.labels)?;
        if !train_loss.is_finite() {
            return Ok(StepReport { train_loss, train_right, valid_loss, gradient_norm: f64::NAN });
        }
        let found = loss.backward()?;
        // The maps of the step go before the weights are copied.
        drop((loss, logits));
        let gradient_norm = self.sgd.step(rate, self.net.parameters(), found)?;
        Ok(StepReport { train_loss, train_right, valid_loss, gradient_norm })
    }

    /// How far the second-order alpha gradients of a step are apart where the weights differ by rounding: every weight moved
    /// up by 1e-7 of itself or down, by a rule of its place, against all of them moved the other way; the L2 norm of the
    /// difference over that of the mean. The state is left as it was, bit for bit.
    ///
    /// # Errors
    /// A fault of the device, or candle's own.
    pub fn sensitivity(&self, train: &Batch, valid: &Batch, rate: f64) -> Result<f64, NnError> {
        second_order::sensitivity(&self.relaxed(), train, valid, rate)
    }

    /// Second-order alpha gradients at the present state, which is left as it was; for checks.
    ///
    /// # Errors
    /// A fault of the device, or candle's own.
    pub fn unrolled_gradients(&self, train: &Batch, valid: &Batch, rate: f64) -> Result<(f64, Vec<Vec<f32>>), NnError> {
        second_order::unrolled(&self.relaxed(), train, valid, rate, 0.0)
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
        let logits = self.net.forward(&batch.images, &self.relaxed().detached()?, &Pass::evaluate())?;
        let loss = scalar(&cross_entropy(&logits, &batch.labels)?)?;
        let pictures = logits.dim(0)? as f64;
        Ok((logits, loss * pictures))
    }

    /// Everything that a checkpoint needs.
    ///
    /// # Errors
    /// A fault of the device, or candle's own.
    pub fn state(&self) -> Result<SearcherState, NnError> {
        let (running, batches) = self.net.parameters().running();
        Ok(SearcherState {
            weights: self.net.parameters().values()?,
            running,
            batches,
            alphas: self.alphas()?.to_vec(),
            momentum: self.sgd.momentum.values()?.into_owned(),
            adam_steps: self.adam.steps,
            adam_first: self.adam.first.clone(),
            adam_second: self.adam.second.clone(),
            stopped: self.stopped.clone(),
        })
    }

    /// Puts a state back.
    ///
    /// # Errors
    /// A state of another network; nothing is changed then.
    pub fn restore(&mut self, state: SearcherState) -> Result<(), NnError> {
        let own = self.net.parameters();
        let tables = |v: &[Vec<f32>], optional: bool| (optional && v.is_empty()) || self.alphas.fit(v);
        let sound = own.fit(&state.weights)
            && (state.momentum.is_empty() || own.fit(&state.momentum))
            && tables(&state.alphas, false)
            && tables(&state.adam_first, true)
            && tables(&state.adam_second, true);
        if !sound {
            return Err(NnError::Weights("the saved state belongs to another network".into()));
        }
        self.net.parameters().restore_running(state.running, state.batches)?;
        self.net.parameters().set_values(state.weights)?;
        self.set_alphas([&state.alphas[0], &state.alphas[1]])?;
        self.sgd.momentum.set(state.momentum);
        self.stopped = state.stopped;
        (self.adam.steps, self.adam.first, self.adam.second) = (state.adam_steps, state.adam_first, state.adam_second);
        Ok(())
    }
}
