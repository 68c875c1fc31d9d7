//! How many bytes the stem takes, counted as those of a cell.

use super::ledger::Ledger;
use crate::kernels::matrix::Packed;
use crate::nn::stem::StemPlan;

/// A stem, in numbers.
pub(super) struct StemNumbers {
    pub parameters: u64,
    /// Its maps, in the order in which they are read.
    pub maps: Vec<u64>,
    /// Of the one that halves.
    convolutions: Vec<ConvolutionNumbers>,
}

/// A convolution and its norm, in numbers.
struct ConvolutionNumbers {
    /// The map before the norm.
    map: u64,
    weights: u64,
    /// Weights made ready for the forward and for the backward pass.
    ready: u64,
    turned: u64,
}

impl StemNumbers {
    /// On so many pictures of this height and width.
    pub fn new(stem: &StemPlan, pictures: [usize; 3]) -> StemNumbers {
        let [images, height, width] = pictures;
        let convolutions = match stem {
            StemPlan::Plain(_) => Vec::new(),
            StemPlan::Halving(plan) => {
                let behind = plan.sizes((height, width)).into_iter().skip(1);
                let each = plan.convolutions.iter().zip(behind).map(|(own, (h, w))| ConvolutionNumbers {
                    map: (images * h * w * own.outputs) as u64,
                    weights: own.weights.len() as u64,
                    ready: (9 * own.inputs * Packed::width(own.outputs)) as u64,
                    turned: (own.outputs * Packed::width(9 * own.inputs)) as u64,
                });
                each.collect()
            }
        };
        let maps = stem.maps(pictures).map(|map| map.iter().product::<usize>() as u64).collect();
        StemNumbers { parameters: stem.layout().len as u64, maps, convolutions }
    }

    /// Leaves its maps and, to `keep` for a backward pass, those before the norms; returns the bytes of these.
    pub fn forward(&self, l: &mut Ledger, keep: bool) -> u64 {
        let mut kept = 0;
        let mut unless_kept = |l: &mut Ledger, bytes: u64| match keep {
            true => kept += bytes,
            false => l.give_bytes(bytes),
        };
        match &self.convolutions[..] {
            [first, second, third] => {
                let z = first.forward(l);
                let z2 = second.forward(l);
                unless_kept(l, z);
                l.take(self.maps[0]);
                unless_kept(l, z2);
                let z3 = third.forward(l);
                l.take(self.maps[1]);
                unless_kept(l, z3);
            }
            _ => {
                let z = l.take(self.maps[0]);
                l.take(self.maps[0]);
                unless_kept(l, z);
            }
        }
        kept
    }

    /// The way back to the weights. The gradients of the maps, which are there, go.
    pub fn backward(&self, l: &mut Ledger, groups: u64) {
        match &self.convolutions[..] {
            [first, second, third] => {
                let own = l.take(self.maps[0]);
                third.backward(l, groups);
                l.give_bytes(own);
                l.give(1, self.maps[1]);
                let middle = l.take(first.map);
                second.backward(l, groups);
                l.give(1, self.maps[0]);
                first.backward(l, groups);
                l.give_bytes(middle);
            }
            _ => {
                l.give(1, self.maps[0]);
            }
        }
    }
}

impl ConvolutionNumbers {
    /// Leaves the map before the norm; returns its bytes.
    fn forward(&self, l: &mut Ledger) -> u64 {
        let ready = l.take(self.ready);
        let z = l.take(self.map);
        l.give_bytes(ready);
        z
    }

    fn backward(&self, l: &mut Ledger, groups: u64) {
        let ready = l.take(self.ready) + l.take(self.turned);
        let parts: u64 = (0..groups).map(|_| l.take(self.weights)).sum();
        l.give_bytes(ready + parts);
    }
}
