//! Plans of supernets and of genotypes, with the parameter names of published checkpoints.

use std::sync::Arc;

use super::{CellPlan, HeadPlan, NetworkPlan, ProjectionPlan};
use crate::nn::edge::{Branch, Edge};
use crate::nn::layout::{BlockLayout, CellShape, Kind};
use crate::nn::norm::NormSlot;
use crate::nn::stem::StemPlan;
use crate::nn::{EvaluationConfig, SupernetConfig, head};
use crate::space::{self, CellKind, Compute, Graph, INPUTS, Mask, Operation};

/// Channels of an evaluation network's stem, in units of the width.
const STEM: usize = 3;
/// Channels inside the auxiliary head.
const AUXILIARY: [usize; 2] = [128, 768];

/// A block in the making.
struct Block {
    layout: BlockLayout,
    /// Whether norms have a scale and shift.
    affine: bool,
}

impl Block {
    fn new(affine: bool) -> Block {
        Block { layout: BlockLayout::default(), affine }
    }

    fn norm(&mut self, name: String, channels: usize) -> NormSlot {
        if self.affine {
            self.layout.add(format!("{name}.weight"), Kind::NormWeight, channels, 1);
            self.layout.add(format!("{name}.bias"), Kind::NormBias, channels, 1);
        }
        self.layout.add_norm(name, channels)
    }

    /// ReLU → 1x1 convolution (or one over a `kernel` wide map) → norm.
    fn projection(&mut self, [weights, norm]: [String; 2], kernel: usize, inputs: usize, c: usize) -> ProjectionPlan {
        let start = self.layout.len;
        self.layout.add(weights, Kind::Convolution { kernel }, c, inputs);
        let weights = start..self.layout.len;
        let inputs = inputs * kernel * kernel;
        ProjectionPlan { weights, norm: self.norm(norm, c), inputs, halve: false, affine: self.affine }
    }

    /// FactorizedReduce → norm.
    fn halving(&mut self, name: &str, inputs: usize, outputs: usize) -> ProjectionPlan {
        let (start, kind, first) = (self.layout.len, Kind::Convolution { kernel: 1 }, outputs / 2);
        self.layout.add(format!("{name}.conv_1.weight"), kind, first, inputs);
        self.layout.add(format!("{name}.conv_2.weight"), kind, outputs - first, inputs);
        let weights = start..self.layout.len;
        let norm = self.norm(format!("{name}.bn"), outputs);
        ProjectionPlan { weights, norm, inputs, halve: true, affine: self.affine }
    }

    /// Both inputs of cell `index`.
    fn inputs(&mut self, index: usize, shape: &CellShape) -> [ProjectionPlan; INPUTS] {
        std::array::from_fn(|input| {
            let (name, inputs) = (format!("cells.{index}.preprocess{input}"), shape.inputs[input]);
            match input == 0 && shape.halve_first {
                true => self.halving(&name, inputs, shape.channels),
                false => {
                    let names = [format!("{name}.op.1.weight"), format!("{name}.op.2")];
                    self.projection(names, 1, inputs, shape.channels)
                }
            }
        })
    }

    /// An operation of an edge, called `name`; `pool_norm`: poolings have a norm, called so behind it.
    fn branch(&mut self, name: &str, operation: Operation, stride: usize, c: usize, pool_norm: bool) -> Branch {
        let offset = self.layout.len;
        let mut norms = Vec::new();
        let mut half = |block: &mut Block, first: usize| {
            let kernel = operation.kernel().unwrap_or(3);
            block.layout.add(format!("{name}.op.{first}.weight"), Kind::Depthwise { kernel }, c, 1);
            let kind = Kind::Convolution { kernel: 1 };
            block.layout.add(format!("{name}.op.{}.weight", first + 1), kind, c, c);
            norms.push(block.norm(format!("{name}.op.{}", first + 2), c));
        };
        match operation.compute() {
            Compute::Separable { halves, .. } => (0..halves).for_each(|i| half(self, 1 + 4 * i)),
            Compute::MaxPool { .. } | Compute::AveragePool { .. } if pool_norm => {
                norms.push(self.norm(format!("{name}.1"), c));
            }
            Compute::Identity if stride == 2 => norms.push(self.halving(name, c, c).norm),
            _ => {}
        }
        Branch { operation, column: 0, offset, len: self.layout.len - offset, norms, affine: self.affine, place: 0 }
    }

    /// The edge of cell `index` of a supernet that is number `number`, with those of `operations`, the columns, that are
    /// `kept`; `none` costs nothing and is left out.
    fn mixture(
        &mut self,
        [index, number]: [usize; 2],
        kind: CellKind,
        edge: space::Edge,
        operations: &[Operation],
        kept: impl Fn(Operation) -> bool,
        c: usize,
    ) -> Edge {
        let stride = edge.stride(kind);
        let there = operations.iter().enumerate().filter(|(_, o)| **o != Operation::None && kept(**o));
        let branches = there.map(|(column, o)| {
            let name = format!("cells.{index}._ops.{number}._ops.{column}");
            Branch { column, place: place(index, number), ..self.branch(&name, *o, stride, c, true) }
        });
        let branches = branches.collect();
        Edge { source: edge.source(), node: edge.node(), stride, row: number * operations.len(), branches }
    }
}

/// A number for each edge of each cell.
const fn place(cell: usize, edge: usize) -> usize {
    cell << 8 | edge
}

/// A mixture on its own: an edge of a cell of this kind, and the layout of its weights.
pub(crate) fn mixture(kind: CellKind, edge: space::Edge, operations: &[Operation], c: usize) -> (Edge, BlockLayout) {
    let mut block = Block::new(false);
    let edge = block.mixture([0, 0], kind, edge, operations, |_| true, c);
    (edge, block.layout)
}

impl CellPlan {
    /// A cell of a supernet, whose edges are mixtures of what `mask` keeps.
    fn mixture(index: usize, shape: CellShape, graph: &Graph, mask: &Mask) -> CellPlan {
        let mut block = Block::new(false);
        let projections = block.inputs(index, &shape);
        let operations = mask.space().operations();
        let edges = graph.edges.iter().enumerate().map(|(number, edge)| {
            let kept = |o| mask.keeps(shape.kind, *edge, o);
            block.mixture([index, number], shape.kind, *edge, operations, kept, shape.channels)
        });
        let edges = edges.collect();
        let concat = (0..graph.nodes).collect();
        let columns = operations.len();
        CellPlan { shape, projections, edges, nodes: graph.nodes, concat, columns, layout: block.layout }
    }

    /// A cell of a genotype.
    fn chosen(index: usize, shape: CellShape, genotype: &space::Genotype) -> CellPlan {
        let mut block = Block::new(true);
        let projections = block.inputs(index, &shape);
        let edges = genotype.choices(shape.kind).iter().enumerate().map(|(j, choice)| {
            let stride = if shape.kind == CellKind::Reduction && choice.source < INPUTS { 2 } else { 1 };
            let name = format!("cells.{index}._ops.{j}");
            let branch = block.branch(&name, choice.operation, stride, shape.channels, false);
            let branches = vec![Branch { place: place(index, j), ..branch }];
            Edge { source: choice.source, node: j / 2, stride, row: 0, branches }
        });
        let edges = edges.collect();
        let concat = genotype.concat(shape.kind).iter().map(|state| state - INPUTS).collect();
        let nodes = genotype.nodes(shape.kind);
        CellPlan { shape, projections, edges, nodes, concat, columns: 0, layout: block.layout }
    }
}

impl NetworkPlan {
    pub fn of_supernet(config: &SupernetConfig) -> NetworkPlan {
        let stem = StemPlan::new(config.input_channels, config.stem_multiplier * config.channels);
        let space = config.mask.space();
        let nodes = |kind| space.graph(kind).map_or(0, |g| g.nodes);
        let shapes = CellShape::stack(config.channels, stem.outputs, &config.layout, nodes);
        let cell = |(i, shape): (usize, CellShape)| {
            Some(Arc::new(CellPlan::mixture(i, shape, space.graph(shape.kind)?, &config.mask)))
        };
        let cells: Vec<Arc<CellPlan>> = shapes.into_iter().enumerate().filter_map(cell).collect();
        let features = cells.last().map_or(stem.outputs, |c| c.outputs());
        let classifier = head::layout("classifier", features, config.classes);
        let tables = [CellKind::Normal, CellKind::Reduction].map(|kind| space.table(kind));
        NetworkPlan { stem: Arc::new(stem), cells, auxiliary: None, classifier, classes: config.classes, tables }
    }

    pub fn of_genotype(config: &EvaluationConfig) -> NetworkPlan {
        let stem = StemPlan::new(config.input_channels, STEM * config.channels);
        let concat = |kind| config.genotype.concat(kind).len();
        let shapes = CellShape::stack(config.channels, stem.outputs, &config.layout(), concat);
        let cells: Vec<Arc<CellPlan>> =
            shapes.into_iter().enumerate().map(|(i, s)| Arc::new(CellPlan::chosen(i, s, &config.genotype))).collect();
        let after = 2 * config.cells / 3;
        let auxiliary = cells.get(after).filter(|_| config.auxiliary).map(|cell| {
            let [narrow, wide] = AUXILIARY;
            let mut block = Block::new(true);
            let mut layer = |at: usize, kernel, inputs, outputs| {
                let name = |at| format!("auxiliary_head.features.{at}");
                block.projection([format!("{}.weight", name(at)), name(at + 1)], kernel, inputs, outputs)
            };
            let projections = [layer(2, 1, cell.outputs(), narrow), layer(5, 2, narrow, wide)];
            let mut layout = block.layout;
            let classifier = layout.len;
            head::add(&mut layout, "auxiliary_head.classifier", wide, config.classes);
            Arc::new(HeadPlan { after, projections, classifier, layout })
        });
        let features = cells.last().map_or(stem.outputs, |c| c.outputs());
        let classifier = head::layout("classifier", features, config.classes);
        NetworkPlan { stem: Arc::new(stem), cells, auxiliary, classifier, classes: config.classes, tables: [0, 0] }
    }
}
