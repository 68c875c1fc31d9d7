//! A network as states and what leads from one to another, from its plan.

use std::ops::Range;

use super::step::{Step, Window};
use crate::nn::convolved::ConvolutionPlan;
use crate::nn::edge::Branch;
use crate::nn::layout::{BlockLayout, Kind};
use crate::nn::norm::NormSlot;
use crate::nn::plan::{CellPlan, Entry, NetworkPlan, ProjectionPlan};
use crate::nn::stem::StemPlan;
use crate::space::{Compute, Operation};

/// Steps from one state, whose result is added to another.
pub(super) struct Link {
    /// The block that has its weights.
    pub block: usize,
    pub from: usize,
    pub to: usize,
    /// First channel that it is added to.
    pub channel: usize,
    /// Where its mixing weight is among all; without, it counts whole.
    pub mixing: Option<usize>,
    pub steps: Vec<Step>,
}

pub(super) struct Graph {
    /// `[H, W, C]` of each state; the first is the pictures.
    pub shapes: Vec<[usize; 3]>,
    /// In an order in which what they read is done.
    pub links: Vec<Link>,
    /// The state that is averaged.
    pub last: usize,
    pub classes: usize,
}

/// The norm whose statistics are there.
fn norm(layout: &BlockLayout, slot: NormSlot) -> Step {
    let named = layout.norms.iter().find(|n| n.slot == slot).map_or("", |n| n.name.as_str());
    let place = |kind: Kind, part: &str| -> Option<Range<usize>> {
        let found = layout.slots.iter().find(|s| s.kind == kind && s.name == format!("{named}.{part}"))?;
        Some(found.offset..found.offset + found.len())
    };
    let affine = place(Kind::NormWeight, "weight").zip(place(Kind::NormBias, "bias"));
    Step::Norm { affine }
}

/// The window of the weights at a place, and what is behind them.
fn window(layout: &BlockLayout, offset: usize, stride: [usize; 2], dilation: usize) -> (Window, usize) {
    let slot = layout.slots.iter().find(|s| s.offset == offset && !s.is_empty());
    let Some(slot) = slot else { return (Window::default(), offset) };
    let (kernel, depthwise) = match slot.kind {
        Kind::Depthwise { kernel } => ([kernel; 2], true),
        Kind::Convolution { kernel } => (kernel, false),
        _ => ([1; 2], false),
    };
    let end = offset + slot.len();
    let first = kernel.map(|side| -((dilation * (side - 1) / 2) as isize));
    let of = Window { weights: offset..end, kernel, stride, dilation, first, outputs: slot.outputs, depthwise };
    (of, end)
}

/// FactorizedReduce without its norm.
fn halved(layout: &BlockLayout, offset: usize) -> Vec<Step> {
    let (left, end) = window(layout, offset, [2; 2], 1);
    let (right, _) = window(layout, end, [2; 2], 1);
    vec![Step::Relu, Step::Convolve(vec![left, Window { first: [1; 2], ..right }])]
}

fn projection(layout: &BlockLayout, plan: &ProjectionPlan) -> Vec<Step> {
    let at = plan.weights.start;
    let mut steps = match plan.halve {
        true => halved(layout, at),
        false => vec![Step::Relu, Step::Convolve(vec![window(layout, at, [1; 2], 1).0])],
    };
    steps.push(norm(layout, plan.norm));
    steps
}

/// A convolution and its norm.
fn normed(layout: &BlockLayout, plan: &ConvolutionPlan) -> [Step; 2] {
    let own = window(layout, plan.weights.start, [plan.stride; 2], 1).0;
    [Step::Convolve(vec![own]), norm(layout, plan.norm)]
}

/// An operation of an edge.
fn branch(layout: &BlockLayout, branch: &Branch, stride: usize) -> Vec<Step> {
    let at = branch.offset;
    let mut steps = match branch.operation.compute() {
        Compute::Zero => Vec::new(),
        Compute::Identity if stride == 1 => Vec::new(),
        Compute::Identity => halved(layout, at),
        Compute::MaxPool { window } => vec![Step::MaxPool { window, stride }],
        Compute::AveragePool { window } => vec![Step::AveragePool { window, stride, before: (window - 1) / 2 }],
        Compute::Noise => vec![Step::Noise { place: branch.place, stride }],
        Compute::Separable { dilation, halves, .. } => {
            let mut steps = Vec::new();
            for half in 0..halves {
                let stride = if half == 0 { stride } else { 1 };
                let (depthwise, end) = window(layout, branch.convolution(half).start, [stride; 2], dilation);
                let pointwise = window(layout, end, [1; 2], 1).0;
                steps.extend([Step::Relu, Step::Convolve(vec![depthwise]), Step::Convolve(vec![pointwise])]);
                steps.extend(branch.norms.get(half).map(|slot| norm(layout, *slot)));
            }
            return steps;
        }
        // A bias before a norm has no effect.
        Compute::Dense { .. } => vec![Step::Relu, Step::Convolve(vec![window(layout, at, [stride; 2], 1).0])],
        Compute::Factorised { .. } => {
            let (row, end) = window(layout, at, [1, stride], 1);
            let column = window(layout, end, [stride, 1], 1).0;
            vec![Step::Relu, Step::Convolve(vec![row]), Step::Convolve(vec![column])]
        }
    };
    steps.extend(branch.norms.first().map(|slot| norm(layout, *slot)));
    steps
}

impl Graph {
    /// Of a supernet that looks at pictures of this height and width.
    pub fn new(plan: &NetworkPlan, [height, width]: [usize; 2]) -> Graph {
        let pictures = [height, width, plan.stem.inputs()];
        let mut graph = Graph { shapes: vec![pictures], links: Vec::new(), last: 0, classes: plan.classes };
        let mut outputs = graph.stem(&plan.stem);
        let stems = outputs.len();
        let sizes = plan.sizes([1, height, width]);
        for (i, (cell, sizes)) in plan.cells.iter().zip(&sizes).enumerate() {
            let read: Vec<usize> = cell.reads(i, stems).map(|at| outputs[at]).collect();
            let output = cell.output_size(sizes);
            outputs.push(graph.cell(i + 1, cell, &read, output, plan.mixing(i).start));
        }
        graph.last = outputs.last().copied().unwrap_or(0);
        if let Some(closing) = &plan.closing {
            let steps = vec![norm(&closing.layout, closing.norm), Step::Relu];
            graph.last = graph.then(plan.closing_block(), graph.last, steps);
        }
        graph
    }

    fn state(&mut self, shape: [usize; 3]) -> usize {
        self.shapes.push(shape);
        self.shapes.len() - 1
    }

    /// A state that these steps alone lead to.
    fn then(&mut self, block: usize, from: usize, steps: Vec<Step>) -> usize {
        let shape = steps.iter().fold(self.shapes[from], |shape, step| step.shape(shape));
        let to = self.state(shape);
        self.links.push(Link { block, from, to, channel: 0, mixing: None, steps });
        to
    }

    /// Shape of what a link makes.
    pub fn made(&self, link: &Link) -> [usize; 3] {
        link.steps.iter().fold(self.shapes[link.from], |shape, step| step.shape(shape))
    }

    /// The first link into a state.
    pub fn first_into(&self, state: usize) -> Option<usize> {
        self.links.iter().position(|link| link.to == state)
    }

    /// The maps that the stem gives.
    fn stem(&mut self, stem: &StemPlan) -> Vec<usize> {
        match stem {
            StemPlan::Plain(plan) => {
                let own = window(&plan.layout, 0, [1; 2], 1).0;
                vec![self.then(0, 0, vec![Step::Convolve(vec![own]), norm(&plan.layout, plan.norm)])]
            }
            StemPlan::Halving(plan) => {
                let mut maps = vec![0];
                for (k, own) in plan.convolutions.iter().enumerate() {
                    let relu = (k > 0).then_some(Step::Relu);
                    let steps = relu.into_iter().chain(normed(&plan.layout, own)).collect();
                    maps.push(self.then(0, maps[k], steps));
                }
                maps.split_off(2)
            }
        }
    }

    fn entry(&mut self, block: usize, from: usize, cell: &CellPlan, entry: &Entry) -> usize {
        let layout = &cell.layout;
        match entry {
            Entry::Whole => from,
            Entry::Project(plan) => self.then(block, from, projection(layout, plan)),
            Entry::Residual(plan) => {
                let main = plan.convolutions.iter().flat_map(|own| {
                    let [convolution, norm] = normed(layout, own);
                    [Step::Relu, convolution, norm]
                });
                let to = self.then(block, from, main.collect());
                let own = window(layout, plan.side.start, [1; 2], 1).0;
                let steps = vec![Step::AveragePool { window: 2, stride: 2, before: 0 }, Step::Convolve(vec![own])];
                self.links.push(Link { block, from, to, channel: 0, mixing: None, steps });
                to
            }
        }
    }

    /// `mixing` is where the weights of its kind begin.
    fn cell(&mut self, block: usize, cell: &CellPlan, read: &[usize], (h, w): (usize, usize), mixing: usize) -> usize {
        let channels = cell.shape.channels;
        let mut states: Vec<usize> =
            cell.entries.iter().zip(read).map(|(entry, from)| self.entry(block, *from, cell, entry)).collect();
        for node in 0..cell.nodes {
            let to = self.state([h, w, channels]);
            for edge in cell.edges.iter().filter(|e| e.node == node) {
                for own in edge.branches.iter().filter(|b| b.operation != Operation::None) {
                    let steps = branch(&cell.layout, own, edge.stride);
                    let mixing = cell.mixed().then_some(mixing + edge.row + own.column);
                    self.links.push(Link { block, from: states[edge.source], to, channel: 0, mixing, steps });
                }
            }
            states.push(to);
        }
        let joined: Vec<usize> = cell.concat.iter().map(|node| states[cell.inputs() + node]).collect();
        if let [only] = joined[..] {
            return only;
        }
        let to = self.state([h, w, cell.outputs()]);
        for (i, from) in joined.into_iter().enumerate() {
            let channel = i * channels;
            self.links.push(Link { block, from, to, channel, mixing: None, steps: Vec::new() });
        }
        to
    }

    /// Peak bytes of a pass without a way back: all states, and two maps of an operation.
    pub fn forward_bytes(&self, images: usize) -> u64 {
        let of = |shape: &[usize; 3]| 16 * (images * shape.iter().product::<usize>()) as u64;
        let two = |link: &Link| {
            let mut shape = self.shapes[link.from];
            let made = link.steps.iter().map(|step| {
                let before = of(&shape);
                shape = step.shape(shape);
                before + of(&shape)
            });
            made.max().unwrap_or(0)
        };
        self.shapes.iter().map(of).sum::<u64>() + self.links.iter().map(two).max().unwrap_or(0)
    }

    /// Peak bytes of a pass and its way back over so many pictures: what [`super::GraphPass::run`] has at once.
    pub fn bytes(&self, images: usize) -> u64 {
        // Each number and its derivative.
        let of = |shape: &[usize; 3]| 16 * (images * shape.iter().product::<usize>()) as u64;
        let mut live: u64 = self.shapes.iter().map(of).sum::<u64>() + of(&self.shapes[self.last]);
        let mut peak = live;
        let mut alive = vec![false; self.shapes.len()];
        alive[self.last] = true;
        for (i, link) in self.links.iter().enumerate().rev() {
            let shapes: Vec<[usize; 3]> = std::iter::once(self.shapes[link.from])
                .chain(link.steps.iter().scan(self.shapes[link.from], |shape, step| {
                    *shape = step.shape(*shape);
                    Some(*shape)
                }))
                .collect();
            let widest = shapes.windows(2).map(|pair| of(&pair[0]) + of(&pair[1])).max();
            let between: u64 = shapes.iter().skip(1).rev().skip(1).map(of).sum();
            let own = between + widest.unwrap_or(of(&shapes[0]));
            if link.from > 0 && !std::mem::replace(&mut alive[link.from], true) {
                live += of(&self.shapes[link.from]);
            }
            peak = peak.max(live + own);
            if self.first_into(link.to) == Some(i) {
                live -= of(&self.shapes[link.to]) * (1 + u64::from(alive[link.to]));
            }
        }
        peak
    }
}
