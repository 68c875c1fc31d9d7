//! `grasp`: how the gradient's norm would change without each weight.

use super::{Context, Needs, RankingFunction};
use crate::nn::NnError;

/// `−Σ w · (H·g)`, g and H the gradient and the Hessian of the loss of one batch by the weights of convolutions and of the classifier;
/// one iteration, logits as they are (T = 1).
///
/// Of the inner product with `H·g` that with `H·w` is another name: g's derivative as all weights grow by the same share, which
/// [`crate::nn::Supernet::curvature`] has. On a GPU's side, too, this is computed on the CPU.
pub struct Grasp;

impl RankingFunction for Grasp {
    fn name(&self) -> &'static str {
        "grasp"
    }
    fn needs(&self) -> Needs {
        Needs { data: true, labels: true, curvature: true, float64: true, ..Needs::default() }
    }
    fn paper(&self) -> &'static str {
        "Wang et al. 2020, GraSP (arXiv 2002.07376); Abdelfattah et al. 2021 (arXiv 2101.08134)"
    }
    fn meaning(&self) -> &'static str {
        "how the gradient's norm would change without each weight"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let draw = context.draw;
        Ok(-context.net()?.curvature(&draw.images, &draw.labels, &context.mixing)?)
    }
}
