//! From the texts of a form to settings, by the settings' own checks: what each field has wrong, and what would be started.

use std::path::{Path, PathBuf};

use super::Field;
use crate::device::{self, Choice, Device};
use crate::engine::plan::{self, DataShape, Planner};
use crate::run::config::{Config, ConfigError, Space};
use crate::run::{FolderError, check_name, named_preset};
use crate::space::Counts;
use crate::space::cut::{Cutter, Scope, Source};
use crate::study::Seeds;
use crate::text;

/// What is typed.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub revision: u64,
    /// Counts changes of the pictures' name.
    pub named: u64,
    pub texts: [String; Field::ALL.len()],
    pub own: [bool; Field::ALL.len()],
    /// The field under the cursor.
    pub typing: Field,
    /// Of the pictures, once they have been looked at.
    pub shape: Option<DataShape>,
}

/// What is to be started.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    pub config: Box<Config>,
    /// More than one: a study.
    pub seeds: Option<Seeds>,
    pub name: Option<String>,
}

/// What is said of what is typed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// In the order of the fields.
    pub wrong: Vec<(Field, String)>,
    pub note: String,
    /// What the search is predicted to need.
    pub memory: String,
    /// None where anything is wrong.
    pub wanted: Option<Wanted>,
}

/// A path as a shell has it: `~` is the home folder.
pub(super) fn expanded(path: &str) -> String {
    let home = std::env::var("HOME").ok().filter(|h| !h.is_empty());
    match (path.strip_prefix('~'), home) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => format!("{home}{rest}"),
        _ => path.into(),
    }
}

/// The field that a setting is of.
fn field_of(key: &str) -> Field {
    match key {
        "score.functions" => Field::Functions,
        "seed" => Field::Seeds,
        "search.method" => Field::Method,
        "device.kind" => Field::Device,
        "cut.xi" | "cut.budget" | "cut.scope" => Field::Cut,
        key if key.starts_with("data.source") => Field::Data,
        key if key.starts_with("space.") => Field::Space,
        _ => Field::Settings,
    }
}

/// What is wrong, and with which field; `typed`: the one that was being set.
fn fault(e: &ConfigError, typed: Field) -> (Field, String) {
    match e {
        ConfigError::Value { key, reason } => {
            let field = field_of(key);
            let named = field == Field::Settings || typed == Field::Settings;
            (field, if named { format!("{key}: {reason}") } else { reason.clone() })
        }
        other => (typed, other.to_string()),
    }
}

/// Memory of the search as it is planned for the CPU: with the cheapest cut of its size, and uncut. Of a GPU nothing is known
/// without opening it.
fn memory(config: &Config, shape: DataShape) -> String {
    if matches!(config.device.kind, Choice::Cuda { .. }) || !config.train.genotype.trim().is_empty() {
        return String::new();
    }
    let budget = plan::budget(config, &Device::Cpu);
    let planner = Planner::new(config, shape, budget, device::threads(config.device.threads));
    let full = planner.by_bytes(config.full());
    let cutter = Cutter { space: config.space(), order: Vec::new(), seed: config.seed };
    let least = match config.cut.counts(config.full().space()) {
        _ if config.cut.is_none() || config.cut.budget().is_some() => None,
        Some(counts) => Some(cutter.with_counts(Source::Cheapest, &counts)),
        None if config.cut.scope == Scope::Global => {
            Some(cutter.with_counts(Source::Cheapest, &Counts::uniform(config.full().space(), 1)))
        }
        None => Some(cutter.automatic(Source::Cheapest, config.cut.xi)),
    };
    let least = least.map(|mask| planner.by_bytes(mask));
    let cut = least.map_or_else(String::new, |plan| format!("{} or more, ", text::bytes(plan.bytes)));
    let over = budget.filter(|_| !least.unwrap_or(full).fits).map(text::bytes);
    let over = over.map_or_else(String::new, |b| format!("; it may take {b}"));
    format!("predicted for the search on the CPU: {cut}uncut {}{over}", text::bytes(full.bytes))
}

impl Question {
    fn text(&self, field: Field) -> &str {
        &self.texts[field as usize]
    }

    /// The settings with one field's text over them.
    fn with(&self, config: Config, field: Field) -> Result<Config, ConfigError> {
        let text = self.text(field);
        if !self.own[field as usize] || text.is_empty() {
            return Ok(config);
        }
        let mut c = config;
        match field {
            Field::Preset | Field::Seeds | Field::Name => Ok(c),
            Field::Data => {
                c.data.source = if text == "embedded" { text.into() } else { expanded(text) };
                Ok(c)
            }
            Field::Space => {
                let name =
                    if Path::new(text).extension().is_some_and(|e| e == "toml") { expanded(text) } else { text.into() };
                c.space = Space { name, definition: String::new() };
                Ok(c)
            }
            Field::Functions => c.assign(&[format!("score.functions={text},").trim_end_matches(',')]),
            // A number is a level; what has a unit is bytes.
            Field::Cut => match text.trim_start_matches("ξ").trim().parse::<f64>() {
                Ok(xi) => {
                    c.cut = c.cut.at_level(xi);
                    Ok(c)
                }
                Err(_) => c.assign(&[format!("cut.budget={text}")]),
            },
            Field::Method => c.assign(&[format!("search.method={text}")]),
            Field::Device => c.assign(&[format!("device.kind={text}")]),
            Field::Settings => c.assign(&text.split_whitespace().collect::<Vec<_>>()),
        }
    }

    /// Looks at all fields; `runs` is the folder that the run will be in.
    pub fn answer(&self, runs: &Path) -> Answer {
        let mut wrong: Vec<(Field, String)> = Vec::new();
        let base = named_preset(self.text(Field::Preset)).unwrap_or_else(|e| {
            wrong.push((Field::Preset, e));
            Config::default()
        });
        // Each field by itself, so that every mistake is told.
        for field in Field::ALL {
            if let Err(e) = self.with(base.clone(), field).and_then(|c| c.settled().map(drop)) {
                let (at, why) = fault(&e, field);
                // What is wrong only together with others is judged below.
                if at == field {
                    wrong.push((field, why));
                }
            }
        }
        let seeds = self.seeds();
        if let Err(e) = &seeds {
            wrong.push((Field::Seeds, e.clone()));
        }
        let seeds = seeds.unwrap_or(None);
        let list = seeds.clone().map_or_else(Vec::new, Seeds::list);
        if let Some(e) = self.name_fault(runs) {
            wrong.push((Field::Name, e));
        }
        let mut config = None;
        if wrong.is_empty() {
            let all = Field::ALL.into_iter().try_fold(base, |c, field| self.with(c, field));
            let all = all.map(|mut c| {
                if let [one] = list[..] {
                    c.seed = one;
                }
                c
            });
            match all.and_then(Config::settled) {
                Ok(c) => config = Some(c),
                Err(e) => {
                    let (field, why) = fault(&e, self.typing);
                    wrong.push((
                        if field == Field::Settings && !self.own[field as usize] { self.typing } else { field },
                        why,
                    ));
                }
            }
        }
        wrong.sort_by_key(|(field, _)| *field as usize);
        let several = seeds.filter(|_| list.len() > 1);
        let note = several.as_ref().map_or_else(String::new, |_| {
            format!("a study of {}, each with its automatic cut", text::counted(list.len(), "run"))
        });
        let name = Some(self.text(Field::Name).to_string()).filter(|n| !n.is_empty());
        let memory = config.as_ref().zip(self.shape).map_or_else(String::new, |(c, shape)| memory(c, shape));
        let wanted = config.map(|c| Wanted { config: Box::new(c), seeds: several, name });
        Answer { wrong, note, memory, wanted }
    }

    fn seeds(&self) -> Result<Option<Seeds>, String> {
        match self.text(Field::Seeds) {
            "" => Ok(None),
            text => text.parse().map(Some),
        }
    }

    fn name_fault(&self, runs: &Path) -> Option<String> {
        let name = self.text(Field::Name);
        if name.is_empty() {
            return None;
        }
        if let Err(e) = check_name(name) {
            return Some(e.to_string());
        }
        let there = std::fs::symlink_metadata(runs.join(name)).is_ok();
        there.then(|| FolderError::Exists { name: name.into(), runs: PathBuf::from(runs) }.to_string())
    }
}
