//! On how many ReLUs do two pictures agree? The kernel of NASWOT, from packed signs.

use std::sync::{Mutex, PoisonError};

use crate::nn::Probe;

/// Agreements of every pair of pictures.
#[derive(Clone, Debug, Default)]
pub(crate) struct Agreement {
    pub images: usize,
    /// `[N · N]`: units that are both on or both off.
    pub counts: Vec<u64>,
    /// All units.
    pub units: u64,
}

impl Agreement {
    pub fn none(images: usize) -> Agreement {
        Agreement { images, counts: vec![0; images * images], units: 0 }
    }
}

/// Collects agreements while a network runs.
pub(crate) struct Patterns(Mutex<Agreement>);

impl Patterns {
    pub fn new(images: usize) -> Patterns {
        Patterns(Mutex::new(Agreement::none(images)))
    }

    /// Adds what was collected, so many times.
    pub fn add_to(&self, total: &mut Agreement, times: usize) {
        let own = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        total.units += own.units * times as u64;
        total.counts.iter_mut().zip(&own.counts).for_each(|(t, c)| *t += c * times as u64);
    }

    pub fn take(&self) -> Agreement {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Values in a word.
const WORD: usize = 64;

/// Bits `values > thresholds`, the first value lowest.
#[inline(always)]
fn word(values: &[f32], thresholds: &[f32]) -> u64 {
    let mut bytes = [0u8; WORD];
    for ((b, v), t) in bytes.iter_mut().zip(values).zip(thresholds) {
        *b = u8::from(*v > *t);
    }
    let (eights, _) = bytes.as_chunks::<8>();
    // Eight bytes of 0 or 1 become one byte: the multiplication moves each to its bit of the highest byte.
    eights
        .iter()
        .enumerate()
        .fold(0, |w, (i, eight)| w | (u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * i))
}

/// Signs of one picture's units, one bit each. `thresholds` holds those of consecutive words, over and over.
#[inline(always)]
fn pack_into(values: &[f32], thresholds: &[f32], words: &mut Vec<u64>) {
    let (whole, rest) = values.as_chunks::<WORD>();
    let mut turns = thresholds.as_chunks::<WORD>().0.iter().cycle();
    let mut next = |values: &[f32]| words.push(turns.next().map_or(0, |t| word(values, t)));
    whole.iter().for_each(|v| next(v));
    if !rest.is_empty() {
        next(rest);
    }
}

/// Bits in which two rows differ.
#[inline(always)]
fn differing(a: &[u64], b: &[u64]) -> u64 {
    a.iter().zip(b).map(|(a, b)| u64::from((a ^ b).count_ones())).sum()
}

/// Adds the agreements of every pair of rows of `per_image` words to `counts`.
#[inline(always)]
fn count_into(words: &[u64], per_image: usize, units: u64, multiplicity: u64, counts: &mut [u64], images: usize) {
    for (i, own) in words.chunks_exact(per_image).enumerate() {
        for (j, other) in words.chunks_exact(per_image).enumerate().take(i + 1) {
            let agree = (units - differing(own, other)) * multiplicity;
            counts[i * images + j] += agree;
            if i != j {
                counts[j * images + i] += agree;
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod wide {
    /// As [`super::pack_into`].
    #[target_feature(enable = "avx2")]
    pub fn pack(values: &[f32], thresholds: &[f32], words: &mut Vec<u64>) {
        super::pack_into(values, thresholds, words);
    }

    /// As [`super::count_into`].
    #[target_feature(enable = "avx2,popcnt")]
    pub fn count(words: &[u64], per_image: usize, units: u64, multiplicity: u64, counts: &mut [u64], images: usize) {
        super::count_into(words, per_image, units, multiplicity, counts, images);
    }

    pub fn available() -> bool {
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt")
    }
}

fn pack(values: &[f32], thresholds: &[f32], words: &mut Vec<u64>) {
    #[cfg(target_arch = "x86_64")]
    if wide::available() {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { wide::pack(values, thresholds, words) };
    }
    pack_into(values, thresholds, words);
}

fn count(words: &[u64], per_image: usize, units: u64, multiplicity: u64, counts: &mut [u64], images: usize) {
    #[cfg(target_arch = "x86_64")]
    if wide::available() {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { wide::count(words, per_image, units, multiplicity, counts, images) };
    }
    count_into(words, per_image, units, multiplicity, counts, images);
}

impl Probe for Patterns {
    fn relu(&self, values: &[f32], mean: Option<&[f32]>, [images, _]: [usize; 2], multiplicity: usize) {
        let units = values.len() / images.max(1);
        if units == 0 {
            return;
        }
        let per_image = units.div_ceil(WORD);
        // Channels come last: after as many words as there are channels, thresholds repeat.
        let thresholds: Vec<f32> = match mean {
            None => vec![0.0; WORD],
            Some(mean) => mean.iter().copied().cycle().take(WORD * mean.len()).collect(),
        };
        let mut words = Vec::with_capacity(images * per_image);
        for image in values.chunks_exact(units) {
            pack(image, &thresholds, &mut words);
        }
        let mut a = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        a.units += (units * multiplicity) as u64;
        count(&words, per_image, units as u64, multiplicity as u64, &mut a.counts, images);
    }

    fn norm(&self, _: &[f64]) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreements_are_those_of_a_plain_loop() {
        let mut rng = crate::random::stream(1, "test");
        for (images, pixels, channels) in [(3, 1, 1), (4, 7, 3), (5, 16, 4), (2, 49, 5), (3, 64, 2), (6, 100, 67)] {
            let units = pixels * channels;
            let mut values: Vec<f32> = (0..images * units).map(|_| crate::random::normal(&mut rng) as f32).collect();
            values[0] = 0.0;
            let mean: Vec<f32> = (0..channels).map(|_| crate::random::normal(&mut rng) as f32).collect();
            let patterns = Patterns::new(images);
            patterns.relu(&values, None, [images, channels], 4);
            patterns.relu(&values, Some(&mean), [images, channels], 1);
            let found = patterns.take();
            assert_eq!(found.units, 5 * units as u64);
            for i in 0..images {
                for j in 0..images {
                    let (a, b) = (&values[i * units..][..units], &values[j * units..][..units]);
                    let agree =
                        |t: &dyn Fn(usize) -> f32| (0..units).filter(|k| (a[*k] > t(*k)) == (b[*k] > t(*k))).count();
                    let expected = 4 * agree(&|_| 0.0) + agree(&|k| mean[k % channels]);
                    assert_eq!(found.counts[i * images + j], expected as u64, "{images} {pixels} {channels}");
                }
            }
        }
    }
}
