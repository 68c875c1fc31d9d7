//! Backward passes of rectified linear units; the derivative at 0 is 0.

use super::simd::{Simd, dispatch};

/// `out += x > 0 ? gradient : 0`.
pub fn add_where_positive(x: &[f32], gradient: &[f32], out: &mut [f32]) {
    assert!(x.len() == gradient.len() && x.len() == out.len(), "maps of one size");
    // SAFETY: sizes were checked.
    unsafe { add_gated(x, gradient, out) }
}

/// `gradient = (z − mean)·scale > 0 ? gradient : 0` with `mean` and `scale` by channel; `scale` must be positive.
pub fn gate(z: &[f32], mean: &[f32], gradient: &mut [f32]) {
    let c = mean.len();
    assert!(z.len() == gradient.len() && c > 0, "maps of one size");
    for (g, z) in gradient.chunks_exact_mut(c).zip(z.chunks_exact(c)) {
        for ((g, z), m) in g.iter_mut().zip(z).zip(mean) {
            *g = if z - m > 0.0 { *g } else { 0.0 };
        }
    }
}

dispatch!(unsafe fn add_gated(x: &[f32], gradient: &[f32], out: &mut [f32]) = add_gated_body);

#[inline(always)]
unsafe fn add_gated_body<S: Simd>(x: &[f32], gradient: &[f32], out: &mut [f32]) {
    let mut i = 0;
    while i < x.len() {
        let n = (x.len() - i).min(S::LANES);
        unsafe {
            let zero = S::splat(0.0);
            let (xp, gp, op) = (x.as_ptr().add(i), gradient.as_ptr().add(i), out.as_mut_ptr().add(i));
            if n == S::LANES {
                S::store(op, S::add(S::load(op), S::if_gt(S::load(xp), zero, S::load(gp), zero)));
            } else {
                let v = S::if_gt(S::load_partial(xp, n), zero, S::load_partial(gp, n), zero);
                S::store_partial(op, S::add(S::load_partial(op, n), v), n);
            }
        }
        i += n;
    }
}
