//! Whether a value makes sense by itself.

use crate::text::parse_amount;

type Checked = Result<(), String>;

/// TOML's whole numbers end at 2^63; what can't be written can't be kept with the run.
pub fn sized(value: u64) -> Checked {
    match i64::try_from(value) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("{value} is more than this program takes, {}", i64::MAX)),
    }
}

pub fn up_to(value: usize, most: usize) -> Checked {
    if value > most { Err(format!("{value} is more than this program takes, {most}")) } else { Ok(()) }
}

/// From 1.
pub fn counted(value: usize, most: usize) -> Checked {
    if value == 0 { Err("must be at least 1".into()) } else { up_to(value, most) }
}

fn below(value: f64, end: f64) -> Checked {
    if value >= 0.0 && value < end {
        return Ok(());
    }
    let most = if end.is_finite() { format!(" and below {end}") } else { String::new() };
    Err(format!("must be a number from 0{most}, not {value}"))
}

pub fn from_0(value: f64) -> Checked {
    below(value, f64::INFINITY)
}

/// From 0 to 1, without 1.
pub fn fraction(value: f64) -> Checked {
    below(value, 1.0)
}

pub fn above_0_below_1(value: f64) -> Checked {
    if value > 0.0 && value < 1.0 { Ok(()) } else { Err(format!("must lie above 0 and below 1, not at {value}")) }
}

/// This word, or an amount of bytes.
pub fn amount_or(word: &str, value: &str, example: &str) -> Checked {
    if value == word || parse_amount(value).is_some() {
        return Ok(());
    }
    Err(format!("`{}` is neither `{word}` nor an amount such as {example}", shown(value)))
}

/// At least one name, none of them twice.
pub fn named(names: &[String]) -> Checked {
    if names.is_empty() {
        return Err("name at least one ranking function".into());
    }
    match names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
        Some((_, name)) => Err(format!("`{}` stands there twice", shown(name))),
        None => Ok(()),
    }
}

/// As much of a value as a message has room for.
pub fn shown(value: &str) -> String {
    value.chars().filter(|c| !c.is_control()).take(40).collect()
}
