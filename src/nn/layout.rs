//! Where each weight and each running statistic of a supernet lies, and what published checkpoints call it.
//!
//! Every block (the stem, each cell, the classifier) has one flat vector of parameters and one of running statistics.

use super::norm::NormSlot;
use crate::space::{CellKind, Stacking, Stem};

/// What a parameter is; decides its shape in files, its place in memory and its initialisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `[C, 1, k, k]` in files, `[k·k, C]` in memory.
    Depthwise {
        kernel: usize,
    },
    /// `[C_out, C_in, rows, columns]` in files, `[taps·C_in, C_out]` in memory. The kernel's rows, then its columns.
    Convolution {
        kernel: [usize; 2],
    },
    /// `[classes, C]` in files, `[C, classes]` in memory.
    Classifier,
    Bias,
    /// Scale and shift of a batch norm that has them.
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
            Kind::Depthwise { kernel } => kernel * kernel,
            Kind::Convolution { kernel: [rows, columns] } => rows * columns,
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
            Kind::Depthwise { kernel } => vec![self.outputs, self.inputs, kernel, kernel],
            Kind::Convolution { kernel: [rows, columns] } => vec![self.outputs, self.inputs, rows, columns],
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
    pub stacking: Stacking,
    /// Width of the cell's nodes; its output is the concatenation of some.
    pub channels: usize,
    /// Channels of the output before the last, and of the last, which a cell of one input reads.
    pub inputs: [usize; 2],
    /// The cell before, or the stem's last convolution, halved, so the older input has twice the size and is halved.
    pub halve_first: bool,
    /// A residual block stands before the cell, which halves its input.
    pub residual: bool,
}

impl CellShape {
    /// The shapes of a stack of cells after a stem that gives so many channels: a reduction cell or a residual block doubles the width.
    /// `nodes`: how many are in a cell of a kind; where cells are concatenated, all of them are its output.
    pub fn stack(
        stacking: Stacking,
        channels: usize,
        (stem, outputs): (Stem, usize),
        layout: &[CellKind],
        nodes: impl Fn(CellKind) -> usize,
    ) -> Vec<CellShape> {
        let (mut older, mut last, mut width, mut reduced) = (outputs, outputs, channels, stem.maps() > 1);
        let shape = |(i, &kind): (usize, &CellKind)| {
            let residual = stacking.halves_before(i, layout.len());
            if kind == CellKind::Reduction || residual {
                width *= 2;
            }
            let inputs = [older, last];
            let shape = CellShape { kind, stacking, channels: width, inputs, halve_first: reduced, residual };
            let joined = if stacking == Stacking::Darts { nodes(kind) } else { 1 };
            (older, last, reduced) = (last, joined * width, kind == CellKind::Reduction);
            shape
        };
        layout.iter().enumerate().map(shape).collect()
    }
}
