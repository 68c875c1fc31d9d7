//! What a run of a study will need, by prediction.

use std::collections::{HashMap, HashSet};

use super::design::{Design, Setting, Stage};
use super::plan::Task;
use super::standing::Known;
use super::{DESIGN, StudyError};
use crate::data::{self, Kind};
use crate::engine::check_table;
use crate::engine::heaviest::heaviest;
use crate::engine::plan::{DataShape, Planner, about, pictures_memory};
use crate::engine::scoring_memory::scoring_bytes;
use crate::engine::seconds;
use crate::engine::suits;
use crate::engine::training_memory::{network_on, step_bytes};
use crate::nn::{Policy, cheapest};
use crate::run::config::{Config, Keep};
use crate::space::cut::{Cutter, Scope, Source};
use crate::space::{Genotype, Mask};

/// Seconds of a cut from scores that are there: it is decided in seconds, and the parts of a search step are timed.
const CUT: f64 = 60.0;

/// A run whose needs are asked for: what stands before it, and what it runs on.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub task: &'a Task,
    /// The run that it needs, as it stands.
    pub before: Option<&'a Known>,
    /// What a training trains, where its search has found it.
    pub found: Option<&'a Genotype>,
    pub gpu: bool,
    pub threads: usize,
}

/// Sizes of pictures by where they come from, so that data is opened once; and what was predicted, so that nothing is computed twice.
#[derive(Debug, Default)]
pub struct Needs {
    pictures: HashMap<String, data::Summary>,
    bytes: HashMap<String, Option<u64>>,
    /// Planners that have timed the parts of a step, by the settings of the search.
    timed: HashMap<String, Option<Planner>>,
    /// Seconds of scorings and of trainings, by their settings.
    seconds: HashMap<String, Option<f64>>,
}

/// What is taken for a run of which more is known later: it needs at most as much, as far as can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Estimate {
    /// Of a search whose cut follows from scores.
    WholeSpace,
    /// Of a training whose cell follows from a search.
    HeaviestCell,
}

impl Asked<'_> {
    /// What stands in for what is not known before another run has ended.
    pub fn estimate(&self) -> Option<Estimate> {
        match self.task.stage {
            Stage::Train if self.found.is_none() => Some(Estimate::HeaviestCell),
            Stage::Search if !self.task.until_cut && cut(&self.task.config, self.before).is_none() => {
                Some(Estimate::WholeSpace)
            }
            _ => None,
        }
    }

    /// What tells needs from others.
    fn key(&self, lean: bool) -> String {
        let found = self.found.map_or_else(String::new, ToString::to_string);
        let order = self.before.and_then(|known| known.summary.as_ref()).is_some_and(|s| !s.order.is_empty());
        let Asked { task, gpu, threads, .. } = self;
        format!("{} {} {found} {order} {gpu} {threads} {lean}", task.what(), task.key)
    }

    /// Its settings on these threads.
    fn config(&self) -> Config {
        let mut config = self.task.config_with(self.found);
        config.device.threads = self.threads;
        config
    }

    /// The cell that is trained, or the one that takes the most of those that its search could find.
    fn trained(&self, takes: impl Fn(&Genotype) -> u64) -> Genotype {
        self.found.cloned().unwrap_or_else(|| heaviest(&mask(&self.task.config, self.before), takes))
    }
}

impl Needs {
    /// The pictures of a run.
    fn pictures(&mut self, config: &Config) -> Result<data::Summary, String> {
        let key = format!("{} {}", config.data.source, config.data.size);
        if let Some(known) = self.pictures.get(&key) {
            return Ok(known.clone());
        }
        let found = about(config).map_err(|e| e.to_string())?;
        self.pictures.insert(key, found.clone());
        Ok(found)
    }

    /// Whether every setting of a design makes sense on its pictures, and its table of accuracies can be used. Where runs are not made
    /// `here`, pictures and tables that can't be opened may be there: they are told when a run needs them.
    ///
    /// # Errors
    /// The first setting that does not, and why.
    pub fn check(&mut self, design: &Design, here: bool) -> Result<(), StudyError> {
        let mut tables = HashSet::new();
        for Setting { name, config, .. } in &design.settings {
            let refuse = |why: String| StudyError::Refused(format!("{DESIGN}: with {name}: {why}"));
            let about = match self.pictures(config) {
                Ok(about) => about,
                Err(why) if here => return Err(refuse(why)),
                Err(_) => continue,
            };
            suits(config, &about, design.has(Stage::Train)).map_err(|e| refuse(e.to_string()))?;
            if here && tables.insert(config.written(["truth", "space"].map(String::from))) {
                check_table(config).map_err(|e| refuse(e.to_string()))?;
            }
        }
        Ok(())
    }

    /// Bytes that the pictures of a run take in its process's memory.
    ///
    /// # Errors
    /// Data that can't be opened.
    pub fn picture_bytes(&mut self, task: &Task) -> Result<u64, String> {
        let about = self.pictures(&task.config)?;
        let all = (about.picture_bytes() * (about.train + about.test)) as u64;
        let stays = about.kind == Kind::ImageFolder && pictures_memory(&task.config).is_some_and(|most| all > most);
        Ok(if stays { 0 } else { all })
    }

    /// Bytes that the engine takes at its peak, over the idle process, if it may take what it would like; with `lean`, if it has to do
    /// with the least. `None` of scorings and cuts on a GPU, which do with what they get.
    ///
    /// # Errors
    /// Data that can't be opened, settings that make no sense on it.
    pub fn bytes(&mut self, asked: Asked, lean: bool) -> Result<Option<u64>, String> {
        let key = asked.key(lean);
        if let Some(known) = self.bytes.get(&key) {
            return Ok(*known);
        }
        let found = self.computed(asked, lean)?;
        self.bytes.insert(key, found);
        Ok(found)
    }

    fn computed(&mut self, asked: Asked, lean: bool) -> Result<Option<u64>, String> {
        let Asked { task, before, gpu, threads, .. } = asked;
        let mut config = asked.config();
        if lean && config.device.memory == Keep::Auto {
            config.device.memory = Keep::Recompute;
        }
        if gpu && task.until_cut {
            return Ok(None);
        }
        let pictures = self.pictures(&config)?;
        let shape = DataShape::of(&pictures);
        let planner = || Planner::new(&config, shape, None, threads).on_gpu(gpu);
        let bytes = match task.stage {
            Stage::Score => scoring_bytes(&config, shape, threads, lean).map_err(|e| e.to_string())?,
            // What is timed of a step is no more than this.
            Stage::Search if task.until_cut => planner().bytes(cheapest(config.full().space()), Policy::Keep),
            // A cut within a budget takes no more than that.
            Stage::Search => {
                let bytes = planner().by_bytes(mask(&config, before)).bytes;
                bytes.min(config.cut.budget().unwrap_or(u64::MAX))
            }
            Stage::Train => {
                let of = |g: &Genotype| step_bytes(&config, &pictures, g, gpu, None);
                of(&asked.trained(|g| of(g).unwrap_or(0))).map_err(|e| e.to_string())?
            }
        };
        Ok(Some(bytes))
    }

    /// Seconds that a run takes on the CPU, by work of its kind that is timed here and now. `None` on a GPU, of which nothing is timed
    /// here, and where its data can't be opened.
    pub fn seconds(&mut self, asked: Asked) -> Option<f64> {
        let Asked { task, before, gpu, threads, .. } = asked;
        if gpu {
            return None;
        }
        let config = asked.config();
        let about = self.pictures(&config).ok()?;
        let shape = DataShape::of(&about);
        let written = |sections: &[&str]| config.written(sections.iter().map(|s| (*s).to_string()));
        match task.stage {
            Stage::Search if task.until_cut => Some(CUT),
            Stage::Search => {
                let key = written(&["space", "search", "device"]) + &format!("{shape:?}");
                let planner = self
                    .timed
                    .entry(key)
                    .or_insert_with(|| on(threads, |threads| Planner::new(&config, shape, None, threads).timed().ok()));
                let step = planner.as_ref()?.plan(mask(&config, before)).step_seconds?;
                let limit = if config.data.limit > 0 { config.data.limit.min(about.train) } else { about.train };
                let steps = (limit as f64 * config.search.train_share / config.search.batch as f64).ceil();
                // The other half is looked at once an epoch, forwards only.
                Some(1.2 * step * steps * config.search.epochs as f64)
            }
            Stage::Score => {
                let key = written(&["space", "score", "cut", "device"]) + &format!("score {shape:?}");
                let timed = || on(threads, |threads| seconds::scoring(&config, shape, threads).ok());
                *self.seconds.entry(key).or_insert_with(timed)
            }
            Stage::Train => {
                let macs = |g: &Genotype| {
                    let network = network_on(&config, &about, g).ok();
                    network.and_then(|n| n.count(about.height, about.width).ok()).map_or(0, |count| count.macs)
                };
                let genotype = asked.trained(macs);
                let mut settings = config.clone();
                settings.train.genotype = genotype.to_string();
                let key = settings.written(["train", "device"].map(String::from));
                let key = format!("{key}{} {shape:?} {} {}", config.data.limit, about.train, about.test);
                let timed = || on(threads, |threads| seconds::training(&config, &about, &genotype, threads).ok());
                *self.seconds.entry(key).or_insert_with(timed)
            }
        }
    }
}

/// On so many threads, or on as many as there are here, which is told.
fn on<T: Send>(threads: usize, work: impl FnOnce(usize) -> Option<T> + Send) -> Option<T> {
    let threads = threads.min(crate::device::threads(0));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().ok()?;
    pool.install(|| work(threads))
}

/// What a search will keep: the cut that it will have, or where nobody knows, the whole space, which needs the most.
fn mask(config: &Config, before: Option<&Known>) -> Mask {
    cut(config, before).unwrap_or_else(|| config.full())
}

/// The cut that a search will have, where that is known.
fn cut(config: &Config, before: Option<&Known>) -> Option<Mask> {
    let cut = &config.cut;
    if cut.is_none() {
        return Some(config.full());
    }
    let source = cut.source.automatic();
    let order = before.and_then(|known| known.summary.as_ref()).map_or_else(Vec::new, |s| s.order.clone());
    let known = source != Source::Scores || !order.is_empty() && cut.source.functions().is_empty();
    if cut.budget().is_some() || cut.scope == Scope::Global || !known {
        return None;
    }
    let cutter = Cutter { space: config.space(), order, seed: config.seed };
    Some(match cut.counts(config.space().space()) {
        Some(counts) => cutter.with_counts(source, &counts),
        None => cutter.automatic(source, cut.xi),
    })
}
