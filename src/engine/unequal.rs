//! As many operations in all as a level keeps, wherever they are worth most: edges keep unequal numbers, each at least one.

use std::collections::BTreeMap;

use super::budget::{Choice, Needs};
use super::quality::Quality;
use super::stored::Stored;
use crate::run::config::{Config, CutBy};
use crate::run::event::Removal;
use crate::space::cut::{Cutter, Source};
use crate::space::{By, Mask, Place};

/// An operation costs one.
struct Operations;

impl Needs for Operations {
    fn plan(&self, mask: Mask) -> (u64, bool) {
        (mask.count() as u64, true)
    }

    fn kept(&self, mask: Mask) -> u64 {
        mask.count() as u64
    }
}

/// The cut of `count` operations: where cells were sampled, what the mean quality of the cells that are left loses least by goes first;
/// else the least important by `order`, which `cutter` has too.
///
/// # Errors
/// Fewer operations than every edge, and every node, needs to be searched: how many those are.
pub fn unequal(
    stored: &Stored,
    by: &By,
    config: &Config,
    (cutter, order): (&Cutter, &[Removal]),
    count: usize,
) -> Result<Mask, u64> {
    let scores: BTreeMap<Place, f64> = order.iter().map(|r| (r.place, r.score.0)).collect();
    let quality = Quality::of(stored, by, config);
    worth_most(cutter, &|place| scores.get(&place).copied(), quality.as_ref(), count)
}

/// The same of an order that has its scores and its quality.
///
/// # Errors
/// As [`unequal`].
pub(super) fn worth_most(
    cutter: &Cutter,
    score: &dyn Fn(Place) -> Option<f64>,
    quality: Option<&Quality>,
    count: usize,
) -> Result<Mask, u64> {
    let choice =
        Choice { cutter, source: Source::Scores, by: CutBy::ScoresPerByte, score, quality, decided: BTreeMap::new() };
    choice.most(&Operations, count as u64)
}
