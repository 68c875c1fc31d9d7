//! Configuration as text: reading it with a sentence for every mistake, and writing it.

mod check;
mod checks;
pub(super) mod define;
pub(super) mod error;
mod method;
pub(super) mod table;
#[cfg(test)]
mod tests;
pub(super) mod words;

use self::define::{Key, VERSION};
use self::error::{ConfigError, value_error};
use self::table::{Config, KEYS, keys};
use crate::nearest::nearest;

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
        let known = KEYS.iter().any(|k| (k.section, k.name) == (section, name));
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

    /// The value of a key, as TOML.
    pub fn value(&self, path: &str) -> Option<String> {
        let table = self.as_table();
        let found = match path.split_once('.') {
            Some((section, name)) => table.get(section)?.get(name),
            None => table.get(path),
        };
        found.map(ToString::to_string)
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
        let (mut out, mut section) = (String::new(), "");
        for key in KEYS {
            if key.section != section {
                section = key.section;
                out.push_str(&format!("\n[{section}]\n"));
            }
            let values =
                if section.is_empty() { Some(&table) } else { table.get(section).and_then(toml::Value::as_table) };
            if let Some(value) = values.and_then(|v| v.get(key.name)) {
                if comments {
                    out.push_str(&format!("# {}\n", key.meaning));
                }
                out.push_str(&format!("{} = {value}\n", key.name));
            }
        }
        out
    }
}

impl Config {
    /// Settings that a result depends on and that differ: the key, and both values as TOML.
    pub fn differences(&self, other: &Config) -> Vec<(String, String, String)> {
        let value = |of: &Config, key: &str| of.value(key).unwrap_or_else(|| "nothing".into());
        KEYS.iter()
            .filter(|key| !key.free)
            .map(Key::path)
            .map(|key| (value(self, &key), value(other, &key), key))
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
