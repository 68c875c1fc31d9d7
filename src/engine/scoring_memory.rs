//! What scoring will need, known before anything runs: how many networks are evaluated side by side, and whether they share
//! what they have in common, so that it stays within the memory budget.

use super::error::EngineError;
use super::plan::DataShape;
use super::score::SHARING;
use super::score::cells::Sampler;
use super::score::short_training::BATCHES;
use super::setup::Setup;
use crate::nn::{PassBytes, Policy, Precision, SupernetConfig};
use crate::proxies::{self, CROP, CROPS, UnknownFunction};
use crate::run::config::{Config, Estimator};
use crate::space::{CellKind, Mask, Stacking, Stem};

/// How the networks of a round are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// At once.
    pub side_by_side: usize,
    /// Bytes that may go into what they have in common; 0: each is on its own.
    pub sharing: u64,
    /// Predicted peak over the idle process.
    pub bytes: u64,
}

/// What scoring asks for, whatever the budget is.
#[derive(Clone, Debug)]
pub struct Scoring<'a> {
    pub functions: &'a [&'static str],
    pub channels: usize,
    pub cells: &'a [CellKind],
    pub batch: usize,
    pub classes: usize,
    /// Of the pictures.
    pub input_channels: usize,
    pub height: usize,
    pub width: usize,
    /// Operations that take part.
    pub space: Mask,
    pub threads: usize,
    pub estimator: Estimator,
    /// What stands before the cells.
    pub stem: Stem,
}

/// Of every prediction: the program's small blocks, which nobody lists.
const SMALL: u64 = 2 << 20;

/// Bytes of a scoring, by part.
struct Parts {
    /// The whole network, the batch, the noise.
    base: u64,
    /// Each network that is evaluated, where it shares and where it is on its own.
    each: [u64; 2],
    /// Each thread's buffers.
    thread: u64,
    /// Maps that they share; 0 where no function can.
    shared: u64,
    weights: u64,
}

impl<'a> Scoring<'a> {
    /// What a run of these settings asks for on pictures of this shape; `functions` are those that they name, `cells` those of its
    /// proxy network.
    pub fn of(
        config: &'a Config,
        functions: &'a [&'static str],
        cells: &'a [CellKind],
        shape: DataShape,
        stem: Stem,
        threads: usize,
    ) -> Scoring<'a> {
        let score = &config.score;
        Scoring {
            functions,
            channels: score.channels,
            cells,
            batch: score.batch,
            classes: shape.classes,
            input_channels: shape.channels,
            height: shape.height,
            width: shape.width,
            space: config.space(),
            threads,
            estimator: score.estimator,
            stem,
        }
    }
}

impl Scoring<'_> {
    fn network(&self) -> SupernetConfig {
        SupernetConfig {
            channels: self.channels,
            classes: self.classes,
            input_channels: self.input_channels,
            layout: self.cells.to_vec(),
            stem_multiplier: self.space.space().stacking().stem(),
            stem: self.stem,
            mask: if self.estimator.samples() { Sampler::of(&self.space, 0).heaviest() } else { self.space },
            policy: Policy::Keep,
            precision: Precision::Float32,
        }
    }

    fn parts(&self) -> Parts {
        let network = self.network();
        let batch = network.pass_bytes(self.batch, self.height, self.width);
        let picture = 4 * (self.height * self.width * self.input_channels) as u64;
        let crops = || network.pass_bytes(CROPS, CROP.min(self.height), CROP.min(self.width));
        let one = || network.pass_bytes(1, self.height, self.width);
        let PassBytes { weights: w, forward, backward, forward_scratch, backward_scratch, remembered } = batch;
        let (mut thread, mut shared, mut own, mut kept, mut peak) = (forward_scratch, 0, false, 0, 0);
        let mut kept_pixels = 0;
        let needs = |name: &str| proxies::by_name(name).map(|f| f.needs()).unwrap_or_default();
        for name in self.functions {
            // What it takes for itself, beside the network.
            let (bytes, gradients) = match *name {
                "params" | "macs" | "trainable_layers" => continue,
                // Known there without a pass.
                "synflow_bn" if self.space.space().stacking() == Stacking::Darts => continue,
                // The numbers of the weights, read.
                "l2_norm" => (w, false),
                "naswot" | "nngp_frobenius" | "nngp_mean" | "nngp_condition" => {
                    shared = if self.estimator.in_rounds() { remembered } else { 0 };
                    (forward, false)
                }
                // The outputs of all blocks, and one of them centred.
                "az_expressivity" | "az_progressivity" => (forward + forward / 2, false),
                // The last map once more.
                "nngp_eigenvalue" => (forward + forward / 8, false),
                // A word for each unit of a picture, twice.
                "swap" => (forward + forward / 8, false),
                // One picture's maps in float64, three times.
                "meco" => (2 * one().forward, false),
                // What the cells keep, a cell's own way back, and what was sent and received.
                "mean_jacobian" | "az_trainability" => (backward + forward / 2, true),
                // Weights, gradients and values of two passes over half of the pictures.
                "zico" => (backward / 2 + 5 * w, true),
                // Weights of its own, and two passes' results.
                "zen" => (w + forward + forward / 8, false),
                "relu_regions" => {
                    let crops = crops();
                    thread = thread.max(crops.forward_scratch);
                    (crops.forward, false)
                }
                // Positive weights, the same at another level, and a copy of the network that has them.
                "synflow" | "logsynflow" => (6 * w + one().backward, true),
                // Maps in float64 with their derivatives.
                name if needs(name).curvature => {
                    (w + network.curvature_bytes(self.batch, self.height, self.width), false)
                }
                name if needs(name).float64 => (w + network.constant_bytes(self.batch, self.height, self.width), false),
                // Positive weights in a network of its own.
                "synflow_bn" => (4 * w + one().backward, true),
                // Weights, what a picture gives to their gradient, and this once more by block.
                "fisher" => (backward + 3 * w, true),
                // The gradients of every picture.
                name if needs(name).each_picture => (backward + (self.batch as u64 + 3) * w, true),
                // The pixels' gradients of every picture, in float64, by themselves, centred.
                name if needs(name).pixels => {
                    kept_pixels = 2 * self.batch as u64 * picture;
                    (backward + 8 * self.batch as u64 * picture, true)
                }
                // `snip`, `grad_norm`, and what there may be more: values and gradients stay for the next function.
                _ => {
                    kept = 2 * w;
                    (backward + 3 * w, true)
                }
            };
            own |= !matches!(*name, "naswot" | "nngp_frobenius" | "nngp_mean" | "nngp_condition");
            if gradients {
                thread = thread.max(backward_scratch);
            }
            peak = peak.max(bytes);
        }
        // Sampled cells are cut from nothing.
        let base = SMALL + (self.batch as u64) * 4 * picture;
        let base = if self.estimator.in_rounds() { base + w } else { base };
        if self.estimator == Estimator::ShortTraining {
            return self.trained(base, picture);
        }
        let each = [if own || shared == 0 { w } else { 0 }, w].map(|network| network + kept + kept_pixels + peak);
        Parts { base, each, thread, shared, weights: w }
    }

    /// Of cells with weights that are trained before: the supernet with the gradients and the momentum of its weights, while no cell
    /// is evaluated; then its weights, the pictures that the losses are of, and the cells.
    fn trained(&self, base: u64, picture: u64) -> Parts {
        let whole = SupernetConfig { mask: self.space, ..self.network() };
        let whole = whole.pass_bytes(self.batch, self.height, self.width);
        let cell = self.network().pass_bytes(self.batch, self.height, self.width);
        let training = whole.backward + 4 * whole.weights + self.threads as u64 * whole.backward_scratch;
        let told = BATCHES * (self.batch as u64 + CROPS as u64) * 4 * picture;
        // Both are counted: what training had need not have gone back.
        let base = base + whole.weights + told + training;
        let each = [cell.weights + cell.forward; 2];
        Parts { base, each, thread: cell.forward_scratch, shared: 0, weights: cell.weights }
    }

    /// The fastest way that is predicted to stay within the budget; an error with the least bytes where there is none.
    ///
    /// # Errors
    /// The bytes of the leanest way, which are too many.
    pub fn within(&self, budget: Option<u64>) -> Result<Room, u64> {
        let parts = self.parts();
        let most = self.threads.max(1);
        let bytes = |n: usize, sharing: u64| {
            let shared = if sharing > 0 { parts.shared + parts.weights } else { 0 };
            let each = parts.each[usize::from(sharing == 0)];
            let all = parts.base + shared + n as u64 * each + self.threads as u64 * parts.thread;
            all + all / 32
        };
        let shared = Some(parts.shared).filter(|s| (1..=SHARING).contains(s));
        let together = shared.into_iter().flat_map(|s| (1..=most).rev().map(move |n| (n, s)));
        let apart = (1..=most).rev().map(|n| (n, 0));
        let mut least = u64::MAX;
        for (side_by_side, sharing) in together.chain(apart) {
            let bytes = bytes(side_by_side, sharing);
            if budget.is_none_or(|budget| bytes <= budget) {
                return Ok(Room { side_by_side, sharing, bytes });
            }
            least = least.min(bytes);
        }
        Err(least)
    }

    /// What is to be told where nothing fits.
    fn ways_out(&self, budget: u64, least: u64) -> String {
        let fits = |other: &Scoring| other.within(Some(budget)).is_ok();
        let halves = |n: usize| std::iter::successors(Some(n / 2), |n| Some(n / 2)).take_while(|n| *n > 0);
        let mut ways = Vec::new();
        if let Some(batch) =
            halves(self.batch).take_while(|n| *n > 1).find(|n| fits(&Scoring { batch: *n, ..self.clone() }))
        {
            ways.push(format!("score.batch = {batch}"));
        }
        let narrowest = self.stem.least_channels();
        if let Some(channels) =
            halves(self.channels).filter(|n| *n >= narrowest).find(|n| fits(&Scoring { channels: *n, ..self.clone() }))
        {
            ways.push(format!("score.channels = {channels}"));
        }
        let fewer = |n: &usize| fits(&Scoring { cells: &self.cells[..*n], ..self.clone() });
        if let Some(cells) = (1..self.cells.len()).rev().find(fewer) {
            ways.push(format!("only the first {cells} of score.cells"));
        }
        let mib = |b: u64| b.div_ceil(1 << 20);
        let ways = if ways.is_empty() { "a smaller proxy network".into() } else { ways.join(", or ") };
        format!(
            "scoring needs about {} MiB and may take {} MiB; what would fit: {ways}; or raise device.memory_budget",
            mib(least),
            mib(budget)
        )
    }
}

/// How a run scores within its budget.
///
/// # Errors
/// It can't, with the ways out.
pub(super) fn room(setup: &Setup) -> Result<Room, EngineError> {
    let functions: Vec<&'static str> = setup.functions.iter().map(|f| f.name()).collect();
    let (cells, shape) = (setup.config.proxy_cells(), DataShape::of(setup.dataset.summary()));
    let scoring = Scoring::of(setup.config, &functions, &cells, shape, setup.stem, setup.threads);
    if setup.gpu.is_some() {
        // A GPU that is full says so, and ends nobody: there is nothing to refuse beforehand.
        return Ok(Room { side_by_side: setup.threads, sharing: 0, bytes: 0 });
    }
    scoring
        .within(setup.budget)
        .map_err(|least| EngineError::TooLittle(scoring.ways_out(setup.budget.unwrap_or(0), least)))
}

/// Predicted peak bytes of scoring on the CPU, over the idle process: as it is fastest, or with `lean` as the least that it can do
/// with.
///
/// # Errors
/// A ranking function that there is not.
pub fn scoring_bytes(config: &Config, shape: DataShape, threads: usize, lean: bool) -> Result<u64, UnknownFunction> {
    let functions = config.score.functions.iter().map(|n| Ok(proxies::by_name(n)?.name()));
    let functions: Vec<&'static str> = functions.collect::<Result<_, _>>()?;
    let (cells, stem) = (config.proxy_cells(), stem(config, shape));
    let scoring = Scoring::of(config, &functions, &cells, shape, stem, threads);
    Ok(match scoring.within(lean.then_some(0)) {
        Ok(room) => room.bytes,
        Err(least) => least,
    })
}

/// What stands before the cells of a proxy network.
pub(super) fn stem(config: &Config, shape: DataShape) -> Stem {
    config.search.stem.stem(config.full().space().stacking(), shape.height, shape.width)
}
