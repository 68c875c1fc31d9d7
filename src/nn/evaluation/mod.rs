//! The evaluation network: a genotype as a network of its own, trained from scratch (DARTS, appendix A.2). Batch norms have
//! scale and shift, pools have no norm, edges other than the identity may be dropped (drop path), and an auxiliary head may
//! help the lower cells.
//!
//! Weights have the names of published checkpoints (`NetworkCIFAR`).

mod footprint;
pub(crate) mod joined;
mod maps;
mod on_gpu;
mod ops;
mod plan;

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::Tensor;

use self::joined::Joined;
use self::maps::{AuxiliaryPoolOp, NormOp, PoolOp, ReluOp, SumOp};
use self::on_gpu::NetworkOp;
use self::ops::{ConvolutionOp, ProjectOp};
use self::plan::{CellPlan, EdgePlan, Layer, Plan};
use super::gpu::Factors;
use super::head::HeadOp;
use super::norm::{Norm, Seen};
use super::parameters::Parameters;
use super::resident::Resident;
use super::{Init, NnError, check_pictures, stem};
use crate::kernels::gpu::Gpu;
use crate::random;
use crate::space::count::{self, Count, CountError, Network};
use crate::space::{CellKind, Genotype};

/// Size of an evaluation network.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluationConfig {
    pub genotype: Genotype,
    /// Width of the first cells' nodes.
    pub channels: usize,
    pub cells: usize,
    pub input_channels: usize,
    pub classes: usize,
    /// Whether the head after cell `2 · cells / 3` is there.
    pub auxiliary: bool,
}

impl EvaluationConfig {
    pub fn layout(&self) -> Vec<CellKind> {
        CellKind::published_layout(self.cells)
    }

    /// Parameters and multiply-accumulates for pictures of this size.
    ///
    /// # Errors
    /// A network of no size or too large, or an auxiliary head that does not fit its maps.
    pub fn count(&self, height: usize, width: usize) -> Result<Count, CountError> {
        let EvaluationConfig { channels, cells, input_channels, classes, auxiliary, .. } = *self;
        count::evaluation(
            &self.genotype,
            &Network { channels, cells, classes, input_channels, height, width, auxiliary },
        )
    }
}

/// Edges that are left out of a training pass, image by image (FractalNet; DARTS, appendix A.2.1): the kept ones are
/// scaled up. The draws of a step depend on nothing but its number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DropPath {
    /// Between 0 and 1 (exclusive).
    pub probability: f64,
    pub seed: u64,
    /// Epoch and step.
    pub at: [u64; 2],
}

/// What a pass computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EvaluationPass {
    /// Batch statistics, which the running ones learn from; gradients.
    Train(Option<DropPath>),
    /// Running statistics, no gradients.
    Test,
}

/// Logits `[N, classes]` of a pass, and those of the auxiliary head where it takes part.
#[derive(Clone, Debug)]
pub struct Logits {
    pub main: Tensor,
    pub auxiliary: Option<Tensor>,
}

/// An evaluation network, with all weights 0 at first.
pub struct Evaluation {
    config: EvaluationConfig,
    plan: Plan,
    parameters: Parameters,
    /// Where the passes run; on the CPU without.
    gpu: Option<(Gpu, Arc<Joined>)>,
}

/// The draws of drop path in one pass.
struct Drops {
    keep: f64,
    rng: rand_chacha::ChaCha8Rng,
}

impl Drops {
    fn new(drop: Option<DropPath>) -> Option<Drops> {
        let drop = drop.filter(|d| d.probability > 0.0)?;
        Some(Drops { keep: 1.0 - drop.probability, rng: random::stream_at(drop.seed, "drop_path", drop.at) })
    }

    /// What each image of an edge is multiplied with; `None` for the identity, which is never left out. To be asked edge by edge,
    /// from the first.
    fn factors(&mut self, edge: &EdgePlan, images: usize) -> Option<Vec<f32>> {
        use rand::RngExt;
        let keep = self.keep;
        let mut draw = || if self.rng.random::<f64>() < keep { (1.0 / keep) as f32 } else { 0.0 };
        (!edge.layers.is_empty()).then(|| (0..images).map(|_| draw()).collect())
    }
}

/// One pass under way.
struct Walk<'a> {
    net: &'a Evaluation,
    norm: Norm,
    tracked: bool,
    blocks: Vec<Tensor>,
    running: Vec<Arc<Vec<f32>>>,
    seen: Vec<Vec<Seen>>,
    drops: Option<Drops>,
}

impl Evaluation {
    /// # Errors
    /// A genotype that is none, or a network of no size.
    pub fn new(config: &EvaluationConfig) -> Result<Evaluation, NnError> {
        config.genotype.check().map_err(|e| NnError::Config(e.to_string()))?;
        if [config.channels, config.cells, config.input_channels, config.classes].contains(&0) {
            return Err(NnError::Config("an evaluation network needs channels, cells and classes".into()));
        }
        let plan = Plan::new(config);
        let parameters = Parameters::zeros(plan.units.clone())?;
        Ok(Evaluation { config: config.clone(), plan, parameters, gpu: None })
    }

    /// The same network with its passes on a GPU. Weights go to it with the first, and stay there.
    #[must_use]
    pub fn on(self, gpu: Option<Gpu>) -> Evaluation {
        let joined = |gpu| (gpu, Arc::new(Joined::new(&self.plan, &self.config)));
        Evaluation { gpu: gpu.map(joined), ..self }
    }

    pub fn config(&self) -> &EvaluationConfig {
        &self.config
    }

    /// Names and numbers of the parameters, the auxiliary head's among them, in blocks of one convolution or norm each.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Draws all weights anew (see [`Init`]), and forgets the running statistics.
    ///
    /// # Errors
    /// None but candle's own.
    pub fn initialise(&mut self, init: Init, seed: u64) -> Result<(), NnError> {
        self.parameters.initialise(init, seed)
    }

    /// Logits of pictures `[N, H, W, C]`.
    ///
    /// # Errors
    /// Pictures of another number of channels, or too small for the auxiliary head.
    pub fn forward(&self, images: &Tensor, pass: EvaluationPass) -> Result<Logits, NnError> {
        check_pictures(images, self.config.input_channels)?;
        let (norm, drop) = match pass {
            EvaluationPass::Train(drop) => (Norm::Batch, drop),
            EvaluationPass::Test => (Norm::Running, None),
        };
        let drops = Drops::new(drop);
        if let Some((gpu, joined)) = &self.gpu {
            return self.forward_on(gpu, joined, images, norm, drops);
        }
        let mut walk = Walk {
            net: self,
            norm,
            tracked: norm == Norm::Batch,
            blocks: self.parameters.blocks(norm == Norm::Batch)?,
            running: self.parameters.statistics(),
            seen: vec![Vec::new(); self.plan.units.len()],
            drops,
        };
        let logits = walk.logits(images)?;
        if norm == Norm::Batch {
            let seen = walk.seen;
            self.parameters.update_running(&seen);
        }
        Ok(logits)
    }
}

impl Evaluation {
    fn forward_on(
        &self,
        gpu: &Gpu,
        plan: &Arc<Joined>,
        images: &Tensor,
        norm: Norm,
        drops: Option<Drops>,
    ) -> Result<Logits, NnError> {
        let (n, h, w, _) = images.dims4()?;
        let trains = norm == Norm::Batch;
        if let Some(head) = plan.auxiliary.as_ref().filter(|_| trains) {
            let (h, w) = plan.cells[head.after].output_size(&plan.sizes([n, h, w])[head.after]);
            maps::check_auxiliary(h, w)?;
        }
        let statistics = self.parameters.statistics();
        let op = NetworkOp {
            gpu: self.parameters.on(gpu)?,
            plan: plan.clone(),
            norm,
            running: [statistics[0].to_vec(), statistics[1..].iter().flat_map(|r| r.iter().copied()).collect()],
            factors: self.drawn(drops, n),
            side: Arc::default(),
        };
        let side = op.side.clone();
        let logits = images.contiguous()?.apply_op2(&Resident::anchor(trains)?, op)?;
        if trains {
            let seen = std::mem::take(&mut side.lock().unwrap_or_else(PoisonError::into_inner).seen);
            self.parameters.update_running(&seen);
        }
        let auxiliary = (logits.dim(0)? > 1).then(|| logits.get(1)).transpose()?;
        Ok(Logits { main: logits.get(0)?, auxiliary })
    }

    /// All draws of a pass, in the order in which the CPU makes them.
    fn drawn(&self, drops: Option<Drops>, images: usize) -> Factors {
        let mut factors = Factors::default();
        let Some(mut drops) = drops else { return factors };
        for cell in &self.plan.cells {
            let mut places = Vec::with_capacity(cell.edges.len());
            for edge in &cell.edges {
                let own = drops.factors(edge, images);
                places.push(own.is_some().then_some(factors.numbers.len()));
                factors.numbers.extend(own.into_iter().flatten());
            }
            factors.places.push(places);
        }
        factors
    }
}

impl Walk<'_> {
    fn block(&self, unit: usize) -> Tensor {
        self.blocks[unit].clone()
    }

    fn logits(&mut self, images: &Tensor) -> Result<Logits, NnError> {
        let plan = &self.net.plan;
        let stem = self.stem(images)?;
        let (mut older, mut last) = (stem.clone(), stem);
        let mut auxiliary = None;
        for (i, cell) in plan.cells.iter().enumerate() {
            let output = self.cell(cell, &older, &last)?;
            (older, last) = (last, output);
            if let Some(head) = plan.auxiliary.as_ref().filter(|h| self.tracked && h.after == i) {
                let pooled = last.apply_op1(ReluOp)?.apply_op1(AuxiliaryPoolOp)?;
                // Averages of what is 0 or more: the ReLU of a projection changes nothing.
                let narrow = self.layers(&head.layers[..2], &pooled)?;
                let (n, h, w, c) = narrow.dims4()?;
                let wide = self.layers(&head.layers[2..], &narrow.reshape((n, 1, 1, h * w * c))?)?;
                auxiliary = Some(self.head(head.classifier, &wide.apply_op1(ReluOp)?)?);
            }
        }
        Ok(Logits { main: self.head(plan.classifier, &last)?, auxiliary })
    }

    fn head(&self, unit: usize, features: &Tensor) -> Result<Tensor, NnError> {
        Ok(features.apply_op2(&self.block(unit), HeadOp { classes: self.net.config.classes })?)
    }

    fn stem(&mut self, images: &Tensor) -> Result<Tensor, NnError> {
        let side = Arc::new(Mutex::new(stem::Side::default()));
        let op = stem::StemOp {
            plan: self.net.plan.stem.clone(),
            norm: self.norm,
            running: self.running[0].clone(),
            keep: self.tracked,
            side: side.clone(),
        };
        let out = images.contiguous()?.apply_op2(&self.block(0), op)?;
        self.seen[0] = std::mem::take(&mut side.lock().unwrap_or_else(PoisonError::into_inner).seen);
        Ok(out)
    }

    fn cell(&mut self, plan: &CellPlan, older: &Tensor, last: &Tensor) -> Result<Tensor, NnError> {
        let mut states = vec![self.layers(&plan.projections[0], older)?, self.layers(&plan.projections[1], last)?];
        for pair in plan.edges.chunks_exact(2) {
            let a = self.layers(&pair[0].layers, &states[pair[0].source])?;
            let b = self.layers(&pair[1].layers, &states[pair[1].source])?;
            let n = a.dim(0)?;
            let factors = [self.factors(&pair[0], n), self.factors(&pair[1], n)];
            states.push(a.apply_op2(&b, SumOp { factors })?);
        }
        let outputs: Vec<&Tensor> = plan.concat.iter().map(|s| &states[*s]).collect();
        Ok(Tensor::cat(&outputs, 3)?.contiguous()?)
    }

    /// What each image of an edge is multiplied with.
    fn factors(&mut self, edge: &EdgePlan, images: usize) -> Vec<f32> {
        let drawn = self.drops.as_mut().and_then(|d| d.factors(edge, images));
        drawn.unwrap_or_else(|| vec![1.0; images])
    }

    fn layers(&mut self, layers: &[Layer], x: &Tensor) -> Result<Tensor, NnError> {
        let mut x = x.clone();
        for layer in layers {
            x = match *layer {
                Layer::Convolution { unit, kernel, stride, dilation } => {
                    x.apply_op2(&self.block(unit), ConvolutionOp { kernel, stride, dilation })?
                }
                Layer::Projection { unit, outputs, halve } => {
                    x.apply_op2(&self.block(unit), ProjectOp { outputs, halve })?
                }
                Layer::Norm { unit } => self.normed(unit, &x)?,
                Layer::Pool { greatest, stride } => x.apply_op1(PoolOp { greatest, stride })?,
            };
        }
        Ok(x)
    }

    fn normed(&mut self, unit: usize, z: &Tensor) -> Result<Tensor, NnError> {
        let Some(name) = self.net.plan.units[unit].norms.first() else { return Ok(z.clone()) };
        let side = Arc::new(Mutex::new(maps::Side::default()));
        let op = NormOp { norm: self.norm, slot: name.slot, running: self.running[unit].clone(), side: side.clone() };
        let out = z.apply_op2(&self.block(unit), op)?;
        self.seen[unit] = std::mem::take(&mut side.lock().unwrap_or_else(PoisonError::into_inner).seen);
        Ok(out)
    }
}
