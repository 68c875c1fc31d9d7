//! Health rule: validation loss that rises while the training loss falls.

use super::{Reading, Rule};
use crate::explorer::state::State;
use crate::text;

/// Validation loss that rises while the training loss falls.
pub struct Overfit;

/// Rise above the lowest so far, as a share of it.
const THRESHOLD: f64 = 0.1;

impl Rule for Overfit {
    fn title(&self) -> &'static str {
        "validation loss rises"
    }

    fn help(&self) -> &'static str {
        "The latest epoch's validation loss above the lowest of all epochs, while the training loss is at its lowest or \
         near. The architecture then overfits the weights' half; the best epoch may lie behind."
    }

    fn source(&self) -> &'static str {
        "RobustDARTS (Zela et al. 2020), arXiv 1909.09656, section 4; the threshold is ours"
    }

    fn read(&self, state: &State) -> Option<Reading> {
        let epochs = &state.epochs.ended;
        let last = epochs.last()?;
        let lowest = |f: &dyn Fn(usize) -> f64| (0..epochs.len()).map(f).filter(|v| v.is_finite()).reduce(f64::min);
        let valid = lowest(&|i| epochs[i].held_out_loss)?;
        let train = lowest(&|i| epochs[i].train_loss)?;
        let falling = last.train_loss <= train * 1.02;
        let rise = if valid > 0.0 && falling { last.held_out_loss / valid - 1.0 } else { 0.0 };
        if !rise.is_finite() {
            return None;
        }
        let words = format!(
            "{} % above its lowest, {} (warns from {:.0} %)",
            text::significant(rise * 100.0, 2),
            text::significant(valid, 3),
            THRESHOLD * 100.0
        );
        Some(Reading { value: rise, threshold: THRESHOLD, words })
    }
}
