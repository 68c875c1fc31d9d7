//! Which operations are kept, and how many on each edge.

use serde::{Deserialize, Serialize};

use super::{CellKind, EDGES, Edge, OPERATIONS, Operation, Place};

/// Which operations of each edge are kept, per kind of cell. A mask is made once (by the cut) and only read afterwards.
///
/// As JSON and TOML: `{"normal": [[0,1,1,…8 columns], …14 rows], "reduction": […]}` with 1 = kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "MaskText", into = "MaskText")]
pub struct Mask {
    /// One bit per operation.
    rows: [[u8; EDGES]; 2],
}

impl Default for Mask {
    /// Nothing is cut.
    fn default() -> Mask {
        Mask::FULL
    }
}

/// How many operations each edge keeps.
///
/// As a list: the normal cell's 14 edges, then the reduction cell's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    rows: [[u8; EDGES]; 2],
}

impl Counts {
    /// The same on every edge.
    pub fn uniform(kept: usize) -> Counts {
        Counts { rows: [[kept.clamp(1, OPERATIONS) as u8; EDGES]; 2] }
    }

    pub const fn on(&self, cell: CellKind, edge: Edge) -> usize {
        self.rows[cell.index()][edge.index()] as usize
    }

    /// In all, of 224.
    pub fn sum(&self) -> usize {
        self.rows.iter().flatten().map(|n| usize::from(*n)).sum()
    }

    /// # Errors
    /// What is wrong with a list: it has not one number, from 1 to 8, for each of the 28 edges.
    pub fn of_list(list: &[usize]) -> Result<Counts, String> {
        if list.len() != 2 * EDGES {
            let reason = "one number for each edge: the normal cell's 14, then the reduction cell's 14";
            return Err(format!("{reason}; there are {}", list.len()));
        }
        let mut counts = Counts::uniform(1);
        for (number, to) in list.iter().zip(counts.rows.iter_mut().flatten()) {
            *to = u8::try_from(*number)
                .ok()
                .filter(|n| (1..=OPERATIONS as u8).contains(n))
                .ok_or_else(|| format!("an edge keeps 1 to {OPERATIONS} operations, not {number}"))?;
        }
        Ok(counts)
    }

    pub fn list(&self) -> Vec<usize> {
        self.rows.iter().flatten().map(|n| usize::from(*n)).collect()
    }
}

/// What is wrong with a mask.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaskError {
    #[error("edge {edge} of the {cell} cell keeps no operation; every edge needs at least one")]
    EmptyEdge { cell: CellKind, edge: Edge },
    #[error("a mask needs 14 rows of 8 zeros or ones for each kind of cell: {0}")]
    Shape(String),
}

impl Mask {
    /// Every operation of every edge.
    pub const FULL: Mask = Mask { rows: [[0xff; EDGES]; 2] };
    /// Every operation but `none`.
    pub const NO_NONE: Mask = Mask { rows: [[0xfe; EDGES]; 2] };
    /// Nothing: a start for building one.
    pub const EMPTY: Mask = Mask { rows: [[0; EDGES]; 2] };

    /// The same operations on every edge of both kinds.
    pub fn uniform(operations: &[Operation]) -> Mask {
        let bits = operations.iter().fold(0, |b, o| b | 1 << o.index());
        Mask { rows: [[bits; EDGES]; 2] }
    }

    pub const fn keeps(&self, cell: CellKind, edge: Edge, operation: Operation) -> bool {
        self.rows[cell.index()][edge.index()] & (1 << operation.index()) != 0
    }

    pub const fn contains(&self, place: Place) -> bool {
        self.keeps(place.cell, place.edge, place.operation)
    }

    pub fn set(&mut self, place: Place, kept: bool) {
        let row = &mut self.rows[place.cell.index()][place.edge.index()];
        let bit = 1 << place.operation.index();
        if kept { *row |= bit } else { *row &= !bit }
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

    /// The kept operations of an edge, in column order.
    pub fn kept(&self, cell: CellKind, edge: Edge) -> impl Iterator<Item = Operation> + use<> {
        let row = self.rows[cell.index()][edge.index()];
        Operation::ALL.into_iter().filter(move |o| row & (1 << o.index()) != 0)
    }

    /// How many operations an edge keeps.
    pub const fn count_on(&self, cell: CellKind, edge: Edge) -> usize {
        self.rows[cell.index()][edge.index()].count_ones() as usize
    }

    /// The most operations that an edge keeps.
    pub fn widest(&self) -> usize {
        self.rows.iter().flatten().map(|r| r.count_ones() as usize).max().unwrap_or(0)
    }

    /// How many operations are kept in all; 224 of the full DARTS space.
    pub fn count(&self) -> usize {
        self.rows.iter().flatten().map(|r| r.count_ones() as usize).sum()
    }

    /// How many operations each edge keeps.
    pub fn counts(&self) -> Counts {
        Counts { rows: self.rows.map(|rows| rows.map(|r| r.count_ones() as u8)) }
    }

    /// All kept places, normal cell first.
    pub fn places(&self) -> impl Iterator<Item = Place> + use<> {
        let mask = *self;
        Place::all().filter(move |p| mask.contains(*p))
    }

    /// Kept by both.
    #[must_use]
    pub fn and(&self, other: &Mask) -> Mask {
        let mut rows = self.rows;
        for (row, o) in rows.iter_mut().flatten().zip(other.rows.iter().flatten()) {
            *row &= o;
        }
        Mask { rows }
    }

    /// # Errors
    /// The first edge that keeps nothing.
    pub fn check(&self) -> Result<(), MaskError> {
        for cell in CellKind::ALL {
            for edge in Edge::all() {
                if self.count_on(cell, edge) == 0 {
                    return Err(MaskError::EmptyEdge { cell, edge });
                }
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mask({} of 224)", self.count())
    }
}

#[derive(Serialize, Deserialize)]
struct MaskText {
    normal: Vec<Vec<u8>>,
    reduction: Vec<Vec<u8>>,
}

impl From<Mask> for MaskText {
    fn from(mask: Mask) -> Self {
        let table = |cell| {
            Edge::all()
                .map(|edge| Operation::ALL.into_iter().map(|o| u8::from(mask.keeps(cell, edge, o))).collect())
                .collect()
        };
        MaskText { normal: table(CellKind::Normal), reduction: table(CellKind::Reduction) }
    }
}

impl TryFrom<MaskText> for Mask {
    type Error = MaskError;

    fn try_from(text: MaskText) -> Result<Self, Self::Error> {
        let mut mask = Mask::EMPTY;
        for (cell, table) in [(CellKind::Normal, &text.normal), (CellKind::Reduction, &text.reduction)] {
            if table.len() != EDGES {
                return Err(MaskError::Shape(format!("{cell} has {} rows", table.len())));
            }
            for (edge, row) in Edge::all().zip(table) {
                if row.len() != OPERATIONS || row.iter().any(|v| *v > 1) {
                    return Err(MaskError::Shape(format!("row {} of {cell} is {row:?}", edge.index())));
                }
                for (op, v) in Operation::ALL.into_iter().zip(row) {
                    mask.set(Place::new(cell, edge, op), *v == 1);
                }
            }
        }
        Ok(mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_sets() {
        assert_eq!(Mask::FULL.count(), 224);
        assert_eq!(Mask::NO_NONE.count(), 196);
        let place = Place::all().nth(100).unwrap();
        let m = Mask::FULL.without(place);
        assert_eq!(m.count(), 223);
        assert!(!m.contains(place));
        assert_eq!(m.with(place), Mask::FULL);
        assert!(Mask::EMPTY.check().is_err());
    }

    #[test]
    fn counts_are_a_list_of_28() {
        let m = Mask::NO_NONE.without("normal:0▸3:sep3".parse().unwrap());
        let counts = m.counts();
        assert_eq!((counts.sum(), counts.list()[2], counts.list().len()), (195, 6, 28));
        assert_eq!(Counts::of_list(&counts.list()), Ok(counts));
        assert_eq!(Mask::NO_NONE.counts(), Counts::uniform(7));
        for bad in
            [vec![], vec![4; 27], vec![4; 29], [vec![4; 27], vec![0]].concat(), [vec![4; 27], vec![264]].concat()]
        {
            assert!(Counts::of_list(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn json_round_trip_and_refusal() {
        let m = Mask::uniform(&[Operation::None, Operation::SepConv5x5]);
        let text = serde_json::to_string(&m).unwrap();
        assert_eq!(serde_json::from_str::<Mask>(&text).unwrap(), m);
        assert!(serde_json::from_str::<Mask>(r#"{"normal":[],"reduction":[]}"#).is_err());
    }
}
