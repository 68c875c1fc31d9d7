//! Runs compared: each run's state, folded from its journal on a thread; runs that differ in nothing but their seed are one arm;
//! and what follows from them, with its uncertainty.

mod agreement;
mod conclude;
mod statistics;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

pub use conclude::{Said, Tone};

use super::state::State;
use crate::run::RunFolder;
use crate::run::config::{Config, KEYS, Key};
use crate::run::event::Outcome;
use crate::run::listing::{self, Listed, Settings};

/// One run of a comparison.
#[derive(Clone, Debug)]
pub struct Side {
    pub name: String,
    pub state: State,
    pub config: Option<Config>,
}

impl Side {
    /// It has ended, and its numbers do not change any more.
    pub fn is_done(&self) -> bool {
        self.state.ended.as_ref().is_some_and(|e| e.outcome == Outcome::Done)
    }

    /// As the list has it, for what the two have in common.
    fn listed(&self) -> Option<Listed> {
        let config = self.config.as_ref()?;
        let cut = self.state.cut.cut.as_ref();
        Some(Listed {
            name: self.name.clone(),
            trains: self.state.trains() || !config.train.genotype.is_empty(),
            data: self.state.run.as_ref().map_or_else(String::new, |r| r.data.name.clone()),
            cut: cut.map(|c| (c.xi, c.source.clone())),
            by_hand: cut.map_or(0, |c| c.by_hand.len()),
            settings: Ok(Arc::new(Settings::of(config))),
            ..Listed::unread(RunFolder::plain(Path::new("")))
        })
    }
}

/// Runs that differ in nothing but their seed, or one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    pub label: String,
    /// By their number among the sides.
    pub runs: Vec<usize>,
}

/// Runs side by side, and what follows.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    pub sides: Vec<Side>,
    pub arms: Vec<Arm>,
    pub said: Vec<Said>,
    /// Settings that the arms do not have in common: the key, and each arm's value.
    pub differ: Vec<(String, Vec<String>)>,
}

impl Comparison {
    pub fn of(sides: Vec<Side>) -> Comparison {
        let mut arms = arms(&sides);
        let first: Vec<&Side> = arms.iter().map(|a| &sides[a.runs[0]]).collect();
        let mut differ = differences(&first);
        if arms.iter().any(|a| a.runs.len() > 1) {
            // Of arms it is all their runs'.
            differ.retain(|(key, _)| key != "seed");
            let seeds = arms.iter().map(|a| seeds(&sides, a)).collect();
            differ.insert(0, ("seed".into(), seeds));
        }
        label(&mut arms, &sides, &differ);
        let said = conclude::said(&sides, &arms);
        Comparison { sides, arms, said, differ }
    }

    pub fn is_empty(&self) -> bool {
        self.sides.is_empty()
    }

    /// The runs of an arm.
    pub fn of_arm(&self, arm: &Arm) -> impl Iterator<Item = &Side> {
        arm.runs.iter().filter_map(|i| self.sides.get(*i))
    }
}

/// Reads the runs on a thread.
pub fn load(folders: Vec<RunFolder>) -> Receiver<Comparison> {
    let (sender, receiver) = channel();
    let _ = std::thread::Builder::new().name("compare".into()).spawn(move || {
        // Nobody may be listening any more.
        let _ = sender.send(Comparison::of(read(folders)));
    });
    receiver
}

/// Reads the runs, and nothing else of them, on a thread.
pub fn load_sides(folders: Vec<RunFolder>) -> Receiver<Vec<Side>> {
    let (sender, receiver) = channel();
    let _ = std::thread::Builder::new().name("pinned".into()).spawn(move || {
        let _ = sender.send(read(folders));
    });
    receiver
}

/// Reads the runs.
pub fn read(folders: impl IntoIterator<Item = RunFolder>) -> Vec<Side> {
    let side = |folder: RunFolder| {
        let state = super::state_of(&folder);
        Side { name: folder.name(), config: folder.config().ok(), state }
    };
    folders.into_iter().map(side).collect()
}

/// Runs by what they have in common, in the order of the first of each.
fn arms(sides: &[Side]) -> Vec<Arm> {
    let mut keys: Vec<Option<String>> = Vec::new();
    let mut arms: Vec<Arm> = Vec::new();
    for (i, side) in sides.iter().enumerate() {
        let key = side.listed().as_ref().and_then(listing::group_of);
        match keys.iter().position(|k| key.is_some() && *k == key) {
            Some(at) => arms[at].runs.push(i),
            None => {
                keys.push(key);
                arms.push(Arm { label: side.name.clone(), runs: vec![i] });
            }
        }
    }
    arms
}

/// Names an arm of several runs by what makes it one: the settings that differ, or the names of its runs.
fn label(arms: &mut [Arm], sides: &[Side], differ: &[(String, Vec<String>)]) {
    /// Settings that are named at most.
    const NAMED: usize = 2;
    let told: Vec<&(String, Vec<String>)> = differ.iter().filter(|(key, _)| key != "seed").take(NAMED).collect();
    for (i, arm) in arms.iter_mut().enumerate().filter(|(_, a)| a.runs.len() > 1) {
        let n = arm.runs.len();
        let value = |(key, values): &(String, Vec<String>)| {
            format!("{} {}", key.rsplit('.').next().unwrap_or(key), values.get(i).map_or("—", String::as_str))
        };
        let names: Vec<&str> = arm.runs.iter().filter_map(|i| sides.get(*i)).map(|s| s.name.as_str()).collect();
        let words = told.iter().copied().map(value).collect::<Vec<_>>().join(", ");
        arm.label = if words.is_empty() { listing::common_name(&names) } else { format!("{words} ×{n}") };
    }
}

/// `1, 2, 3` of an arm's runs.
fn seeds(sides: &[Side], arm: &Arm) -> String {
    let mut seeds: Vec<u64> = arm.runs.iter().filter_map(|i| sides.get(*i)?.config.as_ref()).map(|c| c.seed).collect();
    seeds.sort_unstable();
    listing::spans(&seeds)
}

/// Settings that are not the same in all runs: the key, and each run's value (`—` where it is not known, or of no use to the
/// run).
pub fn differences(sides: &[&Side]) -> Vec<(String, Vec<String>)> {
    let listed: Vec<Option<Listed>> = sides.iter().map(|s| s.listed()).collect();
    let settings: Vec<&Arc<Settings>> = listed.iter().flatten().filter_map(|l| l.settings.as_ref().ok()).collect();
    let differs = |i: usize| settings.windows(2).any(|w| w[0].get(i) != w[1].get(i));
    // What no side uses makes no difference.
    let used = |section: &str| listed.iter().flatten().any(|l| listing::concerns(l.trains, section));
    // A method is but a name for its parts, but it is what they are known by.
    let told = |k: &Key<Config>| !k.free || k.path() == "search.method";
    let keys = KEYS.iter().enumerate().filter(|(i, k)| told(k) && differs(*i) && used(k.section));
    let value = |l: &Option<Listed>, i: usize| l.as_ref().map_or_else(|| "—".into(), |l| l.setting(i).text());
    keys.map(|(i, key)| (key.path(), listed.iter().map(|l| value(l, i)).collect())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explorer::fixture::{self, Until};

    fn side(xi: f64, seed: u64) -> Side {
        let mut config = Config::default();
        (config.cut.xi, config.seed) = (xi, seed);
        Side { name: format!("r{seed}"), state: State::default(), config: Some(config) }
    }

    fn differ(sides: &[Side]) -> Vec<(String, Vec<String>)> {
        differences(&sides.iter().collect::<Vec<_>>())
    }

    #[test]
    fn only_what_differs_is_named_with_each_value() {
        let sides = [side(0.5, 1), side(0.75, 1), Side { config: None, ..side(0.0, 0) }];
        let found = differ(&sides);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].0.ends_with("xi"));
        assert_eq!(found[0].1, ["0.5", "0.75", "—"]);
        assert!(differ(&[side(0.5, 1), side(0.5, 1)]).is_empty());
        // A training beside a search: neither has the other's settings.
        let mut training = side(0.75, 1);
        if let Some(config) = &mut training.config {
            config.train.genotype = "DARTS_V2".into();
            config.train.epochs += 1;
        }
        let found = differ(&[side(0.5, 1), training.clone()]);
        let of = |key: &str| found.iter().find(|f| f.0.ends_with(key)).map(|f| f.1.clone());
        assert_eq!(of("xi"), Some(vec!["0.5".into(), "—".into()]));
        assert_eq!(of("train.genotype"), Some(vec!["—".into(), "DARTS_V2".into()]));
        // Two searches differ in nothing by what only trainings use.
        let mut other = side(0.5, 1);
        other.config.as_mut().unwrap().train.epochs += 1;
        assert!(differ(&[side(0.5, 1), other]).is_empty());
    }

    #[test]
    fn runs_of_other_seeds_are_one_arm() {
        let found = Comparison::of(vec![side(0.5, 1), side(0.75, 1), side(0.5, 2), side(0.75, 2), side(0.5, 3)]);
        let arms: Vec<(&str, &[usize])> = found.arms.iter().map(|a| (a.label.as_str(), &a.runs[..])).collect();
        assert_eq!(arms, [("xi 0.5 ×3", &[0, 2, 4][..]), ("xi 0.75 ×2", &[1, 3])]);
        assert_eq!(found.differ[0], ("seed".into(), vec!["1–3".into(), "1–2".into()]));
        // All of one setting: named by their names. Without settings, a run is alone.
        let found = Comparison::of(vec![side(0.5, 1), side(0.5, 2), Side { config: None, ..side(0.5, 3) }]);
        assert_eq!(found.arms.iter().map(|a| a.label.as_str()).collect::<Vec<_>>(), ["×2 r1, …", "r3"]);
        assert!(Comparison::of(Vec::new()).is_empty());
        // A cut that was changed by hand is no repetition.
        let by_hand =
            |seed| Side { state: State::from_events(&fixture::journal(Until::Done, seed)), ..side(0.5, seed) };
        assert_eq!(Comparison::of(vec![by_hand(1), by_hand(2)]).arms.len(), 2);
    }
}
