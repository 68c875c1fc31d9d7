//! How cells are made and stacked to a network: what a cell reads and gives, what stands between cells, and what a genotype
//! chooses. The rest of a space, its graphs and candidates, is free.

use super::CellKind;
use super::cell::INPUTS;
use crate::words::words;

/// The published way in which cells become a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Stacking {
    /// DARTS: a cell reads the outputs of the two before it, through ReLU, 1x1 convolution and norm; its output is the
    /// concatenation of its nodes; reduction cells halve the maps; a genotype takes two inputs of every node.
    #[default]
    Darts,
    /// NAS-Bench-201: a cell reads the output of the block before it; its output is its last node; residual blocks between
    /// the three stages halve the maps; a genotype takes one operation of every edge, `none` too.
    NasBench201,
}

words!(Stacking);

impl Stacking {
    pub const ALL: [Stacking; 2] = [Stacking::Darts, Stacking::NasBench201];

    pub const fn name(self) -> &'static str {
        match self {
            Stacking::Darts => "darts",
            Stacking::NasBench201 => "nas_bench_201",
        }
    }

    /// What published code calls the network of a genotype.
    pub const fn network(self) -> &'static str {
        match self {
            Stacking::Darts => "NetworkCIFAR",
            Stacking::NasBench201 => "TinyNetwork",
        }
    }

    /// Inputs of a cell.
    pub const fn inputs(self) -> usize {
        match self {
            Stacking::Darts => INPUTS,
            Stacking::NasBench201 => 1,
        }
    }

    /// Whether a genotype has an operation on every edge, `none` too; else two inputs for every node.
    pub const fn every_edge(self) -> bool {
        matches!(self, Stacking::NasBench201)
    }

    /// Channels of the plain stem's output, and of any supernet's, in units of the network's width.
    pub const fn stem(self) -> usize {
        match self {
            Stacking::Darts => 3,
            Stacking::NasBench201 => 1,
        }
    }

    /// Stride of the operations of an edge that starts from a state in a cell of this kind.
    pub const fn stride(self, kind: CellKind, source: usize) -> usize {
        match kind {
            CellKind::Reduction if source < self.inputs() => 2,
            _ => 1,
        }
    }

    /// The kinds of a network of so many cells, of which there are normal and reduction cells. In DARTS numbers `cells / 3`
    /// and `2 * cells / 3` reduce, where there are both; in NAS-Bench-201 all cells are normal.
    pub(super) fn layout(self, cells: usize, normal: bool, reduction: bool) -> Vec<CellKind> {
        let reduces = |i: usize| reduction && (!normal || i == cells / 3 || i == 2 * cells / 3);
        (0..cells).map(|i| if reduces(i) { CellKind::Reduction } else { CellKind::Normal }).collect()
    }

    /// Whether a residual block stands before cell `i` of so many: where the second and the third of three equal stages
    /// begin.
    pub fn halves_before(self, i: usize, cells: usize) -> bool {
        matches!(self, Stacking::NasBench201) && i > 0 && (i == cells / 3 || i == 2 * cells / 3)
    }

    /// What is to be said of the stages of so many cells, where they are not of one size.
    pub fn uneven(self, cells: usize) -> Option<String> {
        let (second, third) = (cells / 3, 2 * cells / 3);
        let uneven = self == Stacking::NasBench201 && !cells.is_multiple_of(3);
        uneven.then(|| match cells {
            1 => "one cell is one stage: published networks have three of as many cells each".into(),
            2 => "two cells are two stages of one: published networks have three of as many cells each".into(),
            _ => format!(
                "{cells} cells are stages of {second}, {} and {}: published networks have as many in each",
                third - second,
                cells - third
            ),
        })
    }

    /// The states that the choices of a genotype lead to: two for each node, or one for each edge before each node.
    pub fn targets(self) -> impl Iterator<Item = usize> {
        let inputs = self.inputs();
        (inputs..).flat_map(move |state| {
            let choices = if self.every_edge() { state } else { 2 };
            std::iter::repeat_n(state, choices)
        })
    }

    /// Nodes that so many choices of a genotype lead to, the last perhaps to some of what it needs.
    pub fn nodes(self, choices: usize) -> usize {
        choices.checked_sub(1).and_then(|last| self.targets().nth(last)).map_or(0, |state| state + 1 - self.inputs())
    }

    /// Choices of a genotype with so many nodes.
    pub fn choices(self, nodes: usize) -> usize {
        let end = self.inputs() + nodes;
        self.targets().take_while(|state| *state < end).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_lead_to_nodes_in_order() {
        let darts = Stacking::Darts;
        assert!(darts.targets().take(6).eq([2, 2, 3, 3, 4, 4]));
        assert!(Stacking::NasBench201.targets().take(6).eq([1, 2, 2, 3, 3, 3]));
        for (stacking, nodes, choices) in
            [(darts, 4, 8), (darts, 0, 0), (Stacking::NasBench201, 3, 6), (Stacking::NasBench201, 2, 3)]
        {
            assert_eq!((stacking.choices(nodes), stacking.nodes(choices)), (choices, nodes), "{stacking}");
        }
        assert_eq!((darts.nodes(7), Stacking::NasBench201.nodes(4)), (4, 3));
    }

    #[test]
    fn stages_are_thirds() {
        let halves = |stacking: Stacking, cells| (0..cells).filter(|i| stacking.halves_before(*i, cells)).collect();
        let found: [Vec<usize>; 3] = [15, 3, 1].map(|cells| halves(Stacking::NasBench201, cells));
        assert_eq!(found, [vec![5, 10], vec![1, 2], vec![]]);
        assert_eq!(halves(Stacking::Darts, 8), Vec::<usize>::new());
        assert!(Stacking::NasBench201.uneven(8).unwrap().contains("stages of 2, 3 and 3"));
        assert!(Stacking::NasBench201.uneven(2).unwrap().contains("two stages"));
        assert_eq!(halves(Stacking::NasBench201, 2), vec![1]);
        assert_eq!((Stacking::NasBench201.uneven(15), Stacking::Darts.uneven(8)), (None, None));
        assert_eq!(Stacking::Darts.layout(8, true, true).iter().filter(|k| **k == CellKind::Reduction).count(), 2);
    }
}
