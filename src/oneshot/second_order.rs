//! Second-order DARTS: the alphas' gradient of the validation loss after one imagined weight step (arXiv 1806.09055,
//! equations 6 to 8).

use super::gradient::ArchitectureGradient;
use super::optimiser::SgdSettings;
use super::relaxed::{Batch, Relaxed, scalar};
use crate::kernels::sgd;
use crate::nn::{NnError, Pass};

pub struct SecondOrder;

impl ArchitectureGradient for SecondOrder {
    fn gradient(
        &self,
        relaxed: &Relaxed,
        train: &Batch,
        valid: &Batch,
        rate: f64,
    ) -> Result<(f64, Vec<Vec<f32>>), NnError> {
        unrolled(relaxed, train, valid, rate, 0.0)
    }
}

/// A weight moved by `by` of itself: up or down, by a hash of its place, and always alike.
fn nudged(weight: f32, place: usize, by: f64) -> f32 {
    if by == 0.0 {
        return weight;
    }
    let up = (place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 63 == 0;
    (f64::from(weight) * (1.0 + if up { by } else { -by })) as f32
}

/// Validation loss after one imagined weight step, and its alpha gradients with the implicit term by finite differences.
/// One pass at a time is alive; what is kept beside it are copies of the weights.
///
/// These gradients are noisy by nature, in any program and precision: the implicit term divides the difference of two
/// gradients by a small step, so weights that are moved by 6e-8 of themselves move it by about 1e-6, and by 1e-4 to 0.2
/// where one of the two falls on the other side of a ReLU's kink, which happens in most networks. What it amounts to at
/// a place is what [`sensitivity`] measures.
///
/// Found where the weights are, each moved by `by` of itself, up or down by a rule of its place; 0 moves none. They are
/// put back.
///
/// # Errors
/// A fault of the device, or candle's own.
pub(super) fn unrolled(
    relaxed: &Relaxed,
    train: &Batch,
    valid: &Batch,
    rate: f64,
    by: f64,
) -> Result<(f64, Vec<Vec<f32>>), NnError> {
    let Relaxed { net, sgd: optimiser, .. } = relaxed;
    // The imagined steps leave the running statistics alone.
    let weight_pass = Pass { update_running: false, ..Pass::weight_step() };
    let start = net.parameters().values()?;
    if by != 0.0 {
        let moved = |w: &Vec<f32>| w.iter().enumerate().map(|(i, w)| nudged(*w, i, by)).collect();
        net.parameters().set_values(start.iter().map(moved).collect())?;
    }
    let mixing = relaxed.detached()?;
    let loss = relaxed.loss.of(&net.forward(&train.images, &mixing, &weight_pass)?, &train.labels)?;
    let gradients = net.parameters().gradients(&loss.backward()?)?;
    drop(loss);
    let SgdSettings { momentum, weight_decay, .. } = optimiser.settings;
    let buffers = optimiser.momentum.values()?;
    let imagined: Vec<Vec<f32>> = start
        .iter()
        .zip(&gradients)
        .enumerate()
        .map(|(b, (w, g))| {
            let buffer = buffers.get(b);
            let moved = w.iter().zip(g).enumerate().map(|(i, (w, g))| {
                let m = buffer.map_or(0.0, |m| f64::from(m[i]));
                let w = f64::from(nudged(*w, i, by));
                let d = momentum * m + f64::from(*g) + weight_decay * w;
                (w - rate * d) as f32
            });
            moved.collect()
        })
        .collect();
    drop((gradients, buffers));
    net.parameters().set_values(imagined)?;
    let both = Pass { mixing: true, ..weight_pass.clone() };
    let logits = net.forward(&valid.images, &relaxed.tracked()?, &both)?;
    let loss = relaxed.loss.of(&logits, &valid.labels)?;
    let valid_loss = scalar(&loss)?;
    let found = loss.backward()?;
    let mut alphas = relaxed.alphas.gradients(&found)?;
    let direction = net.parameters().gradients(&found)?;
    drop((found, loss, logits));
    let epsilon = 0.01 / sgd::norm(&direction);
    let shifted = |sign: f64| -> Result<Vec<Vec<f32>>, NnError> {
        let moved = start
            .iter()
            .zip(&direction)
            .map(|(w, d)| {
                let moved = |(i, (w, d)): (usize, (&f32, &f32))| {
                    (f64::from(nudged(*w, i, by)) + sign * epsilon * f64::from(*d)) as f32
                };
                w.iter().zip(d).enumerate().map(moved).collect()
            })
            .collect();
        net.parameters().set_values(moved)?;
        let pass = Pass { update_running: false, ..Pass::architecture_step() };
        Ok(relaxed.gradients(train, &pass)?.1)
    };
    let differences = shifted(1.0).and_then(|plus| Ok((plus, shifted(-1.0)?)));
    net.parameters().set_values(start)?;
    let (plus, minus) = differences?;
    for ((a, p), m) in alphas.iter_mut().zip(&plus).zip(&minus) {
        for ((a, p), m) in a.iter_mut().zip(p).zip(m) {
            *a = (f64::from(*a) - rate * (f64::from(*p) - f64::from(*m)) / (2.0 * epsilon)) as f32;
        }
    }
    Ok((valid_loss, alphas))
}

/// How far the second-order alpha gradients of a step are apart where the weights differ by rounding: every weight moved
/// up by 1e-7 of itself or down, by a rule of its place, against all of them moved the other way; the L2 norm of the
/// difference over that of the mean. The state is left as it was, bit for bit.
///
/// # Errors
/// A fault of the device, or candle's own.
pub(super) fn sensitivity(relaxed: &Relaxed, train: &Batch, valid: &Batch, rate: f64) -> Result<f64, NnError> {
    let gradients =
        |by: f64| -> Result<Vec<f32>, NnError> { Ok(unrolled(relaxed, train, valid, rate, by)?.1.concat()) };
    let (up, down) = (gradients(1e-7)?, gradients(-1e-7)?);
    let pairs = || up.iter().zip(&down).map(|(u, d)| (f64::from(*u), f64::from(*d)));
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
    let apart = norm(&mut pairs().map(|(u, d)| u - d));
    let mean = norm(&mut pairs().map(|(u, d)| (u + d) / 2.0));
    Ok(if apart == 0.0 { 0.0 } else { apart / mean })
}
