//! A run that trains a genotype from scratch: epochs of steps on the run's training pictures, each followed by a look at the test
//! pictures.

use std::time::Instant;

use candle_core::{Device, Tensor};

use super::control::Control;
use super::epochs::{self, Epochs, Look, Steps, next, not_finite};
use super::error::EngineError;
use super::saved::{Keeper, Position, Saved};
use super::setup::{Setup, tensors};
use super::training_memory::network;
use crate::data::{self, Augment, DataError, Loader, Split};
use crate::nn::{DropPath, Evaluation, EvaluationConfig, Init, NnError, Policy};
use crate::oneshot::{SgdSettings, Trainer, TrainerSettings, cosine};
use crate::run::event::{Body, Level, Stage, TrainingEpoch, TrainingStarted, TrainingStep};
use crate::run::number::Number;
use crate::run::{LOGITS, RunFolder, WEIGHTS, take_home};
use crate::space::{Genotype, Stacking};

struct Training<'a> {
    control: &'a mut Control,
    setup: &'a Setup<'a>,
    folder: &'a RunFolder,
    trainer: Trainer,
    at: Position,
    steps: Steps,
    keeper: Keeper,
    /// On the test pictures, of the last epoch that has ended.
    tested: Option<Look>,
    /// Answers to the test pictures after the last epoch, one row of logits after the other.
    logits: Vec<f32>,
}

/// Trains, from the checkpoint if there is one. The share of the test pictures that are classified rightly after the last epoch;
/// `None` if asked to end before.
pub(super) fn run(
    control: &mut Control,
    setup: &Setup,
    folder: &RunFolder,
    genotype: &Genotype,
) -> Result<Option<f64>, EngineError> {
    let clock = control.begin(Stage::Train)?;
    let found = attempt(control, setup, folder, genotype)?;
    if found.is_some() {
        control.end(&clock)?;
    }
    Ok(found)
}

fn attempt(
    control: &mut Control,
    setup: &Setup,
    folder: &RunFolder,
    genotype: &Genotype,
) -> Result<Option<f64>, EngineError> {
    let (config, about) = (&setup.config.train, setup.dataset.summary());
    let network = network(config, about, genotype, setup.stem)?;
    if config.auxiliary > 0.0 && !network.auxiliary {
        let text = match genotype.stacking {
            Stacking::Darts => {
                let [least, most] = setup.stem.auxiliary_sides();
                format!(
                    "no auxiliary head: it needs maps of {least} to {most} pixels a side after two thirds of the cells"
                )
            }
            Stacking::NasBench201 => "no auxiliary head: networks of nas_bench_201 have none".into(),
        };
        control.log(Level::Info, text)?;
    }
    let size = EvaluationConfig { auxiliary: false, ..network.clone() }
        .count(about.height, about.width)
        .map_err(|e| EngineError::Training(e.to_string()))?;
    let (policy, predicted_bytes) = setup.training(&network, config.batch);
    if policy != Policy::Keep {
        control.log(Level::Info, format!("memory: {policy}, which gives the same numbers as `keep`"))?;
    }
    let mut net = Evaluation::new(&network)?.on(setup.gpu.clone()).keeping(policy);
    net.initialise(Init::Default, setup.config.seed)?;
    let parameters = net.parameters().count() as u64;
    let sgd = SgdSettings {
        momentum: config.momentum,
        weight_decay: config.weight_decay,
        clip: config.clip,
        nesterov: config.nesterov,
    };
    let mut trainer = Trainer::new(net, TrainerSettings { sgd, auxiliary: config.auxiliary });
    trainer.loss = setup.loss(config.class_weights)?;
    let at = Saved::load(control, folder, trainer.net.parameters().count())?
        .map(|saved| saved.restore(|state| trainer.restore(state), None, &control.seal, folder));
    let resumed = at.is_some();
    let at = at.transpose()?.unwrap_or_default();
    let steps = setup.pictures.len().div_ceil(config.batch).max(1);
    let steps = Steps::new(steps, config.epochs, 0);
    control.emit(Body::TrainingStarted(TrainingStarted {
        genotype: genotype.clone(),
        channels: config.channels,
        cells: config.cells,
        epochs: config.epochs,
        steps_per_epoch: steps.per_epoch,
        batch: config.batch,
        train: setup.pictures.len(),
        test: about.test,
        parameters,
        macs: size.macs,
        auxiliary: network.auxiliary,
        predicted_bytes,
        journal_every: steps.every,
    }))?;
    let keeper = Keeper::new(&at);
    let mut training =
        Training { control, setup, folder, trainer, at, steps, keeper, tested: None, logits: Vec::new() };
    if !epochs::run(&mut training, config.epochs, resumed)? {
        return Ok(None);
    }
    // None where it is taken up after the last epoch.
    let found = if training.tested.is_some() { training.tested } else { training.test()? };
    let Some(found) = found else { return Ok(None) };
    training.take_home(&network, found)?;
    Ok(Some(found.accuracy))
}

impl Training<'_> {
    fn loader(&self) -> Result<Loader, DataError> {
        let (config, epoch) = (self.setup.config, self.at.epoch as u64);
        let augment = Augment { cutout: config.train.cutout, ..self.setup.augment() };
        let pictures = self.setup.pictures.clone();
        let plan = data::Plan {
            start_batch: self.at.step,
            drop_last: false,
            prefetch: config.data.prefetch,
            ..data::Plan::training(pictures, config.train.batch, augment, config.seed, "train", epoch)
        };
        Loader::new(self.setup.dataset.clone(), plan)
    }

    fn not_finite(&self, what: &'static str) -> EngineError {
        self.at.not_finite(what, "train", self.keeper.at, self.folder)
    }

    /// Writes the weights, under the names of the published code, and what they answer to the test pictures, each with what
    /// one has to know to use them.
    fn take_home(&mut self, network: &EvaluationConfig, found: Look) -> Result<(), EngineError> {
        let about = self.about(network, found);
        let failed = |e: safetensors::SafeTensorError| EngineError::Network(NnError::Weights(e.to_string()));
        let tensors = self.trainer.net.parameters().tensors()?;
        let weights = take_home::file(tensors.iter().map(|(n, t)| (n.clone(), t)).collect(), &about).map_err(failed)?;
        let (dataset, count) = (&self.setup.dataset, self.setup.dataset.len(Split::Test));
        let labels: Vec<i64> = (0..count).map(|i| dataset.label(Split::Test, i) as i64).collect();
        let logits = std::mem::take(&mut self.logits);
        let tensor = |found: candle_core::Result<Tensor>| found.map_err(NnError::from);
        let answers = [
            ("logits", tensor(Tensor::from_vec(logits, (count, network.classes), &Device::Cpu))?),
            ("labels", tensor(Tensor::from_vec(labels, count, &Device::Cpu))?),
        ];
        let answers = answers.into_iter().map(|(name, t)| (name.to_string(), t)).collect();
        let answers = take_home::file(answers, &about).map_err(failed)?;
        for (name, bytes) in [(LOGITS, answers), (WEIGHTS, weights)] {
            self.control.persist(|_| Ok(self.folder.write_atomic(name, &bytes)?))?;
        }
        Ok(())
    }

    /// What the network is, what it was trained on and how its pictures are to be prepared.
    fn about(&self, network: &EvaluationConfig, found: Look) -> take_home::About {
        let (config, data) = (self.setup.config, self.setup.dataset.summary());
        let mut about = take_home::about(&self.folder.name(), network.genotype.stacking.name());
        let mut say = |key: &str, value: String| about.insert(key.into(), value);
        say("network", network.stem.network(network.genotype.stacking).into());
        say("stem", network.stem.to_string());
        say("genotype", network.genotype.to_string());
        say("channels", network.channels.to_string());
        say("cells", network.cells.to_string());
        say("auxiliary", network.auxiliary.to_string());
        say("input_channels", network.input_channels.to_string());
        say("height", data.height.to_string());
        say("width", data.width.to_string());
        say("classes", network.classes.to_string());
        say("class_names", serde_json::json!(data.class_names).to_string());
        say("input", "[pictures, input_channels, height, width]: (byte / 255 - mean) / deviation".into());
        say("mean", serde_json::json!(data.mean).to_string());
        say("deviation", serde_json::json!(data.std).to_string());
        say("mean_and_deviation", data.found.normalisation.clone());
        say("data", data.name.clone());
        say("data_fingerprint", self.control.seal.data.clone());
        say("train_pictures", self.setup.pictures.len().to_string());
        say("test_pictures", data.test.to_string());
        say("test_accuracy", found.accuracy.to_string());
        say("test_balanced_accuracy", found.balanced.to_string());
        say("test_loss", found.loss.to_string());
        say("class_weights", config.train.class_weights.to_string());
        say("epochs", config.train.epochs.to_string());
        say("seed", config.seed.to_string());
        about
    }

    /// Mean loss and accuracies on the test pictures. `None` if asked to stop at once.
    fn test(&mut self) -> Result<Option<Look>, EngineError> {
        let count = self.setup.dataset.len(Split::Test);
        let plan =
            data::Plan::evaluation(Split::Test, (0..count as u32).collect(), self.setup.config.train.batch.min(count));
        let last = self.at.epoch + 1 >= self.setup.config.train.epochs;
        let (trainer, all) = (&self.trainer, &mut self.logits);
        all.clear();
        epochs::evaluate(self.control, &self.setup.dataset, plan, |batch| {
            let (logits, loss) = trainer.answers(batch)?;
            if last {
                all.extend(logits.flatten_all()?.to_vec1::<f32>()?);
            }
            Ok((logits, loss))
        })
    }
}

impl Epochs for Training<'_> {
    fn control(&mut self) -> &mut Control {
        self.control
    }

    fn at(&self) -> Position {
        self.at
    }

    fn epoch(&mut self) -> Result<bool, EngineError> {
        let (config, epoch) = (&self.setup.config.train, self.at.epoch);
        let rate = cosine(config.learning_rate, config.learning_rate_min, epoch, config.epochs);
        let dropped = config.drop_path * epoch as f64 / config.epochs as f64;
        let mut loader = self.loader()?;
        while self.at.step < self.steps.per_epoch {
            self.control.poll()?;
            if self.control.aborts() || self.control.leaves() {
                return Ok(false);
            }
            if self.control.takes_checkpoint() || self.keeper.is_due(&self.setup.config.run, &self.at) {
                self.save()?;
                continue;
            }
            let began = Instant::now();
            let batch = tensors(next(&mut loader)?)?;
            let waited = began.elapsed().as_secs_f64();
            let at = [epoch as u64, self.at.step as u64];
            let drop = DropPath { probability: dropped, seed: self.setup.config.seed, at };
            let report = self.trainer.step(&batch, rate, Some(drop))?;
            if let Some(what) = not_finite(None, report.loss, report.gradient_norm) {
                return Err(self.not_finite(what));
            }
            let seen = (batch.images.dim(0)?, began.elapsed().as_secs_f64(), waited);
            if let Some(images_per_second) = self.steps.take(&mut self.at, report.loss, report.right, seen) {
                self.control.emit(Body::TrainingStep(TrainingStep {
                    epoch,
                    step: self.at.step,
                    loss: Number(report.loss),
                    accuracy: report.right as f64 / seen.0 as f64,
                    gradient_norm: Number(report.gradient_norm),
                    learning_rate: rate,
                    images_per_second,
                }))?;
            }
            self.at.step += 1;
        }
        drop(loader);
        let began = Instant::now();
        let Some(test) = self.test()? else { return Ok(false) };
        let seen = self.at.pictures.max(1) as f64;
        self.tested = Some(test);
        self.control.emit(Body::TrainingEpochEnded(TrainingEpoch {
            epoch,
            train_loss: Number(self.at.loss / seen),
            train_accuracy: self.at.right as f64 / seen,
            test_loss: Number(test.loss),
            test_accuracy: test.accuracy,
            test_balanced_accuracy: Some(test.balanced),
            seconds: self.at.seconds + began.elapsed().as_secs_f64(),
            waiting_seconds: Some(self.steps.waited()),
        }))?;
        self.at = Position { epoch: epoch + 1, ..Position::default() };
        self.save()?;
        Ok(true)
    }

    fn save(&mut self) -> Result<(), EngineError> {
        let saved = Saved::of(&self.trainer.state()?, None, &self.at, &self.control.seal)?;
        if !saved.is_finite() {
            return Err(self.not_finite("a weight"));
        }
        self.keeper.save(self.control, self.folder, &saved, &self.at)
    }
}
