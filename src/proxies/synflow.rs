//! `synflow` and `logsynflow`: what flows through all paths of a network, without data.

use candle_core::{DType, Device, Tensor};

use super::context::weights_with_gradients;
use super::{Context, Needs, RankingFunction};
use crate::nn::{NnError, Norm, Parameters, Pass, Supernet};

/// `ln Σ |w · ∂R/∂w|` with R the sum of the logits for one picture of ones, all parameters made positive, no batch norms.
///
/// R grows by orders of magnitude with every cell (11 cells of 4 channels reach 1e43), so the maps of each cell are kept near 1
/// by powers of two in the convolutions that read its inputs, which change every `w · ∂R/∂w` by one known factor and round
/// nothing; the logarithm takes any depth. Relative differences are those of the sum itself.
pub struct SynFlow;

/// Largest magnitude of a cell's output, as a power of two, that is left as it is: with its square, far from float32's limits.
const FAR: i32 = 24;

/// Exponent of the least float32.
const LEAST: i32 = -149;

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
        "how much flows through all paths of the network (natural logarithm)"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let flow = Flow::of(context)?;
        Ok(flow.saliencies.iter().map(|(_, s)| s).sum::<f64>().ln() + flow.scale)
    }
    /// `(R(N) − R(N \ e)) / R(N)` from two logarithms.
    fn difference(&self, base: f64, without: f64) -> f64 {
        -(without - base).exp_m1()
    }
}

/// `Σ |w| · ln(1 + |∂R/∂w|)`, R as of [`SynFlow`].
pub struct LogSynFlow;

impl RankingFunction for LogSynFlow {
    fn name(&self) -> &'static str {
        "logsynflow"
    }
    fn needs(&self) -> Needs {
        Needs { gradients: true, ..Needs::default() }
    }
    fn paper(&self) -> &'static str {
        "Cavagnero et al. 2023, FreeREA (arXiv 2207.05135)"
    }
    fn meaning(&self) -> &'static str {
        "how much flows through all paths, gradients in a logarithm"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let flow = Flow::of(context)?;
        let one = |(weight, saliency): &(f64, f64)| {
            // ln(1 + e^x), which no depth overflows; what nothing flows through adds nothing.
            let x = saliency.ln() + flow.scale - weight.ln();
            let log = if x > 30.0 { x } else { x.exp().ln_1p() };
            if *weight > 0.0 && *saliency > 0.0 { weight * log } else { 0.0 }
        };
        if flow.saliencies.iter().any(|(_, s)| !s.is_finite()) {
            return Ok(f64::NAN);
        }
        Ok(flow.saliencies.iter().map(one).sum())
    }
}

/// What flows through each weight.
struct Flow {
    /// `|w|` and `|w · ∂R/∂w|` times a common factor.
    saliencies: Vec<(f64, f64)>,
    /// Natural logarithm of what the second numbers are to be multiplied by.
    scale: f64,
}

impl Flow {
    fn of(context: &Context) -> Result<Flow, NnError> {
        let net = context.net()?.masked(&context.net()?.config().mask)?;
        let positive = |block: Vec<f32>| block.into_iter().map(f32::abs).collect();
        let weights: Vec<Vec<f32>> = net.parameters().values()?.into_iter().map(positive).collect();
        let (_, h, w, c) = context.draw.images.dims4()?;
        let ones = Tensor::ones((1, h, w, c), DType::F32, &Device::Cpu)?;
        let exponents = levelled(&net, &weights, |net| {
            let mut peaks = Vec::new();
            let pass = Pass { norm: Norm::Off, ..Pass::observe() };
            net.trace(&ones, &context.mixing, &pass, |_, map| peaks.push(peak(map)))?;
            // The stem's comes first.
            peaks.into_iter().skip(1).collect()
        })?;
        let pass = Pass { norm: Norm::Off, update_running: false, ..Pass::weight_step() };
        let flow = net.forward(&ones, &context.mixing, &pass)?.sum_all()?;
        let found = weights_with_gradients(&net, &flow)?;
        let of_layout = net.parameters().layouts().iter().zip(&weights);
        let plain = of_layout.flat_map(|(layout, block)| {
            let slots = layout.slots.iter().filter(|s| s.kind.is_weight());
            slots.flat_map(|s| &block[s.offset..s.offset + s.len()])
        });
        let levelled = found.iter().flat_map(|w| w.values.iter().zip(&w.gradient));
        let saliency = |(w, (v, g)): (&f32, (&f32, &f32))| (f64::from(*w), (f64::from(*v) * f64::from(*g)).abs());
        let saliencies = plain.zip(levelled).map(saliency).collect();
        let scale = -f64::from(exponents.last().copied().unwrap_or(0)) * std::f64::consts::LN_2;
        Ok(Flow { saliencies, scale })
    }
}

/// Exponent of the largest magnitude in a map; `None` where it is not finite, that of the least float32 where all is 0.
fn peak(map: &Tensor) -> Result<Option<i32>, NnError> {
    let mut most = 0.0f32;
    for v in map.flatten_all()?.to_vec1::<f32>()? {
        if !v.is_finite() {
            return Ok(None);
        }
        most = most.max(v.abs());
    }
    Ok(Some(if most == 0.0 { LEAST } else { most.log2().round() as i32 }))
}

/// Puts `weights` into `net` with each cell's output scaled by a power of two, so that all are near 1 where they would be far
/// from it; the exponents by cell. `peaks` measures the outputs as [`peak`].
fn levelled(
    net: &Supernet,
    weights: &[Vec<f32>],
    mut peaks: impl FnMut(&Supernet) -> Result<Vec<Option<i32>>, NnError>,
) -> Result<Vec<i32>, NnError> {
    let mut exponents = vec![0i32; net.config().layout.len()];
    // Each turn brings at least the first cell that is off to its level; the last is by what the others grew.
    for _ in 0..=exponents.len() {
        net.parameters().set_values(scaled(net.parameters(), weights, &exponents))?;
        let found = peaks(net)?;
        // Nothing may flow through a cell at all; then there is nothing to bring to a level.
        let near = |(p, e): (&Option<i32>, &i32)| p.is_some_and(|p| p.abs() <= FAR || p == LEAST && *e == 0);
        if found.iter().zip(&exponents).all(near) {
            break;
        }
        // Growth from cell to cell as far as it was seen; beyond, it is taken to go on.
        let (mut level, mut growth) = (0, FAR);
        for (exponent, found) in exponents.iter_mut().zip(&found) {
            let grown = match found {
                Some(p) => p - *exponent,
                None => level + growth,
            };
            growth = (grown - level).max(1);
            level = grown;
            *exponent = -grown;
        }
    }
    Ok(exponents)
}

/// `weights` with the convolutions that read a cell's inputs scaled so that its output is scaled by two to its exponent.
fn scaled(parameters: &Parameters, weights: &[Vec<f32>], exponents: &[i32]) -> Vec<Vec<f32>> {
    let mut scaled = weights.to_vec();
    let of = |cell: Option<usize>| cell.and_then(|c| exponents.get(c)).copied().unwrap_or(0);
    for (layout, block) in parameters.layouts().iter().zip(&mut scaled) {
        for slot in &layout.slots {
            let mut parts = slot.name.split('.').skip_while(|p| *p != "cells").skip(1);
            let (cell, part) = (parts.next().and_then(|c| c.parse::<usize>().ok()), parts.next());
            let (Some(cell), Some(part)) = (cell, part) else { continue };
            let read = match part {
                "preprocess0" => cell.checked_sub(2),
                "preprocess1" => cell.checked_sub(1),
                _ => continue,
            };
            let factor = 2f64.powi(of(Some(cell)) - of(read));
            for v in &mut block[slot.offset..][..slot.len()] {
                *v = (f64::from(*v) * factor) as f32;
            }
        }
    }
    scaled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Init, Policy, Precision, SupernetConfig};
    use crate::proxies::Draw;
    use crate::space::{CellKind, Place, Stem, darts};

    fn net(cells: usize, channels: usize) -> Supernet {
        let mut net = Supernet::new(&SupernetConfig {
            channels,
            classes: 3,
            input_channels: 1,
            layout: vec![CellKind::Normal; cells],
            stem_multiplier: 3,
            stem: Stem::Cifar,
            mask: darts::NO_NONE,
            policy: Policy::Keep,
            precision: Precision::Float32,
        })
        .unwrap();
        net.initialise(Init::KaimingNormalFanOut, 3).unwrap();
        net
    }

    fn draw() -> Draw {
        let images = Tensor::ones((2, 4, 4, 1), DType::F32, &Device::Cpu).unwrap();
        Draw::new(images, Tensor::zeros(2, DType::U32, &Device::Cpu).unwrap(), 1, 0).unwrap()
    }

    /// The sum as it is defined, without any scaling.
    fn plainly(net: &Supernet) -> f64 {
        let net = net.masked(&net.config().mask).unwrap();
        let positive = net.parameters().values().unwrap().into_iter().map(|b| b.into_iter().map(f32::abs).collect());
        net.parameters().set_values(positive.collect()).unwrap();
        let mixing = crate::nn::Mixing::uniform(&net.config().mask).unwrap();
        let pass = Pass { norm: Norm::Off, update_running: false, ..Pass::weight_step() };
        let ones = Tensor::ones((1, 4, 4, 1), DType::F32, &Device::Cpu).unwrap();
        let flow = net.forward(&ones, &mixing, &pass).unwrap().sum_all().unwrap();
        let found = weights_with_gradients(&net, &flow).unwrap();
        found.iter().flat_map(|w| w.values.iter().zip(&w.gradient)).map(|(v, g)| f64::from(*v) * f64::from(*g)).sum()
    }

    #[test]
    fn scaling_changes_nothing_but_the_range() {
        let draw = draw();
        for cells in [1, 4, 7] {
            let net = net(cells, 2);
            let found = SynFlow.evaluate(&Context::new(&net, &draw).unwrap()).unwrap();
            assert!((found - plainly(&net).ln()).abs() < 1e-5, "{cells}");
            // A level of its own for each cell is one factor of the whole, to the bit.
            let positive: Vec<Vec<f32>> = net.parameters().values().unwrap();
            let exponents: Vec<i32> = (0..cells as i32).map(|i| 3 * i - 5).collect();
            net.parameters().set_values(scaled(net.parameters(), &positive, &exponents)).unwrap();
            let moved = plainly(&net);
            net.parameters().set_values(positive).unwrap();
            assert_eq!(moved, plainly(&net) * 2f64.powi(exponents[cells - 1]), "{cells}");
        }
    }

    #[test]
    fn no_depth_overflows_and_each_operation_tells() {
        let draw = draw();
        // Both far beyond float32, the second beyond float64 too.
        for (cells, at_least) in [(14, 1e38f64.ln()), (120, 1e308f64.ln())] {
            let net = net(cells, 4);
            let base = SynFlow.evaluate(&Context::new(&net, &draw).unwrap()).unwrap();
            assert!(base.is_finite() && base > at_least, "{cells}: {base}");
            let place: Place = "normal:2:sep_conv_3x3".parse().unwrap();
            let cut = net.masked(&net.config().mask.without(place)).unwrap();
            let without = SynFlow.evaluate(&Context::new(&cut, &draw).unwrap()).unwrap();
            let told = SynFlow.difference(base, without);
            assert!(told.is_finite() && told != 0.0 && told <= 1.0, "{cells}: {told}");
        }
        assert_eq!(SynFlow.difference(5.0, f64::NEG_INFINITY), 1.0);
        assert!((SynFlow.difference(2f64.ln(), 1f64.ln()) - 0.5).abs() < 1e-15);
    }
}
