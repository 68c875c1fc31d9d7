//! What an evaluation network is made of, and what published checkpoints call it.

use std::sync::Arc;

use super::EvaluationConfig;
use crate::nn::head;
use crate::nn::layout::{BlockLayout, Kind};
use crate::nn::stem::StemPlan;
use crate::space::{CellKind, Choice, INPUTS, Operation};

/// Channels of the stem's output, in units of the width.
const STEM: usize = 3;
/// Channels inside the auxiliary head.
const AUXILIARY: [usize; 2] = [128, 768];

/// One step of an edge; `unit` is where its parameters are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Layer {
    /// ReLU → depthwise → pointwise.
    Convolution {
        unit: usize,
        kernel: usize,
        stride: usize,
        dilation: usize,
    },
    /// ReLU → 1x1 convolution, or FactorizedReduce.
    Projection {
        unit: usize,
        outputs: usize,
        halve: bool,
    },
    /// Batch norm with scale and shift.
    Norm {
        unit: usize,
    },
    Pool {
        greatest: bool,
        stride: usize,
    },
}

#[derive(Clone, Debug)]
pub(super) struct EdgePlan {
    pub source: usize,
    pub operation: Operation,
    /// None: the identity.
    pub layers: Vec<Layer>,
}

#[derive(Clone, Debug)]
pub(super) struct CellPlan {
    pub projections: [Vec<Layer>; 2],
    /// Two for each node.
    pub edges: Vec<EdgePlan>,
    pub concat: Vec<usize>,
}

#[derive(Clone, Debug)]
pub(super) struct HeadPlan {
    /// The cell that it follows.
    pub after: usize,
    /// Convolution and norm, twice.
    pub layers: [Layer; 4],
    pub classifier: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub stem: Arc<StemPlan>,
    /// The parameters of one convolution or norm each; the stem's come first.
    pub units: Vec<BlockLayout>,
    pub cells: Vec<CellPlan>,
    pub auxiliary: Option<HeadPlan>,
    pub classifier: usize,
}

/// Units as they are added.
struct Units(Vec<BlockLayout>);

impl Units {
    fn add(&mut self, layout: BlockLayout) -> usize {
        self.0.push(layout);
        self.0.len() - 1
    }

    fn convolution(&mut self, weights: &[(String, Kind, usize, usize)]) -> usize {
        let mut layout = BlockLayout::default();
        for (name, kind, outputs, inputs) in weights {
            layout.add(name.clone(), *kind, *outputs, *inputs);
        }
        self.add(layout)
    }

    fn norm(&mut self, name: &str, channels: usize) -> Layer {
        let mut layout = BlockLayout::default();
        layout.add(format!("{name}.weight"), Kind::NormWeight, channels, 1);
        layout.add(format!("{name}.bias"), Kind::NormBias, channels, 1);
        layout.add_norm(name.into(), channels);
        Layer::Norm { unit: self.add(layout) }
    }

    /// ReLU, 1x1 convolution, norm.
    fn projection(&mut self, name: &str, inputs: usize, outputs: usize) -> Vec<Layer> {
        let unit =
            self.convolution(&[(format!("{name}.op.1.weight"), Kind::Convolution { kernel: 1 }, outputs, inputs)]);
        vec![Layer::Projection { unit, outputs, halve: false }, self.norm(&format!("{name}.op.2"), outputs)]
    }

    /// FactorizedReduce.
    fn halving(&mut self, name: &str, inputs: usize, outputs: usize) -> Vec<Layer> {
        let (kind, first) = (Kind::Convolution { kernel: 1 }, outputs / 2);
        let unit = self.convolution(&[
            (format!("{name}.conv_1.weight"), kind, first, inputs),
            (format!("{name}.conv_2.weight"), kind, outputs - first, inputs),
        ]);
        vec![Layer::Projection { unit, outputs, halve: true }, self.norm(&format!("{name}.bn"), outputs)]
    }

    fn half(&mut self, name: &str, first: usize, operation: Operation, c: usize, stride: usize) -> Vec<Layer> {
        let kernel = operation.kernel().unwrap_or(3);
        let dilated = matches!(operation, Operation::DilConv3x3 | Operation::DilConv5x5);
        let unit = self.convolution(&[
            (format!("{name}.op.{first}.weight"), Kind::Depthwise { kernel }, c, 1),
            (format!("{name}.op.{}.weight", first + 1), Kind::Convolution { kernel: 1 }, c, c),
        ]);
        let dilation = if dilated { 2 } else { 1 };
        let norm = self.norm(&format!("{name}.op.{}", first + 2), c);
        vec![Layer::Convolution { unit, kernel, stride, dilation }, norm]
    }

    fn operation(&mut self, name: &str, operation: Operation, c: usize, stride: usize) -> Vec<Layer> {
        match operation {
            // A genotype that was checked has none.
            Operation::None => Vec::new(),
            Operation::MaxPool3x3 => vec![Layer::Pool { greatest: true, stride }],
            Operation::AvgPool3x3 => vec![Layer::Pool { greatest: false, stride }],
            Operation::SkipConnect if stride == 2 => self.halving(name, c, c),
            Operation::SkipConnect => Vec::new(),
            Operation::SepConv3x3 | Operation::SepConv5x5 => {
                let mut layers = self.half(name, 1, operation, c, stride);
                layers.extend(self.half(name, 5, operation, c, 1));
                layers
            }
            Operation::DilConv3x3 | Operation::DilConv5x5 => self.half(name, 1, operation, c, stride),
        }
    }
}

impl Plan {
    pub fn new(config: &EvaluationConfig) -> Plan {
        let mut units = Units(Vec::new());
        let stem = StemPlan::new(config.input_channels, STEM * config.channels);
        units.add(stem.layout.clone());
        let (mut older, mut last) = (stem.outputs, stem.outputs);
        let (mut c, mut reduced) = (config.channels, false);
        let mut cells = Vec::new();
        let mut auxiliary = None;
        for (i, kind) in config.layout().into_iter().enumerate() {
            if kind == CellKind::Reduction {
                c *= 2;
            }
            let name = format!("cells.{i}.preprocess0");
            let first = if reduced { units.halving(&name, older, c) } else { units.projection(&name, older, c) };
            let second = units.projection(&format!("cells.{i}.preprocess1"), last, c);
            let edge = |(j, choice): (usize, &Choice)| {
                let stride = if kind == CellKind::Reduction && choice.source < INPUTS { 2 } else { 1 };
                let layers = units.operation(&format!("cells.{i}._ops.{j}"), choice.operation, c, stride);
                EdgePlan { source: choice.source, operation: choice.operation, layers }
            };
            let edges = config.genotype.choices(kind).iter().enumerate().map(edge).collect();
            let concat = config.genotype.concat(kind).to_vec();
            (older, last, reduced) = (last, concat.len() * c, kind == CellKind::Reduction);
            cells.push(CellPlan { projections: [first, second], edges, concat });
            if config.auxiliary && i == 2 * config.cells / 3 {
                auxiliary = Some((i, last));
            }
        }
        let auxiliary = auxiliary.map(|(after, inputs)| {
            let [narrow, wide] = AUXILIARY;
            let mut layer = |at: usize, kernel: usize, outputs: usize, inputs: usize| {
                let name = format!("auxiliary_head.features.{at}.weight");
                let unit = units.convolution(&[(name, Kind::Convolution { kernel }, outputs, inputs)]);
                let norm = units.norm(&format!("auxiliary_head.features.{}", at + 1), outputs);
                [Layer::Projection { unit, outputs, halve: false }, norm]
            };
            let ([a, b], [c, d]) = (layer(2, 1, narrow, inputs), layer(5, 2, wide, narrow));
            let classifier = units.add(head::layout("auxiliary_head.classifier", wide, config.classes));
            HeadPlan { after, layers: [a, b, c, d], classifier }
        });
        let classifier = units.add(head::layout("classifier", last, config.classes));
        Plan { stem: Arc::new(stem), units: units.0, cells, auxiliary, classifier }
    }
}
