use candle_core::{Device, Tensor};

use super::context::weights_with_gradients;
use super::{Context, Needs, RankingFunction};
use crate::nn::{NnError, Norm, Pass};

/// `Σ |w · ∂R/∂w|` with R the sum of the logits for one picture of ones, all parameters made positive, no batch norms.
pub struct SynFlow;

impl RankingFunction for SynFlow {
    fn name(&self) -> &'static str {
        "synflow"
    }
    fn needs(&self) -> Needs {
        Needs { gradients: true, ..Needs::default() }
    }
    fn paper(&self) -> &'static str {
        "Tanaka et al. 2020, SynFlow (arXiv 2006.05467); Abdelfattah et al. 2021 (arXiv 2101.08134)"
    }
    fn meaning(&self) -> &'static str {
        "how much flows through all paths of the network"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let net = context.net()?.masked(&context.net()?.config().mask)?;
        let positive = |block: Vec<f32>| block.into_iter().map(f32::abs).collect();
        net.parameters().set_values(net.parameters().values()?.into_iter().map(positive).collect())?;
        let (_, h, w, c) = context.draw.images.dims4()?;
        let ones = Tensor::ones((1, h, w, c), candle_core::DType::F32, &Device::Cpu)?;
        let pass = Pass { norm: Norm::Off, update_running: false, ..Pass::weight_step() };
        let flow = net.forward(&ones, &context.mixing, &pass)?.sum_all()?;
        let weights = weights_with_gradients(&net, &flow)?;
        let saliency = |(v, g): (&f32, &f32)| (f64::from(*v) * f64::from(*g)).abs();
        Ok(weights.iter().flat_map(|w| w.values.iter().zip(&w.gradient).map(saliency)).sum())
    }
}
