//! The inner loops of a dense convolution: tiles of outputs that stay in registers over all taps and inputs.

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
    pub fn is_empty(&self) -> bool {
        self.rows == 0 || self.pixels == 0 || self.columns == 0
    }
}

/// Columns of the panel that begins where so many are left.
const fn panel_width(left: usize) -> usize {
    if left > NARROW { PANEL } else { NARROW }
}

/// Numbers in the panels of a matrix.
pub(super) const fn panels_len(rows: usize, columns: usize) -> usize {
    let whole = columns / PANEL * PANEL;
    let rest = if columns > whole { panel_width(columns - whole) } else { 0 };
    rows * (whole + rest)
}

/// Lays a matrix out panel by panel, columns of zeros at the end of the last.
pub(super) fn fill_panels<'a>(rows: impl Iterator<Item = &'a [f32]>, columns: usize, to: &mut [f32]) {
    let all = to.len();
    let count = all / panels_len(1, columns);
    for (k, row) in rows.enumerate() {
        for (p, part) in row.chunks(PANEL).enumerate() {
            let width = panel_width(part.len());
            to[p * PANEL * count + k * width..][..part.len()].copy_from_slice(part);
        }
    }
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
            let mut i = 0;
            if many::<S>() && V == 1 {
                i = pixels::<S, P, 1, 16, V>(p, x, out, t, i);
            }
            if many::<S>() || V == 1 {
                i = pixels::<S, P, 1, 8, V>(p, x, out, t, i);
            }
            i = pixels::<S, P, 1, 4, V>(p, x, out, t, i);
            pixels::<S, P, 1, 1, V>(p, x, out, t, i);
            y += 1;
        }
    }
}

/// `Y` rows by `R` pixels by `V` vectors at a time from pixel `i`; returns the first pixel that is left.
#[inline(always)]
unsafe fn pixels<S: Simd, const P: usize, const Y: usize, const R: usize, const V: usize>(
    p: &Plan,
    x: *const f32,
    out: *mut f32,
    t: &Tile,
    mut i: usize,
) -> usize {
    let in_pixel = if P > 0 { P } else { p.in_pixel };
    unsafe {
        while i + R <= p.pixels {
            let mut acc = [[[S::splat(0.0); V]; R]; Y];
            let mut w = t.w;
            for ty in 0..p.tap_rows {
                let mut x = x.add(i * in_pixel + ty * p.tap_row);
                for _ in 0..p.depth {
                    let mut wv = [S::splat(0.0); V];
                    for (v, to) in wv.iter_mut().enumerate() {
                        *to = S::load(w.add(v * S::LANES));
                    }
                    for (y, row) in acc.iter_mut().enumerate() {
                        for (r, a) in row.iter_mut().enumerate() {
                            let xv = S::splat(*x.add(y * p.in_row + r * in_pixel));
                            for v in 0..V {
                                a[v] = S::fma(xv, wv[v], a[v]);
                            }
                        }
                    }
                    w = w.add(t.w_row);
                    x = x.add(1);
                }
            }
            for (y, row) in acc.iter().enumerate() {
                for (r, a) in row.iter().enumerate() {
                    for (v, a) in a.iter().enumerate() {
                        let n = t.n.saturating_sub(v * S::LANES).min(S::LANES);
                        let at = out.add(y * p.out_row + (i + r) * p.out_pixel + v * S::LANES);
                        let a = if p.onto { S::add(load::<S>(at, n), *a) } else { *a };
                        store::<S>(at, a, n);
                    }
                }
            }
            i += R;
        }
        i
    }
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
            if many::<S>() {
                i = gradient_tile::<S, 1, 12, V, PARTIAL>(p, x, d, g, n, i);
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
