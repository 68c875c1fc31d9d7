//! The inner loops of the gradients of a dense convolution's weights, tiles of it that stay in registers over many pixels, and of
//! its bias.

use super::tile::{Plan, many};
use crate::kernels::simd::{Simd, dispatch, load, store};

dispatch!(pub(super) unsafe fn weight_gradient(p: &Plan, x: *const f32, d: *const f32, g: *mut f32) = gradient_body);
dispatch!(pub(super) unsafe fn bias_gradient(pixels: usize, c: usize, d: *const f32, g: *mut f32) = bias_body);

#[inline(always)]
unsafe fn bias_body<S: Simd>(pixels: usize, c: usize, d: *const f32, g: *mut f32) {
    for j in (0..c).step_by(S::LANES) {
        let n = (c - j).min(S::LANES);
        unsafe {
            // Four sums at once, so that they do not wait for one another.
            let mut sums = [S::splat(0.0); 4];
            for p in (0..pixels).step_by(4) {
                for (k, sum) in sums.iter_mut().enumerate().take(pixels - p) {
                    *sum = S::add(*sum, load::<S>(d.add((p + k) * c + j), n));
                }
            }
            let sum = S::add(S::add(sums[0], sums[1]), S::add(sums[2], sums[3]));
            store::<S>(g.add(j), S::add(load::<S>(g.add(j), n), sum), n);
        }
    }
}

/// Pixels that are summed before the sums go to the gradient: maps of so many stay in the first cache.
const STRIP: usize = 256;

#[inline(always)]
unsafe fn gradient_body<S: Simd>(p: &Plan, x: *const f32, d: *const f32, g: *mut f32) {
    let step = (STRIP / p.pixels).max(1);
    // Rows of taps that tiles are made for: all three, or one by one.
    let at_once = if p.tap_rows == 3 { 3 } else { 1 };
    let strips = (0..p.rows).step_by(step).flat_map(|y| (0..p.tap_rows).step_by(at_once).map(move |t| (y, t)));
    for (y, t) in strips {
        let strip = Plan { rows: step.min(p.rows - y), tap_rows: at_once, ..*p };
        unsafe {
            let (x, d) = (x.add(y * p.in_row + t * p.tap_row), d.add(y * p.out_row));
            let g = g.add(t * p.depth * p.columns);
            let mut j = 0;
            while j < p.columns {
                let left = p.columns - j;
                let (d, g) = (d.add(j), g.add(j));
                if left >= 2 * S::LANES {
                    gradient_columns::<S, 2, false>(&strip, x, d, g, S::LANES);
                    j += 2 * S::LANES;
                } else if left >= S::LANES {
                    gradient_columns::<S, 1, false>(&strip, x, d, g, S::LANES);
                    j += S::LANES;
                } else {
                    gradient_columns::<S, 1, true>(&strip, x, d, g, left);
                    j += left;
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn gradient_columns<S: Simd, const V: usize, const PARTIAL: bool>(
    p: &Plan,
    x: *const f32,
    d: *const f32,
    g: *mut f32,
    n: usize,
) {
    unsafe {
        if p.tap_rows == 3 {
            let mut i = 0;
            match (many::<S>(), V) {
                (true, 1) => {
                    if p.by_three() && p.in_pixel.is_multiple_of(8) {
                        return gradient_by_three::<S, 8, PARTIAL>(p, x, d, g, n);
                    }
                    if p.depth == 9 {
                        i = gradient_tile::<S, 3, 9, V, PARTIAL>(p, x, d, g, n, i);
                    }
                    i = gradient_tile::<S, 3, 8, V, PARTIAL>(p, x, d, g, n, i);
                }
                (true, _) => i = gradient_tile::<S, 3, 4, V, PARTIAL>(p, x, d, g, n, i),
                (_, 1) => i = gradient_tile::<S, 3, 4, V, PARTIAL>(p, x, d, g, n, i),
                _ => i = gradient_tile::<S, 3, 2, V, PARTIAL>(p, x, d, g, n, i),
            }
            gradient_tile::<S, 3, 1, V, PARTIAL>(p, x, d, g, n, i);
        } else {
            let mut i = 0;
            if many::<S>() && V == 1 {
                i = gradient_tile::<S, 1, 16, V, PARTIAL>(p, x, d, g, n, i);
            }
            if many::<S>() || V == 1 {
                i = gradient_tile::<S, 1, 8, V, PARTIAL>(p, x, d, g, n, i);
            }
            i = gradient_tile::<S, 1, 4, V, PARTIAL>(p, x, d, g, n, i);
            gradient_tile::<S, 1, 1, V, PARTIAL>(p, x, d, g, n, i);
        }
    }
}

/// The gradient of `R` numbers of each of `Y` rows of taps by `V` vectors at a time from number `i`; returns the first number
/// that is left.
#[inline(always)]
unsafe fn gradient_tile<S: Simd, const Y: usize, const R: usize, const V: usize, const PARTIAL: bool>(
    p: &Plan,
    x: *const f32,
    d: *const f32,
    g: *mut f32,
    n: usize,
    mut i: usize,
) -> usize {
    unsafe {
        while i + R <= p.depth {
            let mut acc = [[[S::splat(0.0); V]; R]; Y];
            for y in 0..p.rows {
                let (mut x, mut d) = (x.add(i + y * p.in_row), d.add(y * p.out_row));
                for _ in 0..p.pixels {
                    let mut dv = [S::splat(0.0); V];
                    for (v, to) in dv.iter_mut().enumerate() {
                        let at = d.add(v * S::LANES);
                        *to = if PARTIAL { S::load_partial(at, n) } else { S::load(at) };
                    }
                    for (t, row) in acc.iter_mut().enumerate() {
                        for (r, a) in row.iter_mut().enumerate() {
                            let xv = S::splat(*x.add(t * p.tap_row + r));
                            for v in 0..V {
                                a[v] = S::fma(xv, dv[v], a[v]);
                            }
                        }
                    }
                    x = x.add(p.in_pixel);
                    d = d.add(p.out_pixel);
                }
            }
            for (t, row) in acc.iter().enumerate() {
                for (r, a) in row.iter().enumerate() {
                    for (v, a) in a.iter().enumerate() {
                        let at = g.add((t * p.depth + i + r) * p.columns + v * S::LANES);
                        store::<S>(at, S::add(load::<S>(at, n), *a), n);
                    }
                }
            }
            i += R;
        }
        i
    }
}

/// Pixels of the output's gradient that are held at a time.
const HELD: usize = 4;

/// As [`gradient_tile`] for all of the gradient in one vector of columns, where taps are [by three](Plan::by_three): `R` inputs
/// of three taps at a time.
#[inline(always)]
unsafe fn gradient_by_three<S: Simd, const R: usize, const PARTIAL: bool>(
    p: &Plan,
    x: *const f32,
    d: *const f32,
    g: *mut f32,
    n: usize,
) {
    let c = p.in_pixel;
    for (ty, i) in (0..3).flat_map(|ty| (0..c).step_by(R).map(move |i| (ty, i))) {
        unsafe {
            let mut acc = [[S::splat(0.0); R]; 3];
            for y in 0..p.rows {
                let (x, d) = (x.add(i + y * p.in_row + ty * p.tap_row), d.add(y * p.out_row));
                let mut at = 0;
                while at + HELD <= p.pixels {
                    held::<S, HELD, R, PARTIAL>(p, x.add(at * c), d.add(at * p.out_pixel), &mut acc, n);
                    at += HELD;
                }
                while at < p.pixels {
                    held::<S, 1, R, PARTIAL>(p, x.add(at * c), d.add(at * p.out_pixel), &mut acc, n);
                    at += 1;
                }
            }
            for (tx, a) in acc.iter().enumerate() {
                for (r, a) in a.iter().enumerate() {
                    let at = g.add((ty * p.depth + tx * c + i + r) * p.columns);
                    store::<S>(at, S::add(load::<S>(at, n), *a), n);
                }
            }
        }
    }
}

/// The share of `U` pixels of the output.
#[inline(always)]
unsafe fn held<S: Simd, const U: usize, const R: usize, const PARTIAL: bool>(
    p: &Plan,
    x: *const f32,
    d: *const f32,
    acc: &mut [[S::V; R]; 3],
    n: usize,
) {
    unsafe {
        let mut dv = [S::splat(0.0); U];
        for (u, to) in dv.iter_mut().enumerate() {
            let at = d.add(u * p.out_pixel);
            *to = if PARTIAL { S::load_partial(at, n) } else { S::load(at) };
        }
        for j in 0..U + 2 {
            for r in 0..R {
                let xv = S::splat(*x.add(j * p.in_pixel + r));
                for (tx, a) in acc.iter_mut().enumerate() {
                    if j >= tx && j - tx < U {
                        a[r] = S::fma(xv, dv[j - tx], a[r]);
                    }
                }
            }
        }
    }
}
