//! Cells: their kinds, their edges, and the places of operations in them.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserializer, Error, Unexpected, Visitor};
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
///
/// Its one name for people is `0▸2`, source and target state. Read are also `0>2`, `0->2` and `0-2` (which a shell leaves
/// alone), and the number. Files hold the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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

/// `0▸2`: source and target state; `0>2` with `{:#}`, for terminals that have ASCII only.
impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = if f.alternate() { '>' } else { '▸' };
        f.pad(&format!("{}{arrow}{}", self.source(), self.target()))
    }
}

impl FromStr for Edge {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| text.parse::<usize>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        let ends = ["▸", "->", ">", "→", "-"].iter().find_map(|arrow| s.split_once(arrow));
        let found = match ends {
            Some((source, target)) => {
                number(source).zip(number(target)).and_then(|(source, target)| Edge::between(source, target))
            }
            None => number(s).and_then(Edge::new),
        };
        found.ok_or_else(|| {
            let shown: String = s.chars().filter(|c| !c.is_control()).take(20).collect();
            format!(
                "`{shown}` is not an edge: write 0-2 for the one from state 0 to state 2 (0 and 1 are the cell's inputs, \
                 2 to 5 its nodes), from 0-2 to 4-5"
            )
        })
    }
}

/// The number, or the name.
impl<'de> Deserialize<'de> for Edge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Edge, D::Error> {
        struct Written;
        impl Visitor<'_> for Written {
            type Value = Edge;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an edge: a number from 0 to {}, or a name such as 0>2", EDGES - 1)
            }

            fn visit_u64<E: Error>(self, index: u64) -> Result<Edge, E> {
                let edge = usize::try_from(index).ok().and_then(Edge::new);
                edge.ok_or_else(|| E::invalid_value(Unexpected::Unsigned(index), &self))
            }

            fn visit_i64<E: Error>(self, index: i64) -> Result<Edge, E> {
                u64::try_from(index)
                    .map_err(|_| E::invalid_value(Unexpected::Signed(index), &self))
                    .and_then(|i| self.visit_u64(i))
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Edge, E> {
                name.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Written)
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

/// `normal:0▸2:sep_conv_3x3`; with `{:#}` `normal:0>2:sep_conv_3x3`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let edge = if f.alternate() { format!("{:#}", self.edge) } else { self.edge.to_string() };
        f.pad(&format!("{}:{edge}:{}", self.cell, self.operation))
    }
}

/// As it is shown, with any of the names that [`Edge`] and [`Operation`] read.
impl FromStr for Place {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = s.split(':').collect();
        let [cell, edge, operation] = parts[..] else {
            let shown: String = s.chars().filter(|c| !c.is_control()).take(60).collect();
            return Err(format!("`{shown}` is not CELL:EDGE:OPERATION, as in normal:0-2:sep3"));
        };
        let operation = operation.parse::<Operation>().map_err(|e| e.to_string())?;
        Ok(Place { cell: cell.parse()?, edge: edge.parse()?, operation })
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
    fn edges_have_one_name_and_several_spellings() {
        for e in Edge::all() {
            let (a, b, n) = (e.source(), e.target(), e.index());
            assert_eq!((e.to_string(), format!("{e:#}")), (format!("{a}▸{b}"), format!("{a}>{b}")));
            for text in [format!("{a}▸{b}"), format!("{a}>{b}"), format!("{a}->{b}"), format!("{a}-{b}"), n.to_string()]
            {
                assert_eq!(text.parse(), Ok(e), "{text}");
                assert_eq!(serde_json::from_str::<Edge>(&format!("\"{text}\"")).unwrap(), e);
            }
            assert_eq!(serde_json::to_string(&e).unwrap(), n.to_string());
            assert_eq!(serde_json::from_str::<Edge>(&n.to_string()).unwrap(), e);
        }
        for bad in ["14", "-1", "2>2", "3>2", "0>6", "0>1", "", ">", "+0>2", "0>2>3", "0▸▸2", "99999999999999999999"]
        {
            assert!(bad.parse::<Edge>().is_err(), "{bad}");
        }
        for bad in ["14", "255", "-1", "\"0>9\"", "null"] {
            assert!(serde_json::from_str::<Edge>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn places_round_trip() {
        assert_eq!(Place::all().count(), 224);
        for p in Place::all() {
            assert_eq!(p.to_string().parse::<Place>(), Ok(p));
            assert_eq!(format!("{p:#}").parse::<Place>(), Ok(p));
            let short = format!("{}:{}:{}", p.cell, p.edge.index(), p.operation.short());
            assert_eq!(short.parse::<Place>(), Ok(p));
        }
        assert_eq!("normal:0▸2:sep3".parse::<Place>().unwrap().to_string(), "normal:0▸2:sep_conv_3x3");
        assert!("normal:0>2".parse::<Place>().is_err_and(|e| e.contains("normal:0-2:sep3")));
    }
}
