//! Dense 3x3 convolutions of stride 1 by Winograd's minimal filtering F(2x2, 3x3) (Lavin & Gray 2015, arXiv 1509.09308): 16
//! products instead of 36 for each tile of 2x2 outputs, of which each reads 4x4 inputs.
//!
//! With `Bᵀ`, `G` and `Aᵀ` below a tile's outputs are `Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A`, the sum over input channels taken before
//! `A`. The weights' gradient is the transposed form, `Gᵀ[Σ (Bᵀ d B) ⊙ (A dy Aᵀ)]G`, the sum taken over tiles (there it is
//! F(3x3, 2x2)). Results differ from the direct kernel's by rounding; errors are no larger, as a sum has a ninth of the terms.
//!
//! ```text
//! Bᵀ = 1  0 -1  0    G =  1   0   0    Aᵀ = 1  1  1  0
//!      0  1  1  0        1/2 1/2 1/2        0  1 -1  1
//!      0 -1  1  0        1/2-1/2 1/2
//!      0 -1  0  1         0   0   1
//! ```
//!
//! Which convolutions it serves depends on their shape alone, and the order of each sum on nothing but the shape: the same
//! bits with any rows asked for and any number of threads.

mod filters;
mod gradient;
mod products;

use super::Shape;
use super::panels::Line;
use crate::kernels::simd::{Simd, load};

pub(super) use filters::Filters;
pub(super) use gradient::weight_gradient;
pub(super) use products::{Target, convolve};

/// Places of a transformed tile.
const PLACES: usize = 16;

/// Columns of a panel of weights, a multiple of every vector's lanes.
const PANEL: usize = Line::LEN;

/// Numbers between the places of transformed tiles beside the tiles themselves: places that are a power of two apart would
/// share few lines of the first cache.
const GAP: usize = 16;

/// Tiles that are multiplied at once, at most.
const TILES: usize = 8;

/// Channels times tiles that the weights' gradient transforms at once.
const STRIP: usize = 1024;

/// Whether a convolution and its input's gradient are served: there are channels enough to fill vectors, and pixels enough to
/// fill tiles.
pub(super) const fn serves(s: &Shape) -> bool {
    let enough = s.inputs >= 12 && s.outputs >= 12 && s.height >= 3 && s.width >= 3;
    matches!((s.kernel, s.stride), ([3, 3], [1, 1])) && enough
}

/// Whether its weights' gradient is: vectors have to be full, and tiles so many that transforming their sum counts for little.
pub(super) const fn serves_gradient(s: &Shape) -> bool {
    let full = s.inputs >= 16 && s.outputs >= 16 && s.inputs.is_multiple_of(8) && s.outputs.is_multiple_of(8);
    serves(s) && full && s.height.div_ceil(2) * s.width.div_ceil(2) >= 16
}

/// A channel's numbers in a transformed tile's place.
const fn row(channels: usize) -> usize {
    channels.next_multiple_of(PANEL)
}

/// Numbers that so many transformed tiles take.
const fn transformed(tiles: usize, channels: usize) -> usize {
    PLACES * (tiles * row(channels) + GAP)
}

/// Tiles that the weights' gradient transforms at once.
const fn strip(inputs: usize, outputs: usize) -> usize {
    let (i, o) = (row(inputs), row(outputs));
    let tiles = STRIP / if i > o { i } else { o };
    if tiles > TILES { tiles } else { TILES }
}

/// Numbers of transformed tiles that [`convolve`] holds.
pub(super) const fn forward_scratch(inputs: usize) -> usize {
    transformed(TILES, inputs)
}

/// Numbers of transformed tiles that [`weight_gradient`] holds.
pub(super) const fn gradient_scratch(inputs: usize, outputs: usize) -> usize {
    let tiles = strip(inputs, outputs);
    transformed(tiles, inputs) + transformed(tiles, outputs)
}

/// A padded map that tiles are read from, from the first tap of its first tile on.
pub(super) struct Map {
    pub at: *const f32,
    /// Rows and columns that are there.
    pub rows: usize,
    pub columns: usize,
    /// Numbers from one row to the next.
    pub row: usize,
    pub channels: usize,
}

impl Map {
    /// `Bᵀ d B` of the tile in this row and column of tiles, its places `apart` numbers from each other.
    #[inline(always)]
    unsafe fn transform<S: Simd>(&self, (y, x): (usize, usize), to: *mut f32, apart: usize) {
        unsafe {
            // No output that is there reads what a tile lacks at the map's end: any number will do.
            let (mut rows, mut columns) = ([self.at; 4], [0; 4]);
            for i in 0..4 {
                rows[i] = self.at.add((2 * y + i).min(self.rows - 1) * self.row);
                columns[i] = (2 * x + i).min(self.columns - 1) * self.channels;
            }
            let mut k = 0;
            while k + S::LANES <= self.channels {
                tile::<S>(&rows, &columns, k, S::LANES, to, apart);
                k += S::LANES;
            }
            if k < self.channels {
                tile::<S>(&rows, &columns, k, self.channels - k, to, apart);
            }
        }
    }
}

/// The first `n` lanes of a tile from channel `k` on.
#[inline(always)]
unsafe fn tile<S: Simd>(rows: &[*const f32; 4], columns: &[usize; 4], k: usize, n: usize, to: *mut f32, apart: usize) {
    unsafe {
        let mut half = [[S::splat(0.0); 4]; 4];
        for x in 0..4 {
            let mut d = [S::splat(0.0); 4];
            for y in 0..4 {
                d[y] = load::<S>(rows[y].add(columns[x] + k), n);
            }
            let t = differences::<S>(&d);
            for y in 0..4 {
                half[y][x] = t[y];
            }
        }
        for (y, d) in half.iter().enumerate() {
            for (x, v) in differences::<S>(d).iter().enumerate() {
                S::store(to.add((4 * y + x) * apart + k), *v);
            }
        }
    }
}

/// `Bᵀ d`.
#[inline(always)]
unsafe fn differences<S: Simd>(d: &[S::V; 4]) -> [S::V; 4] {
    unsafe { [S::sub(d[0], d[2]), S::add(d[1], d[2]), S::sub(d[2], d[1]), S::sub(d[3], d[1])] }
}
