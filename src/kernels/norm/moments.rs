//! Sums over a map by channel: its moments, and what a batch norm's backward pass needs.

use crate::kernels::simd::{Simd, by_vectors, dispatch, load, pixels_per_vector, repeat, repeat_all, vectors};

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
    let (run, len) = (pixels_per_vector::<S>(c) * c, pixels * c);
    let mut b = 0;
    while b < run {
        let mut at = b;
        at = unsafe { by_vectors!(run - b, sums_of::<S, P>(x, y, at, len, by_channel, first, second), at) };
        // What does not fill a vector: channels, or the last pixels.
        let width = (run - b).min(vectors::<S>(run - b).max(1) * S::LANES);
        while at < len {
            let end = (at + CHUNK * run).min(len);
            unsafe {
                let (mut s, mut q) = (S::splat(0.0), S::splat(0.0));
                while at < end {
                    let n = width.min(len - at);
                    let k = repeat::<S>(by_channel, b, n);
                    P::step::<S>(load::<S>(x.add(at), n), load::<S>(y.add(at), n), k, &mut s, &mut q);
                    at += run;
                }
                add_to::<S>(s, q, b, width, first, second);
            }
        }
        b += width;
    }
}

/// Sums of one vector, whose first lane is number `b` of a run, added to those by channel.
#[inline(always)]
pub(in crate::kernels) unsafe fn add_to<S: Simd>(
    s: S::V,
    q: S::V,
    b: usize,
    lanes: usize,
    first: &mut [f64],
    second: &mut [f64],
) {
    let (mut ss, mut qq) = ([0.0f32; 16], [0.0f32; 16]);
    unsafe {
        S::store(ss.as_mut_ptr(), s);
        S::store(qq.as_mut_ptr(), q);
    }
    let mut channel = b % first.len();
    for i in 0..lanes {
        first[channel] += f64::from(ss[i]);
        second[channel] += f64::from(qq[i]);
        channel = if channel + 1 == first.len() { 0 } else { channel + 1 };
    }
}

/// `V` vectors of channels, from number `at` of the map on; returns where whole vectors end.
#[inline(always)]
unsafe fn sums_of<S: Simd, const V: usize, P: Sums>(
    x: *const f32,
    y: *const f32,
    mut at: usize,
    len: usize,
    by_channel: &[f32],
    first: &mut [f64],
    second: &mut [f64],
) -> usize {
    let c = by_channel.len();
    let (run, b) = (pixels_per_vector::<S>(c) * c, at);
    unsafe {
        let k = repeat_all::<S, V>(by_channel, b);
        while at + V * S::LANES <= len {
            let end = (at + CHUNK * run).min(len);
            // Four sums at once, so that they do not wait for one another.
            let sets = 4 / V;
            let (mut s, mut q) = ([[S::splat(0.0); V]; 4], [[S::splat(0.0); V]; 4]);
            while at + (sets - 1) * run + V * S::LANES <= end {
                for u in 0..sets {
                    for v in 0..V {
                        let p = at + u * run + v * S::LANES;
                        P::step::<S>(S::load(x.add(p)), S::load(y.add(p)), k[v], &mut s[u][v], &mut q[u][v]);
                    }
                }
                at += sets * run;
            }
            while at + V * S::LANES <= end {
                for v in 0..V {
                    let p = at + v * S::LANES;
                    P::step::<S>(S::load(x.add(p)), S::load(y.add(p)), k[v], &mut s[0][v], &mut q[0][v]);
                }
                at += run;
            }
            for v in 0..V {
                let s = S::add(S::add(s[0][v], s[1][v]), S::add(s[2][v], s[3][v]));
                let q = S::add(S::add(q[0][v], q[1][v]), S::add(q[2][v], q[3][v]));
                add_to::<S>(s, q, b + v * S::LANES, S::LANES, first, second);
            }
        }
    }
    at
}
