//! The network of which every edge is a mixture of its kept operations.

use std::sync::Arc;

use candle_core::Tensor;

use super::layout::BlockLayout;
use super::network::End;
use super::network_op;
use super::norm::Norm;
use super::parameters::Parameters;
use super::plan::NetworkPlan;
use super::{Init, Mixing, NnError, Policy, Probe, Remembered, check_pictures, remembered, with_slices};
use crate::kernels::gpu::{Gpu, Precision};
use crate::space::{CellKind, Mask, Stem};

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
    /// What stands before the cells; networks of NAS-Bench-201's kind have the plain one.
    pub stem: Stem,
    /// Operations that exist; the others are neither allocated nor run.
    pub mask: Mask,
    pub policy: Policy,
    /// How a GPU keeps the maps between operations; the CPU has float32 alone.
    pub precision: Precision,
}

/// The network of which every edge is a mixture of its kept operations.
pub struct Supernet {
    config: SupernetConfig,
    plan: NetworkPlan,
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
    /// Gradients of the pictures are wanted; on the CPU only.
    pub images: bool,
    /// Take the batch's statistics into the running ones.
    pub update_running: bool,
    /// More than one backward pass will follow: keep what the first would free.
    pub retain: bool,
    pub probe: Option<Arc<dyn Probe>>,
}

impl Pass {
    /// Training mode, gradients of the weights: a weight step.
    pub fn weight_step() -> Pass {
        Pass {
            norm: Norm::Batch,
            weights: true,
            mixing: false,
            images: false,
            update_running: true,
            retain: false,
            probe: None,
        }
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
        if !config.stem.suits(config.mask.space().stacking()) {
            return refuse("networks of NAS-Bench-201's kind have the stem `cifar`");
        }
        if config.channels < config.stem.least_channels() {
            return refuse("the stem `imagenet` needs at least 2 channels");
        }
        config.mask.check().map_err(|e| NnError::Config(e.to_string()))?;
        let plan = NetworkPlan::of_supernet(config);
        let parameters = Parameters::zeros(plan.layouts().cloned().collect())?;
        Ok(Supernet { config: config.clone(), plan, parameters, gpu: None, remembered: 0 })
    }

    /// The same network with its passes on a GPU. Weights go to it with the first, and stay there.
    #[must_use]
    pub fn on(self, gpu: Option<Gpu>) -> Supernet {
        Supernet { gpu, ..self }
    }

    /// Whether its passes run on a GPU.
    pub fn is_on_gpu(&self) -> bool {
        self.gpu.is_some()
    }

    /// The same network, which may spend so many bytes on a pass that others share.
    #[must_use]
    pub fn remembering(self, bytes: usize) -> Supernet {
        Supernet { remembered: bytes, ..self }
    }

    pub(super) fn plan(&self) -> &NetworkPlan {
        &self.plan
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
        let mut total = self.plan.stem.macs((height, width)) as u64;
        total += weights(&self.plan.classifier);
        for (plan, sizes) in self.plan.cells.iter().zip(&self.plan.sizes([1, height, width])) {
            for (i, entry) in plan.entries.iter().enumerate() {
                total += entry.macs(sizes.input(i, plan.inputs())) as u64;
            }
            let (h, w) = plan.output_size(sizes);
            let branches = plan.edges.iter().flat_map(|e| &e.branches);
            total += branches.map(|b| (b.weights() * h * w) as u64).sum::<u64>();
        }
        total
    }

    /// Draws all weights anew (see [`Init`]), and forgets the running statistics.
    ///
    /// # Errors
    /// A tensor operation that fails.
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
        if self.gpu.is_some() || remembered::bytes(&self.plan, [n, h, w]) > self.remembered {
            return Ok(None);
        }
        let (parameters, noise) = (self.parameters.values()?, self.parameters.noise());
        with_slices([images], |[x]| Remembered::new(self.plan.clone(), [n, h, w], x, parameters, mixing, noise, probe))?
            .map(Some)
    }

    /// Shows the last output of the stem (0) and that of every cell (1, 2, …), `[N, H, W, C]` each, to `each`.
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
        let gpu = self.gpu.as_ref().map(|gpu| self.parameters.on(gpu)).transpose()?;
        let of = network_op::Run { plan: &self.plan, parameters: &self.parameters, policy: self.config.policy };
        of.on(gpu, self.config.precision, images, Some(mixing), pass, end, None, trace)
    }
}
