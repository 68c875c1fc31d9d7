use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Operation;

/// Inputs of a cell: the outputs of the two cells before it.
pub const INPUTS: usize = 2;
/// Intermediate nodes of a cell; its output is their concatenation.
pub const NODES: usize = 4;
/// Inputs and intermediate nodes.
pub const STATES: usize = INPUTS + NODES;
/// Edges of a cell: 2 + 3 + 4 + 5.
pub const EDGES: usize = 14;

/// The two kinds of cell; all cells of a kind share their alphas and their mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellKind {
    Normal = 0,
    Reduction = 1,
}

impl CellKind {
    pub const ALL: [CellKind; 2] = [CellKind::Normal, CellKind::Reduction];

    pub const fn index(self) -> usize {
        self as usize
    }

    pub const fn name(self) -> &'static str {
        match self {
            CellKind::Normal => "normal",
            CellKind::Reduction => "reduction",
        }
    }

    /// The published rule: of `cells` cells, numbers `cells / 3` and `2 * cells / 3` reduce.
    pub fn published_layout(cells: usize) -> Vec<CellKind> {
        (0..cells)
            .map(|i| if i == cells / 3 || i == 2 * cells / 3 { CellKind::Reduction } else { CellKind::Normal })
            .collect()
    }
}

impl fmt::Display for CellKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for CellKind {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "normal" => Ok(CellKind::Normal),
            "reduction" | "reduce" => Ok(CellKind::Reduction),
            other => Err(format!("`{other}` is not a kind of cell: use `normal` or `reduction`")),
        }
    }
}

/// An edge of a cell, numbered as in the published code: node by node, and inside a node by source state
/// (0 and 1 are the cell's inputs, 2 to 5 its nodes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Edge(u8);

impl Edge {
    /// `None` unless `index < 14`.
    pub const fn new(index: usize) -> Option<Edge> {
        if index < EDGES { Some(Edge(index as u8)) } else { None }
    }

    /// The edge from state `source` (0..) to state `target` (2..=5); `None` unless `source < target`.
    pub const fn between(source: usize, target: usize) -> Option<Edge> {
        if target < INPUTS || target >= STATES || source >= target {
            return None;
        }
        let node = target - INPUTS;
        Some(Edge((node * (node + 3) / 2 + source) as u8))
    }

    pub fn all() -> impl DoubleEndedIterator<Item = Edge> + ExactSizeIterator {
        (0..EDGES as u8).map(Edge)
    }

    /// The edges into intermediate node `node` (0..4), by source.
    pub fn into_node(node: usize) -> impl Iterator<Item = Edge> {
        Edge::all().filter(move |e| e.node() == node)
    }

    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The intermediate node (0..4) that the edge ends in.
    pub const fn node(self) -> usize {
        match self.0 {
            0..=1 => 0,
            2..=4 => 1,
            5..=8 => 2,
            _ => 3,
        }
    }

    /// The state (0..5) that the edge starts from.
    pub const fn source(self) -> usize {
        let node = self.node();
        self.0 as usize - node * (node + 3) / 2
    }

    /// The state (2..=5) that the edge ends in.
    pub const fn target(self) -> usize {
        self.node() + INPUTS
    }

    /// Stride of the edge's operations in a cell of this kind.
    pub const fn stride(self, kind: CellKind) -> usize {
        match kind {
            CellKind::Reduction if self.source() < INPUTS => 2,
            _ => 1,
        }
    }
}

/// `0▸2`: source and target state.
impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}▸{}", self.source(), self.target()))
    }
}

/// One operation of one edge of one kind of cell: what scoring ranks and a cut removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    pub cell: CellKind,
    pub edge: Edge,
    pub operation: Operation,
}

impl Place {
    pub const fn new(cell: CellKind, edge: Edge, operation: Operation) -> Place {
        Place { cell, edge, operation }
    }

    /// All 224 places: normal cell first, edge by edge, operation by operation.
    pub fn all() -> impl Iterator<Item = Place> {
        CellKind::ALL.into_iter().flat_map(|cell| {
            Edge::all().flat_map(move |edge| Operation::ALL.into_iter().map(move |op| Place::new(cell, edge, op)))
        })
    }
}

/// `normal:3:sep_conv_3x3`, as the command line takes it.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}:{}:{}", self.cell, self.edge.index(), self.operation))
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = s.split(':').collect();
        let [cell, edge, operation] = parts[..] else {
            return Err(format!("`{s}` is not CELL:EDGE:OPERATION, as in normal:3:sep_conv_3x3"));
        };
        let cell = cell.parse()?;
        let edge = edge
            .parse::<usize>()
            .ok()
            .and_then(Edge::new)
            .ok_or_else(|| format!("`{edge}` is not an edge: use a number from 0 to {}", EDGES - 1))?;
        let operation = operation.parse::<Operation>().map_err(|e| e.to_string())?;
        Ok(Place { cell, edge, operation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_numbered_as_published() {
        let pairs: Vec<(usize, usize)> = Edge::all().map(|e| (e.source(), e.node())).collect();
        let expected: Vec<(usize, usize)> = (0..NODES).flat_map(|n| (0..n + INPUTS).map(move |s| (s, n))).collect();
        assert_eq!(pairs, expected);
        for e in Edge::all() {
            assert_eq!(Edge::between(e.source(), e.target()), Some(e));
        }
        assert_eq!(Edge::between(2, 2), None);
        assert_eq!(Edge::new(14), None);
    }

    #[test]
    fn places_round_trip() {
        assert_eq!(Place::all().count(), 224);
        for p in Place::all() {
            assert_eq!(p.to_string().parse::<Place>(), Ok(p));
        }
    }
}
