//! The inner loops of a depthwise convolution: windows of taps over rows of vectors.
//!
//! Where the channels are fewer than a vector's lanes and divide them, several pixels share a vector; else each pixel takes
//! as many vectors as its channels need, the last one partial.

use crate::kernels::simd::{Simd, dispatch};

/// What an inner loop needs to know of a depthwise convolution.
pub(super) struct Plan {
    pub channels: usize,
    pub kernel: usize,
    pub dilation: usize,
    /// Rows and pixels of the output.
    pub rows: usize,
    pub pixels: usize,
    /// Numbers from one output row (pixel) to the next, on the input's and on the output's side.
    pub in_row: usize,
    pub in_pixel: usize,
    pub out_row: usize,
    pub out_pixel: usize,
    /// Numbers from one tap's row to the next.
    pub tap_row: usize,
    /// Adds to what is in the output.
    pub onto: bool,
}

impl Plan {
    /// Several pixels to a vector: only without stride, and where channels divide the lanes.
    #[inline(always)]
    fn flat<S: Simd>(&self) -> bool {
        self.channels < S::LANES
            && S::LANES % self.channels == 0
            && self.in_pixel == self.channels
            && self.out_pixel == self.channels
    }
}

/// A row of vectors: `count` of them, the inputs and outputs so many numbers apart, `n` lanes of each in use.
#[derive(Clone, Copy)]
struct Line {
    count: usize,
    in_step: usize,
    out_step: usize,
    n: usize,
}

dispatch!(pub(super) unsafe fn run(p: &Plan, x: *const f32, w: *const f32, out: *mut f32) = run_body);
dispatch!(pub(super) unsafe fn weight_gradient(p: &Plan, x: *const f32, d: *const f32, g: *mut f32) = weight_gradient_body);

/// Calls `$f::<S, K, C, D>` with the dilation and, where they are usual ones, the channels as constants, so that all places of
/// a window lie at constant distances; with 0 for what is unusual.
macro_rules! by_distance {
    ($p:expr, $f:ident::<$s:ident, $k:ident>($($arg:expr),*)) => {
        match ($p.channels, $p.dilation, $s::FAST && $p.in_pixel == $p.channels && $p.channels >= $s::LANES) {
            (16, 1, true) => $f::<$s, $k, 16, 1>($($arg),*),
            (16, 2, true) => $f::<$s, $k, 16, 2>($($arg),*),
            (32, 1, true) => $f::<$s, $k, 32, 1>($($arg),*),
            (32, 2, true) => $f::<$s, $k, 32, 2>($($arg),*),
            (64, 1, true) => $f::<$s, $k, 64, 1>($($arg),*),
            (64, 2, true) => $f::<$s, $k, 64, 2>($($arg),*),
            (_, 1, _) => $f::<$s, $k, 0, 1>($($arg),*),
            (_, 2, _) => $f::<$s, $k, 0, 2>($($arg),*),
            _ => $f::<$s, $k, 0, 0>($($arg),*),
        }
    };
}

#[inline(always)]
unsafe fn run_body<S: Simd>(p: &Plan, x: *const f32, w: *const f32, out: *mut f32) {
    unsafe {
        match p.kernel {
            3 => run_kernel::<S, 3>(p, x, w, out),
            5 => run_kernel::<S, 5>(p, x, w, out),
            // No search space of the built-in ones has it: one form for all channels is enough.
            7 => rows::<S, 7, 0, 0>(p, x, w, out),
            k => unreachable!("depthwise kernels are 3, 5 or 7 wide, not {k}"),
        }
    }
}

#[inline(always)]
unsafe fn run_kernel<S: Simd, const K: usize>(p: &Plan, x: *const f32, w: *const f32, out: *mut f32) {
    unsafe { by_distance!(p, rows::<S, K>(p, x, w, out)) }
}

/// Most lanes, and most taps.
const LANES: usize = 16;
const TAPS: usize = 49;

#[inline(always)]
unsafe fn rows<S: Simd, const K: usize, const C: usize, const D: usize>(
    p: &Plan,
    x: *const f32,
    w: *const f32,
    out: *mut f32,
) {
    let c = p.channels;
    unsafe {
        if C > 0 {
            let l = Line { count: p.pixels, in_step: C, out_step: p.out_pixel, n: S::LANES };
            // All channels of a row, then the next: a window's rows stay in the cache.
            for y in 0..p.rows {
                for b in (0..C).step_by(S::LANES) {
                    let (xr, or) = (x.add(y * p.in_row + b), out.add(y * p.out_row + b));
                    line::<S, K, C, D, false>(p, xr, w.add(b), or, l);
                }
            }
            return;
        }
        let mut own = [0.0f32; TAPS * LANES];
        if p.flat::<S>() {
            for (t, own) in own.chunks_exact_mut(LANES).take(K * K).enumerate() {
                for (i, v) in own.iter_mut().enumerate() {
                    *v = *w.add(t * c + i % c);
                }
            }
            let numbers = p.pixels * c;
            let (count, rest) = (numbers / S::LANES, numbers % S::LANES);
            let l = Line { count, in_step: S::LANES, out_step: S::LANES, n: S::LANES };
            for y in 0..p.rows {
                let (xr, or) = (x.add(y * p.in_row), out.add(y * p.out_row));
                line::<S, K, C, D, false>(p, xr, own.as_ptr(), or, l);
                if rest > 0 {
                    let (at, l) = (count * S::LANES, Line { count: 1, n: rest, ..l });
                    line::<S, K, C, D, true>(p, xr.add(at), own.as_ptr(), or.add(at), l);
                }
            }
            return;
        }
        for b in (0..c).step_by(S::LANES) {
            let n = (c - b).min(S::LANES);
            for t in 0..K * K {
                S::store(own.as_mut_ptr().add(t * LANES), S::load_partial(w.add(t * c + b), n));
            }
            let l = Line { count: p.pixels, in_step: p.in_pixel, out_step: p.out_pixel, n };
            for y in 0..p.rows {
                let (xr, or) = (x.add(y * p.in_row + b), out.add(y * p.out_row + b));
                if n == S::LANES {
                    line::<S, K, C, D, false>(p, xr, own.as_ptr(), or, l);
                } else {
                    line::<S, K, C, D, true>(p, xr, own.as_ptr(), or, l);
                }
            }
        }
    }
}

/// One output row. The weights of two taps lie `C` numbers apart, or [`LANES`] if that is 0.
#[inline(always)]
unsafe fn line<S: Simd, const K: usize, const C: usize, const D: usize, const PARTIAL: bool>(
    p: &Plan,
    x: *const f32,
    w: *const f32,
    out: *mut f32,
    l: Line,
) {
    unsafe {
        if PARTIAL || D == 0 || l.in_step != p.channels {
            blocks::<S, K, C, D, PARTIAL, false>(p, x, w, out, l);
        } else {
            blocks::<S, K, C, D, PARTIAL, true>(p, x, w, out, l);
        }
    }
}

/// Outputs by eight, whose sums do not wait for one another; with one row of taps and an input they fit 16 registers.
#[inline(always)]
unsafe fn blocks<S: Simd, const K: usize, const C: usize, const D: usize, const PARTIAL: bool, const SHARED: bool>(
    p: &Plan,
    x: *const f32,
    w: *const f32,
    out: *mut f32,
    l: Line,
) {
    let step = if C > 0 { C } else { l.in_step };
    unsafe {
        let mut i = 0;
        while i + 8 <= l.count {
            let (x, out) = (x.add(i * step), out.add(i * l.out_step));
            vectors::<S, K, C, D, PARTIAL, SHARED, 8>(p, x, w, out, l);
            i += 8;
        }
        while i + 4 <= l.count {
            let (x, out) = (x.add(i * step), out.add(i * l.out_step));
            vectors::<S, K, C, D, PARTIAL, SHARED, 4>(p, x, w, out, l);
            i += 4;
        }
        while i < l.count {
            let (x, out) = (x.add(i * step), out.add(i * l.out_step));
            vectors::<S, K, C, D, PARTIAL, SHARED, 1>(p, x, w, out, l);
            i += 1;
        }
    }
}

#[inline(always)]
unsafe fn get<S: Simd, const PARTIAL: bool>(at: *const f32, n: usize) -> S::V {
    unsafe { if PARTIAL { S::load_partial(at, n) } else { S::load(at) } }
}

/// `U` outputs. Tap `kx` of output `u` reads input `u + D·kx`, which is loaded once for all where inputs are shared.
#[inline(always)]
unsafe fn vectors<
    S: Simd,
    const K: usize,
    const C: usize,
    const D: usize,
    const PARTIAL: bool,
    const SHARED: bool,
    const U: usize,
>(
    p: &Plan,
    x: *const f32,
    w: *const f32,
    out: *mut f32,
    l: Line,
) {
    let (step, between) = if C > 0 { (C, C) } else { (l.in_step, LANES) };
    unsafe {
        let mut acc = [S::splat(0.0); U];
        if p.onto {
            for (u, a) in acc.iter_mut().enumerate() {
                *a = get::<S, PARTIAL>(out.add(u * l.out_step), l.n);
            }
        }
        for ky in 0..K {
            let row = x.add(ky * p.tap_row);
            if SHARED {
                for first in 0..D.min(U) {
                    for j in 0..U.div_ceil(D) + K - 1 {
                        let v = S::load(row.add((first + D * j) * step));
                        for kx in 0..K {
                            if j >= kx && first + D * (j - kx) < U {
                                let a = &mut acc[first + D * (j - kx)];
                                *a = S::fma(v, S::load(w.add((ky * K + kx) * between)), *a);
                            }
                        }
                    }
                }
            } else {
                for kx in 0..K {
                    let (row, w) = (row.add(kx * p.dilation * p.channels), S::load(w.add((ky * K + kx) * between)));
                    for (u, a) in acc.iter_mut().enumerate() {
                        *a = S::fma(get::<S, PARTIAL>(row.add(u * l.in_step), l.n), w, *a);
                    }
                }
            }
        }
        for (u, a) in acc.iter().enumerate() {
            let at = out.add(u * l.out_step);
            if PARTIAL { S::store_partial(at, *a, l.n) } else { S::store(at, *a) }
        }
    }
}

#[inline(always)]
unsafe fn weight_gradient_body<S: Simd>(p: &Plan, x: *const f32, d: *const f32, g: *mut f32) {
    unsafe {
        match p.kernel {
            3 => gradient_kernel::<S, 3>(p, x, d, g),
            5 => gradient_kernel::<S, 5>(p, x, d, g),
            7 => {
                gradient_rows::<S, 7, 0, 0, 2>(p, x, d, g, 0);
                gradient_rows::<S, 7, 0, 0, 2>(p, x, d, g, 2);
                gradient_rows::<S, 7, 0, 0, 2>(p, x, d, g, 4);
                gradient_rows::<S, 7, 0, 0, 1>(p, x, d, g, 6);
            }
            k => unreachable!("depthwise kernels are 3, 5 or 7 wide, not {k}"),
        }
    }
}

#[inline(always)]
unsafe fn gradient_kernel<S: Simd, const K: usize>(p: &Plan, x: *const f32, d: *const f32, g: *mut f32) {
    unsafe { by_distance!(p, gradient::<S, K>(p, x, d, g)) }
}

#[inline(always)]
unsafe fn gradient<S: Simd, const K: usize, const C: usize, const D: usize>(
    p: &Plan,
    x: *const f32,
    d: *const f32,
    g: *mut f32,
) {
    // As many rows of taps at a time as there are registers for, so that their sums do not wait for one another.
    unsafe {
        match (K, S::LANES) {
            (3, _) => gradient_rows::<S, K, C, D, 3>(p, x, d, g, 0),
            (_, 16) => gradient_rows::<S, K, C, D, 5>(p, x, d, g, 0),
            _ => {
                gradient_rows::<S, K, C, D, 2>(p, x, d, g, 0);
                gradient_rows::<S, K, C, D, 2>(p, x, d, g, 2);
                gradient_rows::<S, K, C, D, 1>(p, x, d, g, 4);
            }
        }
    }
}

/// `R` rows of the `K` x `K` taps, from row `first`.
#[inline(always)]
unsafe fn gradient_rows<S: Simd, const K: usize, const C: usize, const D: usize, const R: usize>(
    p: &Plan,
    x: *const f32,
    d: *const f32,
    g: *mut f32,
    first: usize,
) {
    let c = if C > 0 { C } else { p.channels };
    unsafe {
        let x = x.add(first * p.tap_row);
        if C == 0 && p.flat::<S>() {
            let numbers = p.pixels * c;
            let (count, rest) = (numbers / S::LANES, numbers % S::LANES);
            let l = Line { count, in_step: S::LANES, out_step: S::LANES, n: S::LANES };
            let mut acc = [[S::splat(0.0); K]; R];
            for y in 0..p.rows {
                let (xr, dr) = (x.add(y * p.in_row), d.add(y * p.out_row));
                gradient_line::<S, K, C, D, R>(p, xr, dr, &mut acc, l);
                if rest > 0 {
                    let (at, l) = (count * S::LANES, Line { count: 1, n: rest, ..l });
                    gradient_line::<S, K, C, D, R>(p, xr.add(at), dr.add(at), &mut acc, l);
                }
            }
            for (t, a) in acc.iter().flatten().enumerate() {
                let mut folded = [0.0f32; LANES];
                S::store(folded.as_mut_ptr(), *a);
                for (i, v) in folded.iter().enumerate().take(S::LANES) {
                    *g.add((first * K + t) * c + i % c) += v;
                }
            }
            return;
        }
        for b in (0..c).step_by(S::LANES) {
            let n = if C > 0 { S::LANES } else { (c - b).min(S::LANES) };
            let l = Line { count: p.pixels, in_step: p.in_pixel, out_step: p.out_pixel, n };
            let mut acc = [[S::splat(0.0); K]; R];
            for y in 0..p.rows {
                let (xr, dr) = (x.add(y * p.in_row + b), d.add(y * p.out_row + b));
                gradient_line::<S, K, C, D, R>(p, xr, dr, &mut acc, l);
            }
            for (t, a) in acc.iter().flatten().enumerate() {
                let at = g.add((first * K + t) * c + b);
                S::store_partial(at, S::add(S::load_partial(at, n), *a), n);
            }
        }
    }
}

/// Vectors whose inputs are loaded once for all of them.
const SHARING: usize = 4;

/// One row's share.
#[inline(always)]
unsafe fn gradient_line<S: Simd, const K: usize, const C: usize, const D: usize, const R: usize>(
    p: &Plan,
    x: *const f32,
    d: *const f32,
    acc: &mut [[S::V; K]; R],
    l: Line,
) {
    let (in_step, out_step) = if C > 0 { (C, C) } else { (l.in_step, l.out_step) };
    unsafe {
        let mut i = 0;
        // As in `line`; a flat vector's taps lie less than a vector apart. At distances that are no constants it does not pay
        // for many taps.
        while D > 0 && (C > 0 || K == 3) && l.n == S::LANES && in_step == p.channels && i + SHARING <= l.count {
            let (x, d) = (x.add(i * in_step), d.add(i * out_step));
            let mut dv = [S::splat(0.0); SHARING];
            for (u, v) in dv.iter_mut().enumerate() {
                *v = S::load(d.add(u * out_step));
            }
            for (ky, row) in acc.iter_mut().enumerate() {
                let x = x.add(ky * p.tap_row);
                for first in 0..D {
                    for j in 0..SHARING.div_ceil(D) + K - 1 {
                        let v = S::load(x.add((first + D * j) * in_step));
                        for (kx, a) in row.iter_mut().enumerate() {
                            if j >= kx && first + D * (j - kx) < SHARING {
                                *a = S::fma(v, dv[first + D * (j - kx)], *a);
                            }
                        }
                    }
                }
            }
            i += SHARING;
        }
        while i < l.count {
            let (x, d) = (x.add(i * in_step), d.add(i * out_step));
            if l.n == S::LANES {
                gradient_taps::<S, K, R, false>(p, x, d, acc, l.n);
            } else {
                gradient_taps::<S, K, R, true>(p, x, d, acc, l.n);
            }
            i += 1;
        }
    }
}

/// One vector's share.
#[inline(always)]
unsafe fn gradient_taps<S: Simd, const K: usize, const R: usize, const PARTIAL: bool>(
    p: &Plan,
    x: *const f32,
    d: *const f32,
    acc: &mut [[S::V; K]; R],
    n: usize,
) {
    unsafe {
        let d = get::<S, PARTIAL>(d, n);
        for (ky, row) in acc.iter_mut().enumerate() {
            for (kx, a) in row.iter_mut().enumerate() {
                let at = x.add(ky * p.tap_row + kx * p.dilation * p.channels);
                *a = S::fma(get::<S, PARTIAL>(at, n), d, *a);
            }
        }
    }
}
