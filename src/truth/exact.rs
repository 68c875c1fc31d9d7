//! Every cell of the space is known: what a cut leaves is looked up.

use super::cells::{Cell, Cells, Left};
use super::table::Table;

/// All cells, the best first.
#[derive(Clone, Debug)]
pub struct Known {
    cells: Vec<(Cell, f64)>,
    /// The same as bits by slot, `words` for each.
    bits: Vec<u64>,
    words: usize,
    /// Mean accuracy of the cells that have it, by slot; NaN where none has.
    values: Vec<f64>,
}

/// What a cut leaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Numbers {
    pub cells: usize,
    pub mean: f64,
    pub best: f64,
    /// Of the best 100 and 1,000 cells of the space, how many.
    pub of_best: [usize; 2],
}

/// How many count as best.
pub const BEST: [usize; 2] = [100, 1000];

impl Known {
    /// `None` where the table lacks a cell.
    pub fn of(cells: &Cells, table: &Table) -> Option<Known> {
        if table.rows.len() as f64 != cells.count(cells.full()) {
            return None;
        }
        let mut all: Vec<(Cell, f64)> = table.rows.iter().map(|r| (r.cell.clone(), r.accuracy)).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let slots = cells.space().slots();
        let words = slots.div_ceil(64).max(1);
        let mut bits = vec![0; words * all.len()];
        let (mut sums, mut counts) = (vec![0.0; slots], vec![0.0; slots]);
        for (i, (cell, accuracy)) in all.iter().enumerate() {
            for slot in cell.iter().map(|s| usize::from(*s)) {
                bits[i * words + slot / 64] |= 1 << (slot % 64);
                sums[slot] += accuracy;
                counts[slot] += 1.0;
            }
        }
        let values = sums.iter().zip(&counts).map(|(sum, count)| sum / count).collect();
        Some(Known { cells: all, bits, words, values })
    }

    /// How many cells there are.
    pub fn count(&self) -> usize {
        self.cells.len()
    }

    /// Accuracy of the best cell of the space.
    pub fn highest(&self) -> f64 {
        self.cells.first().map_or(f64::NAN, |c| c.1)
    }

    /// Mean accuracy of the cells with this operation on this edge.
    pub fn value(&self, slot: usize) -> f64 {
        self.values.get(slot).copied().unwrap_or(f64::NAN)
    }

    /// Ranks, from 0 for the best, of the cells that are left.
    fn ranks<'a>(&'a self, left: &Left) -> impl Iterator<Item = usize> + use<'a> {
        let mut gone = vec![u64::MAX; self.words];
        left.0.iter().flatten().for_each(|slot| gone[usize::from(*slot) / 64] &= !(1 << (slot % 64)));
        let cells = self.bits.chunks_exact(self.words).enumerate();
        cells.filter(move |(_, bits)| bits.iter().zip(&gone).all(|(b, g)| b & g == 0)).map(|(rank, _)| rank)
    }

    pub fn numbers(&self, left: &Left) -> Numbers {
        let mut numbers = Numbers { cells: 0, mean: 0.0, best: f64::NAN, of_best: [0; 2] };
        for rank in self.ranks(left) {
            let accuracy = self.cells[rank].1;
            if numbers.cells == 0 {
                numbers.best = accuracy;
            }
            numbers.cells += 1;
            numbers.mean += accuracy;
            BEST.iter().zip(&mut numbers.of_best).for_each(|(n, own)| *own += usize::from(rank < *n));
        }
        numbers.mean /= numbers.cells as f64;
        numbers
    }

    /// Accuracies of the cells that are left, ascending.
    pub fn ascending(&self, left: &Left) -> Vec<f64> {
        let mut all: Vec<f64> = self.ranks(left).map(|rank| self.cells[rank].1).collect();
        all.reverse();
        all
    }

    /// Accuracy of a cell, and its rank: 1 where none is better.
    pub fn cell(&self, cell: &[u16]) -> Option<(f64, usize)> {
        let accuracy = self.cells.iter().find(|c| *c.0 == *cell)?.1;
        Some((accuracy, 1 + self.cells.iter().take_while(|c| c.1 > accuracy).count()))
    }
}
