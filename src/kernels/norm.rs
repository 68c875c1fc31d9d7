//! Batch norm as two numbers per channel: statistics of a map, and the linear passes that normalise on the fly.

use super::simd::{Simd, dispatch, load, pixels_per_vector, repeat, store};

/// Added to the variance, as in the published networks.
pub const EPSILON: f64 = 1e-5;

/// Running count, mean and sum of squared deviations by channel; parts combine exactly (Chan, Golub, LeVeque 1979), in the
/// order in which they are given.
#[derive(Clone, Debug, Default)]
pub struct Moments {
    pub count: f64,
    pub mean: Vec<f64>,
    /// Σ (x − mean)².
    pub squares: Vec<f64>,
}

impl Moments {
    pub fn new(channels: usize) -> Moments {
        Moments { count: 0.0, mean: vec![0.0; channels], squares: vec![0.0; channels] }
    }

    pub fn combine(&mut self, other: &Moments) {
        if other.count == 0.0 {
            return;
        }
        let total = self.count + other.count;
        for i in 0..self.mean.len() {
            let delta = other.mean[i] - self.mean[i];
            self.mean[i] += delta * other.count / total;
            self.squares[i] += other.squares[i] + delta * delta * self.count * other.count / total;
        }
        self.count = total;
    }

    /// Biased variance by channel.
    pub fn variance(&self) -> Vec<f64> {
        self.squares.iter().map(|s| s / self.count).collect()
    }
}

/// Takes in maps, whole or a few rows at a time.
#[derive(Clone, Debug, Default)]
pub struct Collector {
    moments: Moments,
    /// Of the map that is open: its first pixel, and Σ (x − shift), Σ (x − shift)² over `pixels` pixels. Shifted, so that
    /// squares do not cancel where the mean is large.
    shift: Vec<f32>,
    sum: Vec<f64>,
    square: Vec<f64>,
    pixels: usize,
}

impl Collector {
    pub fn new(channels: usize) -> Collector {
        let zeros = vec![0.0; channels];
        Collector {
            moments: Moments::new(channels),
            shift: vec![0.0; channels],
            sum: zeros.clone(),
            square: zeros,
            pixels: 0,
        }
    }

    /// Takes in rows `[pixels, C]` of the map that is open.
    pub fn add_rows(&mut self, rows: &[f32]) {
        let c = self.shift.len();
        if rows.len() < c || c == 0 {
            return;
        }
        if self.pixels == 0 {
            self.shift.copy_from_slice(&rows[..c]);
            self.sum.fill(0.0);
            self.square.fill(0.0);
        }
        self.pixels += rows.len() / c;
        // SAFETY: all slices have whole pixels of `c` channels.
        unsafe { shifted_sums(rows, &self.shift, &mut self.sum, &mut self.square) }
    }

    /// Ends the map that is open.
    pub fn close(&mut self) {
        if self.pixels == 0 {
            return;
        }
        let n = self.pixels as f64;
        let each = self.shift.iter().zip(self.sum.iter().zip(&self.square));
        let (mean, squares) = each.map(|(k, (s, q))| (f64::from(*k) + s / n, (q - s * s / n).max(0.0))).unzip();
        self.moments.combine(&Moments { count: n, mean, squares });
        self.pixels = 0;
    }

    /// Takes in a whole map `[pixels, C]`.
    pub fn add_map(&mut self, map: &[f32]) {
        self.add_rows(map);
        self.close();
    }

    pub fn finish(mut self) -> Moments {
        self.close();
        self.moments
    }
}

dispatch!(unsafe fn shifted_sums(map: &[f32], shift: &[f32], sum: &mut [f64], square: &mut [f64]) = shifted_sums_body);

#[inline(always)]
unsafe fn shifted_sums_body<S: Simd>(map: &[f32], shift: &[f32], sum: &mut [f64], square: &mut [f64]) {
    unsafe { sums::<S, Shifted>(map.as_ptr(), map.as_ptr(), map.len() / shift.len(), shift, sum, square) }
}

/// By channel, `Σ dy` and `Σ dy · (z − mean)` of maps `[pixels, C]`, added to what is there.
pub fn add_products(dy: &[f32], z: &[f32], mean: &[f32], plain: &mut [f64], product: &mut [f64]) {
    let c = mean.len();
    assert!(
        dy.len() == z.len() && plain.len() == c && product.len() == c && c > 0,
        "maps of one size, sums by channel"
    );
    // SAFETY: sizes were checked; whole pixels of `c` channels.
    unsafe { products(dy, z, mean, plain, product) }
}

dispatch!(unsafe fn products(dy: &[f32], z: &[f32], mean: &[f32], plain: &mut [f64], product: &mut [f64]) = products_body);

#[inline(always)]
unsafe fn products_body<S: Simd>(dy: &[f32], z: &[f32], mean: &[f32], plain: &mut [f64], product: &mut [f64]) {
    unsafe { sums::<S, Products>(dy.as_ptr(), z.as_ptr(), z.len() / mean.len(), mean, plain, product) }
}

/// One vector's share of two sums by channel. A trait and not a closure, so that it is inlined into code for the
/// instruction set.
trait Sums {
    unsafe fn step<S: Simd>(x: S::V, y: S::V, k: S::V, first: &mut S::V, second: &mut S::V);
}

/// Σ (x − k), Σ (x − k)².
struct Shifted;

impl Sums for Shifted {
    #[inline(always)]
    unsafe fn step<S: Simd>(x: S::V, _: S::V, k: S::V, first: &mut S::V, second: &mut S::V) {
        unsafe {
            let d = S::sub(x, k);
            *first = S::add(*first, d);
            *second = S::fma(d, d, *second);
        }
    }
}

/// Σ x, Σ x·(y − k).
struct Products;

impl Sums for Products {
    #[inline(always)]
    unsafe fn step<S: Simd>(x: S::V, y: S::V, k: S::V, first: &mut S::V, second: &mut S::V) {
        unsafe {
            *first = S::add(*first, x);
            *second = S::fma(x, S::sub(y, k), *second);
        }
    }
}

/// Pixels (or groups of pixels) that are summed in float32 before the sums go to float64.
const CHUNK: usize = 256;

#[inline(always)]
unsafe fn sums<S: Simd, P: Sums>(
    x: *const f32,
    y: *const f32,
    pixels: usize,
    by_channel: &[f32],
    first: &mut [f64],
    second: &mut [f64],
) {
    let c = by_channel.len();
    let group = pixels_per_vector::<S>(c);
    let run = group * c;
    let mut b = 0;
    while b < run {
        let width = (run - b).min(S::LANES);
        let k = unsafe { repeat::<S>(by_channel, b, width) };
        let mut p = 0;
        while p < pixels {
            let end = (p + CHUNK * group).min(pixels);
            // Four sums, so that they do not wait for one another.
            let (mut ss4, mut qq4) = unsafe { ([S::splat(0.0); 4], [S::splat(0.0); 4]) };
            if width == S::LANES {
                while p + 4 * group <= end {
                    for (u, (s, q)) in ss4.iter_mut().zip(&mut qq4).enumerate() {
                        let at = (p + u * group) * c + b;
                        unsafe { P::step::<S>(S::load(x.add(at)), S::load(y.add(at)), k, s, q) }
                    }
                    p += 4 * group;
                }
            }
            let (mut s, mut q) = unsafe {
                let add4 = |v: &[S::V; 4]| S::add(S::add(v[0], v[1]), S::add(v[2], v[3]));
                (add4(&ss4), add4(&qq4))
            };
            while p < end {
                // Short only in the last, incomplete group of pixels.
                let n = width.min((pixels - p) * c - b);
                let at = p * c + b;
                unsafe {
                    let k = if n == width { k } else { repeat::<S>(by_channel, b, n) };
                    P::step::<S>(load::<S>(x.add(at), n), load::<S>(y.add(at), n), k, &mut s, &mut q);
                }
                p += group;
            }
            let (mut ss, mut qq) = ([0.0f32; 16], [0.0f32; 16]);
            unsafe {
                S::store(ss.as_mut_ptr(), s);
                S::store(qq.as_mut_ptr(), q);
            }
            let mut channel = if group > 1 { 0 } else { b };
            for i in 0..width {
                first[channel] += f64::from(ss[i]);
                second[channel] += f64::from(qq[i]);
                channel = if channel + 1 == c { 0 } else { channel + 1 };
            }
        }
        b += width;
    }
}

/// Most maps that [`mix_all`] adds in one pass.
const TOGETHER: usize = 8;

/// A map, and the mean and scale by channel that it is mixed with.
pub type Mixed<'a> = (&'a [f32], &'a [f32], &'a [f32]);

/// By channel: `out = out + Σ (z − mean) · scale`, or without the first `out` where `fresh`.
pub fn mix_all(maps: &[Mixed], out: &mut [f32], fresh: bool) {
    let fits = |(z, mean, scale): &Mixed| z.len() == out.len() && mean.len() == scale.len() && !mean.is_empty();
    assert!(maps.iter().all(fits) && maps.windows(2).all(|m| m[0].1.len() == m[1].1.len()), "maps of one size");
    if fresh && maps.is_empty() {
        out.fill(0.0);
    }
    for (i, maps) in maps.chunks(TOGETHER).enumerate() {
        // SAFETY: sizes were checked.
        unsafe {
            if fresh && i == 0 {
                mix_fresh(maps, out);
            } else {
                mix_onto(maps, out);
            }
        }
    }
}

/// [`mix_all`] of one map.
pub fn mix(z: &[f32], mean: &[f32], scale: &[f32], out: &mut [f32], fresh: bool) {
    mix_all(&[(z, mean, scale)], out, fresh);
}

dispatch!(unsafe fn mix_fresh(maps: &[Mixed], out: &mut [f32]) = mix_fresh_body);
dispatch!(unsafe fn mix_onto(maps: &[Mixed], out: &mut [f32]) = mix_onto_body);
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
unsafe fn mix_fresh_body<S: Simd>(maps: &[Mixed], out: &mut [f32]) {
    unsafe { mix_body::<S, true>(maps, out) }
}

#[inline(always)]
unsafe fn mix_onto_body<S: Simd>(maps: &[Mixed], out: &mut [f32]) {
    unsafe { mix_body::<S, false>(maps, out) }
}

#[inline(always)]
unsafe fn mix_body<S: Simd, const FRESH: bool>(maps: &[Mixed], out: &mut [f32]) {
    let c = maps[0].1.len();
    let run = pixels_per_vector::<S>(c) * c;
    let mut b = 0;
    while b < run {
        let width = (run - b).min(S::LANES);
        unsafe {
            let mut by_channel = [(S::splat(0.0), S::splat(0.0)); TOGETHER];
            for (v, (_, mean, scale)) in by_channel.iter_mut().zip(maps) {
                *v = (repeat::<S>(mean, b, width), repeat::<S>(scale, b, width));
            }
            let mut at = b;
            while at < out.len() {
                let n = width.min(out.len() - at);
                let to = out.as_mut_ptr().add(at);
                let mut sum = if FRESH { S::splat(0.0) } else { load::<S>(to, n) };
                for ((z, ..), (mean, scale)) in maps.iter().zip(&by_channel) {
                    sum = S::fma(S::sub(load::<S>(z.as_ptr().add(at), n), *mean), *scale, sum);
                }
                store::<S>(to, sum, n);
                at += run;
            }
        }
        b += width;
    }
}

#[inline(always)]
unsafe fn backward_body<S: Simd>(dy: &[f32], z: &[f32], f: &Backward, dz: &mut [f32]) {
    let c = f.mean.len();
    let group = pixels_per_vector::<S>(c);
    let (run, pixels) = (group * c, z.len() / c);
    let mut b = 0;
    while b < run {
        let width = (run - b).min(S::LANES);
        unsafe {
            let m = repeat::<S>(&f.mean, b, width);
            let (scale, slope, offset) =
                (repeat::<S>(&f.scale, b, width), repeat::<S>(&f.slope, b, width), repeat::<S>(&f.offset, b, width));
            let mut p = 0;
            while p < pixels {
                let n = width.min((pixels - p) * c - b);
                let at = p * c + b;
                let centred = S::sub(load::<S>(z.as_ptr().add(at), n), m);
                let v = S::fma(load::<S>(dy.as_ptr().add(at), n), scale, S::fma(centred, slope, offset));
                store::<S>(dz.as_mut_ptr().add(at), v, n);
                p += group;
            }
        }
        b += width;
    }
}
