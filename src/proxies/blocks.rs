//! What the cells of a network do to signals, seen from outside: how their output fills its channels, and how their Jacobians
//! stretch a gradient.

use candle_core::Tensor;
use nalgebra::DMatrix;
use rayon::prelude::*;

use super::Context;
use crate::kernels::matrix::Outer;
use crate::nn::{NnError, Pass, Pulled};

/// Steps of the power iteration at most; the top singular value of a mean Jacobian settles long before.
const STEPS: usize = 2_000;

/// Rows of a map that are added up by one task.
const ROWS: usize = 4_096;

/// Of the stem and of every cell, the entropy of its output.
pub(super) fn entropies(context: &Context) -> Result<Vec<f64>, NnError> {
    let mut found = Vec::new();
    context.net()?.trace(&context.draw.images, &context.mixing, &Pass::observe(), |_, map| found.push(entropy(map)))?;
    found.into_iter().collect()
}

/// Of every cell, the largest singular value of its mean Jacobian. On a GPU's side, too, this is computed on the CPU.
pub(super) fn stretches(context: &Context) -> Result<Vec<f64>, NnError> {
    let (mut found, mut below) = (Vec::new(), [0; 4]);
    let signs = |cell: usize, numbers: usize| {
        let key = context.draw.signs ^ (cell as u64 + 1).wrapping_mul(0xd6e8_feb8_6659_fd93);
        (0..numbers as u64).map(|i| sign(key, i)).collect()
    };
    context.net()?.pullbacks(&context.draw.images, &context.mixing, signs, |_, block| {
        found.extend(stretch(&block, below));
        below = block.shape;
    })?;
    Ok(found)
}

/// 1 or -1, each by half: the lowest bit of splitmix64 (Steele, Lea & Flood 2014) after `i` steps from `key`.
pub fn sign(key: u64, i: u64) -> f32 {
    let mut z = key.wrapping_add((i.wrapping_add(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    if (z ^ (z >> 31)) & 1 == 0 { -1.0 } else { 1.0 }
}

/// `aᵀ·b` of maps with `k` and `n` channels.
fn products(a: &[f32], k: usize, b: &[f32], n: usize) -> DMatrix<f64> {
    let parts: Vec<Vec<f32>> = a
        .par_chunks(ROWS * k)
        .zip(b.par_chunks(ROWS * n))
        .map(|(a, b)| {
            let mut sums = vec![0.0; k * n];
            Outer { m: a.len() / k, k, n, lda: k, ldb: n, ldc: n }.add(a, b, &mut sums);
            sums
        })
        .collect();
    // In the order of the rows, whichever thread was first.
    DMatrix::from_fn(k, n, |i, j| parts.iter().map(|p| f64::from(p[i * n + j])).sum())
}

/// Entropy (natural logarithm) of the normalised eigenvalues of the covariance of a map's channels, over pictures and pixels; 0
/// for one channel, ln C for C channels of equal and independent strength (AZ-NAS, eq. 2).
fn entropy(map: &Tensor) -> Result<f64, NnError> {
    let (c, output) = (map.dim(candle_core::D::Minus1)?, map.flatten_all()?.to_vec1::<f32>()?);
    let rows = (output.len() / c) as f64;
    let mut means = vec![0.0f64; c];
    for row in output.chunks_exact(c) {
        means.iter_mut().zip(row).for_each(|(m, v)| *m += f64::from(*v));
    }
    means.iter_mut().for_each(|m| *m /= rows);
    let centred: Vec<f32> =
        output.chunks_exact(c).flat_map(|r| r.iter().zip(&means).map(|(v, m)| v - *m as f32)).collect();
    let covariance = products(&centred, c, &centred, c) / rows;
    if covariance.iter().any(|v| !v.is_finite()) {
        return Ok(f64::NAN);
    }
    let values = covariance.symmetric_eigenvalues();
    let total: f64 = values.iter().map(|v| v.max(0.0)).sum();
    if total <= 0.0 {
        return Ok(0.0);
    }
    Ok(values.iter().map(|v| v.max(0.0) / total).map(|p| -p * (p + 1e-8).ln()).sum())
}

/// Largest singular value of the mean over pictures and pixels of `g_in · g_outᵀ`, where `g_out` are random signs and `g_in` what
/// becomes of them before the cell: the expectation is the part of the Jacobian that is the same for all pictures and pixels. Where
/// the cell halves the map, the pixels of a window count as channels (AZ-NAS, arXiv 2403.19232, section 3.4).
fn stretch(block: &Pulled, below: [usize; 4]) -> Option<f64> {
    let (sent, received) = (block.sent?, block.received?);
    let [_, h, w, c] = block.shape;
    let [n, high, wide, deep] = below;
    if h == 0 || w == 0 || c == 0 {
        return None;
    }
    let (down, across) = (high.div_ceil(h), wide.div_ceil(w));
    let window = down * across * deep;
    let folded: Vec<f32>;
    let received = if window == deep {
        received
    } else {
        // At odd sizes the last windows are continued with zeros.
        let mut map = vec![0.0; n * h * w * window];
        for (pixel, values) in received.chunks_exact(deep).enumerate() {
            let (image, y, x) = (pixel / (high * wide), pixel / wide % high, pixel % wide);
            let to = ((image * h + y / down) * w + x / across) * window + (y % down * across + x % across) * deep;
            map[to..to + deep].copy_from_slice(values);
        }
        folded = map;
        &folded
    };
    let mean = products(received, window, sent, c) / (sent.len() / c) as f64;
    Some(largest(&mean))
}

/// Largest singular value by power iteration from a fixed start.
fn largest(m: &DMatrix<f64>) -> f64 {
    if m.iter().any(|v| !v.is_finite()) {
        return f64::NAN;
    }
    let gram = if m.nrows() < m.ncols() { m * m.transpose() } else { m.transpose() * m };
    // A start that no vector of an ordinary matrix is at right angles to.
    let mut v = nalgebra::DVector::from_fn(gram.nrows(), |i, _| 1.0 + f64::from(sign(0, i as u64)) / 2.0).normalize();
    let mut value = 0.0;
    for _ in 0..STEPS {
        let next = &gram * &v;
        let norm = next.norm();
        if norm == 0.0 {
            return 0.0;
        }
        v = next / norm;
        let settled = (norm - value).abs() <= 1e-13 * norm;
        value = norm;
        if settled {
            break;
        }
    }
    value.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_singular_value_is_that_of_a_decomposition() {
        for (rows, columns) in [(1, 1), (5, 9), (12, 4), (16, 16)] {
            let m = DMatrix::from_fn(rows, columns, |i, j| f64::from(sign(7, (i * 31 + j) as u64)) * (1.0 + i as f64));
            let whole = m.singular_values().max();
            assert!((largest(&m) - whole).abs() <= 1e-9 * whole, "{rows} x {columns}");
        }
        assert_eq!(largest(&DMatrix::zeros(3, 2)), 0.0);
    }

    #[test]
    fn an_identity_stretches_nothing_and_signs_are_fair() {
        let signs: Vec<f32> = (0..4 * 5 * 5 * 6).map(|i| sign(3, i)).collect();
        let ones = signs.iter().filter(|s| **s > 0.0).count();
        assert!((250..350).contains(&ones), "{ones} of 600");
        let shape = [4, 5, 5, 6];
        let twice: Vec<f32> = signs.iter().map(|v| 2.0 * v).collect();
        let block = Pulled { output: &signs, shape, sent: Some(&signs), received: Some(&twice) };
        let gain = stretch(&block, shape).unwrap();
        // Signs of other channels cancel up to 1/√100.
        assert!((1.7..2.8).contains(&gain), "{gain}");
        // By hand: two channels of equal and independent strength have an entropy of ln 2.
        let map: Vec<f32> = [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]].concat();
        let map = Tensor::from_vec(map, (1, 2, 2, 2), &candle_core::Device::Cpu).unwrap();
        assert!((entropy(&map).unwrap() - std::f64::consts::LN_2).abs() < 1e-7);
    }
}
