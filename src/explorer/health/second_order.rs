//! How much of a second-order search's alpha gradient is rounding.

use super::{Reading, Rule, share};
use crate::explorer::state::State;

/// Two evaluations of one second-order gradient.
pub struct SecondOrder;

/// A tenth: beyond it a step's direction hangs on what rounding does.
const THRESHOLD: f64 = 0.1;

impl Rule for SecondOrder {
    fn title(&self) -> &'static str {
        "second-order gradient is rounding"
    }

    fn help(&self) -> &'static str {
        "How far two evaluations of the same alpha gradient are apart, of all that it is, when the weights are moved by ±1e-7 of \
         themselves; measured once an epoch. Where a ReLU flips between the two, its finite difference is off by up to a \
         fifth, in any program. One such step does no harm; if most are so, first order is as good and three times as fast."
    }

    fn of_first_order(&self) -> bool {
        false
    }

    fn source(&self) -> &'static str {
        "measured here and with PyTorch in float64; DARTS (Liu et al. 2019), equation 8"
    }

    fn read(&self, state: &State) -> Option<Reading> {
        let spread = state.search.spread?;
        // Not a number is the worst.
        let value = if spread.is_nan() { f64::INFINITY } else { spread };
        Some(Reading { value, threshold: THRESHOLD, words: share(spread, THRESHOLD) })
    }
}
