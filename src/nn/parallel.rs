//! Work is split over images by a partition that depends on nothing but their number, and partial results are added in the
//! partition's order: so the number of threads cannot change a result.

use std::marker::PhantomData;
use std::ops::Range;

use rayon::prelude::*;

/// At most so many groups of images per pass.
const GROUPS: usize = 32;

/// Runs `work` on every group of images, in parallel; results come in the order of the groups.
pub(crate) fn map_groups<T: Send>(images: usize, work: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
    let size = images.div_ceil(GROUPS).max(1);
    (0..images.div_ceil(size)).into_par_iter().map(|g| work(g * size..((g + 1) * size).min(images))).collect()
}

/// Adds up partial sums in order, in float64.
pub(crate) fn sum_parts(parts: &[Vec<f32>], into: &mut [f32]) {
    for (i, t) in into.iter_mut().enumerate() {
        let mut sum = f64::from(*t);
        for p in parts {
            sum += f64::from(p[i]);
        }
        *t = sum as f32;
    }
}

/// A batch of maps of which each image is written by one task.
pub(crate) struct Images<'a> {
    start: *mut f32,
    per_image: usize,
    images: usize,
    _borrow: PhantomData<&'a mut [f32]>,
}

// SAFETY: access goes through `image`, whose contract is that no two tasks hold the same image.
unsafe impl Send for Images<'_> {}
unsafe impl Sync for Images<'_> {}

impl<'a> Images<'a> {
    pub fn new(maps: &'a mut [f32], images: usize) -> Images<'a> {
        Images { start: maps.as_mut_ptr(), per_image: maps.len() / images.max(1), images, _borrow: PhantomData }
    }

    /// # Safety
    /// At any time at most one task holds image `n`.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn image(&self, n: usize) -> &mut [f32] {
        assert!(n < self.images, "image {n} of {}", self.images);
        // SAFETY: inside the borrowed maps; exclusive by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(n * self.per_image), self.per_image) }
    }
}

/// Image `n` of maps of `len` numbers each.
pub(crate) fn image(maps: &[f32], n: usize, len: usize) -> &[f32] {
    &maps[n * len..(n + 1) * len]
}
