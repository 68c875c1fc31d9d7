//! The cell that takes the most of those that a search could find: what a training needs is bounded by it before its cell is known.

use crate::oneshot::{Argmax, SelectionRule};
use crate::space::{CellKind, Genotype, Mask, Operation};

/// The heaviest genotype that a search of `mask` could end with, by what `takes` says of one. Operations are ranked by networks
/// that have each of them wherever the space allows it; then every node has the heaviest that its edges keep, read from the states
/// before all others or from the last ones, whichever takes more. An estimate from above: no cell is known to take more, but it is not proved.
pub fn heaviest(mask: &Mask, takes: impl Fn(&Genotype) -> u64) -> Genotype {
    let full = mask.space().full();
    let operations = full.space().operations();
    let mut ranked: Vec<(u64, Operation)> =
        operations.iter().map(|o| (takes(&best(&full, &|_, other| if other == *o { 1.0 } else { 0.0 })), *o)).collect();
    // Nothing is computed for `none`; equal ones stay in the space's order.
    ranked.sort_by_key(|(taken, o)| (*o != Operation::None, *taken));
    let rank = |o: Operation| ranked.iter().position(|r| r.1 == o).unwrap_or(0) as f32;
    let count = mask.space().graphs().iter().map(|g| g.edges.len()).max().unwrap_or(1) as f32;
    let ends = [1.0, -1.0].map(|sign| best(mask, &|edge, o| 1.0 + rank(o) + sign * 0.5 * edge as f32 / count));
    let [first, last] = ends;
    if takes(&first) > takes(&last) { first } else { last }
}

/// The cells whose edges, by their number, and operations weigh the most.
fn best(mask: &Mask, weight: &dyn Fn(usize, Operation) -> f32) -> Genotype {
    let space = mask.space();
    let table = |kind: CellKind| -> Vec<f32> {
        let edges = space.graph(kind).map_or(0, |g| g.edges.len());
        (0..edges).flat_map(|e| space.operations().iter().map(move |o| weight(e, *o))).collect()
    };
    Argmax.select([&table(CellKind::Normal), &table(CellKind::Reduction)], mask)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::training_memory::step_bytes;
    use crate::run::config::Config;
    use crate::space::{Space, darts};

    #[test]
    fn no_cell_takes_more() {
        let about = crate::data::open("embedded", &crate::data::OpenOptions::default()).unwrap().summary().clone();
        for (space, auxiliary) in [("darts", 0.4), ("nas_bench_201", 0.0), ("darts_s1", 0.4)] {
            let mut config = Config::default();
            (config.train.cells, config.train.channels, config.train.auxiliary) = (8, 16, auxiliary);
            let space = Space::find(space).unwrap();
            let bytes = |g: &Genotype| step_bytes(&config, &about, g, false, None).unwrap();
            let full = space.full();
            let most = bytes(&heaviest(&full, bytes));
            for draw in 0..200 {
                let of =
                    |edge: usize, o: Operation| crate::random::stream_at(draw, "heaviest", [edge as u64, o as u64]);
                let genotype = best(&full, &|edge, o| crate::random::normal(&mut of(edge, o)) as f32);
                assert!(bytes(&genotype) <= most, "{genotype}: {} of {most}", bytes(&genotype));
            }
        }
    }

    #[test]
    fn what_was_cut_is_not_taken() {
        let bytes = |g: &Genotype| g.kinds().flat_map(|k| g.choices(k)).map(|c| c.operation as u64).sum();
        let mut mask = darts::FULL;
        for place in darts::FULL.places().filter(|p| p.operation.is_convolution()) {
            mask.set(place, false);
        }
        let all = heaviest(&darts::FULL, bytes);
        let cut = heaviest(&mask, bytes);
        let is = |g: &Genotype| g.kinds().flat_map(|k| g.choices(k)).any(|c| c.operation.is_convolution());
        assert!(is(&all) && !is(&cut) && cut.check().is_ok());
    }
}
