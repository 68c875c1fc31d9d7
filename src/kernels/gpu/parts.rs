//! In how many parts a launch does its work: tiles of a map, and parts of a sum.

use super::arguments::Unit;
use super::{CHUNK, THREADS, TILE};

/// Pixels of a tile.
pub(super) const PIXELS: usize = TILE * TILE;

/// Tiles of a map.
pub fn tiles(height: usize, width: usize) -> usize {
    height.div_ceil(TILE) * width.div_ceil(TILE)
}

impl Unit {
    pub fn tiles(&self) -> usize {
        tiles(self.out_height as usize, self.out_width as usize)
    }
}

/// In how many parts the weights' gradients of units of `channels` input channels are summed over `tiles` tiles of the
/// batch: enough blocks for a large device, few enough that the parts are small beside the maps.
pub fn splits(tiles: usize, channels: usize) -> usize {
    tiles.min((256 / channels.div_ceil(CHUNK)).max(16))
}

/// The same of dense convolutions, whose weights grow with the square of the channels.
pub fn dense_splits(tiles: usize, inputs: usize, outputs: usize) -> usize {
    tiles.min((256 / (inputs.div_ceil(CHUNK) * outputs.div_ceil(CHUNK))).max(16))
}

/// In how many parts [`Kernel::NormProducts`](super::Kernel::NormProducts) sums over so many pixels.
pub fn product_parts(pixels: usize) -> usize {
    pixels.div_ceil(PIXELS).clamp(1, 256)
}

/// In how many parts [`Kernel::Squares`](super::Kernel::Squares) sums so many numbers: no more than a block has threads.
pub fn square_parts(len: usize) -> usize {
    len.div_ceil(16 * THREADS as usize).clamp(1, THREADS as usize)
}
