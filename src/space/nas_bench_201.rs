//! NAS-Bench-201 (Dong & Yang 2020, arXiv 2001.00326): one kind of cell, 15,625 genotypes, every accuracy known.

use super::Operation::{AvgPool3x3, None, NorConv1x1, NorConv3x3, SkipConnect};
use super::definition::{Definition, Graph, Space};
use super::stacking::Stacking;
use super::{CellKind, Edge};

/// The input, and three nodes that read all states before them.
const EDGES: [Edge; 6] = [
    Edge::between(0, 1).unwrap(),
    Edge::between(0, 2).unwrap(),
    Edge::between(1, 2).unwrap(),
    Edge::between(0, 3).unwrap(),
    Edge::between(1, 3).unwrap(),
    Edge::between(2, 3).unwrap(),
];

static GRAPHS: [Graph; 1] = [Graph::new(CellKind::Normal, Stacking::NasBench201, 3, &EDGES)];

static DEFINITION: Definition = Definition {
    name: "nas_bench_201",
    about: "5 operations on 6 edges of one kind of cell (Dong & Yang 2020, arXiv 2001.00326)",
    // In the order of the published code.
    operations: &[None, SkipConnect, NorConv1x1, NorConv3x3, AvgPool3x3],
    stacking: Stacking::NasBench201,
    graphs: &GRAPHS,
    candidates: &[0b11111; EDGES.len()],
    text: Option::None,
};

/// The NAS-Bench-201 space.
pub const SPACE: Space = Space::of(&DEFINITION);
