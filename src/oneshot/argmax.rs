//! DARTS' selection: the operations and inputs of the greatest mixing weights (arXiv 1806.09055, section 2.4).

use super::selection::SelectionRule;
use crate::space::{CellKind, Choice, Edge, Genotype, Graph, Mask, Operation, Stacking};

/// The published rule: every node keeps the two inputs whose best operation other than `none` has the greatest mixing
/// weight, with that operation; equal weights go to the lower edge and column. An edge that keeps only `none` can't be
/// chosen; a node with fewer than two others gets fewer inputs. In NAS-Bench-201 every edge takes the operation of the
/// greatest weight, `none` too.
pub struct Argmax;

impl SelectionRule for Argmax {
    fn select(&self, mixing: [&[f32]; 2], mask: &Mask) -> Genotype {
        let [(normal, normal_concat), (reduction, reduction_concat)] =
            [CellKind::Normal, CellKind::Reduction].map(|kind| match mask.space().graph(kind) {
                None => (Vec::new(), Vec::new()),
                Some(graph) => {
                    let choices = choose(graph, mixing[kind.index()], mask);
                    match graph.stacking {
                        Stacking::Darts => (choices, graph.node_states().collect()),
                        Stacking::NasBench201 => (choices, Vec::new()),
                    }
                }
            });
        Genotype { stacking: mask.space().stacking(), normal, normal_concat, reduction, reduction_concat }
    }
}

/// The choices of one kind of cell from its table.
fn choose(graph: &Graph, table: &[f32], mask: &Mask) -> Vec<Choice> {
    let operations = mask.space().operations();
    debug_assert_eq!(table.len(), graph.edges.len() * operations.len());
    let rows = || graph.edges.iter().zip(table.chunks(operations.len()));
    let mut choices = Vec::with_capacity(2 * graph.nodes);
    let every_edge = graph.stacking.every_edge();
    for state in graph.node_states() {
        let mut best: Vec<(f32, Edge, Operation)> = rows()
            .filter(|(edge, _)| edge.target() == state)
            .filter_map(|(edge, row)| {
                let weights = operations.iter().zip(row).map(|(o, weight)| (*o, *weight));
                let taken = |o: Operation| every_edge || o != Operation::None;
                let mut kept = weights.filter(|(o, _)| taken(*o) && mask.keeps(graph.kind, *edge, *o));
                let first = kept.next()?;
                let (top, weight) = kept.fold(first, |a, b| if b.1 > a.1 { b } else { a });
                Some((weight, *edge, top))
            })
            .collect();
        if !every_edge {
            // Stable: equal weights stay in the order of the edges.
            best.sort_by(|a, b| b.0.total_cmp(&a.0));
            best.truncate(2);
        }
        let chosen = best.iter();
        choices.extend(chosen.map(|(_, edge, operation)| Choice { operation: *operation, source: edge.source() }));
    }
    choices
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{Place, darts};

    #[test]
    fn takes_the_two_best_edges_without_none() {
        let mut table = vec![0.0f32; 14 * 8];
        // Node 1 (edges 2, 3, 4): `none` leads everywhere and must not count.
        for e in 0..14 {
            table[e * 8] = 0.9;
        }
        table[2 * 8 + 3] = 0.2;
        table[3 * 8 + 4] = 0.3;
        table[4 * 8 + 7] = 0.25;
        let g = Argmax.select([&table, &table], &darts::FULL);
        assert_eq!(g.normal[2], Choice { operation: Operation::SepConv3x3, source: 1 });
        assert_eq!(g.normal[3], Choice { operation: Operation::DilConv5x5, source: 2 });
        let mut mask = darts::FULL;
        let e = Edge::new(3).unwrap();
        for o in darts::SPACE.operations().iter().copied().skip(1) {
            mask.set(Place::new(CellKind::Normal, e, o), false);
        }
        let g = Argmax.select([&table, &table], &mask);
        assert_eq!(g.normal[3], Choice { operation: Operation::SkipConnect, source: 0 });
        assert_eq!(g.reduction[2], Choice { operation: Operation::SepConv3x3, source: 1 });
    }
}
