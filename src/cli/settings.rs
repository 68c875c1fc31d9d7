//! Settings from the command line: what `zonas run`, `zonas train`, `zonas predict` and `zonas bench` have in common.

use std::path::PathBuf;

use clap::Args;
use color_eyre::eyre;

use super::config;
use super::exit::Usage;
use crate::device::Choice;
use crate::nn::Precision;
use crate::run::config::{Config, ConfigError, Keep, Space as SpaceSetting};
use crate::run::files;
use crate::text;

/// Those that only a search has a use for; see [`SettingArguments::without_search`].
pub const OF_A_SEARCH: [&str; 4] = ["space", "xi", "memory", "precision"];

#[derive(Args, Debug, Default)]
pub struct SettingArguments {
    /// Start from a preset: `darts` or `nas_bench_201` (the published searches), `paper` (scored as in the paper), `demo` or `nas_bench_201_demo`.
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
    /// Pruning level, below 1; 0 cuts nothing: the whole space is searched.
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
        // Values are looked at when all are there: what one makes of another does not depend on which was given first.
        let mut file = None;
        if let Some(path) = &self.config {
            let text = files::text(path, files::SETTINGS)
                .map_err(|e| Usage(format!("can't read the configuration {}: {e}", path.display())))?;
            let name = path.display().to_string();
            c = c.over(&text, &name)?;
            file = Some((text, name, c.clone()));
        }
        let sized =
            |given: &&String| ["cut.budget", "cut.kept_per_edge"].iter().any(|key| given.trim().starts_with(key));
        if let (Some(xi), Some(other)) = (self.xi, self.set.iter().find(sized)) {
            let words = format!("--xi {xi} and --set {other} both say how much is kept; give one of them");
            return Err(Usage(text::sanitize(&words)).into());
        }
        let set: Vec<_> = self.set.iter().map(|given| super::genotype::assignment(given)).collect::<Result<_, _>>()?;
        c = c.assign(&set)?;
        if let Some(space) = &self.space {
            c.space = SpaceSetting { name: space.clone(), definition: String::new() };
        }
        if let Some(data) = &self.data {
            c.data.source.clone_from(data);
        }
        if let Some(xi) = self.xi {
            c.cut = c.cut.at_level(xi);
        }
        if let Some(budget) = &self.memory_budget {
            c.device.memory_budget.clone_from(budget);
        }
        c.device.memory = self.memory.unwrap_or(c.device.memory);
        c.device.kind = self.device.unwrap_or(c.device.kind);
        c.device.precision = self.precision.unwrap_or(c.device.precision);
        c.seed = self.seed.unwrap_or(c.seed);
        c.device.threads = self.threads.unwrap_or(c.device.threads);
        let given = c.clone();
        c.settled().map_err(|e| {
            let placed = match (&file, &e) {
                // A value of the file, and nothing was given over it.
                (Some((text, name, read)), ConfigError::Value { key, .. }) if read.value(key) == given.value(key) => {
                    e.placed(text, name)
                }
                _ => e,
            };
            placed.into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(file: Option<&str>, set: &[&str], change: impl FnOnce(&mut SettingArguments)) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my.toml");
        std::fs::write(&path, file.unwrap_or_default()).unwrap();
        let set = set.iter().map(ToString::to_string).collect();
        let mut given = SettingArguments { config: file.map(|_| path), set, ..SettingArguments::default() };
        change(&mut given);
        given.config().map_err(|e| e.to_string().replace(&format!("{}/", folder.path().display()), ""))
    }

    #[test]
    fn what_belongs_together_is_checked_when_all_is_there() {
        // Six edges are those of nas_bench_201, and not of the default.
        let counts = |n: usize| format!("cut.kept_per_edge={:?}", vec![n; 6]);
        let in_201 = |c: &mut SettingArguments| c.space = Some("nas_bench_201".into());
        assert_eq!(config(None, &[&counts(2)], in_201).unwrap().cut.kept_per_edge, [2; 6]);
        for set in [[counts(2), "space.name=nas_bench_201".into()], ["space.name=nas_bench_201".into(), counts(2)]] {
            let c = config(None, &set.each_ref().map(String::as_str), |_| {}).unwrap();
            assert_eq!((c.space.name.as_str(), c.cut.kept_per_edge.len()), ("nas_bench_201", 6));
        }
        let file = format!("[cut]\nkept_per_edge = {:?}\n", vec![2; 6]);
        assert_eq!(config(Some(&file), &[], in_201).unwrap().cut.kept_per_edge, [2; 6]);
        assert_eq!(config(Some(&file), &["space.name=nas_bench_201"], |_| {}).unwrap().cut.kept_per_edge, [2; 6]);
        let e = config(Some(&file), &[], |_| {}).unwrap_err();
        assert!(e.starts_with("my.toml, line 2: `cut.kept_per_edge`: "), "{e}");
        assert!(config(None, &[&counts(2)], |_| {}).unwrap_err().starts_with("setting `cut.kept_per_edge`: "));
        // Two keys of which each alone would be refused.
        let both = ["device.precision=bf16", "search.order=2"];
        assert!(config(None, &both, |_| {}).unwrap_err().starts_with("setting `device.precision`"));
        assert!(config(None, &[both[0], both[1], "search.order=1"], |_| {}).is_ok());
        // What --xi would take back without a word.
        for set in ["cut.budget=150MiB", "cut.kept_per_edge=[1, 1]"] {
            let e = config(None, &[set], |c| c.xi = Some(0.5)).unwrap_err();
            assert!(e.starts_with("--xi 0.5 and --set cut.") && e.ends_with("give one of them"), "{e}");
        }
        // A method is a name for what is not said beside it, whichever is said first.
        for set in [
            ["search.method=darts_2nd", "search.alpha_warmup_epochs=3"],
            ["search.alpha_warmup_epochs=3", "search.method=darts_2nd"],
        ] {
            let c = config(None, &set, |_| {}).unwrap();
            assert_eq!((c.search.order.number(), c.search.alpha_warmup_epochs), (2, 3), "{set:?}");
        }
    }

    #[test]
    fn mistakes_in_a_file_are_told_with_file_line_and_key() {
        let told = |file: &str| config(Some(file), &[], |_| {}).unwrap_err();
        for (file, begins) in [
            ("seed = 3\n\n[cut]\nxi = 2\n", "my.toml, line 4: `cut.xi`: "),
            ("seed = 3\n[search]\nbatch = \"many\"\n", "my.toml, line 3: `search.batch`: "),
            ("[search]\nchanels = 4\n", "my.toml, line 2: there is no setting `chanels` here"),
            ("seed = = 2\n", "my.toml, line 1: `seed`: "),
            ("\nversion = 7\n", "my.toml, line 2: `version`: "),
            ("[score]\n\nfunctions = [\"naswott\"]\n", "my.toml, line 3: `score.functions`: "),
            ("[score]\nnone = \"maybe\"\n", "my.toml, line 2: `score.none`: "),
            ("[space]\nname = \"dart\"\n", "my.toml, line 2: `space.name`: "),
        ] {
            let e = told(file);
            assert!(e.starts_with(begins), "{e}");
        }
        let deep = format!("[search]\nstop = {}{}\n", "[".repeat(3000), "]".repeat(3000));
        assert!(
            told(&deep).starts_with("my.toml, line 2: `search.stop`: lists or tables stand too deep"),
            "{}",
            told(&deep)
        );
        // What was given over the file is not the file's mistake.
        let e = config(Some("[cut]\nxi = 0.25\n"), &["cut.xi=2"], |_| {}).unwrap_err();
        assert!(e.starts_with("setting `cut.xi`: "), "{e}");
    }
}
