//! DARTS' mixing: the softmax of an edge's alphas over the operations that the cut kept (arXiv 1806.09055, equation 2).

use candle_core::{Result, Tensor};

use super::mixing::MixingRule;
use crate::nn::Mixing;
use crate::space::Mask;

pub struct Softmax;

impl MixingRule for Softmax {
    fn mix(&self, [normal, reduction]: [&Tensor; 2], mask: &Mask) -> Result<Mixing> {
        Mixing::softmax(normal, reduction, mask)
    }
}
