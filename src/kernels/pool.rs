//! 3x3 pooling of one image with padding 1.

use super::depthwise::{self, Load, Shape};
use super::simd::{Simd, dispatch, load, store};

/// Shape of a 3x3 pooling; the output is `[ceil(H / stride), ceil(W / stride), C]`.
pub fn shape(height: usize, width: usize, channels: usize, stride: usize) -> Shape {
    Shape { height, width, channels, kernel: 3, stride, dilation: 1 }
}

/// Buffers of one task, reused over its images.
#[derive(Debug, Default)]
pub struct Scratch {
    padded: Vec<f32>,
    spread: Vec<f32>,
}

struct Plan {
    channels: usize,
    rows: usize,
    pixels: usize,
    /// Numbers in a padded row.
    row: usize,
    stride: usize,
}

impl Plan {
    fn new(s: &Shape) -> Plan {
        Plan {
            channels: s.channels,
            rows: s.out_height(),
            pixels: s.out_width(),
            row: (s.width + 2) * s.channels,
            stride: s.stride,
        }
    }
}

/// Greatest value of each window; what lies outside the map counts as −∞.
pub fn max_forward(s: &Shape, x: &[f32], out: &mut [f32], scratch: &mut Scratch) {
    scratch.padded.resize(s.padded_len(1), 0.0);
    depthwise::pad(x, s.height, s.width, s.channels, 1, Load::Copy, f32::NEG_INFINITY, &mut scratch.padded);
    assert!(out.len() >= s.out_height() * s.out_width() * s.channels, "the output of a pooling is short");
    // SAFETY: windows lie inside the padded map, and the output's size was checked.
    unsafe { max_run(&Plan::new(s), scratch.padded.as_ptr(), out.as_mut_ptr()) }
}

/// Adds to `dx` the gradient of the input: each output's goes to the first greatest value of its window (row by row).
pub fn max_backward(s: &Shape, x: &[f32], dout: &[f32], dx: &mut [f32], scratch: &mut Scratch) {
    scratch.padded.resize(s.padded_len(1), 0.0);
    depthwise::pad(x, s.height, s.width, s.channels, 1, Load::Copy, f32::NEG_INFINITY, &mut scratch.padded);
    scratch.spread.clear();
    scratch.spread.resize(s.padded_len(1), 0.0);
    assert!(
        dout.len() >= s.out_height() * s.out_width() * s.channels && dx.len() >= x.len(),
        "an operand of a pooling is short"
    );
    // SAFETY: as above; gradients are collected in a map of the padded size.
    unsafe { max_scatter(&Plan::new(s), scratch.padded.as_ptr(), dout.as_ptr(), scratch.spread.as_mut_ptr()) }
    let (row, inner) = ((s.width + 2) * s.channels, s.width * s.channels);
    for (to, from) in dx.chunks_exact_mut(inner).zip(scratch.spread[row..].chunks_exact(row)) {
        for (t, f) in to.iter_mut().zip(&from[s.channels..]) {
            *t += f;
        }
    }
}

dispatch!(unsafe fn max_run(p: &Plan, x: *const f32, out: *mut f32) = max_run_body);
dispatch!(unsafe fn max_scatter(p: &Plan, x: *const f32, d: *const f32, to: *mut f32) = max_scatter_body);

/// Numbers of a row that are treated as one run of channels: all of it without stride, else one pixel.
#[inline(always)]
fn runs(p: &Plan) -> (usize, usize) {
    if p.stride == 1 { (1, p.pixels * p.channels) } else { (p.pixels, p.channels) }
}

#[inline(always)]
unsafe fn max_run_body<S: Simd>(p: &Plan, x: *const f32, out: *mut f32) {
    let (count, length) = runs(p);
    for y in 0..p.rows {
        for r in 0..count {
            let (mut i, to) = (0, (y * p.pixels + r) * p.channels);
            while i < length {
                let n = (length - i).min(S::LANES);
                unsafe {
                    let at = x.add(y * p.stride * p.row + r * p.stride * p.channels + i);
                    let (best, _) = window::<S>(p, at, n);
                    store::<S>(out.add(to + i), best, n);
                }
                i += n;
            }
        }
    }
}

/// The greatest value of a window and which of its nine places has it first.
#[inline(always)]
unsafe fn window<S: Simd>(p: &Plan, x: *const f32, n: usize) -> (S::V, S::V) {
    unsafe {
        let mut best = load::<S>(x, n);
        let mut place = S::splat(0.0);
        for t in 1..9 {
            let v = load::<S>(x.add((t / 3) * p.row + (t % 3) * p.channels), n);
            place = S::if_gt(v, best, S::splat(t as f32), place);
            best = S::if_gt(v, best, v, best);
        }
        (best, place)
    }
}

#[inline(always)]
unsafe fn max_scatter_body<S: Simd>(p: &Plan, x: *const f32, d: *const f32, to: *mut f32) {
    let (count, length) = runs(p);
    for y in 0..p.rows {
        for r in 0..count {
            let (mut i, from) = (0, (y * p.pixels + r) * p.channels);
            while i < length {
                let n = (length - i).min(S::LANES);
                unsafe {
                    let at = y * p.stride * p.row + r * p.stride * p.channels + i;
                    let (_, place) = window::<S>(p, x.add(at), n);
                    let g = load::<S>(d.add(from + i), n);
                    for t in 0..9 {
                        let q = to.add(at + (t / 3) * p.row + (t % 3) * p.channels);
                        // place == t, for whole numbers.
                        let mut v = S::if_gt(place, S::splat(t as f32 - 0.5), g, S::splat(0.0));
                        v = S::if_gt(place, S::splat(t as f32 + 0.5), S::splat(0.0), v);
                        store::<S>(q, S::add(load::<S>(q, n), v), n);
                    }
                }
                i += n;
            }
        }
    }
}

/// `1 / (number of places inside the map)` for each output pixel.
fn inverse_counts(s: &Shape) -> impl Iterator<Item = f32> + use<> {
    let Shape { height, width, stride, .. } = *s;
    let inside = move |at: usize, size: usize| (at * stride + 2).min(size) - (at * stride).saturating_sub(1);
    let (rows, pixels) = (s.out_height(), s.out_width());
    (0..rows).flat_map(move |y| (0..pixels).map(move |x| 1.0 / (inside(y, height) * inside(x, width)) as f32))
}

/// Mean of each window over the places inside the map.
pub fn average_forward(s: &Shape, x: &[f32], out: &mut [f32], scratch: &mut Scratch) {
    let c = s.channels;
    scratch.padded.resize(s.padded_len(1), 0.0);
    depthwise::pad(x, s.height, s.width, c, 1, Load::Copy, 0.0, &mut scratch.padded);
    depthwise::forward(s, &scratch.padded, 1, &vec![1.0; 9 * c], out);
    for (pixel, scale) in out.chunks_exact_mut(c).zip(inverse_counts(s)) {
        for v in pixel {
            *v *= scale;
        }
    }
}

/// Adds to `dx` the gradient of the input.
pub fn average_backward(s: &Shape, dout: &[f32], dx: &mut [f32], scratch: &mut Scratch) {
    let c = s.channels;
    scratch.spread.clear();
    scratch.spread.resize(s.padded_len(1), 0.0);
    let mut scales = inverse_counts(s);
    for (y, row) in dout.chunks_exact(s.out_width() * c).enumerate() {
        let (start, step) = depthwise::spread_row(s, y);
        for (x, pixel) in row.chunks_exact(c).enumerate() {
            let scale = scales.next().unwrap_or(0.0);
            for (t, v) in scratch.spread[start + x * step..][..c].iter_mut().zip(pixel) {
                *t = v * scale;
            }
        }
    }
    scratch.padded.resize(s.height * s.width * c, 0.0);
    let padded = &mut scratch.padded[..s.height * s.width * c];
    depthwise::input_gradient(s, &scratch.spread, &vec![1.0; 9 * c], 0..s.height, padded);
    for (t, v) in dx.iter_mut().zip(&scratch.padded) {
        *t += v;
    }
}
