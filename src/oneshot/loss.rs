//! What a step minimises: the cross entropy of a batch, each class with its weight.

use candle_core::{D, Device, Tensor};
use candle_nn::{loss::cross_entropy, ops::log_softmax};

use crate::nn::NnError;

/// The cross entropy of a batch.
#[derive(Clone, Debug, Default)]
pub struct Loss {
    /// `[classes]`; `None`: every picture counts alike.
    weights: Option<Tensor>,
}

impl Loss {
    /// A picture of class `k` counts `weights[k]`, as in `torch.nn.CrossEntropyLoss(weight=weights)`: the mean over a batch is
    /// `Σ w(y_i)·l_i / Σ w(y_i)`. Without weights, every picture counts alike.
    ///
    /// # Errors
    /// Candle's own.
    pub fn of_classes(weights: &[f32]) -> Result<Loss, NnError> {
        let weights =
            (!weights.is_empty()).then(|| Tensor::from_slice(weights, weights.len(), &Device::Cpu)).transpose()?;
        Ok(Loss { weights })
    }

    /// The loss of logits `[N, classes]`, of which `labels` `[N]` are right.
    ///
    /// # Errors
    /// Candle's own.
    pub fn of(&self, logits: &Tensor, labels: &Tensor) -> Result<Tensor, NnError> {
        let Some(weights) = &self.weights else { return Ok(cross_entropy(logits, labels)?) };
        let weights = weights.index_select(labels, 0)?;
        let right = log_softmax(logits, D::Minus1)?.gather(&labels.unsqueeze(1)?, 1)?.squeeze(1)?;
        let sum = (right * &weights)?.sum_all()?.neg()?;
        Ok(sum.div(&weights.sum_all()?)?)
    }
}

/// Weights of classes with so many pictures each that all classes count alike: `N / (K·n)`, where N pictures are of K classes;
/// 0 of a class without any.
pub fn balanced(counts: &[usize]) -> Vec<f32> {
    let (all, classes) = (counts.iter().sum::<usize>() as f64, counts.iter().filter(|n| **n > 0).count() as f64);
    counts.iter().map(|&n| if n == 0 { 0.0 } else { (all / (classes * n as f64)) as f32 }).collect()
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;

    const LOGITS: [[f32; 3]; 4] = [[0.2, -1.0, 0.7], [1.5, 0.3, -0.4], [-0.6, 0.1, 0.9], [2.0, -0.5, 0.25]];
    const LABELS: [u32; 4] = [2, 1, 0, 0];
    const WEIGHTS: [f32; 3] = [0.5, 2.0, 1.25];

    fn found(loss: &Loss, logits: [[f32; 3]; 4]) -> (f32, Vec<Vec<f32>>) {
        let logits = Var::new(&logits, &Device::Cpu).unwrap();
        let labels = Tensor::new(&LABELS, &Device::Cpu).unwrap();
        let loss = loss.of(&logits, &labels).unwrap();
        let gradient = loss.backward().unwrap().get(&logits).unwrap().to_vec2().unwrap();
        (loss.to_scalar().unwrap(), gradient)
    }

    /// `torch.nn.CrossEntropyLoss(weight=WEIGHTS)` in float64.
    #[test]
    fn it_is_that_of_pytorch() {
        let (loss, gradient) = found(&Loss::of_classes(&WEIGHTS).unwrap(), LOGITS);
        assert!((loss - 1.174_696).abs() < 1e-6, "{loss}");
        let wanted: [[f32; 3]; 4] = [
            [0.0997038, 0.0300302, -0.1297339],
            [0.324_373, -0.372_889, 0.048_516],
            [-0.1019512, 0.0316075, 0.0703438],
            [-0.0239685, 0.0076896, 0.0162789],
        ];
        for (got, wanted) in gradient.iter().flatten().zip(wanted.iter().flatten()) {
            assert!((got - wanted).abs() < 1e-6, "{gradient:?}");
        }
    }

    #[test]
    fn its_gradient_is_that_of_finite_differences() {
        let loss = Loss::of_classes(&WEIGHTS).unwrap();
        let (_, gradient) = found(&loss, LOGITS);
        for (row, column) in (0..4).flat_map(|row| (0..3).map(move |column| (row, column))) {
            let at = |by: f32| {
                let mut logits = LOGITS;
                logits[row][column] += by;
                f64::from(found(&loss, logits).0)
            };
            let difference = (at(1e-2) - at(-1e-2)) / 2e-2;
            assert!((difference - f64::from(gradient[row][column])).abs() < 2e-5, "{row} {column}: {difference}");
        }
    }

    #[test]
    fn equal_weights_change_nothing() {
        let (plain, gradient) = found(&Loss::default(), LOGITS);
        let (same, other) = found(&Loss::of_classes(&[3.0; 3]).unwrap(), LOGITS);
        assert!((plain - same).abs() < 1e-6);
        assert!(gradient.iter().flatten().zip(other.iter().flatten()).all(|(a, b)| (a - b).abs() < 1e-6));
    }

    #[test]
    fn balanced_classes_count_alike() {
        assert_eq!(balanced(&[10, 30, 0, 20]), [2.0, 20.0 / 30.0, 0.0, 1.0]);
        assert_eq!(balanced(&[7, 7]), [1.0, 1.0]);
    }
}
