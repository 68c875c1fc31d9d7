//! The convolution itself: tiles transformed some at a time, multiplied place by place, and transformed back.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::{GAP, Map, PANEL, PLACES, TILES, row};
use crate::kernels::simd::{Simd, dispatch, load, store};

/// Where outputs go.
pub(crate) struct Target {
    /// Rows of the output that are asked for, the first of which lies at the pointer, and its pixels in a row.
    pub rows: Range<usize>,
    pub width: usize,
    pub channels: usize,
    /// Adds to what is there.
    pub onto: bool,
    /// What each output begins with, up to the end of the last panel, or nothing.
    pub bias: *const f32,
}

dispatch!(pub(crate) unsafe fn convolve(x: &Map, t: &Target, u: *const f32, out: *mut f32, scratch: *mut f32) = convolve_body);

/// The place that all four outputs of a tile add.
const EVERYWHERE: usize = 5;

/// Products of some tiles with a panel, by tile and place.
#[repr(align(64))]
struct Sums(MaybeUninit<[f32; TILES * PLACES * PANEL]>);

/// Operands of all groups of tiles.
struct Walk<'a> {
    x: &'a Map,
    t: &'a Target,
    u: *const f32,
    out: *mut f32,
    /// Transformed tiles.
    tiles: *mut f32,
    sums: *mut f32,
    /// Tiles in a row of them.
    across: usize,
}

#[inline(always)]
unsafe fn convolve_body<S: Simd>(x: &Map, t: &Target, u: *const f32, out: *mut f32, scratch: *mut f32) {
    let mut sums = Sums(MaybeUninit::uninit());
    let across = t.width.div_ceil(2);
    let walk = Walk { x, t, u, out, tiles: scratch, sums: sums.0.as_mut_ptr().cast(), across };
    let (i, end) = (t.rows.start / 2 * across, t.rows.end.div_ceil(2) * across);
    // A panel is one vector, two or four; as many sums as registers hold beside.
    unsafe {
        match S::LANES {
            16 => {
                let i = groups::<S, 8, 1>(&walk, i, end);
                let i = groups::<S, 4, 1>(&walk, i, end);
                groups::<S, 1, 1>(&walk, i, end);
            }
            8 => {
                let i = groups::<S, 6, 2>(&walk, i, end);
                let i = groups::<S, 4, 2>(&walk, i, end);
                groups::<S, 1, 2>(&walk, i, end);
            }
            _ => {
                let i = groups::<S, 6, 4>(&walk, i, end);
                let i = groups::<S, 4, 4>(&walk, i, end);
                groups::<S, 1, 4>(&walk, i, end);
            }
        }
    }
}

/// `R` tiles at a time from number `i` to `end`; returns the first that is left.
#[inline(always)]
unsafe fn groups<S: Simd, const R: usize, const V: usize>(w: &Walk, mut i: usize, end: usize) -> usize {
    while i + R <= end {
        unsafe { group::<S, R, V>(w, i) };
        i += R;
    }
    i
}

/// `R` tiles from number `first` on.
#[inline(always)]
unsafe fn group<S: Simd, const R: usize, const V: usize>(w: &Walk, first: usize) {
    let inputs = w.x.channels;
    let (own, apart) = (row(inputs), R * row(inputs) + GAP);
    unsafe {
        for r in 0..R {
            let at = ((first + r) / w.across, (first + r) % w.across);
            w.x.transform::<S>(at, w.tiles.add(r * own), apart);
        }
        let mut j = 0;
        while j < w.t.channels {
            let bias = if w.t.bias.is_null() { w.t.bias } else { w.t.bias.add(j) };
            let u = w.u.add(j * PLACES * inputs);
            products::<S, R, V>(w.tiles, own, apart, u, inputs, bias, w.sums);
            for r in 0..R {
                let at = ((first + r) / w.across, (first + r) % w.across);
                for v in 0..V {
                    let (own, j) = (w.sums.add((r * V + v) * PLACES * S::LANES), j + v * S::LANES);
                    if j + S::LANES <= w.t.channels {
                        put::<S>(w.t, at, own, w.out.add(j), S::LANES);
                    } else if j < w.t.channels {
                        put::<S>(w.t, at, own, w.out.add(j), w.t.channels - j);
                    }
                }
            }
            j += PANEL;
        }
    }
}

/// The products of `R` transformed tiles with one panel, place by place.
#[inline(always)]
unsafe fn products<S: Simd, const R: usize, const V: usize>(
    tiles: *const f32,
    own: usize,
    apart: usize,
    u: *const f32,
    inputs: usize,
    bias: *const f32,
    sums: *mut f32,
) {
    unsafe {
        let (mut x, mut u) = (tiles, u);
        for place in 0..PLACES {
            let mut first = [S::splat(0.0); V];
            if place == EVERYWHERE && !bias.is_null() {
                for (v, to) in first.iter_mut().enumerate() {
                    *to = S::load(bias.add(v * S::LANES));
                }
            }
            let mut acc = [first; R];
            for k in 0..inputs {
                let mut uv = [S::splat(0.0); V];
                for (v, to) in uv.iter_mut().enumerate() {
                    *to = S::load(u.add(v * S::LANES));
                }
                for (r, a) in acc.iter_mut().enumerate() {
                    let xv = S::splat(*x.add(r * own + k));
                    for v in 0..V {
                        a[v] = S::fma(xv, uv[v], a[v]);
                    }
                }
                u = u.add(PANEL);
            }
            for (r, a) in acc.iter().enumerate() {
                for (v, a) in a.iter().enumerate() {
                    S::store(sums.add(((r * V + v) * PLACES + place) * S::LANES), *a);
                }
            }
            x = x.add(apart);
        }
    }
}

/// `n` channels of a tile's outputs: `Aᵀ m A`.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "a column of four arrays")]
unsafe fn put<S: Simd>(t: &Target, (y, x): (usize, usize), m: *const f32, out: *mut f32, n: usize) {
    unsafe {
        let mut half = [[S::splat(0.0); 2]; 4];
        for (k, to) in half.iter_mut().enumerate() {
            let mut column = [S::splat(0.0); 4];
            for (i, to) in column.iter_mut().enumerate() {
                *to = S::load(m.add((4 * i + k) * S::LANES));
            }
            *to = joined::<S>(&column);
        }
        for i in 0..2 {
            let y = 2 * y + i;
            if y < t.rows.start || y >= t.rows.end {
                continue;
            }
            let row = [half[0][i], half[1][i], half[2][i], half[3][i]];
            for (k, v) in joined::<S>(&row).iter().enumerate() {
                if 2 * x + k < t.width {
                    let at = out.add(((y - t.rows.start) * t.width + 2 * x + k) * t.channels);
                    store::<S>(at, if t.onto { S::add(load::<S>(at, n), *v) } else { *v }, n);
                }
            }
        }
    }
}

/// `Aᵀ m`.
#[inline(always)]
unsafe fn joined<S: Simd>(m: &[S::V; 4]) -> [S::V; 2] {
    unsafe { [S::add(S::add(m[0], m[1]), m[2]), S::add(S::sub(m[1], m[2]), m[3])] }
}
