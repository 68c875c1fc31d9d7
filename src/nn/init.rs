//! Initialisation. Every tensor draws from a random stream of its own, named after it: so a cut network and the full one
//! drawn from the same seed agree in every weight that both have.

use rand::RngExt;

use super::layout::{Kind, Slot};
use crate::random;

/// How weights are drawn. Scales of norms are 1, shifts 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// What PyTorch does by itself, and with it the published search code: uniform in ±1/√fan_in, biases too.
    Default,
    /// He et al. 2015 with `fan_out` and the gain of a ReLU, biases 0 (TE-NAS and its successors).
    KaimingNormalFanOut,
    /// N(0, 1), biases 0 (Zen-score).
    StandardNormal,
}

impl Init {
    /// Numbers of one tensor, in the order of files.
    pub(crate) fn draw(self, slot: &Slot, seed: u64) -> Vec<f32> {
        let n = slot.len();
        match (slot.kind, self) {
            (Kind::NormWeight, _) => return vec![1.0; n],
            (Kind::NormBias, _) => return vec![0.0; n],
            (Kind::Bias, Init::KaimingNormalFanOut | Init::StandardNormal) => return vec![0.0; n],
            _ => {}
        }
        let mut rng = random::stream(seed, &format!("weights/{}", slot.name));
        match self {
            Init::Default => {
                // The classifier's bias has the fan of its weight, which the caller puts in `inputs`.
                let bound = 1.0 / (slot.fan_in() as f64).sqrt();
                (0..n).map(|_| ((rng.random::<f64>() * 2.0 - 1.0) * bound) as f32).collect()
            }
            Init::KaimingNormalFanOut => {
                let deviation = (2.0 / slot.fan_out() as f64).sqrt();
                (0..n).map(|_| (random::normal(&mut rng) * deviation) as f32).collect()
            }
            Init::StandardNormal => (0..n).map(|_| random::normal(&mut rng) as f32).collect(),
        }
    }
}
