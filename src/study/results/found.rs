//! Accuracies of found cells, by the table that the settings name.

use std::collections::HashMap;
use std::path::Path;

use crate::run::config::{self, Config};
use crate::space::{Genotype, Space};
use crate::truth::{self, Cells, Truth};

/// Tables that have been read, each once.
#[derive(Default)]
pub struct Tables {
    read: HashMap<String, Result<(Cells, Truth), String>>,
}

impl Tables {
    /// The accuracy in the table's unit, and whether it is predicted. `None` where the settings name no table.
    pub fn accuracy(&mut self, config: &Config, genotype: &Genotype) -> Option<Result<(f64, bool), String>> {
        let set = &config.truth;
        if set.table.is_empty() {
            return None;
        }
        let space = config.full().space();
        let key = format!("{}\n{}\n{}", set.table, set.column, space.name());
        let (cells, truth) = match self.read.entry(key).or_insert_with(|| read(set, space)) {
            Ok(known) => known,
            Err(why) => return Some(Err(why.clone())),
        };
        Some(truth.cell(cells, genotype).map_err(|why| format!("truth.table: {why}")))
    }
}

fn read(set: &config::Truth, space: Space) -> Result<(Cells, Truth), String> {
    let read = truth::read(Path::new(&set.table), set.named_column(), space, truth::SEED);
    read.map(|(cells, _, truth)| (cells, truth)).map_err(|e| format!("truth.table: {e}"))
}
