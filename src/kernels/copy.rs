//! Runs of numbers, moved between maps of different widths.

use super::simd::{Simd, dispatch, load, store};

/// Copies `count` runs of `len` numbers: those at every `from_step` of `from` to every `to_step` of `to`.
pub fn copy_runs(from: &[f32], from_step: usize, to: &mut [f32], to_step: usize, len: usize, count: usize) {
    if count == 0 {
        return;
    }
    assert!(
        from.len() >= (count - 1) * from_step + len && to.len() >= (count - 1) * to_step + len,
        "a map to copy is short"
    );
    // SAFETY: the extents were checked just above.
    unsafe { runs(from.as_ptr(), from_step, to.as_mut_ptr(), to_step, len, count) }
}

dispatch!(unsafe fn runs(from: *const f32, from_step: usize, to: *mut f32, to_step: usize, len: usize, count: usize) = runs_body);

#[inline(always)]
unsafe fn runs_body<S: Simd>(
    from: *const f32,
    from_step: usize,
    to: *mut f32,
    to_step: usize,
    len: usize,
    count: usize,
) {
    let mut b = 0;
    while b < len {
        let n = (len - b).min(S::LANES);
        for r in 0..count {
            unsafe { store::<S>(to.add(r * to_step + b), load::<S>(from.add(r * from_step + b), n), n) }
        }
        b += n;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Level, set_level};

    #[test]
    fn runs_land_where_they_belong_and_nowhere_else() {
        for level in Level::available() {
            set_level(level);
            for (len, from_step, to_step, count) in [(1, 1, 4, 7), (5, 5, 9, 3), (16, 64, 16, 5), (37, 37, 40, 2)] {
                let from: Vec<f32> = (0..count * from_step).map(|i| i as f32).collect();
                let mut to = vec![-1.0; count * to_step];
                copy_runs(&from, from_step, &mut to, to_step, len, count);
                for (i, v) in to.iter().enumerate() {
                    let (r, k) = (i / to_step, i % to_step);
                    assert_eq!(*v, if k < len { (r * from_step + k) as f32 } else { -1.0 }, "{level:?} {len}");
                }
            }
        }
    }
}
