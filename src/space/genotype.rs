//! Genotypes: the architectures of a space, and the texts of published code.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::cell::MOST_NODES;
use super::stacking::Stacking;
use super::{CellKind, Edge, Operation, Space};

/// One chosen edge: an operation and the state (0..) that it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Choice {
    pub operation: Operation,
    pub source: usize,
}

/// A discrete architecture: for each kind of cell what each node takes, node by node, and the states that the cell's output
/// is the concatenation of. A DARTS node takes two inputs (choices 2i and 2i+1 belong to node i), which differ in DARTS' own space,
/// and need not in published cells of others (NASNet's); in NAS-Bench-201 every edge
/// has a choice, which may be `none`, and the output is the last node, so that nothing is concatenated. A kind that the space
/// does not have has no choices.
///
/// [`fmt::Display`] prints the text that published code uses; [`super::parse_genotype`] reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Genotype {
    #[serde(default, skip_serializing_if = "is_darts")]
    pub stacking: Stacking,
    pub normal: Vec<Choice>,
    pub normal_concat: Vec<usize>,
    pub reduction: Vec<Choice>,
    pub reduction_concat: Vec<usize>,
}

fn is_darts(stacking: &Stacking) -> bool {
    *stacking == Stacking::Darts
}

/// A genotype that is no architecture of its space.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenotypeError {
    #[error("the {cell} cell has {found} choices; {nodes} nodes with {} need {needed}", if *every_edge { "all their edges" } else { "two inputs each" })]
    Choices { cell: CellKind, found: usize, nodes: usize, needed: usize, every_edge: bool },
    #[error("node {node} of the {cell} cell reads state {source_state}, but it may read only states 0 to {last}")]
    Source { cell: CellKind, node: usize, source_state: usize, last: usize },
    #[error(
        "node {node} of the {cell} cell reads state {source_state} where {expected} comes next: every edge has one operation"
    )]
    Order { cell: CellKind, node: usize, source_state: usize, expected: usize },
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

    /// The kinds of a network of so many cells, in their order.
    pub fn layout(&self, cells: usize) -> Vec<CellKind> {
        self.stacking.layout(cells, !self.normal.is_empty(), !self.reduction.is_empty())
    }

    /// Nodes of a kind of cell.
    pub fn nodes(&self, cell: CellKind) -> usize {
        self.stacking.nodes(self.choices(cell).len())
    }

    /// Inputs and nodes of a kind of cell.
    pub fn states(&self, cell: CellKind) -> usize {
        self.stacking.inputs() + self.nodes(cell)
    }

    /// The edges of a kind of cell, in order, with the operation of each.
    pub fn chosen(&self, cell: CellKind) -> impl Iterator<Item = (Edge, Operation)> {
        let choices = self.choices(cell).iter().zip(self.stacking.targets());
        choices.filter_map(|(choice, target)| Some((Edge::between(choice.source, target)?, choice.operation)))
    }

    /// As an expression of Python: published code calls `Genotype(…)`, and takes a cell of NAS-Bench-201 as a string.
    pub fn python(&self) -> String {
        match self.stacking {
            Stacking::Darts => self.to_string(),
            Stacking::NasBench201 => format!("\"{self}\""),
        }
    }

    /// The states that make up a cell's output: those that are concatenated, or the last one.
    pub fn outputs(&self, cell: CellKind) -> Vec<usize> {
        match self.stacking {
            Stacking::Darts => self.concat(cell).to_vec(),
            Stacking::NasBench201 => vec![self.states(cell) - 1],
        }
    }

    /// Whether a network can be built of it: every node has what it takes, be it twice from one state.
    ///
    /// # Errors
    /// The first thing that makes this no architecture.
    pub fn check(&self) -> Result<(), GenotypeError> {
        for cell in self.kinds() {
            self.check_cell(cell, self.nodes(cell).min(MOST_NODES), false)?;
        }
        match self.kinds().next() {
            None => Err(self.choices_error(CellKind::Normal, 1)),
            Some(_) => Ok(()),
        }
    }

    /// Whether its cells have the nodes of the space's cells, whatever their operations are.
    ///
    /// # Errors
    /// The first thing that makes this no architecture with such cells.
    pub fn check_nodes(&self, space: Space) -> Result<(), GenotypeError> {
        let nodes = |cell| space.graph(cell).map_or(0, |g| g.nodes);
        let own = Genotype { stacking: space.stacking(), ..self.clone() };
        [CellKind::Normal, CellKind::Reduction].into_iter().try_for_each(|cell| own.check_cell(cell, nodes(cell), true))
    }

    /// The space that it is of: this one, else the built-in one that has it, else this one all the same.
    pub fn space_among(&self, space: Space) -> Space {
        let mut all = std::iter::once(space).chain(super::built_in());
        all.find(|space| self.check_in(*space).is_ok()).unwrap_or(space)
    }

    /// # Errors
    /// The first thing that makes this no architecture of the space.
    pub fn check_in(&self, space: Space) -> Result<(), GenotypeError> {
        self.check_nodes(space)?;
        let full = space.full();
        for cell in self.kinds() {
            for (edge, operation) in self.chosen(cell) {
                if !full.keeps(cell, edge, operation) {
                    let node = edge.target() - self.stacking.inputs();
                    let (source_state, space) = (edge.source(), space.name());
                    return Err(GenotypeError::Outside { cell, node, source_state, operation, space });
                }
            }
        }
        Ok(())
    }

    fn choices_error(&self, cell: CellKind, nodes: usize) -> GenotypeError {
        let (needed, every_edge) = (self.stacking.choices(nodes), self.stacking.every_edge());
        GenotypeError::Choices { cell, found: self.choices(cell).len(), nodes, needed, every_edge }
    }

    /// `differ`: the inputs of a node, as they do in every search space.
    fn check_cell(&self, cell: CellKind, nodes: usize, differ: bool) -> Result<(), GenotypeError> {
        let (choices, inputs) = (self.choices(cell), self.stacking.inputs());
        if choices.len() != self.stacking.choices(nodes) {
            return Err(self.choices_error(cell, nodes));
        }
        let mut before: Option<(usize, usize)> = None;
        for (c, target) in choices.iter().zip(self.stacking.targets()) {
            let (node, source_state) = (target - inputs, c.source);
            let first = before.is_none_or(|(t, _)| t != target);
            if source_state >= target {
                return Err(GenotypeError::Source { cell, node, source_state, last: target - 1 });
            }
            if self.stacking.every_edge() {
                let expected = if first { 0 } else { before.map_or(0, |(_, s)| s + 1) };
                if source_state != expected {
                    return Err(GenotypeError::Order { cell, node, source_state, expected });
                }
            } else if c.operation == Operation::None {
                return Err(GenotypeError::NoOperation { cell, node });
            } else if differ && before == Some((target, source_state)) {
                return Err(GenotypeError::Twice { cell, node, source_state });
            }
            before = Some((target, source_state));
        }
        let (concat, states) = (self.concat(cell), inputs + nodes);
        if self.stacking.every_edge() {
            return match concat.first() {
                Some(state) => Err(GenotypeError::Concat { cell, state: *state, last: states - 1 }),
                None => Ok(()),
            };
        }
        if concat.is_empty() && nodes > 0 {
            return Err(GenotypeError::EmptyConcat { cell, last: states - 1 });
        }
        for (i, state) in concat.iter().enumerate() {
            if !(inputs..states).contains(state) || concat[..i].contains(state) {
                return Err(GenotypeError::Concat { cell, state: *state, last: states - 1 });
            }
        }
        Ok(())
    }
}

impl fmt::Display for Genotype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.stacking == Stacking::NasBench201 {
            return self.arch_text(f);
        }
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

impl Genotype {
    /// NAS-Bench-201's text: `|nor_conv_3x3~0|+|none~0|none~1|+…`.
    fn arch_text(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = None;
        for (edge, operation) in self.chosen(CellKind::Normal) {
            if before.is_some_and(|target| target != edge.target()) {
                f.write_str("+")?;
            }
            if before != Some(edge.target()) {
                f.write_str("|")?;
            }
            before = Some(edge.target());
            write!(f, "{operation}~{}|", edge.source())?;
        }
        Ok(())
    }
}
