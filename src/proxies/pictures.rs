//! A gradient for each picture by itself: passes that several ranking functions share.

use candle_core::{Tensor, Var};
use candle_nn::loss::cross_entropy;
use nalgebra::DMatrix;

use super::Context;
use super::context::weights_with_gradients;
use crate::nn::{NnError, Pass};

/// What the gradients of the pictures' losses have in common.
pub(super) struct Losses {
    /// `[N, N]`: their inner products.
    pub kernel: DMatrix<f64>,
    /// Sum over the weights of |Σ over the pictures of the gradient's sign|.
    pub agreement: f64,
}

/// The gradient of the weights, `[N][weights]`, of what `value` makes of the logits `[N, classes]` for each picture. Statistics
/// are those of the batch, so that what a picture adds to them counts.
fn rows(
    context: &Context,
    value: impl Fn(&Tensor, usize) -> candle_core::Result<Tensor>,
) -> Result<Vec<Vec<f32>>, NnError> {
    let pass = Pass { retain: true, update_running: false, ..Pass::weight_step() };
    let net = context.net()?;
    let logits = net.forward(&context.draw.images, &context.mixing, &pass)?;
    let of = |i| {
        let weights = weights_with_gradients(net, &value(&logits, i)?)?;
        Ok(weights.into_iter().flat_map(|w| w.gradient).collect())
    };
    (0..logits.dim(0)?).map(of).collect()
}

/// Inner products of the rows.
fn products(rows: &[Vec<f32>]) -> DMatrix<f64> {
    let mut kernel = DMatrix::zeros(rows.len(), rows.len());
    for (i, a) in rows.iter().enumerate() {
        for (j, b) in rows.iter().enumerate().take(i + 1) {
            let product = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            (kernel[(i, j)], kernel[(j, i)]) = (product, product);
        }
    }
    kernel
}

/// The neural tangent kernel `Θ = G·Gᵀ`, `[N, N]`, G the gradients of each picture's summed logits.
pub(super) fn tangent_kernel(context: &Context) -> Result<DMatrix<f64>, NnError> {
    Ok(products(&rows(context, |logits, i| logits.narrow(0, i, 1)?.sum_all())?))
}

/// Of each picture's cross entropy.
pub(super) fn losses(context: &Context) -> Result<Losses, NnError> {
    let labels = &context.draw.labels;
    let rows = rows(context, |logits, i| cross_entropy(&logits.narrow(0, i, 1)?, &labels.narrow(0, i, 1)?))?;
    let sign = |v: f32| i64::from(v > 0.0) - i64::from(v < 0.0);
    let weights = rows.first().map_or(0, Vec::len);
    let agreement = (0..weights).map(|w| rows.iter().map(|r| sign(r[w])).sum::<i64>().unsigned_abs()).sum::<u64>();
    let finite = rows.iter().flatten().all(|v| v.is_finite());
    Ok(Losses { kernel: products(&rows), agreement: if finite { agreement as f64 } else { f64::NAN } })
}

/// The gradient of each picture's summed logits by that picture's own pixels, `[N][H·W·C]`. On a GPU's side, too, this is
/// computed on the CPU.
pub(super) fn jacobians(context: &Context) -> Result<Vec<Vec<f64>>, NnError> {
    let net = context.on_cpu()?;
    let images = Var::from_tensor(&context.draw.images)?;
    let pass = Pass { weights: false, images: true, retain: true, update_running: false, ..Pass::weight_step() };
    let logits = net.forward(images.as_tensor(), &context.mixing, &pass)?;
    let of = |i| {
        let gradients = logits.narrow(0, i, 1)?.sum_all()?.backward()?;
        let own = gradients.get(&images).ok_or_else(|| NnError::Input("the pictures have no gradient".into()))?;
        let own = own.narrow(0, i, 1)?.flatten_all()?.to_vec1::<f32>()?;
        Ok(own.into_iter().map(f64::from).collect())
    };
    (0..logits.dim(0)?).map(of).collect()
}
