//! Configuration as text: reading it with a sentence for every mistake, writing it, and the meaning of each key.

use super::config::{Config, VERSION};

/// One line of meaning for every key, section by section ("" is the top).
const MEANINGS: [(&str, &[(&str, &str)]); 7] = [
    ("", &[("version", "version of this format"), ("seed", "every random stream is derived from it by name")]),
    (
        "data",
        &[
            ("source", "`embedded`, or a path: archive, folder or file; the kind is detected"),
            ("limit", "at most so many training pictures, classes shared alike; 0 takes all"),
            ("size", "side that a folder's pictures are scaled to; 0 takes them as they are"),
            ("crop_padding", "black pixels added on each side before a random crop back; 0 turns cropping off"),
            ("flip", "flip left and right with probability one half"),
            ("cutout", "side of the square that is blanked out; 0 turns it off"),
            ("prefetch", "batches made ahead of use"),
        ],
    ),
    (
        "device",
        &[
            ("kind", "`cpu`"),
            ("threads", "0: one per core; results do not depend on it"),
            (
                "memory",
                "`keep` (fastest), `recompute` (leanest) or `auto` (the fastest that fits); results are the same",
            ),
            (
                "memory_budget",
                "bytes that the search may take (`2GiB`, `800MB`), or `auto`: what is free, less a tenth",
            ),
        ],
    ),
    (
        "score",
        &[
            ("functions", "ranking functions whose relative differences are added up"),
            ("draws", "draws of weights and batch per round; 5 or more tell noise from signal best"),
            ("batch", "pictures per draw"),
            ("channels", "width of the proxy network"),
            ("cells", "cells of the proxy network, in order"),
            ("none", "`off`: the operation `none` goes before scoring; `compete`: it is scored like the others"),
            ("remove_per_round", "operations that each edge loses per round"),
            ("aggregate", "`relative`: sum of relative differences (the paper); `ranks`: sum of ranks (TE-NAS)"),
        ],
    ),
    (
        "cut",
        &[
            ("xi", "pruning level: share of the 224 operations that goes, between 0 and 1"),
            ("source", "`scores`, or a control of the same size: `random`, `cheapest`, `most_parameters`"),
        ],
    ),
    (
        "search",
        &[
            ("channels", "width of the supernet"),
            ("cells", "number of cells; those at a third and at two thirds reduce"),
            ("batch", "pictures per step, of each half"),
            ("epochs", "passes over the half that trains the weights"),
            ("order", "1: first order; 2: second order (unrolled)"),
            ("train_share", "share of the training pictures that trains the weights; the rest moves the alphas"),
            ("learning_rate", "of the weights, at the start"),
            ("learning_rate_min", "of the weights, at the end of a half cosine"),
            ("momentum", "of the weights' SGD"),
            ("weight_decay", "of the weights"),
            ("clip", "greatest norm of the weights' gradient; 0 turns clipping off"),
            ("alpha_learning_rate", "of the alphas' Adam"),
            ("alpha_beta1", "of the alphas' Adam"),
            ("alpha_beta2", "of the alphas' Adam"),
            ("alpha_weight_decay", "of the alphas"),
            ("alpha_warmup_epochs", "epochs in which only the weights move"),
            ("journal_every", "one step in so many goes to the journal; 0 chooses"),
        ],
    ),
    (
        "run",
        &[
            ("checkpoint_steps", "a checkpoint every so many steps of the search; 0: not by steps"),
            ("checkpoint_seconds", "a checkpoint every so many seconds of the search, or rarer where saving is slow"),
            ("grace_seconds", "after SIGTERM or SIGUSR1 the engine ends within so many seconds, whatever a step takes"),
        ],
    ),
];

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{place}: {reason}")]
    Text { place: String, reason: String },
    #[error(
        "{file}: this is a configuration of version {found}, and this program reads version {VERSION}; start from `zonas config`"
    )]
    Version { file: String, found: i64 },
    #[error("setting `{key}`: {reason}")]
    Value { key: String, reason: String },
}

fn value_error(key: &str, reason: impl Into<String>) -> ConfigError {
    ConfigError::Value { key: key.into(), reason: reason.into() }
}

/// The known name nearest to `name`, if one is near.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(k, name), k))
        .min()
        .filter(|(d, k)| *d <= 1 + k.len() / 3)
        .map(|(_, k)| k)
}

impl Config {
    /// Reads TOML; keys that are left out have their defaults. `file` is what messages call it.
    ///
    /// # Errors
    /// An unknown key (with the nearest known one), a wrong type, another version, a value that makes no sense.
    pub fn parse(text: &str, file: &str) -> Result<Config, ConfigError> {
        Config::default().overlay(text, file)
    }

    /// Like [`Config::parse`], with this configuration's values for keys that are left out.
    ///
    /// # Errors
    /// As [`Config::parse`].
    pub fn overlay(&self, text: &str, file: &str) -> Result<Config, ConfigError> {
        let config = self.read_over(text, file)?;
        match config.check() {
            Err(ConfigError::Value { key, reason }) => Err(match key_at(text, &key) {
                Some(at) => ConfigError::Text { place: place(file, text, at), reason: format!("`{key}`: {reason}") },
                None => ConfigError::Value { key, reason },
            }),
            checked => checked.map(|()| config),
        }
    }

    /// Without a look at the values.
    fn read_over(&self, text: &str, file: &str) -> Result<Config, ConfigError> {
        let fail = |e: &toml::de::Error| ConfigError::Text {
            place: e.span().map_or_else(|| file.to_string(), |s| place(file, text, s.start)),
            reason: explain(e.message()),
        };
        let given: toml::Table = toml::from_str(text).map_err(|e| fail(&e))?;
        if let Some(found) = given.get("version").and_then(toml::Value::as_integer)
            && found != i64::from(VERSION)
        {
            return Err(ConfigError::Version { file: file.into(), found });
        }
        // Read once by itself, so that messages have a line.
        toml::from_str::<Config>(text).map_err(|e| fail(&e))?;
        let base = self.as_table();
        let merged = toml::Value::Table(merge(base, given));
        merged.try_into().map_err(|e: toml::de::Error| fail(&e))
    }

    /// Sets one key from text, `search.batch=32`.
    ///
    /// # Errors
    /// As [`Config::parse`].
    pub fn set(&self, assignment: &str) -> Result<Config, ConfigError> {
        let Some((key, value)) = assignment.split_once('=') else {
            return Err(value_error(assignment, "give it as KEY=VALUE, as in search.batch=32"));
        };
        let (key, value) = (key.trim(), value.trim());
        let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
        let known =
            MEANINGS.iter().find(|(s, _)| *s == section).is_some_and(|(_, k)| k.iter().any(|(n, _)| *n == name));
        if !known {
            let all: Vec<String> = keys().collect();
            let near = nearest(key, all.iter().map(String::as_str));
            let hint = near.map_or_else(|| "`zonas config` lists all".to_string(), |n| format!("did you mean `{n}`?"));
            return Err(value_error(key, format!("there is no such setting; {hint}")));
        }
        let header = if section.is_empty() { String::new() } else { format!("[{section}]\n") };
        // A bare word is a string.
        let quoted = format!("{header}{name} = {}\n", toml::Value::String(value.into()));
        let plain = format!("{header}{name} = {value}\n");
        let text = if toml::from_str::<toml::Table>(&plain).is_ok() { plain } else { quoted };
        let config = self.read_over(&text, &format!("`{assignment}`")).map_err(|e| match e {
            ConfigError::Text { reason, .. } => value_error(key, reason),
            other => other,
        })?;
        config.check()?;
        Ok(config)
    }

    /// Empty only for a configuration that [`Config::check`] refuses: TOML can write all others.
    fn as_table(&self) -> toml::Table {
        toml::Table::try_from(self).unwrap_or_default()
    }

    /// As TOML, without comments.
    pub fn to_toml(&self) -> String {
        self.render(false)
    }

    /// As TOML with a line of meaning over every key.
    pub fn template(&self) -> String {
        self.render(true)
    }

    fn render(&self, comments: bool) -> String {
        let table = self.as_table();
        let mut out = String::new();
        for (section, keys) in MEANINGS {
            let values =
                if section.is_empty() { Some(&table) } else { table.get(section).and_then(toml::Value::as_table) };
            if !section.is_empty() {
                out.push_str(&format!("\n[{section}]\n"));
            }
            for (key, meaning) in keys {
                if let Some(value) = values.and_then(|v| v.get(*key)) {
                    if comments {
                        out.push_str(&format!("# {meaning}\n"));
                    }
                    out.push_str(&format!("{key} = {value}\n"));
                }
            }
        }
        out
    }

    /// # Errors
    /// The first value that makes no sense, with what would.
    pub fn check(&self) -> Result<(), ConfigError> {
        let positive = [
            ("score.draws", self.score.draws),
            ("score.batch", self.score.batch),
            ("score.channels", self.score.channels),
            ("score.remove_per_round", self.score.remove_per_round),
            ("search.channels", self.search.channels),
            ("search.cells", self.search.cells),
            ("search.batch", self.search.batch),
            ("search.epochs", self.search.epochs),
            ("run.checkpoint_seconds", self.run.checkpoint_seconds as usize),
            ("run.grace_seconds", self.run.grace_seconds as usize),
        ];
        // TOML's whole numbers end there; what can't be written can't be kept with the run.
        for (key, value) in [
            ("seed", self.seed),
            ("data.limit", self.data.limit as u64),
            ("score.remove_per_round", self.score.remove_per_round as u64),
            ("search.journal_every", self.search.journal_every as u64),
        ] {
            if i64::try_from(value).is_err() {
                return Err(value_error(key, format!("{value} is more than this program takes, {}", i64::MAX)));
            }
        }
        for (key, value) in positive {
            if value == 0 {
                return Err(value_error(key, "must be at least 1"));
            }
        }
        let bounded = [
            ("score.channels", self.score.channels, 1024),
            ("search.channels", self.search.channels, 1024),
            ("search.cells", self.search.cells, 64),
            ("score.batch", self.score.batch, 1024),
            ("search.batch", self.search.batch, 65_536),
            ("score.draws", self.score.draws, 1000),
            ("data.prefetch", self.data.prefetch, 1024),
            ("device.threads", self.device.threads, 1024),
            ("score.cells", self.score.cells.len(), 64),
            ("search.epochs", self.search.epochs, 1_000_000),
            ("search.alpha_warmup_epochs", self.search.alpha_warmup_epochs, 1_000_000),
            ("data.crop_padding", self.data.crop_padding, 4096),
            ("data.cutout", self.data.cutout, 4096),
            ("data.size", self.data.size as usize, 4096),
            ("run.checkpoint_steps", self.run.checkpoint_steps, 1_000_000_000),
            ("run.checkpoint_seconds", self.run.checkpoint_seconds as usize, 1_000_000),
            ("run.grace_seconds", self.run.grace_seconds as usize, 1_000_000),
        ];
        for (key, value, most) in bounded {
            if value > most {
                return Err(value_error(key, format!("{value} is more than this program takes, {most}")));
            }
        }
        let one_of = [
            ("device.kind", &self.device.kind, &["cpu"][..]),
            ("device.memory", &self.device.memory, &["auto", "keep", "recompute"]),
            ("score.none", &self.score.none, &["off", "compete"]),
            ("score.aggregate", &self.score.aggregate, &["relative", "ranks"]),
            ("cut.source", &self.cut.source, &["scores", "random", "cheapest", "most_parameters"]),
        ];
        for (key, value, known) in one_of {
            if !known.contains(&value.as_str()) {
                let shown: String = value.chars().filter(|c| !c.is_control()).take(40).collect();
                return Err(value_error(key, format!("`{shown}` is none of {}", known.join(", "))));
            }
        }
        if self.score.functions.is_empty() {
            return Err(value_error("score.functions", "name at least one ranking function"));
        }
        for (i, name) in self.score.functions.iter().enumerate() {
            if self.score.functions[..i].contains(name) {
                let shown: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
                return Err(value_error("score.functions", format!("`{shown}` stands there twice")));
            }
        }
        if self.score.cells.is_empty() {
            return Err(value_error("score.cells", "name at least one cell, `normal` or `reduction`"));
        }
        if self.score.batch < 2 {
            return Err(value_error("score.batch", "ranking functions compare pictures: at least 2"));
        }
        if !matches!(self.search.order, 1 | 2) {
            return Err(value_error("search.order", "must be 1 or 2"));
        }
        if self.device.memory_budget != "auto" && self.memory_budget().is_none() {
            return Err(value_error(
                "device.memory_budget",
                format!("`{}` is neither `auto` nor an amount such as 2GiB", self.device.memory_budget),
            ));
        }
        let xi = self.cut.xi;
        if !(xi > 0.0 && xi < 1.0) {
            return Err(value_error("cut.xi", format!("a pruning level lies above 0 and below 1, not at {xi}")));
        }
        let s = &self.search;
        if !(s.train_share > 0.0 && s.train_share < 1.0) {
            return Err(value_error(
                "search.train_share",
                format!("must lie above 0 and below 1, not at {}", s.train_share),
            ));
        }
        let non_negative = [
            ("search.learning_rate", s.learning_rate, f64::INFINITY),
            ("search.learning_rate_min", s.learning_rate_min, f64::INFINITY),
            ("search.momentum", s.momentum, 1.0),
            ("search.weight_decay", s.weight_decay, f64::INFINITY),
            ("search.clip", s.clip, f64::INFINITY),
            ("search.alpha_learning_rate", s.alpha_learning_rate, f64::INFINITY),
            ("search.alpha_beta1", s.alpha_beta1, 1.0),
            ("search.alpha_beta2", s.alpha_beta2, 1.0),
            ("search.alpha_weight_decay", s.alpha_weight_decay, f64::INFINITY),
        ];
        for (key, value, below) in non_negative {
            if !(value >= 0.0 && value < below) {
                let most = if below.is_finite() { format!(" and below {below}") } else { String::new() };
                return Err(value_error(key, format!("must be a number from 0{most}, not {value}")));
            }
        }
        Ok(())
    }
}

/// Settings that no result depends on. The place of the data is one: what counts is what lies there.
const FREE: [&str; 5] = ["data.source", "data.prefetch", "device.threads", "device.memory", "search.journal_every"];

impl Config {
    /// Settings that a result depends on and that differ: the key, and both values as TOML.
    pub fn differences(&self, other: &Config) -> Vec<(String, String, String)> {
        let (own, other) = (self.as_table(), other.as_table());
        let value = |table: &toml::Table, key: &str| {
            let found = match key.split_once('.') {
                Some((section, name)) => table.get(section).and_then(|s| s.get(name)),
                None => table.get(key),
            };
            found.map_or_else(|| "nothing".to_string(), ToString::to_string)
        };
        keys()
            .filter(|key| !FREE.contains(&key.as_str()) && !key.starts_with("run."))
            .map(|key| (value(&own, &key), value(&other, &key), key))
            .filter(|(a, b, _)| a != b)
            .map(|(a, b, key)| (key, a, b))
            .collect()
    }
}

/// All keys, `search.batch` and so on.
pub fn keys() -> impl Iterator<Item = String> {
    MEANINGS.iter().flat_map(|(section, keys)| {
        keys.iter().map(move |(k, _)| if section.is_empty() { (*k).to_string() } else { format!("{section}.{k}") })
    })
}

fn merge(mut base: toml::Table, over: toml::Table) -> toml::Table {
    for (key, value) in over {
        let merged = match (base.remove(&key), value) {
            (Some(toml::Value::Table(b)), toml::Value::Table(o)) => toml::Value::Table(merge(b, o)),
            (_, v) => v,
        };
        base.insert(key, merged);
    }
    base
}

/// Where `search.batch` and so on is set in a text, in bytes.
fn key_at(text: &str, key: &str) -> Option<usize> {
    let table = toml::de::DeTable::parse(text).ok()?;
    let mut table = table.get_ref();
    let (sections, name) = key.rsplit_once('.').map_or((None, key), |(s, n)| (Some(s), n));
    if let Some(section) = sections {
        table = table.get(section)?.get_ref().as_table()?;
    }
    table.get_key_value(name).map(|(k, _)| k.span().start)
}

/// A byte of a file, as a person counts.
fn place(file: &str, text: &str, at: usize) -> String {
    format!("{file}, line {}", text.bytes().take(at).filter(|b| *b == b'\n').count() + 1)
}

/// A complaint in words: the nearest known key for an unknown one, and no names of types.
fn explain(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    if message.starts_with("unknown field")
        && let Some(unknown) = quoted.next()
    {
        let unknown: String = unknown.chars().filter(|c| !c.is_control()).take(40).collect();
        return match nearest(&unknown, quoted) {
            Some(known) => format!("there is no setting `{unknown}` here; did you mean `{known}`?"),
            None => format!("there is no setting `{unknown}` here; `zonas config` lists all"),
        };
    }
    let line = message.lines().next().unwrap_or_default().trim();
    let types = [
        ("expected u8", "expected a whole number from 0 to 255"),
        ("expected u32", "expected a whole number, 0 or more"),
        ("expected u64", "expected a whole number, 0 or more"),
        ("expected usize", "expected a whole number, 0 or more"),
        ("expected f64", "expected a number"),
    ];
    let told = types.iter().find_map(|(end, words)| Some(format!("{}{words}", line.strip_suffix(end)?)));
    told.unwrap_or_else(|| line.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_the_defaults_and_names_every_key() {
        let template = Config::default().template();
        assert_eq!(Config::parse(&template, "t").unwrap(), Config::default());
        let table = Config::default().as_table();
        let mut real: Vec<String> = Vec::new();
        for (k, v) in &table {
            match v.as_table() {
                Some(t) => real.extend(t.keys().map(|n| format!("{k}.{n}"))),
                None => real.push(k.clone()),
            }
        }
        let mut told: Vec<String> = keys().collect();
        real.sort();
        told.sort();
        assert_eq!(real, told);
        assert_eq!(template.lines().filter(|l| l.starts_with('#')).count(), told.len());
    }

    #[test]
    fn mistakes_are_named_with_line_and_remedy() {
        let text = |t: &str| Config::parse(t, "my.toml").unwrap_err().to_string();
        let e = text("seed = 3\n[search]\nchanels = 4\n");
        assert!(e.contains("my.toml, line 3") && e.contains("did you mean `channels`"), "{e}");
        let e = text("[search]\nbatch = \"many\"\n");
        assert!(e.contains("line 2"), "{e}");
        let e = text("version = 7\n");
        assert!(e.contains("version 7"), "{e}");
        assert!(text("[serch]\n").contains("did you mean `search`"));
        assert!(text("seed = \n").contains("line 1"));
        let e = text("# mine\nseed = 3\n\n[cut]\nxi = 2 # too much\n");
        assert!(e.contains("my.toml, line 5") && e.contains("`cut.xi`") && e.contains("pruning level"), "{e}");
        assert!(text("cut.xi = 0\n").contains("line 1"));
        assert!(text("cut = {xi = 0}\n").contains("line 1"));
        let e = text("seed = -1\n");
        assert!(e.contains("a whole number, 0 or more") && !e.contains("u64"), "{e}");
    }

    #[test]
    fn what_passes_the_check_is_kept_whole_as_text() {
        let seed = i64::MAX as u64;
        let c = Config { seed, ..Config::default() }.set("search.weight_decay=1e-300").unwrap();
        let c = c.set("data.source=a \"strange\"\u{9b}\tpath\\ # with everything").unwrap();
        assert_eq!(Config::parse(&c.to_toml(), "t").unwrap(), c);
        assert_eq!(Config::parse(&c.template(), "t").unwrap(), c);
        for (name, _) in crate::run::PRESETS {
            let p = crate::run::preset(name).unwrap();
            p.check().unwrap();
            assert_eq!(Config::parse(&p.template(), name).unwrap(), p);
        }
        // The whole of it would be lost.
        assert!(Config { seed: seed + 1, ..Config::default() }.check().is_err());
    }

    #[test]
    fn values_that_make_no_sense_are_refused() {
        for bad in [
            "cut.xi=0",
            "cut.xi=1",
            "cut.xi=-1",
            "cut.xi=nan",
            "search.cells=0",
            "search.channels=0",
            "score.draws=0",
            "search.order=3",
            "search.train_share=1.0",
            "score.none=maybe",
            "device.kind=tpu",
            "search.momentum=1.0",
            "search.learning_rate=nan",
            "score.cells=[]",
            "score.functions=[]",
            "score.functions=[\"naswot\", \"naswot\"]",
            "score.batch=0",
            "score.batch=1",
            "search.batch=0",
            "search.epochs=0",
            "search.epochs=9000000000000000000",
            "search.train_share=0",
            "search.train_share=nan",
            "search.clip=inf",
            "search.order=0",
            "search.order=256",
            "data.size=5000",
            "data.flip=yes",
            "cut.source=best",
            "seed=-1",
            "version=2",
            "score.cells=[\"odd\"]",
            "search.batch=-3",
            "search.batch=x",
            "serch.batch=3",
            "search.batch",
        ] {
            let e = Config::default().set(bad).expect_err(bad).to_string();
            assert!(!e.is_empty() && !e.contains('\n'), "{bad}: {e}");
        }
    }

    #[test]
    fn what_a_result_depends_on_is_compared() {
        let a = Config::default();
        let free = ["device.threads=7", "run.checkpoint_seconds=1", "data.source=/elsewhere", "search.journal_every=3"];
        let b = free.iter().fold(a.clone(), |c, assignment| c.set(assignment).unwrap());
        assert!(a != b && a.differences(&b).is_empty());
        let b = b.set("search.batch=8").unwrap().set("seed=5").unwrap();
        let told = |key: &str, was: &str, is: &str| (key.to_string(), was.to_string(), is.to_string());
        assert_eq!(a.differences(&b), [told("seed", "2", "5"), told("search.batch", "64", "8")]);
        assert!(keys().all(|k| a.as_table().contains_key(&k) || k.contains('.')));
        assert!(FREE.iter().all(|free| keys().any(|k| k == *free)));
    }

    #[test]
    fn one_key_is_set_and_the_rest_stays() {
        let c = Config::default().set("search.batch=8").unwrap().set("cut.source=random").unwrap();
        assert_eq!((c.search.batch, c.cut.source.as_str()), (8, "random"));
        let c = c.set("cut.xi=0.75").unwrap().overlay("[search]\nepochs = 2\n", "f").unwrap();
        assert_eq!((c.search.batch, c.search.epochs, c.cut.xi), (8, 2, 0.75));
    }
}
