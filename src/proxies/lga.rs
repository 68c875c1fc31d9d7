//! `lga`: how the neural tangent kernel goes with the labels.

use nalgebra::DMatrix;

use super::{Context, Needs, RankingFunction};
use crate::nn::NnError;

/// `Σ (Θ − mean Θ)·(Y − mean Y) / (‖Θ − mean Θ‖·‖Y − mean Y‖)`, Θ the neural tangent kernel of a batch, Y 1 where two pictures have the
/// same label and −1 where not. Undefined where all have the same label.
pub struct Lga;

impl RankingFunction for Lga {
    fn name(&self) -> &'static str {
        "lga"
    }
    fn needs(&self) -> Needs {
        Needs { data: true, labels: true, gradients: true, each_picture: true, ..Needs::default() }
    }
    fn paper(&self) -> &'static str {
        "Mok et al. 2022, Demystifying the Neural Tangent Kernel (arXiv 2203.14577)"
    }
    fn meaning(&self) -> &'static str {
        "how far the pictures whose gradients are alike have the same label"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let labels = context.draw.labels.to_vec1::<u32>()?;
        let centred = |m: DMatrix<f64>| {
            let mean = m.mean();
            m.add_scalar(-mean)
        };
        let kernel = centred(context.tangent_kernel()?.clone());
        let same = |i: usize, j: usize| if labels[i] == labels[j] { 1.0 } else { -1.0 };
        let target = centred(DMatrix::from_fn(labels.len(), labels.len(), same));
        Ok(kernel.dot(&target) / (kernel.norm() * target.norm()))
    }
}
