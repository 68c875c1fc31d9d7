//! An NVIDIA GPU, through its driver, with kernels that NVRTC compiles where they run.
//!
//! Both libraries, and NVML for the meters, are opened when a GPU is asked for, never before: the same program starts on
//! machines without any of them, and can say what is missing. Nothing here panics because of a machine.
//!
//! Not through candle's own `cuda` feature: that binds five of CUDA's libraries when the program is linked, so that the
//! program does not start where one is missing (a login node), and needs `nvcc` to build kernels that are not used here.

mod cache;
mod compiler;
mod driver;
mod error;
mod gpu;
mod module;
mod nvml;
mod search;
mod source;

use std::ffi::CStr;

pub use compiler::{Compiled, Compiler, CompilerError, Target};
pub use error::GpuError;
pub use gpu::Gpu;
pub use module::{Function, Launch, Module};
pub use nvml::{DeviceUse, Nvml};
pub use search::leave_current_folder;
pub use source::Source;

use super::no_gpu::{LEAST_CAPABILITY, NoGpu, Version};
use driver::{DeviceId, Driver, attribute};

/// A GPU as the driver shows it, before anything is done with it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// N of `cuda:N`, among the visible ones.
    pub id: DeviceId,
    pub name: String,
    pub capability: Version,
    pub total_bytes: u64,
    pub multiprocessors: u32,
    /// Shared memory that a block of threads may have at most, if its kernel asks for it.
    pub shared_bytes: u32,
    /// `GPU-…`, or `MIG-…` for a slice of one.
    pub uuid: String,
    /// What all of its users do to it, where that can be known.
    pub in_use: Option<DeviceUse>,
}

impl Seen {
    fn likely_free_bytes(&self) -> u64 {
        self.in_use.as_ref().map_or(self.total_bytes, |u| u.free_bytes)
    }

    /// Whether it is a slice of a GPU.
    pub fn is_slice(&self) -> bool {
        self.uuid.starts_with("MIG-")
    }
}

/// What the variable is set to, for messages.
fn visible() -> Option<String> {
    std::env::var_os("CUDA_VISIBLE_DEVICES").map(|v| {
        let text = v.to_string_lossy();
        text.chars().filter(|c| !c.is_control()).take(80).collect()
    })
}

/// All visible GPUs, those that can't be used with the reason.
///
/// # Errors
/// There is no driver, or it shows none.
pub fn all() -> Result<Vec<Result<Seen, NoGpu>>, NoGpu> {
    seen(Driver::get()?, Nvml::open().as_ref())
}

/// The newest CUDA that the driver knows.
///
/// # Errors
/// There is no driver.
pub fn driver_version() -> Result<Version, NoGpu> {
    Driver::get().map(Driver::version)
}

fn seen(driver: &Driver, nvml: Option<&Nvml>) -> Result<Vec<Result<Seen, NoGpu>>, NoGpu> {
    let mut count = 0;
    // SAFETY: writes one number.
    match unsafe { (driver.cuDeviceGetCount)(&raw mut count) } {
        0 if count > 0 => Ok((0..count).map(|n| look(driver, nvml, n)).collect()),
        0 | driver::code::NO_DEVICE => Err(NoGpu::NoDevice(visible())),
        code => Err(NoGpu::NotStarted(driver.words(code))),
    }
}

fn look(driver: &Driver, nvml: Option<&Nvml>, ordinal: i32) -> Result<Seen, NoGpu> {
    let unnamed = format!("cuda:{ordinal}");
    let fail = |name: &str, code| NoGpu::Unusable { name: name.into(), reason: driver.words(code) };
    let done = |name: &str, code| if code == 0 { Ok(()) } else { Err(fail(name, code)) };
    let mut id = 0;
    let mut text = [0; 128];
    // SAFETY: each writes what it is given the place of, and no more than it is told.
    unsafe {
        done(&unnamed, (driver.cuDeviceGet)(&raw mut id, ordinal))?;
        done(&unnamed, (driver.cuDeviceGetName)(text.as_mut_ptr(), text.len() as i32 - 1, id))?;
    }
    // SAFETY: the last byte is 0.
    let name = unsafe { CStr::from_ptr(text.as_ptr()) }.to_string_lossy();
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    let (mut total, mut uuid) = (0usize, [0u8; 16]);
    // SAFETY: as above.
    unsafe {
        done(&name, (driver.cuDeviceTotalMem_v2)(&raw mut total, id))?;
        done(&name, (driver.cuDeviceGetUuid_v2)(&raw mut uuid, id))?;
    }
    let number = |which| {
        let mut value = 0;
        // SAFETY: as above.
        done(&name, unsafe { (driver.cuDeviceGetAttribute)(&raw mut value, which, id) })?;
        Ok(u32::try_from(value).unwrap_or(0))
    };
    let capability =
        Version { major: number(attribute::CAPABILITY_MAJOR)?, minor: number(attribute::CAPABILITY_MINOR)? };
    if capability < LEAST_CAPABILITY {
        return Err(NoGpu::OldDevice { name, capability });
    }
    if number(attribute::MEMORY_POOLS)? == 0 {
        let reason = "it has no memory pools, as under some virtual machines".into();
        return Err(NoGpu::Unusable { name, reason });
    }
    let (uuid, in_use) = identify(nvml, uuid);
    Ok(Seen {
        id,
        capability,
        total_bytes: total as u64,
        multiprocessors: number(attribute::MULTIPROCESSORS)?,
        shared_bytes: number(attribute::SHARED_BYTES_PER_BLOCK_AT_MOST)?,
        uuid,
        in_use,
        name,
    })
}

/// The name by which NVML knows a GPU, and how it is used. NVML counts all GPUs, the driver the visible ones.
fn identify(nvml: Option<&Nvml>, uuid: [u8; 16]) -> (String, Option<DeviceUse>) {
    let hex: String = uuid.iter().map(|b| format!("{b:02x}")).collect();
    let text = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
    let as_is = |kind: &str| {
        let uuid = format!("{kind}-{text}");
        let found = nvml?.of(&uuid)?;
        Some((uuid, Some(found)))
    };
    as_is("GPU").or_else(|| as_is("MIG")).unwrap_or((format!("GPU-{text}"), None))
}
