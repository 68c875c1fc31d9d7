//! `gradsign`: how far the pictures agree on the direction of each weight.

use super::{Context, Needs, RankingFunction};
use crate::nn::NnError;

/// `Σ over weights of |Σ over pictures of sign(∂L/∂w)|`, L a picture's own loss. Statistics are those of the batch (published code
/// gives each picture a pass of its own).
pub struct GradSign;

impl RankingFunction for GradSign {
    fn name(&self) -> &'static str {
        "gradsign"
    }
    fn needs(&self) -> Needs {
        Needs { data: true, labels: true, gradients: true, each_picture: true, ..Needs::default() }
    }
    fn paper(&self) -> &'static str {
        "Zhang & Jia 2022, GradSign (arXiv 2110.08616)"
    }
    fn meaning(&self) -> &'static str {
        "how far the pictures agree on the direction in which each weight should go"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        Ok(context.losses()?.agreement)
    }
}
