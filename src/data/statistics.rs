//! Mean and deviation of pixels.

/// Mean and standard deviation by channel, in pixels scaled to 0..=1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Normalisation {
    pub mean: Vec<f32>,
    pub std: Vec<f32>,
}

/// Exact counts of pixel values by channel.
pub(super) struct Histogram {
    counts: Vec<[u64; 256]>,
}

impl Histogram {
    pub fn new(channels: usize) -> Self {
        Histogram { counts: vec![[0; 256]; channels] }
    }

    /// Count pixels `[.., C]`.
    pub fn add(&mut self, pixels: &[u8]) {
        for pixel in pixels.chunks_exact(self.counts.len()) {
            for (counts, &value) in self.counts.iter_mut().zip(pixel) {
                counts[usize::from(value)] += 1;
            }
        }
    }

    /// Take over what another one has counted, of the same number of channels.
    pub fn merge(&mut self, other: &Histogram) {
        for (counts, others) in self.counts.iter_mut().zip(&other.counts) {
            counts.iter_mut().zip(others).for_each(|(count, other)| *count += other);
        }
    }

    /// A channel that is the same everywhere (or was never seen) gets the standard deviation 1, so that normalising
    /// never divides by 0.
    pub fn normalisation(&self) -> Normalisation {
        let mut result = Normalisation { mean: Vec::new(), std: Vec::new() };
        for counts in &self.counts {
            let moment = |power: u32| -> f64 {
                counts.iter().zip(0u128..).map(|(&n, value)| u128::from(n) * value.pow(power)).sum::<u128>() as f64
            };
            let n = (moment(0)).max(1.0);
            let mean = moment(1) / n;
            let std = (moment(2) / n - mean * mean).max(0.0).sqrt();
            result.mean.push((mean / 255.0) as f32);
            result.std.push(if std > 1e-3 { (std / 255.0) as f32 } else { 1.0 });
        }
        result
    }
}
