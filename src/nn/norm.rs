//! What batch norms do in a pass over a network, and what is kept of them.

use crate::kernels::depthwise::Load;
use crate::kernels::norm::{Backward, Collector, EPSILON, Moments, add_products};
use crate::kernels::relu;
use crate::nn::noise::Noise;

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

/// What a normalisation does to each channel: `(z − mean) · slope + shift`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statistics {
    pub mean: Vec<f32>,
    /// 1 / sqrt(variance + epsilon).
    pub scale: Vec<f32>,
    /// `scale`, times the norm's own scale where it has one.
    pub slope: Vec<f32>,
    /// The norm's own shift, or 0.
    pub shift: Vec<f32>,
    /// The norm's own scale; empty where it has none.
    pub gain: Vec<f32>,
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
    /// For operations that draw it.
    pub noise: Noise,
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
                let statistics = Statistics::new(
                    moments.mean.iter().map(|m| *m as f32).collect(),
                    moments.variance().iter().map(|v| (1.0 / (v + EPSILON).sqrt()) as f32).collect(),
                    Some(moments.count),
                );
                self.seen.push(Seen { slot, moments });
                statistics
            }
            Norm::Running => {
                let stored = &self.running[slot.offset..slot.offset + 2 * c];
                let scale = stored[c..].iter().map(|v| (1.0 / (f64::from(*v) + EPSILON).sqrt()) as f32).collect();
                Statistics::new(stored[..c].to_vec(), scale, None)
            }
            Norm::Off => Statistics::identity(c),
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

    /// Adds those of one image whose gradient is `dy` times a factor.
    pub fn add_products(&mut self, dy: &[f32], z: &[f32], mean: &[f32], factor: f32) {
        if factor == 1.0 {
            return add_products(dy, z, mean, &mut self.plain, &mut self.product);
        }
        if factor != 0.0 {
            let mut own = Sums::new(mean.len());
            add_products(dy, z, mean, &mut own.plain, &mut own.product);
            let factor = f64::from(factor);
            for (all, own) in [(&mut self.plain, own.plain), (&mut self.product, own.product)] {
                all.iter_mut().zip(own).for_each(|(t, v)| *t += factor * v);
            }
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
    /// Of what goes on as it is.
    pub fn identity(channels: usize) -> Statistics {
        Statistics::new(vec![0.0; channels], vec![1.0; channels], None)
    }

    fn new(mean: Vec<f32>, scale: Vec<f32>, count: Option<f64>) -> Statistics {
        Statistics { slope: scale.clone(), shift: vec![0.0; mean.len()], gain: Vec::new(), mean, scale, count }
    }

    /// With the norm's own scale and shift.
    #[must_use]
    pub fn with(mut self, affine: Option<[&[f32]; 2]>) -> Statistics {
        if let Some([gain, bias]) = affine {
            self.slope = self.scale.iter().zip(gain).map(|(s, k)| s * k).collect();
            (self.gain, self.shift) = (gain.to_vec(), bias.to_vec());
        }
        self
    }

    pub fn is_affine(&self) -> bool {
        !self.gain.is_empty()
    }

    pub fn load_relu(&self) -> Load<'_> {
        Load::NormRelu { mean: &self.mean, scale: &self.slope, shift: &self.shift }
    }

    pub fn normed(&self) -> relu::Normed<'_> {
        relu::Normed { mean: &self.mean, scale: &self.slope, shift: &self.shift }
    }

    /// The norm's slope times a mixing weight, for the weighted sum.
    pub fn scaled(&self, weight: f32) -> Vec<f32> {
        self.slope.iter().map(|s| s * weight).collect()
    }

    /// The forward pass as a linear form of `z`.
    pub fn form(&self) -> Backward {
        let (slope, offset) = (self.slope.clone(), self.shift.clone());
        Backward { scale: vec![0.0; slope.len()], mean: self.mean.clone(), slope, offset }
    }

    /// Backward pass of `y = weight · norm(z)`, given the sums over `dy`: with x̂ = (z − mean)·s and means over the batch,
    /// `dz = s·(w·dy − mean(w·dy) − x̂·mean(w·dy·x̂))` (Ioffe & Szegedy 2015), times the norm's own scale; for constant
    /// statistics just `s·w·dy`.
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
        let mut back = Backward { scale, mean: self.mean.clone(), slope, offset };
        for form in [&mut back.scale, &mut back.slope, &mut back.offset] {
            form.iter_mut().zip(&self.gain).for_each(|(f, s)| *f *= s);
        }
        back
    }

    /// Adds the gradients of the norm's own scale, then shift, given the sums over the gradient of its result.
    pub fn add_affine_gradients(&self, sums: &Sums, to: &mut [f32]) {
        let to_scale = sums.product.iter().zip(&self.scale).map(|(p, s)| (p * f64::from(*s)) as f32);
        let to_shift = sums.plain.iter().map(|p| *p as f32);
        to.iter_mut().zip(to_scale.chain(to_shift)).for_each(|(t, v)| *t += v);
    }

    /// Inner product of `dy` with the norm's result: the gradient of the mixing weight.
    pub fn inner(&self, sums: &Sums) -> f64 {
        let plain = self.shift.iter().zip(&sums.plain).filter(|(s, _)| **s != 0.0).map(|(s, p)| f64::from(*s) * p);
        let product: f64 = self.slope.iter().zip(&sums.product).map(|(s, p)| f64::from(*s) * p).sum();
        product + plain.sum::<f64>()
    }
}
