//! The second back end: kernels for NVIDIA GPUs, in the `.cu` sources beside the CPU code, behind a [`Launcher`]. The passes
//! over a network are written once against that trait; what runs the kernels is a GPU, or (in tests) a processor that
//! imitates one, a recorder that only checks and counts, or a counter of memory.

pub mod arguments;
pub mod buffer;
mod count;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod launch;
pub mod launch_dense;
pub mod parts;
mod precision;
mod record;
mod work;

use std::sync::Arc;

use crate::device::Device;

pub use arguments::{Arguments, Kind};
pub use buffer::Buffer;
pub use count::Counter;
pub use precision::Precision;
pub use record::{Record, Recorder};

/// Threads of a block, in every kernel.
pub const THREADS: u32 = 256;
/// A block's tile of output pixels is square, with this side.
pub const TILE: usize = 8;
/// Input channels that a block looks at together.
pub const CHUNK: usize = 16;
/// Bytes of shared memory that a block may have on every device that the kernels are made for.
pub const MOST_SHARED: u32 = 64 << 10;

/// The kernels, joined into one text: plain CUDA C++ without includes, to be compiled with `COLUMNS` defined.
pub const SOURCE: &str = concat!(
    include_str!("../prelude.cu"),
    include_str!("../depthwise.cu"),
    include_str!("../pool.cu"),
    include_str!("../matrix.cu"),
    include_str!("../norm.cu"),
    include_str!("../fused.cu"),
    include_str!("../dense.cu"),
    include_str!("../auxiliary.cu"),
    include_str!("../sgd.cu"),
);

/// How many output channels a block makes; the sources are compiled once for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Columns {
    C16 = 16,
    C32 = 32,
    C64 = 64,
}

impl Columns {
    pub const ALL: [Columns; 3] = [Columns::C16, Columns::C32, Columns::C64];

    /// The narrowest that holds so many channels, or the widest.
    pub fn of(channels: usize) -> Columns {
        match channels {
            0..=16 => Columns::C16,
            17..=32 => Columns::C32,
            _ => Columns::C64,
        }
    }

    pub const fn count(self) -> usize {
        self as usize
    }
}

/// The kernels of [`SOURCE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kernel {
    UnitForward,
    UnitBackward,
    InputGradient,
    DenseForward,
    DenseInputGradient,
    DenseWeightGradient,
    SettleMoments,
    Mix,
    NormProducts,
    SettleProducts,
    MixingGradient,
    ReduceWeights,
    HeadAverage,
    HeadLogits,
    HeadInputGradient,
    HeadWeightGradient,
    RectifiedAverage,
    RectifiedAverageGradient,
    Squares,
    Descend,
}

impl Kernel {
    pub const ALL: [Kernel; 20] = [
        Kernel::UnitForward,
        Kernel::UnitBackward,
        Kernel::InputGradient,
        Kernel::DenseForward,
        Kernel::DenseInputGradient,
        Kernel::DenseWeightGradient,
        Kernel::SettleMoments,
        Kernel::Mix,
        Kernel::NormProducts,
        Kernel::SettleProducts,
        Kernel::MixingGradient,
        Kernel::ReduceWeights,
        Kernel::HeadAverage,
        Kernel::HeadLogits,
        Kernel::HeadInputGradient,
        Kernel::HeadWeightGradient,
        Kernel::RectifiedAverage,
        Kernel::RectifiedAverageGradient,
        Kernel::Squares,
        Kernel::Descend,
    ];

    /// As in the sources.
    pub const fn name(self) -> &'static str {
        match self {
            Kernel::UnitForward => "unit_forward",
            Kernel::UnitBackward => "unit_backward",
            Kernel::InputGradient => "input_gradient",
            Kernel::DenseForward => "dense_forward",
            Kernel::DenseInputGradient => "dense_input_gradient",
            Kernel::DenseWeightGradient => "dense_weight_gradient",
            Kernel::SettleMoments => "settle_moments",
            Kernel::Mix => "mix",
            Kernel::NormProducts => "norm_products",
            Kernel::SettleProducts => "settle_products",
            Kernel::MixingGradient => "mixing_gradient",
            Kernel::ReduceWeights => "reduce_weights",
            Kernel::HeadAverage => "head_average",
            Kernel::HeadLogits => "head_logits",
            Kernel::HeadInputGradient => "head_input_gradient",
            Kernel::HeadWeightGradient => "head_weight_gradient",
            Kernel::RectifiedAverage => "rectified_average",
            Kernel::RectifiedAverageGradient => "rectified_average_gradient",
            Kernel::Squares => "squares",
            Kernel::Descend => "descend",
        }
    }
}

/// What can go wrong on a device.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    /// Asked for, and what the device said.
    #[error("the GPU has no {bytes} bytes left: {detail}")]
    Memory { bytes: u64, detail: String },
    /// In the words of a real device.
    #[error(transparent)]
    Device(Box<dyn std::error::Error + Send + Sync>),
    #[error("kernel `{kernel}` could not be run: {detail}")]
    Launch { kernel: &'static str, detail: String },
    #[error("a copy to or from the GPU failed: {0}")]
    Copy(String),
}

/// Numbers that a kernel reads or writes: from `address` on, `span` bytes of which `bytes` are touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub address: u64,
    pub span: u64,
    pub bytes: u64,
    pub writes: bool,
}

/// What a launch does, for those who check and count.
#[derive(Clone, Debug, Default)]
pub struct Work {
    pub extents: Vec<Extent>,
    /// Multiplications and additions.
    pub operations: u64,
}

/// One launch.
pub struct Call<'a> {
    pub kernel: Kernel,
    pub columns: Columns,
    pub grid: [u32; 3],
    /// Bytes.
    pub shared: u32,
    pub arguments: &'a dyn Arguments,
    /// Found out only when asked for.
    pub work: &'a dyn Fn() -> Work,
}

/// A device with memory and kernels. Calls take effect in the order in which they are made.
pub trait Launcher: Send + Sync {
    /// Memory for so many bytes, of no particular content.
    ///
    /// # Errors
    /// [`GpuError::Memory`].
    fn allocate(&self, bytes: usize) -> Result<u64, GpuError>;
    fn release(&self, address: u64, bytes: usize);
    /// # Errors
    /// [`GpuError::Copy`].
    fn clear(&self, address: u64, bytes: usize) -> Result<(), GpuError>;
    /// # Errors
    /// [`GpuError::Copy`].
    fn copy(&self, from: u64, to: u64, bytes: usize) -> Result<(), GpuError>;
    /// # Errors
    /// [`GpuError::Copy`].
    fn upload(&self, to: u64, bytes: &[u8]) -> Result<(), GpuError>;
    /// Waits for all that was called before.
    ///
    /// # Errors
    /// [`GpuError::Copy`], also for a fault of an earlier launch.
    fn download(&self, from: u64, bytes: &mut [u8]) -> Result<(), GpuError>;
    /// # Errors
    /// [`GpuError::Launch`].
    fn launch(&self, call: &Call) -> Result<(), GpuError>;
    /// Whether anybody reads what is uploaded, so that it has to be made.
    fn reads(&self) -> bool {
        true
    }
    /// Whether memory of maps that come and go together is asked for at once: a driver takes its time for each. Who checks
    /// has each by itself, so that a step outside shows.
    fn joins(&self) -> bool {
        false
    }
    /// The same device for calls that go on beside this one's, in no order with them: neither may use the other's memory.
    /// `None` where all calls take turns.
    ///
    /// # Errors
    /// A fault of the device.
    fn beside(&self) -> Result<Option<Gpu>, GpuError> {
        Ok(None)
    }
}

/// Shared by all that use a device.
pub type Gpu = Arc<dyn Launcher>;

/// The kernels on a device; `None` for the CPU, which needs none of this.
///
/// # Errors
/// The kernels can't be compiled for the device, or it refuses them.
pub fn on(device: &Device) -> Result<Option<Gpu>, GpuError> {
    match device {
        Device::Cpu => Ok(None),
        #[cfg(feature = "cuda")]
        Device::Cuda(gpu) => Ok(Some(Arc::new(cuda::Cuda::new(gpu)?))),
        #[cfg(not(feature = "cuda"))]
        Device::Cuda(gpu) => match **gpu {},
    }
}
