//! Depthwise convolution of one image. Inputs are padded beforehand ([`pad`]), so that no kernel has borders to think of:
//! a padded map is `[(H + 2p), (W + 2p), C]` with zeros around.
//!
//! Where the channels are fewer than a vector's lanes and divide them, several pixels share a vector; else each pixel takes
//! as many vectors as its channels need, the last one partial.

use std::ops::Range;

use super::simd::{Simd, dispatch, load, pixels_per_vector, repeat, store};

/// Shape of a depthwise convolution; padding is `dilation * (kernel - 1) / 2`, as everywhere in the DARTS space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Size of the input map.
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    /// 3 or 5.
    pub kernel: usize,
    pub stride: usize,
    pub dilation: usize,
}

impl Shape {
    pub const fn reach(&self) -> usize {
        self.dilation * (self.kernel - 1) / 2
    }

    /// `ceil(height / stride)`.
    pub const fn out_height(&self) -> usize {
        self.height.div_ceil(self.stride)
    }

    pub const fn out_width(&self) -> usize {
        self.width.div_ceil(self.stride)
    }

    /// Numbers in a row of a map with `padding` on each side.
    const fn padded_row(&self, padding: usize) -> usize {
        (self.width + 2 * padding) * self.channels
    }

    /// Numbers in a map with `padding` on each side.
    pub const fn padded_len(&self, padding: usize) -> usize {
        (self.height + 2 * padding) * self.padded_row(padding)
    }
}

/// How values are changed on their way into a padded map.
#[derive(Clone, Copy, Debug)]
pub enum Load<'a> {
    /// `max(x, 0)`.
    Relu,
    /// `max((x - mean) * scale, 0)` by channel: a batch norm whose result is not stored.
    NormRelu { mean: &'a [f32], scale: &'a [f32] },
    /// As they are.
    Copy,
}

/// Copies a map `[H, W, C]` into the middle of `to`, with `border` in `padding` rows and columns around it.
pub fn pad(
    x: &[f32],
    height: usize,
    width: usize,
    channels: usize,
    padding: usize,
    load: Load,
    border: f32,
    to: &mut [f32],
) {
    let (row, side) = (width * channels, padding * channels);
    let out_row = row + 2 * side;
    assert!(to.len() >= (height + 2 * padding) * out_row, "a map to pad is short");
    to[..padding * out_row].fill(border);
    for to in to[padding * out_row..].chunks_exact_mut(out_row).take(height) {
        to[..side].fill(border);
        to[side + row..].fill(border);
    }
    to[(height + padding) * out_row..(height + 2 * padding) * out_row].fill(border);
    fill_padded(x, height, width, channels, padding, load, to);
}

/// The middle of [`pad`]'s map alone, where the border is there already.
pub fn fill_padded(
    x: &[f32],
    height: usize,
    width: usize,
    channels: usize,
    padding: usize,
    load: Load,
    to: &mut [f32],
) {
    let (row, side) = (width * channels, padding * channels);
    let out_row = row + 2 * side;
    assert!(x.len() == height * row && to.len() >= (height + 2 * padding) * out_row, "a map to pad is short");
    let inner = &mut to[padding * out_row + side..];
    match load {
        Load::Copy => {
            for (from, to) in x.chunks_exact(row).zip(inner.chunks_mut(out_row)) {
                to[..row].copy_from_slice(from);
            }
        }
        // SAFETY: the map has `height` rows of `row` numbers, and so many lie `out_row` apart in the padded one.
        Load::Relu => unsafe { relu_rows(x.as_ptr(), inner.as_mut_ptr(), height, row, out_row) },
        Load::NormRelu { mean, scale } => {
            assert!(mean.len() == channels && scale.len() == channels);
            // SAFETY: as above, and the statistics are by channel.
            unsafe { norm_relu_rows(x.as_ptr(), inner.as_mut_ptr(), height, row, out_row, mean, scale) }
        }
    }
}

/// `to[i] = load(x[i])` for maps without padding.
pub fn load_values(x: &[f32], channels: usize, load: Load, to: &mut [f32]) {
    assert_eq!(x.len(), to.len(), "both maps have one size");
    match load {
        Load::Copy => to.copy_from_slice(x),
        // SAFETY: both have `len` numbers.
        Load::Relu => unsafe { load_relu(x.as_ptr(), to.as_mut_ptr(), x.len()) },
        Load::NormRelu { mean, scale } => {
            assert!(mean.len() == channels && scale.len() == channels && x.len().is_multiple_of(channels));
            // SAFETY: as above, and the statistics are by channel.
            unsafe { load_norm_relu(x.as_ptr(), to.as_mut_ptr(), x.len(), mean, scale) }
        }
    }
}

dispatch!(unsafe fn relu_rows(x: *const f32, to: *mut f32, rows: usize, row: usize, to_row: usize) = relu_rows_body);
dispatch!(unsafe fn norm_relu_rows(x: *const f32, to: *mut f32, rows: usize, row: usize, to_row: usize, mean: &[f32], scale: &[f32]) = norm_relu_rows_body);
dispatch!(unsafe fn load_relu(x: *const f32, to: *mut f32, len: usize) = load_relu_body);
dispatch!(unsafe fn load_norm_relu(x: *const f32, to: *mut f32, len: usize, mean: &[f32], scale: &[f32]) = load_norm_relu_body);

#[inline(always)]
unsafe fn relu_rows_body<S: Simd>(x: *const f32, to: *mut f32, rows: usize, row: usize, to_row: usize) {
    for r in 0..rows {
        unsafe { load_relu_body::<S>(x.add(r * row), to.add(r * to_row), row) }
    }
}

#[inline(always)]
unsafe fn norm_relu_rows_body<S: Simd>(
    x: *const f32,
    to: *mut f32,
    rows: usize,
    row: usize,
    to_row: usize,
    mean: &[f32],
    scale: &[f32],
) {
    for r in 0..rows {
        unsafe { load_norm_relu_body::<S>(x.add(r * row), to.add(r * to_row), row, mean, scale) }
    }
}

#[inline(always)]
unsafe fn load_relu_body<S: Simd>(x: *const f32, to: *mut f32, len: usize) {
    unsafe {
        let zero = S::splat(0.0);
        let mut i = 0;
        while i + S::LANES <= len {
            let v = S::load(x.add(i));
            S::store(to.add(i), S::if_gt(v, zero, v, zero));
            i += S::LANES;
        }
        if i < len {
            let v = S::load_partial(x.add(i), len - i);
            S::store_partial(to.add(i), S::if_gt(v, zero, v, zero), len - i);
        }
    }
}

#[inline(always)]
unsafe fn load_norm_relu_body<S: Simd>(x: *const f32, to: *mut f32, len: usize, mean: &[f32], scale: &[f32]) {
    let run = pixels_per_vector::<S>(mean.len()) * mean.len();
    let mut b = 0;
    while b < run {
        let width = (run - b).min(S::LANES);
        unsafe {
            let (m, k, zero) = (repeat::<S>(mean, b, width), repeat::<S>(scale, b, width), S::splat(0.0));
            let mut at = b;
            while at < len {
                let n = width.min(len - at);
                let y = S::mul(S::sub(load::<S>(x.add(at), n), m), k);
                store::<S>(to.add(at), S::if_gt(y, zero, y, zero), n);
                at += run;
            }
        }
        b += width;
    }
}

/// What an inner loop needs to know of a depthwise convolution.
struct Plan {
    channels: usize,
    kernel: usize,
    dilation: usize,
    /// Rows and pixels of the output.
    rows: usize,
    pixels: usize,
    /// Numbers from one output row (pixel) to the next, on the input's and on the output's side.
    in_row: usize,
    in_pixel: usize,
    out_row: usize,
    out_pixel: usize,
    /// Numbers from one tap's row to the next.
    tap_row: usize,
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

/// `out[y, x, c] = Σ_t padded[y·s + t_y·d, x·s + t_x·d, c] · weights[t, c]`; `padding` (at least the reach) is what `padded`
/// was made with; `out` is `[H', W', C]`.
pub fn forward(s: &Shape, padded: &[f32], padding: usize, weights: &[f32], out: &mut [f32]) {
    forward_rows(s, padded, padding, weights, 0..s.out_height(), out);
}

/// Some output rows of [`forward`]; `out` holds those alone.
pub fn forward_rows(s: &Shape, padded: &[f32], padding: usize, weights: &[f32], rows: Range<usize>, out: &mut [f32]) {
    let (c, extra) = (s.channels, padding - s.reach());
    let row = s.padded_row(padding);
    assert!(
        padded.len() >= s.padded_len(padding)
            && weights.len() == s.kernel * s.kernel * c
            && rows.end <= s.out_height()
            && out.len() >= rows.len() * s.out_width() * c,
        "an operand of a depthwise convolution is short"
    );
    let plan = Plan {
        channels: c,
        kernel: s.kernel,
        dilation: s.dilation,
        rows: rows.len(),
        pixels: s.out_width(),
        in_row: s.stride * row,
        in_pixel: s.stride * c,
        out_row: s.out_width() * c,
        out_pixel: c,
        tap_row: s.dilation * row,
    };
    let first = extra * (row + c) + rows.start * plan.in_row;
    // SAFETY: the last tap of the last pixel lies inside the padded map, whose size was checked above.
    unsafe { run(&plan, padded.as_ptr().add(first), weights.as_ptr(), out.as_mut_ptr()) }
}

/// Rows of the gradient of the input, `dx[H, W, C]`, from the output's gradient spread over a padded map as [`spread_row`]
/// lays it out. `flipped` are the weights with their taps in reverse order ([`flip`]).
pub fn input_gradient(s: &Shape, spread: &[f32], flipped: &[f32], rows: Range<usize>, dx: &mut [f32]) {
    forward_rows(&Shape { stride: 1, ..*s }, spread, s.reach(), flipped, rows, dx);
}

/// Taps in reverse order.
pub fn flip(weights: &[f32], channels: usize) -> Vec<f32> {
    weights.chunks_exact(channels).rev().flatten().copied().collect()
}

/// Where row `y` of an output gradient goes in the padded map that [`input_gradient`] reads: `(offset, numbers from one
/// pixel to the next)`. All other places must be 0.
pub fn spread_row(s: &Shape, y: usize) -> (usize, usize) {
    let p = s.reach();
    ((y * s.stride + p) * s.padded_row(p) + p * s.channels, s.stride * s.channels)
}

/// `gradient[t, c] += Σ padded[y·s + t_y·d, x·s + t_x·d, c] · spread(dout)[y, x, c]`.
pub fn add_weight_gradient(s: &Shape, padded: &[f32], padding: usize, spread: &[f32], gradient: &mut [f32]) {
    let (c, extra, p) = (s.channels, padding - s.reach(), s.reach());
    let row = s.padded_row(padding);
    assert!(
        padded.len() >= s.padded_len(padding)
            && spread.len() >= s.padded_len(p)
            && gradient.len() == s.kernel * s.kernel * c,
        "an operand of a depthwise gradient is short"
    );
    let plan = Plan {
        channels: c,
        kernel: s.kernel,
        dilation: s.dilation,
        rows: s.out_height(),
        pixels: s.out_width(),
        in_row: s.stride * row,
        in_pixel: s.stride * c,
        out_row: s.stride * s.padded_row(p),
        out_pixel: s.stride * c,
        tap_row: s.dilation * row,
    };
    // SAFETY: as in `forward`; the gradient's own map has the same extent.
    unsafe {
        let x = padded.as_ptr().add(extra * (row + c));
        let d = spread.as_ptr().add(spread_row(s, 0).0);
        weight_gradient(&plan, x, d, gradient.as_mut_ptr());
    }
}

dispatch!(unsafe fn run(p: &Plan, x: *const f32, w: *const f32, out: *mut f32) = run_body);
dispatch!(unsafe fn weight_gradient(p: &Plan, x: *const f32, d: *const f32, g: *mut f32) = weight_gradient_body);

#[inline(always)]
unsafe fn run_body<S: Simd>(p: &Plan, x: *const f32, w: *const f32, out: *mut f32) {
    unsafe {
        match p.kernel {
            3 => run_kernel::<S, 3, 9>(p, x, w, out),
            5 => run_kernel::<S, 5, 25>(p, x, w, out),
            k => unreachable!("depthwise kernels are 3 or 5 wide, not {k}"),
        }
    }
}

#[inline(always)]
unsafe fn run_kernel<S: Simd, const K: usize, const T: usize>(p: &Plan, x: *const f32, w: *const f32, out: *mut f32) {
    let c = p.channels;
    unsafe {
        if p.flat::<S>() {
            let mut wv = [S::splat(0.0); T];
            let mut repeated = [0.0f32; 16];
            for (t, v) in wv.iter_mut().enumerate() {
                for (i, r) in repeated.iter_mut().enumerate() {
                    *r = *w.add(t * c + i % c);
                }
                *v = S::load(repeated.as_ptr());
            }
            let numbers = p.pixels * c;
            let (whole, rest) = (numbers / S::LANES, numbers % S::LANES);
            for y in 0..p.rows {
                let (xr, or) = (x.add(y * p.in_row), out.add(y * p.out_row));
                line::<S, K, T, false>(p, xr, &wv, or, whole, S::LANES, S::LANES, S::LANES);
                if rest > 0 {
                    let at = whole * S::LANES;
                    line::<S, K, T, true>(p, xr.add(at), &wv, or.add(at), 1, S::LANES, S::LANES, rest);
                }
            }
        } else {
            let mut b = 0;
            while b < c {
                let n = (c - b).min(S::LANES);
                let mut wv = [S::splat(0.0); T];
                for (t, v) in wv.iter_mut().enumerate() {
                    *v = S::load_partial(w.add(t * c + b), n);
                }
                for y in 0..p.rows {
                    let (xr, or) = (x.add(y * p.in_row + b), out.add(y * p.out_row + b));
                    if n == S::LANES {
                        line::<S, K, T, false>(p, xr, &wv, or, p.pixels, p.in_pixel, p.out_pixel, n);
                    } else {
                        line::<S, K, T, true>(p, xr, &wv, or, p.pixels, p.in_pixel, p.out_pixel, n);
                    }
                }
                b += n;
            }
        }
    }
}

/// One output row: `count` vectors, `in_step` and `out_step` numbers apart.
#[inline(always)]
unsafe fn line<S: Simd, const K: usize, const T: usize, const PARTIAL: bool>(
    p: &Plan,
    x: *const f32,
    w: &[S::V; T],
    out: *mut f32,
    count: usize,
    in_step: usize,
    out_step: usize,
    n: usize,
) {
    unsafe {
        if PARTIAL || in_step != p.channels {
            return blocks::<S, K, T, PARTIAL, false>(p, x, w, out, count, in_step, out_step, n);
        }
        // Outputs that are a dilation apart read the same inputs, which then are loaded once.
        let d = p.dilation;
        for first in 0..d.min(count) {
            let (x, out) = (x.add(first * in_step), out.add(first * out_step));
            let count = (count - first).div_ceil(d);
            blocks::<S, K, T, PARTIAL, true>(p, x, w, out, count, d * in_step, d * out_step, n);
        }
    }
}

/// Outputs by as many as there are registers for: sums, one row of taps and an input fit 32 with eight, 16 with four.
#[inline(always)]
unsafe fn blocks<S: Simd, const K: usize, const T: usize, const PARTIAL: bool, const SHARED: bool>(
    p: &Plan,
    x: *const f32,
    w: &[S::V; T],
    out: *mut f32,
    count: usize,
    in_step: usize,
    out_step: usize,
    n: usize,
) {
    unsafe {
        let mut i = 0;
        if S::LANES == 16 {
            while i + 8 <= count {
                let (x, out) = (x.add(i * in_step), out.add(i * out_step));
                vectors::<S, K, T, PARTIAL, SHARED, 8>(p, x, w, out, in_step, out_step, n);
                i += 8;
            }
        }
        while i + 4 <= count {
            let (x, out) = (x.add(i * in_step), out.add(i * out_step));
            vectors::<S, K, T, PARTIAL, SHARED, 4>(p, x, w, out, in_step, out_step, n);
            i += 4;
        }
        while i < count {
            let (x, out) = (x.add(i * in_step), out.add(i * out_step));
            vectors::<S, K, T, PARTIAL, SHARED, 1>(p, x, w, out, in_step, out_step, n);
            i += 1;
        }
    }
}

/// `U` outputs. Where inputs are shared, tap `kx` of output `u` reads input `u + kx`.
#[inline(always)]
unsafe fn vectors<S: Simd, const K: usize, const T: usize, const PARTIAL: bool, const SHARED: bool, const U: usize>(
    p: &Plan,
    x: *const f32,
    w: &[S::V; T],
    out: *mut f32,
    in_step: usize,
    out_step: usize,
    n: usize,
) {
    unsafe {
        let mut acc = [S::splat(0.0); U];
        let step = p.dilation * p.channels;
        for ky in 0..K {
            let row = x.add(ky * p.tap_row);
            if SHARED {
                for j in 0..U + K - 1 {
                    let v = S::load(row.add(j * in_step));
                    for kx in 0..K {
                        if j >= kx && j - kx < U {
                            acc[j - kx] = S::fma(v, w[ky * K + kx], acc[j - kx]);
                        }
                    }
                }
            } else {
                for kx in 0..K {
                    for (u, a) in acc.iter_mut().enumerate() {
                        let at = row.add(kx * step + u * in_step);
                        let v = if PARTIAL { S::load_partial(at, n) } else { S::load(at) };
                        *a = S::fma(v, w[ky * K + kx], *a);
                    }
                }
            }
        }
        for (u, a) in acc.iter().enumerate() {
            let at = out.add(u * out_step);
            if PARTIAL { S::store_partial(at, *a, n) } else { S::store(at, *a) }
        }
    }
}

#[inline(always)]
unsafe fn weight_gradient_body<S: Simd>(p: &Plan, x: *const f32, d: *const f32, g: *mut f32) {
    // As many rows of taps at a time as there are registers for, so that their sums do not wait for one another.
    unsafe {
        match (p.kernel, S::LANES) {
            (3, _) => weight_gradient_rows::<S, 3, 3>(p, x, d, g, 0),
            (5, 16) => weight_gradient_rows::<S, 5, 5>(p, x, d, g, 0),
            (5, _) => {
                weight_gradient_rows::<S, 5, 2>(p, x, d, g, 0);
                weight_gradient_rows::<S, 5, 2>(p, x, d, g, 2);
                weight_gradient_rows::<S, 5, 1>(p, x, d, g, 4);
            }
            (k, _) => unreachable!("depthwise kernels are 3 or 5 wide, not {k}"),
        }
    }
}

/// `R` rows of the `K` x `K` taps, from row `first`.
#[inline(always)]
unsafe fn weight_gradient_rows<S: Simd, const K: usize, const R: usize>(
    p: &Plan,
    x: *const f32,
    d: *const f32,
    g: *mut f32,
    first: usize,
) {
    let c = p.channels;
    unsafe {
        let x = x.add(first * p.tap_row);
        if p.flat::<S>() {
            let numbers = p.pixels * c;
            let (whole, rest) = (numbers / S::LANES, numbers % S::LANES);
            let mut acc = [[S::splat(0.0); K]; R];
            for y in 0..p.rows {
                let (xr, dr) = (x.add(y * p.in_row), d.add(y * p.out_row));
                for i in 0..whole {
                    taps::<S, K, R>(p, xr.add(i * S::LANES), dr.add(i * S::LANES), &mut acc, S::LANES);
                }
                if rest > 0 {
                    taps::<S, K, R>(p, xr.add(whole * S::LANES), dr.add(whole * S::LANES), &mut acc, rest);
                }
            }
            for (t, a) in acc.iter().flatten().enumerate() {
                let mut folded = [0.0f32; 16];
                S::store(folded.as_mut_ptr(), *a);
                for (i, v) in folded.iter().enumerate().take(S::LANES) {
                    *g.add((first * K + t) * c + i % c) += v;
                }
            }
        } else {
            let mut b = 0;
            while b < c {
                let n = (c - b).min(S::LANES);
                let mut acc = [[S::splat(0.0); K]; R];
                for y in 0..p.rows {
                    let (xr, dr) = (x.add(y * p.in_row + b), d.add(y * p.out_row + b));
                    if n == S::LANES {
                        for i in 0..p.pixels {
                            taps::<S, K, R>(p, xr.add(i * p.in_pixel), dr.add(i * p.out_pixel), &mut acc, S::LANES);
                        }
                    } else {
                        for i in 0..p.pixels {
                            taps::<S, K, R>(p, xr.add(i * p.in_pixel), dr.add(i * p.out_pixel), &mut acc, n);
                        }
                    }
                }
                for (t, a) in acc.iter().flatten().enumerate() {
                    let at = g.add((first * K + t) * c + b);
                    S::store_partial(at, S::add(S::load_partial(at, n), *a), n);
                }
                b += n;
            }
        }
    }
}

#[inline(always)]
unsafe fn taps<S: Simd, const K: usize, const R: usize>(
    p: &Plan,
    x: *const f32,
    d: *const f32,
    acc: &mut [[S::V; K]; R],
    n: usize,
) {
    unsafe {
        let whole = n == S::LANES;
        let dv = if whole { S::load(d) } else { S::load_partial(d, n) };
        for (ky, row) in acc.iter_mut().enumerate() {
            for (kx, a) in row.iter_mut().enumerate() {
                let at = x.add(ky * p.tap_row + kx * p.dilation * p.channels);
                let v = if whole { S::load(at) } else { S::load_partial(at, n) };
                *a = S::fma(v, dv, *a);
            }
        }
    }
}
