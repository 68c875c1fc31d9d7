//! The inner loops of a dense convolution: tiles of outputs that stay in registers over all taps and inputs.

use crate::kernels::matrix::sixes;
use crate::kernels::simd::{Simd, dispatch, load, store};

/// Columns of a panel of weights: two of the widest vectors, or one where no more are left.
const PANEL: usize = 32;
const NARROW: usize = 16;

/// What the inner loops need to know of a convolution.
pub(super) struct Plan {
    /// Rows and pixels of the output.
    pub rows: usize,
    pub pixels: usize,
    /// Rows of taps, and numbers that each reads in one piece.
    pub tap_rows: usize,
    pub depth: usize,
    /// Channels of the output.
    pub columns: usize,
    /// Numbers from one output row (pixel) to the next, on the input's and on the output's side.
    pub in_row: usize,
    pub in_pixel: usize,
    pub out_row: usize,
    pub out_pixel: usize,
    /// Numbers from one row of taps to the next.
    pub tap_row: usize,
    /// Adds to what is in the output.
    pub onto: bool,
}

impl Plan {
    /// Whether three taps of a row read neighbours, so that each pixel that is read serves three.
    fn by_three(&self) -> bool {
        self.tap_rows == 3 && self.depth == 3 * self.in_pixel
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0 || self.pixels == 0 || self.columns == 0
    }
}

/// Weights panel by panel, where vectors lie within lines of the cache.
#[derive(Clone, Debug, Default)]
pub(super) struct Panels {
    lines: Vec<Line>,
}

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line([f32; NARROW]);

impl Panels {
    /// From the rows of a matrix, so many of `columns` numbers each. The last panel ends on columns of zeros.
    pub fn new<'a>(matrix: impl Iterator<Item = &'a [f32]>, rows: usize, columns: usize) -> Panels {
        let whole = columns / PANEL * PANEL;
        let stride = whole + if columns > whole { panel_width(columns - whole) } else { 0 };
        let mut lines = vec![Line([0.0; NARROW]); rows * stride / NARROW];
        for (k, row) in matrix.enumerate() {
            for (p, part) in row.chunks(PANEL).enumerate() {
                let at = (p * PANEL * rows + k * panel_width(part.len())) / NARROW;
                for (to, part) in lines[at..].iter_mut().zip(part.chunks(NARROW)) {
                    to.0[..part.len()].copy_from_slice(part);
                }
            }
        }
        Panels { lines }
    }

    pub fn as_ptr(&self) -> *const f32 {
        self.lines.as_ptr().cast()
    }
}

/// Columns of the panel that begins where so many are left.
const fn panel_width(left: usize) -> usize {
    if left > NARROW { PANEL } else { NARROW }
}

dispatch!(pub(super) unsafe fn convolve(p: &Plan, x: *const f32, w: *const f32, out: *mut f32) = convolve_body);
dispatch!(pub(super) unsafe fn weight_gradient(p: &Plan, x: *const f32, d: *const f32, g: *mut f32) = gradient_body);

#[inline(always)]
unsafe fn convolve_body<S: Simd>(p: &Plan, x: *const f32, w: *const f32, out: *mut f32) {
    unsafe {
        // Constant distances between pixels are parts of instructions; others take a register each.
        match (S::FAST, p.in_pixel) {
            (true, 3) => panels::<S, 3>(p, x, w, out),
            (true, 16) => panels::<S, 16>(p, x, w, out),
            (true, 32) => panels::<S, 32>(p, x, w, out),
            (true, 64) => panels::<S, 64>(p, x, w, out),
            _ => panels::<S, 0>(p, x, w, out),
        }
    }
}

/// Whether there are 32 vector registers, not 16.
#[inline(always)]
const fn many<S: Simd>() -> bool {
    S::LANES != 8
}

#[inline(always)]
unsafe fn panels<S: Simd, const P: usize>(p: &Plan, x: *const f32, w: *const f32, out: *mut f32) {
    let mut first = 0;
    while first < p.columns {
        let width = panel_width(p.columns - first);
        let w = unsafe { w.add(p.tap_rows * p.depth * first) };
        let mut j = 0;
        while j < width && first + j < p.columns {
            let left = p.columns - first - j;
            unsafe {
                let t = Tile { w: w.add(j), w_row: width, n: left };
                let out = out.add(first + j);
                if left > S::LANES && width > S::LANES {
                    rows::<S, P, 2>(p, x, out, &t);
                    j += 2 * S::LANES;
                } else {
                    rows::<S, P, 1>(p, x, out, &t);
                    j += S::LANES;
                }
            }
        }
        first += width;
    }
}

/// Weights of some columns; `n` columns are left to store.
struct Tile {
    w: *const f32,
    w_row: usize,
    n: usize,
}

/// All pixels, `V` vectors of columns.
#[inline(always)]
unsafe fn rows<S: Simd, const P: usize, const V: usize>(p: &Plan, x: *const f32, out: *mut f32, t: &Tile) {
    let mut y = 0;
    unsafe {
        while y < p.rows {
            let (x, out) = (x.add(y * p.in_row), out.add(y * p.out_row));
            let (mut i, all) = (0, p.pixels);
            if many::<S>() && V == 1 {
                if P > 0 && p.by_three() {
                    i = pixels_by_three::<S, P, 16>(p, x, out, t, i);
                }
                i = pixels::<S, P, 16, V>(p, x, out, t, i, all);
            }
            if many::<S>() || V == 1 {
                i = pixels::<S, P, 8, V>(p, x, out, t, i, all);
            } else {
                i = pixels::<S, P, 6, V>(p, x, out, t, i, sixes(all));
            }
            i = pixels::<S, P, 4, V>(p, x, out, t, i, all);
            pixels::<S, P, 1, V>(p, x, out, t, i, all);
            y += 1;
        }
    }
}

/// `R` pixels by `V` vectors at a time from pixel `i` to `end`; returns the first pixel that is left.
#[inline(always)]
unsafe fn pixels<S: Simd, const P: usize, const R: usize, const V: usize>(
    p: &Plan,
    x: *const f32,
    out: *mut f32,
    t: &Tile,
    mut i: usize,
    end: usize,
) -> usize {
    let in_pixel = if P > 0 { P } else { p.in_pixel };
    unsafe {
        while i + R <= end {
            let mut acc = [[S::splat(0.0); V]; R];
            let mut w = t.w;
            for ty in 0..p.tap_rows {
                let x = x.add(i * in_pixel + ty * p.tap_row);
                for k in 0..p.depth {
                    let mut wv = [S::splat(0.0); V];
                    for (v, to) in wv.iter_mut().enumerate() {
                        *to = S::load(w.add(v * S::LANES));
                    }
                    for (r, a) in acc.iter_mut().enumerate() {
                        let xv = S::splat(*x.add(r * in_pixel + k));
                        for v in 0..V {
                            a[v] = S::fma(xv, wv[v], a[v]);
                        }
                    }
                    w = w.add(t.w_row);
                }
            }
            for (r, a) in acc.iter().enumerate() {
                for (v, a) in a.iter().enumerate() {
                    let n = t.n.saturating_sub(v * S::LANES).min(S::LANES);
                    put::<S>(p, out.add((i + r) * p.out_pixel + v * S::LANES), *a, n);
                }
            }
            i += R;
        }
        i
    }
}

/// As [`pixels`], for one vector of columns and taps [by three](Plan::by_three): there are fewer numbers to read than sums.
#[inline(always)]
unsafe fn pixels_by_three<S: Simd, const P: usize, const R: usize>(
    p: &Plan,
    x: *const f32,
    out: *mut f32,
    t: &Tile,
    mut i: usize,
) -> usize {
    unsafe {
        while i + R <= p.pixels {
            let mut acc = [S::splat(0.0); R];
            for ty in 0..3 {
                let x = x.add(i * P + ty * p.tap_row);
                let w = t.w.add(ty * 3 * P * t.w_row);
                for c in 0..P {
                    let w = w.add(c * t.w_row);
                    let wv = [S::load(w), S::load(w.add(P * t.w_row)), S::load(w.add(2 * P * t.w_row))];
                    // Written out, as a loop of so many sums would not keep them in registers.
                    macro_rules! pixel {
                        ($($j:literal)*) => {$(
                            if $j < R + 2 {
                                let xv = S::splat(*x.add($j * P + c));
                                for (tx, w) in wv.iter().enumerate() {
                                    if $j >= tx && $j - tx < R {
                                        acc[$j - tx] = S::fma(xv, *w, acc[$j - tx]);
                                    }
                                }
                            }
                        )*};
                    }
                    pixel!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17);
                }
            }
            let n = t.n.min(S::LANES);
            for (r, a) in acc.iter().enumerate() {
                put::<S>(p, out.add((i + r) * p.out_pixel), *a, n);
            }
            i += R;
        }
        i
    }
}

/// Stores `n` lanes of an output, or adds them.
#[inline(always)]
unsafe fn put<S: Simd>(p: &Plan, at: *mut f32, v: S::V, n: usize) {
    unsafe { store::<S>(at, if p.onto { S::add(load::<S>(at, n), v) } else { v }, n) }
}

/// Pixels that are summed before the sums go to the gradient: maps of so many stay in the first cache.
const STRIP: usize = 256;

#[inline(always)]
unsafe fn gradient_body<S: Simd>(p: &Plan, x: *const f32, d: *const f32, g: *mut f32) {
    let step = (STRIP / p.pixels).max(1);
    for y in (0..p.rows).step_by(step) {
        let strip = Plan { rows: step.min(p.rows - y), ..*p };
        unsafe {
            let (x, d) = (x.add(y * p.in_row), d.add(y * p.out_row));
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
