//! The inner loops of a dense convolution: tiles of outputs that stay in registers over all taps and inputs.

use super::panels::panel_width;
use crate::kernels::matrix::sixes;
use crate::kernels::simd::{Simd, dispatch, load, store};

/// What the inner loops need to know of a convolution.
pub(super) struct Plan {
    /// Rows and pixels of the output.
    pub rows: usize,
    pub pixels: usize,
    /// Rows of taps, and numbers that each reads in one piece.
    pub tap_rows: usize,
    pub depth: usize,
    /// Channels of the output.
    pub columns: usize,
    /// Numbers from one output row (pixel) to the next, on the input's and on the output's side.
    pub in_row: usize,
    pub in_pixel: usize,
    pub out_row: usize,
    pub out_pixel: usize,
    /// Numbers from one row of taps to the next.
    pub tap_row: usize,
    /// Adds to what is in the output.
    pub onto: bool,
    /// What each output begins with, by column up to the end of the last panel, or nothing.
    pub bias: *const f32,
}

impl Plan {
    /// Whether three taps of a row read neighbours, so that each pixel that is read serves three.
    pub fn by_three(&self) -> bool {
        self.tap_rows == 3 && self.depth == 3 * self.in_pixel
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0 || self.pixels == 0 || self.columns == 0
    }
}

dispatch!(pub(super) unsafe fn convolve(p: &Plan, x: *const f32, w: *const f32, out: *mut f32) = convolve_body);

#[inline(always)]
unsafe fn convolve_body<S: Simd>(p: &Plan, x: *const f32, w: *const f32, out: *mut f32) {
    unsafe {
        // Constant distances between pixels are parts of instructions; others take a register each.
        match (S::FAST, p.in_pixel) {
            (true, 3) => panels::<S, 3>(p, x, w, out),
            (true, 16) => panels::<S, 16>(p, x, w, out),
            (true, 32) => panels::<S, 32>(p, x, w, out),
            (true, 64) => panels::<S, 64>(p, x, w, out),
            _ => panels::<S, 0>(p, x, w, out),
        }
    }
}

/// Whether there are 32 vector registers, not 16.
#[inline(always)]
pub(super) const fn many<S: Simd>() -> bool {
    S::LANES != 8
}

#[inline(always)]
unsafe fn panels<S: Simd, const P: usize>(p: &Plan, x: *const f32, w: *const f32, out: *mut f32) {
    let mut first = 0;
    while first < p.columns {
        let width = panel_width(p.columns - first);
        let w = unsafe { w.add(p.tap_rows * p.depth * first) };
        let mut j = 0;
        while j < width && first + j < p.columns {
            let left = p.columns - first - j;
            unsafe {
                let bias = if p.bias.is_null() { p.bias } else { p.bias.add(first + j) };
                let t = Tile { w: w.add(j), w_row: width, n: left, bias };
                let out = out.add(first + j);
                if left > S::LANES && width > S::LANES {
                    rows::<S, P, 2>(p, x, out, &t);
                    j += 2 * S::LANES;
                } else {
                    rows::<S, P, 1>(p, x, out, &t);
                    j += S::LANES;
                }
            }
        }
        first += width;
    }
}

/// Weights of some columns; `n` columns are left to store.
struct Tile {
    w: *const f32,
    w_row: usize,
    n: usize,
    bias: *const f32,
}

impl Tile {
    /// What the sums of a pixel begin with.
    #[inline(always)]
    unsafe fn first<S: Simd, const V: usize>(&self) -> [S::V; V] {
        let mut first = [unsafe { S::splat(0.0) }; V];
        if !self.bias.is_null() {
            for (v, to) in first.iter_mut().enumerate() {
                *to = unsafe { S::load(self.bias.add(v * S::LANES)) };
            }
        }
        first
    }
}

/// All pixels, `V` vectors of columns.
#[inline(always)]
unsafe fn rows<S: Simd, const P: usize, const V: usize>(p: &Plan, x: *const f32, out: *mut f32, t: &Tile) {
    let mut y = 0;
    unsafe {
        while y < p.rows {
            let (x, out) = (x.add(y * p.in_row), out.add(y * p.out_row));
            let (mut i, all) = (0, p.pixels);
            if many::<S>() && V == 1 {
                if P > 0 && p.by_three() {
                    i = pixels_by_three::<S, P, 16>(p, x, out, t, i);
                }
                i = pixels::<S, P, 16, V>(p, x, out, t, i, all);
            }
            if many::<S>() || V == 1 {
                i = pixels::<S, P, 8, V>(p, x, out, t, i, all);
            } else {
                i = pixels::<S, P, 6, V>(p, x, out, t, i, sixes(all));
            }
            i = pixels::<S, P, 4, V>(p, x, out, t, i, all);
            pixels::<S, P, 1, V>(p, x, out, t, i, all);
            y += 1;
        }
    }
}

/// `R` pixels by `V` vectors at a time from pixel `i` to `end`; returns the first pixel that is left.
#[inline(always)]
unsafe fn pixels<S: Simd, const P: usize, const R: usize, const V: usize>(
    p: &Plan,
    x: *const f32,
    out: *mut f32,
    t: &Tile,
    mut i: usize,
    end: usize,
) -> usize {
    let in_pixel = if P > 0 { P } else { p.in_pixel };
    unsafe {
        while i + R <= end {
            let mut acc = [t.first::<S, V>(); R];
            let mut w = t.w;
            for ty in 0..p.tap_rows {
                let x = x.add(i * in_pixel + ty * p.tap_row);
                for k in 0..p.depth {
                    let mut wv = [S::splat(0.0); V];
                    for (v, to) in wv.iter_mut().enumerate() {
                        *to = S::load(w.add(v * S::LANES));
                    }
                    for (r, a) in acc.iter_mut().enumerate() {
                        let xv = S::splat(*x.add(r * in_pixel + k));
                        for v in 0..V {
                            a[v] = S::fma(xv, wv[v], a[v]);
                        }
                    }
                    w = w.add(t.w_row);
                }
            }
            for (r, a) in acc.iter().enumerate() {
                for (v, a) in a.iter().enumerate() {
                    let n = t.n.saturating_sub(v * S::LANES).min(S::LANES);
                    put::<S>(p, out.add((i + r) * p.out_pixel + v * S::LANES), *a, n);
                }
            }
            i += R;
        }
        i
    }
}

/// As [`pixels`], for one vector of columns and taps [by three](Plan::by_three): there are fewer numbers to read than sums.
#[inline(always)]
unsafe fn pixels_by_three<S: Simd, const P: usize, const R: usize>(
    p: &Plan,
    x: *const f32,
    out: *mut f32,
    t: &Tile,
    mut i: usize,
) -> usize {
    unsafe {
        while i + R <= p.pixels {
            let mut acc = [t.first::<S, 1>()[0]; R];
            for ty in 0..3 {
                let x = x.add(i * P + ty * p.tap_row);
                let w = t.w.add(ty * 3 * P * t.w_row);
                for c in 0..P {
                    let w = w.add(c * t.w_row);
                    let wv = [S::load(w), S::load(w.add(P * t.w_row)), S::load(w.add(2 * P * t.w_row))];
                    // Written out, as a loop of so many sums would not keep them in registers.
                    macro_rules! pixel {
                        ($($j:literal)*) => {$(
                            if $j < R + 2 {
                                let xv = S::splat(*x.add($j * P + c));
                                for (tx, w) in wv.iter().enumerate() {
                                    if $j >= tx && $j - tx < R {
                                        acc[$j - tx] = S::fma(xv, *w, acc[$j - tx]);
                                    }
                                }
                            }
                        )*};
                    }
                    pixel!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17);
                }
            }
            let n = t.n.min(S::LANES);
            for (r, a) in acc.iter().enumerate() {
                put::<S>(p, out.add((i + r) * p.out_pixel), *a, n);
            }
            i += R;
        }
        i
    }
}

/// Stores `n` lanes of an output, or adds them.
#[inline(always)]
unsafe fn put<S: Simd>(p: &Plan, at: *mut f32, v: S::V, n: usize) {
    unsafe { store::<S>(at, if p.onto { S::add(load::<S>(at, n), v) } else { v }, n) }
}
