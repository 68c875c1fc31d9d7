//! Accuracies of found cells, by the table that the settings name.

use std::collections::HashMap;
use std::path::Path;

use crate::run::config::Config;
use crate::space::Genotype;
use crate::truth::{Cells, Table, Truth};

/// Of predictions by a table that has not all cells; that of `zonas audit`.
const SEED: u64 = 0;

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
        let (cells, truth) = match self.read.entry(key).or_insert_with(|| read(&set.table, &set.column, space)) {
            Ok(known) => known,
            Err(why) => return Some(Err(why.clone())),
        };
        Some(truth.cell(cells, genotype).map_err(|why| format!("truth.table: {why}")))
    }
}

fn read(table: &str, column: &str, space: crate::space::Space) -> Result<(Cells, Truth), String> {
    let cells = Cells::of(space);
    let column = Some(column).filter(|c| !c.is_empty());
    let table = Table::read(Path::new(table), &cells, column).map_err(|e| format!("truth.table: {e}"))?;
    let truth = Truth::of(&cells, &table, SEED).map_err(|e| format!("truth.table: {e}"))?;
    Ok((cells, truth))
}
