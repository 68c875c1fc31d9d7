//! First-order DARTS: the alphas' gradient of the validation loss at the weights as they are.

use super::gradient::ArchitectureGradient;
use super::relaxed::{Batch, Relaxed};
use crate::nn::{NnError, Pass};

pub struct FirstOrder;

impl ArchitectureGradient for FirstOrder {
    fn gradient(&self, relaxed: &Relaxed, _: &Batch, valid: &Batch, _: f64) -> Result<(f64, Vec<Vec<f32>>), NnError> {
        relaxed.gradients(valid, &Pass::architecture_step())
    }
}
