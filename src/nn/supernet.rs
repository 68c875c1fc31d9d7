use std::sync::{Arc, Mutex, PoisonError};

use candle_core::Tensor;

use super::cell::CellSizes;
use super::head;
use super::layout::{BlockLayout, CellPlan, CellShape};
use super::network::{End, NetworkPlan};
use super::network_op::{self, NetworkOp};
use super::norm::Norm;
use super::parameters::Parameters;
use super::resident::Resident;
use super::stem::StemPlan;
use super::{Init, Mixing, NnError, Policy, Probe, Remembered, check_pictures, remembered, with_slices};
use crate::kernels::gpu::{Gpu, Precision};
use crate::space::{CellKind, Mask, NODES};

/// What a supernet is built from.
#[derive(Clone, Debug, PartialEq)]
pub struct SupernetConfig {
    /// Width of the first cells' nodes.
    pub channels: usize,
    pub classes: usize,
    /// Channels of the pictures.
    pub input_channels: usize,
    /// The cells, in order.
    pub layout: Vec<CellKind>,
    /// The stem has `stem_multiplier * channels` channels; 3 in the published code.
    pub stem_multiplier: usize,
    /// Operations that exist; the others are neither allocated nor run.
    pub mask: Mask,
    pub policy: Policy,
    /// How a GPU keeps the maps between operations; the CPU has float32 alone.
    pub precision: Precision,
}

impl SupernetConfig {
    pub(crate) fn stem_plan(&self) -> StemPlan {
        StemPlan::new(self.input_channels, self.stem_multiplier * self.channels)
    }

    pub(crate) fn cell_plans(&self) -> Vec<CellPlan> {
        let shapes = CellShape::stack(self.channels, self.stem_multiplier * self.channels, &self.layout);
        shapes.into_iter().enumerate().map(|(i, shape)| CellPlan::new(i, shape, &self.mask)).collect()
    }

    /// Layout of the classifier behind these cells.
    pub(crate) fn head_layout(&self, cells: &[CellPlan]) -> BlockLayout {
        head::layout("classifier", NODES * cells.last().map_or(self.channels, |c| c.shape.channels), self.classes)
    }
}

/// The network of which every edge is a mixture of its kept operations.
pub struct Supernet {
    config: SupernetConfig,
    stem: Arc<StemPlan>,
    cells: Vec<Arc<CellPlan>>,
    /// By block: the stem, each cell, the classifier.
    parameters: Parameters,
    /// Where the passes run; on the CPU without.
    gpu: Option<Gpu>,
    /// Bytes that [`Supernet::remember`] may spend.
    remembered: usize,
}

/// How to run the network.
#[derive(Clone)]
pub struct Pass {
    pub norm: Norm,
    /// Gradients of the weights are wanted.
    pub weights: bool,
    /// Gradients of the mixing weights are wanted.
    pub mixing: bool,
    /// Take the batch's statistics into the running ones.
    pub update_running: bool,
    /// More than one backward pass will follow: keep what the first would free.
    pub retain: bool,
    pub probe: Option<Arc<dyn Probe>>,
}

impl Pass {
    /// Training mode, gradients of the weights: a weight step.
    pub fn weight_step() -> Pass {
        Pass { norm: Norm::Batch, weights: true, mixing: false, update_running: true, retain: false, probe: None }
    }

    /// Training mode, gradients of the mixing weights only: an architecture step.
    pub fn architecture_step() -> Pass {
        Pass { weights: false, mixing: true, ..Pass::weight_step() }
    }

    /// Statistics of the batch, no gradients, nothing remembered: ranking functions.
    pub fn observe() -> Pass {
        Pass { weights: false, mixing: false, update_running: false, ..Pass::weight_step() }
    }

    /// Evaluation mode.
    pub fn evaluate() -> Pass {
        Pass { norm: Norm::Running, ..Pass::observe() }
    }
}

impl Supernet {
    /// A network with all weights 0; [`Supernet::initialise`] or [`Supernet::load`] fill them.
    ///
    /// # Errors
    /// A configuration that is no network, an edge without operations.
    pub fn new(config: &SupernetConfig) -> Result<Supernet, NnError> {
        let refuse = |what: &str| Err(NnError::Config(what.to_string()));
        if config.channels == 0 || config.stem_multiplier == 0 {
            return refuse("a supernet needs at least 1 channel");
        }
        if config.layout.is_empty() {
            return refuse("a supernet needs at least 1 cell");
        }
        if config.classes == 0 || config.input_channels == 0 {
            return refuse("a supernet needs at least 1 class and 1 input channel");
        }
        if config.layout.iter().filter(|k| **k == CellKind::Reduction).count() > 16 {
            return refuse("a supernet takes at most 16 reduction cells: each doubles the width");
        }
        config.mask.check().map_err(|e| NnError::Config(e.to_string()))?;
        let (stem, cells) = (config.stem_plan(), config.cell_plans());
        let head = config.head_layout(&cells);
        let cells: Vec<_> = cells.into_iter().map(Arc::new).collect();
        let layouts = std::iter::once(&stem.layout).chain(cells.iter().map(|c| &c.layout)).chain([&head]);
        let parameters = Parameters::zeros(layouts.cloned().collect())?;
        Ok(Supernet { config: config.clone(), stem: Arc::new(stem), cells, parameters, gpu: None, remembered: 0 })
    }

    /// The same network with its passes on a GPU. Weights go to it with the first, and stay there.
    #[must_use]
    pub fn on(self, gpu: Option<Gpu>) -> Supernet {
        Supernet { gpu, ..self }
    }

    /// The same network, which may spend so many bytes on a pass that others share.
    #[must_use]
    pub fn remembering(self, bytes: usize) -> Supernet {
        Supernet { remembered: bytes, ..self }
    }

    pub fn config(&self) -> &SupernetConfig {
        &self.config
    }

    /// Names, places and numbers, by block: the stem, each cell, the classifier.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Multiply-accumulates of all convolutions and the classifier for one picture of `height` x `width` pixels.
    pub fn macs(&self, height: usize, width: usize) -> u64 {
        let weights = |layout: &BlockLayout| {
            layout.slots.iter().filter(|s| s.kind.is_weight()).map(|s| s.len() as u64).sum::<u64>()
        };
        let mut total = weights(&self.stem.layout) * (height * width) as u64;
        total += self.parameters.layouts().last().map_or(0, weights);
        let sizes = CellSizes::along(self.cells.iter().map(Arc::as_ref), [1, height, width]);
        for (plan, sizes) in self.cells.iter().zip(&sizes) {
            for (i, range) in plan.projections.iter().enumerate() {
                let p = plan.shape.projection(i, sizes.inputs[i].0, sizes.inputs[i].1);
                total += (range.len() * p.pixels()) as u64;
            }
            let (h, w) = plan.output_size(sizes);
            let branches = plan.edges.iter().flat_map(|e| &e.branches);
            total += branches.map(|b| (b.len * h * w) as u64).sum::<u64>();
        }
        total
    }

    /// Draws all weights anew (see [`Init`]), and forgets the running statistics.
    ///
    /// # Errors
    /// None but candle's own.
    pub fn initialise(&mut self, init: Init, seed: u64) -> Result<(), NnError> {
        self.parameters.initialise(init, seed)
    }

    /// The same network with fewer operations, weights copied.
    ///
    /// # Errors
    /// A mask that keeps what this network has not, or nothing on an edge.
    pub fn masked(&self, mask: &Mask) -> Result<Supernet, NnError> {
        if mask.and(&self.config.mask) != *mask {
            return Err(NnError::Config("a cut network can't have operations that its source lacks".into()));
        }
        let cut = Supernet::new(&SupernetConfig { mask: *mask, ..self.config.clone() })?;
        let cut = cut.on(self.gpu.clone());
        cut.parameters.take_from(&self.parameters)?;
        Ok(cut)
    }

    /// Logits `[N, classes]` of pictures `[N, H, W, C]`.
    ///
    /// # Errors
    /// Pictures of another number of channels, or candle's own.
    pub fn forward(&self, images: &Tensor, mixing: &Mixing, pass: &Pass) -> Result<Tensor, NnError> {
        Ok(self.run(images, mixing, pass, End::Logits, false)?.0)
    }

    /// Output of the last cell, `[N, H', W', C']`, before the global average.
    ///
    /// # Errors
    /// As [`Supernet::forward`].
    pub fn features(&self, images: &Tensor, mixing: &Mixing, pass: &Pass) -> Result<Tensor, NnError> {
        Ok(self.run(images, mixing, pass, End::Features, false)?.0)
    }

    /// A pass with statistics of the batch whose parts passes of networks that lack one operation share. `probe` makes those who
    /// watch its ReLUs. `None` where each network has a pass of its own: on a GPU, and where the maps would take more than [`Supernet::remembering`] allows.
    ///
    /// # Errors
    /// As [`Supernet::forward`].
    pub fn remember<P: Probe + 'static>(
        &self,
        images: &Tensor,
        mixing: &Mixing,
        probe: impl Fn() -> P + Send + Sync + 'static,
    ) -> Result<Option<Remembered<P>>, NnError> {
        check_pictures(images, self.config.input_channels)?;
        let (n, h, w, _) = images.dims4()?;
        if self.gpu.is_some() || remembered::bytes(&self.plan(), [n, h, w]) > self.remembered {
            return Ok(None);
        }
        let parameters = self.parameters.values()?;
        with_slices([images], |[x]| Remembered::new(self.plan(), [n, h, w], x, parameters, mixing, probe))?.map(Some)
    }

    /// Shows the output of the stem (0) and of every cell (1, 2, …), `[N, H, W, C]` each, to `each`.
    ///
    /// # Errors
    /// As [`Supernet::forward`].
    pub fn trace(
        &self,
        images: &Tensor,
        mixing: &Mixing,
        pass: &Pass,
        mut each: impl FnMut(usize, &Tensor),
    ) -> Result<(), NnError> {
        let (last, outputs) = self.run(images, mixing, pass, End::Features, true)?;
        let count = outputs.len().saturating_sub(1);
        for (i, (values, shape)) in outputs.into_iter().enumerate().take(count) {
            each(i, &Tensor::from_vec(values, &shape, images.device())?);
        }
        each(count, &last);
        Ok(())
    }

    fn plan(&self) -> NetworkPlan {
        NetworkPlan { stem: self.stem.clone(), cells: self.cells.clone(), classes: self.config.classes }
    }

    /// A pass: its result and, for a `trace`, the output of every block.
    fn run(
        &self,
        images: &Tensor,
        mixing: &Mixing,
        pass: &Pass,
        end: End,
        trace: bool,
    ) -> Result<(Tensor, Vec<network_op::Output>), NnError> {
        check_pictures(images, self.config.input_channels)?;
        let side = Arc::new(Mutex::new(network_op::Side::default()));
        let gpu = self.gpu.as_ref().map(|gpu| self.parameters.on(gpu)).transpose()?;
        let mut blocks = Vec::new();
        let parameters = match (&gpu, pass.weights) {
            (Some(_), tracked) => Resident::anchor(tracked)?,
            (None, true) => Tensor::cat(&self.parameters.blocks(true)?, 0)?,
            (None, false) => {
                blocks = self.parameters.blocks(false)?;
                Resident::anchor(false)?
            }
        };
        let op = NetworkOp {
            blocks,
            gpu,
            plan: self.plan(),
            pass: pass.clone(),
            policy: self.config.policy,
            precision: self.config.precision,
            running: self.parameters.statistics(),
            end,
            trace,
            side: side.clone(),
        };
        let mixing = Tensor::cat(&[&mixing.normal.flatten_all()?, &mixing.reduction.flatten_all()?], 0)?;
        let output = images.contiguous()?.apply_op3(&parameters, &mixing, op)?;
        let (seen, outputs) = {
            let mut side = side.lock().unwrap_or_else(PoisonError::into_inner);
            (std::mem::take(&mut side.seen), std::mem::take(&mut side.outputs))
        };
        if NetworkOp::updates(pass) {
            self.parameters.update_running(&seen.fetch()?);
        }
        Ok((output, outputs))
    }
}
