//! Warm-up: epochs at the beginning in which the weights move and the alphas do not (as in PC-DARTS, arXiv 1907.05737).

use super::part::Moment;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WarmUp {
    pub epochs: usize,
}

impl WarmUp {
    /// Whether the alphas move in this epoch.
    pub const fn is_over(self, moment: Moment) -> bool {
        moment.epoch >= self.epochs
    }
}
