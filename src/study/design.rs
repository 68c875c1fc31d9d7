//! `study.toml`: what varies, over which seeds, what is asked of it, and what it is compared with.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::StudyError;
use super::seeds::Seeds;
use crate::complaint::Complaint;
use crate::nearest::nearest;
use crate::proxies;
use crate::run::config::{Config, ConfigError, KEYS, Key, Score, key_hint, keys};
use crate::run::named_preset;

/// Version of the format.
pub const VERSION: u32 = 1;
/// Settings at most: a grid that is larger is a mistake.
const MOST: usize = 10_000;

/// What is done with a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The space is scored.
    Score,
    /// What the cut leaves is searched.
    Search,
    /// The cell that was found is trained from scratch.
    Train,
}

impl Stage {
    pub const ALL: [Stage; 3] = [Stage::Score, Stage::Search, Stage::Train];

    pub const fn name(self) -> &'static str {
        match self {
            Stage::Score => "score",
            Stage::Search => "search",
            Stage::Train => "train",
        }
    }
}

/// How much may be used on one machine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Runs at once; 0: as many as there are cores (or GPUs) and memory for.
    pub at_once: usize,
    /// Threads of each run; 0: the cores, shared among the runs.
    pub threads: usize,
    /// Bytes that all runs may take together (`8GiB`), or `auto`: what is free, less a tenth.
    pub memory: String,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { at_once: 0, threads: 0, memory: "auto".into() }
    }
}

/// What is compared with what.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Compare {
    /// Name of the setting that the others are compared with; "": the first.
    pub baseline: String,
    /// Percentage points of accuracy within which two settings count as the same.
    pub margin: f64,
    /// Probability of being wrong that is put up with, over all comparisons of a table.
    pub alpha: f64,
}

impl Default for Compare {
    fn default() -> Compare {
        Compare { baseline: String::new(), margin: 1.0, alpha: 0.05 }
    }
}

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    #[serde(default)]
    note: String,
    seeds: Seeds,
    #[serde(default = "usual")]
    stages: Vec<Stage>,
    #[serde(default)]
    preset: Option<String>,
    #[serde(default)]
    base: toml::Table,
    #[serde(default)]
    factors: toml::Table,
    #[serde(default)]
    settings: Vec<toml::Table>,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    compare: Compare,
}

fn usual() -> Vec<Stage> {
    vec![Stage::Score, Stage::Search]
}

/// What varies: a key, and its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    pub key: String,
    pub values: Vec<toml::Value>,
}

/// One combination of what varies.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    pub name: String,
    /// What makes it: keys and values, in the order of the factors.
    pub values: Vec<(String, String)>,
    /// Its configuration, with the seed of the base.
    pub config: Config,
}

/// A study as it was designed.
#[derive(Clone, Debug, PartialEq)]
pub struct Design {
    /// What the study is to find out, in the author's words.
    pub note: String,
    pub seeds: Vec<u64>,
    pub stages: Vec<Stage>,
    pub factors: Vec<Factor>,
    pub settings: Vec<Setting>,
    pub limits: Limits,
    pub compare: Compare,
    /// Index of the setting that others are compared with.
    pub baseline: usize,
    /// What was left out of the grid, and why.
    pub notes: Vec<String>,
    /// Pictures that lie in the study's own folder, from there: wherever that is moved, they are the same.
    pub(super) inside: Vec<PathBuf>,
}

impl Design {
    /// Reads the text of a `study.toml`; `file` is what messages call it, and paths in it are relative to `folder`.
    ///
    /// # Errors
    /// The first thing that makes no sense: where, what, and what to do.
    pub fn read(text: &str, file: &str, folder: &Path) -> Result<Design, StudyError> {
        let wrong = |reason: String| StudyError::Design { file: file.into(), reason };
        let read: File = toml::from_str(text).map_err(|e| {
            let Complaint { line, reason } = Complaint::of(&e, text, "key", Some("docs/study.md lists all"));
            let place = line.map_or_else(|| file.to_string(), |line| format!("{file}, line {line}"));
            StudyError::Design { file: place, reason }
        })?;
        if read.version != VERSION {
            let words =
                format!("`version`: {} is not known here, only {VERSION}; use a program that knows it", read.version);
            return Err(wrong(words));
        }
        let base = base(&read).map_err(&wrong)?;
        let factors = factors(&read.factors).map_err(&wrong)?;
        let stages = stages(&read.stages).map_err(&wrong)?;
        let mut notes = Vec::new();
        let settings = settings(&base, folder, &factors, &read.settings, &mut notes).map_err(&wrong)?;
        let limits = read.limits;
        if limits.memory != "auto" && crate::text::parse_amount(&limits.memory).is_none() {
            return Err(wrong(format!("`limits.memory`: `{}` is neither `auto` nor bytes, as 8GiB is", limits.memory)));
        }
        let compare = read.compare;
        if !(compare.margin.is_finite() && compare.margin > 0.0) {
            return Err(wrong("`compare.margin`: must be above 0 percentage points".into()));
        }
        if !(compare.alpha > 0.0 && compare.alpha < 0.5) {
            return Err(wrong("`compare.alpha`: must lie above 0 and below 0.5, as 0.05 does".into()));
        }
        let baseline = match compare.baseline.as_str() {
            "" => 0,
            name => named(&settings, name).map_err(|e| wrong(format!("`compare.baseline`: {e}")))?,
        };
        let seeds = read.seeds.list();
        let from_here = |s: &Setting| Path::new(&s.config.data.source).strip_prefix(folder).ok().map(Path::to_path_buf);
        let mut inside: Vec<PathBuf> = settings.iter().filter_map(from_here).collect();
        inside.dedup();
        Ok(Design { note: read.note, seeds, stages, factors, settings, limits, compare, baseline, notes, inside })
    }

    /// Compares with another setting.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn set_baseline(&mut self, name: &str) -> Result<(), StudyError> {
        self.baseline = named(&self.settings, name).map_err(StudyError::Refused)?;
        Ok(())
    }

    /// Keys that tell one run of this study from another: those that results depend on, and those that vary.
    pub fn identity(&self) -> impl Iterator<Item = &'static Key<Config>> + use<'_> {
        let varies = |path: &str| self.settings.iter().any(|s| s.values.iter().any(|(key, _)| key == path));
        KEYS.iter().filter(move |k| !k.free || varies(&k.path()))
    }

    /// What tells pictures from others: where they are.
    pub(super) fn pictures(&self, config: &Config) -> String {
        let path = Path::new(&config.data.source);
        match self.inside.iter().find(|own| path.ends_with(own)) {
            Some(own) => format!("here: {}", own.display()),
            None => config.data.source.clone(),
        }
    }

    pub fn has(&self, stage: Stage) -> bool {
        self.stages.contains(&stage)
    }
}

fn named(settings: &[Setting], name: &str) -> Result<usize, String> {
    settings.iter().position(|s| s.name == name).ok_or_else(|| {
        let near = nearest(name, settings.iter().map(|s| s.name.as_str()));
        let names = settings.iter().map(|s| s.name.as_str()).take(12).collect::<Vec<_>>().join(", ");
        let hint = near.map_or_else(|| format!("there are {names}"), |n| format!("did you mean `{n}`?"));
        format!("there is no setting `{name}`; {hint}")
    })
}

/// The settings that all runs have.
fn base(read: &File) -> Result<Config, String> {
    let start = match &read.preset {
        None => Config::default(),
        Some(name) => named_preset(name).map_err(|e| format!("`preset`: {e}"))?,
    };
    for word in ["seed", "version"] {
        if read.base.contains_key(word) {
            return Err(
                format!("`base.{word}`: a study has `{word}s` of its own; take it out").replace("versions", "version")
            );
        }
    }
    let text = toml::to_string(&read.base).map_err(|e| format!("`base`: {e}"))?;
    let config = start.over(&text, "[base]").map_err(|e| e.to_string())?;
    if !config.train.genotype.is_empty() {
        return Err("`base.train.genotype`: a study trains the cells that it finds; take it out".into());
    }
    Ok(config)
}

/// With paths as they are from the study's folder.
fn placed(mut config: Config, folder: &Path) -> Result<Config, String> {
    let own = config.space.name.ends_with(".toml").then_some(&mut config.space.name);
    for path in [&mut config.data.source, &mut config.truth.table].into_iter().chain(own) {
        if path.as_str() != "embedded" && !path.is_empty() {
            let whole = std::path::absolute(folder.join(&*path)).map_err(|e| format!("`{path}` is no path: {e}"))?;
            *path = whole.to_string_lossy().into_owned();
        }
    }
    Ok(config)
}

fn stages(given: &[Stage]) -> Result<Vec<Stage>, String> {
    let all: Vec<Stage> = Stage::ALL.into_iter().filter(|s| given.contains(s)).collect();
    match all.as_slice() {
        [] => Err("`stages`: an empty list asks for nothing; name score, search, train".into()),
        [.., Stage::Train] if !all.contains(&Stage::Search) => {
            Err("`stages`: `train` trains what `search` finds; name both".into())
        }
        _ => Ok(all),
    }
}

/// The keys of a table, also where they stand in tables of their own: `cut.xi` is `xi` in `cut`.
fn flat(table: &toml::Table) -> Vec<(String, toml::Value)> {
    let mut all = Vec::new();
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => {
                all.extend(inner.iter().map(|(name, value)| (format!("{key}.{name}"), value.clone())));
            }
            value => all.push((key.clone(), value.clone())),
        }
    }
    all
}

fn factors(table: &toml::Table) -> Result<Vec<Factor>, String> {
    let mut all = Vec::new();
    for (key, values) in flat(table) {
        varies(&key).map_err(|why| format!("`factors.{key}`: {why}"))?;
        let toml::Value::Array(values) = values else {
            return Err(format!("`factors.{key}`: give a list of values, as in {key} = [{values}]"));
        };
        if values.is_empty() {
            return Err(format!("`factors.{key}`: an empty list leaves nothing to run"));
        }
        all.push(Factor { key, values });
    }
    Ok(all)
}

/// Whether a key may differ between the settings of a study.
fn varies(key: &str) -> Result<(), String> {
    match key {
        "seed" => return Err("seeds are the study's: `seeds = \"1..5\"`".into()),
        "version" | "train.genotype" | "space.definition" => return Err("can't vary in a study".into()),
        "device.threads" | "device.memory_budget" => {
            return Err("the runner shares it out, and results do not depend on it: see [limits]".into());
        }
        "device.kind" => return Err("a study runs on one kind of device: set it in [base]".into()),
        _ => {}
    }
    if keys().any(|k| k == key) { Ok(()) } else { Err(format!("there is no such setting; {}", key_hint(key))) }
}

/// A value as it is given to a setting.
fn written(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// All combinations of the factors, then the settings that stand beside them.
fn settings(
    base: &Config,
    folder: &Path,
    factors: &[Factor],
    beside: &[toml::Table],
    notes: &mut Vec<String>,
) -> Result<Vec<Setting>, String> {
    let size =
        factors.iter().map(|f| f.values.len()).try_fold(1usize, |n, more| n.checked_mul(more).filter(|n| *n <= MOST));
    let size = size.ok_or_else(|| format!("`factors`: more than {MOST} combinations; leave some out"))?;
    let mut gathered = Gathered::default();
    // A study of named settings alone has no grid.
    let grid = if factors.is_empty() && !beside.is_empty() { 0 } else { size };
    for number in 0..grid {
        let mut rest = number;
        let mut values = Vec::new();
        for factor in factors.iter().rev() {
            values.push((factor.key.clone(), written(&factor.values[rest % factor.values.len()])));
            rest /= factor.values.len();
        }
        values.reverse();
        gathered.add(setting(base, folder, None, values)?, notes)?;
    }
    for table in beside {
        let mut table = table.clone();
        let Some(toml::Value::String(name)) = table.remove("name") else {
            return Err("`settings`: each of them has a `name`, which is a text".into());
        };
        let name = name.trim().to_string();
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err("`settings`: a `name` is a text of one line".into());
        }
        let mut values = Vec::new();
        for (key, value) in flat(&table) {
            varies(&key).map_err(|why| format!("`settings.{key}` of `{name}`: {why}"))?;
            values.push((key, written(&value)));
        }
        gathered.add(setting(base, folder, Some(name), values)?, notes)?;
    }
    Ok(gathered.all)
}

/// One of them, checked as a run checks its settings.
fn setting(
    base: &Config,
    folder: &Path,
    name: Option<String>,
    values: Vec<(String, String)>,
) -> Result<Setting, String> {
    let here = name.clone().unwrap_or_else(|| called(&values));
    let told = |e: ConfigError| match here.is_empty() {
        true => e.to_string(),
        false => format!("with {here}: {e}"),
    };
    let assignments: Vec<String> = values.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mut config = placed(base.assign(&assignments).map_err(told)?, folder)?;
    config.check().map_err(told)?;
    config.space = config.space.clone().embedded().map_err(told)?;
    let unknown = config.score.functions.iter().find_map(|name| proxies::by_name(name).err());
    if let Some(e) = unknown {
        return Err(told(ConfigError::Value { key: "score.functions".into(), reason: e.to_string() }));
    }
    let name = name.unwrap_or(here);
    let name = if name.is_empty() { "base".into() } else { name };
    Ok(Setting { name, values, config })
}

/// What a combination of factors is called: `xi=0.5 source=random`, with the section where two keys end alike.
fn called(values: &[(String, String)]) -> String {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_string();
    let short = |key: &str| match values.iter().filter(|(other, _)| last(other) == last(key)).count() {
        1 => last(key),
        _ => key.to_string(),
    };
    values.iter().map(|(key, value)| format!("{}={value}", short(key))).collect::<Vec<_>>().join(" ")
}

/// Settings as they come together, by their names and by what they come to.
#[derive(Default)]
struct Gathered {
    all: Vec<Setting>,
    names: HashSet<String>,
    same: HashMap<String, usize>,
}

impl Gathered {
    /// Adds a setting, unless it is one that is there: of a whole space, for example, nothing is cut, whatever would cut it.
    fn add(&mut self, new: Setting, notes: &mut Vec<String>) -> Result<(), String> {
        if !self.names.insert(new.name.clone()) {
            return Err(format!("`settings`: two have the name `{}`", new.name));
        }
        match self.same.entry(effective(&new.config).to_toml()) {
            Entry::Occupied(there) => {
                let there = &self.all[*there.get()].name;
                notes.push(format!("`{}` is the same as `{there}`: it runs once", new.name));
            }
            Entry::Vacant(free) => {
                free.insert(self.all.len());
                self.all.push(new);
            }
        }
        Ok(())
    }
}

/// The configuration without what has no effect in it.
pub(super) fn effective(config: &Config) -> Config {
    let mut config = config.clone();
    let blank = crate::run::config::Cut::default();
    if config.cut.is_none() {
        config.cut = crate::run::config::Cut { xi: 0.0, ..blank };
    } else if config.cut.budget().is_some() || !config.cut.kept_per_edge.is_empty() {
        config.cut.xi = blank.xi;
    }
    if !config.scores() {
        // A control needs none; only what may be kept depends on them.
        config.score = Score { none: config.score.none, ..Score::default() };
    }
    config
}
