//! The table of accuracies that the settings name (`truth.table`), looked at before a run begins: nothing of a run depends on it,
//! and whoever names one learns at once that it can't be used, not when the run is over.

use std::path::Path;

use crate::run::config::{Config, ConfigError};
use crate::truth::{Cells, Table, Truth};

/// Of predictions by a table that has not all cells, as wherever it is shown.
const SEED: u64 = 0;

/// # Errors
/// The table can't be read, has nothing of the run's space, or can't judge it.
pub fn check(config: &Config) -> Result<(), ConfigError> {
    let set = &config.truth;
    if set.table.is_empty() {
        return Ok(());
    }
    // A training's cell may be of another space than the settings name.
    let space = match config.trained()? {
        Some(genotype) => genotype.space_among(config.full().space()),
        None => config.full().space(),
    };
    let column = Some(set.column.as_str()).filter(|c| !c.is_empty());
    let cells = Cells::of(space);
    let read = Table::read(Path::new(&set.table), &cells, column).and_then(|table| Truth::of(&cells, &table, SEED));
    let refuse = |reason: String| ConfigError::Value { key: "truth.table".into(), reason };
    read.map(drop).map_err(|e| refuse(e.to_string()))
}
