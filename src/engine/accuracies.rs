//! The table of accuracies that the settings name (`truth.table`), looked at before a run begins: nothing of a run depends on it,
//! and whoever names one learns at once that it can't be used, not when the run is over.

use std::path::Path;

use crate::run::config::{Config, ConfigError};
use crate::truth;

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
    let refuse = |reason: String| ConfigError::Value { key: "truth.table".into(), reason };
    let read = truth::read(Path::new(&set.table), set.named_column(), space, truth::SEED);
    read.map(drop).map_err(|e| refuse(e.to_string()))
}
