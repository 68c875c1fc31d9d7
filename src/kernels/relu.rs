//! Backward passes of rectified linear units; the derivative at 0 is 0.

use super::norm::add_to;
use super::simd::{Simd, by_vectors, dispatch, load, pixels_per_vector, repeat, repeat_all, store, vectors};

/// `out += x > 0 ? gradient : 0`.
pub fn add_where_positive(x: &[f32], gradient: &[f32], out: &mut [f32]) {
    assert!(x.len() == gradient.len() && x.len() == out.len(), "maps of one size");
    // SAFETY: sizes were checked.
    unsafe { add_gated(x, gradient, out) }
}

/// A batch norm before a ReLU: `(z − mean)·scale + shift`, by channel.
#[derive(Clone, Copy, Debug)]
pub struct Normed<'a> {
    pub mean: &'a [f32],
    pub scale: &'a [f32],
    pub shift: &'a [f32],
}

/// `out = (z − mean)·scale + shift > 0 ? gradient : 0`; and by channel `Σ out` and `Σ out · (z − mean)`, added to what is in
/// `plain` and `product`.
pub fn gate(z: &[f32], norm: Normed, gradient: &[f32], out: &mut [f32], plain: &mut [f64], product: &mut [f64]) {
    let c = norm.mean.len();
    assert!(norm.scale.len() == c && norm.shift.len() == c, "a norm by channel");
    assert!(z.len() == gradient.len() && z.len() == out.len() && c > 0, "maps of one size");
    assert!(z.len().is_multiple_of(c) && plain.len() == c && product.len() == c, "sums by channel");
    // SAFETY: sizes were checked.
    unsafe { gate_run(z, norm, gradient, out, plain, product) }
}

/// `out += x · factor`: the identity's gradient.
pub fn add_scaled(x: &[f32], factor: f32, out: &mut [f32]) {
    assert!(x.len() == out.len(), "maps of one size");
    // SAFETY: sizes were checked.
    unsafe { add_scaled_run(x, factor, out) }
}

dispatch!(unsafe fn gate_run(z: &[f32], norm: Normed, gradient: &[f32], out: &mut [f32], plain: &mut [f64], product: &mut [f64]) = gate_body);
dispatch!(unsafe fn add_scaled_run(x: &[f32], factor: f32, out: &mut [f32]) = add_scaled_body);
dispatch!(unsafe fn add_gated(x: &[f32], gradient: &[f32], out: &mut [f32]) = add_gated_body);

#[inline(always)]
unsafe fn add_gated_body<S: Simd>(x: &[f32], gradient: &[f32], out: &mut [f32]) {
    let mut i = 0;
    while i < x.len() {
        let n = (x.len() - i).min(S::LANES);
        unsafe {
            let zero = S::splat(0.0);
            let (xp, gp, op) = (x.as_ptr().add(i), gradient.as_ptr().add(i), out.as_mut_ptr().add(i));
            if n == S::LANES {
                S::store(op, S::add(S::load(op), S::if_gt(S::load(xp), zero, S::load(gp), zero)));
            } else {
                let v = S::if_gt(S::load_partial(xp, n), zero, S::load_partial(gp, n), zero);
                S::store_partial(op, S::add(S::load_partial(op, n), v), n);
            }
        }
        i += n;
    }
}

/// Vectors that are summed in float32 before the sums go to float64.
const CHUNK: usize = 256;

#[inline(always)]
unsafe fn gate_body<S: Simd>(
    z: &[f32],
    norm: Normed,
    gradient: &[f32],
    out: &mut [f32],
    plain: &mut [f64],
    product: &mut [f64],
) {
    let Normed { mean, scale, shift } = norm;
    let c = mean.len();
    let run = pixels_per_vector::<S>(c) * c;
    let mut b = 0;
    while b < run {
        let mut at = unsafe { by_vectors!(run - b, gate_of::<S>(z, norm, gradient, out, plain, product, b), b) };
        // What does not fill a vector: channels, or the last pixels.
        let width = (run - b).min(vectors::<S>(run - b).max(1) * S::LANES);
        while at < z.len() {
            let end = (at + CHUNK * run).min(z.len());
            unsafe {
                let zero = S::splat(0.0);
                let (mut first, mut second) = (zero, zero);
                while at < end {
                    let n = width.min(z.len() - at);
                    let centred = S::sub(load::<S>(z.as_ptr().add(at), n), repeat::<S>(mean, b, n));
                    let y = S::fma(centred, repeat::<S>(scale, b, n), repeat::<S>(shift, b, n));
                    let g = S::if_gt(y, zero, load::<S>(gradient.as_ptr().add(at), n), zero);
                    store::<S>(out.as_mut_ptr().add(at), g, n);
                    first = S::add(first, g);
                    second = S::fma(g, centred, second);
                    at += run;
                }
                add_to::<S>(first, second, b, width, plain, product);
            }
        }
        b += width;
    }
}

/// `V` vectors of channels, from number `b` on; returns where whole vectors end.
#[inline(always)]
unsafe fn gate_of<S: Simd, const V: usize>(
    z: &[f32],
    norm: Normed,
    gradient: &[f32],
    out: &mut [f32],
    plain: &mut [f64],
    product: &mut [f64],
    b: usize,
) -> usize {
    let Normed { mean, scale, shift } = norm;
    let c = mean.len();
    let run = pixels_per_vector::<S>(c) * c;
    let mut at = b;
    unsafe {
        let (m, zero) = (repeat_all::<S, V>(mean, b), S::splat(0.0));
        let (scale, shift) = (repeat_all::<S, V>(scale, b), repeat_all::<S, V>(shift, b));
        while at + V * S::LANES <= z.len() {
            let end = (at + CHUNK * run).min(z.len());
            let (mut first, mut second) = ([zero; V], [zero; V]);
            while at + V * S::LANES <= end {
                for v in 0..V {
                    let p = at + v * S::LANES;
                    let centred = S::sub(S::load(z.as_ptr().add(p)), m[v]);
                    let y = S::fma(centred, scale[v], shift[v]);
                    let g = S::if_gt(y, zero, S::load(gradient.as_ptr().add(p)), zero);
                    S::store(out.as_mut_ptr().add(p), g);
                    first[v] = S::add(first[v], g);
                    second[v] = S::fma(g, centred, second[v]);
                }
                at += run;
            }
            for v in 0..V {
                add_to::<S>(first[v], second[v], b + v * S::LANES, S::LANES, plain, product);
            }
        }
    }
    at
}

#[inline(always)]
unsafe fn add_scaled_body<S: Simd>(x: &[f32], factor: f32, out: &mut [f32]) {
    let mut i = 0;
    while i < x.len() {
        let n = (x.len() - i).min(S::LANES);
        unsafe {
            let o = out.as_mut_ptr().add(i);
            let v = S::add(load::<S>(o, n), S::mul(S::splat(factor), load::<S>(x.as_ptr().add(i), n)));
            store::<S>(o, v, n);
        }
        i += n;
    }
}
