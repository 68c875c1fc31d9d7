//! The weights' gradient: inputs and the outputs' gradients of a strip of tiles transformed, multiplied place by place, and
//! transformed back onto the taps.

use std::mem::MaybeUninit;

use super::{GAP, Map, PLACES, row, strip, transformed};
use crate::kernels::simd::{Simd, dispatch, load, store};

dispatch!(pub(crate) unsafe fn weight_gradient(x: &Map, d: &Map, g: *mut f32, scratch: *mut f32) = gradient_body);

/// Sums of a block of the gradient, by weight and place: 16 weights by a vector of the widest at most.
#[repr(align(64))]
struct Sums(MaybeUninit<[f32; 16 * PLACES * 16]>);

/// A strip's transformed tiles: their number, and of inputs and gradients the numbers of a tile and those between places.
struct Strip {
    tiles: usize,
    x: *const f32,
    x_row: usize,
    x_apart: usize,
    d: *const f32,
    d_row: usize,
    d_apart: usize,
    inputs: usize,
    outputs: usize,
}

/// `d` is the output's gradient itself, from its first pixel on: what lies beyond its rows and columns is zeros.
#[inline(always)]
unsafe fn gradient_body<S: Simd>(x: &Map, d: &Map, g: *mut f32, scratch: *mut f32) {
    let mut sums = Sums(MaybeUninit::uninit());
    let sums: *mut f32 = sums.0.as_mut_ptr().cast();
    let (inputs, outputs) = (x.channels, d.channels);
    let (across, step) = (d.columns.div_ceil(2), strip(inputs, outputs));
    let all = across * d.rows.div_ceil(2);
    for first in (0..all).step_by(step) {
        let tiles = step.min(all - first);
        let (x_row, d_row) = (row(inputs), row(outputs));
        let (x_apart, d_apart) = (tiles * x_row + GAP, tiles * d_row + GAP);
        unsafe {
            let (to_x, to_d) = (scratch, scratch.add(transformed(step, inputs)));
            for r in 0..tiles {
                let at = ((first + r) / across, (first + r) % across);
                x.transform::<S>(at, to_x.add(r * x_row), x_apart);
                spread::<S>(d, at, to_d.add(r * d_row), d_apart);
            }
            let s = Strip { tiles, x: to_x, x_row, x_apart, d: to_d, d_row, d_apart, inputs, outputs };
            // As many sums as registers hold beside; inputs come in eights.
            let done = match S::LANES {
                16 => {
                    let i = block::<S, 16, 1>(&s, 0, g, sums);
                    block::<S, 8, 1>(&s, i, g, sums)
                }
                8 => block::<S, 4, 2>(&s, 0, g, sums),
                _ => block::<S, 4, 4>(&s, 0, g, sums),
            };
            debug_assert_eq!(done, inputs, "inputs are left");
        }
    }
}

/// `A dy Aᵀ` of a tile.
#[inline(always)]
unsafe fn spread<S: Simd>(d: &Map, (y, x): (usize, usize), to: *mut f32, apart: usize) {
    unsafe {
        let at = d.at.add(2 * y * d.row + 2 * x * d.channels);
        let (below, beside) = (2 * y + 1 < d.rows, 2 * x + 1 < d.columns);
        let mut k = 0;
        while k < d.channels {
            let n = (d.channels - k).min(S::LANES);
            let at = at.add(k);
            let zero = S::splat(0.0);
            let mut own = [[zero; 2]; 2];
            own[0][0] = load::<S>(at, n);
            if beside {
                own[0][1] = load::<S>(at.add(d.channels), n);
            }
            if below {
                own[1][0] = load::<S>(at.add(d.row), n);
            }
            if below && beside {
                own[1][1] = load::<S>(at.add(d.row + d.channels), n);
            }
            let (left, right) = (both::<S>(own[0][0], own[1][0]), both::<S>(own[0][1], own[1][1]));
            for y in 0..4 {
                for (x, v) in both::<S>(left[y], right[y]).iter().enumerate() {
                    S::store(to.add((4 * y + x) * apart + k), *v);
                }
            }
            k += S::LANES;
        }
    }
}

/// `A dy`.
#[inline(always)]
unsafe fn both<S: Simd>(a: S::V, b: S::V) -> [S::V; 4] {
    unsafe { [a, S::add(a, b), S::sub(a, b), b] }
}

/// The gradients of `R` inputs' weights at a time from input `i` on; returns the first input that is left.
#[inline(always)]
unsafe fn block<S: Simd, const R: usize, const V: usize>(
    s: &Strip,
    mut i: usize,
    g: *mut f32,
    sums: *mut f32,
) -> usize {
    while i + R <= s.inputs {
        for j in (0..s.outputs).step_by(V * S::LANES) {
            unsafe {
                products::<S, R, V>(s, s.x.add(i), s.d.add(j), sums);
                for (r, v) in (0..R).flat_map(|r| (0..V).map(move |v| (r, v))) {
                    let j = j + v * S::LANES;
                    let (m, g) = (sums.add((r * V + v) * PLACES * S::LANES), g.add((i + r) * s.outputs + j));
                    if j + S::LANES <= s.outputs {
                        add::<S>(m, g, s.inputs * s.outputs, S::LANES);
                    } else if j < s.outputs {
                        add::<S>(m, g, s.inputs * s.outputs, s.outputs - j);
                    }
                }
            }
        }
        i += R;
    }
    i
}

#[inline(always)]
unsafe fn products<S: Simd, const R: usize, const V: usize>(s: &Strip, x: *const f32, d: *const f32, sums: *mut f32) {
    for place in 0..PLACES {
        unsafe {
            let (mut x, mut d) = (x.add(place * s.x_apart), d.add(place * s.d_apart));
            let mut acc = [[S::splat(0.0); V]; R];
            for _ in 0..s.tiles {
                let mut dv = [S::splat(0.0); V];
                for (v, to) in dv.iter_mut().enumerate() {
                    *to = S::load(d.add(v * S::LANES));
                }
                for (r, a) in acc.iter_mut().enumerate() {
                    let xv = S::splat(*x.add(r));
                    for v in 0..V {
                        a[v] = S::fma(xv, dv[v], a[v]);
                    }
                }
                x = x.add(s.x_row);
                d = d.add(s.d_row);
            }
            for (r, a) in acc.iter().enumerate() {
                for (v, a) in a.iter().enumerate() {
                    S::store(sums.add(((r * V + v) * PLACES + place) * S::LANES), *a);
                }
            }
        }
    }
}

/// Adds `Gᵀ m G` to `n` channels of nine taps, `tap` numbers apart.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "a column of four arrays")]
unsafe fn add<S: Simd>(m: *const f32, g: *mut f32, tap: usize, n: usize) {
    unsafe {
        let mut half = [[S::splat(0.0); 3]; 4];
        for (x, to) in half.iter_mut().enumerate() {
            let mut column = [S::splat(0.0); 4];
            for (y, to) in column.iter_mut().enumerate() {
                *to = S::load(m.add((4 * y + x) * S::LANES));
            }
            *to = reduced::<S>(&column);
        }
        for y in 0..3 {
            let row = [half[0][y], half[1][y], half[2][y], half[3][y]];
            for (x, v) in reduced::<S>(&row).iter().enumerate() {
                let at = g.add((3 * y + x) * tap);
                store::<S>(at, S::add(load::<S>(at, n), *v), n);
            }
        }
    }
}

/// `Gᵀ m`.
#[inline(always)]
unsafe fn reduced<S: Simd>(m: &[S::V; 4]) -> [S::V; 3] {
    unsafe {
        let half = S::splat(0.5);
        let (sum, difference) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
        [S::fma(half, sum, m[0]), S::mul(half, difference), S::fma(half, sum, m[3])]
    }
}
