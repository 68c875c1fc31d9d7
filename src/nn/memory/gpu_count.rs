//! Bytes of a GPU's pool as they are taken and given back, and what a projection's way back takes of them.

use crate::kernels::gpu::Precision;
use crate::kernels::gpu::parts::{product_parts, splits, tiles};
use crate::nn::project::Projection;

/// Bytes in use, and the most there ever were.
#[derive(Default)]
pub(super) struct Count {
    live: usize,
    pub peak: usize,
}

impl Count {
    /// So many float32 numbers; returns the bytes.
    pub fn take(&mut self, numbers: usize) -> usize {
        self.take_map(numbers, Precision::Float32)
    }

    pub fn take_map(&mut self, numbers: usize, precision: Precision) -> usize {
        let bytes = precision.bytes() * numbers.max(1);
        self.live += bytes;
        self.peak = self.peak.max(self.live);
        bytes
    }

    pub fn give(&mut self, bytes: usize) {
        self.live -= bytes;
    }

    pub fn in_passing(&mut self, numbers: usize) {
        let bytes = self.take(numbers);
        self.give(bytes);
    }
}

/// The backward pass of a projection; `input`, `weights`: whose gradients are wanted.
pub(super) fn project_backward(l: &mut Count, p: &Projection, images: usize, input: bool, weights: bool) {
    let parts: Vec<usize> = p.parts().filter(|p| p.outputs > 0).map(|part| part.outputs).collect();
    let pixels = images * p.pixels();
    let mut held = l.take(2 * p.channels_out * product_parts(pixels));
    held += l.take(4 * p.channels_out);
    if input {
        held += parts.iter().map(|_| l.take(pixels * p.channels_in)).sum::<usize>();
    }
    if weights {
        let len = p.channels_in * parts.iter().sum::<usize>();
        l.in_passing(len * splits(images * tiles(p.out_height(), p.out_width()), p.channels_in));
    }
    l.give(held);
}
