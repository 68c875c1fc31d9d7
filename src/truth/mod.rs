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

pub use cells::{Cells, Left};
pub use error::TruthError;
pub use judge::{Audit, Correlation, CutNumbers, DRAWS, Found, Sampled, Scores, Truth, audit, sample};
pub use table::{MOST_BYTES, Row, Table};
