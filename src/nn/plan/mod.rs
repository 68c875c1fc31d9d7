//! What a network is made of, for supernets and genotypes alike: blocks (stem, cells, auxiliary head, classifier), the edges of
//! each cell, the branches of each edge, and where each has its numbers. Passes, memory models and times walk it.

mod build;

use std::ops::Range;
use std::sync::Arc;

pub(crate) use self::build::mixture;
use super::closing::ClosingPlan;
use super::edge::{Edge, Geometry};
use super::layout::{BlockLayout, CellShape};
use super::norm::NormSlot;
use super::project::Projection;
use super::residual::ResidualPlan;
use super::stem::StemPlan;
use crate::space::{self, CellKind, INPUTS, Operation};

/// ReLU → 1x1 convolution(s) → norm: where its weights and its statistics are in the block.
#[derive(Clone, Debug)]
pub(crate) struct ProjectionPlan {
    pub weights: Range<usize>,
    pub norm: NormSlot,
    pub inputs: usize,
    pub halve: bool,
    /// Whether the norm has a scale and shift, which are behind the weights.
    pub affine: bool,
}

impl ProjectionPlan {
    /// On maps of this size.
    pub fn shape(&self, height: usize, width: usize) -> Projection {
        let (channels_in, channels_out) = (self.inputs, self.norm.channels);
        Projection { height, width, channels_in, channels_out, halve: self.halve }
    }

    /// Scale and shift, where the norm has them; `weights` are the block's.
    pub fn gain<'w>(&self, weights: &'w [f32]) -> Option<[&'w [f32]; 2]> {
        let (at, c) = (self.weights.end, self.norm.channels);
        self.affine.then(|| [&weights[at..][..c], &weights[at + c..][..c]])
    }
}

/// How a cell takes one of its inputs.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// As it is.
    Whole,
    Project(ProjectionPlan),
    /// Through the residual block that stands before the cell.
    Residual(ResidualPlan),
}

impl Entry {
    /// Size of the map that edges read.
    pub fn size(&self, (height, width): (usize, usize)) -> (usize, usize) {
        match self {
            Entry::Whole => (height, width),
            Entry::Project(own) => {
                let shape = own.shape(height, width);
                (shape.out_height(), shape.out_width())
            }
            Entry::Residual(own) => own.output_size((height, width)),
        }
    }

    /// Multiply-accumulates for one picture.
    pub fn macs(&self, size: (usize, usize)) -> usize {
        match self {
            Entry::Whole => 0,
            Entry::Project(own) => own.weights.len() * own.shape(size.0, size.1).pixels(),
            Entry::Residual(own) => {
                let (h, w) = own.output_size(size);
                let convolutions = own.convolutions.iter().map(|c| c.weights.len()).sum::<usize>();
                (convolutions + own.side.len()) * h * w
            }
        }
    }
}

/// A cell: its edges, and where its parameters are.
#[derive(Clone, Debug)]
pub(crate) struct CellPlan {
    pub shape: CellShape,
    /// By input: its first states.
    pub entries: Vec<Entry>,
    /// Node by node, and by source.
    pub edges: Vec<Edge>,
    pub nodes: usize,
    /// The nodes that the output is the concatenation of.
    pub concat: Vec<usize>,
    /// Columns of the mixing weights, whose rows are the edges; 0 where edges are no mixtures.
    pub columns: usize,
    pub layout: BlockLayout,
}

impl CellPlan {
    /// The same cell without one operation; parameters stay where they are.
    pub fn without(&self, edge: space::Edge, operation: Operation) -> CellPlan {
        let mut cut = self.clone();
        let is = |e: &&mut Edge| (e.source, e.node + self.inputs()) == (edge.source(), edge.target());
        if let Some(edge) = cut.edges.iter_mut().find(is) {
            edge.branches.retain(|b| b.operation != operation);
        }
        cut
    }

    /// Whether the edges are mixtures, whose weights an architecture step moves.
    pub fn mixed(&self) -> bool {
        self.columns > 0
    }

    /// The mixing weights of the cell.
    pub fn mixing(&self) -> usize {
        self.edges.len() * self.columns
    }

    /// Inputs of the cell.
    pub fn inputs(&self) -> usize {
        self.entries.len()
    }

    /// The outputs that the cell reads, counted from the first of the stem's, which are so many, if it is number `i`: the older
    /// one first.
    pub fn reads(&self, i: usize, stems: usize) -> impl DoubleEndedIterator<Item = usize> + ExactSizeIterator + use<> {
        let inputs = self.inputs();
        (0..inputs).map(move |input| (i + stems + input).saturating_sub(inputs))
    }

    /// States that edges start from: all but the last node.
    pub fn sources(&self) -> usize {
        self.inputs() + self.nodes - 1
    }

    /// The node that a state is; `None` of an input.
    pub fn node_of(&self, state: usize) -> Option<usize> {
        state.checked_sub(self.inputs())
    }

    /// Places among these edges, in rounds in which no node comes twice: as a rule one, and more where a node takes one state twice.
    pub fn rounds(&self, edges: &[usize]) -> Vec<Vec<usize>> {
        let node = |place: usize| self.edges[edges[place]].node;
        let before = |place: usize| (0..place).filter(|other| node(*other) == node(place)).count();
        let of = |round| (0..edges.len()).filter(|place| before(*place) == round).collect::<Vec<_>>();
        (0..edges.len()).map(of).take_while(|places| !places.is_empty()).collect()
    }

    /// The edges from a state, by number.
    pub fn from(&self, source: usize) -> impl Iterator<Item = usize> + use<'_> {
        (0..self.edges.len()).filter(move |e| self.edges[*e].source == source)
    }

    /// Numbers of one pixel of the output.
    pub fn outputs(&self) -> usize {
        self.concat.len() * self.shape.channels
    }

    /// Where in the output a node is, if it is there.
    pub fn place(&self, node: usize) -> Option<usize> {
        self.concat.iter().position(|n| *n == node)
    }

    /// Whether drop path may leave an edge out: any but the identity.
    pub fn may_drop(&self, edge: usize) -> bool {
        let edge = &self.edges[edge];
        !edge.branches.iter().all(|b| b.is_identity(edge.stride))
    }

    /// Size of the inputs as the edges read them.
    fn entered(&self, sizes: &CellSizes) -> (usize, usize) {
        let last = sizes.inputs[INPUTS - 1];
        self.entries.last().map_or(last, |entry| entry.size(last))
    }

    /// Size of the cell's output.
    pub fn output_size(&self, sizes: &CellSizes) -> (usize, usize) {
        let (h, w) = self.entered(sizes);
        let stride = if self.shape.kind == CellKind::Reduction { 2 } else { 1 };
        (h.div_ceil(stride), w.div_ceil(stride))
    }

    /// `[N, H', W', C']` of the cell's output.
    pub fn output_shape(&self, sizes: &CellSizes) -> [usize; 4] {
        let (h, w) = self.output_size(sizes);
        [sizes.images, h, w, self.outputs()]
    }

    /// Of an edge, by number.
    pub fn geometry(&self, sizes: &CellSizes, edge: usize) -> Geometry {
        let edge = &self.edges[edge];
        let (height, width) = if edge.source < self.inputs() { self.entered(sizes) } else { self.output_size(sizes) };
        Geometry { images: sizes.images, height, width, channels: self.shape.channels, stride: edge.stride }
    }
}

/// Sizes of a cell's inputs in one pass, `[N, H, W, C]` each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CellSizes {
    pub images: usize,
    /// Height and width of the older and of the last output; a cell of one input reads the last.
    pub inputs: [(usize, usize); INPUTS],
}

impl CellSizes {
    /// Height and width of input `i` of so many.
    pub fn input(&self, i: usize, inputs: usize) -> (usize, usize) {
        self.inputs[INPUTS - inputs + i]
    }
}

impl CellSizes {
    /// Sizes of each cell's inputs where the first reads maps of these heights and widths.
    fn along<'a>(
        cells: impl IntoIterator<Item = &'a CellPlan>,
        images: usize,
        [mut older, mut last]: [(usize, usize); INPUTS],
    ) -> Vec<CellSizes> {
        let each = |plan: &CellPlan| {
            let sizes = CellSizes { images, inputs: [older, last] };
            (older, last) = (last, plan.output_size(&sizes));
            sizes
        };
        cells.into_iter().map(each).collect()
    }
}

/// The auxiliary head of an evaluation network: 5x5 averages of a stride that makes 2x2 of them, a 1x1 convolution, one over all
/// that is left, a classifier.
#[derive(Clone, Debug)]
pub(crate) struct HeadPlan {
    /// The cell that it follows.
    pub after: usize,
    pub stride: usize,
    pub projections: [ProjectionPlan; 2],
    /// Whether the second convolution has a norm.
    pub normed: bool,
    /// Where the classifier's parameters are in the block.
    pub classifier: usize,
    pub layout: BlockLayout,
}

/// The blocks of a network, in the order of their parameters in one flat vector of all: the stem, the cells, the auxiliary
/// head, the closing norm, the classifier.
#[derive(Clone, Debug)]
pub(crate) struct NetworkPlan {
    pub stem: Arc<StemPlan>,
    pub cells: Vec<Arc<CellPlan>>,
    pub auxiliary: Option<Arc<HeadPlan>>,
    /// A norm with scale and shift, and a ReLU, behind the last cell.
    pub closing: Option<Arc<ClosingPlan>>,
    pub classifier: BlockLayout,
    pub classes: usize,
    /// Mixing weights by kind of cell, the space's alphas.
    pub tables: [usize; 2],
}

impl NetworkPlan {
    /// Names and places, by block.
    pub fn layouts(&self) -> impl Iterator<Item = &BlockLayout> {
        let cells = self.cells.iter().map(|c| &c.layout);
        let head = self.auxiliary.iter().map(|h| &h.layout);
        let closing = self.closing.iter().map(|c| &c.layout);
        std::iter::once(self.stem.layout()).chain(cells).chain(head).chain(closing).chain([&self.classifier])
    }

    /// First parameter of each block.
    pub fn starts(&self) -> Vec<usize> {
        let sum = |at: &mut usize, layout: &BlockLayout| {
            let start = *at;
            *at += layout.len;
            Some(start)
        };
        self.layouts().scan(0, sum).collect()
    }

    /// Number of the block of the auxiliary head, or where it would be.
    pub fn auxiliary_block(&self) -> usize {
        self.cells.len() + 1
    }

    /// Number of the block of the closing norm, or where it would be.
    pub fn closing_block(&self) -> usize {
        self.auxiliary_block() + usize::from(self.auxiliary.is_some())
    }

    /// Number of the classifier's block.
    pub fn classifier_block(&self) -> usize {
        self.closing_block() + usize::from(self.closing.is_some())
    }

    /// Outputs of the stem, with which those of the blocks before the heads begin: cell `i`'s is number `i + stems`.
    pub fn stems(&self) -> usize {
        self.stem.kind().maps()
    }

    /// The outputs that cell `i` reads, counted from the first of the stem's: the older one first.
    pub fn reads(&self, i: usize) -> impl DoubleEndedIterator<Item = usize> + ExactSizeIterator + use<> {
        self.cells[i].reads(i, self.stems())
    }

    /// Parameters that lie one after the other, by block.
    pub fn parted<'a>(&self, all: &'a [f32]) -> Vec<&'a [f32]> {
        let starts = self.starts();
        self.layouts().zip(&starts).map(|(layout, start)| &all[*start..start + layout.len]).collect()
    }

    /// The first cell of a kind.
    pub fn first(&self, kind: CellKind) -> Option<usize> {
        self.cells.iter().position(|c| c.shape.kind == kind)
    }

    /// The first cell of each kind.
    pub fn firsts(&self) -> impl Iterator<Item = usize> + use<'_> {
        [CellKind::Normal, CellKind::Reduction].into_iter().filter_map(|kind| self.first(kind))
    }

    pub fn sizes(&self, pictures: [usize; 3]) -> Vec<CellSizes> {
        let [images, height, width] = pictures;
        CellSizes::along(self.cells.iter().map(Arc::as_ref), images, self.stem.kind().sizes((height, width)))
    }

    /// Shape of the last cell's output.
    pub fn features(&self, pictures: [usize; 3], sizes: &[CellSizes]) -> [usize; 4] {
        match (self.cells.last(), sizes.last()) {
            (Some(plan), Some(sizes)) => plan.output_shape(sizes),
            _ => self.stem.last(pictures),
        }
    }

    /// The same blocks at the same places, without one operation.
    pub fn without(&self, place: space::Place) -> NetworkPlan {
        let cut = |cell: &Arc<CellPlan>| match cell.shape.kind == place.cell {
            true => Arc::new(cell.without(place.edge, place.operation)),
            false => cell.clone(),
        };
        NetworkPlan { cells: self.cells.iter().map(cut).collect(), ..self.clone() }
    }

    /// Where cell `i`'s mixing weights are among those of both kinds.
    pub fn mixing(&self, i: usize) -> Range<usize> {
        let [normal, reduction] = self.tables;
        match self.cells[i].shape.kind {
            CellKind::Normal => 0..normal,
            CellKind::Reduction => normal..normal + reduction,
        }
    }
}
