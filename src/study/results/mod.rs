//! What follows from a study: a row for each setting, and each of them beside the baseline, over seeds.

mod beside;
mod found;
mod gather;
pub mod words;

use serde::Serialize;

pub use beside::{Beside, Conclusion};
pub use found::Tables;
pub use gather::{One, gather};

use super::design::{Design, Stage};
use crate::statistics::{MeanOverlap, Spread, Stability, mean_overlap, stability};

/// What accuracies are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Measure {
    /// Of the found cell, as a table of accuracies has it.
    Table,
    /// Of the found cell on test pictures, trained from scratch.
    Trained,
    /// Of the supernet on validation pictures, after the last epoch of the search.
    Supernet,
}

impl Measure {
    pub const ALL: [Measure; 3] = [Measure::Table, Measure::Trained, Measure::Supernet];

    pub const fn name(self) -> &'static str {
        match self {
            Measure::Table => "table",
            Measure::Trained => "trained",
            Measure::Supernet => "supernet",
        }
    }

    pub const fn meaning(self) -> &'static str {
        match self {
            Measure::Table => "accuracy of the found cell by the table",
            Measure::Trained => "test accuracy of the found cell, trained from scratch",
            Measure::Supernet => "the supernet's accuracy on validation pictures",
        }
    }

    /// In per cent.
    pub fn of(self, one: &One) -> Option<f64> {
        match self {
            Measure::Table => one.table,
            Measure::Trained => one.trained,
            Measure::Supernet => one.supernet,
        }
    }
}

/// A setting over its seeds.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub setting: String,
    pub values: Vec<(String, String)>,
    pub baseline: bool,
    /// Seeds that it was to be run with.
    pub seeds: usize,
    /// Accuracies in per cent.
    pub table: Spread,
    pub trained: Spread,
    pub supernet: Spread,
    /// Peak bytes of the search, measured, over the idle process.
    pub bytes: Spread,
    pub predicted_bytes: Spread,
    pub scoring_seconds: Spread,
    pub search_seconds: Spread,
    /// Operations kept.
    pub kept: Spread,
    /// Parameters of the found cells' networks.
    pub parameters: Spread,
    /// How alike its cuts are from seed to seed, against chance.
    pub overlap: Option<MeanOverlap>,
    /// How alike the scores are from seed to seed, on which its cut goes.
    pub scores: Option<Stability>,
}

impl Row {
    pub fn accuracy(&self, measure: Measure) -> &Spread {
        match measure {
            Measure::Table => &self.table,
            Measure::Trained => &self.trained,
            Measure::Supernet => &self.supernet,
        }
    }
}

/// What follows from a study.
#[derive(Clone, Debug, Serialize)]
pub struct Results {
    /// What the study is to find out.
    pub title: Option<String>,
    pub measure: Measure,
    pub baseline: String,
    /// Percentage points within which two count as the same.
    pub margin: f64,
    pub alpha: f64,
    pub rows: Vec<Row>,
    /// Every setting but the baseline beside it.
    pub beside: Vec<Beside>,
    /// Runs that are done, and all.
    pub done: usize,
    pub runs: usize,
    /// What is to be known of the numbers, the most important first.
    pub notes: Vec<String>,
    /// Each run.
    pub each: Vec<One>,
}

impl Results {
    /// Of runs; `measure` or, without one, the strongest that at least half as many runs have as have any.
    pub fn of(design: &Design, each: Vec<One>, measure: Option<Measure>, mut notes: Vec<String>) -> Results {
        let count = |m: Measure| each.iter().filter(|one| m.of(one).is_some()).count();
        let most = Measure::ALL.map(count).into_iter().max().unwrap_or(0);
        // Not of the first few alone, while others are known of all.
        let there = |m: &Measure| most > 0 && 2 * count(*m) >= most;
        let measure = measure.or_else(|| Measure::ALL.into_iter().find(there)).unwrap_or(Measure::Supernet);
        let rows: Vec<Row> = (0..design.settings.len()).map(|s| row(design, &each, s)).collect();
        let beside = beside::all(design, &each, measure);
        notes.extend(beside::notes(design, &each, measure, &beside));
        let runs = each.len();
        let done = each.iter().filter(|one| one.done).count();
        Results {
            title: Some(design.note.clone()).filter(|n| !n.is_empty()),
            measure,
            baseline: design.settings[design.baseline].name.clone(),
            margin: design.compare.margin,
            alpha: design.compare.alpha,
            rows,
            beside,
            done,
            runs,
            notes,
            each,
        }
    }
}

fn row(design: &Design, each: &[One], number: usize) -> Row {
    let setting = &design.settings[number];
    let own: Vec<&One> = each.iter().filter(|one| one.setting == number).collect();
    let spread =
        |of: &dyn Fn(&One) -> Option<f64>| Spread::of(&own.iter().filter_map(|one| of(one)).collect::<Vec<_>>());
    let edges: Vec<Vec<Vec<bool>>> = own.iter().filter_map(|one| one.edges.clone()).collect();
    let edges: Vec<&[Vec<bool>]> = edges.iter().map(Vec::as_slice).collect();
    let scores: Vec<&[f64]> = own.iter().filter_map(|one| one.scores.as_deref()).collect();
    let searches = design.has(Stage::Search);
    Row {
        setting: setting.name.clone(),
        values: setting.values.clone(),
        baseline: number == design.baseline,
        seeds: design.seeds.len(),
        table: spread(&|one| one.table),
        trained: spread(&|one| one.trained),
        supernet: spread(&|one| one.supernet),
        bytes: spread(&|one| one.bytes.map(|b| b as f64)),
        predicted_bytes: spread(&|one| one.predicted_bytes.map(|b| b as f64)),
        scoring_seconds: spread(&|one| one.scoring_seconds),
        search_seconds: spread(&|one| one.search_seconds.filter(|_| searches)),
        kept: spread(&|one| one.kept.map(|k| k as f64)),
        parameters: spread(&|one| one.parameters.map(|p| p as f64)),
        overlap: mean_overlap(&edges),
        scores: stability(&scores),
    }
}
