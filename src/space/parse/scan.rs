//! Where genotypes stand in a text: a line of code, a whole log, a file of definitions.

use std::cell::Cell;
use std::collections::HashMap;

use super::Found;
use super::meaning::{BUDGET, Context, Fault, Field};
use super::value::{Kind, Reader, Stop, Value, is_word, last, stop};
use super::{arch, nni};
use crate::space::{Genotype, Space};

/// Most genotypes of a text.
const MOST: usize = 10_000;
/// How far before a genotype its name is looked for, in bytes.
const BEFORE: usize = 400;

/// Other names, and what each is another name for.
pub(super) type Aliases = Vec<(String, String)>;

/// Every genotype of a clean text, in its order, and other names for them.
///
/// # Errors
/// More of them than a log has.
pub(super) fn scan(text: &str, space: Option<Space>) -> Result<(Vec<Found>, Aliases), Stop> {
    let context = Context { space, text, order: order(text), budget: Cell::new(BUDGET), variables: HashMap::new() };
    let mut scan = Scan { context, found: Vec::new(), aliases: Vec::new() };
    for (name, at) in variables(text) {
        if let Some(of) = alias(text, at) {
            scan.aliases.push((name.to_string(), of.to_string()));
        }
        scan.context.variables.entry(name).or_default().push(at);
    }
    scan.all()?;
    if scan.found.is_empty() {
        scan.whole();
    }
    // What is commented out counts where there is nothing else.
    if scan.found.iter().any(|f| !f.commented) {
        scan.found.retain(|f| !f.commented);
    }
    Ok((scan.found, scan.aliases))
}

/// `NAME = value` at the beginning of a line: the name, and the byte where the value begins.
fn variables(text: &str) -> Vec<(&str, usize)> {
    let mut at = 0;
    let mut found = Vec::new();
    for line in text.split_inclusive(['\n', '\r']) {
        if let Some((name, value)) = assignment(line)
            && found.len() < MOST
        {
            found.push((name, at + value));
        }
        at += line.len();
    }
    found
}

/// The name that a line assigns to, and the byte of the value.
fn assignment(line: &str) -> Option<(&str, usize)> {
    let start = line.trim_start();
    let name = &start[..start.find(|c| !is_word(c))?];
    let after = start[name.len()..].trim_start();
    // `NAME: Type = value`.
    let equals = if after.starts_with(':') { after.find('=')? } else { 0 };
    let value = after.get(equals..)?.strip_prefix('=')?;
    let valid = name.starts_with(|c: char| !c.is_numeric()) && !value.starts_with('=');
    valid.then(|| (name, line.len() - value.len() + value.len() - value.trim_start().len()))
}

/// The name that alone stands at a place, to the end of its line.
fn alias(text: &str, at: usize) -> Option<&str> {
    let line = text[at..].split(['\n', '\r', '#', ';']).next()?.trim();
    let plain = !line.is_empty() && line.chars().all(|c| is_word(c) || c == '.') && !line.starts_with(char::is_numeric);
    plain.then(|| last(line))
}

/// The order of arguments by place: that of the text's own `namedtuple('Genotype', '…')`, or the published one.
fn order(text: &str) -> [Field; 4] {
    let own = || {
        let at = text.find("namedtuple")? + "namedtuple".len();
        let line = &text[at..(at + BEFORE).min(text.len()).max(at)].split(')').next()?;
        let names: Vec<Field> = line.split(|c| !is_word(c)).filter_map(Field::named).collect();
        <[Field; 4]>::try_from(names).ok().filter(|f| Field::ALL.iter().all(|g| f.contains(g)))
    };
    own().unwrap_or(Field::ALL)
}

struct Scan<'a> {
    context: Context<'a>,
    found: Vec<Found>,
    aliases: Aliases,
}

impl Scan<'_> {
    fn all(&mut self) -> Result<(), Stop> {
        let text = self.context.text;
        let bytes = text.as_bytes();
        // Of the line: where it begins, and whether a genotype has ended on it.
        let (mut line, mut ended, mut documentation) = (0, false, false);
        let mut commented = false;
        let mut at = 0;
        while at < bytes.len() {
            let next = match bytes[at] {
                b'\n' | b'\r' => {
                    (line, ended, commented) = (at + 1, false, false);
                    at + 1
                }
                b'#' => {
                    commented |= ended || text[line..at].trim().is_empty();
                    at + 1
                }
                b'"' | b'\'' if bytes[at..].starts_with(&[bytes[at]; 3]) => {
                    documentation = !documentation;
                    at + 3
                }
                b'{' if text[at + 1..].trim_start().starts_with(|c| matches!(c, '\'' | '"') || is_word(c)) => {
                    self.dictionary(at, commented || documentation).unwrap_or(at + 1)
                }
                b'|' if arch::begins(text, at) => {
                    let (genotype, end) = arch::genotype(&self.context, at);
                    self.take(at, commented || documentation, genotype);
                    end.max(at + 4)
                }
                b'G' if self.begins(line, at) => {
                    let end = self.call(at, commented || documentation);
                    let names = names(text, at);
                    self.aliases.extend(names.iter().skip(1).map(|n| (n.to_string(), names[0].to_string())));
                    end.unwrap_or(at + 1)
                }
                _ => at + 1,
            };
            if next > at + 3 {
                // A genotype; it may have ended on another line.
                let start = text[at..next].rfind(['\n', '\r']).map(|i| at + i + 1);
                (line, ended, commented) = (start.unwrap_or(line), true, commented && start.is_none());
            }
            at = next;
            if self.found.len() > MOST {
                return stop(at, format!("more than {MOST} genotypes; leave those out that are not wanted"));
            }
        }
        Ok(())
    }

    /// Whether `Genotype(` stands here, as a word, and is no definition of a class.
    fn begins(&self, line: usize, at: usize) -> bool {
        let text = self.context.text;
        let Some(after) = text[at..].strip_prefix("Genotype") else { return false };
        let word_before = text[..at].ends_with(is_word);
        let class = text[line..at].trim_end().ends_with("class");
        !word_before && !class && after.trim_start_matches([' ', '\t']).starts_with('(')
    }

    /// Takes a call; where it ends, if it is well written.
    fn call(&mut self, at: usize, commented: bool) -> Option<usize> {
        let mut reader = Reader::new(self.context.text, at);
        let read = reader.genotype();
        let end = read.is_ok().then_some(reader.at);
        let genotype = read.map_err(Fault::Stop).and_then(|value| self.context.genotype(&value, reader.at));
        self.take(at, commented, genotype);
        end
    }

    /// Takes a dictionary, if it is a genotype; where it ends.
    fn dictionary(&mut self, at: usize, commented: bool) -> Option<usize> {
        let mut reader = Reader::new(self.context.text, at);
        let value = reader.value().ok()?;
        let Kind::Dict(entries) = &value.kind else { return None };
        let genotype = if nni::is_export(entries) {
            nni::genotype(&self.context, at, entries)
        } else if is_genotype(entries) {
            self.context.genotype(&value, reader.at - 1)
        } else {
            return None;
        };
        self.take(at, commented, genotype);
        Some(reader.at)
    }

    /// The text as a whole: a namedtuple as JSON or as a tuple, and what is no genotype but begins like one.
    fn whole(&mut self) {
        if let Some((at, genotype)) = arch::digits(&self.context) {
            return self.take(at, false, genotype);
        }
        let text = self.context.text;
        let mut at = text.len() - text.trim_start().len();
        if text[at..].starts_with("```") {
            // A fence with the name of a language.
            at += text[at..].find(['[', '(', '{']).unwrap_or(0);
        }
        if !text[at..].starts_with(['[', '(', '{']) {
            return;
        }
        let mut reader = Reader::new(text, at);
        let read = reader.value();
        let genotype = match &read {
            Ok(value) => match &value.kind {
                Kind::List(items) if items.len() == 4 && matches!(items[0].kind, Kind::List(_)) => {
                    self.context.genotype(value, reader.at)
                }
                _ => return,
            },
            Err(e) => Err(Fault::Stop(e.clone())),
        };
        self.take(at, false, genotype);
    }

    fn take(&mut self, at: usize, commented: bool, genotype: Result<Genotype, Fault>) {
        let (name, defined) = name(self.context.text, at);
        self.found.push(Found { at, name, defined, commented, genotype });
    }
}

/// Whether a dictionary has cells.
fn is_genotype(entries: &[(Value, Value)]) -> bool {
    entries.iter().any(|(key, value)| {
        let named = matches!(key.kind, Kind::Text(name) if matches!(Field::named(name), Some(Field::Choices(_))));
        named && !matches!(value.kind, Kind::Number(_) | Kind::Text(_) | Kind::Name(_))
    })
}

/// What stands before a genotype, without the names of modules, brackets around it, and white space.
fn before(text: &str, at: usize) -> &str {
    let from = (at.saturating_sub(BEFORE)..=at).find(|i| text.is_char_boundary(*i)).unwrap_or(at);
    let before = text[from..at].trim_end_matches(|c| is_word(c) || c == '.');
    before.trim_end_matches(|c: char| c.is_whitespace() || c == '(' || c == '\\')
}

/// The names that `A = B = Genotype(…)` gives it, the nearest first.
fn names(text: &str, at: usize) -> Vec<&str> {
    let mut names = Vec::new();
    let mut before = before(text, at);
    while let Some(rest) = before.strip_suffix('=') {
        let rest = rest.trim_end();
        let name = &rest[rest.trim_end_matches(is_word).len()..];
        if name.is_empty() || name.starts_with(char::is_numeric) {
            break;
        }
        names.push(name);
        before = rest[..rest.len() - name.len()].trim_end_matches([' ', '\t']);
    }
    names
}

/// The name of a genotype, and whether it is defined by it: at the beginning of a line, or as the key of a dictionary.
fn name(text: &str, at: usize) -> (Option<String>, bool) {
    let before = before(text, at);
    if let Some(rest) = before.strip_suffix(':') {
        let rest = rest.trim_end();
        let quote = rest.chars().next_back().filter(|c| matches!(c, '\'' | '"'));
        let key = quote.and_then(|q| rest[..rest.len() - 1].rsplit_once(q)).map(|(_, key)| key.to_string());
        return (key.clone(), key.is_some());
    }
    let names = names(text, at);
    let Some(first) = names.first() else { return (None, false) };
    // With a type, `NAME: Genotype = …`, the name is what stands before.
    let line = before.rsplit(['\n', '\r']).next().unwrap_or(before);
    match assignment(&format!("{line} ")) {
        Some((name, _)) => (Some(if names.len() > 1 { first } else { name }.to_string()), true),
        None => (Some(first.to_string()), false),
    }
}
