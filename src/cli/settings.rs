//! Settings from the command line: what `zonas run`, `zonas train`, `zonas predict` and `zonas bench` have in common.

use std::path::PathBuf;

use clap::Args;
use color_eyre::eyre;

use super::config;
use super::exit::Usage;
use crate::device::Choice;
use crate::nn::Precision;
use crate::run::config::{Config, Keep, Space as SpaceSetting};
use crate::run::files;

/// Those that only a search has a use for; see [`SettingArguments::without_search`].
pub const OF_A_SEARCH: [&str; 4] = ["space", "xi", "memory", "precision"];

#[derive(Args, Debug, Default)]
pub struct SettingArguments {
    /// Start from a preset: `darts` (the published search) or `demo`.
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Read settings from a TOML file; `zonas config` prints one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one key, as in search.batch=32; may be given again.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Search space; `zonas spaces` lists them; or a TOML file of one's own.
    #[arg(long, value_name = "NAME|FILE")]
    space: Option<String>,
    /// Pictures: `embedded`, or a path.
    #[arg(long, value_name = "embedded|PATH")]
    data: Option<String>,
    /// Pruning level, above 0 and below 1.
    #[arg(long, value_name = "XI", allow_negative_numbers = true)]
    xi: Option<f64>,
    /// Seed that every random stream is derived from.
    #[arg(long)]
    seed: Option<u64>,
    /// Where to compute: a GPU if there is one (auto), the CPU, or this GPU. Results agree within rounding.
    #[arg(long, value_name = "auto|cpu|cuda[:N]")]
    device: Option<Choice>,
    /// Threads; 0 takes one per core. Results do not depend on it.
    #[arg(long)]
    threads: Option<usize>,
    /// What cells keep for the backward pass: everything (fastest), the least, or whatever fits. Results are the same.
    #[arg(long, value_name = "keep|recompute|auto")]
    memory: Option<Keep>,
    /// Bytes that the search may take, as in 2GiB; else what is free, less a tenth.
    #[arg(long, value_name = "BYTES")]
    memory_budget: Option<String>,
    /// How a search on a GPU keeps the maps between operations. Results depend on it.
    #[arg(long, value_name = "float32|bf16")]
    precision: Option<Precision>,
}

impl SettingArguments {
    pub fn preset(name: &str) -> SettingArguments {
        SettingArguments { preset: Some(name.into()), ..SettingArguments::default() }
    }

    /// The settings: a preset or the defaults, a file over them, single keys over both.
    pub fn config(&self) -> eyre::Result<Config> {
        self.over(self.base()?)
    }

    /// The preset, or the defaults.
    pub fn base(&self) -> eyre::Result<Config> {
        match &self.preset {
            Some(name) => Ok(config::named(name)?),
            None => Ok(Config::default()),
        }
    }

    /// Refuses what only a search has a use for.
    pub fn without_search(&self) -> Result<(), Usage> {
        let given = [
            (self.space.is_some(), "--space"),
            (self.xi.is_some(), "--xi"),
            (self.memory.is_some(), "--memory"),
            (self.precision.is_some(), "--precision"),
        ];
        match given.into_iter().find(|(given, _)| *given) {
            Some((_, flag)) => Err(Usage(format!("{flag} is for a search; a training has no use for it"))),
            None => Ok(()),
        }
    }

    /// Those of the settings given here that a run may be resumed with, over its own: its result does not depend on them.
    pub fn over_run(&self, run: &Config) -> eyre::Result<Config> {
        let free = SettingArguments {
            device: self.device,
            threads: self.threads,
            memory: self.memory,
            memory_budget: self.memory_budget.clone(),
            ..SettingArguments::default()
        };
        free.over(run.clone())
    }

    /// What was given, over other settings.
    pub fn over(&self, mut c: Config) -> eyre::Result<Config> {
        if let Some(path) = &self.config {
            let text = files::text(path, files::SETTINGS)
                .map_err(|e| Usage(format!("can't read the configuration {}: {e}", path.display())))?;
            c = c.overlay(&text, &path.display().to_string())?;
        }
        for assignment in &self.set {
            c = c.set(&super::genotype::assignment(assignment)?)?;
        }
        if let Some(space) = &self.space {
            c.space = SpaceSetting { name: space.clone(), definition: String::new() };
        }
        if let Some(data) = &self.data {
            c.data.source.clone_from(data);
        }
        if let Some(xi) = self.xi {
            c.cut = c.cut.at_level(xi);
        }
        if c.data.source != "embedded" {
            // The run may be resumed from another folder.
            c.data.source = match std::path::absolute(&c.data.source) {
                Ok(path) => path.to_string_lossy().into_owned(),
                Err(e) => return Err(Usage(format!("`{}` is no path: {e}", c.data.source)).into()),
            };
        }
        if !c.truth.table.is_empty() {
            c.truth.table = match std::path::absolute(&c.truth.table) {
                Ok(path) => path.to_string_lossy().into_owned(),
                Err(e) => return Err(Usage(format!("`{}` is no path: {e}", c.truth.table)).into()),
            };
        }
        if let Some(budget) = &self.memory_budget {
            c.device.memory_budget.clone_from(budget);
        }
        c.device.memory = self.memory.unwrap_or(c.device.memory);
        c.device.kind = self.device.unwrap_or(c.device.kind);
        c.device.precision = self.precision.unwrap_or(c.device.precision);
        c.seed = self.seed.unwrap_or(c.seed);
        c.device.threads = self.threads.unwrap_or(c.device.threads);
        c.check()?;
        c.space = c.space.embedded()?;
        Ok(c)
    }
}
