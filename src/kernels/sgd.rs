//! Stochastic gradient descent with momentum as PyTorch has it: decay is added to the gradient before anything else, the
//! first step's momentum is its gradient, and all gradients are clipped together (`clip_grad_norm_`).

use rayon::prelude::*;

use super::gpu::arguments::Descend;
use super::gpu::parts::square_parts;
use super::gpu::{Buffer, Gpu, GpuError, launch};

/// What one step is taken with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Descent {
    pub rate: f64,
    pub momentum: f64,
    pub weight_decay: f64,
    /// Greatest L2 norm of all gradients together; 0 turns clipping off.
    pub clip: f64,
    /// The step looks ahead along the momentum.
    pub nesterov: bool,
}

/// Numbers of a task.
const PART: usize = 1 << 15;

/// L2 norm over all blocks, summed in float64: block by block, so that the order does not depend on the threads.
pub fn norm(gradients: &[Vec<f32>]) -> f64 {
    let squares = |g: &Vec<f32>| g.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>();
    let blocks: Vec<f64> = gradients.par_iter().map(squares).collect();
    blocks.iter().sum::<f64>().sqrt()
}

impl Descent {
    /// One step of all blocks; `first`: there is no momentum yet. Returns the gradients' norm before clipping.
    pub fn step(
        &self,
        first: bool,
        weights: &mut [Vec<f32>],
        gradients: &[Vec<f32>],
        momentum: &mut [Vec<f32>],
    ) -> f64 {
        let norm = norm(gradients);
        let factor = if self.clip > 0.0 { (self.clip / (norm + 1e-6)).min(1.0) } else { 1.0 };
        // Each number on its own: threads change nothing.
        weights.par_iter_mut().zip(gradients).zip(momentum).for_each(|((w, g), m)| {
            let parts = w.par_chunks_mut(PART).zip(g.par_chunks(PART)).zip(m.par_chunks_mut(PART));
            parts.for_each(|((w, g), m)| {
                for ((w, g), m) in w.iter_mut().zip(g).zip(m) {
                    let d = f64::from(*g) * factor + self.weight_decay * f64::from(*w);
                    let v = if first { d } else { self.momentum * f64::from(*m) + d };
                    *m = v as f32;
                    let along = if self.nesterov { d + self.momentum * v } else { v };
                    *w = (f64::from(*w) - self.rate * along) as f32;
                }
            });
        });
        norm
    }

    /// The same on a GPU, of `len` numbers each at the addresses of weights, gradients and momentum.
    ///
    /// # Errors
    /// Too little memory, a fault of the device.
    pub fn step_on(
        &self,
        gpu: &Gpu,
        first: bool,
        [weights, gradient, momentum]: [u64; 3],
        len: usize,
    ) -> Result<f64, GpuError> {
        let (partial, norm) = (Buffer::new(gpu, 2 * square_parts(len))?, Buffer::new(gpu, 2)?);
        let step = Descend {
            weights,
            gradient,
            momentum,
            partial: partial.address(),
            norm: norm.address(),
            len: len as i64,
            rate: self.rate,
            keep: self.momentum,
            decay: self.weight_decay,
            clip: self.clip,
            first: i32::from(first),
            nesterov: i32::from(self.nesterov),
            ..Descend::default()
        };
        launch::descend(gpu, &step)?;
        Ok(norm.to_doubles()?.first().copied().unwrap_or(f64::NAN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The same with nesterov=True and no clipping: d, then d + 0.9 (0.9 d + d').
    #[test]
    fn nesterovs_step_looks_ahead() {
        let descent = Descent { rate: 0.1, momentum: 0.9, weight_decay: 0.0, clip: 0.0, nesterov: true };
        let (mut w, mut m) = (vec![vec![1.0f32]], vec![vec![f32::NAN]]);
        descent.step(true, &mut w, &[vec![2.0]], &mut m);
        assert!((w[0][0] - (1.0 - 0.1 * (2.0 + 0.9 * 2.0))).abs() < 1e-6);
        let before = f64::from(w[0][0]);
        descent.step(false, &mut w, &[vec![3.0]], &mut m);
        let v = 0.9 * 2.0 + 3.0;
        assert!((f64::from(w[0][0]) - (before - 0.1 * (3.0 + 0.9 * v))).abs() < 1e-6);
    }

    // x = torch.tensor([1., -2.], requires_grad=True); opt = torch.optim.SGD([x], 0.1, momentum=0.9, weight_decay=0.01)
    // for g in ([3., 4.], [3., 4.]): x.grad = torch.tensor(g); clip_grad_norm_([x], 1.0); opt.step()
    // -> [0.8272, -2.2241] worked by hand below
    #[test]
    fn a_step_is_pytorchs() {
        let descent = Descent { rate: 0.1, momentum: 0.9, weight_decay: 0.01, clip: 1.0, nesterov: false };
        let (mut w, mut m) = (vec![vec![1.0f32, -2.0]], vec![vec![f32::NAN; 2]]);
        let g = vec![vec![3.0f32, 4.0]];
        assert!((descent.step(true, &mut w, &g, &mut m) - 5.0).abs() < 1e-9);
        let k = 1.0 / 5.000001;
        let d = [3.0 * k + 0.01, 4.0 * k - 0.02];
        let x = [1.0 - 0.1 * d[0], -2.0 - 0.1 * d[1]];
        for i in 0..2 {
            assert!((f64::from(w[0][i]) - x[i]).abs() < 1e-6);
        }
        descent.step(false, &mut w, &g, &mut m);
        for i in 0..2 {
            let v = 0.9 * d[i] + f64::from(g[0][i]) * k + 0.01 * x[i];
            assert!((f64::from(w[0][i]) - (x[i] - 0.1 * v)).abs() < 1e-6);
        }
    }
}
