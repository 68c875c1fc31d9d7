//! Which operations are kept, and how many on each edge.

use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::definition::{MOST_ROWS, Space};
use super::{CellKind, Edge, Operation, Place};

/// Which operations of each edge of a space are kept. A mask is made once (by the cut) and only read afterwards.
///
/// As JSON and TOML: `{"normal": [[0,1,1,… a column for each operation], … a row for each edge], "reduction": […]}` with 1 =
/// kept; of a space other than DARTS with `"space": NAME` before them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mask {
    space: Space,
    /// One bit for each operation, by row of the space.
    rows: [u16; MOST_ROWS],
}

impl Default for Mask {
    /// Nothing of DARTS is cut.
    fn default() -> Mask {
        Space::default().full()
    }
}

impl Space {
    /// All candidates.
    pub const fn full(self) -> Mask {
        Mask::of_rows(self, self.candidates())
    }
}

/// How many operations each edge of a space keeps.
///
/// As a list: the normal cell's edges, then the reduction cell's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    space: Space,
    rows: [u8; MOST_ROWS],
}

impl Counts {
    /// The same on every edge.
    pub fn uniform(space: Space, kept: usize) -> Counts {
        let mut rows = [0; MOST_ROWS];
        rows[..space.rows()].fill(kept.clamp(1, space.columns()) as u8);
        Counts { space, rows }
    }

    /// 0 where the space has no such edge.
    pub fn on(&self, cell: CellKind, edge: Edge) -> usize {
        self.space.row(cell, edge).map_or(0, |row| usize::from(self.rows[row]))
    }

    /// In all.
    pub fn sum(&self) -> usize {
        self.rows.iter().map(|n| usize::from(*n)).sum()
    }

    /// # Errors
    /// What is wrong with a list: it has not one number, from 1 to that of the operations, for each of the space's edges.
    pub fn of_list(space: Space, list: &[usize]) -> Result<Counts, String> {
        if list.len() != space.rows() {
            let each = space.graphs().iter().map(|g| format!("the {} cell's {}", g.kind, g.edges.len()));
            let each = each.collect::<Vec<_>>().join(", then ");
            return Err(format!("one number for each edge: {each}; there are {}", list.len()));
        }
        let most = space.columns();
        let mut counts = Counts::uniform(space, 1);
        for (number, to) in list.iter().zip(&mut counts.rows) {
            *to = u8::try_from(*number)
                .ok()
                .filter(|n| (1..=most).contains(&usize::from(*n)))
                .ok_or_else(|| format!("an edge keeps 1 to {most} operations, not {number}"))?;
        }
        Ok(counts)
    }

    pub fn list(&self) -> Vec<usize> {
        self.rows[..self.space.rows()].iter().map(|n| usize::from(*n)).collect()
    }
}

/// What is wrong with a mask.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaskError {
    #[error("edge {edge} of the {cell} cell keeps no operation; every edge needs at least one")]
    EmptyEdge { cell: CellKind, edge: Edge },
    #[error("a mask of the space {space} needs {shape}: {found}")]
    Shape { space: &'static str, shape: String, found: String },
    #[error("this mask is of the search space `{0}`, which is not known here")]
    Space(String),
}

impl Mask {
    /// Of rows of bits, one for each edge.
    pub(super) const fn of_rows(space: Space, bits: &[u16]) -> Mask {
        let mut rows = [0; MOST_ROWS];
        let mut i = 0;
        while i < bits.len() {
            rows[i] = bits[i];
            i += 1;
        }
        Mask { space, rows }
    }

    /// Nothing: a start for building one.
    pub const fn empty(space: Space) -> Mask {
        Mask::of_rows(space, &[])
    }

    /// The same operations on every edge of all kinds, as far as they are the space's.
    pub fn uniform(space: Space, operations: &[Operation]) -> Mask {
        let bits = operations.iter().filter_map(|o| space.column(*o)).fold(0, |b, column| b | 1 << column);
        let mut mask = Mask::empty(space);
        mask.rows[..space.rows()].fill(bits);
        mask
    }

    /// What it is a part of.
    pub const fn space(&self) -> Space {
        self.space
    }

    /// The bits of an edge; 0 where the space has no such edge.
    fn row(&self, cell: CellKind, edge: Edge) -> u16 {
        self.space.row(cell, edge).map_or(0, |row| self.rows[row])
    }

    pub fn keeps(&self, cell: CellKind, edge: Edge, operation: Operation) -> bool {
        self.space.column(operation).is_some_and(|column| self.row(cell, edge) & (1 << column) != 0)
    }

    pub fn contains(&self, place: Place) -> bool {
        self.keeps(place.cell, place.edge, place.operation)
    }

    /// A place that the space does not have stays out.
    pub fn set(&mut self, place: Place, kept: bool) {
        let (row, column) = (self.space.row(place.cell, place.edge), self.space.column(place.operation));
        if let (Some(row), Some(column)) = (row, column) {
            let bit = 1 << column;
            if kept { self.rows[row] |= bit } else { self.rows[row] &= !bit }
        }
    }

    #[must_use]
    pub fn with(mut self, place: Place) -> Mask {
        self.set(place, true);
        self
    }

    #[must_use]
    pub fn without(mut self, place: Place) -> Mask {
        self.set(place, false);
        self
    }

    /// Without an operation, wherever that stands.
    #[must_use]
    pub fn without_operation(mut self, operation: Operation) -> Mask {
        if let Some(column) = self.space.column(operation) {
            self.rows.iter_mut().filter(|row| **row != 1 << column).for_each(|row| *row &= !(1 << column));
        }
        self
    }

    /// The kept operations of an edge, in column order.
    pub fn kept(&self, cell: CellKind, edge: Edge) -> impl Iterator<Item = Operation> + use<> {
        let (row, operations) = (self.row(cell, edge), self.space.operations());
        operations.iter().enumerate().filter(move |(column, _)| row & (1 << column) != 0).map(|(_, o)| *o)
    }

    /// How many operations an edge keeps.
    pub fn count_on(&self, cell: CellKind, edge: Edge) -> usize {
        self.row(cell, edge).count_ones() as usize
    }

    /// The most operations that an edge keeps.
    pub fn widest(&self) -> usize {
        self.rows.iter().map(|r| r.count_ones() as usize).max().unwrap_or(0)
    }

    /// Whether every edge keeps as many.
    pub fn is_even(&self) -> bool {
        self.rows[..self.space.rows()].windows(2).all(|pair| pair[0].count_ones() == pair[1].count_ones())
    }

    /// How many operations are kept in all.
    pub fn count(&self) -> usize {
        self.rows.iter().map(|r| r.count_ones() as usize).sum()
    }

    /// How many operations each edge keeps.
    pub fn counts(&self) -> Counts {
        Counts { space: self.space, rows: self.rows.map(|r| r.count_ones() as u8) }
    }

    /// All kept places, normal cell first.
    pub fn places(&self) -> impl Iterator<Item = Place> + use<> {
        let mask = *self;
        mask.space
            .all_edges()
            .flat_map(move |(cell, edge)| mask.kept(cell, edge).map(move |o| Place::new(cell, edge, o)))
    }

    /// Kept by both; `other` is of the same space.
    #[must_use]
    pub fn and(&self, other: &Mask) -> Mask {
        debug_assert_eq!(self.space, other.space);
        let mut mask = *self;
        for (row, o) in mask.rows.iter_mut().zip(&other.rows) {
            *row &= o;
        }
        mask
    }

    /// # Errors
    /// The first edge that keeps nothing.
    pub fn check(&self) -> Result<(), MaskError> {
        match self.space.all_edges().find(|(cell, edge)| self.count_on(*cell, *edge) == 0) {
            Some((cell, edge)) => Err(MaskError::EmptyEdge { cell, edge }),
            None => Ok(()),
        }
    }

    /// Of tables of zeros and ones by kind.
    fn of_tables(space: Space, tables: &[(CellKind, Vec<Vec<u8>>)]) -> Result<Mask, MaskError> {
        let shape = |found: String| {
            let each = |g: &super::Graph| {
                format!("{} rows of {} zeros or ones for {}", g.edges.len(), space.columns(), g.kind)
            };
            let shape = space.graphs().iter().map(each).collect::<Vec<_>>().join(" and ");
            MaskError::Shape { space: space.name(), shape, found }
        };
        if let Some((kind, _)) = tables.iter().find(|(kind, _)| space.graph(*kind).is_none()) {
            return Err(shape(format!("there are rows for {kind}")));
        }
        let mut mask = Mask::empty(space);
        for graph in space.graphs() {
            let kind = graph.kind;
            let Some((_, table)) = tables.iter().find(|(k, _)| *k == kind) else {
                return Err(shape(format!("there are none for {kind}")));
            };
            if table.len() != graph.edges.len() {
                return Err(shape(format!("{kind} has {} rows", table.len())));
            }
            for (i, (edge, row)) in graph.edges.iter().zip(table).enumerate() {
                if row.len() != space.columns() || row.iter().any(|v| *v > 1) {
                    return Err(shape(format!("row {i} of {kind} is {row:?}")));
                }
                for (operation, v) in space.operations().iter().zip(row) {
                    mask.set(Place::new(kind, *edge, *operation), *v == 1);
                }
            }
        }
        Ok(mask)
    }
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mask({} of {} of {})", self.count(), self.space.full().count(), self.space.name())
    }
}

impl Serialize for Mask {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if self.space != Space::default() {
            map.serialize_entry("space", &self.space.key())?;
        }
        for graph in self.space.graphs() {
            let row = |edge: &Edge| -> Vec<u8> {
                self.space.operations().iter().map(|o| u8::from(self.keeps(graph.kind, *edge, *o))).collect()
            };
            map.serialize_entry(graph.kind.name(), &graph.edges.iter().map(row).collect::<Vec<_>>())?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Mask {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Mask, D::Error> {
        struct Tables;
        impl<'de> Visitor<'de> for Tables {
            type Value = Mask;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a mask: a table of zeros and ones for each kind of cell")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Mask, A::Error> {
                let (mut space, mut tables) = (Space::default(), Vec::new());
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "space" => {
                            let key: String = map.next_value()?;
                            space = Space::by_key(&key).ok_or_else(|| A::Error::custom(MaskError::Space(key)))?;
                        }
                        "normal" => tables.push((CellKind::Normal, map.next_value()?)),
                        "reduction" => tables.push((CellKind::Reduction, map.next_value()?)),
                        other => return Err(A::Error::unknown_field(other, &["space", "normal", "reduction"])),
                    }
                }
                Mask::of_tables(space, &tables).map_err(A::Error::custom)
            }
        }
        deserializer.deserialize_map(Tables)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::darts::{FULL, NO_NONE, SPACE};

    #[test]
    fn counts_and_sets() {
        let place = SPACE.places().nth(100).unwrap();
        let m = FULL.without(place);
        assert_eq!((m.count(), m.widest()), (223, 8));
        assert!(!m.contains(place));
        assert_eq!(m.with(place), FULL);
        assert_eq!(FULL.without_operation(Operation::None), NO_NONE);
        assert!(Mask::empty(SPACE).check().is_err());
        assert!(m.places().eq(SPACE.places().filter(|p| *p != place)));
    }

    #[test]
    fn what_a_space_does_not_have_stays_out() {
        let space = Space::find("darts_s2").unwrap();
        let (pool, beyond) = ("normal:0-2:max3".parse().unwrap(), "normal:0-6:skip".parse().unwrap());
        for place in [pool, beyond] {
            assert_eq!(space.full().with(place), space.full());
            assert_eq!(space.full().without(place), space.full());
            assert!(!space.full().contains(place) && space.slot(place).is_none());
        }
    }

    #[test]
    fn counts_are_a_list_of_a_number_for_each_edge() {
        let m = NO_NONE.without("normal:0▸3:sep3".parse().unwrap());
        let counts = m.counts();
        assert_eq!((counts.sum(), counts.list()[2], counts.list().len()), (195, 6, 28));
        assert_eq!(Counts::of_list(SPACE, &counts.list()), Ok(counts));
        assert_eq!(NO_NONE.counts(), Counts::uniform(SPACE, 7));
        for bad in
            [vec![], vec![4; 27], vec![4; 29], [vec![4; 27], vec![0]].concat(), [vec![4; 27], vec![264]].concat()]
        {
            assert!(Counts::of_list(SPACE, &bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn json_round_trip_and_refusal() {
        let m = Mask::uniform(SPACE, &[Operation::None, Operation::SepConv5x5]);
        let text = serde_json::to_string(&m).unwrap();
        assert!(!text.contains("space"), "masks of DARTS are written as ever");
        assert_eq!(serde_json::from_str::<Mask>(&text).unwrap(), m);
        let small = Space::find("darts_s1").unwrap().full();
        let text = serde_json::to_string(&small).unwrap();
        assert_eq!(serde_json::from_str::<Mask>(&text).unwrap(), small);
        assert_eq!(toml::from_str::<Mask>(&toml::to_string(&small).unwrap()).unwrap(), small);
        let refused = |text: &str| serde_json::from_str::<Mask>(text).unwrap_err().to_string();
        assert!(refused(r#"{"normal":[],"reduction":[]}"#).contains("14 rows of 8"));
        assert!(refused(&text.replace("darts_s1", "nowhere")).contains("`nowhere`, which is not known"));
        assert!(refused(&text.replace("darts_s1", "darts_s2")).contains("14 rows of 2"));
    }
}
