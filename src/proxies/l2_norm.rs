//! `l2_norm`: the size of the weights.

use super::{Context, Needs, RankingFunction};
use crate::nn::NnError;

/// `Σ over weight tensors of ‖w‖₂`.
pub struct L2Norm;

impl RankingFunction for L2Norm {
    fn name(&self) -> &'static str {
        "l2_norm"
    }
    fn needs(&self) -> Needs {
        Needs::default()
    }
    fn paper(&self) -> &'static str {
        "Abdelfattah et al. 2021, Zero-Cost Proxies for Lightweight NAS (arXiv 2101.08134), their code"
    }
    fn meaning(&self) -> &'static str {
        "how large the weights are: a count of layers, weighted by their width"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let net = context.net()?;
        let mut total = 0.0;
        for (layout, values) in net.parameters().layouts().iter().zip(net.parameters().values()?) {
            for slot in layout.slots.iter().filter(|s| s.kind.is_weight()) {
                let squares = values[slot.offset..][..slot.len()].iter().map(|v| f64::from(*v).powi(2));
                total += squares.sum::<f64>().sqrt();
            }
        }
        Ok(total)
    }
}
