//! Health rule: a cell in which one operation is everywhere.

use super::{Reading, Rule, counted};
use crate::explorer::state::State;
use crate::space::{CellKind, Operation};

/// Cells in which one operation is everywhere.
pub struct AllAlike;

/// Of eight chosen operations.
const THRESHOLD: usize = 8;

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
            Operation::ALL.iter().map(|o| chosen.iter().filter(|c| c.operation == *o).count()).max().unwrap_or(0)
        };
        let most = CellKind::ALL.into_iter().map(most).max()?;
        Some(counted(most, 8, THRESHOLD))
    }
}
