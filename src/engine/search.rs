//! The search stage of a run: epochs of bi-level steps on what the cut left.

use std::time::Instant;

use super::control::Control;
use super::epochs::{self, Epochs, Look, Steps, next, not_finite};
use super::error::EngineError;
use super::plan::Plan;
use super::saved::{Keeper, Position, Saved};
use super::setup::{Setup, tensors};
use crate::data::{self, DataError, Loader, Split};
use crate::nn::{Init, Supernet};
use crate::oneshot::{Moment, Searcher, StepReport, cosine};
use crate::run::RunFolder;
use crate::run::event::{Body, EpochEnded, Level, SearchStarted, Stage, Step};
use crate::run::number::Number;
use crate::space::{CellKind, Genotype, Mask, Operation};

/// Journal lines that the alphas of a whole search may take.
const ALPHA_LINES: usize = 500;

/// What a search ends with.
pub(super) struct Found {
    pub genotype: Genotype,
    /// Why it ended before its last epoch, if it did.
    pub stopped: Option<String>,
}

struct Search<'a> {
    control: &'a mut Control,
    setup: &'a Setup<'a>,
    folder: &'a RunFolder,
    searcher: Searcher,
    at: Position,
    steps: Steps,
    alphas_every: usize,
    keeper: Keeper,
}

/// Searches under `mask`, from the checkpoint if there is one. `None` if asked to end before.
pub(super) fn run(
    control: &mut Control,
    setup: &Setup,
    folder: &RunFolder,
    mask: Mask,
) -> Result<Option<Found>, EngineError> {
    let clock = control.begin(Stage::Search)?;
    let planner = setup.planner();
    let mut plan = planner.within(mask).map_err(EngineError::TooLittle)?;
    let found = loop {
        match attempt(control, setup, folder, mask, plan) {
            Err(e) if setup.device.was_full() => {
                // Others have taken memory meanwhile, or the prediction was too low.
                let Some(policy) = planner.leaner(plan.policy) else { return Err(e) };
                let text = format!(
                    "{e}; the search goes on from its last checkpoint with `{policy}`, which gives the same numbers"
                );
                control.log(Level::Warning, text)?;
                plan = Plan { policy, bytes: planner.bytes(mask, policy), ..plan };
            }
            other => break other?,
        }
    };
    if found.is_some() {
        control.end(&clock)?;
    }
    Ok(found)
}

/// Searches under a plan, from the checkpoint if there is one.
fn attempt(
    control: &mut Control,
    setup: &Setup,
    folder: &RunFolder,
    mask: Mask,
    plan: Plan,
) -> Result<Option<Found>, EngineError> {
    let config = &setup.config.search;
    let planner = setup.planner();
    let mut net = Supernet::new(&planner.network(mask, plan.policy))?.on(setup.gpu.clone());
    net.initialise(Init::Default, setup.config.seed)?;
    let mut searcher = Searcher::new(net, setup.search_settings()?, setup.config.seed)?;
    searcher.loss = setup.loss(config.class_weights)?;
    let at = Saved::load(control, folder, searcher.net.parameters().count())?
        .map(|saved| saved.restore(|state| searcher.restore(state), Some(&mask), &control.seal, folder));
    let resumed = at.is_some();
    let at = at.transpose()?.unwrap_or_default();
    let steps = (setup.halves.weights.len() / config.batch).max(1);
    let steps = Steps::new(steps, config.epochs, config.journal_every);
    for kind in mask.space().kinds().filter(|k| !searcher.net.config().layout.contains(k)) {
        let text = format!("with {} cells there is no {kind} cell: its alphas stay as they began", config.cells);
        control.log(Level::Warning, text)?;
    }
    control.emit(Body::SearchStarted(SearchStarted {
        epochs: config.epochs,
        steps_per_epoch: steps.per_epoch,
        batch: config.batch,
        method: config.parts().name().into(),
        order: config.order,
        regularisers: config.regularisers.clone(),
        warm_up_epochs: config.alpha_warmup_epochs,
        stop: config.stop.clone(),
        train: setup.halves.weights.len(),
        valid: setup.halves.alphas.len(),
        parameters: searcher.net.parameters().count() as u64,
        predicted_bytes: plan.bytes,
        policy: plan.policy.to_string(),
        journal_every: steps.every,
    }))?;
    let mut search = Search {
        control,
        setup,
        folder,
        searcher,
        keeper: Keeper::new(&at),
        at,
        alphas_every: (steps.per_epoch * config.epochs).div_ceil(ALPHA_LINES).max(steps.every),
        steps,
    };
    if !epochs::run(&mut search, config.epochs, resumed)? {
        return Ok(None);
    }
    let searcher = &search.searcher;
    Ok(Some(Found { genotype: searcher.genotype()?, stopped: searcher.stopped().map(str::to_string) }))
}

impl Search<'_> {
    fn loader(&self, indices: Vec<u32>, stream: &str) -> Result<Loader, DataError> {
        let (config, epoch) = (self.setup.config, self.at.epoch as u64);
        let augment = self.setup.augment();
        let plan = data::Plan {
            start_batch: self.at.step,
            batches: Some(self.steps.per_epoch),
            prefetch: config.data.prefetch,
            ..data::Plan::training(indices, config.search.batch, augment, config.seed, stream, epoch)
        };
        Loader::new(self.setup.dataset.clone(), plan)
    }

    fn check(&self, report: &StepReport) -> Result<(), EngineError> {
        not_finite(report.valid_loss, report.train_loss, report.gradient_norm)
            .map_or(Ok(()), |what| Err(self.not_finite(what)))
    }

    fn not_finite(&self, what: &'static str) -> EngineError {
        self.at.not_finite(what, "search", self.keeper.at, self.folder)
    }

    fn tell_alphas(&mut self) -> Result<(), EngineError> {
        if !self.steps.is_told(&self.at, self.alphas_every) {
            return Ok(());
        }
        let [normal, reduction] = self.searcher.mixing_values()?.map(|t| self.rows(&t));
        self.control.emit(Body::Alphas { epoch: self.at.epoch, step: self.at.step, normal, reduction })
    }

    /// Mean loss and accuracies on the alphas' half, in evaluation mode. `None` if asked to stop at once.
    fn evaluate(&mut self) -> Result<Option<Look>, EngineError> {
        let indices = self.setup.halves.alphas.clone();
        let plan = data::Plan::evaluation(Split::Train, indices, self.setup.config.search.batch);
        let searcher = &self.searcher;
        epochs::evaluate(self.control, &self.setup.dataset, plan, |batch| searcher.answers(batch))
    }

    /// A flat table of alphas or mixing weights as rows, one for each edge.
    fn rows(&self, flat: &[f32]) -> Vec<Vec<f32>> {
        flat.chunks(self.searcher.mask().space().columns()).map(<[f32]>::to_vec).collect()
    }

    /// Raw alphas by kind and edge, NaN where cut.
    fn raw_alphas(&self) -> Result<[Vec<Vec<Number>>; 2], EngineError> {
        let mask = self.searcher.mask();
        let [normal, reduction] = self.searcher.alphas()?;
        let table = |kind, flat: &[f32]| {
            let rows = mask.space().edges(kind).iter().zip(self.rows(flat));
            rows.map(|(edge, row)| {
                let shown = |(o, v): (&Operation, f32)| {
                    Number(if mask.keeps(kind, *edge, *o) { f64::from(v) } else { f64::NAN })
                };
                mask.space().operations().iter().zip(row).map(shown).collect()
            })
            .collect()
        };
        Ok([table(CellKind::Normal, &normal), table(CellKind::Reduction, &reduction)])
    }
}

impl Epochs for Search<'_> {
    fn control(&mut self) -> &mut Control {
        self.control
    }

    fn at(&self) -> Position {
        self.at
    }

    fn is_over(&self) -> bool {
        self.searcher.stopped().is_some()
    }

    fn epoch(&mut self) -> Result<bool, EngineError> {
        let (config, epoch) = (&self.setup.config.search, self.at.epoch);
        let rate = cosine(config.learning_rate, config.learning_rate_min, epoch, config.epochs);
        let halves = &self.setup.halves;
        let alphas_move = self.searcher.begin_epoch(Moment { epoch, epochs: config.epochs });
        let mut train = self.loader(halves.weights.clone(), "train")?;
        let mut valid = alphas_move.then(|| self.loader(halves.alphas.clone(), "valid")).transpose()?;
        while self.at.step < self.steps.per_epoch {
            self.control.poll()?;
            if self.control.aborts() || self.control.leaves() {
                return Ok(false);
            }
            if self.control.takes_checkpoint() || self.keeper.is_due(&self.setup.config.run, &self.at) {
                self.save()?;
                continue;
            }
            let mut began = Instant::now();
            let batch = tensors(next(&mut train)?)?;
            let against = valid.as_mut().map(next).transpose()?.map(tensors).transpose()?;
            let waited = began.elapsed().as_secs_f64();
            if let Some(valid) = against.as_ref().filter(|_| config.order.is_second() && self.at.step == 0) {
                let measured = Instant::now();
                let spread = Number(self.searcher.sensitivity(&batch, valid, rate)?);
                self.control.emit(Body::SecondOrder { epoch, step: self.at.step, spread })?;
                // It is no part of the step.
                began += measured.elapsed();
            }
            let report = self.searcher.step(&batch, against.as_ref(), rate)?;
            self.check(&report)?;
            let seen = (batch.images.dim(0)?, began.elapsed().as_secs_f64(), waited);
            let told = self.steps.take(&mut self.at, report.train_loss, report.train_right, seen);
            if let Some(images_per_second) = told {
                self.control.emit(Body::Step(Step {
                    epoch,
                    step: self.at.step,
                    train_loss: Number(report.train_loss),
                    train_accuracy: report.train_right as f64 / seen.0 as f64,
                    valid_loss: Number(report.valid_loss.unwrap_or(f64::NAN)),
                    gradient_norm: Number(report.gradient_norm),
                    learning_rate: rate,
                    images_per_second,
                }))?;
            }
            self.tell_alphas()?;
            self.at.step += 1;
        }
        drop((train, valid));
        let began = Instant::now();
        let Some(valid) = self.evaluate()? else { return Ok(false) };
        let genotype = self.searcher.genotype()?;
        let [alphas_normal, alphas_reduction] = self.raw_alphas()?;
        let seen = self.at.pictures.max(1) as f64;
        self.control.emit(Body::EpochEnded(EpochEnded {
            epoch,
            train_loss: Number(self.at.loss / seen),
            train_accuracy: self.at.right as f64 / seen,
            valid_loss: Number(valid.loss),
            valid_accuracy: valid.accuracy,
            valid_balanced_accuracy: Some(valid.balanced),
            seconds: self.at.seconds + began.elapsed().as_secs_f64(),
            waiting_seconds: Some(self.steps.waited()),
            genotype,
            alphas_normal,
            alphas_reduction,
        }))?;
        if let Some(reason) = self.searcher.end_epoch()? {
            self.control.emit(Body::SearchStopped { epoch, reason: reason.into() })?;
        }
        self.at = Position { epoch: epoch + 1, ..Position::default() };
        self.save()?;
        Ok(true)
    }

    fn save(&mut self) -> Result<(), EngineError> {
        let saved = Saved::of(&self.searcher.state()?, Some(self.searcher.mask()), &self.at, &self.control.seal)?;
        if !saved.is_finite() {
            return Err(self.not_finite("a weight"));
        }
        self.keeper.save(self.control, self.folder, &saved, &self.at)
    }
}
