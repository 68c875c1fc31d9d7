//! What the settings of a run come to. The settings themselves are in `run/settings/table.rs`.

use std::path::Path;

pub use super::settings::cut_source::CutSource;
pub use super::settings::define::{Key, VERSION};
pub use super::settings::draws::Draws;
pub use super::settings::error::ConfigError;
pub use super::settings::table::{
    Config, Cut, Data, Device, KEYS, Run, Score, Search, Space, Train, Truth, key_hint, keys,
};
pub use super::settings::words::{ClassWeights, CutBy, Estimator, Keep, NoneOperation, StemChoice};

use crate::oneshot::Parts;
use crate::space::cut::{Source, level_of};
use crate::space::{self, CellKind, Counts, Genotype, Genotypes, Mask, Operation, darts, published};

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

impl Cut {
    /// The budget in bytes, where one is set.
    pub fn budget(&self) -> Option<u64> {
        crate::text::parse_amount(&self.budget)
    }

    /// Whether nothing is to go.
    pub fn is_none(&self) -> bool {
        self.xi == 0.0 && self.budget().is_none() && self.kept_per_edge.is_empty()
    }

    /// The counts of [`Cut::kept_per_edge`], where there are any.
    pub fn counts(&self, space: space::Space) -> Option<Counts> {
        Counts::of_list(space, &self.kept_per_edge).ok()
    }

    /// The same at this level, and not within a budget or with other counts.
    #[must_use]
    pub fn at_level(self, xi: f64) -> Cut {
        Cut { xi, budget: "off".into(), kept_per_edge: Vec::new(), ..self }
    }

    /// A control by this source that keeps as many operations on every edge as `mask`.
    pub fn control(source: Source, mask: &Mask) -> Cut {
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

impl Truth {
    /// The column of accuracies, where one is named.
    pub fn named_column(&self) -> Option<&str> {
        Some(self.column.as_str()).filter(|c| !c.is_empty())
    }
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

impl Config {
    /// What a run begins with: paths that hold from any folder, values that make sense, functions that there are, and the text of
    /// a space's file.
    ///
    /// # Errors
    /// The first value that makes no sense, with what would.
    pub fn settled(mut self) -> Result<Config, ConfigError> {
        let refuse = |key: &str, reason: String| ConfigError::Value { key: key.into(), reason };
        // The run may be resumed, or opened, from another folder.
        let absolute = |key: &str, path: &str| {
            let found = std::path::absolute(path).map_err(|e| refuse(key, format!("`{path}` is no path: {e}")))?;
            Ok(found.to_string_lossy().into_owned())
        };
        if self.data.source != "embedded" {
            self.data.source = absolute("data.source", &self.data.source)?;
        }
        if !self.truth.table.is_empty() {
            self.truth.table = absolute("truth.table", &self.truth.table)?;
        }
        self.check()?;
        let unknown = self.score.functions.iter().find_map(|name| crate::proxies::by_name(name).err());
        if let Some(e) = unknown {
            return Err(refuse("score.functions", e.to_string()));
        }
        self.space = self.space.embedded()?;
        Ok(self)
    }

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
        // Nobody has to name a space for cells of DARTS with other operations.
        let found = if space == darts::SPACE { Genotypes::of(text) } else { Genotypes::of_space(text, space) };
        let taken = found.and_then(|found| found.take(None));
        taken.map(|taken| Some(taken.genotype)).map_err(|e| refuse(e.to_string()))
    }

    /// All candidates of the search space. [`Config::check`] refuses a name that is none.
    pub fn full(&self) -> Mask {
        self.space.find().unwrap_or(darts::SPACE).full()
    }

    /// Whether anything is scored: neither a control needs that, nor a search of the whole space.
    pub fn scores(&self) -> bool {
        self.cut.source.automatic() == Source::Scores && !self.cut.is_none()
    }

    /// Places that take part in scoring, and in a cut.
    pub fn space(&self) -> Mask {
        if self.score.none == NoneOperation::Compete || self.cut.is_none() {
            self.full()
        } else {
            self.full().without_operation(Operation::None)
        }
    }

    /// The cells of the proxy network: those of [`Score::cells`], where the space has cells of one kind all of that.
    pub fn proxy_cells(&self) -> Vec<CellKind> {
        let space = self.full().space();
        let there = |kind: &CellKind| if space.graph(*kind).is_some() { *kind } else { space.layout(1)[0] };
        self.score.cells.iter().map(there).collect()
    }

    /// The memory budget in bytes, where one is set.
    pub fn memory_budget(&self) -> Option<u64> {
        crate::text::parse_amount(&self.device.memory_budget)
    }
}
