//! What bytes buy: for budgets from the least to all, the best cut that fits, by the scores, beside controls of the same bytes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::budget::Choice;
use super::plan::Planner;
use super::quality::{Estimated, Quality};
use super::stored::Stored;
use crate::run::assessed::Estimate;
use crate::run::config::{Config, CutBy};
use crate::space::cut::{Cutter, Source};
use crate::space::{By, Mask, Place};

/// Budgets that are looked at, in sixty-fourths of the way from the least to all: where little is left, little more buys much.
const BUDGETS: [u64; 10] = [0, 4, 8, 12, 16, 24, 32, 44, 54, 64];
/// Random cuts at each.
const RANDOM: u64 = 8;

/// One budget.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    pub budget_bytes: u64,
    /// Predicted peak of the search.
    pub bytes: u64,
    pub kept: usize,
    pub estimate: Estimate,
    /// Lowest and highest percent of random cuts that keep the most that fits.
    pub random: (f64, f64),
    /// The percent of the control that keeps the most cheap operations that fit.
    pub cheapest: f64,
    /// Of the one that keeps those with the most parameters.
    pub most_parameters: f64,
    pub mask: Mask,
}

/// What points are made from.
#[derive(Clone)]
pub struct Basis {
    cutter: Cutter,
    planner: Planner,
    estimated: Estimated,
    by: CutBy,
}

impl Basis {
    /// Of a run that has scored sampled cells; `order` is that of removal.
    pub fn of(stored: &Stored, order: Vec<Place>, config: &Config, planner: Planner) -> Option<Basis> {
        let estimated = Estimated::of(stored, &By::default(), config)?;
        let cutter = Cutter { space: stored.mask, order, seed: config.seed };
        Some(Basis { cutter, planner, estimated, by: config.cut.by })
    }

    /// Without the interval.
    pub fn percent(&self, mask: &Mask) -> f64 {
        self.estimated.percent(mask)
    }

    fn choice(&self, cutter: &Cutter, source: Source, bytes: u64) -> Option<Mask> {
        let quality = Some(&self.estimated.quality).filter(|_| source == Source::Scores);
        self.spent(cutter, source, quality).most(&self.planner, bytes).ok()
    }

    fn spent<'a>(&'a self, cutter: &'a Cutter, source: Source, quality: Option<&'a Quality>) -> Choice<'a> {
        Choice { cutter, source, by: self.by, score: &|_| None, quality, decided: BTreeMap::new() }
    }

    /// From the least that a search needs to what the whole space does.
    pub fn points(&self) -> impl Iterator<Item = Point> {
        let bytes = |mask: Mask| self.planner.by_bytes(mask).bytes;
        let whole = bytes(self.cutter.space);
        let none = self.spent(&self.cutter, Source::Cheapest, None);
        let least = none.most(&self.planner, 0).err().unwrap_or(whole).min(whole);
        let budget = move |part| least + ((whole - least) as f64 * part as f64 / 64.0) as u64;
        BUDGETS.into_iter().map(budget).filter_map(move |budget_bytes| {
            let mask = self.choice(&self.cutter, Source::Scores, budget_bytes)?;
            let control = |cutter: &Cutter, source| {
                let mask = self.choice(cutter, source, budget_bytes);
                mask.map_or(f64::NAN, |mask| self.percent(&mask))
            };
            let random = |seed| control(&Cutter { seed, ..self.cutter.clone() }, Source::Random);
            let random =
                (0..RANDOM).map(random).fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
            Some(Point {
                budget_bytes,
                bytes: bytes(mask),
                kept: mask.count(),
                estimate: self.estimated.of_mask(&mask),
                random,
                cheapest: control(&self.cutter, Source::Cheapest),
                most_parameters: control(&self.cutter, Source::MostParameters),
                mask,
            })
        })
    }
}
