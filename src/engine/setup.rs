//! From settings to what a stage works with: data opened, names resolved, sizes known.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::Tensor;

use super::budget::{Choice, too_little};
use super::error::EngineError;
use super::heaviest::heaviest;
use super::plan::{self, DataShape, Opened, Planner};
use super::training_memory;
use crate::data::{self, Augment, Dataset, Halves, Shares, Split};
use crate::device::{Device, NoGpu};
use crate::kernels::gpu::Gpu;
use crate::kernels::gpu::arguments::{MOST_BACKS, MOST_TARGETS, MOST_UNITS};
use crate::nn::{EvaluationConfig, NnError, Policy};
use crate::oneshot::{AdamSettings, Batch, Loss, Settings, SgdSettings, balanced};
use crate::proxies::{self, RankingFunction};
use crate::run::config::{ClassWeights, Config, ConfigError, StemChoice};
use crate::run::event::{DataSummary, RunStarted, SpaceText};
use crate::space::cut::{Cutter, Scope, Source, level_text};
use crate::space::{Compute, Counts, Genotype, Mask, Operation, Space, Stem};

fn shares(config: &Config) -> Shares {
    Shares { weights: config.search.train_share, alphas: config.search.alphas_share }
}

/// The widths of a search's networks.
fn of_search(config: &Config) -> Vec<(&'static str, usize)> {
    vec![("score.channels", config.score.channels), ("search.channels", config.search.channels)]
}

fn wide_enough(stem: Stem, widths: Vec<(&'static str, usize)>) -> Result<(), EngineError> {
    let Some((key, _)) = widths.into_iter().find(|(_, channels)| *channels < stem.least_channels()) else {
        return Ok(());
    };
    let reason = format!("cells behind the stem `{stem}` need at least {} channels", stem.least_channels());
    Err(ConfigError::Value { key: key.into(), reason }.into())
}

fn check_batches(config: &Config, pictures: usize, [weights, alphas]: [usize; 2]) -> Result<(), EngineError> {
    data::check_batch("scoring", "score.batch", pictures, config.score.batch)?;
    data::check_batch("the weights' half", "search.batch", weights, config.search.batch)?;
    data::check_batch("the alphas' half", "search.batch", alphas, config.search.batch)?;
    Ok(())
}

/// Whether a search of these settings, and with `trains` the training of what it finds, make sense on these pictures, as far as that
/// can be known before they are read: what [`Setup::new`] would refuse whatever the machine is.
///
/// # Errors
/// The first setting that does not suit the pictures or another setting.
pub fn suits(config: &Config, about: &data::Summary, trains: bool) -> Result<(), EngineError> {
    let stacking = config.full().space().stacking();
    wide_enough(config.search.stem.stem(stacking, about.height, about.width), of_search(config))?;
    augment(config).check(about)?;
    let pictures = training_memory::pictures(config, about);
    check_batches(config, pictures, shares(config).counts(pictures))?;
    if trains {
        wide_enough(
            config.train.stem.stem(stacking, about.height, about.width),
            vec![("train.channels", config.train.channels)],
        )?;
        // Of any cell: sizes are the same for all.
        training_memory::network_on(config, about, &heaviest(&config.space(), |_| 0))?;
    }
    Ok(())
}

fn augment(config: &Config) -> Augment {
    let data = &config.data;
    Augment { crop_padding: data.crop_padding, flip: data.flip, cutout: data.cutout }
}

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
    /// The genotype that is trained, if it is that kind of run; nothing is scored then.
    pub trained: Option<Genotype>,
    /// What stands before the cells of its networks.
    pub stem: Stem,
}

impl<'a> Setup<'a> {
    /// `before`: the fingerprint of the data as it was when the run was begun, of one that is resumed. `stem`: that of a run that
    /// goes on, which holds where the settings leave it open.
    ///
    /// # Errors
    /// Settings or data that make no sense: everything that can be known before any work is done.
    pub fn new(
        config: &'a Config,
        threads: usize,
        before: Option<&str>,
        stem: Option<Stem>,
    ) -> Result<Setup<'a>, EngineError> {
        config.check()?;
        let trained = config.trained()?;
        let functions: Vec<_> = config.score.functions.iter().map(|n| proxies::by_name(n)).collect::<Result<_, _>>()?;
        let dataset = plan::open(config, before)?;
        let pictures = data::limited(&*dataset, config.seed, config.data.limit);
        let Opened { device, gpu, no_gpu } = plan::open_device(config)?;
        let space = config.space().space();
        let operations = match &trained {
            Some(genotype) => genotype.kinds().flat_map(|kind| genotype.choices(kind)).map(|c| c.operation).collect(),
            None => space.operations().to_vec(),
        };
        if let (true, Some(operation)) = (gpu.is_some(), operations.iter().find(|o| !on_gpu(**o))) {
            let reason = format!("{operation} is not built for a GPU; use `cpu`");
            return Err(ConfigError::Value { key: "device.kind".into(), reason }.into());
        }
        if gpu.is_some() && trained.is_none() && !fits_launches(space) {
            let reason = format!("{} has more operations from one state than a GPU takes; use `cpu`", space.name());
            return Err(ConfigError::Value { key: "device.kind".into(), reason }.into());
        }
        let halves = match &trained {
            Some(_) => Halves { weights: Vec::new(), alphas: Vec::new() },
            None => data::halves(&*dataset, config.seed, config.data.limit, shares(config))?,
        };
        let (asked, stacking) = match &trained {
            Some(genotype) => (config.train.stem, genotype.stacking),
            None => (config.search.stem, space.stacking()),
        };
        let about = dataset.summary();
        let stem = match stem {
            Some(stem) if asked == StemChoice::Auto => stem,
            _ => asked.stem(stacking, about.height, about.width),
        };
        let wide = match &trained {
            Some(_) => vec![("train.channels", config.train.channels)],
            None => of_search(config),
        };
        wide_enough(stem, wide)?;
        let setup = Setup {
            config,
            threads,
            stem,
            dataset,
            pictures,
            halves,
            functions,
            space: config.space(),
            budget: plan::budget(config, &device),
            gpu,
            device,
            no_gpu,
            trained,
        };
        setup.augment().check(setup.dataset.summary())?;
        if let Some(genotype) = &setup.trained {
            setup.check_training(genotype)?;
            return Ok(setup);
        }
        check_batches(config, setup.pictures.len(), [setup.halves.weights.len(), setup.halves.alphas.len()])?;
        // Whatever the cut will be, it needs at least as much as the cheapest one of its size.
        let cutter = Cutter { space: setup.space, order: Vec::new(), seed: config.seed };
        let planner = setup.planner();
        if let Some(bytes) = config.cut.budget() {
            let choice = Choice {
                cutter: &cutter,
                source: Source::Cheapest,
                by: config.cut.by,
                score: &|_| None,
                quality: None,
                decided: BTreeMap::default(),
            };
            choice
                .least(&planner, bytes)
                .map_err(|least| EngineError::TooLittle(too_little(&planner, bytes, least, false)))?;
            return Ok(setup);
        }
        let (least, size) = match config.cut.counts(setup.space.space()) {
            Some(counts) => (cutter.with_counts(Source::Cheapest, &counts), "of cut.kept_per_edge".to_string()),
            None if config.cut.scope == Scope::Global && !config.cut.is_none() => {
                let one = Counts::uniform(setup.space.space(), 1);
                (cutter.with_counts(Source::Cheapest, &one), "of one operation an edge".to_string())
            }
            None => (cutter.automatic(Source::Cheapest, config.cut.xi), format!("at ξ {}", level_text(config.cut.xi))),
        };
        planner
            .within(least)
            .map_err(|reason| EngineError::TooLittle(format!("even with the cheapest cut {size}, {reason}")))?;
        Ok(setup)
    }

    fn check_training(&self, genotype: &Genotype) -> Result<(), EngineError> {
        let (about, batch) = (self.dataset.summary(), self.config.train.batch);
        data::check_batch("training", "train.batch", self.pictures.len(), batch.min(self.pictures.len()).max(1))?;
        data::check_batch("test", "train.batch", about.test, 1)?;
        let network = training_memory::network(&self.config.train, about, genotype, self.stem)?;
        let needed = |network: &EvaluationConfig, batch: usize| self.training(network, batch).1;
        let Some(budget) = self.budget.filter(|budget| needed(&network, batch) > *budget) else { return Ok(()) };
        let halved = |n: usize| std::iter::successors(Some(n / 2), |n| Some(n / 2)).take_while(|n| *n > 0);
        let mut ways = Vec::new();
        if let Some(n) = halved(batch).find(|n| needed(&network, *n) <= budget) {
            ways.push(format!("train.batch = {n}"));
        }
        let narrower = |n: &usize| needed(&EvaluationConfig { channels: *n, ..network.clone() }, batch) <= budget;
        let least = self.stem.least_channels();
        if let Some(n) = halved(self.config.train.channels).filter(|n| *n >= least).find(narrower) {
            ways.push(format!("train.channels = {n}"));
        }
        ways.push("fewer train.cells".into());
        let mib = |b: u64| b.div_ceil(1 << 20);
        Err(EngineError::TooLittle(format!(
            "the training needs about {} MiB and may take {} MiB; what would help: {}; or raise device.memory_budget",
            mib(needed(&network, batch)),
            mib(budget),
            ways.join(", or ")
        )))
    }

    /// What such a training keeps for the way back, and the bytes that a step needs of the device.
    pub fn training(&self, network: &EvaluationConfig, batch: usize) -> (Policy, u64) {
        let images = batch.min(self.pictures.len());
        let (about, gpu) = (self.dataset.summary(), matches!(self.device, Device::Cuda(_)));
        training_memory::training_step(self.config, network, images, about, gpu, self.budget)
    }

    /// What is to be told of the stages of a network of NAS-Bench-201's kind.
    pub fn uneven_stages(&self) -> Option<String> {
        match &self.trained {
            Some(genotype) => genotype.stacking.uneven(self.config.train.cells),
            None => self.space.space().stacking().uneven(self.config.search.cells),
        }
    }

    /// What is to be told where fewer threads are taken than were asked for.
    pub fn bounded_threads(&self) -> Option<String> {
        let asked = self.config.device.threads;
        (asked > self.threads).then(|| {
            let taken = self.threads;
            format!("device.threads = {asked} is more than four for each core of this machine: {taken} are used")
        })
    }

    pub fn augment(&self) -> Augment {
        augment(self.config)
    }

    /// What searches under other masks would need.
    pub fn planner(&self) -> Planner {
        let planner = Planner::new(self.config, DataShape::of(self.dataset.summary()), self.budget, self.threads);
        planner.behind(self.stem).on(&self.device)
    }

    /// # Errors
    /// A part of the method that there is not.
    pub fn search_settings(&self) -> Result<Settings, EngineError> {
        let s = &self.config.search;
        let method =
            s.parts().method().map_err(|(key, reason)| ConfigError::Value { key: format!("search.{key}"), reason })?;
        Ok(Settings {
            sgd: SgdSettings { momentum: s.momentum, weight_decay: s.weight_decay, clip: s.clip, nesterov: s.nesterov },
            adam: AdamSettings {
                learning_rate: s.alpha_learning_rate,
                beta1: s.alpha_beta1,
                beta2: s.alpha_beta2,
                weight_decay: s.alpha_weight_decay,
            },
            method,
        })
    }

    /// What steps minimise on the training pictures that take part.
    ///
    /// # Errors
    /// Candle's own.
    pub fn loss(&self, weights: ClassWeights) -> Result<Loss, NnError> {
        match weights {
            ClassWeights::None => Ok(Loss::default()),
            ClassWeights::Balanced => {
                let mut counts = vec![0; self.dataset.summary().classes()];
                self.pictures.iter().for_each(|&i| counts[self.dataset.label(Split::Train, i as usize)] += 1);
                Loss::of_classes(&balanced(&counts))
            }
        }
    }

    pub fn started(&self, run: String) -> RunStarted {
        let about = self.dataset.summary();
        let (s, t) = (&self.config.search, &self.config.train);
        let (channels, cells, batch) =
            if self.trained.is_some() { (t.channels, t.cells, t.batch) } else { (s.channels, s.cells, s.batch) };
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
                mean: about.mean.clone(),
                deviation: about.std.clone(),
                normalisation: about.found.normalisation.clone(),
            },
            classes: about.classes(),
            channels,
            cells: self.space.space().layout(cells),
            batch,
            definition: SpaceText::of(self.space.space()),
            space: self.space,
            budget_bytes: self.budget,
            trains: self.trained.is_some(),
            stem: self.stem,
        }
    }
}

/// Whether there are kernels for it: windows of depthwise convolutions are 3, 5 and 7 wide there, those of poolings 3 and 5.
const fn on_gpu(operation: Operation) -> bool {
    match operation.compute() {
        Compute::Separable { window, .. } => matches!(window, 3 | 5 | 7),
        Compute::MaxPool { window } | Compute::AveragePool { window } => matches!(window, 3 | 5),
        Compute::Dense { window } => matches!(window, 1 | 3),
        Compute::Zero | Compute::Identity | Compute::Noise => true,
        Compute::Factorised { window } => window == 7,
    }
}

/// Whether the operations of all edges from one state fit one launch of a GPU's kernels.
fn fits_launches(space: Space) -> bool {
    let from_one = |kind, source: usize| -> [usize; 3] {
        let halves = space.stacking().stride(kind, source) == 2;
        let edges = space.edges(kind).iter().filter(|e| e.source() == source).count();
        let parts = space.operations().iter().map(|o| match o.compute() {
            Compute::Zero => [0, 0, 0],
            // Two convolutions side by side.
            Compute::Identity if halves => [2, 2, 0],
            Compute::Separable { halves: 2, .. } => [1, 1, 1],
            Compute::Separable { .. } | Compute::Dense { .. } | Compute::Factorised { .. } => [1, 1, 0],
            Compute::Identity | Compute::Noise | Compute::MaxPool { .. } | Compute::AveragePool { .. } => [1, 0, 0],
        });
        parts.fold([0; 3], |all, part| [0, 1, 2].map(|i| all[i] + edges * part[i]))
    };
    let each = space.graphs().iter().flat_map(|g| g.edges.iter().map(|e| from_one(g.kind, e.source())));
    each.into_iter().all(|[all, back, targets]| all <= MOST_UNITS && back <= MOST_BACKS && targets <= MOST_TARGETS)
}

/// A batch as tensors: pictures `[N, H, W, C]` and classes `[N]`.
pub(super) fn tensors(batch: data::Batch) -> Result<Batch, NnError> {
    let (shape, count) = (batch.shape(), batch.count);
    Ok(Batch {
        images: Tensor::from_vec(batch.images, &shape, &candle_core::Device::Cpu)?,
        labels: Tensor::from_vec(batch.labels, count, &candle_core::Device::Cpu)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_keeps_the_stem_that_it_began_with() {
        let mut config = Config::default();
        config.data.limit = 200;
        config.search.batch = 8;
        let stem = |config: &Config, past| Setup::new(config, 1, None, past).unwrap().stem;
        // Of 28 pixels.
        assert_eq!(stem(&config, None), Stem::Cifar);
        assert_eq!(stem(&config, Some(Stem::ImageNet)), Stem::ImageNet);
        config.search.stem = StemChoice::Of(Stem::ImageNet);
        assert_eq!(stem(&config, None), Stem::ImageNet);
        let past = |stem| crate::engine::Past { stem: Some(stem), ..Default::default() };
        assert!(crate::engine::prepared(&config, &past(Stem::ImageNet)).is_ok());
        let refused = crate::engine::prepared(&config, &past(Stem::Cifar)).map(drop).unwrap_err();
        assert!(refused.is_bad_input() && refused.to_string().contains("search.stem asks for `imagenet`"), "{refused}");
    }

    #[test]
    fn spaces_with_more_from_one_state_than_a_launch_takes_are_known() {
        assert!(crate::space::built_in().all(fits_launches));
        let with = |operations: &str| {
            let text = format!(
                "name = \"wide\"\nabout = \"a test\"\noperations = [{operations}]\n[normal]\nnodes = 4\nedges = \"complete\"\n"
            );
            Space::read(&text).unwrap()
        };
        let convolutions =
            r#""sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5", "nor_conv_1x1", "nor_conv_3x3""#;
        let others = r#""max_pool_3x3", "avg_pool_3x3", "skip_connect""#;
        assert!(fits_launches(with(convolutions)) && fits_launches(with(others)));
        assert!(!fits_launches(with(&format!("{convolutions}, {others}"))));
        // Eight edges from each input: that many maps between the halves of separable convolutions.
        let deep = |operations: &str| {
            let text = format!(
                "name = \"deep\"\nabout = \"a test\"\noperations = [{operations}]\n[normal]\nnodes = 8\nedges = \"complete\"\n"
            );
            Space::read(&text).unwrap()
        };
        let three = r#""sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7""#;
        assert!(
            fits_launches(deep(r#""sep_conv_3x3", "sep_conv_7x7", "max_pool_5x5""#)) && !fits_launches(deep(three))
        );
    }
}
