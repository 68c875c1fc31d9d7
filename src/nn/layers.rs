//! An evaluation network in evaluation mode as a list of plain layers, for programs that are not ours: the plan is walked once
//! more, and each layer says in ordinary words what it does and by which published names it finds its weights. The auxiliary
//! head, which only helps a training, has none.

use super::convolved::ConvolutionPlan;
use super::layout::BlockLayout;
use super::norm::NormSlot;
use super::plan::{CellPlan, CellSizes, Entry, NetworkPlan, ProjectionPlan};
use super::stem::StemPlan;
use super::{Evaluation, NnError};
use crate::space::{Compute, Operation};

/// What a layer does to maps `[N, C, H, W]`. `pads` are rows and columns of zeros: above, left, below, right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerKind {
    /// The negative numbers become 0.
    Relu,
    /// A convolution without bias; `weight` is the tensor's name, `[C_out, C_in / groups, kernel[0], kernel[1]]`. Of kernel and
    /// stride that along the rows comes first.
    Convolution {
        weight: String,
        kernel: [usize; 2],
        stride: [usize; 2],
        dilation: usize,
        groups: usize,
        pads: [usize; 4],
    },
    /// A batch norm by its running statistics: `name.weight`, `name.bias`, `name.running_mean`, `name.running_var`.
    Norm {
        name: String,
    },
    MaxPool {
        window: usize,
        stride: usize,
        pads: [usize; 4],
    },
    /// Averages over what is there: pads do not count.
    AveragePool {
        window: usize,
        stride: usize,
        pads: [usize; 4],
    },
    /// All inputs, added up in their order.
    Add,
    /// All inputs, channel after channel.
    Join,
    /// So many rows of zeros below and columns at the right; then without the first row and the first column.
    Shift {
        below: usize,
        right: usize,
    },
    /// Zeros of the layer's shape, whatever the input is.
    Zeros,
    /// Means over the pixels, `[N, C]`.
    Average,
    /// `name.weight` `[classes, C]` and `name.bias`.
    Linear {
        name: String,
    },
}

/// One layer, and what it reads: value 0 is the pictures, value `i + 1` what layer `i` gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    pub kind: LayerKind,
    pub inputs: Vec<usize>,
    /// Channels, height and width of what it gives; after [`LayerKind::Average`] only the first counts.
    pub shape: [usize; 3],
}

/// The epsilon of every batch norm.
pub const NORM_EPSILON: f64 = crate::kernels::norm::EPSILON;

impl Evaluation {
    /// The layers of a pass over pictures of this size, without the auxiliary head; the last gives the logits.
    ///
    /// # Errors
    /// An operation that no other program has: `noise` draws anew in every pass.
    pub fn layers(&self, height: usize, width: usize) -> Result<Vec<Layer>, NnError> {
        let plan = self.plan();
        let mut walk = Walk { layers: Vec::new(), pictures: [self.config().input_channels, height, width] };
        let sizes = plan.sizes([1, height, width]);
        // By number of what a cell reads: the stem's, then the cells' own.
        let mut outputs = walk.stem(&plan.stem);
        let stems = outputs.len();
        for (i, (cell, sizes)) in plan.cells.iter().zip(&sizes).enumerate() {
            let read = cell.reads(i, stems).map(|at| outputs[at]).collect::<Vec<_>>();
            let output = walk.cell(cell, sizes, &read)?;
            outputs.push(output);
        }
        walk.end(plan, outputs.last().copied().unwrap_or_default());
        Ok(walk.layers)
    }
}

/// How a window moves.
struct Window {
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: usize,
    groups: usize,
}

impl Window {
    const fn new(kernel: usize, stride: usize) -> Window {
        Window { kernel: [kernel; 2], stride: [stride; 2], dilation: 1, groups: 1 }
    }
}

struct Walk {
    layers: Vec<Layer>,
    pictures: [usize; 3],
}

/// The name of the tensor at a place of a block.
fn slot(layout: &BlockLayout, offset: usize) -> String {
    layout.slots.iter().find(|s| s.offset == offset).map(|s| s.name.clone()).unwrap_or_default()
}

/// The name of the tensor behind that one.
fn next_slot(layout: &BlockLayout, offset: usize) -> (usize, String) {
    let next = layout.slots.iter().skip_while(|s| s.offset != offset).nth(1);
    next.map(|s| (s.offset, s.name.clone())).unwrap_or_default()
}

impl Walk {
    fn add(&mut self, kind: LayerKind, inputs: Vec<usize>, shape: [usize; 3]) -> usize {
        self.layers.push(Layer { kind, inputs, shape });
        self.layers.len()
    }

    fn shape(&self, value: usize) -> [usize; 3] {
        value.checked_sub(1).map_or(self.pictures, |layer| self.layers[layer].shape)
    }

    /// Made once for all who read it.
    fn relu(&mut self, value: usize) -> usize {
        let there = self.layers.iter().position(|l| l.kind == LayerKind::Relu && l.inputs == [value]);
        there.map_or_else(|| self.add(LayerKind::Relu, vec![value], self.shape(value)), |layer| layer + 1)
    }

    /// The maps have `ceil(size / stride)` pixels a side, as everywhere here.
    fn convolution(&mut self, x: usize, layout: &BlockLayout, offset: usize, window: &Window, outputs: usize) -> usize {
        self.named_convolution(x, slot(layout, offset), window, outputs)
    }

    fn named_convolution(&mut self, x: usize, weight: String, window: &Window, outputs: usize) -> usize {
        let Window { kernel, stride, dilation, groups } = *window;
        let [_, h, w] = self.shape(x);
        let [above, left] = kernel.map(|side| dilation * (side - 1) / 2);
        let pads = [above, left, above, left];
        let kind = LayerKind::Convolution { weight, kernel, stride, dilation, groups, pads };
        self.add(kind, vec![x], [outputs, h.div_ceil(stride[0]), w.div_ceil(stride[1])])
    }

    /// The maps that the stem gives.
    fn stem(&mut self, stem: &StemPlan) -> Vec<usize> {
        match stem {
            StemPlan::Plain(plan) => {
                let map = self.convolution(0, &plan.layout, 0, &Window::new(3, 1), plan.outputs);
                vec![self.norm(map, &plan.layout, plan.norm)]
            }
            StemPlan::Halving(plan) => {
                let mut maps = Vec::new();
                let mut x = 0;
                for (k, own) in plan.convolutions.iter().enumerate() {
                    x = if k == 0 { x } else { self.relu(x) };
                    x = self.normed(x, &plan.layout, own, 2);
                    maps.push(x);
                }
                maps.split_off(1)
            }
        }
    }

    /// A 3x3 convolution with its norm.
    fn normed(&mut self, x: usize, layout: &BlockLayout, plan: &ConvolutionPlan, stride: usize) -> usize {
        let z = self.convolution(x, layout, plan.weights.start, &Window::new(3, stride), plan.outputs);
        self.norm(z, layout, plan.norm)
    }

    fn norm(&mut self, x: usize, layout: &BlockLayout, slot: NormSlot) -> usize {
        let name = layout.norms.iter().find(|n| n.slot == slot).map(|n| n.name.clone()).unwrap_or_default();
        self.add(LayerKind::Norm { name }, vec![x], self.shape(x))
    }

    /// FactorizedReduce without its norm: two strided 1x1 convolutions, the second of the map moved by one pixel. Where a side
    /// is odd the moved map goes on with zeros, so that both halves have as many pixels.
    fn halved(&mut self, x: usize, layout: &BlockLayout, offset: usize, outputs: usize) -> usize {
        let (x, first) = (self.relu(x), outputs / 2);
        let [channels, h, w] = self.shape(x);
        let (_, second_weight) = next_slot(layout, offset);
        let left = self.convolution(x, layout, offset, &Window::new(1, 2), first);
        let (below, right) = (h % 2, w % 2);
        let moved = self.add(LayerKind::Shift { below, right }, vec![x], [channels, h - 1 + below, w - 1 + right]);
        let right = self.named_convolution(moved, second_weight, &Window::new(1, 2), outputs - first);
        let [_, oh, ow] = self.shape(left);
        self.add(LayerKind::Join, vec![left, right], [outputs, oh, ow])
    }

    fn projection(&mut self, x: usize, layout: &BlockLayout, plan: &ProjectionPlan) -> usize {
        let (at, outputs) = (plan.weights.start, plan.norm.channels);
        let z = match plan.halve {
            true => self.halved(x, layout, at, outputs),
            false => {
                let x = self.relu(x);
                self.convolution(x, layout, at, &Window::new(1, 1), outputs)
            }
        };
        self.norm(z, layout, plan.norm)
    }

    fn entry(&mut self, x: usize, cell: &CellPlan, entry: &Entry) -> usize {
        let layout = &cell.layout;
        match entry {
            Entry::Whole => x,
            Entry::Project(plan) => self.projection(x, layout, plan),
            Entry::Residual(plan) => {
                let mut main = x;
                for (own, stride) in plan.convolutions.iter().zip([2, 1]) {
                    main = self.relu(main);
                    main = self.normed(main, layout, own, stride);
                }
                let [c, h, w] = self.shape(x);
                // At odd sizes the last row and column stay by themselves.
                let kind = LayerKind::AveragePool { window: 2, stride: 2, pads: [0, 0, h % 2, w % 2] };
                let side = self.add(kind, vec![x], [c, h.div_ceil(2), w.div_ceil(2)]);
                let side = self.convolution(side, layout, plan.side.start, &Window::new(1, 1), plan.outputs);
                self.add(LayerKind::Add, vec![main, side], self.shape(main))
            }
        }
    }

    fn cell(&mut self, cell: &CellPlan, sizes: &CellSizes, read: &[usize]) -> Result<usize, NnError> {
        let mut states: Vec<usize> =
            cell.entries.iter().zip(read).map(|(entry, value)| self.entry(*value, cell, entry)).collect();
        let (h, w) = cell.output_size(sizes);
        for node in 0..cell.nodes {
            let mut terms = Vec::new();
            for edge in cell.edges.iter().filter(|e| e.node == node) {
                for branch in &edge.branches {
                    terms.push(self.branch(states[edge.source], cell, branch, edge.stride)?);
                }
            }
            let shape = [cell.shape.channels, h, w];
            states.push(match terms[..] {
                // Nothing leads there.
                [] => self.add(LayerKind::Zeros, vec![states[0]], shape),
                [one] => one,
                _ => self.add(LayerKind::Add, terms, shape),
            });
        }
        let joined: Vec<usize> = cell.concat.iter().map(|node| states[cell.inputs() + node]).collect();
        Ok(match joined[..] {
            [one] => one,
            _ => self.add(LayerKind::Join, joined, [cell.outputs(), h, w]),
        })
    }

    /// An operation of an edge.
    fn branch(
        &mut self,
        x: usize,
        cell: &CellPlan,
        branch: &super::edge::Branch,
        stride: usize,
    ) -> Result<usize, NnError> {
        let (layout, c) = (&cell.layout, cell.shape.channels);
        let [_, h, w] = self.shape(x);
        let pooled = [c, h.div_ceil(stride), w.div_ceil(stride)];
        Ok(match branch.operation.compute() {
            Compute::Zero => self.add(LayerKind::Zeros, vec![x], pooled),
            Compute::MaxPool { window } => {
                let kind = LayerKind::MaxPool { window, stride, pads: [(window - 1) / 2; 4] };
                self.add(kind, vec![x], pooled)
            }
            Compute::AveragePool { window } => {
                let kind = LayerKind::AveragePool { window, stride, pads: [(window - 1) / 2; 4] };
                self.add(kind, vec![x], pooled)
            }
            Compute::Identity if stride == 1 => x,
            Compute::Identity => {
                let z = self.halved(x, layout, branch.offset, c);
                self.norm(z, layout, branch.norms[0])
            }
            Compute::Separable { window, dilation, halves } => {
                let mut x = x;
                for half in 0..halves {
                    let at = branch.convolution(half).start;
                    let stride = if half == 0 { stride } else { 1 };
                    x = self.relu(x);
                    x = self.convolution(
                        x,
                        layout,
                        at,
                        &Window { dilation, groups: c, ..Window::new(window, stride) },
                        c,
                    );
                    x = self.named_convolution(x, next_slot(layout, at).1, &Window::new(1, 1), c);
                    x = self.norm(x, layout, branch.norms[half]);
                }
                x
            }
            Compute::Dense { window } => {
                let x = self.relu(x);
                let z = self.convolution(x, layout, branch.offset, &Window::new(window, stride), c);
                self.norm(z, layout, branch.norms[0])
            }
            Compute::Factorised { window } => {
                let [row, column] = [[1, window], [window, 1]].map(|kernel| Window {
                    kernel,
                    stride: kernel.map(|side| if side > 1 { stride } else { 1 }),
                    ..Window::new(1, 1)
                });
                let x = self.relu(x);
                let between = self.convolution(x, layout, branch.offset, &row, c);
                let z = self.named_convolution(between, next_slot(layout, branch.offset).1, &column, c);
                self.norm(z, layout, branch.norms[0])
            }
            Compute::Noise => return Err(refused(branch.operation)),
        })
    }

    /// From the last cell's output to the logits.
    fn end(&mut self, plan: &NetworkPlan, mut x: usize) {
        if let Some(closing) = &plan.closing {
            x = self.norm(x, &closing.layout, closing.norm);
            x = self.relu(x);
        }
        let [c, ..] = self.shape(x);
        x = self.add(LayerKind::Average, vec![x], [c, 1, 1]);
        let weight = slot(&plan.classifier, 0);
        let name = weight.strip_suffix(".weight").unwrap_or(&weight).to_string();
        self.add(LayerKind::Linear { name }, vec![x], [plan.classes, 1, 1]);
    }
}

fn refused(operation: Operation) -> NnError {
    NnError::Config(format!(
        "the genotype takes `{operation}`, which draws anew in every pass: no other program has it"
    ))
}

#[cfg(test)]
mod tests;
