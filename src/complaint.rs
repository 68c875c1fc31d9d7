//! What is wrong with a TOML text that a person wrote: the line, the key, and the reason in words.

use toml::de::{DeTable, DeValue};

use crate::nearest::nearest;

/// A line of a text, where it is known, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    pub line: Option<usize>,
    pub reason: String,
}

impl Complaint {
    /// Of a text that could not be read. `what` the keys are (`setting`), and where all of them are told, if anywhere.
    pub fn of(error: &toml::de::Error, text: &str, what: &str, all: Option<&str>) -> Complaint {
        let at = error.span().map(|span| span.start).or_else(|| long_key(text, error.message()));
        let reason = explain(error.message(), what, all);
        // A reason that names the key says it once.
        let named = error.message().starts_with("unknown field") || error.message().starts_with("missing field");
        let key = at.filter(|_| !named).and_then(|at| key_around(text, at));
        let reason = key.map_or(reason.clone(), |key| format!("`{key}`: {reason}"));
        Complaint { line: at.map(|at| line(text, at)), reason }
    }
}

/// The line of a byte, as a person counts.
pub fn line(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|b| *b == b'\n').count() + 1
}

/// Where `search.batch` and so on is set in a text, in bytes.
pub fn key_at(text: &str, key: &str) -> Option<usize> {
    let table = DeTable::parse(text).ok()?;
    let mut table = table.get_ref();
    let (sections, name) = key.rsplit_once('.').map_or((None, key), |(s, n)| (Some(s), n));
    if let Some(section) = sections {
        table = table.get(section)?.get_ref().as_table()?;
    }
    table.get_key_value(name).map(|(k, _)| k.span().start)
}

/// The parser tells no place of a key of too many parts: the first line that has so many.
fn long_key(text: &str, message: &str) -> Option<usize> {
    const PARTS: usize = 80;
    let long = |line: &str| line.split('=').next().unwrap_or_default().matches('.').count() >= PARTS;
    let mut begins = 0;
    text.split_inclusive('\n').filter(|_| message == "recursion limit").find_map(|line| {
        let at = begins;
        begins += line.len();
        long(line).then_some(at)
    })
}

/// The key, with those of its tables, that a byte of a text belongs to.
fn key_around(text: &str, at: usize) -> Option<String> {
    let found = match DeTable::parse(text) {
        Ok(table) => within(table.get_ref(), at),
        Err(_) => begun(text, at),
    };
    let shown = |key: String| key.chars().filter(|c| !c.is_control()).take(60).collect::<String>();
    found.map(shown).filter(|key| !key.is_empty())
}

fn within(table: &DeTable<'_>, at: usize) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let deeper = match value.get_ref() {
            DeValue::Table(table) => within(table, at).map(|rest| format!("{}.{rest}", key.get_ref())),
            _ => None,
        };
        let here = || (key.span().contains(&at) || value.span().contains(&at)).then(|| key.get_ref().to_string());
        deeper.or_else(here)
    })
}

/// The same of a text that is no TOML: the key that its line begins with, in the table that was opened last.
fn begun(text: &str, at: usize) -> Option<String> {
    let before = text.get(..at)?;
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let bare = |word: &str| {
        let word = word.trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        (!word.is_empty() && word.chars().all(plain)).then(|| word.to_string())
    };
    let key = bare(text[start..].lines().next()?.split_once('=')?.0)?;
    let header = |line: &str| bare(line.trim().strip_prefix('[')?.split_once(']')?.0);
    Some(match text[..start].lines().rev().find_map(header) {
        Some(table) => format!("{table}.{key}"),
        None => key,
    })
}

/// The reason in words: the nearest known key for an unknown one, and no names of types.
fn explain(message: &str, what: &str, all: Option<&str>) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    if message.starts_with("unknown field")
        && let Some(unknown) = quoted.next()
    {
        let unknown: String = unknown.chars().filter(|c| !c.is_control()).take(40).collect();
        let known: Vec<&str> = quoted.collect();
        return match (nearest(&unknown, known.iter().copied()), all) {
            (Some(near), _) => format!("there is no {what} `{unknown}` here; did you mean `{near}`?"),
            (None, Some(all)) => format!("there is no {what} `{unknown}` here; {all}"),
            (None, None) => format!("there is no {what} `{unknown}` here, only {}", known.join(", ")),
        };
    }
    if message.contains("recursion limit") || message.contains("cannot recurse further") {
        return "lists or tables stand too deep inside one another".into();
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

    fn complaint(text: &str) -> (Option<usize>, String) {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only read")]
        struct File {
            size: Option<usize>,
            inner: Option<Inner>,
        }
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only read")]
        struct Inner {
            share: f64,
        }
        let Complaint { line, reason } = Complaint::of(&toml::from_str::<File>(text).unwrap_err(), text, "key", None);
        (line, reason)
    }

    #[test]
    fn line_key_and_reason_are_told() {
        let (line, reason) = complaint("\nsize = \"many\"\n");
        assert_eq!(line, Some(2));
        assert!(reason.starts_with("`size`: ") && reason.ends_with("a whole number, 0 or more"), "{reason}");
        let (line, reason) = complaint("size = 1\n[inner]\n\nshare = true\n");
        assert_eq!(line, Some(4));
        assert!(reason.starts_with("`inner.share`: ") && reason.ends_with("expected a number"), "{reason}");
        assert!(complaint("inner = {share = true}\n").1.starts_with("`inner.share`: "));
        assert!(complaint("inner.share = true\n").1.starts_with("`inner.share`: "));
        assert_eq!(
            complaint("[inner]\nshar = 1\n"),
            (Some(2), "there is no key `shar` here; did you mean `share`?".into())
        );
        assert_eq!(complaint("zzzzzzzz = 1\n"), (Some(1), "there is no key `zzzzzzzz` here, only size, inner".into()));
        // No TOML at all.
        let (line, reason) = complaint("[inner]\nshare = = 1\n");
        assert_eq!(line, Some(2));
        assert!(reason.starts_with("`inner.share`: "), "{reason}");
    }

    #[test]
    fn what_is_too_deep_is_told_with_its_line_and_key() {
        for deep in [
            format!("size = {}{}", "[".repeat(5000), "]".repeat(5000)),
            format!("size = {}1{}", "{a = ".repeat(5000), "}".repeat(5000)),
            format!("size{} = 1", ".a".repeat(5000)),
            format!("size = [{}1{}]", "{a.b = [".repeat(200), "]}".repeat(200)),
        ] {
            let (line, reason) = complaint(&format!("# mine\n{deep}\n"));
            assert_eq!(line, Some(2), "{reason}");
            assert!(reason.contains("`size") && reason.ends_with("too deep inside one another"), "{reason}");
        }
    }
}
