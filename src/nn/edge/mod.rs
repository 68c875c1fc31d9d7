//! Mixed operations: the kept operations of an edge on one input, added with their mixing weights. Forward and backward over
//! a batch, three barriers each (a batch norm has to see the whole batch); edges that read one map share them.

mod backward;
mod forward;
mod kernel;
mod pools;

use std::collections::BTreeSet;
use std::ops::Range;

use super::factorised;
use super::norm::{NormSlot, Statistics};
use super::project::Projection;
use crate::kernels::dense;
use crate::kernels::depthwise::Shape;
use crate::space::{Compute, Operation};

/// Sizes of an edge's input maps, `[N, H, W, C]`, and its stride.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub images: usize,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub stride: usize,
}

impl Geometry {
    pub fn input(&self) -> usize {
        self.height * self.width * self.channels
    }

    pub fn output(&self) -> usize {
        self.height.div_ceil(self.stride) * self.width.div_ceil(self.stride) * self.channels
    }

    pub fn shape(&self, operation: Operation) -> Shape {
        Shape {
            height: self.height,
            width: self.width,
            channels: self.channels,
            kernel: operation.kernel().unwrap_or(3),
            stride: self.stride,
            dilation: match operation.compute() {
                Compute::Separable { dilation, .. } => dilation,
                _ => 1,
            },
        }
    }

    /// The second half of a separable convolution: stride 1 on the output's size.
    pub fn second(&self, operation: Operation) -> Shape {
        let first = self.shape(operation);
        Shape { height: first.out_height(), width: first.out_width(), stride: 1, ..first }
    }

    /// The depthwise convolutions of an operation, first to last.
    pub fn convolutions(&self, operation: Operation) -> Vec<Shape> {
        match operation.compute() {
            Compute::Separable { halves: 1, .. } => vec![self.shape(operation)],
            Compute::Separable { .. } => vec![self.shape(operation), self.second(operation)],
            _ => Vec::new(),
        }
    }

    pub fn dense(&self, window: usize) -> dense::Shape {
        let Geometry { height, width, channels, stride, .. } = *self;
        dense::Shape { height, width, inputs: channels, outputs: channels, kernel: [window; 2], stride: [stride; 2] }
    }

    /// Of a factorised convolution the row's part, then the column's.
    pub fn factorised(&self, window: usize) -> [dense::Shape; 2] {
        factorised::shapes([self.height, self.width, self.channels], window, self.stride)
    }

    pub fn halving(&self) -> Projection {
        Projection {
            height: self.height,
            width: self.width,
            channels_in: self.channels,
            channels_out: self.channels,
            halve: true,
        }
    }
}

/// One kept operation: where its weights are in the block's flat parameters, and its batch norms.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub operation: Operation,
    /// Its mixing weight among those of the edge.
    pub column: usize,
    pub offset: usize,
    pub len: usize,
    pub norms: Vec<NormSlot>,
    /// Whether each norm has a scale and shift, behind the weights of its convolution: in an evaluation network.
    pub affine: bool,
    /// Its edge among those of the network: what its noise is drawn by.
    pub place: usize,
}

impl Branch {
    /// Weights of its convolutions, without biases.
    pub fn weights(&self) -> usize {
        match self.operation.compute() {
            Compute::Dense { .. } if !self.affine => self.len - self.norms.iter().map(|n| n.channels).sum::<usize>(),
            _ => self.len,
        }
    }

    /// Whether it hands its input on as it is.
    pub fn is_identity(&self, stride: usize) -> bool {
        self.operation.compute() == Compute::Identity && stride == 1
    }

    /// Where the weights of convolution `k` are, without scale and shift of the norm behind it.
    pub fn convolution(&self, k: usize) -> Range<usize> {
        let each = self.len / self.norms.len().max(1);
        let behind = if self.affine { 2 * self.norms.get(k).map_or(0, |slot| slot.channels) } else { 0 };
        self.offset + k * each..self.offset + (k + 1) * each - behind
    }

    /// Scale and shift of norm `k`, where it has them.
    pub fn gain<'w>(&self, k: usize, weights: &'w [f32]) -> Option<[&'w [f32]; 2]> {
        let (at, c) = (self.affine(k)?, self.norms[k].channels);
        Some([&weights[at..][..c], &weights[at + c..][..c]])
    }

    /// Where scale and shift of norm `k` are, beside `offset`.
    pub fn affine(&self, k: usize) -> Option<usize> {
        let slot = self.norms.get(k).filter(|_| self.affine)?;
        Some(self.offset + (k + 1) * self.len / self.norms.len() - 2 * slot.channels)
    }
}

/// An edge of a cell, and its kept operations without `none`, which costs nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edge {
    /// The state that it reads, and the node that it is added to.
    pub source: usize,
    pub node: usize,
    pub stride: usize,
    /// Its first mixing weight among those of the cell.
    pub row: usize,
    pub branches: Vec<Branch>,
}

/// A map before its batch norm, and that norm's statistics.
pub(crate) struct Normed {
    /// Empty for a pooling, which is made again wherever it is read: that takes less time than fetching it from memory.
    pub z: Vec<f32>,
    pub statistics: Statistics,
}

/// What one branch keeps for the backward pass.
#[derive(Default)]
pub(crate) struct BranchState {
    pub first: Option<Normed>,
    /// Absent for the identity.
    pub last: Option<Normed>,
}

/// Branches that read one map: those of an edge, or of several edges from one source.
#[derive(Default)]
pub(crate) struct Bundle<'a> {
    pub branches: Vec<&'a Branch>,
    /// Which node each branch is added to, as a number among those of the bundle, and its mixing weight.
    pub targets: Vec<usize>,
    pub mixing: Vec<f32>,
    /// What each image of a branch is multiplied with beside, where it may be left out.
    pub factors: Vec<Option<&'a [f32]>>,
    /// The mixing weights are constants: nobody asks for their gradient.
    pub constant: bool,
}

impl<'a> Bundle<'a> {
    /// One edge into one node; `mixing` are the edge's weights, by column.
    pub fn of(edge: &'a Edge, mixing: &[f32]) -> Bundle<'a> {
        let mut bundle = Bundle::default();
        bundle.add(edge, 0, mixing);
        bundle
    }

    /// One more edge, into this node.
    pub fn add(&mut self, edge: &'a Edge, target: usize, mixing: &[f32]) {
        for b in &edge.branches {
            self.branches.push(b);
            self.targets.push(target);
            self.mixing.push(mixing[b.column]);
            self.factors.push(None);
        }
    }

    /// One more edge, into this node, whose operations count as they are but for the images' `factors`.
    pub fn add_whole(&mut self, edge: &'a Edge, target: usize, factors: Option<&'a [f32]>) {
        self.constant = true;
        for b in &edge.branches {
            self.branches.push(b);
            self.targets.push(target);
            self.mixing.push(1.0);
            self.factors.push(factors);
        }
    }

    /// What image `n` of branch `i` is multiplied with beside its mixing weight.
    fn factor(&self, i: usize, n: usize) -> f32 {
        self.factors[i].map_or(1.0, |f| f[n])
    }

    /// The poolings among the branches, or the others, and their numbers.
    pub fn part(&self, poolings: bool) -> (Bundle<'a>, Vec<usize>) {
        let (mut part, mut numbers) = (Bundle { constant: self.constant, ..Bundle::default() }, Vec::new());
        for (i, b) in self.branches.iter().enumerate().filter(|(_, b)| is_pooling(b.operation) == poolings) {
            part.branches.push(b);
            part.targets.push(self.targets[i]);
            part.mixing.push(self.mixing[i]);
            part.factors.push(self.factors[i]);
            numbers.push(i);
        }
        (part, numbers)
    }
}

/// The numbers of parts of a bundle, put at the places that [`Bundle::part`] gave.
pub(crate) fn in_order<const N: usize>(count: usize, parts: [(Vec<usize>, Vec<f32>); N]) -> Vec<f32> {
    let mut all = vec![0.0; count];
    for (i, v) in parts.into_iter().flat_map(|(at, values)| at.into_iter().zip(values)) {
        all[i] = v;
    }
    all
}

/// The targets of a bundle's branches in a round of edges: the place of its edge in the round, or one that nobody has.
pub(crate) fn in_round(places: &[usize], round: &[usize]) -> Vec<usize> {
    places.iter().map(|place| round.iter().position(|own| own == place).unwrap_or(usize::MAX)).collect()
}

/// Gradients that a backward pass fills.
pub(crate) struct Gradients<'a> {
    /// Of the edges' input, added to.
    pub input: &'a mut [f32],
    /// Of the block's flat parameters, added to; `None` in an architecture step.
    pub weights: Option<&'a mut [f32]>,
    /// Of the weights' gradients only what this image's maps give.
    pub only: Option<usize>,
}

pub(crate) fn is_separable(operation: Operation) -> bool {
    matches!(operation.compute(), Compute::Separable { halves: 2, .. })
}

pub(crate) fn is_pooling(operation: Operation) -> bool {
    matches!(operation.compute(), Compute::MaxPool { .. } | Compute::AveragePool { .. })
}

/// How many different poolings there are among operations: what one map has of them is made once.
pub(crate) fn poolings(operations: impl Iterator<Item = Operation>) -> usize {
    operations.filter(|o| is_pooling(*o)).collect::<BTreeSet<_>>().len()
}

pub(crate) fn is_noise(operation: Operation) -> bool {
    operation.compute() == Compute::Noise
}

/// Whether the operation is FactorizedReduce at this stride.
pub(crate) fn halves(operation: Operation, stride: usize) -> bool {
    operation.compute() == Compute::Identity && stride == 2
}

impl Edge {
    /// How many of the edge's operations apply a ReLU to its input.
    pub fn relus(&self) -> usize {
        self.branches.iter().filter(|b| b.operation.is_convolution() || halves(b.operation, self.stride)).count()
    }
}
