use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::EngineError;
use crate::data::{self, Augment, Dataset, Halves};
use crate::device;
use crate::nn::{NnError, Policy, SupernetConfig, Workload};
use crate::oneshot::{AdamSettings, Batch, Settings, SgdSettings};
use crate::proxies::{self, RankingFunction};
use crate::run::config::Config;
use crate::run::event::{DataSummary, RunStarted};
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
}

impl<'a> Setup<'a> {
    /// # Errors
    /// Settings or data that make no sense: everything that can be known before any work is done.
    pub fn new(config: &'a Config, threads: usize) -> Result<Setup<'a>, EngineError> {
        config.check()?;
        let functions: Vec<_> = config.score.functions.iter().map(|n| proxies::by_name(n)).collect::<Result<_, _>>()?;
        let size = Some(config.data.size).filter(|side| *side > 0);
        let options = data::OpenOptions { seed: config.seed, size };
        let dataset = data::open(&config.data.source, &options)?;
        let pictures = data::limited(&*dataset, config.seed, config.data.limit);
        let halves = data::halves(&*dataset, config.seed, config.data.limit, config.search.train_share)?;
        let setup = Setup {
            config,
            threads,
            dataset,
            pictures,
            halves,
            functions,
            space: if config.score.none == "compete" { Mask::FULL } else { Mask::NO_NONE },
        };
        setup.augment().check(setup.dataset.summary())?;
        data::check_batch("scoring", setup.pictures.len(), config.score.batch)?;
        data::check_batch("the weights' half", setup.halves.weights.len(), config.search.batch)?;
        data::check_batch("the alphas' half", setup.halves.alphas.len(), config.search.batch)?;
        Ok(setup)
    }

    pub fn augment(&self) -> Augment {
        let data = &self.config.data;
        Augment { crop_padding: data.crop_padding, flip: data.flip, cutout: data.cutout }
    }

    /// The supernet of the search under a mask.
    pub fn supernet(&self, mask: Mask) -> SupernetConfig {
        let summary = self.dataset.summary();
        SupernetConfig {
            channels: self.config.search.channels,
            classes: summary.classes(),
            input_channels: summary.channels,
            layout: CellKind::published_layout(self.config.search.cells),
            stem_multiplier: 3,
            mask,
            policy: if self.config.device.memory == "recompute" { Policy::Recompute } else { Policy::Keep },
        }
    }

    /// Predicted peak bytes of the search under a mask.
    pub fn search_bytes(&self, mask: Mask) -> u64 {
        let (s, about) = (&self.config.search, self.dataset.summary());
        let work = Workload {
            images: s.batch,
            height: about.height,
            width: about.width,
            second_order: s.order == 2,
            threads: crate::device::threads(self.config.device.threads),
        };
        self.supernet(mask).search_footprint(&work).bytes()
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
            device: self.config.device.kind.clone(),
            threads: self.threads,
            total_bytes: device::machine_memory().map(|m| m.total_bytes),
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
        }
    }
}

/// A batch as tensors: pictures `[N, H, W, C]` and classes `[N]`.
pub(super) fn tensors(batch: data::Batch) -> Result<Batch, NnError> {
    let (shape, count) = (batch.shape(), batch.count);
    Ok(Batch {
        images: Tensor::from_vec(batch.images, &shape, &Device::Cpu)?,
        labels: Tensor::from_vec(batch.labels, count, &Device::Cpu)?,
    })
}
