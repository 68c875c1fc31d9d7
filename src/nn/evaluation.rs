//! The evaluation network: a genotype as a network of its own, trained from scratch (DARTS, appendix A.2). Batch norms have
//! scale and shift, pools have no norm, edges other than the identity may be dropped (drop path), and an auxiliary head may
//! help the lower cells.
//!
//! Weights have the names of published checkpoints (`NetworkCIFAR`, `NetworkImageNet`).

use candle_core::Tensor;

use super::drop_path::{DropPath, Factors};
use super::network::End;
use super::norm::Norm;
use super::parameters::Parameters;
use super::plan::NetworkPlan;
use super::{Init, NnError, Pass, Policy, auxiliary, check_pictures, network_op};
use crate::kernels::gpu::{Gpu, Precision};
use crate::space::count::{self, Count, CountError, Network};
use crate::space::{CellKind, Genotype, Stem};

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
    /// What stands before the cells; networks of NAS-Bench-201's kind have the plain one.
    pub stem: Stem,
}

impl EvaluationConfig {
    pub fn layout(&self) -> Vec<CellKind> {
        self.genotype.layout(self.cells)
    }

    /// Parameters and multiply-accumulates for pictures of this size.
    ///
    /// # Errors
    /// A network of no size or too large, or an auxiliary head that does not fit its maps.
    pub fn count(&self, height: usize, width: usize) -> Result<Count, CountError> {
        let EvaluationConfig { channels, cells, input_channels, classes, auxiliary, stem, .. } = *self;
        count::evaluation(
            &self.genotype,
            &Network { channels, cells, classes, input_channels, height, width, auxiliary, stem },
        )
    }
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
    plan: NetworkPlan,
    parameters: Parameters,
    policy: Policy,
    /// Where the passes run; on the CPU without.
    gpu: Option<Gpu>,
}

impl Evaluation {
    /// # Errors
    /// A genotype that is none, or a network of no size.
    pub fn new(config: &EvaluationConfig) -> Result<Evaluation, NnError> {
        config.genotype.check().map_err(|e| NnError::Config(e.to_string()))?;
        if [config.channels, config.cells, config.input_channels, config.classes].contains(&0) {
            return Err(NnError::Config("an evaluation network needs channels, cells and classes".into()));
        }
        if !config.stem.suits(config.genotype.stacking) {
            return Err(NnError::Config("networks of NAS-Bench-201's kind have the stem `cifar`".into()));
        }
        if config.channels < config.stem.least_channels() {
            return Err(NnError::Config("the stem `imagenet` needs at least 2 channels".into()));
        }
        let plan = NetworkPlan::of_genotype(config);
        let parameters = Parameters::zeros(plan.layouts().cloned().collect())?;
        Ok(Evaluation { config: config.clone(), plan, parameters, policy: Policy::Keep, gpu: None })
    }

    /// The same network, whose passes keep this for the way back.
    #[must_use]
    pub fn keeping(self, policy: Policy) -> Evaluation {
        Evaluation { policy, ..self }
    }

    /// The same network with its passes on a GPU. Weights go to it with the first, and stay there.
    #[must_use]
    pub fn on(self, gpu: Option<Gpu>) -> Evaluation {
        Evaluation { gpu, ..self }
    }

    pub fn config(&self) -> &EvaluationConfig {
        &self.config
    }

    pub(super) fn plan(&self) -> &NetworkPlan {
        &self.plan
    }

    /// Names and numbers of the parameters, the auxiliary head's among them, by block: the stem, each cell, the auxiliary head, the classifier.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Draws all weights anew (see [`Init`]), and forgets the running statistics.
    ///
    /// # Errors
    /// A tensor operation that fails.
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
        let (n, h, w, _) = images.dims4()?;
        let trains = norm == Norm::Batch;
        if let Some(head) = self.plan.auxiliary.as_ref().filter(|_| trains) {
            let (h, w) = self.plan.cells[head.after].output_size(&self.plan.sizes([n, h, w])[head.after]);
            auxiliary::check(h, w, self.config.stem)?;
        }
        let factors = Factors::drawn(&self.plan, drop, n);
        let pass = if trains { Pass::weight_step() } else { Pass::evaluate() };
        let gpu = self.gpu.as_ref().map(|gpu| self.parameters.on(gpu)).transpose()?;
        let of = network_op::Run { plan: &self.plan, parameters: &self.parameters, policy: self.policy };
        let logits = of.on(gpu, Precision::Float32, images, None, &pass, End::AllLogits, Some(factors), false)?.0;
        let auxiliary = (logits.dim(0)? > 1).then(|| logits.get(1)).transpose()?;
        Ok(Logits { main: logits.get(0)?, auxiliary })
    }
}
