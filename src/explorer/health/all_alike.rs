//! Health rule: a cell in which one operation is everywhere.

use super::{Reading, Rule, counted};
use crate::explorer::state::State;
use crate::space::Choice;

/// Cells in which one operation is everywhere.
pub struct AllAlike;

impl Rule for AllAlike {
    fn title(&self) -> &'static str {
        "one operation on every edge"
    }

    fn help(&self) -> &'static str {
        "How often the most frequent operation stands in one cell. All eight alike says that the search told operations \
         apart by their kind alone, not by their place."
    }

    fn source(&self) -> &'static str {
        "degenerate cells as in Zela et al. 2020, arXiv 1909.09656, section 3"
    }

    fn read(&self, state: &State) -> Option<Reading> {
        let genotype = state.search.genotype()?;
        let most = |cell| {
            let chosen = genotype.choices(cell);
            let alike = |of: &Choice| chosen.iter().filter(|c| c.operation == of.operation).count();
            (chosen.iter().map(alike).max().unwrap_or(0), chosen.len())
        };
        // Of cells of different sizes the one that is nearest to all alike.
        let (most, of) = genotype.kinds().map(most).max_by_key(|(most, of)| (1000 * most / of, *most))?;
        Some(counted(most, of, of))
    }
}
