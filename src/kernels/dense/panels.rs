//! Weights as the inner loops of a dense convolution read them.

/// Columns of a panel of weights: two of the widest vectors, or one where no more are left.
const PANEL: usize = 32;
const NARROW: usize = 16;

/// Columns of the panel that begins where so many are left.
pub(super) const fn panel_width(left: usize) -> usize {
    if left > NARROW { PANEL } else { NARROW }
}

/// Weights panel by panel, where vectors lie within lines of the cache.
#[derive(Clone, Debug, Default)]
pub(super) struct Panels {
    lines: Vec<Line>,
}

/// A line of the cache.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Line([f32; NARROW]);

impl Line {
    pub const LEN: usize = NARROW;
    pub const ZERO: Line = Line([0.0; NARROW]);
}

impl Panels {
    /// Numbers in those of so many rows and columns.
    pub const fn len(rows: usize, columns: usize) -> usize {
        rows * Panels::width(columns)
    }

    /// Numbers in a row of all panels.
    pub const fn width(columns: usize) -> usize {
        let whole = columns / PANEL * PANEL;
        whole + if columns > whole { panel_width(columns - whole) } else { 0 }
    }

    /// From the rows of a matrix, so many of `columns` numbers each. The last panel ends on columns of zeros.
    pub fn new<'a>(matrix: impl Iterator<Item = &'a [f32]>, rows: usize, columns: usize) -> Panels {
        let mut lines = vec![Line::ZERO; Panels::len(rows, columns) / NARROW];
        for (k, row) in matrix.enumerate() {
            for (p, part) in row.chunks(PANEL).enumerate() {
                let at = (p * PANEL * rows + k * panel_width(part.len())) / NARROW;
                for (to, part) in lines[at..].iter_mut().zip(part.chunks(NARROW)) {
                    to.0[..part.len()].copy_from_slice(part);
                }
            }
        }
        Panels { lines }
    }

    pub fn as_ptr(&self) -> *const f32 {
        self.lines.as_ptr().cast()
    }
}
