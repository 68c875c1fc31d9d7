//! Batch norm as two numbers per channel: statistics of a map, and the linear passes that normalise on the fly.

mod moments;

pub(super) use moments::add_to;
pub use moments::{Collector, Moments, add_products};

use super::simd::{Simd, by_vectors, dispatch, load, pixels_per_vector, repeat, repeat_all, store, vectors};

/// Added to the variance, as in the published networks.
pub const EPSILON: f64 = 1e-5;

/// Most maps that [`mix_all`] adds in one pass.
const TOGETHER: usize = 8;

/// A map, and the mean and scale by channel that it is mixed with.
pub type Mixed<'a> = (&'a [f32], &'a [f32], &'a [f32]);

/// By channel: `out = out + shift + Σ (z − mean) · scale`, or without the first `out` where `fresh`; an empty `shift` is 0.
pub fn mix_all(maps: &[Mixed], shift: &[f32], out: &mut [f32], fresh: bool) {
    let fits = |(z, mean, scale): &Mixed| z.len() == out.len() && mean.len() == scale.len() && !mean.is_empty();
    assert!(maps.iter().all(fits) && maps.windows(2).all(|m| m[0].1.len() == m[1].1.len()), "maps of one size");
    assert!(shift.is_empty() || maps.first().is_some_and(|m| m.1.len() == shift.len()), "a shift by channel");
    if fresh && maps.is_empty() {
        out.fill(0.0);
    }
    for (i, maps) in maps.chunks(TOGETHER).enumerate() {
        let shift = if i == 0 { shift } else { &[] };
        // SAFETY: sizes were checked.
        unsafe {
            if fresh && i == 0 {
                mix_fresh(maps, shift, out);
            } else {
                mix_onto(maps, shift, out);
            }
        }
    }
}

/// [`mix_all`] of one map.
pub fn mix(z: &[f32], mean: &[f32], scale: &[f32], out: &mut [f32], fresh: bool) {
    mix_all(&[(z, mean, scale)], &[], out, fresh);
}

dispatch!(unsafe fn mix_fresh(maps: &[Mixed], shift: &[f32], out: &mut [f32]) = mix_fresh_body);
dispatch!(unsafe fn mix_onto(maps: &[Mixed], shift: &[f32], out: &mut [f32]) = mix_onto_body);
dispatch!(unsafe fn backward(dy: &[f32], z: &[f32], b: &Backward, dz: &mut [f32]) = backward_body);

/// The linear form that a batch norm's backward pass is: `dz = dy · scale + (z − mean) · slope + offset`, by channel. With a
/// scale of 0 it is the forward pass of a norm with scale and shift.
#[derive(Clone, Debug, Default)]
pub struct Backward {
    pub scale: Vec<f32>,
    pub mean: Vec<f32>,
    pub slope: Vec<f32>,
    pub offset: Vec<f32>,
}

impl Backward {
    /// The form for a gradient that is `factor` times the one it was made for, with the same sums.
    #[must_use]
    pub fn times(&self, factor: f32) -> Backward {
        Backward { scale: self.scale.iter().map(|s| s * factor).collect(), ..self.clone() }
    }

    pub fn apply(&self, dy: &[f32], z: &[f32], dz: &mut [f32]) {
        let c = self.mean.len();
        assert!(
            dy.len() == z.len()
                && z.len() == dz.len()
                && c > 0
                && [&self.scale, &self.slope, &self.offset].iter().all(|v| v.len() == c),
            "maps of one size, coefficients by channel"
        );
        // SAFETY: sizes were checked.
        unsafe { backward(dy, z, self, dz) }
    }
}

/// By channel: `z = (z − mean) · scale`.
pub fn normalise(z: &mut [f32], mean: &[f32], scale: &[f32]) {
    assert!(
        mean.len() == scale.len() && !mean.is_empty() && z.len().is_multiple_of(mean.len()),
        "statistics by channel"
    );
    // SAFETY: sizes were checked.
    unsafe { normalise_run(z, mean, scale) }
}

dispatch!(unsafe fn normalise_run(z: &mut [f32], mean: &[f32], scale: &[f32]) = normalise_body);

#[inline(always)]
unsafe fn normalise_body<S: Simd>(z: &mut [f32], mean: &[f32], scale: &[f32]) {
    let run = pixels_per_vector::<S>(mean.len()) * mean.len();
    let mut b = 0;
    while b < run {
        let width = (run - b).min(S::LANES);
        unsafe {
            let (m, k) = (repeat::<S>(mean, b, width), repeat::<S>(scale, b, width));
            let mut at = b;
            while at < z.len() {
                let n = width.min(z.len() - at);
                let p = z.as_mut_ptr().add(at);
                store::<S>(p, S::mul(S::sub(load::<S>(p, n), m), k), n);
                at += run;
            }
        }
        b += width;
    }
}

#[inline(always)]
unsafe fn mix_fresh_body<S: Simd>(maps: &[Mixed], shift: &[f32], out: &mut [f32]) {
    unsafe { mix_body::<S, true>(maps, shift, out) }
}

#[inline(always)]
unsafe fn mix_onto_body<S: Simd>(maps: &[Mixed], shift: &[f32], out: &mut [f32]) {
    unsafe { mix_body::<S, false>(maps, shift, out) }
}

#[inline(always)]
unsafe fn mix_body<S: Simd, const FRESH: bool>(maps: &[Mixed], shift: &[f32], out: &mut [f32]) {
    let c = maps[0].1.len();
    let run = pixels_per_vector::<S>(c) * c;
    let mut b = 0;
    while b < run {
        let mut at = unsafe { by_vectors!(run - b, mix_of::<S, FRESH>(maps, shift, out, b), b) };
        // What does not fill a vector: channels, or the last pixels.
        let width = (run - b).min(vectors::<S>(run - b).max(1) * S::LANES);
        while at < out.len() {
            let n = width.min(out.len() - at);
            unsafe {
                let to = out.as_mut_ptr().add(at);
                let mut sum = if FRESH { S::splat(0.0) } else { load::<S>(to, n) };
                if !shift.is_empty() {
                    sum = S::add(sum, repeat::<S>(shift, b, n));
                }
                for (z, mean, scale) in maps {
                    let (m, k) = (repeat::<S>(mean, b, n), repeat::<S>(scale, b, n));
                    sum = S::fma(S::sub(load::<S>(z.as_ptr().add(at), n), m), k, sum);
                }
                store::<S>(to, sum, n);
            }
            at += run;
        }
        b += width;
    }
}

/// `V` vectors of channels, from number `b` on; returns where whole vectors end.
#[inline(always)]
unsafe fn mix_of<S: Simd, const V: usize, const FRESH: bool>(
    maps: &[Mixed],
    shift: &[f32],
    out: &mut [f32],
    b: usize,
) -> usize {
    let c = maps[0].1.len();
    let (run, len, to) = (pixels_per_vector::<S>(c) * c, out.len(), out.as_mut_ptr());
    let mut at = b;
    unsafe {
        let mut by_channel = [([S::splat(0.0); V], [S::splat(0.0); V]); TOGETHER];
        for (v, (_, mean, scale)) in by_channel.iter_mut().zip(maps) {
            *v = (repeat_all::<S, V>(mean, b), repeat_all::<S, V>(scale, b));
        }
        let start = if shift.is_empty() { [S::splat(0.0); V] } else { repeat_all::<S, V>(shift, b) };
        while at + V * S::LANES <= len {
            let mut sum = start;
            if !FRESH {
                for (v, s) in sum.iter_mut().enumerate() {
                    let there = S::load(to.add(at + v * S::LANES));
                    *s = if shift.is_empty() { there } else { S::add(there, *s) };
                }
            }
            for ((z, ..), (mean, scale)) in maps.iter().zip(&by_channel) {
                for (v, s) in sum.iter_mut().enumerate() {
                    *s = S::fma(S::sub(S::load(z.as_ptr().add(at + v * S::LANES)), mean[v]), scale[v], *s);
                }
            }
            for (v, s) in sum.iter().enumerate() {
                S::store(to.add(at + v * S::LANES), *s);
            }
            at += run;
        }
    }
    at
}

#[inline(always)]
unsafe fn backward_body<S: Simd>(dy: &[f32], z: &[f32], f: &Backward, dz: &mut [f32]) {
    let (c, len) = (f.mean.len(), dz.len());
    let run = pixels_per_vector::<S>(c) * c;
    let mut b = 0;
    while b < run {
        let mut at = unsafe { by_vectors!(run - b, backward_of::<S>(dy, z, f, dz, b), b) };
        // What does not fill a vector: channels, or the last pixels.
        let width = (run - b).min(vectors::<S>(run - b).max(1) * S::LANES);
        while at < len {
            let n = width.min(len - at);
            unsafe {
                let m = repeat::<S>(&f.mean, b, n);
                let (scale, slope, offset) =
                    (repeat::<S>(&f.scale, b, n), repeat::<S>(&f.slope, b, n), repeat::<S>(&f.offset, b, n));
                let centred = S::sub(load::<S>(z.as_ptr().add(at), n), m);
                let v = S::fma(load::<S>(dy.as_ptr().add(at), n), scale, S::fma(centred, slope, offset));
                store::<S>(dz.as_mut_ptr().add(at), v, n);
            }
            at += run;
        }
        b += width;
    }
}

/// `V` vectors of channels, from number `b` on; returns where whole vectors end.
#[inline(always)]
unsafe fn backward_of<S: Simd, const V: usize>(dy: &[f32], z: &[f32], f: &Backward, dz: &mut [f32], b: usize) -> usize {
    let c = f.mean.len();
    let (run, len) = (pixels_per_vector::<S>(c) * c, dz.len());
    let mut at = b;
    unsafe {
        let (mean, scale) = (repeat_all::<S, V>(&f.mean, b), repeat_all::<S, V>(&f.scale, b));
        let (slope, offset) = (repeat_all::<S, V>(&f.slope, b), repeat_all::<S, V>(&f.offset, b));
        while at + V * S::LANES <= len {
            for v in 0..V {
                let p = at + v * S::LANES;
                let centred = S::sub(S::load(z.as_ptr().add(p)), mean[v]);
                let sum = S::fma(S::load(dy.as_ptr().add(p)), scale[v], S::fma(centred, slope[v], offset[v]));
                S::store(dz.as_mut_ptr().add(p), sum);
            }
            at += run;
        }
    }
    at
}
