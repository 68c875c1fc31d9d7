//! Work is split over images by a partition that depends on nothing but their number, and partial results are added in the
//! partition's order: so the number of threads cannot change a result.

use std::marker::PhantomData;
use std::ops::Range;

use rayon::prelude::*;

/// At most so many groups of images per pass.
pub(crate) const GROUPS: usize = 32;

/// Runs `work` on every group of images, in parallel; results come in the order of the groups.
pub(crate) fn map_groups<T: Send>(images: usize, work: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
    let size = images.div_ceil(GROUPS).max(1);
    (0..images.div_ceil(size)).into_par_iter().map(|g| work(g * size..((g + 1) * size).min(images))).collect()
}

/// Adds up partial sums in order, in float64.
pub(crate) fn sum_parts(parts: &[Vec<f32>], into: &mut [f32]) {
    const CHUNK: usize = 4096;
    into.par_chunks_mut(CHUNK).enumerate().for_each(|(i, into)| {
        let mut sums = [0.0f64; CHUNK];
        let sums = &mut sums[..into.len()];
        sums.iter_mut().zip(&*into).for_each(|(s, v)| *s = f64::from(*v));
        for p in parts {
            sums.iter_mut().zip(&p[i * CHUNK..]).for_each(|(s, v)| *s += f64::from(*v));
        }
        into.iter_mut().zip(sums).for_each(|(t, s)| *t = *s as f32);
    });
}

/// Of what the groups gave only that of the image that is asked for, which must be a group of its own: there are at most
/// [`GROUPS`] images.
pub(crate) fn only(mut parts: Vec<Vec<f32>>, image: Option<usize>) -> Vec<Vec<f32>> {
    match image {
        Some(n) => vec![parts.swap_remove(n)],
        None => parts,
    }
}

/// `len` numbers of no particular value, without the cost of clearing them.
///
/// # Safety
/// The caller writes each number before anyone reads it.
#[allow(clippy::uninit_vec)]
pub(crate) unsafe fn unfilled(len: usize) -> Vec<f32> {
    let mut numbers = Vec::with_capacity(len);
    // SAFETY: the capacity is there, every bit pattern is a number, and the caller writes before anyone reads.
    unsafe { numbers.set_len(len) };
    numbers
}

/// Maps of zeros, `len` numbers in all, cleared by all threads.
pub(crate) fn zeros(len: usize, images: usize) -> Vec<f32> {
    // SAFETY: every image is cleared below.
    let mut maps = unsafe { unfilled(len) };
    let writer = Images::new(&mut maps, images);
    // SAFETY: groups do not share images.
    map_groups(images, |group| group.for_each(|n| unsafe { writer.image(n) }.fill(0.0)));
    maps
}

/// The first `len` numbers of a buffer that grows when needed and keeps what it held.
pub(crate) fn at_least(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
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
