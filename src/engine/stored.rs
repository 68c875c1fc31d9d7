//! The first round of a run's scores as its journal has it: what other cuts can be made of without scoring again.

use std::collections::BTreeMap;

use super::score::{self, Settings, race};
use crate::nearest::nearest;
use crate::proxies::aggregate::{Aggregate, Combined};
use crate::proxies::{self, RankingFunction};
use crate::run::RunFolder;
use crate::run::config::Config;
use crate::run::event::{Body, Removal};
use crate::run::journal::Tail;
use crate::space::cut::Source;
use crate::space::{By, Mask, Place};

/// What every operation lost in every draw of the first round.
#[derive(Clone, Debug)]
pub struct Stored {
    pub functions: Vec<String>,
    /// What took part.
    pub mask: Mask,
    pub places: Vec<Place>,
    /// `[place][draw][function]`; NaN or infinite where undefined.
    pub relative: Vec<Vec<Vec<f64>>>,
    /// Rounds that the run scores in: of several, an order by the first alone may differ from the run's own.
    pub rounds: usize,
    /// Scores come from sampled cells: they say what an operation adds to a cell.
    pub sampled: bool,
}

impl Stored {
    /// None before the first round has ended, and of a run that scores nothing.
    pub fn of(folder: &RunFolder) -> Option<Stored> {
        let (mut functions, mut rounds, mut space, mut ended) = (Vec::new(), 0, None, false);
        let mut sampled = false;
        let mut found: BTreeMap<(Place, usize), Vec<f64>> = BTreeMap::new();
        let mut tail = Tail::events(folder);
        loop {
            let events = tail.read();
            if events.is_empty() {
                break;
            }
            for event in events {
                match event.body {
                    Body::ScoringStarted(s) => {
                        sampled = s.samples_cells();
                        (functions, rounds, ended) = (s.functions, s.rounds, false);
                        found.clear();
                    }
                    Body::RoundStarted { round: 0, mask, .. } => space = Some(mask),
                    Body::Score { round: 0, draw, place, relative, .. } => {
                        found.insert((place, draw), relative.into_iter().map(f64::from).collect());
                    }
                    Body::RoundEnded { round: 0, .. } => ended = true,
                    _ => {}
                }
            }
        }
        ended.then_some(())?;
        Some(Stored { sampled, ..Stored::new(functions, space?, found, rounds) })
    }

    /// From the relative differences of each place in each draw, of operations left out.
    pub fn new(functions: Vec<String>, mask: Mask, found: BTreeMap<(Place, usize), Vec<f64>>, rounds: usize) -> Stored {
        let mut places: Vec<Place> = Vec::new();
        let mut relative: Vec<Vec<Vec<f64>>> = Vec::new();
        // In the order of the map: by place, then by draw.
        for ((place, _), mut values) in found {
            values.resize(functions.len(), f64::NAN);
            if places.last() != Some(&place) {
                places.push(place);
                relative.push(Vec::new());
            }
            if let Some(own) = relative.last_mut() {
                own.push(values);
            }
        }
        Stored { functions, mask, places, relative, rounds, sampled: false }
    }

    /// Draws of weights and pictures.
    pub fn draws(&self) -> usize {
        self.relative.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// The same, said in one way only: functions once and in the order of scoring, nothing where that is what the run does.
    ///
    /// # Errors
    /// A function that was not scored, or a way to put them together that there is not.
    pub fn normal(&self, by: &By, config: &Config) -> Result<By, String> {
        let chosen = self.chosen(&by.functions)?;
        let aggregate = aggregate_of(by, config)?;
        let all = chosen.len() == self.functions.len();
        let functions = if all { Vec::new() } else { chosen.iter().map(|f| self.functions[*f].clone()).collect() };
        let same = aggregate == config.score.aggregate;
        let by = By { functions, aggregate: (!same).then(|| aggregate.to_string()) };
        Ok(by)
    }

    /// Numbers of the functions of these names, in the order of scoring; of none, all.
    ///
    /// # Errors
    /// A name that was not scored.
    fn chosen(&self, names: &[String]) -> Result<Vec<usize>, String> {
        if names.is_empty() {
            return Ok((0..self.functions.len()).collect());
        }
        let number = |name: &String| {
            self.functions.iter().position(|f| f == name).ok_or_else(|| {
                let near = nearest(name, self.functions.iter().map(String::as_str));
                let hint = near.map_or_else(String::new, |n| format!(" (did you mean `{n}`?)"));
                let shown: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
                format!("`{shown}` was not scored{hint}; there are {}", self.functions.join(", "))
            })
        };
        let mut chosen = names.iter().map(number).collect::<Result<Vec<usize>, String>>()?;
        chosen.sort_unstable();
        chosen.dedup();
        Ok(chosen)
    }

    /// Relative differences by these functions alone.
    fn by(&self, chosen: &[usize]) -> Vec<Vec<Vec<f64>>> {
        let one = |values: &Vec<f64>| chosen.iter().map(|f| values[*f]).collect();
        self.relative.iter().map(|draws| draws.iter().map(one).collect()).collect()
    }

    /// The numbers that decide by this choice, for each of [`Stored::places`], and the functions' numbers in the order of its votes.
    ///
    /// # Errors
    /// As [`Stored::normal`].
    pub fn combined(&self, by: &By, config: &Config) -> Result<(Combined, Vec<usize>), String> {
        let chosen = self.chosen(&by.functions)?;
        let settings = Settings { aggregate: aggregate_of(by, config)?, ..Settings::of(config, &self.mask) };
        Ok((race::combined(&self.mask, &settings, &self.places, &self.by(&chosen)), chosen))
    }

    /// The order of removal by this choice.
    ///
    /// # Errors
    /// As [`Stored::normal`].
    pub fn order(&self, by: &By, undecided: Source, config: &Config) -> Result<Vec<Removal>, String> {
        let chosen = self.chosen(&by.functions)?;
        let lone = !config.score.estimator.samples();
        let exact = |f: &usize| lone && proxies::by_name(&self.functions[*f]).is_ok_and(RankingFunction::exact);
        let exact: Vec<bool> = chosen.iter().map(exact).collect();
        let settings = Settings {
            remove_per_round: 1,
            aggregate: aggregate_of(by, config)?,
            undecided,
            ..Settings::of(config, &self.mask)
        };
        Ok(score::order(&self.mask, &settings, &self.places, &self.by(&chosen), &exact))
    }
}

/// How a choice puts functions together.
fn aggregate_of(by: &By, config: &Config) -> Result<Aggregate, String> {
    by.aggregate.as_ref().map_or(Ok(config.score.aggregate), |name| name.parse())
}
