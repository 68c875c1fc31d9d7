//! Small matrix products: what pointwise convolutions are in a channels-last layout.

use super::simd::{Simd, dispatch, load, store};

/// Columns are padded to a multiple of this in packed matrices: the widest vector of any level.
const PACK: usize = 16;

/// A matrix `[rows, columns]` with columns zero-padded to whole vectors, ready to be a right-hand side.
#[derive(Clone, Debug, Default)]
pub struct Packed {
    data: Vec<f32>,
    rows: usize,
    columns: usize,
    stride: usize,
}

impl Packed {
    /// Numbers in a row: two vectors are read at once, so it ends on a multiple of both.
    pub fn width(columns: usize) -> usize {
        columns.next_multiple_of(if columns > PACK { 2 * PACK } else { PACK })
    }

    /// From row-major `[rows, columns]`.
    pub fn new(matrix: &[f32], rows: usize, columns: usize) -> Packed {
        assert_eq!(matrix.len(), rows * columns, "a packed matrix needs rows x columns numbers");
        let stride = Packed::width(columns);
        let mut data = vec![0.0; rows * stride];
        for (to, from) in data.chunks_exact_mut(stride).zip(matrix.chunks_exact(columns)) {
            to[..columns].copy_from_slice(from);
        }
        Packed { data, rows, columns, stride }
    }

    /// The transpose of row-major `[rows, columns]`.
    pub fn transposed(matrix: &[f32], rows: usize, columns: usize) -> Packed {
        assert_eq!(matrix.len(), rows * columns, "a packed matrix needs rows x columns numbers");
        let stride = Packed::width(rows);
        let mut data = vec![0.0; columns * stride];
        // Some rows at a time, so that what is read stays near while it is turned.
        for (block, from) in matrix.chunks(PACK * columns).enumerate() {
            for (c, to) in data.chunks_exact_mut(stride).enumerate() {
                let to = &mut to[block * PACK..];
                from[c..].iter().step_by(columns).zip(to).for_each(|(v, to)| *to = *v);
            }
        }
        Packed { data, rows: columns, columns: rows, stride }
    }
}

/// `c[i, ..] = a[i, ..] · b` for `m` rows; `a` has rows of `b.rows` numbers every `lda`, `c` rows of `b.columns` numbers
/// every `ldc`.
pub fn product(a: &[f32], lda: usize, m: usize, b: &Packed, c: &mut [f32], ldc: usize) {
    if m == 0 || b.columns == 0 {
        return;
    }
    assert!(
        a.len() >= (m - 1) * lda + b.rows && c.len() >= (m - 1) * ldc + b.columns,
        "an operand of a matrix product is short"
    );
    // SAFETY: the extents were checked just above, and `Packed` pads its own rows.
    unsafe { product_dispatch(a.as_ptr(), lda, m, b, c.as_mut_ptr(), ldc) }
}

dispatch!(unsafe fn product_dispatch(a: *const f32, lda: usize, m: usize, b: &Packed, c: *mut f32, ldc: usize) = product_body);

#[inline(always)]
unsafe fn product_body<S: Simd>(a: *const f32, lda: usize, m: usize, b: &Packed, c: *mut f32, ldc: usize) {
    if [lda, b.rows, ldc].iter().all(|n| *n == b.columns) && b.columns < S::LANES {
        match b.columns {
            2 => return unsafe { rows_narrow::<S, 2>(a, m, b, c) },
            4 => return unsafe { rows_narrow::<S, 4>(a, m, b, c) },
            _ => {}
        }
    }
    let mut j = 0;
    while j < b.columns {
        let left = b.columns - j;
        unsafe {
            let (bp, cp) = (b.data.as_ptr().add(j), c.add(j));
            let tile = Tile { a, lda, b: bp, ldb: b.stride, k: b.rows, c: cp, ldc, n: left };
            if b.rows == 16 && left == 16 && S::LANES == 16 {
                let i = rows_by_16::<S>(&tile, m);
                rows_by::<S, 1, 1>(&tile, i, m);
                j += S::LANES;
            } else if left > S::LANES {
                let i = rows_by::<S, 6, 2>(&tile, 0, sixes(m));
                let i = rows_by::<S, 4, 2>(&tile, i, m);
                let i = rows_by::<S, 2, 2>(&tile, i, m);
                rows_by::<S, 1, 2>(&tile, i, m);
                j += 2 * S::LANES;
            } else {
                let i = rows_by::<S, 8, 1>(&tile, 0, m);
                let i = rows_by::<S, 4, 1>(&tile, i, m);
                rows_by::<S, 1, 1>(&tile, i, m);
                j += S::LANES;
            }
        }
    }
}

/// How many of `m` rows are best taken by six, with those after them by four: two rows have too few sums to fill the time that
/// each takes.
pub(super) fn sixes(m: usize) -> usize {
    if m % 6 == 2 && m >= 8 { m - 8 } else { m }
}

/// Rows of two or four numbers without gaps by a square matrix: a vector holds several rows.
#[inline(always)]
unsafe fn rows_narrow<S: Simd, const G: usize>(a: *const f32, m: usize, b: &Packed, c: *mut f32) {
    let mut repeated = [unsafe { S::splat(0.0) }; G];
    for (row, v) in repeated.iter_mut().enumerate() {
        let numbers: [f32; 16] = std::array::from_fn(|i| b.data[row * b.stride + i % G]);
        *v = unsafe { S::load(numbers.as_ptr()) };
    }
    let (mut i, len) = (0, m * G);
    while i < len {
        let n = (len - i).min(S::LANES);
        unsafe {
            let v = load::<S>(a.add(i), n);
            let mut sum = S::fma(S::of_group::<G, 0>(v), repeated[0], S::splat(0.0));
            sum = S::fma(S::of_group::<G, 1>(v), repeated[1], sum);
            if G == 4 {
                sum = S::fma(S::of_group::<G, 2>(v), repeated[2], sum);
                sum = S::fma(S::of_group::<G, 3>(v), repeated[3], sum);
            }
            store::<S>(c.add(i), sum, n);
        }
        i += n;
    }
}

/// Operands of one block of columns; `n` columns are left to store.
struct Tile {
    a: *const f32,
    lda: usize,
    b: *const f32,
    ldb: usize,
    k: usize,
    c: *mut f32,
    ldc: usize,
    n: usize,
}

/// `R` rows by `V` vectors at a time from row `i`; returns the first row that is left.
#[inline(always)]
unsafe fn rows_by<S: Simd, const R: usize, const V: usize>(t: &Tile, mut i: usize, m: usize) -> usize {
    unsafe {
        while i + R <= m {
            let a = t.a.add(i * t.lda);
            let mut acc = [[S::splat(0.0); V]; R];
            for kk in 0..t.k {
                let mut bv = [S::splat(0.0); V];
                for (v, b_vector) in bv.iter_mut().enumerate() {
                    *b_vector = S::load(t.b.add(kk * t.ldb + v * S::LANES));
                }
                for (r, row) in acc.iter_mut().enumerate() {
                    let av = S::splat(*a.add(r * t.lda + kk));
                    for v in 0..V {
                        row[v] = S::fma(av, bv[v], row[v]);
                    }
                }
            }
            for (r, row) in acc.iter().enumerate() {
                for (v, x) in row.iter().enumerate() {
                    let (p, done) = (t.c.add((i + r) * t.ldc + v * S::LANES), v * S::LANES);
                    if t.n >= done + S::LANES {
                        S::store(p, *x);
                    } else {
                        S::store_partial(p, *x, t.n.saturating_sub(done));
                    }
                }
            }
            i += R;
        }
        i
    }
}

/// Eight rows at a time by a matrix of 16 x 16 numbers that stays in half of the registers; returns the first row that is
/// left.
#[inline(always)]
unsafe fn rows_by_16<S: Simd>(t: &Tile, m: usize) -> usize {
    let mut i = 0;
    unsafe {
        let mut b = [S::splat(0.0); 16];
        for (k, v) in b.iter_mut().enumerate() {
            *v = S::load(t.b.add(k * t.ldb));
        }
        while i + 8 <= m {
            let a = t.a.add(i * t.lda);
            let mut acc = [S::splat(0.0); 8];
            for (k, v) in b.iter().enumerate() {
                for (r, x) in acc.iter_mut().enumerate() {
                    *x = S::fma(S::splat(*a.add(r * t.lda + k)), *v, *x);
                }
            }
            for (r, x) in acc.iter().enumerate() {
                S::store(t.c.add((i + r) * t.ldc), *x);
            }
            i += 8;
        }
    }
    i
}

/// `c += aᵀ · b` for `a` `[m, k]` with rows every `lda` and `b` `[m, n]` with rows every `ldb`; `c` is `[k, n]`, its rows
/// every `ldc`. The weight gradient of a pointwise convolution.
#[derive(Clone, Copy, Debug)]
pub struct Outer {
    pub m: usize,
    pub k: usize,
    pub n: usize,
    pub lda: usize,
    pub ldb: usize,
    pub ldc: usize,
}

impl Outer {
    pub fn add(&self, a: &[f32], b: &[f32], c: &mut [f32]) {
        let Outer { m, k, n, lda, ldb, ldc } = *self;
        if m == 0 || k == 0 || n == 0 {
            return;
        }
        assert!(
            a.len() >= (m - 1) * lda + k && b.len() >= (m - 1) * ldb + n && c.len() >= (k - 1) * ldc + n,
            "an operand of a transposed product is short"
        );
        // SAFETY: the extents were checked just above; columns beyond them are not touched.
        unsafe { outer_dispatch(self, a.as_ptr(), b.as_ptr(), c.as_mut_ptr()) }
    }
}

dispatch!(unsafe fn outer_dispatch(o: &Outer, a: *const f32, b: *const f32, c: *mut f32) = outer_body);

#[inline(always)]
unsafe fn outer_body<S: Simd>(o: &Outer, a: *const f32, b: *const f32, c: *mut f32) {
    let mut j = 0;
    while j < o.n {
        let left = o.n - j;
        unsafe {
            let (b, c) = (b.add(j), c.add(j));
            if left >= 2 * S::LANES {
                let i = outer_rows::<S, 6, 2, false>(o, a, b, c, 0, sixes(o.k), S::LANES);
                let i = outer_rows::<S, 4, 2, false>(o, a, b, c, i, o.k, S::LANES);
                outer_rows::<S, 1, 2, false>(o, a, b, c, i, o.k, S::LANES);
                j += 2 * S::LANES;
            } else if left >= S::LANES {
                let i = outer_rows::<S, 8, 1, false>(o, a, b, c, 0, o.k, S::LANES);
                let i = outer_rows::<S, 4, 1, false>(o, a, b, c, i, o.k, S::LANES);
                outer_rows::<S, 1, 1, false>(o, a, b, c, i, o.k, S::LANES);
                j += S::LANES;
            } else {
                let i = outer_rows::<S, 8, 1, true>(o, a, b, c, 0, o.k, left);
                let i = outer_rows::<S, 4, 1, true>(o, a, b, c, i, o.k, left);
                outer_rows::<S, 1, 1, true>(o, a, b, c, i, o.k, left);
                j += left;
            }
        }
    }
}

/// `R` rows of the result by `V` vectors at a time from row `i` to `end`, `width` lanes of each; returns the first row that is left.
#[inline(always)]
unsafe fn outer_rows<S: Simd, const R: usize, const V: usize, const PARTIAL: bool>(
    o: &Outer,
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    mut i: usize,
    end: usize,
    width: usize,
) -> usize {
    unsafe {
        while i + R <= end {
            let mut acc = [[S::splat(0.0); V]; R];
            let ai = a.add(i);
            for row in 0..o.m {
                let mut bv = [S::splat(0.0); V];
                for (v, b_vector) in bv.iter_mut().enumerate() {
                    let at = b.add(row * o.ldb + v * S::LANES);
                    *b_vector = if PARTIAL { S::load_partial(at, width) } else { S::load(at) };
                }
                for (r, acc) in acc.iter_mut().enumerate() {
                    let av = S::splat(*ai.add(row * o.lda + r));
                    for v in 0..V {
                        acc[v] = S::fma(av, bv[v], acc[v]);
                    }
                }
            }
            for (r, acc) in acc.iter().enumerate() {
                for (v, x) in acc.iter().enumerate() {
                    let p = c.add((i + r) * o.ldc + v * S::LANES);
                    S::store_partial(p, S::add(S::load_partial(p, width), *x), width);
                }
            }
            i += R;
        }
        i
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Level, set_level};

    fn numbers(n: usize, seed: u64) -> Vec<f32> {
        let mut s = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        (0..n)
            .map(|_| {
                s ^= s << 13;
                s ^= s >> 7;
                s ^= s << 17;
                (s >> 40) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    #[test]
    fn products_match_f64_loops_at_every_level() {
        for level in Level::available() {
            set_level(level);
            let sizes = [
                (1, 1, 1),
                (7, 3, 5),
                (13, 16, 16),
                (9, 17, 33),
                (49, 67, 40),
                (8, 32, 64),
                (3, 48, 17),
                (33, 2, 2),
                (33, 4, 4),
                (5, 8, 8),
            ];
            for ((m, k, n), gap) in sizes.into_iter().flat_map(|s| [(s, 3), (s, 0)]) {
                let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
                let (lda, ldc) = (k, n + gap);
                let mut c = vec![7.0f32; m * ldc];
                product(&a, lda, m, &Packed::new(&b, k, n), &mut c, ldc);
                let mut t = vec![0.0f32; k * n];
                let d = numbers(m * n, 3);
                Outer { m, k, n, lda: k, ldb: n, ldc: n }.add(&a, &d, &mut t);
                let mut u = vec![0.0f32; m * k];
                product(&d, n, m, &Packed::transposed(&b, k, n), &mut u, k);
                for i in 0..m {
                    for j in 0..n {
                        let e: f64 = (0..k).map(|x| f64::from(a[i * k + x]) * f64::from(b[x * n + j])).sum();
                        assert!(
                            (f64::from(c[i * ldc + j]) - e).abs() < 1e-5 * (k as f64).sqrt(),
                            "{level:?} {m}x{k}x{n}"
                        );
                    }
                    for j in n..ldc {
                        assert_eq!(c[i * ldc + j], 7.0, "{level:?} wrote beyond a row");
                    }
                    for x in 0..k {
                        let e: f64 = (0..n).map(|j| f64::from(d[i * n + j]) * f64::from(b[x * n + j])).sum();
                        assert!((f64::from(u[i * k + x]) - e).abs() < 1e-5 * (n as f64).sqrt());
                    }
                }
                for x in 0..k {
                    for j in 0..n {
                        let e: f64 = (0..m).map(|i| f64::from(a[i * k + x]) * f64::from(d[i * n + j])).sum();
                        assert!((f64::from(t[x * n + j]) - e).abs() < 1e-5 * (m as f64).sqrt());
                    }
                }
            }
        }
    }
}
