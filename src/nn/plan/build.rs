//! Plans of supernets and of genotypes, with the parameter names of published checkpoints.

use std::sync::Arc;

use super::{CellPlan, Entry, HeadPlan, NetworkPlan, ProjectionPlan};
use crate::nn::closing::ClosingPlan;
use crate::nn::convolved::ConvolutionPlan;
use crate::nn::edge::{Branch, Edge};
use crate::nn::layout::{BlockLayout, CellShape, Kind};
use crate::nn::norm::NormSlot;
use crate::nn::residual::ResidualPlan;
use crate::nn::stem::StemPlan;
use crate::nn::{EvaluationConfig, SupernetConfig, head};
use crate::space::{self, CellKind, Compute, Graph, INPUTS, Mask, Operation, Stacking, Stem};

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
        self.layout.add(weights, Kind::Convolution { kernel: [kernel; 2] }, c, inputs);
        let weights = start..self.layout.len;
        let inputs = inputs * kernel * kernel;
        ProjectionPlan { weights, norm: self.norm(norm, c), inputs, halve: false, affine: self.affine }
    }

    /// The same without the norm.
    fn bare_projection(&mut self, weights: String, kernel: usize, inputs: usize, c: usize) -> ProjectionPlan {
        let start = self.layout.len;
        self.layout.add(weights, Kind::Convolution { kernel: [kernel; 2] }, c, inputs);
        let (weights, norm) = (start..self.layout.len, NormSlot { offset: 0, channels: c });
        ProjectionPlan { weights, norm, inputs: inputs * kernel * kernel, halve: false, affine: false }
    }

    /// FactorizedReduce → norm.
    fn halving(&mut self, name: &str, inputs: usize, outputs: usize) -> ProjectionPlan {
        let (start, kind, first) = (self.layout.len, Kind::Convolution { kernel: [1; 2] }, outputs / 2);
        self.layout.add(format!("{name}.conv_1.weight"), kind, first, inputs);
        self.layout.add(format!("{name}.conv_2.weight"), kind, outputs - first, inputs);
        let weights = start..self.layout.len;
        let norm = self.norm(format!("{name}.bn"), outputs);
        ProjectionPlan { weights, norm, inputs, halve: true, affine: self.affine }
    }

    /// How cell `index` takes its inputs.
    fn entries(&mut self, index: usize, shape: &CellShape) -> Vec<Entry> {
        let project = |input: usize| {
            let (name, inputs) = (format!("cells.{index}.preprocess{input}"), shape.inputs[input]);
            Entry::Project(match input == 0 && shape.halve_first {
                true => self.halving(&name, inputs, shape.channels),
                false => {
                    let names = [format!("{name}.op.1.weight"), format!("{name}.op.2")];
                    self.projection(names, 1, inputs, shape.channels)
                }
            })
        };
        match (shape.stacking, shape.residual) {
            (Stacking::Darts, _) => (0..INPUTS).map(project).collect(),
            (Stacking::NasBench201, false) => vec![Entry::Whole],
            (Stacking::NasBench201, true) => vec![Entry::Residual(self.residual(index - 1, shape))],
        }
    }

    /// The residual block, number `index` among cells and such blocks, before a cell. It has scales and shifts in supernets,
    /// too.
    fn residual(&mut self, index: usize, shape: &CellShape) -> ResidualPlan {
        let (inputs, outputs) = (shape.inputs[INPUTS - 1], shape.channels);
        let mut convolution = |letter: &str, inputs: usize, stride: usize| {
            let name = format!("cells.{index}.conv_{letter}.op");
            let names = [format!("{name}.1.weight"), format!("{name}.2")];
            ConvolutionPlan::add(&mut self.layout, names, [inputs, outputs], stride)
        };
        let convolutions = [convolution("a", inputs, 2), convolution("b", outputs, 1)];
        let start = self.layout.len;
        let kind = Kind::Convolution { kernel: [1; 2] };
        self.layout.add(format!("cells.{index}.downsample.1.weight"), kind, outputs, inputs);
        let side = start..self.layout.len;
        ResidualPlan { inputs, outputs, convolutions, side }
    }

    /// An operation of an edge, called `name`; `pool_norm`: poolings have a norm, called so behind it.
    fn branch(&mut self, name: &str, operation: Operation, stride: usize, c: usize, pool_norm: bool) -> Branch {
        let offset = self.layout.len;
        let mut norms = Vec::new();
        let mut half = |block: &mut Block, first: usize| {
            let kernel = operation.kernel().unwrap_or(3);
            block.layout.add(format!("{name}.op.{first}.weight"), Kind::Depthwise { kernel }, c, 1);
            let kind = Kind::Convolution { kernel: [1; 2] };
            block.layout.add(format!("{name}.op.{}.weight", first + 1), kind, c, c);
            norms.push(block.norm(format!("{name}.op.{}", first + 2), c));
        };
        match operation.compute() {
            Compute::Separable { halves, .. } => (0..halves).for_each(|i| half(self, 1 + 4 * i)),
            Compute::MaxPool { .. } | Compute::AveragePool { .. } if pool_norm => {
                norms.push(self.norm(format!("{name}.1"), c));
            }
            Compute::Identity if stride == 2 => norms.push(self.halving(name, c, c).norm),
            Compute::Dense { window } => {
                let kind = Kind::Convolution { kernel: [window; 2] };
                self.layout.add(format!("{name}.op.1.weight"), kind, c, c);
                if !self.affine {
                    self.layout.add(format!("{name}.op.1.bias"), Kind::Bias, c, 1);
                }
                norms.push(self.norm(format!("{name}.op.2"), c));
            }
            Compute::Factorised { window } => {
                for (at, kernel) in [(1, [1, window]), (2, [window, 1])] {
                    self.layout.add(format!("{name}.{at}.weight"), Kind::Convolution { kernel }, c, c);
                }
                norms.push(self.norm(format!("{name}.3"), c));
            }
            _ => {}
        }
        Branch { operation, column: 0, offset, len: self.layout.len - offset, norms, affine: self.affine, place: 0 }
    }

    /// The edge of cell `index` of a supernet that is number `number`, with those of `operations`, the columns, that are
    /// `kept`; `none` costs nothing and is left out.
    fn mixture(
        &mut self,
        [index, number]: [usize; 2],
        (kind, stacking): (CellKind, Stacking),
        edge: space::Edge,
        operations: &[Operation],
        kept: impl Fn(Operation) -> bool,
        c: usize,
    ) -> Edge {
        let stride = stacking.stride(kind, edge.source());
        let there = operations.iter().enumerate().filter(|(_, o)| **o != Operation::None && kept(**o));
        let branches = there.map(|(column, o)| {
            let (name, pool_norm) = match stacking {
                Stacking::Darts => (format!("cells.{index}._ops.{number}._ops.{column}"), true),
                Stacking::NasBench201 => {
                    (format!("cells.{index}.edges.{}<-{}.{column}", edge.target(), edge.source()), false)
                }
            };
            Branch { column, place: place(index, number), ..self.branch(&name, *o, stride, c, pool_norm) }
        });
        let branches = branches.collect();
        let node = edge.target() - stacking.inputs();
        Edge { source: edge.source(), node, stride, row: number * operations.len(), branches }
    }
}

/// A number for each edge of each cell.
const fn place(cell: usize, edge: usize) -> usize {
    cell << 8 | edge
}

/// A mixture on its own: an edge of a cell of this kind, and the layout of its weights.
pub(crate) fn mixture(kind: CellKind, edge: space::Edge, operations: &[Operation], c: usize) -> (Edge, BlockLayout) {
    let mut block = Block::new(false);
    let edge = block.mixture([0, 0], (kind, Stacking::Darts), edge, operations, |_| true, c);
    (edge, block.layout)
}

impl CellPlan {
    /// A cell of a supernet, whose edges are mixtures of what `mask` keeps.
    fn mixture(index: usize, shape: CellShape, graph: &Graph, mask: &Mask) -> CellPlan {
        let mut block = Block::new(false);
        let entries = block.entries(index, &shape);
        let operations = mask.space().operations();
        let edges = graph.edges.iter().enumerate().map(|(number, edge)| {
            let kept = |o| mask.keeps(shape.kind, *edge, o);
            block.mixture([index, number], (shape.kind, shape.stacking), *edge, operations, kept, shape.channels)
        });
        let edges = edges.collect();
        let concat = match shape.stacking {
            Stacking::Darts => (0..graph.nodes).collect(),
            Stacking::NasBench201 => vec![graph.nodes - 1],
        };
        let columns = operations.len();
        CellPlan { shape, entries, edges, nodes: graph.nodes, concat, columns, layout: block.layout }
    }

    /// A cell of a genotype.
    fn chosen(index: usize, shape: CellShape, genotype: &space::Genotype) -> CellPlan {
        let mut block = Block::new(true);
        let entries = block.entries(index, &shape);
        let inputs = shape.stacking.inputs();
        let list = if shape.stacking == Stacking::Darts { "_ops" } else { "layers" };
        let there = genotype.chosen(shape.kind).enumerate().filter(|(_, (_, o))| *o != Operation::None);
        let edges = there.map(|(j, (edge, operation))| {
            let stride = shape.stacking.stride(shape.kind, edge.source());
            let branch = block.branch(&format!("cells.{index}.{list}.{j}"), operation, stride, shape.channels, false);
            let branches = vec![Branch { place: place(index, j), ..branch }];
            Edge { source: edge.source(), node: edge.target() - inputs, stride, row: 0, branches }
        });
        let edges = edges.collect();
        let concat = genotype.outputs(shape.kind).iter().map(|state| state - inputs).collect();
        let nodes = genotype.nodes(shape.kind);
        CellPlan { shape, entries, edges, nodes, concat, columns: 0, layout: block.layout }
    }
}

impl NetworkPlan {
    pub fn of_supernet(config: &SupernetConfig) -> NetworkPlan {
        let stem = StemPlan::new(config.stem, config.input_channels, config.stem_multiplier * config.channels);
        let space = config.mask.space();
        let nodes = |kind| space.graph(kind).map_or(0, |g| g.nodes);
        let of_stem = (config.stem, stem.outputs());
        let shapes = CellShape::stack(space.stacking(), config.channels, of_stem, &config.layout, nodes);
        let cell = |(i, shape): (usize, CellShape)| {
            Some(Arc::new(CellPlan::mixture(i, shape, space.graph(shape.kind)?, &config.mask)))
        };
        let cells: Vec<Arc<CellPlan>> = numbered(shapes).filter_map(cell).collect();
        let features = cells.last().map_or(stem.outputs(), |c| c.outputs());
        let classifier = head::layout("classifier", features, config.classes);
        let tables = [CellKind::Normal, CellKind::Reduction].map(|kind| space.table(kind));
        let closing = closing(space.stacking(), features);
        let stem = Arc::new(stem);
        NetworkPlan { stem, cells, auxiliary: None, closing, classifier, classes: config.classes, tables }
    }

    pub fn of_genotype(config: &EvaluationConfig) -> NetworkPlan {
        let stacking = config.genotype.stacking;
        let wide = if config.stem == Stem::Cifar { stacking.stem() } else { 1 };
        let stem = StemPlan::new(config.stem, config.input_channels, wide * config.channels);
        let outputs = |kind| config.genotype.outputs(kind).len();
        let of_stem = (config.stem, stem.outputs());
        let shapes = CellShape::stack(stacking, config.channels, of_stem, &config.layout(), outputs);
        let cell = |(i, shape)| Arc::new(CellPlan::chosen(i, shape, &config.genotype));
        let cells: Vec<Arc<CellPlan>> = numbered(shapes).map(cell).collect();
        let after = 2 * config.cells / 3;
        let auxiliary = cells.get(after).filter(|_| config.auxiliary).map(|cell| {
            let [narrow, wide] = AUXILIARY;
            let mut block = Block::new(true);
            let name = |at: usize| format!("auxiliary_head.features.{at}");
            let names = |at: usize| [format!("{}.weight", name(at)), name(at + 1)];
            let first = block.projection(names(2), 1, cell.outputs(), narrow);
            // That for ImageNet has been published, and trained, without the second norm.
            let normed = config.stem == Stem::Cifar;
            let second = match normed {
                true => block.projection(names(5), 2, narrow, wide),
                false => block.bare_projection(format!("{}.weight", name(5)), 2, narrow, wide),
            };
            let projections = [first, second];
            let mut layout = block.layout;
            let classifier = layout.len;
            head::add(&mut layout, "auxiliary_head.classifier", wide, config.classes);
            Arc::new(HeadPlan {
                after,
                stride: config.stem.auxiliary_stride(),
                projections,
                normed,
                classifier,
                layout,
            })
        });
        let features = cells.last().map_or(stem.outputs(), |c| c.outputs());
        let classifier = head::layout("classifier", features, config.classes);
        let (stem, closing) = (Arc::new(stem), closing(stacking, features));
        NetworkPlan { stem, cells, auxiliary, closing, classifier, classes: config.classes, tables: [0, 0] }
    }
}

/// Cells with their numbers in published code, which counts the residual blocks among them.
fn numbered(shapes: Vec<CellShape>) -> impl Iterator<Item = (usize, CellShape)> {
    let mut before = 0;
    shapes.into_iter().enumerate().map(move |(i, shape)| {
        before += usize::from(shape.residual);
        (i + before, shape)
    })
}

fn closing(stacking: Stacking, features: usize) -> Option<Arc<ClosingPlan>> {
    (stacking == Stacking::NasBench201).then(|| Arc::new(ClosingPlan::new(features)))
}
