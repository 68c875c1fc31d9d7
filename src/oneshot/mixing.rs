//! How alphas become the mixing weights of a supernet.

use candle_core::{Result, Tensor};

use crate::nn::Mixing;
use crate::space::Mask;

/// A rule for the weights with which the operations of an edge are added up.
pub trait MixingRule: Sync {
    /// The mixing weights of alphas `[edges, operations]`, by kind of cell; differentiable where the alphas are tracked.
    ///
    /// # Errors
    /// Alphas of another shape.
    fn mix(&self, alphas: [&Tensor; 2], mask: &Mask) -> Result<Mixing>;
}
