//! The gradient of the alphas, as a search asks for it.

use super::relaxed::{Batch, Relaxed};
use crate::nn::NnError;

/// Finds the gradient of the alphas.
pub trait ArchitectureGradient: Sync {
    /// The validation loss, and its gradients by kind of cell, flat; `rate` is that of the weight step that follows. The state
    /// is left as it was.
    ///
    /// # Errors
    /// A fault of the device, or candle's own.
    fn gradient(
        &self,
        relaxed: &Relaxed,
        train: &Batch,
        valid: &Batch,
        rate: f64,
    ) -> Result<(f64, Vec<Vec<f32>>), NnError>;
}
