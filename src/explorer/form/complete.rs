//! What tab makes of a field: paths as in a shell, names from their lists one after the other.

use std::path::Path;

use super::Field;
use super::check::expanded;
use crate::oneshot;
use crate::run::PRESETS;
use crate::run::config::keys;
use crate::{proxies, space};

/// Entries of a folder that are looked at.
const MOST: usize = 10_000;

/// What a text becomes, and what there is to choose from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Completion {
    pub text: Option<String>,
    pub choices: Vec<String>,
}

/// Completes the text of a field; `back`: the choice before.
pub fn complete(field: Field, text: &str, back: bool) -> Completion {
    let names = |names: Vec<&str>| names.into_iter().map(String::from).collect::<Vec<String>>();
    match field {
        Field::Preset => step(text, names(PRESETS.iter().map(|p| p.0).collect()), back),
        Field::Data if "embedded".starts_with(text) && text != "embedded" => {
            Completion { text: Some("embedded".into()), choices: vec!["embedded".into()] }
        }
        Field::Data => path(text, &|_| true),
        Field::Space if text.contains(['/', '.', '~']) => {
            path(text, &|name| Path::new(name).extension().is_some_and(|e| e == "toml"))
        }
        Field::Space => step(text, names(space::built_in().map(space::Space::name).collect()), back),
        Field::Functions => {
            let (kept, last) = text.rfind([',', ' ']).map_or(("", text), |i| text.split_at(i + 1));
            let found = step(last, names(proxies::names()), back);
            Completion { text: found.text.map(|t| format!("{kept}{t}")), choices: found.choices }
        }
        Field::Method => {
            let all = oneshot::PRESETS.iter().map(|p| p.name).chain([oneshot::OWN]);
            step(text, names(all.collect()), back)
        }
        Field::Device => step(text, names(vec!["auto", "cpu", "cuda", "cuda:0", "cuda:1"]), back),
        Field::Settings => {
            let (kept, last) = text.rfind(' ').map_or(("", text), |i| text.split_at(i + 1));
            if last.contains('=') {
                return Completion::default();
            }
            let found: Vec<String> = keys().filter(|k| k.contains(last)).map(|k| format!("{k}=")).collect();
            let begun: Vec<String> = found.iter().filter(|k| k.starts_with(last)).cloned().collect();
            let common = match &found[..] {
                [only] => Some(only.clone()),
                _ => common(&begun).filter(|c| c.len() > last.len()),
            };
            Completion { text: common.map(|t| format!("{kept}{t}")), choices: found }
        }
        Field::Seeds | Field::Cut | Field::Name => Completion::default(),
    }
}

/// The next of these names after the one that is there, or the first that begins as is typed.
fn step(text: &str, all: Vec<String>, back: bool) -> Completion {
    let n = all.len();
    let at = all.iter().position(|name| name == text);
    let next = match at {
        Some(i) if back => (i + n - 1) % n.max(1),
        Some(i) => (i + 1) % n.max(1),
        None => all
            .iter()
            .position(|name| name.starts_with(text))
            .or(all.iter().position(|n| n.contains(text)))
            .unwrap_or(0),
    };
    Completion { text: all.get(next).cloned(), choices: all }
}

/// What all of these begin with.
fn common(all: &[String]) -> Option<String> {
    let first = all.first()?;
    let shared =
        |a: &str, b: &str| a.chars().zip(b.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
    let end = all.iter().map(|one| shared(first, one)).min().unwrap_or(0);
    Some(first[..end].to_string())
}

/// Folders, and the files that are wanted, which begin as the path does.
fn path(text: &str, wanted: &dyn Fn(&str) -> bool) -> Completion {
    let (folder, begun) = text.rfind('/').map_or(("", text), |i| text.split_at(i + 1));
    let place = if folder.is_empty() { "./".to_string() } else { expanded(folder) };
    let Ok(entries) = std::fs::read_dir(&place) else { return Completion::default() };
    let mut found: Vec<String> = Vec::new();
    for entry in entries.flatten().take(MOST) {
        // A name that is no text can't be typed either.
        let Some(name) = entry.file_name().to_str().map(String::from) else { continue };
        let hidden = name.starts_with('.') && !begun.starts_with('.');
        if hidden || !name.starts_with(begun) || name.contains(char::is_control) {
            continue;
        }
        if entry.path().is_dir() {
            found.push(name + "/");
        } else if wanted(&name) {
            found.push(name);
        }
    }
    found.sort_unstable();
    let text = common(&found).map(|c| format!("{folder}{c}"));
    Completion { text, choices: found }
}
