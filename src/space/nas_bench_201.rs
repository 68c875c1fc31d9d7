//! NAS-Bench-201 (Dong & Yang 2020, arXiv 2001.00326): one kind of cell, 15,625 genotypes, every accuracy known.

use super::Operation::{AvgPool3x3, None, NorConv1x1, NorConv3x3, SkipConnect};
use super::definition::{Definition, Graph, Space};
use super::stacking::Stacking;
use super::{CellKind, Choice, Edge, Genotype};

mod order;

pub use order::CELLS;

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

/// The cell with these columns of operations, edge by edge; `None` where one is no column.
pub fn of_digits(digits: [u8; EDGES.len()]) -> Option<Genotype> {
    let operation = |digit: u8| DEFINITION.operations.get(usize::from(digit)).copied();
    let choice = |(edge, digit): (&Edge, u8)| Some(Choice { operation: operation(digit)?, source: edge.source() });
    let normal: Option<Vec<Choice>> = EDGES.iter().zip(digits).map(choice).collect();
    Some(Genotype { stacking: Stacking::NasBench201, normal: normal?, ..Genotype::default() })
}

/// The cell with this number, the row of the published tables; `None` from 15,625 on.
pub fn of_index(index: usize) -> Option<Genotype> {
    of_digits(order::digits(index)?)
}

/// The columns of a cell's operations, edge by edge; `None` where it is none of the space.
pub fn digits(genotype: &Genotype) -> Option<[u8; EDGES.len()]> {
    genotype.check_in(SPACE).ok()?;
    let column = |c: &Choice| DEFINITION.operations.iter().position(|o| *o == c.operation).map(|column| column as u8);
    let columns: Option<Vec<u8>> = genotype.normal.iter().map(column).collect();
    columns?.try_into().ok()
}

/// A cell's number in the published tables; `None` where it is none of the space.
pub fn index(genotype: &Genotype) -> Option<usize> {
    order::index(digits(genotype)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::count::{self, Network};
    use crate::space::{Genotypes, Stem, parse_genotype};

    const BEST: &str =
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|";

    fn of_space(text: &str) -> Result<Genotype, String> {
        let found = Genotypes::of_space(text, SPACE).and_then(|g| g.take(Option::None));
        found.map(|taken| taken.genotype).map_err(|e| e.to_string())
    }

    #[test]
    fn genotypes_are_read_as_published_and_printed_alike() {
        let best = parse_genotype(BEST).unwrap();
        assert_eq!((best.to_string(), best.stacking), (BEST.into(), Stacking::NasBench201));
        assert_eq!((best.nodes(CellKind::Normal), best.outputs(CellKind::Normal)), (3, vec![3]));
        for text in [
            format!("epoch 49, arch = {BEST}\n"),
            format!("Structure(4 nodes with {BEST})"),
            "333132\n".into(),
            " 6111\n".into(),
            BEST.replace("nor_conv_3x3", "nor3"),
            serde_json::to_string(&best).unwrap(),
            format!("a log\n{}\n{BEST}", BEST.replace("skip_connect", "none")),
        ] {
            assert_eq!(of_space(&text), Ok(best.clone()), "{text}");
        }
        assert_eq!(serde_json::from_str::<Genotype>(&serde_json::to_string(&best).unwrap()).unwrap(), best);
        assert_eq!((digits(&best), index(&best)), (Some([3, 3, 3, 1, 3, 2]), Some(6111)));
        let darts = crate::space::published::all()[0].genotype.clone();
        assert_eq!((digits(&darts), index(&darts)), (Option::None, Option::None));
    }

    #[test]
    fn what_is_no_cell_is_refused_with_its_place() {
        for (from, to, part) in [
            ("|nor_conv_3x3~1|+", "|nor_conv_3x4~1|+", "line 1, column 34: `nor_conv_3x4` is not an operation"),
            ("~0|+|nor_conv_3x3~0", "~1|+|nor_conv_3x3~0", "column 2: node 0 of the normal cell reads state 1"),
            ("|nor_conv_3x3~0|nor_conv_3x3~1|+", "|nor_conv_3x3~1|nor_conv_3x3~1|+", "where 0 comes next"),
            ("|nor_conv_1x1~2|", "|", "has 5 choices; 3 nodes with all their edges need 6"),
            ("nor_conv_1x1~2", "sep_conv_3x3~2", "no candidate there in the space nas_bench_201"),
        ] {
            assert!(BEST.contains(from), "{from}");
            let error = of_space(&BEST.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(part), "{to}: {error}");
        }
        assert!(of_space("333137").unwrap_err().contains("0 none, 1 skip_connect, 2 nor_conv_1x1"));
        assert!(of_space("15625").unwrap_err().contains("15625 is no index of a cell: they go from 0 to 15624"));
        for no_number in ["1234567", "-1", "1.5", "1 2"] {
            assert!(of_space(no_number).is_err(), "{no_number}");
        }
        assert!(of_space(&crate::space::published::all()[0].genotype.to_string()).is_err());
        assert!(Genotypes::of_space(BEST, crate::space::darts::SPACE).unwrap().take(Option::None).is_err());
        assert!(parse_genotype("a | table~ | of | nothing |").is_err());
    }

    /// Parameters of the published table, in millions, and what they are exactly.
    #[test]
    fn parameters_are_those_of_the_table() {
        for (digits, millions) in [("333132", "1.073466"), ("111111", "0.073306"), ("000000", "0.073306")] {
            let count =
                count::evaluation(&of_space(digits).unwrap(), &Network::published(Stacking::NasBench201, Stem::Cifar))
                    .unwrap();
            assert_eq!(format!("{:.6}", count.parameters as f64 / 1e6), millions, "{digits}");
        }
        assert!((count::genotypes_log10(&SPACE.full()) - 15625f64.log10()).abs() < 1e-12);
    }
}
