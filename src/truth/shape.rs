//! The controls of a cut: as many operations on every edge, by a rule that knows nothing of scores.

use super::cells::{Cells, Left};
use crate::space::cut::{Cutter, Source};
use crate::space::{Counts, Mask, Place};

/// The cheapest of the candidates, and those with the most parameters, with so many on each edge.
pub fn controls(cells: &Cells, candidates: &Mask, counts: &[usize]) -> Vec<(&'static str, Left)> {
    let space = cells.space();
    // A list of counts has no zeros; an edge without any operation is emptied afterwards.
    let listed: Vec<usize> = counts.iter().map(|n| (*n).max(1)).collect();
    let Ok(shape) = Counts::of_list(space, &listed) else { return Vec::new() };
    let cutter = Cutter { space: *candidates, order: Vec::new(), seed: 0 };
    let of = |source: Source| {
        let mut mask = cutter.with_counts(source, &shape);
        for ((kind, edge), _) in space.all_edges().zip(counts).filter(|(_, n)| **n == 0) {
            space.operations().iter().for_each(|o| mask.set(Place::new(kind, edge, *o), false));
        }
        (source.name(), cells.left(&mask))
    };
    let all = [Source::Cheapest, Source::MostParameters].map(of);
    all.into_iter().filter_map(|(name, left)| Some((name, left.ok()?))).collect()
}
