//! How many bytes of a GPU's memory a cell's inputs and the closing norm take, counted as those of a cell.

use super::gpu_count::{Count, project_backward};
use crate::kernels::gpu::parts::{dense_splits, product_parts, splits, tiles};
use crate::nn::plan::{CellPlan, CellSizes, Entry};
use crate::nn::project::Projection;

/// An input of a cell, in numbers.
pub(super) struct EntryNumbers {
    images: usize,
    of: Entering,
    /// Numbers of the map that edges read.
    map: usize,
}

enum Entering {
    Whole,
    /// Whether its norm has a scale and shift, so that both maps are kept.
    Projected {
        own: Projection,
        affine: bool,
    },
    Residual(ResidualNumbers),
}

/// A residual block, in numbers.
struct ResidualNumbers {
    /// Channels of input and output, pixels of all pictures there, tiles of the outputs.
    channels: [usize; 2],
    pixels: [usize; 2],
    tiles: usize,
    /// Weights of the convolutions, and of the one beside them.
    convolutions: [usize; 2],
    side: usize,
}

impl EntryNumbers {
    /// Input `i` of a cell.
    pub fn new(i: usize, plan: &CellPlan, sizes: &CellSizes) -> EntryNumbers {
        let (entry, images) = (&plan.entries[i], sizes.images);
        let size = sizes.input(i, plan.inputs());
        let (h, w) = entry.size(size);
        let of = match entry {
            Entry::Whole => Entering::Whole,
            Entry::Project(p) => Entering::Projected { own: p.shape(size.0, size.1), affine: p.affine },
            Entry::Residual(r) => Entering::Residual(ResidualNumbers {
                channels: [r.inputs, r.outputs],
                pixels: [images * size.0 * size.1, images * h * w],
                tiles: images * tiles(h, w),
                convolutions: [0, 1].map(|k: usize| r.convolutions[k].weights.len()),
                side: r.side.len(),
            }),
        };
        EntryNumbers { images, of, map: images * h * w * plan.shape.channels }
    }

    pub fn is_whole(&self) -> bool {
        matches!(self.of, Entering::Whole)
    }

    /// A forward pass that keeps what a backward pass needs; returns its bytes.
    pub fn forward(&self, l: &mut Count) -> usize {
        let behind = |channels: usize, tiles: usize| 2 * channels * tiles;
        match &self.of {
            Entering::Whole => 0,
            Entering::Projected { own, affine } => {
                let kept = l.take(self.map);
                l.in_passing(behind(own.channels_out, self.images * tiles(own.out_height(), own.out_width())));
                kept + if *affine { l.take(self.map) } else { 0 }
            }
            Entering::Residual(r) => {
                let mut kept = 0;
                for _ in 0..2 {
                    kept += l.take(self.map);
                    l.in_passing(behind(r.channels[1], r.tiles));
                }
                kept + l.take(self.map)
            }
        }
    }

    /// The gradient of the map; that of a map that is the input is the input's own. Returns the bytes.
    pub fn gradient(&self, l: &mut Count) -> usize {
        if self.is_whole() { 0 } else { l.take(self.map) }
    }

    /// `input`, `weights`: whose gradients are wanted.
    pub fn backward(&self, l: &mut Count, input: bool, weights: bool) {
        match &self.of {
            Entering::Whole => {}
            Entering::Projected { own, .. } => project_backward(l, own, self.images, input, weights),
            Entering::Residual(r) => r.backward(l, self.map, input, weights),
        }
    }
}

impl ResidualNumbers {
    fn backward(&self, l: &mut Count, map: usize, input: bool, weights: bool) {
        let [inputs, c] = self.channels;
        let parts = |l: &mut Count, len: usize, splits: usize| {
            if weights {
                l.in_passing(len * splits);
            }
        };
        let behind = l.take(map);
        let second = l.take(2 * c * product_parts(self.pixels[1])) + l.take(4 * c);
        parts(l, self.convolutions[1], dense_splits(self.tiles, c, c));
        l.give(second);
        let partial = l.take(2 * c * self.tiles);
        let middle = l.take(4 * c) + l.take(map);
        l.give(behind + partial);
        let own = if input { l.take(self.pixels[0] * inputs) } else { 0 };
        parts(l, self.convolutions[0], dense_splits(self.tiles, inputs, c));
        l.give(middle);
        let beside = if input { l.take(self.pixels[1] * inputs) } else { 0 };
        parts(l, self.side, splits(self.tiles, inputs));
        l.give(own + beside);
    }
}

/// The closing norm, in numbers.
pub(super) struct ClosingNumbers {
    pub running: usize,
    channels: usize,
    map: usize,
    tiles: usize,
}

impl ClosingNumbers {
    /// On maps `[N, H, W, C]`.
    pub fn new(running: usize, [images, h, w, channels]: [usize; 4]) -> ClosingNumbers {
        ClosingNumbers { running, channels, map: images * h * w * channels, tiles: images * tiles(h, w) }
    }

    /// Returns the bytes of the moments, and of what is kept.
    pub fn forward(&self, l: &mut Count) -> [usize; 2] {
        let statistics = l.take(self.running);
        let moments = l.take(2 * self.running);
        l.in_passing(2 * self.channels * self.tiles);
        [moments, statistics + l.take(self.map)]
    }

    pub fn backward(&self, l: &mut Count) {
        let held = l.take(2 * self.channels * self.tiles) + l.take(4 * self.channels) + l.take(self.map);
        l.give(held);
    }
}
