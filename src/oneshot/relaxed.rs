//! The continuous relaxation (arXiv 1806.09055, section 2.2) as the parts of a method see it: a supernet, its alphas, and how
//! the one is mixed by the other.

use candle_core::Tensor;

use super::alphas::Alphas;
use super::loss::Loss;
use super::mixing::MixingRule;
use super::optimiser::Sgd;
use crate::nn::{Mixing, NnError, Pass, Supernet};

/// Pictures `[N, H, W, C]` and classes `[N]`.
#[derive(Clone, Debug)]
pub struct Batch {
    pub images: Tensor,
    pub labels: Tensor,
}

/// A supernet in search, to look at and to differentiate.
pub struct Relaxed<'a> {
    pub net: &'a Supernet,
    pub alphas: &'a Alphas,
    pub mixing: &'static dyn MixingRule,
    /// The weights' optimiser, with its momentum.
    pub sgd: &'a Sgd,
    /// What both levels minimise.
    pub loss: &'a Loss,
}

impl Relaxed<'_> {
    /// Mixing weights whose gradients reach the alphas.
    ///
    /// # Errors
    /// Candle's own.
    pub fn tracked(&self) -> Result<Mixing, NnError> {
        Ok(self.mixing.mix(self.alphas.tracked(), &self.net.config().mask)?)
    }

    /// Mixing weights as constants.
    ///
    /// # Errors
    /// Candle's own.
    pub fn detached(&self) -> Result<Mixing, NnError> {
        let [normal, reduction] = self.alphas.detached();
        Ok(self.mixing.mix([&normal, &reduction], &self.net.config().mask)?)
    }

    /// Loss of a pass over a batch, and its alpha gradients by kind, flat.
    ///
    /// # Errors
    /// A fault of the device, or candle's own.
    pub fn gradients(&self, batch: &Batch, pass: &Pass) -> Result<(f64, Vec<Vec<f32>>), NnError> {
        let logits = self.net.forward(&batch.images, &self.tracked()?, pass)?;
        let loss = self.loss.of(&logits, &batch.labels)?;
        let found = loss.backward()?;
        Ok((scalar(&loss)?, self.alphas.gradients(&found)?))
    }
}

pub(super) fn scalar(t: &Tensor) -> Result<f64, NnError> {
    Ok(f64::from(t.to_scalar::<f32>()?))
}

/// How many rows of `logits` `[N, classes]` have their greatest number at the label.
///
/// # Errors
/// Candle's own.
pub fn accuracy(logits: &Tensor, labels: &Tensor) -> Result<usize, NnError> {
    Ok(right(logits, labels)?.into_iter().filter(|right| *right).count())
}

/// Which rows of `logits` `[N, classes]` have their greatest number at the label.
///
/// # Errors
/// Candle's own.
pub fn right(logits: &Tensor, labels: &Tensor) -> Result<Vec<bool>, NnError> {
    let (rows, labels) = (logits.to_vec2::<f32>()?, labels.to_vec1::<u32>()?);
    let top = |row: &[f32]| {
        row.iter().enumerate().fold((0, f32::NEG_INFINITY), |best, (i, v)| if *v > best.1 { (i, *v) } else { best }).0
    };
    Ok(rows.iter().zip(labels).map(|(row, label)| top(row) == label as usize).collect())
}
