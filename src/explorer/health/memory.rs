//! Health rule: memory beyond its prediction.

use super::{Reading, Rule};
use crate::explorer::state::State;
use crate::text;

/// Memory of the run against what was predicted for it.
pub struct Memory;

/// Measured peaks lie up to so many times above the plan on small networks, where the program itself weighs most.
const THRESHOLD: f64 = 2.0;

impl Rule for Memory {
    fn title(&self) -> &'static str {
        "memory beyond prediction"
    }

    fn help(&self) -> &'static str {
        "The process's peak divided by the prediction. Far above it, a larger run of the same kind may not fit where it is \
         predicted to."
    }

    fn of_training(&self) -> bool {
        true
    }

    fn source(&self) -> &'static str {
        "the prediction is a count of the network's plan; the threshold is ours"
    }

    fn read(&self, state: &State) -> Option<Reading> {
        let predicted = state.epochs.plan?.predicted_bytes;
        let peak = state.memory_peak?;
        if predicted == 0 {
            return None;
        }
        let ratio = peak as f64 / predicted as f64;
        let words = format!(
            "{} of {}, {} times (warns from {THRESHOLD} times)",
            text::bytes(peak),
            text::bytes(predicted),
            text::significant(ratio, 2)
        );
        Some(Reading { value: ratio, threshold: THRESHOLD, words })
    }
}
