//! How many bytes of a GPU's memory the stem takes, counted as those of a cell.

use super::gpu_count::Count;
use crate::kernels::gpu::parts::{dense_splits, product_parts, splits, tiles};
use crate::nn::stem::{HalvingStem, PlainStem, StemPlan};

/// A stem, in numbers.
pub(super) struct StemNumbers {
    /// Its maps, in the order in which they are read.
    pub maps: Vec<usize>,
    running: usize,
    of: Of,
}

enum Of {
    Plain(ConvolutionNumbers),
    Halving([ConvolutionNumbers; 3]),
}

/// A convolution and its norm, in numbers.
struct ConvolutionNumbers {
    inputs: usize,
    outputs: usize,
    weights: usize,
    /// Pixels of all pictures behind it, and their tiles.
    pixels: usize,
    tiles: usize,
}

impl StemNumbers {
    /// On so many pictures of this height and width.
    pub fn new(stem: &StemPlan, pictures: [usize; 3]) -> StemNumbers {
        let maps = stem.maps(pictures).map(|map| map.iter().product()).collect();
        let of = match stem {
            StemPlan::Plain(plan) => Of::Plain(ConvolutionNumbers::plain(plan, pictures)),
            StemPlan::Halving(plan) => Of::Halving(ConvolutionNumbers::halving(plan, pictures)),
        };
        StemNumbers { maps, running: stem.layout().running, of }
    }

    /// Leaves the maps; returns the bytes of the moments and, where they are kept for the weights' gradients, of what is.
    pub fn forward(&self, l: &mut Count, weights: bool) -> usize {
        let statistics = l.take(self.running);
        let moments = l.take(2 * self.running);
        let unless_kept = |l: &mut Count, bytes: usize| {
            if !weights {
                l.give(bytes);
            }
        };
        match &self.of {
            Of::Plain(own) => {
                let z = own.forward(l);
                l.take(self.maps[0]);
                unless_kept(l, z);
            }
            Of::Halving([first, second, third]) => {
                let z = first.forward(l);
                let z2 = second.forward(l);
                unless_kept(l, z);
                l.take(self.maps[0]);
                unless_kept(l, z2);
                let z3 = third.forward(l);
                l.take(self.maps[1]);
                unless_kept(l, z3);
            }
        }
        unless_kept(l, statistics);
        moments
    }

    /// The way back to the weights; `of_last`: bytes of the last map's gradient, which goes where there are two.
    pub fn backward(&self, l: &mut Count, of_last: usize) {
        match &self.of {
            Of::Plain(own) => {
                let sums = own.sums(l);
                l.in_passing(own.weights * splits(own.tiles, 9 * own.inputs));
                l.give(sums);
            }
            Of::Halving([first, second, third]) => {
                let own = l.take(self.maps[0]);
                third.backward(l);
                l.give(own + of_last);
                let behind = l.take(first.map());
                second.backward(l);
                let partial = l.take(2 * first.outputs * first.tiles);
                l.take(4 * first.outputs);
                l.take(first.map());
                l.give(behind + partial);
                l.in_passing(first.weights * splits(first.tiles, 9 * first.inputs));
            }
        }
    }
}

impl ConvolutionNumbers {
    fn plain(plan: &PlainStem, [images, height, width]: [usize; 3]) -> ConvolutionNumbers {
        ConvolutionNumbers {
            inputs: plan.inputs,
            outputs: plan.outputs,
            weights: plan.window() * plan.outputs,
            pixels: images * height * width,
            tiles: images * tiles(height, width),
        }
    }

    fn halving(plan: &HalvingStem, [images, height, width]: [usize; 3]) -> [ConvolutionNumbers; 3] {
        let sizes = plan.sizes((height, width));
        [0, 1, 2].map(|k: usize| {
            let (own, (h, w)) = (&plan.convolutions[k], sizes[k + 1]);
            let (pixels, tiles) = (images * h * w, images * tiles(h, w));
            ConvolutionNumbers { inputs: own.inputs, outputs: own.outputs, weights: own.weights.len(), pixels, tiles }
        })
    }

    fn map(&self) -> usize {
        self.pixels * self.outputs
    }

    /// Leaves the map before the norm; returns its bytes.
    fn forward(&self, l: &mut Count) -> usize {
        let z = l.take(self.map());
        l.in_passing(2 * self.outputs * self.tiles);
        z
    }

    fn sums(&self, l: &mut Count) -> usize {
        l.take(2 * self.outputs * product_parts(self.pixels)) + l.take(4 * self.outputs)
    }

    fn backward(&self, l: &mut Count) {
        let sums = self.sums(l);
        l.in_passing(self.weights * dense_splits(self.tiles, self.inputs, self.outputs));
        l.give(sums);
    }
}
