//! Runs side by side: each run's state, folded from its journal on a thread, and the settings that differ.

use std::sync::mpsc::{Receiver, channel};

use super::state::State;
use crate::run::RunFolder;
use crate::run::config::Config;

/// Runs side by side at most.
pub const MOST: usize = 4;

/// One run of a comparison.
#[derive(Clone, Debug)]
pub struct Side {
    pub name: String,
    pub state: State,
    pub config: Option<Config>,
}

/// Reads the runs on a thread.
pub fn load(folders: Vec<RunFolder>) -> Receiver<Vec<Side>> {
    let (sender, receiver) = channel();
    let _ = std::thread::Builder::new().name("compare".into()).spawn(move || {
        // Nobody may be listening any more.
        let _ = sender.send(read(folders));
    });
    receiver
}

/// Reads the runs, [`MOST`] at most.
pub fn read(folders: impl IntoIterator<Item = RunFolder>) -> Vec<Side> {
    let side = |folder: RunFolder| {
        let state = super::state_of(&folder);
        Side { name: folder.name(), config: folder.config().ok(), state }
    };
    folders.into_iter().take(MOST).map(side).collect()
}

/// Settings that are not the same in all runs: the key, and each run's value (`—` where it is not known).
pub fn differences(sides: &[Side]) -> Vec<(String, Vec<String>)> {
    let mut keys: Vec<String> = Vec::new();
    for (i, a) in sides.iter().enumerate() {
        for b in sides.iter().skip(i + 1) {
            let (Some(a), Some(b)) = (&a.config, &b.config) else { continue };
            for (key, ..) in a.differences(b) {
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
        }
    }
    let value = |side: &Side, key: &str| -> String {
        if !concerns(side, key) {
            return "—".into();
        }
        let Some(config) = &side.config else { return "—".into() };
        let table: Option<toml::Value> = toml::from_str(&config.to_toml()).ok();
        let found = table.as_ref().and_then(|t| key.split('.').try_fold(t, |t, part| t.get(part)));
        found.map_or_else(|| "—".into(), |v| v.to_string().trim_matches('"').to_string())
    };
    // What no side uses makes no difference.
    keys.retain(|key| sides.iter().any(|s| concerns(s, key)));
    keys.into_iter()
        .map(|key| {
            let values = sides.iter().map(|s| value(s, &key)).collect();
            (key, values)
        })
        .collect()
}

/// Whether a run uses a setting: one that trains a genotype scores, cuts and searches nothing, and the other way round.
fn concerns(side: &Side, key: &str) -> bool {
    let trains = side.state.trains() || side.config.as_ref().is_some_and(|c| !c.train.genotype.is_empty());
    match key.split('.').next() {
        Some("train") => trains,
        Some("score" | "cut" | "search") => !trains,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_named_with_each_value() {
        let side = |xi: f64, seed: u64| {
            let mut config = Config::default();
            (config.cut.xi, config.seed) = (xi, seed);
            Side { name: "r".into(), state: State::default(), config: Some(config) }
        };
        let sides = [side(0.5, 1), side(0.75, 1), Side { config: None, ..side(0.0, 0) }];
        let found = differences(&sides);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].0.ends_with("xi"));
        assert_eq!(found[0].1, ["0.5", "0.75", "—"]);
        assert!(differences(&[side(0.5, 1), side(0.5, 1)]).is_empty());
        // A training beside a search: neither has the other's settings.
        let mut training = side(0.75, 1);
        if let Some(config) = &mut training.config {
            config.train.genotype = "DARTS_V2".into();
            config.train.epochs += 1;
        }
        let found = differences(&[side(0.5, 1), training.clone()]);
        let of = |key: &str| found.iter().find(|f| f.0.ends_with(key)).map(|f| f.1.clone());
        assert_eq!(of("xi"), Some(vec!["0.5".into(), "—".into()]));
        assert_eq!(of("train.genotype"), Some(vec!["—".into(), "DARTS_V2".into()]));
        // Two searches differ in nothing by what only trainings use.
        let mut other = side(0.5, 1);
        other.config.as_mut().unwrap().train.epochs += 1;
        assert!(differences(&[side(0.5, 1), other]).is_empty());
    }
}
