//! The DARTS space, and the smaller ones of RobustDARTS in which plain DARTS collapses: they share the graph of the cells, and
//! differ in the candidates of its edges.

use super::Operation::{
    AvgPool3x3, DilConv3x3, DilConv5x5, MaxPool3x3, Noise, None, SepConv3x3, SepConv5x5, SkipConnect,
};
use super::definition::{Definition, Graph, Space};
use super::stacking::Stacking;
use super::{CellKind, Edge, Mask};

/// Edges of a cell: 2 + 3 + 4 + 5.
const EDGES: usize = 14;

/// Four nodes, each of which reads both inputs and all nodes before it.
const COMPLETE: [Edge; EDGES] = {
    let mut edges = [Edge::new(0).unwrap(); EDGES];
    let mut i = 0;
    while i < EDGES {
        edges[i] = Edge::new(i).unwrap();
        i += 1;
    }
    edges
};

static GRAPHS: [Graph; 2] = [
    Graph::new(CellKind::Normal, Stacking::Darts, 4, &COMPLETE),
    Graph::new(CellKind::Reduction, Stacking::Darts, 4, &COMPLETE),
];

static DARTS: Definition = Definition {
    name: "darts",
    about: "8 operations on every edge (Liu et al. 2019, arXiv 1806.09055)",
    // In the order of the published code.
    operations: &[None, MaxPool3x3, AvgPool3x3, SkipConnect, SepConv3x3, SepConv5x5, DilConv3x3, DilConv5x5],
    stacking: Stacking::Darts,
    graphs: &GRAPHS,
    candidates: &[0xff; 2 * EDGES],
    text: Option::None,
};

static S1: Definition = Definition {
    name: "darts_s1",
    about: "2 operations an edge, different ones (RobustDARTS, Zela et al. 2020, arXiv 1909.09656)",
    operations: &[MaxPool3x3, AvgPool3x3, SkipConnect, SepConv3x3, DilConv3x3, DilConv5x5],
    stacking: Stacking::Darts,
    graphs: &GRAPHS,
    candidates: &S1_CANDIDATES,
    text: Option::None,
};

static S2: Definition = Definition {
    name: "darts_s2",
    about: "skip_connect and sep_conv_3x3 on every edge (RobustDARTS)",
    operations: &[SkipConnect, SepConv3x3],
    stacking: Stacking::Darts,
    graphs: &GRAPHS,
    candidates: &[0b11; 2 * EDGES],
    text: Option::None,
};

static S3: Definition = Definition {
    name: "darts_s3",
    about: "none, skip_connect and sep_conv_3x3 on every edge (RobustDARTS); published with score.none = 'compete'",
    operations: &[None, SkipConnect, SepConv3x3],
    stacking: Stacking::Darts,
    graphs: &GRAPHS,
    candidates: &[0b111; 2 * EDGES],
    text: Option::None,
};

static S4: Definition = Definition {
    name: "darts_s4",
    about: "noise and sep_conv_3x3 on every edge (RobustDARTS)",
    operations: &[Noise, SepConv3x3],
    stacking: Stacking::Darts,
    graphs: &GRAPHS,
    candidates: &[0b11; 2 * EDGES],
    text: Option::None,
};

/// S1 by edge (RobustDARTS, appendix): the normal cell's edges, then the reduction cell's.
const S1_CANDIDATES: [u16; 2 * EDGES] = {
    const MAX: u16 = 1;
    const AVG: u16 = 1 << 1;
    const SKIP: u16 = 1 << 2;
    const SEP3: u16 = 1 << 3;
    const DIL3: u16 = 1 << 4;
    const DIL5: u16 = 1 << 5;
    [
        SKIP | DIL3,
        SKIP | DIL5,
        SKIP | DIL5,
        SKIP | SEP3,
        SKIP | DIL3,
        MAX | SKIP,
        SKIP | SEP3,
        SKIP | SEP3,
        SKIP | DIL3,
        SKIP | SEP3,
        MAX | SKIP,
        SKIP | DIL3,
        DIL3 | DIL5,
        DIL3 | DIL5,
        MAX | AVG,
        MAX | DIL3,
        MAX | AVG,
        MAX | AVG,
        SKIP | DIL5,
        MAX | AVG,
        MAX | SEP3,
        SKIP | DIL3,
        SKIP | DIL5,
        MAX | AVG,
        MAX | AVG,
        SKIP | DIL5,
        SKIP | DIL5,
        SKIP | DIL5,
    ]
};

/// The DARTS space.
pub const SPACE: Space = Space::of(&DARTS);

/// The DARTS space.
impl Default for Space {
    fn default() -> Space {
        SPACE
    }
}

/// Every operation of every edge of the DARTS space.
pub const FULL: Mask = SPACE.full();

/// Every operation of the DARTS space but `none`.
pub const NO_NONE: Mask = Mask::of_rows(SPACE, &[0xfe; 2 * EDGES]);

/// This family.
pub(super) const FAMILY: [Space; 5] = [SPACE, Space::of(&S1), Space::of(&S2), Space::of(&S3), Space::of(&S4)];

#[cfg(test)]
mod tests {
    use super::*;

    /// As RobustDARTS prints them.
    #[test]
    fn the_first_small_space_has_its_own_pair_on_every_edge() {
        let full = Space::of(&S1).full();
        let kept = |cell, edge: &str| full.kept(cell, edge.parse().unwrap()).collect::<Vec<_>>();
        assert_eq!(kept(CellKind::Normal, "0-3"), [SkipConnect, DilConv5x5]);
        assert_eq!(kept(CellKind::Normal, "4-5"), [DilConv3x3, DilConv5x5]);
        assert_eq!(kept(CellKind::Reduction, "1-4"), [MaxPool3x3, SepConv3x3]);
        assert!(full.space().all_edges().all(|(c, e)| full.count_on(c, e) == 2));
    }

    #[test]
    fn edges_are_numbered_as_published() {
        let pairs: Vec<(usize, usize)> = COMPLETE.iter().map(|e| (e.source(), e.target() - 2)).collect();
        let expected: Vec<(usize, usize)> = (0..4).flat_map(|n| (0..n + 2).map(move |s| (s, n))).collect();
        assert_eq!(pairs, expected);
        assert_eq!((FULL.count(), NO_NONE.count(), SPACE.places().count()), (224, 196, 224));
        assert!(SPACE.places().enumerate().all(|(i, p)| SPACE.slot(p) == Some(i)));
        // Cells 2 and 5 of 8 reduce.
        let reduces: Vec<usize> = (0..8).filter(|i| SPACE.layout(8)[*i] == CellKind::Reduction).collect();
        assert_eq!(reduces, [2, 5]);
    }
}
