//! A search space as a value: operations, kinds of cell and their graphs, candidates, and how cells are stacked. Masks,
//! alphas, scores, counts, screens and files take their sizes and names from it.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::cell::{MOST_NODES, MOST_STATES};
use super::stacking::Stacking;
use super::{CellKind, Edge, Operation, Place};

/// Most candidate operations of an edge.
pub const MOST_OPERATIONS: usize = 16;
/// Edges between the most states that a cell can have.
pub(super) const MOST_EDGES: usize = MOST_STATES * (MOST_STATES - 1) / 2;
/// Edges of both kinds of cell together.
pub(super) const MOST_ROWS: usize = 2 * MOST_EDGES;

/// The graph of a kind of cell: inputs, nodes that are the sums of their edges, and an output; the [`Stacking`] says what the
/// inputs and the output are.
#[derive(Debug)]
pub struct Graph {
    pub kind: CellKind,
    pub stacking: Stacking,
    pub nodes: usize,
    /// By target, then by source: the rows of the alphas.
    pub edges: &'static [Edge],
    /// Row of each edge by [`Edge::index`].
    rows: [u8; MOST_EDGES],
}

/// No row.
const ABSENT: u8 = u8::MAX;

impl Graph {
    /// With these edges, in their order.
    pub const fn new(kind: CellKind, stacking: Stacking, nodes: usize, edges: &'static [Edge]) -> Graph {
        let mut rows = [ABSENT; MOST_EDGES];
        let mut i = 0;
        while i < edges.len() {
            rows[edges[i].index()] = i as u8;
            i += 1;
        }
        Graph { kind, stacking, nodes, edges, rows }
    }

    /// Inputs of the cell: its first states.
    pub const fn inputs(&self) -> usize {
        self.stacking.inputs()
    }

    /// Inputs and nodes.
    pub const fn states(&self) -> usize {
        self.inputs() + self.nodes
    }

    /// The row of an edge; `None` where the cell has no such edge.
    pub const fn row(&self, edge: Edge) -> Option<usize> {
        match self.rows[edge.index()] {
            ABSENT => None,
            row => Some(row as usize),
        }
    }

    /// Stride of the operations of an edge.
    pub const fn stride(&self, edge: Edge) -> usize {
        self.stacking.stride(self.kind, edge.source())
    }

    /// The edges into a state, by source.
    pub fn into_state(&self, state: usize) -> impl Iterator<Item = Edge> + use<> {
        self.edges.iter().copied().filter(move |e| e.target() == state)
    }

    /// The states that are nodes.
    pub fn node_states(&self) -> std::ops::Range<usize> {
        self.inputs()..self.states()
    }
}

/// What a [`Space`] is made of.
#[derive(Debug)]
pub struct Definition {
    pub name: &'static str,
    /// What it is, and its source, in a line.
    pub about: &'static str,
    /// The columns of the alphas.
    pub operations: &'static [Operation],
    /// How its cells are made and stacked.
    pub stacking: Stacking,
    /// Normal before reduction.
    pub graphs: &'static [Graph],
    /// The candidates of every edge, as bits by column: graph by graph, row by row.
    pub candidates: &'static [u16],
    /// The file that it was read from, as text; `None` where it is built in.
    pub text: Option<&'static str>,
}

/// A search space, as a handle that is copied freely.
#[derive(Clone, Copy)]
pub struct Space(&'static Definition);

impl Space {
    pub const fn of(definition: &'static Definition) -> Space {
        Space(definition)
    }

    pub const fn name(self) -> &'static str {
        self.0.name
    }

    pub const fn about(self) -> &'static str {
        self.0.about
    }

    /// The text of the file that it was read from; `None` where it is built in.
    pub const fn text(self) -> Option<&'static str> {
        self.0.text
    }

    /// How its cells are made and stacked.
    pub const fn stacking(self) -> Stacking {
        self.0.stacking
    }

    /// The candidate operations, in the order of the alphas' columns.
    pub const fn operations(self) -> &'static [Operation] {
        self.0.operations
    }

    /// The candidates of every edge, as bits by column: graph by graph, row by row.
    pub(super) const fn candidates(self) -> &'static [u16] {
        self.0.candidates
    }

    /// How many columns alphas have.
    pub const fn columns(self) -> usize {
        self.0.operations.len()
    }

    /// The column of an operation; `None` where it is no candidate of any edge.
    pub fn column(self, operation: Operation) -> Option<usize> {
        self.0.operations.iter().position(|o| *o == operation)
    }

    /// The kinds of cell, normal first.
    pub fn kinds(self) -> impl DoubleEndedIterator<Item = CellKind> + ExactSizeIterator {
        self.0.graphs.iter().map(|g| g.kind)
    }

    /// The graphs of the kinds of cell, normal first.
    pub const fn graphs(self) -> &'static [Graph] {
        self.0.graphs
    }

    /// The graph of a kind of cell; `None` where the space has no such cells.
    pub fn graph(self, kind: CellKind) -> Option<&'static Graph> {
        self.0.graphs.iter().find(|g| g.kind == kind)
    }

    /// The edges of a kind of cell, in the order of the alphas' rows; none where the space has no such cells.
    pub fn edges(self, kind: CellKind) -> &'static [Edge] {
        self.graph(kind).map_or(&[], |g| g.edges)
    }

    /// Every edge of every kind.
    pub fn all_edges(self) -> impl Iterator<Item = (CellKind, Edge)> {
        self.0.graphs.iter().flat_map(|g| g.edges.iter().map(|e| (g.kind, *e)))
    }

    /// How many edges all kinds have together.
    pub fn rows(self) -> usize {
        self.0.graphs.iter().map(|g| g.edges.len()).sum()
    }

    /// The row of an edge among those of all kinds, normal first; `None` where the space has no such edge.
    pub fn row(self, kind: CellKind, edge: Edge) -> Option<usize> {
        let mut before = 0;
        for graph in self.0.graphs {
            if graph.kind == kind {
                return graph.row(edge).map(|row| before + row);
            }
            before += graph.edges.len();
        }
        None
    }

    /// Row and column of a place in one table of all kinds, as one number; `None` where the space has no such place.
    pub fn slot(self, place: Place) -> Option<usize> {
        Some(self.row(place.cell, place.edge)? * self.columns() + self.column(place.operation)?)
    }

    /// All places, candidates or not: kind by kind, edge by edge, operation by operation. Their [`Space::slot`]s are 0, 1, 2, …
    pub fn places(self) -> impl Iterator<Item = Place> {
        self.all_edges().flat_map(move |(cell, edge)| self.0.operations.iter().map(move |o| Place::new(cell, edge, *o)))
    }

    /// How many places there are, candidates or not.
    pub fn slots(self) -> usize {
        self.rows() * self.columns()
    }

    /// Numbers of one kind's alphas.
    pub fn table(self, kind: CellKind) -> usize {
        self.edges(kind).len() * self.columns()
    }

    /// The kinds of a network of so many cells, in their order.
    pub fn layout(self, cells: usize) -> Vec<CellKind> {
        let there = |kind| self.graph(kind).is_some();
        self.stacking().layout(cells, there(CellKind::Normal), there(CellKind::Reduction))
    }

    /// Its name in files, where masks say which space they are of: a space that was read from a file has a hash of it behind
    /// its name.
    pub fn key(self) -> String {
        match self.0.text {
            None => self.0.name.into(),
            Some(text) => {
                let hash = xxhash_rust::xxh3::xxh3_64(text.as_bytes());
                format!("{}#{hash:016x}", self.0.name)
            }
        }
    }
}

/// Built in, or of the same file.
impl PartialEq for Space {
    fn eq(&self, other: &Space) -> bool {
        std::ptr::eq(self.0, other.0) || (self.0.name == other.0.name && self.0.text == other.0.text)
    }
}

impl Eq for Space {}

impl Hash for Space {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name.hash(state);
    }
}

impl fmt::Debug for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Space({})", self.0.name)
    }
}

const _: () = assert!(MOST_EDGES < ABSENT as usize && MOST_NODES < MOST_STATES);
