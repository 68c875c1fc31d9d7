//! Configuration as text: reading it with a sentence for every mistake, and writing it.

mod check;
mod checks;
pub(super) mod cut_source;
pub(super) mod define;
pub(super) mod draws;
pub(super) mod error;
mod method;
pub(super) mod table;
#[cfg(test)]
mod tests;
pub(super) mod words;

use self::define::{Key, VERSION};
use self::error::{ConfigError, value_error};
use self::table::{Config, KEYS, key_hint};
use crate::complaint::{Complaint, key_at, line};

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
        let config = self.over(text, file)?;
        config.check().map_err(|e| e.placed(text, file))?;
        Ok(config)
    }

    /// The same without a look at the values: for [`Config::check`] when others have been put over them.
    ///
    /// # Errors
    /// An unknown key, a wrong type, another version.
    pub fn over(&self, text: &str, file: &str) -> Result<Config, ConfigError> {
        let fail = |e: &toml::de::Error| {
            let all = Some("`zonas config` lists all");
            let Complaint { line, reason } = Complaint::of(e, text, "setting", all);
            ConfigError::Text {
                place: line.map_or_else(|| file.to_string(), |line| format!("{file}, line {line}")),
                reason,
            }
        };
        let given: toml::Table = toml::from_str(text).map_err(|e| fail(&e))?;
        if let Some(found) = given.get("version").and_then(toml::Value::as_integer)
            && found != i64::from(VERSION)
        {
            return Err(ConfigError::Version { place: place(file, text, "version"), found });
        }
        // Read once by itself, so that messages have a line.
        toml::from_str::<Config>(text).map_err(|e| fail(&e))?;
        self.merged(given).map_err(|e| fail(&e))
    }

    /// These values with others over them.
    fn merged(&self, given: toml::Table) -> Result<Config, toml::de::Error> {
        let mut base = self.as_table();
        // Another name is another space.
        if given.get("space").and_then(|s| s.get("name")).is_some() {
            base.remove("space");
        }
        let mut config: Config = toml::Value::Table(merge(base, method::spelt_out(given))).try_into()?;
        method::name(&mut config.search);
        Ok(config)
    }

    /// Sets one key from text, `search.batch=32`.
    ///
    /// # Errors
    /// As [`Config::parse`].
    pub fn set(&self, assignment: &str) -> Result<Config, ConfigError> {
        let config = self.assign(&[assignment])?;
        config.check()?;
        Ok(config)
    }

    /// Sets several keys, without a look at whether the values make sense together: their order does not count, but for those
    /// that set the same key, of which the last holds.
    ///
    /// # Errors
    /// An unknown key, a wrong type, another version.
    pub fn assign(&self, assignments: &[impl AsRef<str>]) -> Result<Config, ConfigError> {
        let mut all = toml::Table::new();
        for assignment in assignments {
            all = merge(all, self.assigned(assignment.as_ref())?);
        }
        // Each of them was read by itself: what is wrong now is wrong with no one key.
        self.merged(all).map_err(|e| value_error("--set", e.message().to_string()))
    }

    /// One of them as a table.
    fn assigned(&self, assignment: &str) -> Result<toml::Table, ConfigError> {
        let Some((key, value)) = assignment.split_once('=') else {
            return Err(value_error(assignment, "give it as KEY=VALUE, as in search.batch=32"));
        };
        let (key, value) = (key.trim(), value.trim());
        let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
        let known = KEYS.iter().any(|k| (k.section, k.name) == (section, name));
        if !known {
            return Err(value_error(key, format!("there is no such setting; {}", key_hint(key))));
        }
        let header = if section.is_empty() { String::new() } else { format!("[{section}]\n") };
        // A bare word is a string; several with commas between them are a list, where one is wanted.
        let mut quoted = format!("{header}{name} = {}\n", toml::Value::String(value.into()));
        let table = self.as_table();
        let values = if section.is_empty() { Some(&table) } else { table.get(section).and_then(toml::Value::as_table) };
        let listed = values.and_then(|v| v.get(name)).is_some_and(toml::Value::is_array);
        if listed {
            let item = |v: &str| match (v.trim().parse(), v.trim().parse::<f64>()) {
                (Ok(number), _) => toml::Value::Integer(number),
                // Names of things are not to be taken for `nan` and `inf`.
                (_, Ok(number)) if number.is_finite() => toml::Value::Float(number),
                _ => toml::Value::String(v.trim().into()),
            };
            let items = value.split(',').map(item).collect();
            quoted = format!("{header}{name} = {}\n", toml::Value::Array(items));
        }
        let plain = format!("{header}{name} = {value}\n");
        // A number alone is a list of one, where a list is wanted.
        let alone = listed && value.parse::<f64>().is_ok();
        let text = if !alone && toml::from_str::<toml::Table>(&plain).is_ok() { plain } else { quoted };
        let refuse = |e: &toml::de::Error| {
            let reason = Complaint::of(e, &text, "setting", None).reason;
            let reason = reason.strip_prefix(&format!("`{key}`: ")).unwrap_or(&reason);
            value_error(key, reason)
        };
        let given: toml::Table = toml::from_str(&text).map_err(|e| refuse(&e))?;
        toml::from_str::<Config>(&text).map_err(|e| refuse(&e))?;
        match given.get("version").and_then(toml::Value::as_integer) {
            Some(found) if found != i64::from(VERSION) => {
                Err(ConfigError::Version { place: format!("`{assignment}`"), found })
            }
            _ => Ok(given),
        }
    }

    /// The value of a key, as TOML.
    pub fn value(&self, path: &str) -> Option<String> {
        self.found(path).map(|value| value.to_string())
    }

    /// The value of a key, as JSON.
    pub fn json(&self, path: &str) -> serde_json::Value {
        self.found(path).and_then(|value| serde_json::to_value(value).ok()).unwrap_or_default()
    }

    fn found(&self, path: &str) -> Option<toml::Value> {
        let table = self.as_table();
        match path.split_once('.') {
            Some((section, name)) => table.get(section)?.get(name).cloned(),
            None => table.get(path).cloned(),
        }
    }

    /// Every value by section. Empty only for a configuration that [`Config::check`] refuses: TOML can write all others.
    pub fn table(&self) -> toml::Table {
        self.as_table()
    }

    /// Those of these keys (`search.batch`) and their values, a line for each.
    pub fn written(&self, keys: impl IntoIterator<Item = String>) -> String {
        let table = self.as_table();
        let value = |path: &str| match path.split_once('.') {
            Some((section, name)) => table.get(section)?.get(name),
            None => table.get(path),
        };
        keys.into_iter().filter_map(|key| value(&key).map(|v| format!("{key} = {v}\n"))).collect()
    }

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

/// The line of a file where a key is set.
fn place(file: &str, text: &str, key: &str) -> String {
    key_at(text, key).map_or_else(|| file.to_string(), |at| format!("{file}, line {}", line(text, at)))
}

impl ConfigError {
    /// With the line of the file where the key is set, if it is set there.
    #[must_use]
    pub fn placed(self, text: &str, file: &str) -> ConfigError {
        match self {
            ConfigError::Value { key, reason } if key_at(text, &key).is_some() => {
                ConfigError::Text { place: place(file, text, &key), reason: format!("`{key}`: {reason}") }
            }
            other => other,
        }
    }
}
