//! What can go wrong on a GPU that is there.

use super::compiler::CompilerError;
use crate::device::NoGpu;

/// What went wrong on a GPU that was there.
#[derive(Clone, Debug, thiserror::Error)]
pub enum GpuError {
    #[error(transparent)]
    None(#[from] NoGpu),
    #[error(
        "{device} has no {} MiB left: this process has {} MiB there, and {} MiB of {} MiB are free; what helps: a smaller \
         search.batch or search.channels (train.batch, train.channels), for a search device.memory = \"recompute\" or a deeper \
         cut, or another GPU",
        mib(*.asked), mib(*.own), mib(*.free), mib(*.total)
    )]
    OutOfMemory { device: String, asked: u64, own: u64, free: u64, total: u64 },
    /// All that was in its memory is gone.
    #[error("{device} is lost ({what}): {reason}; the run goes on from its last checkpoint with `zonas run --resume`")]
    Lost { device: String, what: String, reason: String },
    #[error("{device} refused {what}: {reason}")]
    Refused { device: String, what: String, reason: String },
    #[error("kernel {kernel} needs {needs}, and {device} has {has}")]
    TooLarge { device: String, kernel: String, needs: String, has: String },
    #[error(transparent)]
    Compiler(#[from] CompilerError),
    #[error("the kernels of {source_name} can't be loaded on {device}: {reason}")]
    Load { device: String, source_name: &'static str, reason: String },
}

fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

impl From<GpuError> for candle_core::Error {
    fn from(e: GpuError) -> Self {
        candle_core::Error::wrap(e)
    }
}
