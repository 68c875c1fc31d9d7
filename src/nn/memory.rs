//! How many bytes a pass needs at its peak: the plan of the network walked block by block with a ledger of what is taken
//! and given back, in the order in which the passes do it. Nothing is allocated or run.

mod cell;
mod gpu;
mod ledger;
mod scoring;
mod scratch;
mod stem;

use std::convert::Infallible;

use self::cell::{CellNumbers, Inputs};
use self::ledger::Ledger;
pub use self::scoring::PassBytes;
use self::scratch::Scratch;
use self::stem::StemNumbers;
use super::network::End;
use super::parallel::GROUPS;
use super::plan::{HeadPlan, NetworkPlan};
use super::walk::{Backward, Forward, Walk, Wanted};
use super::{EvaluationConfig, Policy, SupernetConfig};

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

/// The whole network, in numbers.
struct Network {
    plan: NetworkPlan,
    cells: Vec<CellNumbers>,
    stem: StemNumbers,
    head_parameters: u64,
    groups: u64,
    /// Weights of the auxiliary head's convolutions.
    auxiliary: u64,
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
        let auxiliary = plan.auxiliary.as_deref().map_or(0, weights);
        let sizes = plan.sizes([images, height, width]);
        let mut scratch = Scratch::default();
        scratch.add_stem(&plan.stem, (height, width));
        plan.cells.iter().zip(&sizes).for_each(|(plan, sizes)| scratch.add(plan, sizes));
        Network {
            cells: plan.cells.iter().zip(&sizes).map(|(plan, sizes)| CellNumbers::new(plan, sizes)).collect(),
            stem: StemNumbers::new(&plan.stem, [images, height, width]),
            plan,
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
            pass: network.pass(self.policy, Wanted::NOTHING),
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
            let pass = network.pass(policy, Wanted::WEIGHTS);
            let parameters = 4 * network.parameters();
            network.peak(vec![(2 * parameters, pass), (5 * parameters, 0)], &work)
        }
    }
}

impl Network {
    fn search(&self, policy: Policy, work: &Workload) -> Footprint {
        let parameters = 4 * self.parameters();
        let architecture = self.pass(policy, Wanted::MIXING);
        let weight = self.pass(policy, Wanted::WEIGHTS);
        // What is alive beside each pass: the weights and their momentum always; in the unrolled step the weights of before,
        // and in its last two passes the direction of the finite difference.
        let mut peaks = vec![(2 * parameters, weight), (2 * parameters, architecture)];
        if work.second_order {
            let both = self.pass(policy, Wanted { weights: true, ..Wanted::MIXING });
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

    /// Numbers of output `k`, counted from the first of the stem's.
    fn output(&self, k: usize) -> u64 {
        let stem = &self.stem.maps;
        stem.get(k).copied().unwrap_or_else(|| self.cells[k - stem.len()].output())
    }

    /// Peak of a forward pass and, where something is wanted of it, its backward pass, in bytes.
    fn pass(&self, policy: Policy, wanted: Wanted) -> u64 {
        let walk = Walk { plan: &self.plan, wanted, end: End::AllLogits };
        let mut l = Ledger::default();
        let mut steps =
            Made { l: &mut l, network: self, policy, wanted, joined: 0, of_stem: 0, kept: Vec::new(), closed: 0 };
        let Ok(()) = walk.forward(&mut steps);
        let Made { joined, of_stem, kept, closed, .. } = steps;
        if !wanted.any() {
            return l.peak();
        }
        let gradient = if wanted.weights { l.take(self.parameters()) } else { 0 };
        if let Some(last) = self.cells.last() {
            l.take(last.output());
        }
        // Outputs that have a gradient.
        let there = vec![false; self.cells.len() + self.stem.maps.len()];
        let mut steps = Back { l: &mut l, network: self, policy, wanted, there, kept, closed, of_stem, gradient };
        let Ok(()) = walk.backward(&mut steps);
        l.give_bytes(joined);
        l.peak()
    }
}

/// A forward pass under way.
struct Made<'l> {
    l: &'l mut Ledger,
    network: &'l Network,
    policy: Policy,
    wanted: Wanted,
    /// Bytes of the parameters of all blocks, where their gradient makes candle join them, of what the stem and each cell keep, and of
    /// what the closing norm gives.
    joined: u64,
    of_stem: u64,
    kept: Vec<u64>,
    closed: u64,
}

impl Forward for Made<'_> {
    type Fault = Infallible;

    fn stem(&mut self) -> Result<(), Infallible> {
        self.of_stem = self.network.stem.forward(self.l, self.wanted.stem());
        if self.wanted.weights {
            self.joined = self.l.take(self.network.parameters());
        }
        Ok(())
    }

    fn cell(&mut self, i: usize, _: &[usize]) -> Result<(), Infallible> {
        self.kept.push(self.network.cells[i].forward(self.l, self.policy.of_cell(i), self.wanted.any()));
        Ok(())
    }

    /// Its maps are small.
    fn auxiliary(&mut self, _: usize) -> Result<(), Infallible> {
        Ok(())
    }

    fn give_up(&mut self, k: usize) {
        self.l.give(1, self.network.output(k));
    }

    fn closing(&mut self) -> Result<(), Infallible> {
        self.closed = self.network.cells.last().map_or(0, |last| self.l.take(last.output()));
        Ok(())
    }
}

/// A way back that has begun.
struct Back<'l> {
    l: &'l mut Ledger,
    network: &'l Network,
    policy: Policy,
    wanted: Wanted,
    there: Vec<bool>,
    kept: Vec<u64>,
    closed: u64,
    of_stem: u64,
    /// Bytes of that of all parameters.
    gradient: u64,
}

impl Backward for Back<'_> {
    type Fault = Infallible;

    fn closing(&mut self) -> Result<(), Infallible> {
        self.l.give_bytes(self.closed);
        Ok(())
    }

    fn auxiliary(&mut self, _: usize) -> Result<(), Infallible> {
        // Made ready for both ways, and the gradient of all pictures.
        let passing: u64 = (0..3).map(|_| self.l.take(self.network.auxiliary)).sum();
        self.l.give_bytes(passing);
        Ok(())
    }

    fn cell(&mut self, i: usize, reads: &[usize], reached: &[bool]) -> Result<(), Infallible> {
        let (cell, policy) = (&self.network.cells[i], self.policy.of_cell(i));
        let inputs = Inputs { reads, reached, there: &mut self.there };
        cell.backward(self.l, policy, self.wanted.weights, inputs, self.network.groups);
        self.l.give_bytes(self.kept[i]);
        self.l.give(1, cell.output());
        Ok(())
    }

    fn stem(&mut self) -> Result<(), Infallible> {
        let (l, network) = (&mut *self.l, self.network);
        if !network.cells.is_empty() {
            network.stem.backward(l, network.groups);
        }
        // The pass is over: nothing of it is left but the gradient.
        l.give_bytes(self.of_stem + network.stem.maps.iter().map(|map| ledger::bytes(*map)).sum::<u64>());
        // The gradient of the whole is parted block by block.
        l.accumulate(network.parameters());
        l.give_bytes(self.gradient);
        let blocks: u64 = l.take(network.parameters());
        l.give_bytes(blocks);
        Ok(())
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
