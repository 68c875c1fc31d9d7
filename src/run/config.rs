//! Every setting of a run, with its default. `zonas config` prints them, `config.toml` of a run folder holds them.

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use super::settings::{ConfigError, keys, nearest};

use crate::nn::Precision;
use crate::oneshot::{Order, Parts};
use crate::space::cut::level_of;
use crate::space::{self, CellKind, Counts, Genotype, Genotypes, Mask, Operation, darts, published};

/// Version of the configuration format.
pub const VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub version: u32,
    /// From this every random stream is derived by name.
    pub seed: u64,
    pub space: Space,
    pub data: Data,
    pub device: Device,
    pub score: Score,
    pub cut: Cut,
    pub search: Search,
    pub train: Train,
    pub run: Run,
}

/// What is searched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Space {
    /// One of [`crate::space::built_in`], or a TOML file of one's own; of a run the name that the file gives.
    pub name: String,
    /// The text of that file, so that a run does not depend on it.
    pub definition: String,
}

impl Space {
    /// The space itself.
    ///
    /// # Errors
    /// No such name, a file that can't be read, or one that is no space: the setting, and why.
    pub fn find(&self) -> Result<space::Space, ConfigError> {
        let refuse = |key: &str, reason: String| ConfigError::Value { key: key.into(), reason };
        if !self.definition.is_empty() {
            let found = space::Space::read(&self.definition);
            let found = found.map_err(|e| refuse("space.definition", e.to_string()))?;
            return match found.name() == self.name {
                true => Ok(found),
                false => Err(refuse("space.name", format!("space.definition is of the space `{}`", found.name()))),
            };
        }
        if self.is_file() {
            return space::Space::open(Path::new(&self.name))
                .map_err(|e| refuse("space.name", format!("{}: {e}", self.name)));
        }
        space::Space::find(&self.name).map_err(|e| refuse("space.name", e.to_string()))
    }

    fn is_file(&self) -> bool {
        Path::new(&self.name).extension().is_some_and(|e| e == "toml")
    }

    /// With the text of the file, where it is one.
    ///
    /// # Errors
    /// As [`Space::find`].
    pub fn embedded(self) -> Result<Space, ConfigError> {
        let found = self.find()?;
        match found.text() {
            Some(text) => Ok(Space { name: found.name().into(), definition: text.into() }),
            None => Ok(self),
        }
    }
}

impl Default for Space {
    fn default() -> Self {
        Space { name: "darts".into(), definition: String::new() }
    }
}

/// How a run is kept; results do not depend on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Run {
    /// A checkpoint every so many steps; 0: not by steps.
    pub checkpoint_steps: usize,
    /// A checkpoint every so many seconds, or rarer, so that saving takes less than a hundredth of the time.
    pub checkpoint_seconds: u64,
    /// After SIGTERM or SIGUSR1 the engine ends within so many seconds, even if a step takes longer.
    pub grace_seconds: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Data {
    /// `embedded`, or a path: the kind is detected.
    pub source: String,
    /// At most so many training pictures (the first of a seeded shuffle); 0 takes all.
    pub limit: usize,
    /// Folders of pictures only: scale each picture's shorter side to so many pixels and take the middle square; 0 takes
    /// pictures as they are, and refuses a folder where they are not all of one size.
    pub size: u32,
    /// Zero pixels added on each side before a random crop back; 0 turns cropping off.
    pub crop_padding: usize,
    /// Flip left and right with probability one half.
    pub flip: bool,
    /// Side of the square that is blanked out; 0 turns it off.
    pub cutout: usize,
    /// Batches made ahead of use.
    pub prefetch: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Device {
    /// `auto`, `cpu`, `cuda` or `cuda:N`: see [`crate::device::Choice`].
    pub kind: String,
    /// 0: one per core. Results do not depend on it.
    pub threads: usize,
    /// `keep` (fastest), `recompute` (leanest) or `auto` (the fastest that fits): the results are the same.
    pub memory: String,
    /// Bytes that the search or training may take (`2GiB`, `800MB`, plain bytes), or `auto`: what is free, less a tenth.
    pub memory_budget: String,
    /// `float32`, or `bf16`: how a search on a GPU keeps the maps between operations; see [`Precision`].
    pub precision: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Score {
    /// Ranking functions, added up.
    pub functions: Vec<String>,
    /// Draws of weights and batch (V), the same for both sides of each difference.
    pub draws: usize,
    pub batch: usize,
    /// Width of the proxy network.
    pub channels: usize,
    /// Its cells, in order; see [`Config::proxy_cells`].
    pub cells: Vec<CellKind>,
    /// `off`: `none` is removed before scoring; `compete`: it is scored like any other.
    pub none: String,
    /// Operations that each edge loses per round.
    pub remove_per_round: usize,
    /// `noise`: sum of relative differences, each function's divided by its own standard deviation from draw to draw;
    /// `relative`: plain sum of relative differences (the paper); `ranks`: sum of ranks (TE-NAS).
    pub aggregate: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cut {
    /// Pruning level: the share of the space's operations that goes.
    pub xi: f64,
    /// `off`, or the bytes (`150MiB`) that the search may take under the automatic cut, which then keeps as many single
    /// operations as fit, whatever `xi` is.
    pub budget: String,
    /// Operations that the automatic cut keeps on each edge, whatever `xi` is: the normal cell's edges, then the
    /// reduction cell's. Empty: by `xi`. A control is as large as another cut by it.
    pub kept_per_edge: Vec<usize>,
    /// `scores`, or a control: `random`, `cheapest`, `most_parameters`.
    pub source: String,
}

impl Cut {
    /// The budget in bytes, where one is set.
    pub fn budget(&self) -> Option<u64> {
        super::number::parse_bytes(&self.budget)
    }

    /// The counts of [`Cut::kept_per_edge`], where there are any.
    pub fn counts(&self, space: space::Space) -> Option<Counts> {
        Counts::of_list(space, &self.kept_per_edge).ok()
    }

    /// The same at this level, and not within a budget or with other counts.
    #[must_use]
    pub fn at_level(self, xi: f64) -> Cut {
        Cut { xi, budget: OFF.into(), kept_per_edge: Vec::new(), ..self }
    }

    /// A control by this source that keeps as many operations on every edge as `mask`.
    pub fn control(source: &str, mask: &Mask) -> Cut {
        let (counts, full) = (mask.counts(), mask.space().full());
        // Where all edges keep the same that is a level, which says more.
        let level = (1..full.widest()).find(|kept| counts == Counts::uniform(mask.space(), *kept));
        let xi = 1.0 - counts.sum() as f64 / full.count().max(1) as f64;
        let cut = Cut { source: source.into(), ..Cut::default() };
        match level {
            Some(kept) => cut.at_level(level_of(kept, full.widest())),
            // A full space has no level, and needs none.
            None => Cut { kept_per_edge: counts.list(), ..cut.at_level(xi.clamp(0.001, 0.999)) },
        }
    }
}

/// As a budget: none.
const OFF: &str = "off";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Search {
    /// Width of the supernet.
    pub channels: usize,
    /// Number of cells; those at a third and at two thirds reduce.
    pub cells: usize,
    pub batch: usize,
    pub epochs: usize,
    /// The named method whose parts are in the four keys below, or `own`. Where it is set, those of the four that are not set
    /// beside it are the method's.
    pub method: String,
    /// 1: first order; 2: second order (unrolled).
    pub order: Order,
    /// What is added to the validation loss: names of [`crate::oneshot::REGULARISERS`], each with a number (`beta_decay:10`)
    /// or with its published one.
    pub regularisers: Vec<String>,
    /// Epochs in which only the weights move.
    pub alpha_warmup_epochs: usize,
    /// What ends the search before its last epoch: names of [`crate::oneshot::STOP_RULES`], each with a limit (`skips:3`) or with
    /// its published one.
    pub stop: Vec<String>,
    /// Share of the training pictures whose loss moves the weights; the rest moves the alphas.
    pub train_share: f64,
    /// SGD of the weights: learning rate from, to (cosine), momentum, weight decay, gradient clipping (0: off).
    pub learning_rate: f64,
    pub learning_rate_min: f64,
    pub momentum: f64,
    pub weight_decay: f64,
    pub clip: f64,
    /// Adam of the alphas.
    pub alpha_learning_rate: f64,
    pub alpha_beta1: f64,
    pub alpha_beta2: f64,
    pub alpha_weight_decay: f64,
    /// One step in so many goes to the journal; 0 chooses so that the journal stays small.
    pub journal_every: usize,
}

impl Search {
    /// The parts of its method.
    pub fn parts(&self) -> Parts {
        Parts {
            order: self.order,
            regularisers: self.regularisers.clone(),
            warm_up_epochs: self.alpha_warmup_epochs,
            stop: self.stop.clone(),
        }
    }
}

/// Training of a genotype from scratch, as the evaluation network (DARTS, appendix A.2). Cropping and flipping are those of
/// [`Data`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Train {
    /// The genotype, as Python or JSON text or a published name. Where it is set the run trains it, and neither scores nor
    /// searches.
    pub genotype: String,
    pub channels: usize,
    /// Number of cells; those at a third and at two thirds reduce.
    pub cells: usize,
    pub batch: usize,
    pub epochs: usize,
    /// SGD: learning rate from, to (cosine), momentum, weight decay, gradient clipping (0: off).
    pub learning_rate: f64,
    pub learning_rate_min: f64,
    pub momentum: f64,
    pub weight_decay: f64,
    pub clip: f64,
    /// Probability at the end, growing evenly from 0, that an edge is left out for a picture.
    pub drop_path: f64,
    /// Weight of the auxiliary head's loss; 0: no such head. Maps of other than 8 to 10 pixels a side have none.
    pub auxiliary: f64,
    /// Side of the square that is blanked out; 0 turns it off.
    pub cutout: usize,
}

impl Config {
    /// The genotype that the run trains, if it is that kind of run.
    ///
    /// # Errors
    /// A text that is none.
    pub fn trained(&self) -> Result<Option<Genotype>, ConfigError> {
        let text = self.train.genotype.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let refuse = |reason: String| ConfigError::Value { key: "train.genotype".into(), reason };
        let space = self.space.find()?;
        if let Ok(published) = published::find(text) {
            return match published.genotype.check_in(space) {
                Ok(()) => Ok(Some(published.genotype)),
                Err(e) => Err(refuse(e.to_string())),
            };
        }
        let taken = Genotypes::of_space(text, space).and_then(|found| found.take(None));
        taken.map(|taken| Some(taken.genotype)).map_err(|e| refuse(e.to_string()))
    }

    /// All candidates of the search space. [`Config::check`] refuses a name that is none.
    pub fn full(&self) -> Mask {
        self.space.find().unwrap_or(darts::SPACE).full()
    }

    /// Places that take part in scoring.
    pub fn space(&self) -> Mask {
        if self.score.none == "compete" { self.full() } else { self.full().without_operation(Operation::None) }
    }

    /// The cells of the proxy network: those of [`Score::cells`], where the space has cells of one kind all of that.
    pub fn proxy_cells(&self) -> Vec<CellKind> {
        let space = self.full().space();
        let there = |kind: &CellKind| if space.graph(*kind).is_some() { *kind } else { space.layout(1)[0] };
        self.score.cells.iter().map(there).collect()
    }

    /// How a search on a GPU keeps maps.
    pub fn precision(&self) -> Precision {
        self.device.precision.parse().unwrap_or_default()
    }

    /// The memory budget in bytes, where one is set.
    pub fn memory_budget(&self) -> Option<u64> {
        super::number::parse_amount(&self.device.memory_budget)
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            version: VERSION,
            seed: 2,
            space: Space::default(),
            data: Data::default(),
            device: Device::default(),
            score: Score::default(),
            cut: Cut::default(),
            search: Search::default(),
            train: Train::default(),
            run: Run::default(),
        }
    }
}

impl Default for Run {
    fn default() -> Self {
        Run { checkpoint_steps: 0, checkpoint_seconds: 10, grace_seconds: 30 }
    }
}

impl Default for Data {
    fn default() -> Self {
        Data { source: "embedded".into(), limit: 0, size: 0, crop_padding: 4, flip: true, cutout: 0, prefetch: 2 }
    }
}

impl Default for Device {
    fn default() -> Self {
        Device {
            kind: "auto".into(),
            threads: 0,
            memory: "auto".into(),
            memory_budget: "auto".into(),
            precision: Precision::default().to_string(),
        }
    }
}

impl Default for Score {
    fn default() -> Self {
        Score {
            functions: vec!["naswot".into(), "nngp_frobenius".into()],
            draws: 3,
            batch: 32,
            channels: 4,
            cells: vec![CellKind::Normal, CellKind::Reduction],
            none: "off".into(),
            remove_per_round: 1,
            aggregate: "noise".into(),
        }
    }
}

impl Default for Cut {
    fn default() -> Self {
        Cut { xi: 0.5, budget: OFF.into(), kept_per_edge: Vec::new(), source: "scores".into() }
    }
}

impl Default for Search {
    fn default() -> Self {
        Search {
            channels: 16,
            cells: 8,
            batch: 64,
            epochs: 50,
            method: "darts".into(),
            order: Order::First,
            regularisers: Vec::new(),
            alpha_warmup_epochs: 0,
            stop: Vec::new(),
            train_share: 0.5,
            learning_rate: 0.025,
            learning_rate_min: 0.001,
            momentum: 0.9,
            weight_decay: 3e-4,
            clip: 5.0,
            alpha_learning_rate: 3e-4,
            alpha_beta1: 0.5,
            alpha_beta2: 0.999,
            alpha_weight_decay: 1e-3,
            journal_every: 0,
        }
    }
}

impl Default for Train {
    fn default() -> Self {
        Train {
            genotype: String::new(),
            channels: 36,
            cells: 20,
            batch: 96,
            epochs: 600,
            learning_rate: 0.025,
            learning_rate_min: 0.0,
            momentum: 0.9,
            weight_decay: 3e-4,
            clip: 5.0,
            drop_path: 0.2,
            auxiliary: 0.4,
            cutout: 16,
        }
    }
}
