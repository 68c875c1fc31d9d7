//! The runs that a design asks for: each stage of each setting and seed, and what has to be there before.

use std::collections::{BTreeSet, HashMap};

use super::design::{Design, Setting, Stage, effective};
use crate::engine::{self, score};
use crate::run::config::{Config, KEYS, Key};
use crate::space::Genotype;

/// Letters of a setting in the name of a run.
const NAME: usize = 36;

/// One run of a study.
#[derive(Clone, Debug)]
pub struct Task {
    pub stage: Stage,
    /// Index of its setting; of a scoring, of the first that needs it.
    pub setting: usize,
    pub seed: u64,
    /// What its folder is called, unless a run of other settings has that name.
    pub name: String,
    /// Its settings; those of a training lack the genotype, which the search finds.
    pub config: Config,
    /// What its settings are told from others' by; of a training, before the genotype is known.
    pub key: String,
    /// Index of the run that comes before.
    pub needs: Option<usize>,
    /// It has done its part when it stands before its cut.
    pub until_cut: bool,
}

/// All runs of a study; one that another needs stands before it.
#[derive(Clone, Debug)]
pub struct Plan {
    pub tasks: Vec<Task>,
}

impl Plan {
    pub fn of(design: &Design) -> Plan {
        let names = names(&design.settings);
        let mut tasks: Vec<Task> = Vec::new();
        let mut scorings: HashMap<String, usize> = HashMap::new();
        let mut score_names: BTreeSet<String> = BTreeSet::new();
        for seed in &design.seeds {
            for (number, setting) in design.settings.iter().enumerate() {
                let config = Config { seed: *seed, ..setting.config.clone() };
                if !config.scores() {
                    continue;
                }
                let key = scoring_key(design, &config);
                scorings.entry(key.clone()).or_insert_with(|| {
                    let name = score_name(design, setting, *seed, &mut score_names);
                    tasks.push(Task {
                        stage: Stage::Score,
                        setting: number,
                        seed: *seed,
                        name,
                        config,
                        key,
                        needs: None,
                        until_cut: true,
                    });
                    tasks.len() - 1
                });
            }
        }
        // Seed by seed: whole comparisons are there first.
        for seed in &design.seeds {
            for (number, setting) in design.settings.iter().enumerate() {
                let config = Config { seed: *seed, ..setting.config.clone() };
                let needs = config.scores().then(|| scorings.get(&scoring_key(design, &config)).copied()).flatten();
                let name = format!("{}-s{seed}", names[number]);
                let task = |stage, name, needs, until_cut| Task {
                    stage,
                    setting: number,
                    seed: *seed,
                    name,
                    key: key(design, stage, &config),
                    config: config.clone(),
                    needs,
                    until_cut,
                };
                tasks.push(task(Stage::Search, name.clone(), needs, !design.has(Stage::Search)));
                if design.has(Stage::Train) {
                    let search = tasks.len() - 1;
                    tasks.push(task(Stage::Train, format!("{name}-train"), Some(search), false));
                }
            }
        }
        Plan { tasks }
    }

    /// The run of a stage, setting and seed. Of a scoring: the one that this setting needs.
    pub fn find(&self, stage: Stage, setting: usize, seed: u64) -> Option<usize> {
        let at = |stage| self.tasks.iter().position(|t| (t.stage, t.setting, t.seed) == (stage, setting, seed));
        match stage {
            Stage::Score => self.tasks[at(Stage::Search)?].needs,
            stage => at(stage),
        }
    }
}

impl Task {
    /// Its settings, where the search before it has found this.
    pub fn config_with(&self, found: Option<&Genotype>) -> Config {
        let mut config = self.config.clone();
        if let Some(genotype) = found.filter(|_| self.stage == Stage::Train) {
            config.train.genotype = genotype.to_string();
        }
        config
    }

    /// What is done, in words: `scoring`, `search`, `cut`, `training`.
    pub const fn what(&self) -> &'static str {
        match (self.stage, self.until_cut) {
            (Stage::Score, _) => "scoring",
            (Stage::Search, true) => "cut",
            (Stage::Search, false) => "search",
            (Stage::Train, _) => "training",
        }
    }
}

/// What tells the runs of a study from one another: settings that results depend on, and the factors.
pub(super) fn key(design: &Design, stage: Stage, config: &Config) -> String {
    match stage {
        Stage::Score => scoring_key(design, config),
        Stage::Search | Stage::Train => {
            let own = |k: &String| stage == Stage::Train || !k.starts_with("train.");
            let own = effective(config).written(design.identity().map(Key::path).filter(own));
            format!("{own}{}", design.pictures(config))
        }
    }
}

/// The same of scores: runs in which it is equal have the same ones.
pub(super) fn scoring_key(design: &Design, config: &Config) -> String {
    let kept = KEYS.iter().filter(|k| !k.free).map(Key::path).filter(|k| engine::of_scoring(k));
    let mut key = config.written(kept) + &design.pictures(config);
    // Where the cut says when draws or rounds end.
    if !config.score.whole_order || config.score.draws.fixed().is_none() {
        key.push_str(&format!("{:?}", score::Settings::of(config, &config.space()).asked));
    }
    key
}

/// The setting in letters that a folder may have.
fn slug(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_whitespace() {
        // A number says nothing without its key, a word does.
        let word = match word.split_once('=') {
            Some((key, value)) if value.starts_with(|c: char| c.is_ascii_digit()) => format!("{key}{value}"),
            Some((_, value)) => value.to_string(),
            None => word.to_string(),
        };
        let clean: String =
            word.chars().map(|c| if c.is_ascii_alphanumeric() || "._".contains(c) { c } else { '-' }).collect();
        let clean = clean.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_string();
        if !clean.is_empty() {
            out.push_str(if out.is_empty() { "" } else { "-" });
            out.push_str(&clean);
        }
    }
    out.to_ascii_lowercase()
}

/// A word for each setting, no two alike.
fn names(settings: &[Setting]) -> Vec<String> {
    let slugs: Vec<String> = settings.iter().map(|s| slug(&s.name)).collect();
    let mut times: HashMap<&String, usize> = HashMap::new();
    slugs.iter().for_each(|s| *times.entry(s).or_default() += 1);
    let alike = |slug: &String| times[slug] > 1;
    let hashed = |s: &Setting| format!("{:08x}", crate::random::fnv1a(s.name.as_bytes()) as u32);
    let name = |(slug, setting): (&String, &Setting)| match slug {
        s if s.is_empty() => format!("setting-{}", hashed(setting)),
        s if s.len() > NAME || alike(s) => format!("{}-{}", &s[..s.len().min(NAME - 9)], hashed(setting)),
        // A name that could be that of a scoring.
        s if s.starts_with(SCORES) => format!("setting-{s}"),
        s => s.clone(),
    };
    slugs.iter().zip(settings).map(name).collect()
}

/// How names of scorings begin.
pub(super) const SCORES: &str = "scoring";

/// The name of a scoring: what of its setting scores depend on.
fn score_name(design: &Design, setting: &Setting, seed: u64, taken: &mut BTreeSet<String>) -> String {
    let varies = |key: &str| {
        design.factors.iter().any(|f| f.key == key && f.values.len() > 1) || design.factors.iter().all(|f| f.key != key)
    };
    let of_scoring: Vec<String> = setting
        .values
        .iter()
        .filter(|(key, _)| engine::of_scoring(key) && varies(key))
        .map(|(key, value)| format!("{}={value}", key.rsplit('.').next().unwrap_or_default()))
        .collect();
    let mut stem = slug(&of_scoring.join(" "));
    stem.truncate(NAME);
    let stem = if stem.is_empty() { SCORES.to_string() } else { format!("{SCORES}-{stem}") };
    let mut name = format!("{stem}-s{seed}");
    let mut number = 2;
    while !taken.insert(name.clone()) {
        name = format!("{stem}-{number}-s{seed}");
        number += 1;
    }
    name
}
