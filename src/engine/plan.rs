//! What a search will need, known before anything runs: a pure function of settings, data, mask and memory policy.

use std::sync::Arc;

use super::error::EngineError;
use crate::data::{self, DataError, Dataset};
use crate::device::{self, Choice, Device, NoGpu};
use crate::kernels::{self, gpu::Gpu};
use crate::nn::{NnError, Policy, Precision, SupernetConfig, Workload};
use crate::oneshot::StepTimes;
use crate::run::config::{Config, Keep};
use crate::run::event::RunStarted;
use crate::space::cut::{Cutter, Source, level_of, level_text};
use crate::space::{Mask, Stem};

/// What the network's size depends on besides the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataShape {
    pub classes: usize,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

impl DataShape {
    pub fn of(about: &data::Summary) -> DataShape {
        DataShape { classes: about.classes(), channels: about.channels, height: about.height, width: about.width }
    }
}

/// How a search would run under a mask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    pub policy: Policy,
    /// Predicted seconds of a search step, where its parts were timed.
    pub step_seconds: Option<f64>,
    /// Predicted peak over the idle process.
    pub bytes: u64,
    /// Whether that is within the budget.
    pub fits: bool,
}

/// The search of some settings on some data.
#[derive(Clone, Debug)]
pub struct Planner {
    config: Config,
    shape: DataShape,
    /// Bytes that the search may take; `None` where nobody knows.
    budget: Option<u64>,
    threads: usize,
    /// The search runs on a GPU: bytes are those of its memory.
    gpu: bool,
    /// What stands before the cells.
    stem: Stem,
    times: Option<Arc<StepTimes>>,
}

/// Part of what is free that stays free.
const MARGIN: u64 = 10;
/// The same work that takes so many times as long on average as at its fastest was timed on a busy machine.
const BUSY: f64 = 1.3;

/// What may be taken of what is free.
pub fn spare(free: u64) -> u64 {
    free - free / MARGIN
}

/// Bytes that a search may take there: the setting, or what is free now less a tenth.
pub fn budget(config: &Config, device: &Device) -> Option<u64> {
    config.memory_budget().or_else(|| device.memory().map(|m| spare(m.available_bytes)))
}

/// What a run computes on.
#[derive(Default)]
pub(super) struct Opened {
    pub device: Device,
    /// Its kernels, where it is a GPU.
    pub gpu: Option<Gpu>,
    /// Why there is no GPU, if one would have been taken.
    pub no_gpu: Option<NoGpu>,
}

/// The device that settings ask for, opened once.
///
/// # Errors
/// A GPU is asked for and can't be used, or what only a GPU can do.
pub(super) fn open_device(config: &Config) -> Result<Opened, EngineError> {
    match found(config)? {
        Opened { device: Device::Cpu, no_gpu, .. } if config.device.precision != Precision::Float32 => {
            Err(EngineError::NoPrecision(no_gpu))
        }
        found => Ok(found),
    }
}

fn found(config: &Config) -> Result<Opened, EngineError> {
    let choice: Choice = config.device.kind;
    let refuse = |reason| EngineError::NoGpu { asked: choice, reason };
    let (device, why) = Device::choose(choice).map_err(refuse)?;
    // The kernels are made ready here, so that a device that can't have them shows before any work is done.
    let fault = match kernels::gpu::on(&device) {
        Ok(gpu) => return Ok(Opened { device, gpu, no_gpu: why }),
        Err(fault) => fault,
    };
    let why = NoGpu::Unusable { name: device.label(), reason: fault.to_string() };
    if choice == Choice::Auto { Ok(Opened { no_gpu: Some(why), ..Opened::default() }) } else { Err(refuse(why)) }
}

/// Part of what is free that the pictures of a folder may take.
const PICTURES: u64 = 4;

/// How the data that settings name is read; `before`: its fingerprint as it was when the run was begun, of one that is resumed.
pub fn reading(config: &Config, before: Option<&str>) -> data::OpenOptions {
    use etcetera::BaseStrategy;
    let data = &config.data;
    let numbers = |values: &[f64]| values.iter().map(|v| *v as f32).collect();
    data::OpenOptions {
        seed: config.seed,
        size: Some(data.size).filter(|side| *side > 0),
        mean: numbers(&data.mean),
        deviation: numbers(&data.deviation),
        memory: pictures_memory(config),
        kept: before.and_then(data::was_in_memory),
        decoded: crate::text::parse_amount(&data.cache).unwrap_or(0),
        cache: etcetera::choose_base_strategy().ok().map(|base| base.cache_dir().join("zonas/data")),
    }
}

/// Opens the data that settings name.
pub(super) fn open(config: &Config, before: Option<&str>) -> Result<Arc<dyn Dataset>, DataError> {
    data::open(&config.data.source, &reading(config, before))
}

/// What is known of the data that settings name: opens it.
///
/// # Errors
/// The data's.
pub fn about(config: &Config) -> Result<data::Summary, DataError> {
    Ok(open(config, None)?.summary().clone())
}

/// Bytes that the pictures of a folder may take in memory; `None` where nobody knows what is free.
pub fn pictures_memory(config: &Config) -> Option<u64> {
    let free = || device::machine_memory().map(|m| m.available_bytes / PICTURES);
    crate::text::parse_amount(&config.data.memory).or_else(free)
}

/// The planner of some settings: opens the data for its sizes.
///
/// # Errors
/// The data's.
pub fn of_settings(config: &Config) -> Result<Planner, EngineError> {
    let shape = DataShape::of(open(config, None)?.summary());
    let device = open_device(config)?.device;
    Ok(Planner::new(config, shape, budget(config, &device), device::threads(config.device.threads)).on(&device))
}

/// What comes of the setting's policy (`device.memory`); where that is `auto`, of the fastest that fits: all cells keep, or as
/// few as possible, from the first, compute again.
pub(super) fn chosen<T>(memory: Keep, cells: usize, of: impl Fn(Policy) -> T, fits: impl Fn(&T) -> bool) -> T {
    match memory {
        Keep::Keep => of(Policy::Keep),
        Keep::Recompute => of(Policy::Recompute),
        Keep::Auto => {
            let some = (1..cells).map(Policy::RecomputeFirst);
            let mut all = std::iter::once(Policy::Keep).chain(some).map(&of);
            all.find(fits).unwrap_or_else(|| of(Policy::Recompute))
        }
    }
}

impl Planner {
    pub fn new(config: &Config, shape: DataShape, budget: Option<u64>, threads: usize) -> Planner {
        let stem = config.search.stem.stem(config.full().space().stacking(), shape.height, shape.width);
        Planner { config: config.clone(), shape, budget, threads, gpu: false, stem, times: None }
    }

    /// Of a run, by what its journal says of its data and its device.
    pub fn of_run(config: &Config, run: &RunStarted) -> Planner {
        let data = &run.data;
        let shape = DataShape { classes: run.classes, channels: data.channels, height: data.height, width: data.width };
        let planner = Planner::new(config, shape, run.budget_bytes, run.threads);
        planner.behind(run.stem).on_gpu(run.device.starts_with("cuda"))
    }

    /// For a search with this stem, whatever the settings say.
    #[must_use]
    pub fn behind(self, stem: Stem) -> Planner {
        Planner { stem, ..self }
    }

    /// For a search on this device.
    #[must_use]
    pub fn on(self, device: &Device) -> Planner {
        self.on_gpu(matches!(device, Device::Cuda(_)))
    }

    /// For a search on a GPU, or on the CPU.
    #[must_use]
    pub fn on_gpu(self, gpu: bool) -> Planner {
        Planner { gpu, ..self }
    }

    /// Times the parts of a step on the threads that call it, in about a second, so that plans know the seconds of a step.
    ///
    /// # Errors
    /// Those of building and running a network.
    pub fn timed(self) -> Result<Planner, NnError> {
        // Nothing on a GPU is worth knowing that the search would not tell at once.
        if self.gpu {
            return Ok(self);
        }
        let times = StepTimes::measure(&self.network(self.config.full(), Policy::Keep), &self.work())?;
        Ok(Planner { times: Some(Arc::new(times)), ..self })
    }

    /// What is to be said of predicted seconds that were timed while the machine did other work.
    pub fn busy(&self) -> Option<String> {
        let unrest = self.times.as_ref()?.unrest();
        (unrest > BUSY).then(|| {
            format!(
                "the machine was busy while the parts of a search step were timed (they took {unrest:.1} times as long as at \
                 their fastest): predicted seconds of a step are too long by about as much"
            )
        })
    }

    /// What stands before the cells.
    pub fn stem(&self) -> Stem {
        self.stem
    }

    pub fn budget(&self) -> Option<u64> {
        self.budget
    }

    /// The supernet of the search under a mask.
    pub fn network(&self, mask: Mask, policy: Policy) -> SupernetConfig {
        let search = &self.config.search;
        SupernetConfig {
            channels: search.channels,
            classes: self.shape.classes,
            input_channels: self.shape.channels,
            layout: mask.space().layout(search.cells),
            stem_multiplier: mask.space().stacking().stem(),
            stem: self.stem,
            mask,
            policy,
            precision: self.config.device.precision,
        }
    }

    fn work(&self) -> Workload {
        let (search, shape) = (&self.config.search, &self.shape);
        Workload {
            images: search.batch,
            height: shape.height,
            width: shape.width,
            second_order: search.order.is_second(),
            threads: self.threads,
        }
    }

    fn step_seconds(&self, mask: Mask, policy: Policy) -> Option<f64> {
        self.times.as_ref()?.step(&self.network(mask, policy), &self.work(), policy).ok()
    }

    /// Predicted peak bytes over the idle process.
    pub fn bytes(&self, mask: Mask, policy: Policy) -> u64 {
        self.by_policy(mask)(policy)
    }

    /// The same for several policies.
    pub fn by_policy(&self, mask: Mask) -> impl Fn(Policy) -> u64 + use<> {
        let (search, shape, work) = (&self.config.search, &self.shape, self.work());
        // Batches of both halves that are ready or in the making.
        let batch = search.batch * (shape.height * shape.width * shape.channels + 1) * size_of::<f32>();
        let batches = 2 * (self.config.data.prefetch + 2) * batch;
        let network = self.network(mask, Policy::Keep);
        let here = (!self.gpu).then(|| network.search_footprints(&work));
        let there = self.gpu.then(|| network.gpu_footprints(&work));
        move |policy| match (&here, &there) {
            (Some(here), _) => here(policy).bytes() + batches as u64,
            (_, Some(there)) => there(policy),
            (None, None) => 0,
        }
    }

    /// The plan of the policy that the settings and the budget choose.
    pub fn plan(&self, mask: Mask) -> Plan {
        let plan = self.by_bytes(mask);
        Plan { step_seconds: self.step_seconds(mask, plan.policy), ..plan }
    }

    /// The plan without the seconds of a step.
    pub fn by_bytes(&self, mask: Mask) -> Plan {
        let by_policy = self.by_policy(mask);
        let of = |policy| {
            let bytes = by_policy(policy);
            Plan { policy, step_seconds: None, bytes, fits: self.budget.is_none_or(|b| bytes <= b) }
        };
        chosen(self.config.device.memory, self.config.search.cells, of, |plan| plan.fits)
    }

    /// A policy that takes less than this one, for when that has proved too much; `None` if a policy is set, or if there is
    /// none.
    pub fn leaner(&self, policy: Policy) -> Option<Policy> {
        let cells = self.config.search.cells;
        let half_of_the_rest = |n: usize| match n + (cells - n).div_ceil(2) {
            all if all >= cells => Policy::Recompute,
            some => Policy::RecomputeFirst(some),
        };
        match policy {
            _ if self.config.device.memory != Keep::Auto => None,
            Policy::Keep => Some(half_of_the_rest(0)),
            Policy::RecomputeFirst(n) => Some(half_of_the_rest(n.min(cells))),
            Policy::Recompute => None,
        }
    }

    /// The plan, if it fits.
    ///
    /// # Errors
    /// Why a search under this mask can't run in the budget, with the ways out.
    pub fn within(&self, mask: Mask) -> Result<Plan, String> {
        let plan = self.plan(mask);
        if plan.fits { Ok(plan) } else { Err(self.ways_out(mask, &plan)) }
    }

    /// What is to be told of a plan that does not fit.
    pub fn ways_out(&self, mask: Mask, plan: &Plan) -> String {
        let with = |change: &dyn Fn(&mut Config)| {
            let mut other = self.clone();
            change(&mut other.config);
            other.by_bytes(mask).fits
        };
        let search = &self.config.search;
        let halves = |n: usize| std::iter::successors(Some(n / 2), |n| Some(n / 2)).take_while(|n| *n > 0);
        let (mut ways, least) = (Vec::new(), self.stem.least_channels());
        if self.config.device.memory == Keep::Keep && with(&|c| c.device.memory = Keep::Auto) {
            ways.push("device.memory = \"auto\"".to_string());
        }
        if let Some(n) = halves(search.batch).find(|n| with(&|c| c.search.batch = *n)) {
            ways.push(format!("search.batch = {n}"));
        }
        let cutter = Cutter { space: mask, order: Vec::new(), seed: 0 };
        let width = cutter.full().widest();
        let fits = |xi: f64| self.by_bytes(cutter.automatic(Source::Cheapest, xi)).fits;
        if let Some(xi) = (1..width).rev().map(|kept| level_of(kept, width)).find(|xi| fits(*xi)) {
            ways.push(format!("a cut of ξ ≥ {}", level_text(xi)));
        }
        if let Some(n) = halves(search.channels).filter(|n| *n >= least).find(|n| with(&|c| c.search.channels = *n)) {
            ways.push(format!("search.channels = {n}"));
        }
        let mib = |b: u64| b.div_ceil(1 << 20);
        let ways =
            if ways.is_empty() { "nothing less than a smaller network would do".into() } else { ways.join(", or ") };
        format!(
            "the search needs about {} MiB and may take {} MiB; what would fit: {ways}; or raise device.memory_budget",
            mib(plan.bytes),
            mib(self.budget.unwrap_or(0)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::darts;

    const CIFAR: DataShape = DataShape { classes: 10, channels: 3, height: 32, width: 32 };

    fn planner(budget_mib: u64) -> Planner {
        let mut config = Config::default();
        config.search.batch = 16;
        Planner::new(&config, CIFAR, Some(budget_mib << 20), 2)
    }

    #[test]
    fn auto_keeps_what_fits_and_recomputes_no_more_than_it_must() {
        assert_eq!(planner(600).plan(darts::FULL).policy, Policy::Keep);
        let recomputed: Vec<_> = (60..600).step_by(20).map(|mib| planner(mib).plan(darts::FULL)).collect();
        let count = |p: &Plan| match p.policy {
            Policy::Keep => 0,
            Policy::RecomputeFirst(n) => n,
            Policy::Recompute => 8,
        };
        assert!(recomputed.windows(2).all(|p| count(&p[0]) >= count(&p[1]) && p[0].bytes <= p[1].bytes));
        assert!(recomputed.iter().any(|p| matches!(p.policy, Policy::RecomputeFirst(_)) && p.fits));
    }

    #[test]
    fn a_search_that_proved_too_large_has_a_few_leaner_ways_left() {
        let mut ways = vec![Policy::Keep];
        while let Some(next) = planner(600).leaner(ways[ways.len() - 1]) {
            let (before, after) =
                (planner(600).bytes(darts::FULL, ways[ways.len() - 1]), planner(600).bytes(darts::FULL, next));
            assert!(after < before, "{next}");
            ways.push(next);
        }
        assert_eq!(ways.last(), Some(&Policy::Recompute));
        assert_eq!(ways.len(), 5);
        let mut set = planner(600);
        set.config.device.memory = Keep::Keep;
        assert_eq!(set.leaner(Policy::Keep), None);
    }

    #[test]
    fn too_little_memory_is_told_with_ways_out() {
        assert!(planner(600).within(darts::FULL).is_ok());
        let text = planner(60).within(darts::FULL).unwrap_err();
        for way in ["may take 60 MiB", "search.batch = 4", "a cut of ξ ≥", "search.channels = 8"] {
            assert!(text.contains(way), "{text}");
        }
    }

    #[test]
    fn what_it_says_fits_does() {
        let mut config = Config::default();
        config.search.batch = 4;
        assert!(Planner::new(&config, CIFAR, Some(60 << 20), 2).within(darts::FULL).is_ok());
    }
}
