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

/// Collects agreements while a network runs.
pub(crate) struct Patterns(Mutex<Agreement>);

impl Patterns {
    pub fn new(images: usize) -> Patterns {
        Patterns(Mutex::new(Agreement { images, counts: vec![0; images * images], units: 0 }))
    }

    pub fn take(&self) -> Agreement {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Signs of one picture's units, one bit each.
fn pack(values: &[f32], mean: Option<&[f32]>, words: &mut Vec<u64>) {
    let mut push = |chunk: &[f32], threshold: &mut dyn FnMut(usize) -> f32| {
        let word = chunk.iter().enumerate().fold(0u64, |w, (i, v)| w | u64::from(*v - threshold(i) > 0.0) << i);
        words.push(word);
    };
    match mean {
        None => {
            for chunk in values.chunks(64) {
                push(chunk, &mut |_| 0.0);
            }
        }
        Some(mean) => {
            for (k, chunk) in values.chunks(64).enumerate() {
                push(chunk, &mut |i| mean[(k * 64 + i) % mean.len()]);
            }
        }
    }
}

impl Probe for Patterns {
    fn relu(&self, values: &[f32], mean: Option<&[f32]>, images: usize, multiplicity: usize) {
        let units = values.len() / images.max(1);
        if units == 0 {
            return;
        }
        let per_image = units.div_ceil(64);
        let mut words = Vec::with_capacity(images * per_image);
        for image in values.chunks_exact(units) {
            pack(image, mean, &mut words);
        }
        let mut a = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        a.units += (units * multiplicity) as u64;
        for i in 0..images {
            let own = &words[i * per_image..(i + 1) * per_image];
            for j in 0..=i {
                let other = &words[j * per_image..(j + 1) * per_image];
                let differ: u64 = own.iter().zip(other).map(|(a, b)| u64::from((a ^ b).count_ones())).sum();
                let agree = (units as u64 - differ) * multiplicity as u64;
                a.counts[i * images + j] += agree;
                if i != j {
                    a.counts[j * images + i] += agree;
                }
            }
        }
    }

    fn norm(&self, _: &[f64]) {}
}
