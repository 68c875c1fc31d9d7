//! Where each weight and each running statistic of a supernet lies, and what published checkpoints call it.
//!
//! Every block (the stem, each cell, the classifier) has one flat vector of parameters and one of running statistics.

use super::edge::{Branch, Edge};
use super::norm::NormSlot;
use super::project::Projection;
use crate::space::{self, CellKind, Mask, Operation, Place};

/// What a parameter is; decides its shape in files, its place in memory and its initialisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `[C, 1, k, k]` in files, `[k·k, C]` in memory.
    Depthwise {
        kernel: usize,
    },
    /// `[C_out, C_in, k, k]` in files, `[k·k·C_in, C_out]` in memory.
    Convolution {
        kernel: usize,
    },
    /// `[classes, C]` in files, `[C, classes]` in memory.
    Classifier,
    Bias,
    /// Scale and shift of the stem's batch norm.
    NormWeight,
    NormBias,
}

impl Kind {
    /// A weight of a convolution or of the classifier: what the gradient-based ranking functions sum over.
    pub const fn is_weight(self) -> bool {
        matches!(self, Kind::Depthwise { .. } | Kind::Convolution { .. } | Kind::Classifier)
    }
}

/// One named tensor inside a block's flat parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// As in published checkpoints: `cells.0._ops.3._ops.4.op.1.weight`.
    pub name: String,
    pub kind: Kind,
    pub offset: usize,
    /// Outputs and inputs: `[C, 1]` for a depthwise weight, `[n, 1]` for a vector.
    pub outputs: usize,
    pub inputs: usize,
}

impl Slot {
    pub fn len(&self) -> usize {
        self.outputs * self.inputs * self.window()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn window(&self) -> usize {
        match self.kind {
            Kind::Depthwise { kernel } | Kind::Convolution { kernel } => kernel * kernel,
            _ => 1,
        }
    }

    /// Inputs of one output, for initialisation.
    pub fn fan_in(&self) -> usize {
        self.inputs * self.window()
    }

    /// Outputs times window, as PyTorch counts `fan_out` (of a depthwise weight too).
    pub fn fan_out(&self) -> usize {
        self.outputs * self.window()
    }

    /// Shape in files.
    pub fn shape(&self) -> Vec<usize> {
        match self.kind {
            Kind::Depthwise { kernel } | Kind::Convolution { kernel } => {
                vec![self.outputs, self.inputs, kernel, kernel]
            }
            Kind::Classifier => vec![self.outputs, self.inputs],
            Kind::Bias | Kind::NormWeight | Kind::NormBias => vec![self.outputs],
        }
    }

    /// Index in memory of the number at output `o`, input `i`, window place `t` (row by row).
    fn index(&self, o: usize, i: usize, t: usize) -> usize {
        match self.kind {
            Kind::Depthwise { .. } => t * self.outputs + o,
            Kind::Convolution { .. } => (t * self.inputs + i) * self.outputs + o,
            Kind::Classifier => i * self.outputs + o,
            Kind::Bias | Kind::NormWeight | Kind::NormBias => o,
        }
    }

    /// From the order of files (OIHW) to that of memory.
    pub fn to_memory(&self, file: &[f32], memory: &mut [f32]) {
        self.pairs(|f, m| memory[m] = file[f]);
    }

    /// From the order of memory to that of files (OIHW).
    pub fn to_file(&self, memory: &[f32]) -> Vec<f32> {
        let mut file = vec![0.0; self.len()];
        self.pairs(|f, m| file[f] = memory[m]);
        file
    }

    fn pairs(&self, mut each: impl FnMut(usize, usize)) {
        let w = self.window();
        for o in 0..self.outputs {
            for i in 0..self.inputs {
                for t in 0..w {
                    each((o * self.inputs + i) * w + t, self.index(o, i, t));
                }
            }
        }
    }
}

/// A batch norm's name (without the last part) and its running statistics.
#[derive(Clone, Debug)]
pub(crate) struct NormName {
    pub name: String,
    pub slot: NormSlot,
}

/// Names and places of one block.
#[derive(Clone, Debug, Default)]
pub struct BlockLayout {
    pub slots: Vec<Slot>,
    /// Numbers in the flat parameters.
    pub len: usize,
    pub(crate) norms: Vec<NormName>,
    /// Numbers in the running statistics.
    pub running: usize,
}

impl BlockLayout {
    pub(crate) fn add(&mut self, name: String, kind: Kind, outputs: usize, inputs: usize) {
        let slot = Slot { name, kind, offset: self.len, outputs, inputs };
        self.len += slot.len();
        self.slots.push(slot);
    }

    pub(crate) fn add_norm(&mut self, name: String, channels: usize) -> NormSlot {
        let slot = NormSlot { offset: self.running, channels };
        self.running += 2 * channels;
        self.norms.push(NormName { name, slot });
        slot
    }
}

/// Channels of a cell's inputs and how it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellShape {
    pub kind: CellKind,
    /// Width of the cell's nodes; its output has four times as many channels.
    pub channels: usize,
    /// Channels of the output before the last, and of the last.
    pub inputs: [usize; 2],
    /// The cell before reduced, so the older input has twice the size and is halved.
    pub halve_first: bool,
}

impl CellShape {
    /// The shapes of a stack of cells after a stem of `stem` channels: a reduction cell doubles the width.
    pub fn stack(channels: usize, stem: usize, layout: &[CellKind]) -> Vec<CellShape> {
        let (mut older, mut last, mut width, mut reduced) = (stem, stem, channels, false);
        layout
            .iter()
            .map(|&kind| {
                if kind == CellKind::Reduction {
                    width *= 2;
                }
                let shape = CellShape { kind, channels: width, inputs: [older, last], halve_first: reduced };
                (older, last, reduced) = (last, space::NODES * width, kind == CellKind::Reduction);
                shape
            })
            .collect()
    }

    /// The projection of input 0 or 1 for maps of this size.
    pub(crate) fn projection(&self, input: usize, height: usize, width: usize) -> Projection {
        Projection {
            height,
            width,
            channels_in: self.inputs[input],
            channels_out: self.channels,
            halve: input == 0 && self.halve_first,
        }
    }
}

/// A cell of the supernet: where its parameters are.
#[derive(Clone, Debug)]
pub(crate) struct CellPlan {
    pub shape: CellShape,
    /// Where the weights of the two projections are.
    pub projections: [std::ops::Range<usize>; 2],
    pub projection_norms: [NormSlot; 2],
    /// The 14 edges.
    pub edges: Vec<Edge>,
    pub layout: BlockLayout,
}

impl CellPlan {
    pub fn new(index: usize, shape: CellShape, mask: &Mask) -> CellPlan {
        let mut layout = BlockLayout::default();
        let c = shape.channels;
        let mut projections = [0..0, 0..0];
        let projection_norms = std::array::from_fn(|input| {
            let name = format!("cells.{index}.preprocess{input}");
            let start = layout.len;
            let norm = if input == 0 && shape.halve_first {
                halving(&mut layout, &name, shape.inputs[input], c)
            } else {
                layout.add(format!("{name}.op.1.weight"), Kind::Convolution { kernel: 1 }, c, shape.inputs[input]);
                layout.add_norm(format!("{name}.op.2"), c)
            };
            projections[input] = start..layout.len;
            norm
        });
        let edges = space::Edge::all()
            .map(|edge| {
                let branches = mask
                    .kept(shape.kind, edge)
                    .filter(|o| *o != Operation::None)
                    .map(|operation| branch(&mut layout, index, Place::new(shape.kind, edge, operation), c))
                    .collect();
                Edge { branches }
            })
            .collect();
        CellPlan { shape, projections, projection_norms, edges, layout }
    }

    /// The same cell without one operation; parameters stay where they are.
    pub fn without(&self, edge: space::Edge, operation: Operation) -> CellPlan {
        let mut cut = self.clone();
        cut.edges[edge.index()].branches.retain(|b| b.operation != operation);
        cut
    }
}

fn halving(layout: &mut BlockLayout, name: &str, inputs: usize, outputs: usize) -> NormSlot {
    let first = outputs / 2;
    layout.add(format!("{name}.conv_1.weight"), Kind::Convolution { kernel: 1 }, first, inputs);
    layout.add(format!("{name}.conv_2.weight"), Kind::Convolution { kernel: 1 }, outputs - first, inputs);
    layout.add_norm(format!("{name}.bn"), outputs)
}

pub(crate) fn branch(layout: &mut BlockLayout, cell: usize, place: Place, c: usize) -> Branch {
    let operation = place.operation;
    let name = format!("cells.{cell}._ops.{}._ops.{}", place.edge.index(), operation.index());
    let offset = layout.len;
    let mut norms = Vec::new();
    let mut half = |layout: &mut BlockLayout, first: usize| {
        let kernel = operation.kernel().unwrap_or(3);
        layout.add(format!("{name}.op.{first}.weight"), Kind::Depthwise { kernel }, c, 1);
        layout.add(format!("{name}.op.{}.weight", first + 1), Kind::Convolution { kernel: 1 }, c, c);
        norms.push(layout.add_norm(format!("{name}.op.{}", first + 2), c));
    };
    match operation {
        Operation::SepConv3x3 | Operation::SepConv5x5 => {
            half(layout, 1);
            half(layout, 5);
        }
        Operation::DilConv3x3 | Operation::DilConv5x5 => half(layout, 1),
        Operation::MaxPool3x3 | Operation::AvgPool3x3 => norms.push(layout.add_norm(format!("{name}.1"), c)),
        Operation::SkipConnect if place.edge.stride(place.cell) == 2 => norms.push(halving(layout, &name, c, c)),
        Operation::SkipConnect | Operation::None => {}
    }
    Branch { operation, offset, len: layout.len - offset, norms, affine: false }
}
