//! The numbers of each setting and seed, from the journals of its runs.

use serde::Serialize;

use super::super::design::{Design, Stage};
use super::super::plan::Plan;
use super::super::standing::{Standing, State};
use super::found::Tables;
use crate::run::summary::Summary;
use crate::space::Mask;

/// A setting with one seed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct One {
    /// Index of the setting.
    #[serde(skip)]
    pub setting: usize,
    pub name: String,
    pub seed: u64,
    /// Everything that was asked of it is there.
    pub done: bool,
    /// Why one of its runs has failed.
    pub failed: Option<String>,
    /// Accuracies in per cent.
    pub table: Option<f64>,
    /// The table's is predicted, by a linear model of it.
    pub predicted: bool,
    pub trained: Option<f64>,
    pub supernet: Option<f64>,
    pub bytes: Option<u64>,
    pub predicted_bytes: Option<u64>,
    pub scoring_seconds: Option<f64>,
    pub search_seconds: Option<f64>,
    pub training_seconds: Option<f64>,
    pub kept: Option<usize>,
    pub parameters: Option<u64>,
    pub genotype: Option<String>,
    /// What was changed by hand in its cut.
    pub by_hand: usize,
    pub device: Option<String>,
    /// What each edge keeps.
    #[serde(skip)]
    pub edges: Option<Vec<Vec<bool>>>,
    /// The scores that its cut goes by, place by place; `None` of a control.
    #[serde(skip)]
    pub scores: Option<Vec<f64>>,
}

/// All of them, setting by setting. What tables can't tell is told in words.
pub fn gather(design: &Design, plan: &Plan, standing: &Standing) -> (Vec<One>, Vec<String>) {
    let mut tables = Tables::default();
    let mut notes = Vec::new();
    let mut all = Vec::new();
    for (setting, of) in design.settings.iter().enumerate() {
        for seed in &design.seeds {
            let known = |stage| plan.find(stage, setting, *seed).map(|i| &standing.tasks[i]);
            let summary = |stage: Stage| known(stage).and_then(|k| k.summary.as_deref());
            let ended = |stage: Stage| summary(stage).filter(|_| known(stage).is_some_and(|k| k.state == State::Done));
            let mut one = One { setting, name: of.name.clone(), seed: *seed, ..One::default() };
            one.done = design.stages.iter().chain([&Stage::Search]).all(|s| match known(*s) {
                Some(k) => k.state == State::Done,
                // Nothing is scored of a control.
                None => *s == Stage::Score,
            });
            one.failed = Stage::ALL.into_iter().filter_map(known).find_map(|k| match &k.state {
                State::Failed(why) | State::Unreachable(why) => Some(why.clone()),
                _ => None,
            });
            if let Some(scores) = ended(Stage::Score) {
                one.scoring_seconds = scores.scoring_seconds;
                one.scores = Some(places(scores, of.config.space()));
            }
            if let Some(s) = summary(Stage::Search) {
                one.edges = s.cut.as_ref().map(|cut| edges(&cut.mask));
                (one.kept, one.by_hand, one.predicted_bytes) = (s.kept, s.by_hand.unwrap_or(0), s.predicted_bytes);
            }
            if let Some(s) = ended(Stage::Search).filter(|_| design.has(Stage::Search)) {
                one.supernet = s.valid_accuracy.map(|a| 100.0 * a);
                (one.bytes, one.search_seconds, one.parameters) = (s.search_peak_bytes, s.search_seconds, s.parameters);
                one.device.clone_from(&s.device);
                one.genotype = s.genotype.as_ref().map(ToString::to_string);
                match s.genotype.as_ref().and_then(|g| tables.accuracy(&of.config, g)) {
                    Some(Ok((accuracy, predicted))) => (one.table, one.predicted) = (Some(accuracy), predicted),
                    Some(Err(why)) if !notes.contains(&why) => notes.push(why),
                    _ => {}
                }
            }
            if let Some(s) = ended(Stage::Train) {
                one.trained = s.valid_accuracy.map(|a| 100.0 * a);
                one.training_seconds = s.search_seconds;
            }
            all.push(one);
        }
    }
    (all, notes)
}

/// What each edge keeps, candidate by candidate.
fn edges(mask: &Mask) -> Vec<Vec<bool>> {
    let full = mask.space().full();
    let on =
        |(cell, edge)| full.kept(cell, edge).map(|o| mask.contains(crate::space::Place::new(cell, edge, o))).collect();
    mask.space().all_edges().map(on).collect()
}

/// The scores of a run's first round, in which all took part, place by place; NaN where there is none.
fn places(summary: &Summary, space: Mask) -> Vec<f64> {
    let score = |place| summary.first_round.iter().find(|s| s.place == place).map_or(f64::NAN, |s| s.mean.0);
    space.places().map(score).collect()
}
