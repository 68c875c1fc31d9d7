//! Health rule: skip connections taking over the normal cell.

use super::{Reading, Rule, counted};
use crate::explorer::state::State;
use crate::space::Operation;

/// Skip connections in the normal cell.
pub struct Skips;

/// The early stop of DARTS+: a search whose normal cell has two or more skip connections is past its best.
const THRESHOLD: usize = 2;

impl Rule for Skips {
    fn title(&self) -> &'static str {
        "skip connections take over"
    }

    fn help(&self) -> &'static str {
        "Skip connections among the eight chosen operations of the normal cell. They grow because they train fastest, not \
         because they are best; a good moment to stop is before there are two."
    }

    fn source(&self) -> &'static str {
        "DARTS+ (Liang et al. 2019), arXiv 1909.06035, criterion 1"
    }

    fn read(&self, state: &State) -> Option<Reading> {
        let genotype = state.search.genotype()?;
        let choices = genotype.choices(genotype.kinds().next()?);
        let skips = choices.iter().filter(|c| c.operation == Operation::SkipConnect).count();
        Some(counted(skips, choices.len(), THRESHOLD))
    }
}
