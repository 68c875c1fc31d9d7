//! Genotypes: the architectures of the space, and the Python text of published code.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{CellKind, INPUTS, NODES, Operation, STATES};

/// One chosen edge: an operation and the state (0..=4) that it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Choice {
    pub operation: Operation,
    pub source: usize,
}

/// A discrete architecture: two inputs for each of the four nodes of both kinds of cell (choices 2i and 2i+1 belong to node
/// i), and the states that the cell's output is the concatenation of.
///
/// [`fmt::Display`] prints the Python text that published code uses; [`super::parse_genotype`] reads it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Genotype {
    pub normal: Vec<Choice>,
    pub normal_concat: Vec<usize>,
    pub reduction: Vec<Choice>,
    pub reduction_concat: Vec<usize>,
}

/// A genotype that is no architecture of the space.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenotypeError {
    #[error("the {cell} cell has {found} choices; four nodes with two inputs each need {}", 2 * NODES)]
    Choices { cell: CellKind, found: usize },
    #[error("node {node} of the {cell} cell reads state {source_state}, but it may read only states 0 to {last}", last = node + 1)]
    Source { cell: CellKind, node: usize, source_state: usize },
    #[error("node {node} of the {cell} cell takes state {source_state} twice; its two inputs must differ")]
    Twice { cell: CellKind, node: usize, source_state: usize },
    #[error("node {node} of the {cell} cell takes the operation `none`, which stands for no edge")]
    NoOperation { cell: CellKind, node: usize },
    #[error("the {cell} cell concatenates state {state}; there are states 2 to 5, each once")]
    Concat { cell: CellKind, state: usize },
    #[error("the {cell} cell concatenates nothing; name at least one of the states 2 to 5")]
    EmptyConcat { cell: CellKind },
}

impl Genotype {
    pub fn choices(&self, cell: CellKind) -> &[Choice] {
        match cell {
            CellKind::Normal => &self.normal,
            CellKind::Reduction => &self.reduction,
        }
    }

    pub fn concat(&self, cell: CellKind) -> &[usize] {
        match cell {
            CellKind::Normal => &self.normal_concat,
            CellKind::Reduction => &self.reduction_concat,
        }
    }

    /// # Errors
    /// The first thing that makes this no architecture of the space.
    pub fn check(&self) -> Result<(), GenotypeError> {
        for cell in CellKind::ALL {
            let choices = self.choices(cell);
            if choices.len() != 2 * NODES {
                return Err(GenotypeError::Choices { cell, found: choices.len() });
            }
            for (node, pair) in choices.chunks(2).enumerate() {
                for c in pair {
                    if c.source >= node + INPUTS {
                        return Err(GenotypeError::Source { cell, node, source_state: c.source });
                    }
                    if c.operation == Operation::None {
                        return Err(GenotypeError::NoOperation { cell, node });
                    }
                }
                if pair[0].source == pair[1].source {
                    return Err(GenotypeError::Twice { cell, node, source_state: pair[0].source });
                }
            }
            let concat = self.concat(cell);
            if concat.is_empty() {
                return Err(GenotypeError::EmptyConcat { cell });
            }
            for (i, state) in concat.iter().enumerate() {
                if !(INPUTS..STATES).contains(state) || concat[..i].contains(state) {
                    return Err(GenotypeError::Concat { cell, state: *state });
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Genotype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cell = |f: &mut fmt::Formatter<'_>, choices: &[Choice], name: &str, concat: &[usize]| {
            let list: Vec<String> = choices.iter().map(|c| format!("('{}', {})", c.operation, c.source)).collect();
            write!(f, "{name}=[{}], {name}_concat=", list.join(", "))?;
            match concat {
                [first, .., last] if concat.windows(2).all(|w| w[1] == w[0] + 1) => {
                    write!(f, "range({first}, {})", last + 1)
                }
                _ => write!(f, "{concat:?}"),
            }
        };
        f.write_str("Genotype(")?;
        cell(f, &self.normal, "normal", &self.normal_concat)?;
        f.write_str(", ")?;
        cell(f, &self.reduction, "reduce", &self.reduction_concat)?;
        f.write_str(")")
    }
}
