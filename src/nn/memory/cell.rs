//! How many bytes a cell's passes take on a processor: the walk through it, with counts of what its steps take and give back.

use std::convert::Infallible;
use std::sync::Arc;

use super::ledger::{self, Ledger};
use crate::kernels::dense::Shape;
use crate::kernels::matrix::Packed;
use crate::nn::Policy;
use crate::nn::edge::{Branch, Geometry, halves, is_noise, is_separable};
use crate::nn::plan::{CellPlan, CellSizes, Entry};
use crate::nn::walk::{CellBackward, CellForward};
use crate::space::{Compute, Operation};

/// One edge, in numbers.
struct EdgeNumbers {
    /// Maps before the first and before the second norm, one size each.
    map: u64,
    first: u64,
    second: u64,
    /// Weights of what is passed first on the way back, and of the first halves of separable convolutions.
    outer: u64,
    inner: u64,
    /// Pointwise weights made ready for the backward pass: blocks of so many numbers.
    ready: u64,
    packed: u64,
    /// The same of dense convolutions: for the forward pass, and for the backward pass.
    dense: u64,
    turned: u64,
}

/// An input of a cell, in numbers.
struct EntryNumbers {
    input: u64,
    /// As the edges read it.
    map: u64,
    of: Entering,
}

enum Entering {
    Whole,
    /// It may be kept as it was before a norm with scale and shift.
    Projected {
        affine: bool,
        weights: u64,
    },
    /// Weights of both convolutions and of the one beside them.
    Residual {
        convolutions: [u64; 2],
        side: u64,
    },
}

/// One cell, in numbers.
pub(super) struct CellNumbers {
    plan: Arc<CellPlan>,
    pub parameters: u64,
    pub running: u64,
    node: u64,
    /// Nodes, and those of them that the output is made of.
    nodes: u64,
    joined: u64,
    entries: Vec<EntryNumbers>,
    edges: Vec<EdgeNumbers>,
}

impl CellNumbers {
    pub fn new(plan: &Arc<CellPlan>, sizes: &CellSizes) -> CellNumbers {
        let (h, w) = plan.output_size(sizes);
        let c = plan.shape.channels;
        let map = |size: (usize, usize), channels: usize| (sizes.images * size.0 * size.1 * channels) as u64;
        let entries = plan.entries.iter().enumerate().map(|(i, entry)| {
            let size = sizes.input(i, plan.inputs());
            let of = match entry {
                Entry::Whole => Entering::Whole,
                Entry::Project(p) => Entering::Projected { affine: p.affine, weights: p.weights.len() as u64 },
                Entry::Residual(r) => Entering::Residual {
                    convolutions: [0, 1].map(|k: usize| r.convolutions[k].weights.len() as u64),
                    side: r.side.len() as u64,
                },
            };
            let inputs = plan.shape.inputs[plan.shape.inputs.len() - plan.inputs() + i];
            EntryNumbers { input: map(size, inputs), map: map(entry.size(size), c), of }
        });
        let edges = plan.edges.iter().enumerate().map(|(e, edge)| {
            let g: Geometry = plan.geometry(sizes, e);
            let halved = |b: &Branch| if is_separable(b.operation) { b.len / 2 } else { 0 };
            let (mut dense, mut turned) = (0, 0);
            for b in &edge.branches {
                let (shapes, both) = match b.operation.compute() {
                    Compute::Dense { window } => (vec![g.dense(window)], false),
                    // What is between the two is made again on the way back.
                    Compute::Factorised { window } => (g.factorised(window).to_vec(), true),
                    _ => continue,
                };
                for [forward, backward] in shapes.iter().map(Shape::ready_len) {
                    dense += forward;
                    turned += backward + if both { forward } else { 0 };
                }
            }
            let count =
                |of: &dyn Fn(Operation) -> bool| edge.branches.iter().filter(|b| of(b.operation)).count() as u64;
            EdgeNumbers {
                map: (g.images * g.output()) as u64,
                first: count(&|o| o.is_convolution() || halves(o, g.stride) || is_noise(o)),
                second: count(&is_separable),
                outer: edge.branches.iter().map(|b| (b.len - halved(b)) as u64).sum(),
                inner: edge.branches.iter().map(|b| halved(b) as u64).sum(),
                ready: 2 * edge.branches.iter().map(|b| g.convolutions(b.operation).len() as u64).sum::<u64>(),
                packed: (c * Packed::width(c)) as u64,
                dense: dense as u64,
                turned: turned as u64,
            }
        });
        CellNumbers {
            parameters: plan.layout.len as u64,
            running: plan.layout.running as u64,
            node: map((h, w), c),
            nodes: plan.nodes as u64,
            joined: plan.concat.len() as u64,
            plan: plan.clone(),
            entries: entries.collect(),
            edges: edges.collect(),
        }
    }

    pub fn output(&self) -> u64 {
        self.joined * self.node
    }

    /// Leaves the output and, to `keep` for a way back, what that needs; returns the bytes of the latter.
    pub fn forward(&self, l: &mut Ledger, policy: Policy, keep: bool) -> u64 {
        let mut steps = Made { l, cell: self, keep, entered: 0, nodes: 0, kept: 0 };
        let Ok(()) = self.plan.forward(policy, keep, &mut steps);
        let Made { entered, nodes, kept, .. } = steps;
        // A single node is the output as it is.
        let moved = if self.joined == 1 { ledger::bytes(self.node) } else { 0 };
        if self.joined > 1 {
            l.take(self.output());
        }
        let loose = if keep { (self.nodes - self.joined) * ledger::bytes(self.node) } else { 0 };
        l.give_bytes(nodes - moved - loose);
        if keep {
            kept + entered + loose
        } else {
            l.give_bytes(entered);
            0
        }
    }

    /// Maps behind norms with scale and shift, beside those before them.
    fn formed(&self, l: &mut Ledger) -> u64 {
        let affine = |e: &&EntryNumbers| matches!(e.of, Entering::Projected { affine: true, .. });
        self.entries.iter().filter(affine).map(|e| l.take(e.map)).sum()
    }

    /// The way back: the gradient of the output, which is there, goes, and those of the inputs are made or added to. `weights`:
    /// their gradients are wanted; they are made in so many `groups`.
    pub fn backward(&self, l: &mut Ledger, policy: Policy, weights: bool, inputs: Inputs, groups: u64) {
        let mut maps = self.formed(l);
        if self.joined == 1 {
            // The output's gradient is that of its node.
            maps += (1..self.nodes).map(|_| l.take(self.node)).sum::<u64>() + ledger::bytes(self.node);
        } else {
            maps += (0..self.joined + self.nodes).map(|_| l.take(self.node)).sum::<u64>();
            // The nodes' gradients were parts of the output's.
            l.give(1, self.output());
        }
        let entered = self.entries.iter().zip(inputs.reached).map(|(e, own)| if *own { l.take(e.map) } else { 0 });
        let entered = entered.collect();
        let reached = inputs.reached;
        let mut steps = Back { l, cell: self, policy, weights, inputs, groups, maps, entered, held: 0 };
        let Ok(()) = self.plan.backward(reached, &mut steps);
        let held = steps.held;
        l.give_bytes(held);
    }
}

/// What a cell reads on its way back.
pub(super) struct Inputs<'l> {
    /// Outputs, by input, and whether each has a gradient.
    pub reads: &'l [usize],
    pub reached: &'l [bool],
    /// By output, whether there is something of its gradient.
    pub there: &'l mut [bool],
}

/// A forward pass under way.
struct Made<'l> {
    l: &'l mut Ledger,
    cell: &'l CellNumbers,
    keep: bool,
    /// Bytes of what the inputs became, of the nodes and what is alive beside them, and of maps that are kept.
    entered: u64,
    nodes: u64,
    kept: u64,
}

impl CellForward for Made<'_> {
    type Fault = Infallible;
    /// Their bytes.
    type Maps = u64;

    fn enter(&mut self, i: usize) -> Result<(), Infallible> {
        self.entered += self.cell.entries[i].forward(self.l, self.keep);
        Ok(())
    }

    fn open(&mut self) -> Result<(), Infallible> {
        self.nodes = self.cell.formed(self.l);
        self.nodes += (0..self.cell.nodes).map(|_| self.l.take(self.cell.node)).sum::<u64>();
        Ok(())
    }

    fn branches(&mut self, _: usize, edges: &[usize]) -> Result<u64, Infallible> {
        let edges = edges.iter().map(|e| &self.cell.edges[*e]);
        Ok(edges
            .map(|edge| {
                self.l.in_passing(edge.dense);
                edge.make(self.l)
            })
            .sum())
    }

    fn mix(&mut self, _: usize, _: &[usize], _: &[usize], _: &[bool], _: &u64) -> Result<(), Infallible> {
        Ok(())
    }

    fn keep(&mut self, _: usize, _: &[usize], maps: u64) {
        self.kept += maps;
    }

    fn give_up(&mut self, maps: u64) {
        self.l.give_bytes(maps);
    }
}

/// A way back that has begun.
struct Back<'l> {
    l: &'l mut Ledger,
    cell: &'l CellNumbers,
    policy: Policy,
    weights: bool,
    inputs: Inputs<'l>,
    groups: u64,
    /// Bytes of the nodes, of their gradients and of what is alive beside them.
    maps: u64,
    /// Of the gradients of what edges read of each input.
    entered: Vec<u64>,
    /// What goes when the cell ends.
    held: u64,
}

impl Back<'_> {
    /// The gradient of so many weights, in parts and together.
    fn parts(&mut self, weights: u64) {
        if self.weights {
            let parts: u64 = (0..self.groups).map(|_| self.l.take(weights)).sum::<u64>() + self.l.take(weights);
            self.l.give_bytes(parts);
        }
    }
}

impl CellBackward for Back<'_> {
    type Fault = Infallible;

    fn source(&mut self, _: usize, edges: &[usize], reached: bool) -> Result<(), Infallible> {
        let cell = self.cell;
        let edges = || edges.iter().map(|e| &cell.edges[*e]);
        let again = self.policy == Policy::Recompute;
        if !reached {
            for e in edges().filter(|_| again) {
                let again = e.make(self.l);
                self.l.give_bytes(again);
            }
            return Ok(());
        }
        let mut held = 0;
        if again {
            for e in edges() {
                let again = e.make(self.l);
                let ready: u64 = (0..e.ready / 2).map(|_| self.l.take(e.packed)).sum();
                let ready = ready + self.l.take(e.turned);
                held += (0..e.second).map(|_| self.l.take(e.map)).sum::<u64>();
                self.parts(e.outer);
                // What the first norms of separable convolutions read stays for the next step.
                let first = e.second * ledger::bytes(e.map);
                held += first;
                self.l.give_bytes(again - first + ready);
            }
        } else {
            let ready: u64 = edges().map(|e| (0..e.ready / 2).map(|_| self.l.take(e.packed)).sum::<u64>()).sum();
            let ready = ready + edges().map(|e| self.l.take(e.turned)).sum::<u64>();
            held += edges().map(|e| (0..e.second).map(|_| self.l.take(e.map)).sum::<u64>()).sum::<u64>();
            self.parts(edges().map(|e| e.outer).sum());
            self.l.give_bytes(ready);
        }
        let ready: u64 = edges().map(|e| (0..2 * e.second).map(|_| self.l.take(e.packed)).sum::<u64>()).sum();
        self.parts(edges().map(|e| e.inner).sum());
        self.l.give_bytes(held + ready);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Infallible> {
        self.l.give_bytes(self.maps);
        Ok(())
    }

    fn enter(&mut self, i: usize) -> Result<(), Infallible> {
        let fresh = !std::mem::replace(&mut self.inputs.there[self.inputs.reads[i]], true);
        self.held += self.cell.entries[i].backward(self.l, fresh, self.weights, self.entered[i], self.groups);
        Ok(())
    }
}

impl EntryNumbers {
    /// Leaves what the cell holds; returns its bytes.
    fn forward(&self, l: &mut Ledger, keep: bool) -> u64 {
        match self.of {
            Entering::Whole => 0,
            Entering::Projected { .. } => l.take(self.map),
            Entering::Residual { .. } => {
                let both = l.take(self.map) + l.take(self.map);
                // Without a way back each map before a norm lives until the next is there.
                let one = if keep { 0 } else { both / 2 };
                l.give_bytes(one);
                let map = l.take(self.map);
                l.give_bytes(one);
                map + both - 2 * one
            }
        }
    }

    /// `own`: bytes of the gradient of what edges read, which is there. Makes a `fresh` gradient of the input, or adds to that
    /// which is there; returns what goes when the cell ends.
    fn backward(&self, l: &mut Ledger, fresh: bool, weights_wanted: bool, own: u64, groups: u64) -> u64 {
        let parts = |l: &mut Ledger, weights: u64| {
            let parts: u64 = if weights_wanted { (0..groups).map(|_| l.take(weights)).sum() } else { 0 };
            l.give_bytes(parts);
        };
        match self.of {
            // It is the input's gradient itself.
            Entering::Whole => {
                if fresh {
                    0
                } else {
                    own
                }
            }
            Entering::Projected { weights, .. } => {
                if fresh {
                    l.take(self.input);
                }
                parts(l, weights);
                own
            }
            Entering::Residual { convolutions: [first, second], side } => {
                let middle = l.take(self.map);
                parts(l, second);
                l.take(self.input);
                parts(l, first);
                l.give_bytes(middle);
                parts(l, side);
                own
            }
        }
    }
}

impl EdgeNumbers {
    /// All maps of a forward pass.
    fn make(&self, l: &mut Ledger) -> u64 {
        (0..self.first + self.second).map(|_| l.take(self.map)).sum()
    }
}
