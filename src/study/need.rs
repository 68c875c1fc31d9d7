//! What a run of a study will need, by prediction.

use std::collections::HashMap;

use super::design::Stage;
use super::plan::Task;
use super::standing::Known;
use crate::data::DataError;
use crate::engine::plan::{DataShape, Planner, shape};
use crate::engine::training_memory::training_bytes;
use crate::run::config::{Config, Keep};
use crate::space::cut::{Cutter, Source};
use crate::space::{Genotype, Mask};

/// Sizes of pictures by where they come from, so that data is opened once.
#[derive(Debug, Default)]
pub struct Needs {
    shapes: HashMap<String, (DataShape, usize)>,
    /// Planners that have timed the parts of a step, by the settings of the search.
    timed: HashMap<String, Option<Planner>>,
}

impl Needs {
    /// The sizes of pictures, and how many there are.
    fn shape(&mut self, config: &Config) -> Result<(DataShape, usize), DataError> {
        let key = format!("{} {}", config.data.source, config.data.size);
        if let Some(known) = self.shapes.get(&key) {
            return Ok(*known);
        }
        let found = shape(config)?;
        self.shapes.insert(key, found);
        Ok(found)
    }

    /// Bytes that the engine of a task takes at its peak, over the idle process, if it may take what it would like; with
    /// `lean`, if it has to do with the least. `None` of a scoring, which does with what it gets.
    ///
    /// # Errors
    /// Data that can't be opened, settings that make no sense on it.
    pub fn bytes(
        &mut self,
        task: &Task,
        scores: Option<&Known>,
        found: Option<&Genotype>,
        (gpu, threads, lean): (bool, usize, bool),
    ) -> Result<Option<u64>, String> {
        let mut config = task.config_with(found);
        config.device.threads = threads;
        if lean && config.device.memory == Keep::Auto {
            config.device.memory = Keep::Recompute;
        }
        match task.stage {
            Stage::Score => Ok(None),
            Stage::Search if task.until_cut => Ok(None),
            Stage::Search => {
                let (shape, _) = self.shape(&config).map_err(|e| e.to_string())?;
                let planner = Planner::new(&config, shape, None, threads).on_gpu(gpu);
                Ok(Some(planner.by_bytes(mask(&config, scores)).bytes))
            }
            Stage::Train => {
                // Whatever is free there now: what it would like is asked for.
                config.device.memory_budget = u64::MAX.to_string();
                training_bytes(&config).map(|(bytes, _)| Some(bytes)).map_err(|e| e.to_string())
            }
        }
    }

    /// Seconds that a search takes on the CPU, by a step that is timed here and now; `None` of other runs.
    pub fn seconds(&mut self, task: &Task, scores: Option<&Known>, threads: usize) -> Option<f64> {
        if task.stage != Stage::Search || task.until_cut {
            return None;
        }
        let config = &task.config;
        let (shape, pictures) = self.shape(config).ok()?;
        let key = config.written(["search", "device"].into_iter().map(String::from)) + &format!("{shape:?}");
        let planner = self.timed.entry(key).or_insert_with(|| {
            let pool =
                rayon::ThreadPoolBuilder::new().num_threads(threads.min(crate::device::threads(0))).build().ok()?;
            pool.install(|| Planner::new(config, shape, None, threads).timed()).ok()
        });
        let step = planner.as_ref()?.plan(mask(config, scores)).step_seconds?;
        let limit = if config.data.limit > 0 { config.data.limit.min(pictures) } else { pictures };
        let steps = (limit as f64 * config.search.train_share / config.search.batch as f64).ceil();
        // The other half is looked at once an epoch, forwards only.
        Some(1.2 * step * steps * config.search.epochs as f64)
    }
}

/// What a search will keep: the cut that it will have, or where nobody knows, the whole space, which needs the most.
fn mask(config: &Config, scores: Option<&Known>) -> Mask {
    let cut = &config.cut;
    let source = cut.source.automatic();
    let order = scores.and_then(|known| known.summary.as_ref()).map_or_else(Vec::new, |s| s.order.clone());
    let known = source != Source::Scores || !order.is_empty() && cut.source.functions().is_empty();
    if cut.is_none() || cut.budget().is_some() || !known {
        return config.full();
    }
    let cutter = Cutter { space: config.space(), order, seed: config.seed };
    match cut.counts(config.space().space()) {
        Some(counts) => cutter.with_counts(source, &counts),
        None => cutter.automatic(source, cut.xi),
    }
}
