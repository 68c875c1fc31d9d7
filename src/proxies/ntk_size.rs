//! `ntk_trace` and `ntk_frobenius`: how large the neural tangent kernel is.

use super::{Context, Needs, RankingFunction};
use crate::nn::NnError;

const NEEDS: Needs = Needs { data: true, gradients: true, each_picture: true, ..Needs::NONE };

/// Trace of the neural tangent kernel `Θ = G·Gᵀ`, G the gradients of each picture's summed logits.
pub struct Trace;

/// Its Frobenius norm.
pub struct Frobenius;

impl RankingFunction for Trace {
    fn name(&self) -> &'static str {
        "ntk_trace"
    }
    fn needs(&self) -> Needs {
        NEEDS
    }
    fn paper(&self) -> &'static str {
        "Shu et al. 2022, NASI (arXiv 2109.00817), its trace norm of the kernel itself"
    }
    fn meaning(&self) -> &'static str {
        "how large the gradients of the logits are"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        Ok(context.tangent_kernel()?.trace())
    }
}

impl RankingFunction for Frobenius {
    fn name(&self) -> &'static str {
        "ntk_frobenius"
    }
    fn needs(&self) -> Needs {
        NEEDS
    }
    fn paper(&self) -> &'static str {
        "Xu et al. 2021, KNAS (arXiv 2111.14293), its Frobenius norm"
    }
    fn meaning(&self) -> &'static str {
        "how large the gradients of the logits are and how alike"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        Ok(context.tangent_kernel()?.norm())
    }
}
