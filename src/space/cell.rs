//! Cells: their kinds, their edges, and the places of operations in them.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::Operation;

/// Most inputs of a cell: the outputs of the two cells before it.
pub const INPUTS: usize = 2;
/// Most intermediate nodes of a cell.
pub const MOST_NODES: usize = 8;
/// Most states of a cell, inputs and intermediate nodes.
pub const MOST_STATES: usize = INPUTS + MOST_NODES;

/// What a cell does to the size of its maps: normal cells keep it, reduction cells halve it and double the channels. All
/// cells of a kind share their graph, their alphas and their mask. A space has cells of one kind or of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellKind {
    Normal = 0,
    Reduction = 1,
}

impl CellKind {
    pub const fn index(self) -> usize {
        self as usize
    }

    pub const fn name(self) -> &'static str {
        match self {
            CellKind::Normal => "normal",
            CellKind::Reduction => "reduction",
        }
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

/// An edge of a cell, from one of its states to a later one (the cell's inputs come first, its nodes follow), in the order
/// of the published code: by target, then by source.
///
/// Its one name for people is `0▸2`, source and target state. Read are also `0>2`, `0->2` and `0-2` (which a shell leaves
/// alone), and its number in a cell of two inputs of which each node reads all states before it: 0 is `0▸2`. Files hold that
/// number, or the name `0>1` of the edge that only cells of one input have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge {
    target: u8,
    source: u8,
}

impl Edge {
    /// The edge of this number in a cell of two inputs; `None` where the number is that of no cell.
    pub const fn new(number: usize) -> Option<Edge> {
        let mut target = INPUTS;
        let mut first = 0;
        while target < MOST_STATES {
            if number < first + target {
                return Edge::between(number - first, target);
            }
            first += target;
            target += 1;
        }
        None
    }

    /// The edge from state `source` (0..) to state `target` (1..); `None` unless `source < target`.
    pub const fn between(source: usize, target: usize) -> Option<Edge> {
        if target >= MOST_STATES || source >= target {
            return None;
        }
        Some(Edge { target: target as u8, source: source as u8 })
    }

    /// Its place among all edges between [`MOST_STATES`] states: `0▸1` is 0, `0▸2` is 1.
    pub(super) const fn index(self) -> usize {
        let target = self.target as usize;
        target * (target - 1) / 2 + self.source as usize
    }

    /// Its number in a cell of two inputs of which each node reads all states before it; `None` of `0▸1`, which no such cell
    /// has.
    pub const fn number(self) -> Option<usize> {
        self.index().checked_sub(1)
    }

    /// The state (0..) that the edge starts from.
    pub const fn source(self) -> usize {
        self.source as usize
    }

    /// The state (1..) that the edge ends in.
    pub const fn target(self) -> usize {
        self.target as usize
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
                "`{shown}` is not an edge: write 0-2 for the one from state 0 to state 2 (the cell's inputs come first, \
                 its nodes follow)"
            )
        })
    }
}

/// The number, or the name where it has none.
impl Serialize for Edge {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.number() {
            Some(number) => serializer.serialize_u64(number as u64),
            None => serializer.serialize_str(&format!("{self:#}")),
        }
    }
}

/// The number, or the name.
impl<'de> Deserialize<'de> for Edge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Edge, D::Error> {
        struct Written;
        impl Visitor<'_> for Written {
            type Value = Edge;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an edge: its number, from 0, or a name such as 0>2")
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
    use crate::space::darts;

    #[test]
    fn edges_are_numbered_by_target_and_source() {
        let all: Vec<Edge> = (0..).map_while(Edge::new).collect();
        assert_eq!(all.len(), MOST_STATES * (MOST_STATES - 1) / 2 - 1);
        for (i, e) in all.iter().enumerate() {
            assert_eq!((e.number(), Edge::between(e.source(), e.target())), (Some(i), Some(*e)));
        }
        let first = Edge::between(0, 1).unwrap();
        assert!(first < all[0] && first.number().is_none());
        assert_eq!(serde_json::to_string(&first).unwrap(), "\"0>1\"");
        assert_eq!(serde_json::from_str::<Edge>("\"0>1\"").unwrap(), first);
        assert!(all.is_sorted());
        assert_eq!(Edge::between(2, 2), None);
        assert_eq!(Edge::new(14), Edge::between(0, 6));
    }

    #[test]
    fn edges_have_one_name_and_several_spellings() {
        for e in (0..).map_while(Edge::new) {
            let (a, b, n) = (e.source(), e.target(), e.number().unwrap());
            assert_eq!((e.to_string(), format!("{e:#}")), (format!("{a}▸{b}"), format!("{a}>{b}")));
            for text in [format!("{a}▸{b}"), format!("{a}>{b}"), format!("{a}->{b}"), format!("{a}-{b}"), n.to_string()]
            {
                assert_eq!(text.parse(), Ok(e), "{text}");
                assert_eq!(serde_json::from_str::<Edge>(&format!("\"{text}\"")).unwrap(), e);
            }
            assert_eq!(serde_json::to_string(&e).unwrap(), n.to_string());
            assert_eq!(serde_json::from_str::<Edge>(&n.to_string()).unwrap(), e);
        }
        for bad in ["44", "-1", "2>2", "3>2", "0>10", "1>1", "", ">", "+0>2", "0>2>3", "0▸▸2", "99999999999999999999"]
        {
            assert!(bad.parse::<Edge>().is_err(), "{bad}");
        }
        for bad in ["44", "255", "-1", "\"0>10\"", "null"] {
            assert!(serde_json::from_str::<Edge>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn places_round_trip() {
        for p in darts::SPACE.places() {
            assert_eq!(p.to_string().parse::<Place>(), Ok(p));
            assert_eq!(format!("{p:#}").parse::<Place>(), Ok(p));
            let short = format!("{}:{}:{}", p.cell, p.edge.number().unwrap(), p.operation.short());
            assert_eq!(short.parse::<Place>(), Ok(p));
        }
        assert_eq!("normal:0▸2:sep3".parse::<Place>().unwrap().to_string(), "normal:0▸2:sep_conv_3x3");
        assert!("normal:0>2".parse::<Place>().is_err_and(|e| e.contains("normal:0-2:sep3")));
    }
}
