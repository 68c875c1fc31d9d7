//! How many bytes a pass needs at its peak: the plan of the network walked block by block with a ledger of what is taken
//! and given back, in the order in which the passes do it. Nothing is allocated or run.

mod gpu;
mod gpu_auxiliary;
mod gpu_count;
mod gpu_entry;
mod gpu_stem;
mod ledger;
mod scoring;
mod scratch;
mod stem;

use self::ledger::Ledger;
pub use self::scoring::PassBytes;
use self::scratch::Scratch;
use self::stem::StemNumbers;
use super::edge::{Branch, Geometry, halves, is_noise, is_separable};
use super::parallel::GROUPS;
use super::plan::{CellPlan, CellSizes, Entry, HeadPlan, NetworkPlan};
use super::{EvaluationConfig, Policy, SupernetConfig};
use crate::kernels::dense::Shape;
use crate::kernels::matrix::Packed;
use crate::space::{Compute, Operation};

/// What a search step needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    pub images: usize,
    pub height: usize,
    pub width: usize,
    /// The architecture step differentiates through an imagined weight step (DARTS, second order).
    pub second_order: bool,
    /// Threads that run passes: each has buffers of its own.
    pub threads: usize,
}

/// Peak of a search step by what it is for, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Weights, momentum, copies of them that the step holds.
    pub weights: u64,
    /// Maps, gradients and buffers of the pass at its peak.
    pub pass: u64,
    /// Buffers of the threads, and what the allocator rounds up.
    pub overhead: u64,
}

impl Footprint {
    /// Peak over the idle process, in bytes.
    pub fn bytes(&self) -> u64 {
        self.weights + self.pass + self.overhead
    }
}

/// One part in so many of the maps is lost to pages that are not full.
const UNFILLED: u64 = 128;

/// What a pass is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Wanted {
    weights: bool,
    mixing: bool,
}

/// One edge, in numbers.
struct EdgeNumbers {
    source: usize,
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
struct CellNumbers {
    parameters: u64,
    running: u64,
    node: u64,
    /// Nodes, and those of them that the output is made of.
    nodes: u64,
    joined: u64,
    /// The outputs that it reads, by input.
    reads: Vec<usize>,
    entries: Vec<EntryNumbers>,
    edges: Vec<EdgeNumbers>,
}

impl CellNumbers {
    /// Number `i`.
    fn new(i: usize, plan: &CellPlan, sizes: &CellSizes, stems: usize) -> CellNumbers {
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
                source: edge.source,
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
            reads: plan.reads(i, stems).collect(),
            entries: entries.collect(),
            edges: edges.collect(),
        }
    }

    fn output(&self) -> u64 {
        self.joined * self.node
    }

    /// Leaves the output and, for a backward pass, what is kept; returns the bytes that are kept.
    fn forward(&self, l: &mut Ledger, policy: Policy, keep: bool) -> u64 {
        let entered: u64 = self.entries.iter().map(|e| e.forward(l, keep)).sum();
        let formed = self.formed(l);
        let mut kept = 0;
        let nodes: u64 = (0..self.nodes).map(|_| l.take(self.node)).sum();
        for e in &self.edges {
            l.in_passing(e.dense);
            let maps = e.make(l);
            if keep && policy == Policy::Keep {
                kept += maps;
            } else {
                l.give_bytes(maps);
            }
        }
        // A single node is the output as it is.
        let moved = if self.joined == 1 { ledger::bytes(self.node) } else { 0 };
        if self.joined > 1 {
            l.take(self.output());
        }
        let loose = if keep { (self.nodes - self.joined) * ledger::bytes(self.node) } else { 0 };
        l.give_bytes(nodes - moved - loose + formed);
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

    /// Backward pass: the gradient of the output (there already) is consumed, those of the inputs are added to what is `there`.
    /// The first `stems` outputs are the stem's.
    fn backward(&self, l: &mut Ledger, policy: Policy, wanted: Wanted, there: &mut [bool], stems: usize, groups: u64) {
        let mut maps = self.formed(l);
        if self.joined == 1 {
            // The output's gradient is that of its node.
            maps += (1..self.nodes).map(|_| l.take(self.node)).sum::<u64>() + ledger::bytes(self.node);
        } else {
            maps += (0..self.joined + self.nodes).map(|_| l.take(self.node)).sum::<u64>();
            // The nodes' gradients were parts of the output's.
            l.give(1, self.output());
        }
        let reads = &self.reads;
        // The stem's outputs need a gradient only for the stem's own weights; before inputs without one there is nothing that
        // has one.
        let reached: Vec<bool> = reads.iter().map(|o| *o >= stems || wanted.weights).collect();
        let inputs: Vec<u64> =
            (0..reads.len()).map(|i| if reached[i] { l.take(self.entries[i].map) } else { 0 }).collect();
        let parts = |l: &mut Ledger, weights: u64| {
            if wanted.weights {
                let parts: u64 = (0..groups).map(|_| l.take(weights)).sum::<u64>() + l.take(weights);
                l.give_bytes(parts);
            }
        };
        for source in (0..self.entries.len() + self.nodes as usize - 1).rev() {
            let edges = || self.edges.iter().filter(|e| e.source == source);
            if reached.get(source) == Some(&false) {
                if policy == Policy::Recompute {
                    for e in edges() {
                        let again = e.make(l);
                        l.give_bytes(again);
                    }
                }
                continue;
            }
            let mut held = 0;
            if policy == Policy::Recompute {
                for e in edges() {
                    let again = e.make(l);
                    let ready: u64 = (0..e.ready / 2).map(|_| l.take(e.packed)).sum();
                    let ready = ready + l.take(e.turned);
                    held += (0..e.second).map(|_| l.take(e.map)).sum::<u64>();
                    parts(l, e.outer);
                    // What the first norms of separable convolutions read stays for the next step.
                    let first = e.second * ledger::bytes(e.map);
                    held += first;
                    l.give_bytes(again - first + ready);
                }
            } else {
                let ready: u64 = edges().map(|e| (0..e.ready / 2).map(|_| l.take(e.packed)).sum::<u64>()).sum();
                let ready = ready + edges().map(|e| l.take(e.turned)).sum::<u64>();
                held += edges().map(|e| (0..e.second).map(|_| l.take(e.map)).sum::<u64>()).sum::<u64>();
                parts(l, edges().map(|e| e.outer).sum());
                l.give_bytes(ready);
            }
            let ready: u64 = edges().map(|e| (0..2 * e.second).map(|_| l.take(e.packed)).sum::<u64>()).sum();
            parts(l, edges().map(|e| e.inner).sum());
            l.give_bytes(held + ready);
        }
        l.give_bytes(maps);
        let mut held = 0;
        for ((entry, own), (read, reached)) in self.entries.iter().zip(inputs).zip(reads.iter().zip(reached)) {
            let fresh = reached && !std::mem::replace(&mut there[*read], true);
            held += entry.backward(l, fresh, wanted.weights, own, groups);
        }
        l.give_bytes(held);
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

/// The whole network, in numbers.
struct Network {
    cells: Vec<CellNumbers>,
    stem: StemNumbers,
    head_parameters: u64,
    groups: u64,
    /// The cell that the auxiliary head follows, and the weights of its convolutions.
    auxiliary: Option<(usize, u64)>,
    /// A norm and a ReLU follow the last cell.
    closing: bool,
    /// That are kept, on all edges of both cells.
    operations: u64,
    /// Buffers of one thread, and those of them that a forward pass uses.
    scratch: u64,
    forward_scratch: u64,
}

impl Network {
    fn of(plan: NetworkPlan, operations: usize, [images, height, width]: [usize; 3]) -> Network {
        let heads = plan.layouts().skip(1 + plan.cells.len()).map(|l| l.len as u64).sum();
        let weights = |h: &HeadPlan| h.projections.iter().map(|p| p.weights.len() as u64).sum();
        let auxiliary = plan.auxiliary.as_deref().map(|h| (h.after, weights(h)));
        let closing = plan.closing.is_some();
        let (sizes, stems) = (plan.sizes([images, height, width]), plan.stems());
        let NetworkPlan { stem, cells: plans, .. } = plan;
        let mut scratch = Scratch::default();
        scratch.add_stem(&stem, (height, width));
        plans.iter().zip(&sizes).for_each(|(plan, sizes)| scratch.add(plan, sizes));
        Network {
            cells: plans
                .iter()
                .zip(&sizes)
                .enumerate()
                .map(|(i, (plan, sizes))| CellNumbers::new(i, plan, sizes, stems))
                .collect(),
            closing,
            stem: StemNumbers::new(&stem, [images, height, width]),
            head_parameters: heads,
            groups: images.div_ceil(images.div_ceil(GROUPS).max(1)) as u64,
            auxiliary,
            operations: operations as u64,
            scratch: scratch.bytes(),
            forward_scratch: scratch.forward_bytes(),
        }
    }
}

impl SupernetConfig {
    fn numbers(&self, images: usize, height: usize, width: usize) -> Network {
        Network::of(NetworkPlan::of_supernet(self), self.mask.count(), [images, height, width])
    }

    /// Peak of one search step (architecture step, then weight step).
    pub fn search_footprint(&self, work: &Workload) -> Footprint {
        self.search_footprints(work)(self.policy)
    }

    /// Peak of one search step by policy, whatever this configuration's is: the network is laid out once for all.
    pub fn search_footprints(&self, work: &Workload) -> impl Fn(Policy) -> Footprint + use<> {
        let (network, work) = (self.numbers(work.images, work.height, work.width), *work);
        move |policy| network.search(policy, &work)
    }

    /// Peak of one pass in evaluation mode, or of a ranking function without gradients.
    pub fn forward_footprint(&self, work: &Workload) -> Footprint {
        let network = self.numbers(work.images, work.height, work.width);
        Footprint {
            weights: 4 * network.parameters(),
            pass: network.pass(self.policy, Wanted { weights: false, mixing: false }),
            overhead: network.small() + network.scratch(network.forward_scratch, work),
        }
    }
}

impl EvaluationConfig {
    /// Peak of one training step on the CPU, by policy. The auxiliary head's maps are left out: they are small.
    pub fn training_footprints(&self, work: &Workload) -> impl Fn(Policy) -> Footprint + use<> {
        let plan = NetworkPlan::of_genotype(self);
        let operations = plan.cells.iter().map(|c| c.edges.len()).sum();
        let (network, work) = (Network::of(plan, operations, [work.images, work.height, work.width]), *work);
        move |policy| {
            let pass = network.pass(policy, Wanted { weights: true, mixing: false });
            let parameters = 4 * network.parameters();
            network.peak(vec![(2 * parameters, pass), (5 * parameters, 0)], &work)
        }
    }
}

impl Network {
    fn search(&self, policy: Policy, work: &Workload) -> Footprint {
        let parameters = 4 * self.parameters();
        let architecture = self.pass(policy, Wanted { weights: false, mixing: true });
        let weight = self.pass(policy, Wanted { weights: true, mixing: false });
        // What is alive beside each pass: the weights and their momentum always; in the unrolled step the weights of before,
        // and in its last two passes the direction of the finite difference.
        let mut peaks = vec![(2 * parameters, weight), (2 * parameters, architecture)];
        if work.second_order {
            let both = self.pass(policy, Wanted { weights: true, mixing: true });
            peaks.extend([(3 * parameters, weight), (3 * parameters, both), (4 * parameters, architecture)]);
        }
        // The update itself: gradients, old and new weights.
        peaks.push((if work.second_order { 7 } else { 5 } * parameters, 0));
        self.peak(peaks, work)
    }

    /// The greatest of moments of a step, each with what is alive beside a pass and what the pass takes.
    fn peak(&self, peaks: Vec<(u64, u64)>, work: &Workload) -> Footprint {
        // Running statistics, and their copies while a pass renews them.
        let running = 8 * self.cells.iter().map(|c| c.running).sum::<u64>();
        let (weights, pass) = peaks.into_iter().max_by_key(|(w, p)| w + p).unwrap_or_default();
        // The allocator's pages are not filled to the last. Measured: between a half and one hundredth.
        let unfilled = pass / UNFILLED;
        let overhead = self.small() + unfilled + self.scratch(self.scratch, work);
        Footprint { weights: weights + running, pass, overhead }
    }

    fn parameters(&self) -> u64 {
        self.stem.parameters + self.head_parameters + self.cells.iter().map(|c| c.parameters).sum::<u64>()
    }

    /// Blocks below a page or two: statistics and sums, which each operation has for each group of images, and the graph.
    /// Measured, and rather too much than too little: one case's peak, measured twice, differs by up to 200 KiB.
    fn small(&self) -> u64 {
        (64 << 10) + self.operations * (512 + 64 * self.groups)
    }

    /// The threads' buffers; they grow by steps, so that some of each is spare.
    fn scratch(&self, of_one: u64, work: &Workload) -> u64 {
        of_one * work.threads as u64 * 6 / 5
    }

    /// Peak of a forward pass and, where something is wanted of it, its backward pass, in bytes.
    fn pass(&self, policy: Policy, wanted: Wanted) -> u64 {
        let mut l = Ledger::default();
        let backward = wanted.weights || wanted.mixing;
        let (of_stem, stems) = (self.stem.forward(&mut l, wanted.weights), self.stem.maps.len());
        // The parameters of all blocks, where their gradient makes candle join them.
        let joined = if wanted.weights { l.take(self.parameters()) } else { 0 };
        let mut kept = Vec::with_capacity(self.cells.len());
        for (i, c) in self.cells.iter().enumerate() {
            kept.push(c.forward(&mut l, policy.of_cell(i), backward));
            if let Some(old) = (i + stems).checked_sub(2).filter(|_| !backward) {
                // Nobody but the next two cells reads an output.
                let read = self.stem.maps.get(old).copied().unwrap_or_else(|| self.cells[old - stems].output());
                l.give(1, read);
            }
        }
        let closing = match self.cells.last() {
            Some(last) if self.closing => l.take(last.output()),
            _ => 0,
        };
        if !backward {
            return l.peak();
        }
        let gradient = if wanted.weights { l.take(self.parameters()) } else { 0 };
        if let Some(last) = self.cells.last() {
            l.take(last.output());
        }
        l.give_bytes(closing);
        // Outputs that have a gradient.
        let mut there = vec![false; self.cells.len() + stems];
        for (i, c) in self.cells.iter().enumerate().rev() {
            if let Some((_, weights)) = self.auxiliary.filter(|(after, _)| wanted.weights && *after == i) {
                // Made ready for both ways, and the gradient of all pictures.
                let passing: u64 = (0..3).map(|_| l.take(weights)).sum();
                l.give_bytes(passing);
            }
            c.backward(&mut l, policy.of_cell(i), wanted, &mut there, stems, self.groups);
            l.give_bytes(kept[i]);
            l.give(1, c.output());
        }
        if wanted.weights {
            if !self.cells.is_empty() {
                self.stem.backward(&mut l, self.groups);
            }
            // The pass is over: nothing of it is left but the gradient.
            l.give_bytes(of_stem + self.stem.maps.iter().map(|map| ledger::bytes(*map)).sum::<u64>());
            // The gradient of the whole is parted block by block.
            l.accumulate(self.parameters());
            l.give_bytes(gradient);
            let blocks: u64 = l.take(self.parameters());
            l.give_bytes(blocks);
        }
        l.give_bytes(joined);
        l.peak()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Precision;
    use crate::space::{Mask, Stem, darts};

    fn config(mask: Mask, policy: Policy) -> SupernetConfig {
        let layout = darts::SPACE.layout(8);
        SupernetConfig {
            channels: 16,
            classes: 10,
            input_channels: 3,
            layout,
            stem_multiplier: 3,
            stem: Stem::Cifar,
            mask,
            policy,
            precision: Precision::Float32,
        }
    }

    fn bytes(mask: Mask, policy: Policy, images: usize) -> u64 {
        let work = Workload { images, height: 32, width: 32, second_order: false, threads: 2 };
        config(mask, policy).search_footprint(&work).bytes()
    }

    #[test]
    fn grows_with_the_batch_and_shrinks_with_the_cut() {
        let full = bytes(darts::FULL, Policy::Keep, 64);
        let half = bytes(Mask::uniform(darts::SPACE, &darts::SPACE.operations()[1..5]), Policy::Keep, 64);
        assert!(half < full * 7 / 10, "{half} {full}");
        assert!(bytes(darts::FULL, Policy::Recompute, 64) < full / 2);
        // Linear in the batch, but for whole pages.
        let [double, triple] = [128, 192].map(|n| bytes(darts::FULL, Policy::Keep, n));
        assert!((triple - double).abs_diff(double - full) < full / 1000, "{full} {double} {triple}");
        for place in darts::FULL.places() {
            assert!(bytes(darts::FULL.without(place), Policy::Keep, 64) <= full, "{place}");
        }
    }

    #[test]
    fn the_more_cells_are_computed_again_the_less_is_kept() {
        let peaks: Vec<u64> = (0..=8).map(|n| bytes(darts::FULL, Policy::RecomputeFirst(n), 16)).collect();
        assert!(peaks.windows(2).all(|p| p[0] > p[1]), "{peaks:?}");
        assert_eq!(peaks[0], bytes(darts::FULL, Policy::Keep, 16));
        assert_eq!(peaks[8], bytes(darts::FULL, Policy::Recompute, 16));
    }
}
