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

    /// How many operations are kept in all, of 224.
    pub fn count(&self) -> usize {
        self.rows.iter().flatten().map(|r| r.count_ones() as usize).sum()
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
    fn json_round_trip_and_refusal() {
        let m = Mask::uniform(&[Operation::None, Operation::SepConv5x5]);
        let text = serde_json::to_string(&m).unwrap();
        assert_eq!(serde_json::from_str::<Mask>(&text).unwrap(), m);
        assert!(serde_json::from_str::<Mask>(r#"{"normal":[],"reduction":[]}"#).is_err());
    }
}
