//! What stands in one cell of the table: shown to people with its unit, and written for programs without.

use std::cmp::Ordering;

use crate::text;

/// What a column holds, so that conditions on it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Words of a few letters that are compared by their parts.
    Words,
    /// Words that are compared whole.
    Names,
    Number,
    Bytes,
    Seconds,
    /// A part of 1, shown in per cent.
    Share,
}

/// One value. Bytes and seconds are whole in their unit, a share is 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Not known (yet), or of no meaning for the run.
    Missing,
    Words(String),
    List(Vec<String>),
    Number(f64),
    /// So many of so many.
    Of(usize, usize),
    Bytes(f64),
    Seconds(f64),
    /// Seconds since something.
    Age(f64),
    Share(f64),
}

impl Value {
    pub fn of<T>(value: Option<T>, make: impl FnOnce(T) -> Value) -> Value {
        value.map_or(Value::Missing, make)
    }

    pub fn words(text: impl Into<String>) -> Value {
        let text = text.into();
        if text.is_empty() { Value::Missing } else { Value::Words(text) }
    }

    /// A setting's value, as its configuration has it.
    pub fn of_toml(value: &toml::Value) -> Value {
        match value {
            toml::Value::Integer(n) => Value::Number(*n as f64),
            toml::Value::Float(v) => Value::Number(*v),
            toml::Value::String(s) if s.is_empty() => Value::Missing,
            toml::Value::String(s) => Value::Words(s.clone()),
            toml::Value::Array(all) => {
                Value::List(all.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_string)).collect())
            }
            other => Value::Words(other.to_string()),
        }
    }

    pub fn is_missing(&self) -> bool {
        *self == Value::Missing
    }

    /// As people read it; `—` where there is none. It may hold words from files.
    pub fn text(&self) -> String {
        match self {
            Value::Missing => "—".into(),
            Value::Words(words) => words.clone(),
            Value::List(all) if all.is_empty() => "[]".into(),
            Value::List(all) => all.join(", "),
            Value::Number(v) => v.to_string(),
            Value::Of(a, b) => format!("{a}/{b}"),
            Value::Bytes(n) => text::bytes(*n as u64),
            Value::Seconds(s) => text::duration(*s),
            Value::Age(s) => text::age(s.max(0.0)),
            Value::Share(v) => format!("{:.1} %", 100.0 * v),
        }
    }

    /// Its number, if it is one that is finite.
    pub fn number(&self) -> Option<f64> {
        let number = match self {
            Value::Number(v) | Value::Share(v) | Value::Bytes(v) | Value::Seconds(v) | Value::Age(v) => *v,
            Value::Of(a, _) => *a as f64,
            Value::Missing | Value::Words(_) | Value::List(_) => return None,
        };
        Some(number).filter(|v| v.is_finite())
    }

    /// The same kind of value with another number.
    #[must_use]
    pub fn with(&self, number: f64) -> Value {
        match self {
            Value::Share(_) => Value::Share(number),
            Value::Bytes(_) => Value::Bytes(number),
            Value::Seconds(_) => Value::Seconds(number),
            Value::Age(_) => Value::Age(number),
            _ => Value::Number(number),
        }
    }

    /// For programs: numbers as they are (bytes, seconds, parts of 1), words as words, nothing as `null`.
    pub fn json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        let number = |v: f64| {
            let whole = v.fract() == 0.0 && v.abs() < 9e15;
            if whole { Json::from(v as i64) } else { Json::from(v) }
        };
        match self {
            Value::Missing => Json::Null,
            Value::Words(words) => Json::from(words.as_str()),
            Value::List(all) => Json::from(all.clone()),
            // NaN and the infinities, as in journals.
            Value::Number(v) if v.is_nan() => Json::from("nan"),
            Value::Number(v) if v.is_infinite() => Json::from(if *v > 0.0 { "inf" } else { "-inf" }),
            other => other.number().map_or(Json::Null, number),
        }
    }

    /// The same as a field of CSV, quoted where it must be (RFC 4180); nothing is empty.
    pub fn csv(&self) -> String {
        let text = match self.json() {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(words) => words,
            serde_json::Value::Array(_) => self.text(),
            other => other.to_string(),
        };
        csv(&text)
    }

    /// Numbers before words; [`Value::Missing`] is not sorted by this.
    pub fn order(&self, other: &Value) -> Ordering {
        match (self.number(), other.number()) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => self.text().to_lowercase().cmp(&other.text().to_lowercase()),
        }
    }
}

/// A field of CSV.
pub fn csv(text: &str) -> String {
    let text = text::sanitize(text);
    if text.contains(['"', ',', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}
