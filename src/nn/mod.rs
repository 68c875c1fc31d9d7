//! Networks of cells, supernets and genotypes alike: their plan, their passes on the CPU and on a GPU with backward passes of
//! our own, the names of published checkpoints, initialisation, and the models of memory and time.
//!
//! `plan` says what a network is made of; `network` and `cell` walk it on plain channels-last maps, `gpu` on a device's memory,
//! `memory` with counts of bytes alone. So it is decided here what is kept and what is computed again. Candle's autograd sees
//! each network as one custom operation, from pictures to logits.
//!
//! Two steps of a supernet's weights from a candle program:
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use candle_nn::loss::cross_entropy;
//! use zonas::nn::{Init, Mixing, Pass, Policy, Precision, Supernet, SupernetConfig};
//! use zonas::oneshot::{Sgd, SgdSettings};
//! use zonas::space::{CellKind, Mask, Stem, darts};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mask = darts::NO_NONE;
//! let mut net = Supernet::new(&SupernetConfig {
//!     channels: 4,
//!     classes: 10,
//!     input_channels: 3,
//!     layout: vec![CellKind::Normal, CellKind::Reduction],
//!     stem_multiplier: 3,
//!     stem: Stem::Cifar,
//!     mask,
//!     policy: Policy::Keep,
//!     precision: Precision::Float32,
//! })?;
//! net.initialise(Init::Default, 1)?;
//! let alphas = Tensor::zeros((14, 8), DType::F32, &Device::Cpu)?;
//! let mixing = Mixing::softmax(&alphas, &alphas, &mask)?;
//! // Pictures are [N, H, W, C].
//! let images = Tensor::randn(0f32, 1.0, (4, 8, 8, 3), &Device::Cpu)?;
//! let labels = Tensor::new(&[0u32, 1, 2, 3], &Device::Cpu)?;
//! let mut sgd = Sgd::new(SgdSettings { momentum: 0.9, weight_decay: 3e-4, clip: 5.0, nesterov: false });
//! let mut losses = Vec::new();
//! for _ in 0..2 {
//!     let logits = net.forward(&images, &mixing, &Pass::weight_step())?;
//!     let loss = cross_entropy(&logits, &labels)?;
//!     losses.push(loss.to_scalar::<f32>()?);
//!     sgd.step(0.1, net.parameters(), loss.backward()?)?;
//! }
//! assert!(losses[1] < losses[0]);
//! # Ok(())
//! # }
//! ```

// Passes over plain maps take their maps one by one.
#![allow(clippy::too_many_arguments)]

mod auxiliary;
mod cell;
mod closing;
mod contributions;
mod convolved;
mod curvature;
mod dense;
mod drop_path;
mod edge;
mod entry;
mod evaluation;
mod factorised;
mod gpu;
mod head;
mod init;
mod layers;
mod layout;
mod memory;
mod mixed;
mod mixing;
mod network;
mod network_op;
mod noise;
mod norm;
mod parallel;
mod parameters;
mod plan;
mod project;
mod projected;
mod pullback;
mod remembered;
mod resident;
mod residual;
mod separable;
mod stem;
mod supernet;
mod timing;
mod walk;
mod weights;

pub use crate::kernels::gpu::Precision;
pub use drop_path::DropPath;
pub use evaluation::{Evaluation, EvaluationConfig, EvaluationPass, Logits};
pub use init::Init;
pub use layers::{Layer, LayerKind, NORM_EPSILON};
pub use layout::{BlockLayout, CellShape, Kind, Slot};
pub use memory::{Footprint, PassBytes, Workload};
pub use mixed::{MixedGradients, MixedOperation};
pub use mixing::Mixing;
pub use norm::Norm;
pub use parameters::Parameters;
pub use pullback::Pulled;
pub use remembered::{Recalled, Remembered, Shown};
pub use resident::Momentum;
pub use supernet::{Pass, Supernet, SupernetConfig};
pub(crate) use timing::cheapest;
pub use timing::{EdgeTimes, Passes, timed_images};

/// What a cell keeps for its backward pass. Results are the same bit for bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Every map before a batch norm: fastest.
    Keep,
    /// The projected inputs only; the rest is computed again: leanest.
    Recompute,
    /// The first so many cells compute again, whose maps are the largest and live longest; the others keep.
    RecomputeFirst(usize),
}

impl std::fmt::Display for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Policy::Keep => f.write_str("keep"),
            Policy::Recompute => f.write_str("recompute"),
            Policy::RecomputeFirst(1) => write!(f, "recompute the first cell"),
            Policy::RecomputeFirst(n) => write!(f, "recompute the first {n} cells"),
        }
    }
}

impl Policy {
    /// What cell `index` does: one of the first two.
    pub fn of_cell(self, index: usize) -> Policy {
        match self {
            Policy::RecomputeFirst(n) if index < n => Policy::Recompute,
            Policy::RecomputeFirst(_) => Policy::Keep,
            policy => policy,
        }
    }
}

/// Someone who watches a forward pass, for ranking functions that look at activations. Calls come in a fixed order from
/// one thread.
pub trait Probe: Send + Sync {
    /// The inputs of a ReLU, `[N, H, W, C]` with `[N, C]` in `size`, which is applied `multiplicity` times in the published
    /// network (each convolution of an edge has its own). Where `mean` (by channel) is given, the values are those before a
    /// batch norm and the ReLU's input is positive exactly where they are above the mean.
    fn relu(&self, values: &[f32], mean: Option<&[f32]>, size: [usize; 2], multiplicity: usize);

    /// Biased variance by channel of a batch norm's input.
    fn norm(&self, variance: &[f64]);
}

/// What can go wrong in building, loading or running a supernet.
#[derive(Debug, thiserror::Error)]
pub enum NnError {
    #[error("{0}")]
    Config(String),
    #[error("{0}")]
    Input(String),
    #[error("weights: {0}")]
    Weights(String),
    #[error("{path}: {source}")]
    File { path: std::path::PathBuf, source: std::io::Error },
    /// Without the backtrace that candle takes where `RUST_BACKTRACE` asks for one: this is a sentence.
    #[error("tensor operation failed: {}", plain(.0))]
    Tensor(candle_core::Error),
    #[error(transparent)]
    Gpu(#[from] crate::kernels::gpu::GpuError),
}

impl From<candle_core::Error> for NnError {
    fn from(e: candle_core::Error) -> Self {
        NnError::Tensor(e)
    }
}

fn plain(e: &candle_core::Error) -> String {
    match e {
        candle_core::Error::WithBacktrace { inner, .. } => plain(inner),
        e => e.to_string(),
    }
}

/// Refuses what are not pictures `[N, H, W, channels]`.
fn check_pictures(images: &candle_core::Tensor, channels: usize) -> Result<(), NnError> {
    let (n, h, w, c) = images.dims4()?;
    if c != channels || n == 0 || h == 0 || w == 0 {
        return Err(NnError::Input(format!(
            "the network takes pictures [N, H, W, {channels}], not [{n}, {h}, {w}, {c}]"
        )));
    }
    Ok(())
}

/// The numbers of a contiguous float32 CPU tensor's storage.
fn slice<'a>(storage: &'a candle_core::CpuStorage, layout: &candle_core::Layout) -> candle_core::Result<&'a [f32]> {
    let all = storage.as_slice::<f32>()?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&all[start..end]),
        None => candle_core::bail!("a supernet's block needs contiguous tensors"),
    }
}

/// Runs `work` on the numbers of contiguous float32 CPU tensors.
fn with_slices<const N: usize, T>(
    tensors: [&candle_core::Tensor; N],
    work: impl FnOnce([&[f32]; N]) -> T,
) -> candle_core::Result<T> {
    let contiguous: Vec<candle_core::Tensor> =
        tensors.iter().map(|t| t.contiguous()).collect::<candle_core::Result<_>>()?;
    let held: Vec<_> = contiguous.iter().map(|t| t.storage_and_layout()).collect();
    let mut slices: [&[f32]; N] = [&[]; N];
    for (to, (storage, layout)) in slices.iter_mut().zip(&held) {
        *to = match &**storage {
            candle_core::Storage::Cpu(s) => slice(s, layout)?,
            _ => candle_core::bail!("the supernet's blocks run on the CPU"),
        };
    }
    Ok(work(slices))
}

#[cfg(test)]
mod tests {
    use super::NnError;

    #[test]
    fn a_failed_tensor_operation_is_one_sentence() {
        let e = candle_core::Error::Msg("shapes differ".into());
        let traced = candle_core::Error::WithBacktrace {
            inner: Box::new(e),
            backtrace: Box::new(std::backtrace::Backtrace::force_capture()),
        };
        assert_eq!(NnError::from(traced).to_string(), "tensor operation failed: shapes differ");
    }
}
