//! The parts of methods that there are.

use super::beta_decay::BetaDecay;
use super::regulariser::Regulariser;
use super::skip_stop::SkipStop;
use super::stop_rule::StopRule;

/// All terms that settings may add to the validation loss.
pub const REGULARISERS: [&dyn Regulariser; 1] = [&BetaDecay];

/// All rules that settings may end a search by.
pub const STOP_RULES: [&dyn StopRule; 1] = [&SkipStop];
