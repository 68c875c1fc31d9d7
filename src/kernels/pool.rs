//! 3x3 pooling of one image with padding 1, and 5x5 maximum pooling with padding 2.
//!
//! A window is folded in two steps, its rows and then its columns: half the work of folding nine places.

use super::depthwise::{self, Load, Shape};
use super::relu;
use super::simd::{Simd, dispatch, load, store};

/// Shape of a pooling over windows of 3 or 5; the output is `[ceil(H / stride), ceil(W / stride), C]`.
pub fn shape(height: usize, width: usize, channels: usize, kernel: usize, stride: usize) -> Shape {
    Shape { height, width, channels, kernel, stride, dilation: 1 }
}

/// Buffers of one task, reused over its images.
#[derive(Debug, Default)]
pub struct Scratch {
    row: Vec<f32>,
    padded: Vec<f32>,
    spread: Vec<f32>,
}

struct Plan {
    channels: usize,
    /// Rows and pixels of the input.
    height: usize,
    width: usize,
    /// Rows and pixels of the output.
    rows: usize,
    pixels: usize,
    stride: usize,
    /// From a window's middle to its edge: 1 or 2.
    reach: usize,
}

impl Plan {
    fn new(s: &Shape) -> Plan {
        Plan {
            channels: s.channels,
            height: s.height,
            width: s.width,
            rows: s.out_height(),
            pixels: s.out_width(),
            stride: s.stride,
            reach: s.reach(),
        }
    }

    /// Runs of numbers in an output row that have neighbouring inputs, and their length.
    fn runs(&self) -> (usize, usize) {
        if self.stride == 1 { (1, self.pixels * self.channels) } else { (self.pixels, self.channels) }
    }
}

/// Checks the sizes of a pooling's operands, and makes the buffer for a row with a border on each side.
fn checked<'a>(s: &Shape, x: &[f32], out: &[f32], row: &'a mut Vec<f32>, border: f32) -> &'a mut [f32] {
    assert!(
        x.len() == s.height * s.width * s.channels && out.len() >= s.out_height() * s.out_width() * s.channels,
        "an operand of a pooling is short"
    );
    row.clear();
    row.resize((s.width + 2 * s.reach()) * s.channels, border);
    row
}

/// Greatest value of each window; what lies outside the map counts as −∞.
pub fn max_forward(s: &Shape, x: &[f32], out: &mut [f32], scratch: &mut Scratch) {
    let row = checked(s, x, out, &mut scratch.row, f32::NEG_INFINITY);
    // SAFETY: sizes were checked.
    unsafe { max_run(&Plan::new(s), x.as_ptr(), row.as_mut_ptr(), out.as_mut_ptr()) }
}

/// Adds to `dx` the gradient of the input: each output's goes to the first greatest value of its window (row by row).
pub fn max_backward(s: &Shape, x: &[f32], dout: &[f32], dx: &mut [f32], scratch: &mut Scratch) {
    let reach = s.reach();
    scratch.padded.resize(s.padded_len(reach), 0.0);
    depthwise::pad(x, s.height, s.width, s.channels, reach, Load::Copy, f32::NEG_INFINITY, &mut scratch.padded);
    scratch.spread.clear();
    scratch.spread.resize(s.padded_len(reach), 0.0);
    assert!(
        dout.len() >= s.out_height() * s.out_width() * s.channels && dx.len() >= x.len(),
        "an operand of a pooling is short"
    );
    // SAFETY: windows lie inside the padded map; gradients are collected in a map of the padded size.
    unsafe { max_scatter(&Plan::new(s), scratch.padded.as_ptr(), dout.as_ptr(), scratch.spread.as_mut_ptr()) }
    let (row, inner) = ((s.width + 2 * reach) * s.channels, s.width * s.channels);
    for (to, from) in dx.chunks_exact_mut(inner).zip(scratch.spread[reach * row..].chunks_exact(row)) {
        relu::add_scaled(&from[reach * s.channels..][..inner], 1.0, to);
    }
}

/// Mean of each window over the places inside the map.
pub fn average_forward(s: &Shape, x: &[f32], out: &mut [f32], scratch: &mut Scratch) {
    let row = checked(s, x, out, &mut scratch.row, 0.0);
    // SAFETY: sizes were checked; a map is scaled in place.
    unsafe {
        let plan = Plan::new(s);
        sum_run(&plan, x.as_ptr(), row.as_mut_ptr(), out.as_mut_ptr());
        spread(&plan, out.as_ptr(), out.as_mut_ptr(), s.out_width() * s.channels, s.channels);
    }
}

/// Adds to `dx` the gradient of the input.
pub fn average_backward(s: &Shape, dout: &[f32], dx: &mut [f32], scratch: &mut Scratch) {
    let len = s.height * s.width * s.channels;
    assert!(
        dout.len() >= s.out_height() * s.out_width() * s.channels && dx.len() >= len,
        "an operand of a pooling is short"
    );
    if s.stride > 1 {
        scratch.spread.clear();
    }
    scratch.spread.resize(len, 0.0);
    let whole = Shape { stride: 1, ..*s };
    let row = checked(&whole, &scratch.spread, dx, &mut scratch.row, 0.0);
    let steps = (s.stride * s.width * s.channels, s.stride * s.channels);
    // SAFETY: sizes were checked; output (y, x) lies at (y·stride, x·stride) of the spread map. A window's place is in the
    // window of its place, so the sums over windows are those of a pooling.
    unsafe {
        spread(&Plan::new(s), dout.as_ptr(), scratch.spread.as_mut_ptr(), steps.0, steps.1);
        sum_onto(&Plan::new(&whole), scratch.spread.as_ptr(), row.as_mut_ptr(), dx.as_mut_ptr());
    }
}

dispatch!(unsafe fn max_run(p: &Plan, x: *const f32, row: *mut f32, out: *mut f32) = max_body);
dispatch!(unsafe fn sum_run(p: &Plan, x: *const f32, row: *mut f32, out: *mut f32) = sum_body);
dispatch!(unsafe fn sum_onto(p: &Plan, x: *const f32, row: *mut f32, out: *mut f32) = sum_onto_body);
dispatch!(unsafe fn spread(p: &Plan, x: *const f32, to: *mut f32, to_row: usize, to_pixel: usize) = spread_body);
dispatch!(unsafe fn max_scatter(p: &Plan, x: *const f32, d: *const f32, to: *mut f32) = max_scatter_body);

/// How the places of a window become one number. A trait and not a closure, so that it is inlined into code for the
/// instruction set.
trait Fold {
    unsafe fn fold<S: Simd>(a: S::V, b: S::V) -> S::V;
}

struct Greatest;

impl Fold for Greatest {
    #[inline(always)]
    unsafe fn fold<S: Simd>(a: S::V, b: S::V) -> S::V {
        unsafe { S::max(b, a) }
    }
}

struct Sum;

impl Fold for Sum {
    #[inline(always)]
    unsafe fn fold<S: Simd>(a: S::V, b: S::V) -> S::V {
        unsafe { S::add(a, b) }
    }
}

#[inline(always)]
unsafe fn max_body<S: Simd>(p: &Plan, x: *const f32, row: *mut f32, out: *mut f32) {
    unsafe {
        match p.reach {
            1 => fold_body::<S, Greatest, false, 1>(p, x, row, out),
            _ => fold_body::<S, Greatest, false, 2>(p, x, row, out),
        }
    }
}

#[inline(always)]
unsafe fn sum_body<S: Simd>(p: &Plan, x: *const f32, row: *mut f32, out: *mut f32) {
    unsafe { fold_body::<S, Sum, false, 1>(p, x, row, out) }
}

#[inline(always)]
unsafe fn sum_onto_body<S: Simd>(p: &Plan, x: *const f32, row: *mut f32, out: *mut f32) {
    unsafe { fold_body::<S, Sum, true, 1>(p, x, row, out) }
}

/// Windows of the map `x`, set or added (`ONTO`); `row` has `R` pixels' worth of the fold's neutral number on each side.
#[inline(always)]
unsafe fn fold_body<S: Simd, F: Fold, const ONTO: bool, const R: usize>(
    p: &Plan,
    x: *const f32,
    row: *mut f32,
    out: *mut f32,
) {
    let (c, length) = (p.channels, p.width * p.channels);
    let (count, run) = p.runs();
    for y in 0..p.rows {
        let (first, last) = ((y * p.stride).saturating_sub(R), (y * p.stride + R).min(p.height - 1));
        let mut i = 0;
        while i < length {
            let n = (length - i).min(S::LANES);
            unsafe {
                let mut v = load::<S>(x.add(first * length + i), n);
                for r in first + 1..=last {
                    v = F::fold::<S>(v, load::<S>(x.add(r * length + i), n));
                }
                store::<S>(row.add(R * c + i), v, n);
            }
            i += n;
        }
        for r in 0..count {
            let mut i = 0;
            while i < run {
                let n = (run - i).min(S::LANES);
                unsafe {
                    let at = row.add(r * p.stride * c + i);
                    let mut v = load::<S>(at, n);
                    for t in 1..2 * R + 1 {
                        v = F::fold::<S>(v, load::<S>(at.add(t * c), n));
                    }
                    let to = out.add((y * p.pixels + r) * c + i);
                    if ONTO {
                        v = S::add(load::<S>(to, n), v);
                    }
                    store::<S>(to, v, n);
                }
                i += n;
            }
        }
    }
}

/// 1 / number of places, by how many of the window's rows and columns are inside.
const SHARE: [[f32; 4]; 4] = [
    [0.0; 4],
    [0.0, 1.0, 1.0 / 2.0, 1.0 / 3.0],
    [0.0, 1.0 / 2.0, 1.0 / 4.0, 1.0 / 6.0],
    [0.0, 1.0 / 3.0, 1.0 / 6.0, 1.0 / 9.0],
];

/// Pixel (y, x) of an output over the number of places in its window, to `y · to_row + x · to_pixel`.
#[inline(always)]
unsafe fn spread_body<S: Simd>(p: &Plan, x: *const f32, to: *mut f32, to_row: usize, to_pixel: usize) {
    let inside = |at: usize, size: usize| (at * p.stride + 2).min(size) - (at * p.stride).saturating_sub(1);
    for y in 0..p.rows {
        let shares = &SHARE[inside(y, p.height)];
        let mut pixel = 0;
        while pixel < p.pixels {
            // Neighbours that lie together and have equal shares are one run.
            let count = inside(pixel, p.width);
            let together = |at: &usize| to_pixel == p.channels && inside(*at, p.width) == count;
            let end = (pixel + 1..p.pixels).find(|at| !together(at)).unwrap_or(p.pixels);
            let (mut i, length) = (0, (end - pixel) * p.channels);
            while i < length {
                let n = (length - i).min(S::LANES);
                unsafe {
                    let v = load::<S>(x.add((y * p.pixels + pixel) * p.channels + i), n);
                    store::<S>(to.add(y * to_row + pixel * to_pixel + i), S::mul(v, S::splat(shares[count])), n);
                }
                i += n;
            }
            pixel = end;
        }
    }
}

/// The greatest value's place in each window of the padded map `x` has the output's gradient added in the padded map `to`.
#[inline(always)]
unsafe fn max_scatter_body<S: Simd>(p: &Plan, x: *const f32, d: *const f32, to: *mut f32) {
    unsafe {
        match p.reach {
            1 => scatter::<S, 3>(p, x, d, to),
            _ => scatter::<S, 5>(p, x, d, to),
        }
    }
}

/// The same for windows of `K`.
#[inline(always)]
unsafe fn scatter<S: Simd, const K: usize>(p: &Plan, x: *const f32, d: *const f32, to: *mut f32) {
    let (count, length) = p.runs();
    let row = (p.width + K - 1) * p.channels;
    for y in 0..p.rows {
        for r in 0..count {
            let (mut i, from) = (0, (y * p.pixels + r) * p.channels);
            while i < length {
                let n = (length - i).min(S::LANES);
                unsafe {
                    let at = y * p.stride * row + r * p.stride * p.channels + i;
                    let mut best = load::<S>(x.add(at), n);
                    let mut place = S::splat(0.0);
                    for t in 1..K * K {
                        let v = load::<S>(x.add(at + (t / K) * row + (t % K) * p.channels), n);
                        place = S::if_gt(v, best, S::splat(t as f32), place);
                        best = S::max(v, best);
                    }
                    let g = load::<S>(d.add(from + i), n);
                    for t in 0..K * K {
                        let q = to.add(at + (t / K) * row + (t % K) * p.channels);
                        let own = S::if_eq(place, S::splat(t as f32), g);
                        store::<S>(q, S::add(load::<S>(q, n), own), n);
                    }
                }
                i += n;
            }
        }
    }
}
