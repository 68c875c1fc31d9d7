//! Runs that differ in nothing but their seed, as one line: how many they are, and means with their deviations.

use super::column::Column;
use super::run::{Listed, concerns};
use super::value::Value;
use crate::run::config::KEYS;
use crate::statistics::Spread;

/// What runs of a group have in common, as a text: every setting that results depend on but the seed, and the cut where a
/// person has made another one of it. None for a run that is alone by what it is: its settings can't be read, or its cut was
/// changed by hand.
pub fn group_of(run: &Listed) -> Option<String> {
    let settings = run.settings.as_ref().ok()?;
    if run.by_hand > 0 {
        return None;
    }
    let mut text = format!("{} {}", run.trains, run.data);
    for (i, key) in KEYS.iter().enumerate() {
        if (key.free && key.path() != "data.source") || key.path() == "seed" || !concerns(run.trains, key.section) {
            continue;
        }
        text.push('\n');
        text += &settings.get(i).text();
    }
    if let Some((xi, source)) = &run.cut {
        text += &format!("\n{xi} {source}");
    }
    Some(text)
}

/// What a group shows in one column.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// The same in all runs that have one.
    Same(Value),
    /// A mean over so many of the group's runs; the value tells the unit.
    Mean(Spread, Value),
    /// Words for values that differ.
    Words(String),
}

impl Cell {
    /// As people read it; `of`: how many could have a value. Where fewer have one, how many have is said.
    pub fn text(&self, of: usize) -> String {
        match self {
            Cell::Same(value) => value.text(),
            Cell::Words(words) => words.clone(),
            Cell::Mean(spread, unit) => {
                let value = spread.mean.unwrap_or(f64::NAN);
                let mean = of_mean(unit, value);
                let text = match spread.deviation {
                    Some(deviation) => plus_minus(unit, &mean, value, deviation),
                    None => mean,
                };
                if spread.n < of { format!("{text} (n={})", spread.n) } else { text }
            }
        }
    }

    /// Its number, for sorting.
    pub fn number(&self) -> Option<f64> {
        match self {
            Cell::Same(value) => value.number(),
            Cell::Mean(spread, _) => spread.mean,
            Cell::Words(_) => None,
        }
    }
}

fn of_mean(unit: &Value, mean: f64) -> String {
    match unit {
        Value::Number(_) | Value::Of(..) => crate::text::significant(mean, 3),
        _ => unit.with(mean).text(),
    }
}

/// `71.2 ± 0.4 %`: the unit once, where both have the same.
fn plus_minus(unit: &Value, mean: &str, value: f64, deviation: f64) -> String {
    match unit {
        Value::Share(_) => format!("{:.1} ± {:.1} %", 100.0 * value, 100.0 * deviation),
        Value::Number(_) | Value::Of(..) => format!("{mean} ± {}", crate::text::significant(deviation, 2)),
        _ => {
            let other = unit.with(deviation).text();
            match (mean.rsplit_once(' '), other.rsplit_once(' ')) {
                (Some((a, u)), Some((b, v))) if u == v => format!("{a} ± {b} {u}"),
                _ => format!("{mean} ± {other}"),
            }
        }
    }
}

/// Several runs as one line.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// As [`group_of`] has it.
    pub key: String,
    /// Its runs, by their number in the list that the table was made of.
    pub runs: Vec<usize>,
    /// They are shown below it.
    pub open: bool,
}

impl Group {
    /// What stands in a column. Means are over runs that are done: what others have so far would mix early and late epochs.
    pub fn cell<'a>(&self, column: Column, run: impl Fn(usize) -> &'a Listed, now: f64) -> Cell {
        let all: Vec<&Listed> = self.runs.iter().map(|i| run(*i)).collect();
        match column {
            Column::Result(_) if column == Column::result("run") => {
                let name = common_name(&all.iter().map(|r| r.name.as_str()).collect::<Vec<_>>());
                let done = all.iter().filter(|r| r.is_done).count();
                // What the means are over, where that is not all of them.
                let (count, words) = name.split_once(' ').unwrap_or((&name, ""));
                Cell::Words(if done < all.len() { format!("{count} ({done} done) {words}") } else { name })
            }
            Column::Result(_) if column == Column::result("state") => Cell::Words(states(&all)),
            Column::Result(_) if column == Column::result("age") => {
                let youngest = all.iter().map(|r| r.last).fold(0.0, f64::max);
                Cell::Same(if youngest > 0.0 { Value::Age(now - youngest) } else { Value::Missing })
            }
            Column::Result(_) if column == Column::result("tags") => {
                let mut tags: Vec<String> = all.iter().flat_map(|r| r.tags().to_vec()).collect();
                tags.sort();
                tags.dedup();
                Cell::Same(if tags.is_empty() { Value::Missing } else { Value::List(tags) })
            }
            Column::Setting(i) if KEYS[i].path() == "seed" => Cell::Words(seeds(&all, i)),
            _ if column.averaged() => {
                let done = all.iter().filter(|r| r.is_done);
                mean_of(done.clone().map(|r| column.value(r, now)), done.count())
            }
            _ => {
                let mut values: Vec<Value> = Vec::new();
                for run in &all {
                    let value = column.value(run, now);
                    if !values.contains(&value) {
                        values.push(value);
                    }
                }
                match values.len() {
                    0 => Cell::Same(Value::Missing),
                    1 => Cell::Same(values.swap_remove(0)),
                    n => Cell::Words(format!("{n} values")),
                }
            }
        }
    }
}

/// How many names they are, and what they have in common: `×5 nb-s…`.
pub fn common_name(all: &[&str]) -> String {
    let first = all.first().copied().unwrap_or_default();
    let same = |name: &str| {
        let differs = first.char_indices().zip(name.chars()).find(|((_, a), b)| a != b).map(|((i, _), _)| i);
        differs.unwrap_or(first.len().min(name.len()))
    };
    let common = first.get(..all.iter().map(|n| same(n)).min().unwrap_or(0)).unwrap_or_default();
    let word = if all.iter().all(|n| *n == first) {
        first.to_string()
    } else if common.chars().count() >= 3 {
        format!("{common}…")
    } else {
        format!("{first}, …")
    };
    format!("×{} {word}", all.len())
}

/// The mean of values of so many runs, or their value where all have the same.
pub fn mean_of(values: impl Iterator<Item = Value>, of: usize) -> Cell {
    let values: Vec<Value> = values.filter(|v| !v.is_missing()).collect();
    let numbers: Vec<f64> = values.iter().filter_map(Value::number).collect();
    match (values.first(), Spread::of(&numbers)) {
        (Some(unit), spread) if spread.n > 0 => {
            let same = values.len() == of && values.iter().all(|v| v == unit);
            if same { Cell::Same(unit.clone()) } else { Cell::Mean(spread, unit.clone()) }
        }
        _ => Cell::Same(Value::Missing),
    }
}

/// `5 done`, `3 done, 1 crashed, 1 running`.
fn states(all: &[&Listed]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for run in all {
        match counts.iter_mut().find(|c| c.0 == run.word) {
            Some(count) => count.1 += 1,
            None => counts.push((run.word, 1)),
        }
    }
    counts.sort_by_key(|c| (std::cmp::Reverse(c.1), c.0));
    counts.iter().map(|(word, n)| format!("{n} {word}")).collect::<Vec<_>>().join(", ")
}

/// `1–5`, `1–3, 7`; a seed that several runs have is counted for each of them, and that is said.
fn seeds(all: &[&Listed], key: usize) -> String {
    let mut seeds: Vec<u64> = all.iter().filter_map(|r| r.setting(key).number()).map(|v| v as u64).collect();
    seeds.sort_unstable();
    spans(&seeds)
}

/// Ascending numbers: `1–5`, `1–3, 7`; how many of them are there twice is told.
pub fn spans(ascending: &[u64]) -> String {
    let mut seeds = ascending.to_vec();
    let count = seeds.len();
    seeds.dedup();
    let mut parts: Vec<(u64, u64)> = Vec::new();
    for seed in &seeds {
        match parts.last_mut() {
            Some((_, to)) if *to + 1 == *seed => *to = *seed,
            _ => parts.push((*seed, *seed)),
        }
    }
    let words = |(from, to): &(u64, u64)| if from == to { from.to_string() } else { format!("{from}–{to}") };
    let text = parts.iter().map(words).collect::<Vec<_>>().join(", ");
    match count - seeds.len() {
        0 => text,
        twice => format!("{text} ({twice} repeated)"),
    }
}
