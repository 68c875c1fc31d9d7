//! Depthwise convolution of one image. Inputs are padded beforehand ([`pad`]), so that no kernel has borders to think of:
//! a padded map is `[(H + 2p), (W + 2p), C]` with zeros around.

use std::ops::Range;

use super::simd::{Simd, by_vectors, dispatch, load, pixels_per_vector, repeat, repeat_all, store, vectors};

mod window;

use window::Plan;

/// Shape of a depthwise convolution; padding is `dilation * (kernel - 1) / 2`, as everywhere in the DARTS space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Size of the input map.
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    /// 3, 5 or 7.
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
    /// `max((x - mean) * scale + shift, 0)` by channel: a batch norm whose result is not stored.
    NormRelu { mean: &'a [f32], scale: &'a [f32], shift: &'a [f32] },
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
        Load::NormRelu { mean, scale, shift } => {
            assert!([mean, scale, shift].iter().all(|v| v.len() == channels));
            // SAFETY: as above, and the statistics are by channel.
            unsafe { norm_relu_rows(x.as_ptr(), inner.as_mut_ptr(), height, row, out_row, [mean, scale, shift]) }
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
        Load::NormRelu { mean, scale, shift } => {
            assert!([mean, scale, shift].iter().all(|v| v.len() == channels) && x.len().is_multiple_of(channels));
            // SAFETY: as above, and the statistics are by channel.
            unsafe { load_norm_relu(x.as_ptr(), to.as_mut_ptr(), x.len(), [mean, scale, shift]) }
        }
    }
}

dispatch!(unsafe fn relu_rows(x: *const f32, to: *mut f32, rows: usize, row: usize, to_row: usize) = relu_rows_body);
dispatch!(unsafe fn norm_relu_rows(x: *const f32, to: *mut f32, rows: usize, row: usize, to_row: usize, norm: [&[f32]; 3]) = norm_relu_rows_body);
dispatch!(unsafe fn load_relu(x: *const f32, to: *mut f32, len: usize) = load_relu_body);
dispatch!(unsafe fn load_norm_relu(x: *const f32, to: *mut f32, len: usize, norm: [&[f32]; 3]) = load_norm_relu_body);

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
    norm: [&[f32]; 3],
) {
    for r in 0..rows {
        unsafe { load_norm_relu_body::<S>(x.add(r * row), to.add(r * to_row), row, norm) }
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
unsafe fn load_norm_relu_body<S: Simd>(x: *const f32, to: *mut f32, len: usize, norm: [&[f32]; 3]) {
    let [mean, scale, shift] = norm;
    let run = pixels_per_vector::<S>(mean.len()) * mean.len();
    let mut b = 0;
    while b < run {
        let mut at = unsafe { by_vectors!(run - b, load_norm_relu_of::<S>(x, to, len, norm, b), b) };
        // What does not fill a vector: channels, or the last pixels.
        let width = (run - b).min(vectors::<S>(run - b).max(1) * S::LANES);
        while at < len {
            let n = width.min(len - at);
            unsafe {
                let (m, k, zero) = (repeat::<S>(mean, b, n), repeat::<S>(scale, b, n), S::splat(0.0));
                let y = S::fma(S::sub(load::<S>(x.add(at), n), m), k, repeat::<S>(shift, b, n));
                store::<S>(to.add(at), S::if_gt(y, zero, y, zero), n);
            }
            at += run;
        }
        b += width;
    }
}

/// `V` vectors of channels, from number `b` on; returns where whole vectors end.
#[inline(always)]
unsafe fn load_norm_relu_of<S: Simd, const V: usize>(
    x: *const f32,
    to: *mut f32,
    len: usize,
    [mean, scale, shift]: [&[f32]; 3],
    b: usize,
) -> usize {
    let run = pixels_per_vector::<S>(mean.len()) * mean.len();
    let mut at = b;
    unsafe {
        let (m, k, zero) = (repeat_all::<S, V>(mean, b), repeat_all::<S, V>(scale, b), S::splat(0.0));
        let shift = repeat_all::<S, V>(shift, b);
        while at + V * S::LANES <= len {
            for v in 0..V {
                let p = at + v * S::LANES;
                let y = S::fma(S::sub(S::load(x.add(p)), m[v]), k[v], shift[v]);
                S::store(to.add(p), S::if_gt(y, zero, y, zero));
            }
            at += run;
        }
    }
    at
}

/// `out[y, x, c] = Σ_t padded[y·s + t_y·d, x·s + t_x·d, c] · weights[t, c]`; `padding` (at least the reach) is what `padded`
/// was made with; `out` is `[H', W', C]`.
pub fn forward(s: &Shape, padded: &[f32], padding: usize, weights: &[f32], out: &mut [f32]) {
    forward_rows(s, padded, padding, weights, 0..s.out_height(), out);
}

/// Some output rows of [`forward`]; `out` holds those alone.
pub fn forward_rows(s: &Shape, padded: &[f32], padding: usize, weights: &[f32], rows: Range<usize>, out: &mut [f32]) {
    convolve(s, padded, padding, weights, rows, out, false);
}

/// [`forward_rows`]; where `onto`, the result is added to what is in `out`.
fn convolve(
    s: &Shape,
    padded: &[f32],
    padding: usize,
    weights: &[f32],
    rows: Range<usize>,
    out: &mut [f32],
    onto: bool,
) {
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
        onto,
    };
    let first = extra * (row + c) + rows.start * plan.in_row;
    // SAFETY: the last tap of the last pixel lies inside the padded map, whose size was checked above.
    unsafe { window::run(&plan, padded.as_ptr().add(first), weights.as_ptr(), out.as_mut_ptr()) }
}

/// Rows of the gradient of the input, `dx[H, W, C]`, from the output's gradient spread over a padded map as [`spread_row`]
/// lays it out. `flipped` are the weights with their taps in reverse order ([`flip`]). Where `onto`, they are added to what is
/// in `dx`.
pub fn input_gradient(s: &Shape, spread: &[f32], flipped: &[f32], rows: Range<usize>, dx: &mut [f32], onto: bool) {
    convolve(&Shape { stride: 1, ..*s }, spread, s.reach(), flipped, rows, dx, onto);
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
        onto: false,
    };
    // SAFETY: as in `forward`; the gradient's own map has the same extent.
    unsafe {
        let x = padded.as_ptr().add(extra * (row + c));
        let d = spread.as_ptr().add(spread_row(s, 0).0);
        window::weight_gradient(&plan, x, d, gradient.as_mut_ptr());
    }
}
