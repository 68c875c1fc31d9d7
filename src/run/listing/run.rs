//! One run of the list: what its settings, its journal, its lock and its notes say.

use std::sync::Arc;

use super::live::Live;
use super::value::Value;
use crate::run::RunFolder;
use crate::run::config::{Config, KEYS, Key};
use crate::run::notes::Notes;
use crate::run::status::Status;
use crate::run::summary::Summary;

/// One run.
#[derive(Clone, Debug)]
pub struct Listed {
    pub folder: RunFolder,
    pub name: String,
    /// What it is at, or one word for how it stands.
    pub status: String,
    /// One word for how it stands, as [`Status::word`] has it.
    pub word: &'static str,
    /// An engine is at work on it.
    pub has_engine: bool,
    /// It can be resumed.
    pub can_go_on: bool,
    /// It has ended, and its numbers do not change any more.
    pub is_done: bool,
    pub data: String,
    pub device: Option<String>,
    pub threads: Option<usize>,
    /// Pruning level and source of its cut, which may not be those of the settings.
    pub cut: Option<(f64, String)>,
    /// Operations that its cut keeps, and of how many; decided by hand among them.
    pub kept: Option<usize>,
    pub of: Option<usize>,
    pub by_hand: usize,
    /// Predicted bytes of its search or training.
    pub predicted: Option<u64>,
    /// Measured peak bytes of the search or training, and of scoring.
    pub peak: Option<u64>,
    pub scoring_peak: Option<u64>,
    /// Epochs that have ended, and those that are planned.
    pub epochs: Option<(usize, usize)>,
    /// It trains a genotype from scratch.
    pub trains: bool,
    /// Best accuracy of an epoch: of the supernet on the validation pictures, of a training on the test pictures.
    pub accuracy: Option<f64>,
    /// Loss of the latest epoch on the same pictures.
    pub loss: Option<f64>,
    pub scoring_seconds: Option<f64>,
    /// Seconds of the search or training.
    pub search_seconds: Option<f64>,
    /// Parameters of what was found, at the published size.
    pub parameters: Option<u64>,
    /// Time of the latest event, seconds since 1970.
    pub last: f64,
    /// What its settings are; or why they can't be read.
    pub settings: Result<Arc<Settings>, String>,
    /// What a person wrote beside it; or why that can't be read.
    pub notes: Result<Notes, String>,
    /// Of a run at work, its loss, its time left and its memory.
    pub live: Option<Live>,
}

/// Every setting's value, by its number in [`KEYS`].
#[derive(Debug, PartialEq)]
pub struct Settings {
    values: Vec<Value>,
}

impl Settings {
    pub fn of(config: &Config) -> Settings {
        let table = config.table();
        let value = |key: &Key<Config>| {
            let section = match key.section {
                "" => Some(&table),
                section => table.get(section).and_then(toml::Value::as_table),
            };
            section.and_then(|t| t.get(key.name)).map_or(Value::Missing, Value::of_toml)
        };
        Settings { values: KEYS.iter().map(value).collect() }
    }

    pub fn get(&self, key: usize) -> &Value {
        self.values.get(key).unwrap_or(&Value::Missing)
    }
}

/// Whether a run uses a setting of this section: one that trains a genotype scores, cuts and searches nothing, and the other
/// way round.
pub fn concerns(trains: bool, section: &str) -> bool {
    match section {
        "train" => trains,
        "score" | "cut" | "search" => !trains,
        _ => true,
    }
}

impl Listed {
    /// A run of which nothing is known but its folder.
    pub fn unread(folder: RunFolder) -> Listed {
        Listed {
            name: folder.name(),
            folder,
            status: String::new(),
            word: "new",
            has_engine: false,
            can_go_on: false,
            is_done: false,
            data: String::new(),
            device: None,
            threads: None,
            cut: None,
            kept: None,
            of: None,
            by_hand: 0,
            predicted: None,
            peak: None,
            scoring_peak: None,
            epochs: None,
            trains: false,
            accuracy: None,
            loss: None,
            scoring_seconds: None,
            search_seconds: None,
            parameters: None,
            last: 0.0,
            settings: Err(String::new()),
            notes: Ok(Notes::default()),
            live: None,
        }
    }

    /// What a summary says of it.
    #[must_use]
    pub fn told(self, s: &Summary, state: Status) -> Listed {
        let (has_engine, can_go_on) = (state.has_engine(), state.can_go_on());
        let word = if s.unreadable.is_some() { "unreadable" } else { state.word() };
        let is_done = matches!(state, Status::Done) && s.unreadable.is_none();
        let stopped_at_cut = word == "stopped" && s.kept.is_some() && s.epoch.is_none() && s.genotype.is_none();
        let status = match state {
            _ if s.unreadable.is_some() => "unreadable".into(),
            Status::Running(doing) => doing,
            Status::Starting => "starting".into(),
            // It waits for a person, though no engine waits with it.
            _ if stopped_at_cut => "stopped at its cut".into(),
            other => other.word().into(),
        };
        Listed {
            status,
            word,
            has_engine,
            can_go_on,
            is_done,
            data: s.data.clone().unwrap_or_default(),
            device: s.device.clone(),
            threads: s.threads,
            cut: s.xi.zip(s.source.clone()),
            kept: s.kept,
            of: s.cut.as_ref().map(|c| c.of()),
            by_hand: s.by_hand.unwrap_or(0),
            predicted: s.predicted_bytes,
            peak: s.search_peak_bytes,
            scoring_peak: s.scoring_peak_bytes,
            epochs: s.epoch.zip(s.epochs),
            trains: s.trains == Some(true),
            accuracy: s.best_valid_accuracy,
            loss: s.valid_loss.map(|l| l.0),
            scoring_seconds: s.scoring_seconds,
            search_seconds: s.search_seconds,
            parameters: s.parameters,
            last: s.last.unwrap_or(0.0),
            ..self
        }
    }

    /// The value of a setting, by its number in [`KEYS`]; missing where the run has no use for it.
    pub fn setting(&self, key: usize) -> Value {
        let used = KEYS.get(key).is_some_and(|k| concerns(self.trains, k.section));
        match &self.settings {
            Ok(settings) if used => settings.get(key).clone(),
            _ => Value::Missing,
        }
    }

    pub fn tags(&self) -> &[String] {
        self.notes.as_ref().map_or(&[], |n| &n.tags)
    }

    /// The note, or what is wrong with it.
    pub fn note(&self) -> &str {
        match &self.notes {
            Ok(notes) => &notes.note,
            Err(why) => why,
        }
    }
}
