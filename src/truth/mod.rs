//! What cuts are worth, by a table of accuracies: exactly where it lists every cell of the space, else by a linear model that
//! says how far it can be trusted.

mod cells;
mod dialect;
mod error;
mod exact;
mod judge;
mod linear;
mod ridge;
mod shape;
pub mod statistics;
mod table;
pub(crate) mod words;

use std::path::Path;

use crate::space::Space;

pub use cells::{Cells, Left};
pub use error::TruthError;
pub use judge::{Audit, Correlation, CutNumbers, DRAWS, Found, Sampled, Scores, Truth, audit, sample};
pub use table::{MOST_BYTES, Row, Table};

/// Of what is drawn and of the folds of a model, where nobody asks for another.
pub const SEED: u64 = 0;

/// A table, and what it says of the cells of a space; without a column, by the only one that could be meant.
///
/// # Errors
/// As [`Table::read`] and [`Truth::of`].
pub fn read(file: &Path, column: Option<&str>, space: Space, seed: u64) -> Result<(Cells, Table, Truth), TruthError> {
    let cells = Cells::of(space);
    let table = Table::read(file, &cells, column)?;
    let truth = Truth::of(&cells, &table, seed)?;
    Ok((cells, table, truth))
}
