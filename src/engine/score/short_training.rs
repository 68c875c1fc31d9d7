//! Scores by a short training: the supernet is trained for a few steps, all operations of an edge counting alike, and random cells
//! with those weights are told by their loss on other pictures. The [regression](super::cells) then says what each operation adds.
//!
//! Cells and not leaving out: a supernet of a few steps loses by one operation of seven less than from one batch to the next.

use candle_core::{D, DType};
use candle_nn::loss::cross_entropy;
use rayon::prelude::*;

use super::{Evaluator, Proxy};
use crate::nn::{Mixing, NnError, Norm, Pass, Supernet};
use crate::oneshot::{Sgd, SgdSettings};
use crate::proxies::Draw;
use crate::space::{CellKind, Mask, Operation, Place};

/// The one value of a cell.
pub const LOSS: &str = "validation_loss";

/// Batches that the loss is the mean of.
pub const BATCHES: u64 = 4;

/// Where the numbers of the batches begin that are trained on and told by: those of other estimators' draws are below.
const TRAINING: u64 = 1 << 40;
const VALIDATION: u64 = 1 << 41;

/// Steps of a draw at most; its batches are numbered one after another.
pub const MOST_STEPS: usize = 100_000;

/// As DARTS trains its supernet.
const SGD: SgdSettings = SgdSettings { momentum: 0.9, weight_decay: 3e-4, clip: 5.0, nesterov: false };
const RATE: f64 = 0.025;

/// Evaluates cells with the weights of a draw after so many steps.
pub struct TrainedEvaluator<B> {
    proxy: Proxy,
    space: Mask,
    steps: usize,
    seed: u64,
    threads: usize,
    batch: B,
    gpu: Option<crate::kernels::gpu::Gpu>,
    opened: Option<(Supernet, Vec<Draw>)>,
}

impl<B> TrainedEvaluator<B> {
    /// `batch` makes the pictures of a number, different ones for different numbers.
    pub fn new(proxy: Proxy, space: Mask, steps: usize, seed: u64, threads: usize, batch: B) -> TrainedEvaluator<B> {
        TrainedEvaluator { proxy, space, steps, seed, threads, batch, gpu: None, opened: None }
    }

    /// Trains and evaluates there; without, on the CPU.
    #[must_use]
    pub fn on(self, gpu: Option<crate::kernels::gpu::Gpu>) -> TrainedEvaluator<B> {
        TrainedEvaluator { gpu, ..self }
    }
}

impl<B, E> Evaluator for TrainedEvaluator<B>
where
    B: FnMut(u64) -> Result<Draw, E> + Sync,
    E: From<NnError> + Send,
{
    type Error = E;

    fn functions(&self) -> usize {
        1
    }

    fn name(&self, _: usize) -> &str {
        LOSS
    }

    fn has(&self, kind: CellKind) -> bool {
        self.proxy.layout.contains(&kind)
    }

    fn difference(&self, _: usize, base: f64, without: f64) -> f64 {
        (without - base) / base.abs()
    }

    fn turned(&self, _: usize, value: f64) -> f64 {
        -value
    }

    fn parallel(&self) -> usize {
        self.threads
    }

    fn baseline(&mut self, _: &Mask, _: u64) -> Result<Vec<f64>, E> {
        Err(NnError::Config("a short training tells of sampled cells only".into()).into())
    }

    fn without(&self, _: &[Place]) -> Result<Vec<Vec<f64>>, E> {
        Err(NnError::Config("a short training tells of sampled cells only".into()).into())
    }

    fn open(&mut self, draw: u64) -> Result<(), E> {
        self.opened = None;
        // Cells have `none` where they have no edge: the supernet has it, and it counts for nothing.
        let mut whole = self.space;
        self.space.space().full().places().filter(|p| p.operation == Operation::None).for_each(|p| whole.set(p, true));
        let net = self.proxy.network(&whole, self.seed, draw)?.on(self.gpu.clone());
        let mut sgd = Sgd::new(SGD);
        for step in 0..self.steps as u64 {
            let pictures = (self.batch)(TRAINING + draw * MOST_STEPS as u64 + step)?;
            train(&net, &self.space, &mut sgd, &pictures)?;
        }
        let told = (0..BATCHES).map(|n| (self.batch)(VALIDATION + draw * BATCHES + n));
        let told: Vec<Draw> = told.collect::<Result<_, _>>()?;
        self.opened = Some((net, told));
        Ok(())
    }

    fn cells(&self, masks: &[Mask]) -> Result<Vec<Vec<f64>>, E> {
        let Some((net, told)) = &self.opened else {
            return Err(NnError::Config("cells need the weights of a draw first".into()).into());
        };
        let one = |mask: &Mask| {
            let cell = net.masked(mask)?;
            let mixing = Mixing::uniform(mask).map_err(NnError::from)?;
            let losses: Result<Vec<f64>, NnError> =
                told.iter().map(|pictures| loss(&cell, &mixing, pictures)).collect();
            let losses = losses?;
            Ok(vec![losses.iter().sum::<f64>() / losses.len() as f64])
        };
        masks.par_iter().map(one).collect()
    }
}

/// One step of the weights; none where the loss is not finite, which the cells then tell.
fn train(net: &Supernet, space: &Mask, sgd: &mut Sgd, pictures: &Draw) -> Result<(), NnError> {
    let mixing = Mixing::uniform(space)?;
    let pass = Pass { update_running: false, ..Pass::weight_step() };
    let logits = net.forward(&pictures.images, &mixing, &pass)?;
    let loss = cross_entropy(&logits, &pictures.labels)?;
    if !loss.to_dtype(DType::F64)?.to_scalar::<f64>()?.is_finite() {
        return Ok(());
    }
    let gradients = loss.backward()?;
    drop((loss, logits));
    sgd.step(RATE, net.parameters(), gradients)?;
    Ok(())
}

/// Mean cross entropy with the statistics of the batch.
fn loss(net: &Supernet, mixing: &Mixing, pictures: &Draw) -> Result<f64, NnError> {
    let pass = Pass { norm: Norm::Batch, ..Pass::observe() };
    let logits = net.forward(&pictures.images, mixing, &pass)?.to_dtype(DType::F64)?;
    let logged = candle_nn::ops::log_softmax(&logits, D::Minus1)?;
    let own = logged.gather(&pictures.labels.unsqueeze(1)?, 1)?;
    Ok(-own.mean_all()?.to_scalar::<f64>()?)
}
