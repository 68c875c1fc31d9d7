//! Which runs are shown: words such as `seed:7 method:darts xi>0.5 state:done,failed cifar`, all of which must hold.

use super::column::Column;
use super::key::resolve;
use super::run::Listed;
use super::value::{Kind, Value};
use crate::text;

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Is,
    IsNot,
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// The longer ones first, of which others are a part.
const OPERATORS: [(&str, Operator); 7] = [
    ("!=", Operator::IsNot),
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    (":", Operator::Is),
    ("=", Operator::Is),
    ("<", Operator::Below),
    (">", Operator::Above),
];

#[derive(Clone, Debug, PartialEq)]
enum Wanted {
    Words(String),
    /// The number, and how it was written.
    Number(f64, String),
    /// From, to, both included.
    Range(f64, f64),
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    /// A word without a key: in the name, the state, the data, a tag or the note.
    Word(String),
    Condition {
        column: Column,
        operator: Operator,
        any: Vec<Wanted>,
    },
}

/// What must hold of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    parts: Vec<Part>,
}

impl Filter {
    /// Reads a filter; what is wrong with it is told in sentences, and the rest holds.
    pub fn parse(text: &str) -> (Filter, Vec<String>) {
        let (mut parts, mut wrong) = (Vec::new(), Vec::new());
        for word in words(text) {
            match part(&word) {
                Ok(part) => parts.push(part),
                Err(e) => wrong.push(e),
            }
        }
        (Filter { parts }, wrong)
    }

    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The columns that it asks about.
    pub fn columns(&self) -> impl Iterator<Item = Column> + '_ {
        self.parts.iter().filter_map(|p| match p {
            Part::Condition { column, .. } => Some(*column),
            Part::Word(_) => None,
        })
    }

    pub fn lets(&self, run: &Listed, now: f64) -> bool {
        self.parts.iter().all(|part| match part {
            Part::Word(word) => {
                let has = |text: &str| text::contains(text, word);
                has(&run.name)
                    || has(&run.status)
                    || has(run.word)
                    || has(&run.data)
                    || has(run.note())
                    || run.tags().iter().any(|t| has(t))
            }
            Part::Condition { column, operator, any } => {
                let value = column.value(run, now);
                let one = |wanted: &Wanted| holds(*column, run, &value, *operator, wanted);
                match operator {
                    // None of them; of a run without a value nothing is said.
                    Operator::IsNot => !value.is_missing() && any.iter().all(one),
                    _ => any.iter().any(one),
                }
            }
        })
    }
}

/// Words with blanks between them; quotes keep blanks.
fn words(text: &str) -> Vec<String> {
    let (mut all, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => all.extend(Some(std::mem::take(&mut word)).filter(|w| !w.is_empty())),
            c => word.push(c),
        }
    }
    all.extend(Some(word).filter(|w| !w.is_empty()));
    all
}

fn part(word: &str) -> Result<Part, String> {
    if let Some(tag) = word.strip_prefix('#').filter(|t| !t.is_empty()) {
        let any = vec![Wanted::Words(tag.to_lowercase())];
        return Ok(Part::Condition { column: Column::result("tags"), operator: Operator::Is, any });
    }
    let end = word.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.')).unwrap_or(word.len());
    let (key, rest) = word.split_at(end);
    let Some((sign, operator)) = OPERATORS.iter().find(|(sign, _)| rest.starts_with(sign)).filter(|_| !key.is_empty())
    else {
        return Ok(Part::Word(word.into()));
    };
    let column = resolve(key).map_err(|e| e.to_string())?;
    let given = &rest[sign.len()..];
    let values: Vec<&str> = given.split(',').map(str::trim).filter(|v| !v.is_empty()).collect();
    if values.is_empty() {
        return Err(format!("{key}{sign} has no value yet"));
    }
    let any: Result<Vec<Wanted>, String> = values.iter().map(|v| wanted(column, v)).collect();
    let any = any?;
    let compares = !matches!(operator, Operator::Is | Operator::IsNot);
    if compares && (any.len() != 1 || !matches!(any[0], Wanted::Number(..))) {
        return Err(format!("{key}{sign} takes one number, and `{}` is none", text::sanitize(given)));
    }
    if compares && matches!(column.kind(), Some(Kind::Words | Kind::Names)) {
        return Err(format!("`{}` is no number: use {key}:VALUE", column.key()));
    }
    Ok(Part::Condition { column, operator: *operator, any })
}

fn wanted(column: Column, text: &str) -> Result<Wanted, String> {
    let kind = column.kind();
    let number = |text: &str| match kind {
        Some(Kind::Words | Kind::Names) => None,
        Some(Kind::Bytes) => text::parse_amount(text).map(|n| n as f64),
        Some(Kind::Seconds) => seconds(text),
        Some(Kind::Share) => share(text),
        Some(Kind::Number) | None => text.parse().ok().filter(|v: &f64| v.is_finite()),
    };
    if let Some((from, to)) = text.split_once("..")
        && let (Some(from), Some(to)) = (number(from), number(to))
    {
        return Ok(Wanted::Range(from, to));
    }
    match number(text) {
        Some(v) => Ok(Wanted::Number(v, text.into())),
        None => match kind {
            Some(Kind::Number | Kind::Bytes | Kind::Seconds | Kind::Share) => {
                Err(format!("`{}` is {}, not `{}`", column.key(), example(kind), text::sanitize(text)))
            }
            _ => Ok(Wanted::Words(text.to_lowercase())),
        },
    }
}

fn example(kind: Option<Kind>) -> &'static str {
    match kind {
        Some(Kind::Bytes) => "an amount of bytes, as in 800MiB",
        Some(Kind::Seconds) => "a time, as in 90s, 5m, 2h or 3d",
        Some(Kind::Share) => "a share, as in 71.5% or 0.715",
        _ => "a number",
    }
}

/// `90`, `90s`, `5m`, `2h`, `3d`.
fn seconds(text: &str) -> Option<f64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let unit = match &text[end..] {
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    text[..end].parse::<f64>().ok().map(|v| v * unit)
}

/// `71.5%`, `71.5` and `0.715` are the same: above 1 it can only be per cent.
fn share(text: &str) -> Option<f64> {
    if let Some(percent) = text.strip_suffix('%') {
        return percent.trim().parse::<f64>().ok().map(|v| v / 100.0);
    }
    text.parse::<f64>().ok().filter(|v| v.is_finite()).map(|v| if v.abs() > 1.0 { v / 100.0 } else { v })
}

fn holds(column: Column, run: &Listed, value: &Value, operator: Operator, wanted: &Wanted) -> bool {
    let number = value.number();
    let compared = |test: fn(f64, f64) -> bool| match wanted {
        Wanted::Number(v, _) => number.is_some_and(|n| test(n, *v)),
        _ => false,
    };
    match operator {
        Operator::Is => is(column, run, value, wanted),
        Operator::IsNot => !is(column, run, value, wanted),
        Operator::Below => compared(|a, b| a < b),
        Operator::AtMost => compared(|a, b| a <= b),
        Operator::Above => compared(|a, b| a > b),
        Operator::AtLeast => compared(|a, b| a >= b),
    }
}

fn is(column: Column, run: &Listed, value: &Value, wanted: &Wanted) -> bool {
    match (wanted, value.number()) {
        (Wanted::Range(from, to), Some(n)) => (*from..=*to).contains(&n),
        (Wanted::Range(..), None) => false,
        // As it is shown, too: 71.5 % may be 0.71523.
        (Wanted::Number(v, _), Some(n)) => n == *v || value.text() == value.with(*v).text(),
        (Wanted::Number(_, word), None) => says(column, run, value, word),
        (Wanted::Words(word), _) => says(column, run, value, word),
    }
}

/// Whether words are those that are wanted: a setting's or a tag's whole, `*` standing for anything; a result's in part.
fn says(column: Column, run: &Listed, value: &Value, word: &str) -> bool {
    let test = |text: &str| {
        let text = text.to_lowercase();
        if word.contains('*') {
            matches(&text, word)
        } else if column.kind() == Some(Kind::Words) {
            text.contains(word)
        } else {
            text == word
        }
    };
    // `state:running` means whatever a run is at.
    if column == Column::result("state") && test(run.word) {
        return true;
    }
    match value {
        Value::Missing => matches!(word, "—" | "none"),
        Value::List(all) => all.iter().any(|one| test(one)) || test(&all.join(",")),
        other => test(&other.text()),
    }
}

/// Whether a text is as a pattern says, `*` standing for any letters.
fn matches(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut rest = rest;
    let parts: Vec<&str> = parts.collect();
    for (i, part) in parts.iter().enumerate() {
        if i + 1 == parts.len() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}
