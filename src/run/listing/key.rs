//! Columns by what a person types: `search.method`, `method`, `meth`.

use super::column::{Column, RESULTS};
use crate::nearest::nearest;
use crate::run::config::KEYS;

/// A word that means no column, or several.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("there is no column `{word}`{hint}")]
    Unknown { word: String, hint: String },
    #[error("`{word}` may be {}: write which", either(.all))]
    Several { word: String, all: Vec<String> },
}

/// `a, b or c`.
fn either(all: &[String]) -> String {
    match all.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
        None => String::new(),
    }
}

/// Every column, results before settings.
pub fn columns() -> impl Iterator<Item = Column> {
    (0..RESULTS.len()).map(Column::Result).chain((0..KEYS.len()).map(Column::Setting))
}

/// The last part of a key: `method` of `search.method`.
fn short(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// The column that a word means: its whole key, the last part of it, or the beginning of either, where that is one alone.
/// `name` is the run's.
///
/// # Errors
/// None, or several: the word, and what to write.
pub fn resolve(word: &str) -> Result<Column, KeyError> {
    let word = word.trim().to_lowercase();
    let word = if word == "name" { "run" } else { word.as_str() };
    let all: Vec<(String, Column)> = columns().map(|c| (c.key(), c)).collect();
    type Test = fn(&str, &str) -> bool;
    let tests: [Test; 3] = [
        |key, word| key == word,
        |key, word| short(key) == word,
        |key, word| key.starts_with(word) || short(key).starts_with(word),
    ];
    let mut found: Vec<&(String, Column)> = Vec::new();
    if !word.is_empty() {
        for test in tests {
            found = all.iter().filter(|(key, _)| test(key, word)).collect();
            if !found.is_empty() {
                break;
            }
        }
    }
    match found[..] {
        [one] => Ok(one.1),
        [] => {
            let near = nearest(word, all.iter().flat_map(|(key, _)| [key.as_str(), short(key)]));
            let hint = near.map_or_else(String::new, |n| format!("; did you mean `{n}`?"));
            Err(KeyError::Unknown { word: crate::text::sanitize(word), hint })
        }
        _ => Err(KeyError::Several {
            word: crate::text::sanitize(word),
            all: found.iter().take(4).map(|(key, _)| key.clone()).collect(),
        }),
    }
}

/// Columns that a word may become, the likeliest first: for a hint while it is typed.
pub fn suggest(word: &str) -> Vec<Column> {
    let word = word.trim().to_lowercase();
    let mut found: Vec<(usize, Column)> = columns()
        .filter_map(|c| {
            let key = c.key();
            let worth = [key == word, short(&key) == word, short(&key).starts_with(&word), key.starts_with(&word)];
            let at = worth.into_iter().position(|w| w).or_else(|| key.contains(&word).then_some(worth.len()));
            at.map(|at| (at, c))
        })
        .collect();
    found.sort_by_key(|f| f.0);
    found.into_iter().map(|f| f.1).collect()
}

/// The columns that a text names, with blanks or commas between them; each once.
///
/// # Errors
/// As [`resolve`].
pub fn parse(text: &str) -> Result<Vec<Column>, KeyError> {
    let mut all = Vec::new();
    for word in text.split([' ', ',']).filter(|w| !w.is_empty()) {
        let column = resolve(word)?;
        if !all.contains(&column) {
            all.push(column);
        }
    }
    Ok(all)
}
