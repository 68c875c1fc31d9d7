//! Bytes of single passes, and of a pass that is remembered: what ranking functions ask of a network.

use super::UNFILLED;
use crate::nn::plan::NetworkPlan;
use crate::nn::remembered;
use crate::nn::walk::Wanted;
use crate::nn::{Policy, SupernetConfig};

/// Bytes that passes over pictures of one size need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassBytes {
    /// The network's parameters, once.
    pub weights: u64,
    /// A pass that looks on: nothing is kept for a way back.
    pub forward: u64,
    /// A pass and its way back, for the gradient of the weights.
    pub backward: u64,
    /// Buffers of one thread, for either.
    pub forward_scratch: u64,
    pub backward_scratch: u64,
    /// Maps of a pass that is remembered for those of networks that lack one operation.
    pub remembered: u64,
}

impl SupernetConfig {
    /// Of this network, with all maps kept for the way back.
    pub fn pass_bytes(&self, images: usize, height: usize, width: usize) -> PassBytes {
        let network = self.numbers(images, height, width);
        let weights = 4 * (network.parameters() + 2 * network.cells.iter().map(|c| c.running).sum::<u64>());
        let whole = |bytes: u64| bytes + bytes / UNFILLED + network.small();
        let pass = |weights| whole(network.pass(Policy::Keep, Wanted { weights, ..Wanted::NOTHING }));
        let plan = NetworkPlan::of_supernet(self);
        PassBytes {
            weights,
            forward: pass(false),
            backward: pass(true),
            // They grow by steps, so that some of each is spare.
            forward_scratch: network.forward_scratch * 6 / 5,
            backward_scratch: network.scratch * 6 / 5,
            remembered: remembered::bytes(&plan, [images, height, width]) as u64,
        }
    }
}
