//! DARTS' selection: the operations and inputs of the greatest mixing weights (arXiv 1806.09055, section 2.4).

use super::selection::SelectionRule;
use crate::space::{CellKind, Choice, EDGES, Edge, Genotype, INPUTS, Mask, NODES, OPERATIONS, Operation, STATES};

/// The published rule: every node keeps the two inputs whose best operation other than `none` has the greatest mixing
/// weight, with that operation; equal weights go to the lower edge and column. An edge that keeps only `none` can't be
/// chosen; a node with fewer than two others gets fewer inputs.
pub struct Argmax;

impl SelectionRule for Argmax {
    fn select(&self, mixing: [&[f32]; 2], mask: &Mask) -> Genotype {
        let choose = |kind: CellKind| {
            let table = mixing[kind.index()];
            debug_assert_eq!(table.len(), EDGES * OPERATIONS);
            let mut choices = Vec::with_capacity(2 * NODES);
            for node in 0..NODES {
                let mut best: Vec<(f32, Edge, Operation)> = Edge::into_node(node)
                    .filter_map(|edge| {
                        let weight = |o: &Operation| table[edge.index() * OPERATIONS + o.index()];
                        let mut kept = mask.kept(kind, edge).filter(|o| *o != Operation::None);
                        let first = kept.next()?;
                        let top = kept.fold(first, |a, b| if weight(&b) > weight(&a) { b } else { a });
                        Some((weight(&top), edge, top))
                    })
                    .collect();
                // Stable: equal weights stay in the order of the edges.
                best.sort_by(|a, b| b.0.total_cmp(&a.0));
                best.truncate(2);
                choices.extend(
                    best.iter().map(|(_, edge, operation)| Choice { operation: *operation, source: edge.source() }),
                );
            }
            choices
        };
        let concat: Vec<usize> = (INPUTS..STATES).collect();
        Genotype {
            normal: choose(CellKind::Normal),
            normal_concat: concat.clone(),
            reduction: choose(CellKind::Reduction),
            reduction_concat: concat,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Place;

    #[test]
    fn takes_the_two_best_edges_without_none() {
        let mut table = vec![0.0f32; EDGES * OPERATIONS];
        // Node 1 (edges 2, 3, 4): `none` leads everywhere and must not count.
        for e in 0..EDGES {
            table[e * OPERATIONS] = 0.9;
        }
        table[2 * OPERATIONS + 3] = 0.2;
        table[3 * OPERATIONS + 4] = 0.3;
        table[4 * OPERATIONS + 7] = 0.25;
        let g = Argmax.select([&table, &table], &Mask::FULL);
        assert_eq!(g.normal[2], Choice { operation: Operation::SepConv3x3, source: 1 });
        assert_eq!(g.normal[3], Choice { operation: Operation::DilConv5x5, source: 2 });
        let mut mask = Mask::FULL;
        let e = Edge::new(3).unwrap();
        for o in Operation::ALL.into_iter().skip(1) {
            mask.set(Place::new(CellKind::Normal, e, o), false);
        }
        let g = Argmax.select([&table, &table], &mask);
        assert_eq!(g.normal[3], Choice { operation: Operation::SkipConnect, source: 0 });
        assert_eq!(g.reduction[2], Choice { operation: Operation::SepConv3x3, source: 1 });
    }
}
