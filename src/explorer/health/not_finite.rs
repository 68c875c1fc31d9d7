//! Health rule: losses and gradients that are NaN or infinite.

use super::{Reading, Rule};
use crate::explorer::state::State;

/// Losses and gradients that are NaN or infinite.
pub struct NotFinite;

impl Rule for NotFinite {
    fn title(&self) -> &'static str {
        "loss or gradient not finite"
    }

    fn help(&self) -> &'static str {
        "Steps whose training or validation loss was NaN or infinite, and whether the latest gradient is. One is enough: \
         the weights after it mean nothing. A lower learning rate or stronger clipping is the usual cure."
    }

    fn of_training(&self) -> bool {
        true
    }

    fn source(&self) -> &'static str {
        "arithmetic"
    }

    fn read(&self, state: &State) -> Option<Reading> {
        let latest = state.epochs.latest?;
        let losses = state.epochs.train_loss.undefined + state.epochs.held_out_loss.undefined;
        let count = losses + u64::from(!latest.gradient_norm.is_finite());
        Some(Reading { value: count as f64, threshold: 1.0, words: format!("{count} so far (warns from 1)") })
    }
}
