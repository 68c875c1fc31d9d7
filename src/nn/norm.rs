//! What batch norms do in a pass over a network, and what is kept of them.

use crate::kernels::depthwise::Load;
use crate::kernels::norm::{Backward, Collector, EPSILON, Moments};

/// Where normalisation gets its statistics from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// Training mode: of the batch itself, biased variance.
    Batch,
    /// Evaluation mode: the running statistics.
    Running,
    /// No normalisation at all (SynFlow).
    Off,
}

/// Where a batch norm's running statistics are: `channels` means at `offset`, then as many variances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NormSlot {
    pub offset: usize,
    pub channels: usize,
}

/// The two numbers per channel that a normalisation is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statistics {
    pub mean: Vec<f32>,
    /// 1 / sqrt(variance + epsilon).
    pub scale: Vec<f32>,
    /// Numbers per channel that the statistics were taken over; `None` where they are constants.
    pub count: Option<f64>,
}

/// Moments of one batch norm's input, for the running statistics and for those who watch.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub slot: NormSlot,
    pub moments: Moments,
}

/// The statistics of all batch norms of one block in one pass.
pub(crate) struct NormPass<'a> {
    pub norm: Norm,
    pub running: &'a [f32],
    pub seen: Vec<Seen>,
}

impl NormPass<'_> {
    /// Settles one batch norm from the moments of the groups (in order).
    pub fn settle(&mut self, slot: NormSlot, parts: impl IntoIterator<Item = Moments>) -> Statistics {
        let c = slot.channels;
        match self.norm {
            Norm::Batch => {
                let mut moments = Moments::new(c);
                for p in parts {
                    moments.combine(&p);
                }
                let statistics = Statistics {
                    mean: moments.mean.iter().map(|m| *m as f32).collect(),
                    scale: moments.variance().iter().map(|v| (1.0 / (v + EPSILON).sqrt()) as f32).collect(),
                    count: Some(moments.count),
                };
                self.seen.push(Seen { slot, moments });
                statistics
            }
            Norm::Running => {
                let stored = &self.running[slot.offset..slot.offset + 2 * c];
                Statistics {
                    mean: stored[..c].to_vec(),
                    scale: stored[c..].iter().map(|v| (1.0 / (f64::from(*v) + EPSILON).sqrt()) as f32).collect(),
                    count: None,
                }
            }
            Norm::Off => Statistics { mean: vec![0.0; c], scale: vec![1.0; c], count: None },
        }
    }
}

/// For the moments of the maps `[pixels, C]` that one task makes, or nothing where nobody needs them.
pub(crate) fn collector(norm: Norm, channels: usize) -> Option<Collector> {
    (norm == Norm::Batch).then(|| Collector::new(channels))
}

/// Σ dy and Σ dy·(z − mean) by channel.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sums {
    pub plain: Vec<f64>,
    pub product: Vec<f64>,
}

impl Sums {
    pub fn new(channels: usize) -> Sums {
        Sums { plain: vec![0.0; channels], product: vec![0.0; channels] }
    }

    pub fn add(&mut self, other: &Sums) {
        for (t, v) in self.plain.iter_mut().zip(&other.plain) {
            *t += v;
        }
        for (t, v) in self.product.iter_mut().zip(&other.product) {
            *t += v;
        }
    }

    pub fn total<'a>(channels: usize, parts: impl IntoIterator<Item = &'a Sums>) -> Sums {
        let mut total = Sums::new(channels);
        for p in parts {
            total.add(p);
        }
        total
    }
}

impl Statistics {
    pub fn load_relu(&self) -> Load<'_> {
        Load::NormRelu { mean: &self.mean, scale: &self.scale }
    }

    /// The norm's scale times a mixing weight, for the weighted sum.
    pub fn scaled(&self, weight: f32) -> Vec<f32> {
        self.scale.iter().map(|s| s * weight).collect()
    }

    /// Backward pass of `y = weight · norm(z)`, given the sums over `dy`: with x̂ = (z − mean)·s and means over the batch,
    /// `dz = s·(w·dy − mean(w·dy) − x̂·mean(w·dy·x̂))` (Ioffe & Szegedy 2015); for constant statistics just `s·w·dy`.
    pub fn backward(&self, weight: f32, sums: &Sums) -> Backward {
        let w = f64::from(weight);
        let c = self.mean.len();
        let s = |i: usize| f64::from(self.scale[i]);
        let scale = (0..c).map(|i| (s(i) * w) as f32).collect();
        let (slope, offset) = match self.count {
            Some(n) => (
                (0..c).map(|i| (-s(i).powi(3) * w * sums.product[i] / n) as f32).collect(),
                (0..c).map(|i| (-s(i) * w * sums.plain[i] / n) as f32).collect(),
            ),
            None => (vec![0.0; c], vec![0.0; c]),
        };
        Backward { scale, mean: self.mean.clone(), slope, offset }
    }

    /// The linear form `y = scale · norm(z) + shift`.
    pub fn affine(&self, scale: &[f32], shift: &[f32]) -> Backward {
        let slope = self.scale.iter().zip(scale).map(|(s, k)| s * k).collect();
        Backward { scale: vec![0.0; scale.len()], mean: self.mean.clone(), slope, offset: shift.to_vec() }
    }

    /// Backward pass of [`Statistics::affine`], given the sums over `dy`; and the gradients of scale, then shift.
    pub fn affine_backward(&self, scale: &[f32], sums: &Sums) -> (Backward, Vec<f32>) {
        let mut back = self.backward(1.0, sums);
        for form in [&mut back.scale, &mut back.slope, &mut back.offset] {
            form.iter_mut().zip(scale).for_each(|(f, s)| *f *= s);
        }
        let to_scale = sums.product.iter().zip(&self.scale).map(|(p, s)| (p * f64::from(*s)) as f32);
        let to_shift = sums.plain.iter().map(|p| *p as f32);
        (back, to_scale.chain(to_shift).collect())
    }

    /// Inner product of `dy` with the normalised map: the gradient of the mixing weight.
    pub fn inner(&self, sums: &Sums) -> f64 {
        self.scale.iter().zip(&sums.product).map(|(s, p)| f64::from(*s) * p).sum()
    }
}
