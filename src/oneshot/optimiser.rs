//! The two optimisers of DARTS with PyTorch's semantics: decay is added to the gradient before anything else.

use candle_core::backprop::GradStore;

use crate::kernels::sgd::Descent;
use crate::nn::{Momentum, NnError, Parameters};

/// Settings of the weights' optimiser.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdSettings {
    pub momentum: f64,
    pub weight_decay: f64,
    /// Greatest L2 norm of all gradients together; 0 turns clipping off.
    pub clip: f64,
    /// The step looks ahead along the momentum (Nesterov, as PyTorch has it).
    pub nesterov: bool,
}

/// Stochastic gradient descent with momentum, where the parameters are.
pub struct Sgd {
    pub settings: SgdSettings,
    pub momentum: Momentum,
}

impl Sgd {
    pub fn new(settings: SgdSettings) -> Sgd {
        Sgd { settings, momentum: Momentum::default() }
    }

    /// One step at `rate` along the gradients of the backward pass that gave `store`; returns their norm before clipping.
    ///
    /// # Errors
    /// A fault of the device, or candle's own.
    pub fn step(&mut self, rate: f64, parameters: &Parameters, store: GradStore) -> Result<f64, NnError> {
        let SgdSettings { momentum, weight_decay, clip, nesterov } = self.settings;
        parameters.descend(store, &mut self.momentum, &Descent { rate, momentum, weight_decay, clip, nesterov })
    }
}

/// Settings of the alphas' optimiser.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamSettings {
    pub learning_rate: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub weight_decay: f64,
}

/// Adam (Kingma & Ba 2015) with L2 decay in the gradient and epsilon 1e-8.
#[derive(Clone, Debug)]
pub struct Adam {
    pub settings: AdamSettings,
    pub steps: u64,
    pub first: Vec<Vec<f32>>,
    pub second: Vec<Vec<f32>>,
}

impl Adam {
    pub fn new(settings: AdamSettings) -> Adam {
        Adam { settings, steps: 0, first: Vec::new(), second: Vec::new() }
    }

    /// One step. Where `active` is false a parameter does not exist (a cut operation) and is left alone.
    pub fn step(&mut self, parameters: &mut [Vec<f32>], gradients: &[Vec<f32>], active: &[Vec<bool>]) {
        let AdamSettings { learning_rate, beta1, beta2, weight_decay } = self.settings;
        if self.first.is_empty() {
            self.first = parameters.iter().map(|p| vec![0.0; p.len()]).collect();
            self.second = self.first.clone();
        }
        self.steps += 1;
        let t = self.steps.min(i32::MAX as u64) as i32;
        let (c1, c2) = (1.0 - beta1.powi(t), 1.0 - beta2.powi(t));
        for (b, (p, g)) in parameters.iter_mut().zip(gradients).enumerate() {
            for i in (0..p.len()).filter(|i| active[b][*i]) {
                let d = f64::from(g[i]) + weight_decay * f64::from(p[i]);
                let m = beta1 * f64::from(self.first[b][i]) + (1.0 - beta1) * d;
                let v = beta2 * f64::from(self.second[b][i]) + (1.0 - beta2) * d * d;
                self.first[b][i] = m as f32;
                self.second[b][i] = v as f32;
                p[i] = (f64::from(p[i]) - learning_rate / c1 * m / ((v / c2).sqrt() + 1e-8)) as f32;
            }
        }
    }
}

/// Learning rate of an epoch: from `high` down to `low` along half a cosine over `epochs` (Loshchilov & Hutter 2017).
pub fn cosine(high: f64, low: f64, epoch: usize, epochs: usize) -> f64 {
    let share = epoch as f64 / epochs.max(1) as f64;
    low + (high - low) * (1.0 + (std::f64::consts::PI * share).cos()) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adams_first_step_is_the_learning_rate() {
        let mut adam = Adam::new(AdamSettings { learning_rate: 3e-4, beta1: 0.5, beta2: 0.999, weight_decay: 0.0 });
        let mut p = vec![vec![0.5f32, 0.5, 0.5]];
        adam.step(&mut p, &[vec![0.2, -7.0, 1.0]], &[vec![true, true, false]]);
        assert!((p[0][0] - (0.5 - 3e-4)).abs() < 1e-7 && (p[0][1] - (0.5 + 3e-4)).abs() < 1e-7);
        assert_eq!(p[0][2], 0.5);
    }

    #[test]
    fn cosine_starts_high_and_would_end_low() {
        assert_eq!(cosine(0.025, 0.001, 0, 50), 0.025);
        assert!((cosine(0.025, 0.001, 25, 50) - 0.013).abs() < 1e-12);
        assert!((cosine(0.025, 0.001, 50, 50) - 0.001).abs() < 1e-12);
    }
}
