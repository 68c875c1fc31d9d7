//! `synflow_bn`: what flows through all paths of a network with its batch norms, without data.

use candle_core::{DType, Device, Tensor};

use super::context::weights_with_gradients;
use super::{Context, Needs, RankingFunction};
use crate::nn::{NnError, Pass};
use crate::space::{Operation, Stacking};

/// `Σ |w · ∂R/∂w|` with R the sum of the logits for one picture of ones, all parameters made positive, norms with that picture's
/// statistics.
///
/// Where no ReLU follows the last norms, as in DARTS, each channel that the classifier reads has a mean of 0 over the pixels: R
/// does not depend on any weight, and the sum is 0. What `noise` adds there is not defined by the published formula, which draws it once more
/// for every network.
pub struct SynFlowBn;

impl RankingFunction for SynFlowBn {
    fn name(&self) -> &'static str {
        "synflow_bn"
    }
    fn needs(&self) -> Needs {
        Needs { gradients: true, ..Needs::default() }
    }
    fn paper(&self) -> &'static str {
        "Abdelfattah et al. 2021 (arXiv 2101.08134), after SynFlow (arXiv 2006.05467)"
    }
    fn meaning(&self) -> &'static str {
        "how much flows through all paths of the network with its batch norms"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let mask = context.net()?.config().mask;
        if mask.space().stacking() == Stacking::Darts {
            let noisy = mask.places().any(|p| p.operation == Operation::Noise);
            return Ok(if noisy { f64::NAN } else { 0.0 });
        }
        flow(context)
    }
    /// Nothing is lost where there is nothing.
    fn difference(&self, base: f64, without: f64) -> f64 {
        if base == without { 0.0 } else { (base - without) / base.abs() }
    }
    fn constant_since(&self, _: usize) -> Option<&'static str> {
        Some("without a ReLU behind the last batch norms the logits add up to a constant")
    }
}

/// The sum as it is defined.
fn flow(context: &Context) -> Result<f64, NnError> {
    let net = context.net()?.masked(&context.net()?.config().mask)?;
    let positive = |block: Vec<f32>| block.into_iter().map(f32::abs).collect();
    net.parameters().set_values(net.parameters().values()?.into_iter().map(positive).collect())?;
    let (_, h, w, c) = context.draw.images.dims4()?;
    let ones = Tensor::ones((1, h, w, c), DType::F32, &Device::Cpu)?;
    let pass = Pass { update_running: false, ..Pass::weight_step() };
    let flow = net.forward(&ones, &context.mixing, &pass)?.sum_all()?;
    let found = weights_with_gradients(&net, &flow)?;
    let one = |(v, g): (&f32, &f32)| (f64::from(*v) * f64::from(*g)).abs();
    Ok(found.iter().flat_map(|w| w.values.iter().zip(&w.gradient).map(one)).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Init, Policy, Precision, Supernet, SupernetConfig};
    use crate::proxies::Draw;
    use crate::space::{Space, Stem};

    /// Of the space: the sum as it is defined, and the function.
    fn both(space: &str) -> (f64, f64) {
        let mask = Space::find(space).unwrap().full();
        let mut net = Supernet::new(&SupernetConfig {
            channels: 4,
            classes: 3,
            input_channels: 3,
            layout: mask.space().layout(3),
            stem_multiplier: mask.space().stacking().stem(),
            stem: Stem::Cifar,
            mask,
            policy: Policy::Keep,
            precision: Precision::Float32,
        })
        .unwrap();
        net.initialise(Init::KaimingNormalFanOut, 3).unwrap();
        let images = Tensor::zeros((2, 12, 12, 3), DType::F32, &Device::Cpu).unwrap();
        let draw = Draw::new(images, Tensor::zeros(2, DType::U32, &Device::Cpu).unwrap(), 1, 0).unwrap();
        let context = Context::new(&net, &draw).unwrap();
        (flow(&context).unwrap(), SynFlowBn.evaluate(&context).unwrap())
    }

    #[test]
    fn it_is_nothing_where_no_relu_follows_the_norms() {
        let (there, own) = both("nas_bench_201");
        assert!(there > 0.1 && there == own, "{there}, {own}");
        let (rounding, nothing) = both("darts");
        assert!(rounding < 1e-3 * there && nothing == 0.0, "{rounding} beside {there}");
        assert_eq!(SynFlowBn.difference(nothing, nothing), 0.0);
        assert!(both("darts_s4").1.is_nan());
    }
}
