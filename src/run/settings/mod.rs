//! Configuration as text: reading it with a sentence for every mistake, and writing it.

mod check;
mod meanings;
mod method;
#[cfg(test)]
mod tests;

pub use crate::nearest::nearest;
pub use meanings::keys;

use super::config::{Config, VERSION};
use meanings::MEANINGS;

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
        let mut base = self.as_table();
        // Another name is another space.
        if given.get("space").and_then(|s| s.get("name")).is_some() {
            base.remove("space");
        }
        let merged = toml::Value::Table(merge(base, method::spelt_out(given)));
        let mut config: Config = merged.try_into().map_err(|e: toml::de::Error| fail(&e))?;
        method::name(&mut config.search);
        Ok(config)
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
        // A bare word is a string; several with commas between them are a list, where one is wanted.
        let mut quoted = format!("{header}{name} = {}\n", toml::Value::String(value.into()));
        let table = self.as_table();
        let values = if section.is_empty() { Some(&table) } else { table.get(section).and_then(toml::Value::as_table) };
        if values.and_then(|v| v.get(name)).is_some_and(toml::Value::is_array) {
            let item = |v: &str| match v.trim().parse() {
                Ok(number) => toml::Value::Integer(number),
                Err(_) => toml::Value::String(v.trim().into()),
            };
            let items = value.split(',').map(item).collect();
            quoted = format!("{header}{name} = {}\n", toml::Value::Array(items));
        }
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
}

/// Settings that no result depends on, but for rounding. The place of the data is one: what counts is what lies there.
const FREE: [&str; 8] = [
    "data.source",
    "data.prefetch",
    "device.kind",
    "device.threads",
    "device.memory",
    "device.memory_budget",
    "search.journal_every",
    // A name for what stands in other keys.
    "search.method",
];

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
