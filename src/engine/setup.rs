use std::sync::Arc;

use candle_core::Tensor;

use super::EngineError;
use super::plan::{self, DataShape, Planner};
use crate::data::{self, Augment, Dataset, Halves};
use crate::device::{Device, NoGpu};
use crate::kernels::gpu::{self, Gpu};
use crate::nn::NnError;
use crate::oneshot::{AdamSettings, Batch, Settings, SgdSettings};
use crate::proxies::{self, RankingFunction};
use crate::run::config::Config;
use crate::run::event::{DataSummary, RunStarted};
use crate::space::cut::{Cutter, Source};
use crate::space::{CellKind, Mask};

/// A configuration made real: data opened, names resolved, sizes known.
pub(super) struct Setup<'a> {
    pub config: &'a Config,
    pub threads: usize,
    pub dataset: Arc<dyn Dataset>,
    /// Training pictures that take part.
    pub pictures: Vec<u32>,
    pub halves: Halves,
    pub functions: Vec<&'static dyn RankingFunction>,
    /// Places that take part in scoring.
    pub space: Mask,
    pub device: Device,
    /// Its kernels, where it is a GPU.
    pub gpu: Option<Gpu>,
    /// Why there is no GPU, if one would have been taken.
    pub no_gpu: Option<NoGpu>,
    /// Bytes that the search may take, as it was when the engine started.
    pub budget: Option<u64>,
}

impl<'a> Setup<'a> {
    /// # Errors
    /// Settings or data that make no sense: everything that can be known before any work is done.
    pub fn new(config: &'a Config, threads: usize) -> Result<Setup<'a>, EngineError> {
        config.check()?;
        let functions: Vec<_> = config.score.functions.iter().map(|n| proxies::by_name(n)).collect::<Result<_, _>>()?;
        let dataset = plan::open(config)?;
        let pictures = data::limited(&*dataset, config.seed, config.data.limit);
        let halves = data::halves(&*dataset, config.seed, config.data.limit, config.search.train_share)?;
        let (device, no_gpu) = plan::device_of(config)?;
        let setup = Setup {
            config,
            threads,
            dataset,
            pictures,
            halves,
            functions,
            space: config.space(),
            budget: plan::budget(config, &device),
            gpu: gpu::on(&device).map_err(NnError::from)?,
            device,
            no_gpu,
        };
        setup.augment().check(setup.dataset.summary())?;
        data::check_batch("scoring", setup.pictures.len(), config.score.batch)?;
        data::check_batch("the weights' half", setup.halves.weights.len(), config.search.batch)?;
        data::check_batch("the alphas' half", setup.halves.alphas.len(), config.search.batch)?;
        // Whatever the cut will be, it needs at least as much as the cheapest one at its level.
        let cutter = Cutter { space: setup.space, order: Vec::new(), seed: config.seed };
        let least = cutter.automatic(Source::Cheapest, config.cut.xi);
        setup.planner().within(least).map_err(|reason| {
            EngineError::TooLittle(format!("even with the cheapest cut at ξ {}, {reason}", config.cut.xi))
        })?;
        Ok(setup)
    }

    pub fn augment(&self) -> Augment {
        let data = &self.config.data;
        Augment { crop_padding: data.crop_padding, flip: data.flip, cutout: data.cutout }
    }

    /// What searches under other masks would need.
    pub fn planner(&self) -> Planner {
        Planner::new(self.config, DataShape::of(self.dataset.summary()), self.budget, self.threads).on(&self.device)
    }

    pub fn search_settings(&self) -> Settings {
        let s = &self.config.search;
        Settings {
            sgd: SgdSettings { momentum: s.momentum, weight_decay: s.weight_decay, clip: s.clip },
            adam: AdamSettings {
                learning_rate: s.alpha_learning_rate,
                beta1: s.alpha_beta1,
                beta2: s.alpha_beta2,
                weight_decay: s.alpha_weight_decay,
            },
            order: s.order,
        }
    }

    pub fn started(&self, run: String) -> RunStarted {
        let about = self.dataset.summary();
        RunStarted {
            run,
            program: concat!("zonas ", env!("CARGO_PKG_VERSION")).into(),
            seed: self.config.seed,
            device: self.device.label(),
            threads: self.threads,
            total_bytes: self.device.memory().map(|m| m.total_bytes),
            data: DataSummary {
                name: about.name.clone(),
                train: self.pictures.len(),
                test: about.test,
                height: about.height,
                width: about.width,
                channels: about.channels,
                class_names: about.class_names.clone(),
            },
            classes: about.classes(),
            channels: self.config.search.channels,
            cells: CellKind::published_layout(self.config.search.cells),
            batch: self.config.search.batch,
            space: self.space,
            budget_bytes: self.budget,
        }
    }
}

/// A batch as tensors: pictures `[N, H, W, C]` and classes `[N]`.
pub(super) fn tensors(batch: data::Batch) -> Result<Batch, NnError> {
    let (shape, count) = (batch.shape(), batch.count);
    Ok(Batch {
        images: Tensor::from_vec(batch.images, &shape, &candle_core::Device::Cpu)?,
        labels: Tensor::from_vec(batch.labels, count, &candle_core::Device::Cpu)?,
    })
}
