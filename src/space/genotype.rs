//! Genotypes: the architectures of the space, and the Python text of published code.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::cell::MOST_NODES;
use super::{CellKind, Edge, INPUTS, Operation, Space};

/// One chosen edge: an operation and the state (0..) that it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Choice {
    pub operation: Operation,
    pub source: usize,
}

/// A discrete architecture: two inputs for each node of each kind of cell (choices 2i and 2i+1 belong to node i), and the
/// states that the cell's output is the concatenation of. A kind that the space does not have has no choices.
///
/// [`fmt::Display`] prints the Python text that published code uses; [`super::parse_genotype`] reads it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Genotype {
    pub normal: Vec<Choice>,
    pub normal_concat: Vec<usize>,
    pub reduction: Vec<Choice>,
    pub reduction_concat: Vec<usize>,
}

/// A genotype that is no architecture of its space.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenotypeError {
    #[error("the {cell} cell has {found} choices; {nodes} nodes with two inputs each need {}", 2 * nodes)]
    Choices { cell: CellKind, found: usize, nodes: usize },
    #[error("node {node} of the {cell} cell reads state {source_state}, but it may read only states 0 to {last}", last = node + 1)]
    Source { cell: CellKind, node: usize, source_state: usize },
    #[error("node {node} of the {cell} cell takes state {source_state} twice; its two inputs must differ")]
    Twice { cell: CellKind, node: usize, source_state: usize },
    #[error("node {node} of the {cell} cell takes the operation `none`, which stands for no edge")]
    NoOperation { cell: CellKind, node: usize },
    #[error(
        "node {node} of the {cell} cell takes {operation} from state {source_state}, which is no candidate there in the space {space}"
    )]
    Outside { cell: CellKind, node: usize, source_state: usize, operation: Operation, space: &'static str },
    #[error("the {cell} cell concatenates state {state}; there are states 2 to {last}, each once")]
    Concat { cell: CellKind, state: usize, last: usize },
    #[error("the {cell} cell concatenates nothing; name at least one of the states 2 to {last}")]
    EmptyConcat { cell: CellKind, last: usize },
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

    /// The kinds of cell that it has.
    pub fn kinds(&self) -> impl Iterator<Item = CellKind> + use<> {
        let there = [!self.normal.is_empty(), !self.reduction.is_empty()];
        [CellKind::Normal, CellKind::Reduction].into_iter().zip(there).filter(|(_, there)| *there).map(|(kind, _)| kind)
    }

    /// The kinds of a network of so many cells: with cells of both kinds, numbers `cells / 3` and `2 * cells / 3` reduce, as
    /// published.
    pub fn layout(&self, cells: usize) -> Vec<CellKind> {
        CellKind::layout(cells, !self.normal.is_empty(), !self.reduction.is_empty())
    }

    /// Nodes of a kind of cell.
    pub fn nodes(&self, cell: CellKind) -> usize {
        self.choices(cell).len() / 2
    }

    /// Whether a network can be built of it: every node has two different inputs.
    ///
    /// # Errors
    /// The first thing that makes this no architecture.
    pub fn check(&self) -> Result<(), GenotypeError> {
        for cell in self.kinds() {
            let nodes = self.choices(cell).len().div_ceil(2).min(MOST_NODES);
            self.check_cell(cell, nodes)?;
        }
        match self.kinds().next() {
            None => Err(GenotypeError::Choices { cell: CellKind::Normal, found: 0, nodes: 1 }),
            Some(_) => Ok(()),
        }
    }

    /// Whether its cells have the nodes of the space's cells, whatever their operations are.
    ///
    /// # Errors
    /// The first thing that makes this no architecture with such cells.
    pub fn check_nodes(&self, space: Space) -> Result<(), GenotypeError> {
        let nodes = |cell| space.graph(cell).map_or(0, |g| g.nodes);
        [CellKind::Normal, CellKind::Reduction].into_iter().try_for_each(|cell| self.check_cell(cell, nodes(cell)))
    }

    /// # Errors
    /// The first thing that makes this no architecture of the space.
    pub fn check_in(&self, space: Space) -> Result<(), GenotypeError> {
        self.check_nodes(space)?;
        let full = space.full();
        for cell in self.kinds() {
            for (i, Choice { operation, source }) in self.choices(cell).iter().copied().enumerate() {
                let node = i / 2;
                let there = Edge::between(source, node + INPUTS).is_some_and(|edge| full.keeps(cell, edge, operation));
                if !there {
                    let (source_state, space) = (source, space.name());
                    return Err(GenotypeError::Outside { cell, node, source_state, operation, space });
                }
            }
        }
        Ok(())
    }

    fn check_cell(&self, cell: CellKind, nodes: usize) -> Result<(), GenotypeError> {
        let choices = self.choices(cell);
        if choices.len() != 2 * nodes {
            return Err(GenotypeError::Choices { cell, found: choices.len(), nodes });
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
        let (concat, states) = (self.concat(cell), INPUTS + nodes);
        if concat.is_empty() && nodes > 0 {
            return Err(GenotypeError::EmptyConcat { cell, last: states - 1 });
        }
        for (i, state) in concat.iter().enumerate() {
            if !(INPUTS..states).contains(state) || concat[..i].contains(state) {
                return Err(GenotypeError::Concat { cell, state: *state, last: states - 1 });
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
