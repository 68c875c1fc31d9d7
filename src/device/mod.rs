//! The machine: CPU or GPU, threads, memory, and what this process uses of them.

mod choice;
#[cfg(feature = "cuda")]
pub mod cuda;
mod memory;
mod meters;
mod no_gpu;
mod pages;
mod threads;
#[cfg(not(feature = "cuda"))]
mod without_cuda;

use std::sync::Arc;

pub use choice::Choice;
#[cfg(feature = "cuda")]
pub use cuda::Gpu;
pub use memory::{MachineMemory, Meter, machine_memory, peak_bytes, used_bytes};
pub use meters::DeviceMeters;
pub use no_gpu::{NoGpu, Version};
pub use pages::{KeptPages, LARGE_BYTES, Pages, pages, reset_peak};
pub use threads::{Threads, Why};
#[cfg(not(feature = "cuda"))]
pub use without_cuda::Gpu;

/// Threads to use: `asked`, or one per core that this process may run on.
pub fn threads(asked: usize) -> usize {
    Threads::plan(asked).count
}

/// What a search runs on.
#[derive(Clone, Debug, Default)]
pub enum Device {
    #[default]
    Cpu,
    Cuda(Arc<Gpu>),
}

impl Device {
    /// Takes the device that is asked for; with [`Choice::Auto`] the CPU where there is no GPU, and then why.
    ///
    /// # Errors
    /// A GPU is asked for and can't be used.
    pub fn choose(choice: Choice) -> Result<(Device, Option<NoGpu>), NoGpu> {
        match choice {
            Choice::Cpu => Ok((Device::Cpu, None)),
            Choice::Cuda { ordinal } => Gpu::open(ordinal).map(|gpu| (Device::Cuda(gpu), None)),
            Choice::Auto => match Gpu::open(None) {
                Ok(gpu) => Ok((Device::Cuda(gpu), None)),
                Err(why) => Ok((Device::Cpu, Some(why))),
            },
        }
    }

    /// `cpu`, or `cuda:0, NVIDIA A100-SXM4-80GB`.
    pub fn label(&self) -> String {
        match self {
            Device::Cpu => "cpu".into(),
            Device::Cuda(gpu) => gpu.label(),
        }
    }

    /// Whether a GPU's memory has run out since this was last asked. A process that takes too much of the machine's is ended
    /// by the system, and asks no more.
    pub fn was_full(&self) -> bool {
        match self {
            Device::Cpu => false,
            Device::Cuda(gpu) => gpu.was_full(),
        }
    }

    /// Memory that a search could take there; `None` where nobody knows.
    pub fn memory(&self) -> Option<MachineMemory> {
        match self {
            Device::Cpu => machine_memory(),
            Device::Cuda(gpu) => gpu.available(),
        }
    }
}
