//! How a GPU is used by all of its users, told by NVML, the library under `nvidia-smi`.

use std::ffi::OsStr;

use nvml_wrapper::enum_wrappers::device::{ComputeMode, TemperatureSensor};
use nvml_wrapper::enums::device::UsedGpuMemory;

/// NVIDIA's management library, opened.
pub struct Nvml(nvml_wrapper::Nvml);

/// Of one GPU or slice, now. What a device does not tell (a slice has no sensors of its own) is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DeviceUse {
    pub total_bytes: u64,
    pub free_bytes: u64,
    /// By all processes.
    pub used_bytes: u64,
    /// By this process, its context and code included; not told in a container that can't see its own number.
    pub own_bytes: Option<u64>,
    /// Share of the last moments in which a kernel ran, 0 to 1.
    pub busy: Option<f64>,
    /// Degrees Celsius.
    pub temperature: Option<f64>,
    pub watts: Option<f64>,
    /// One process at a time may use it, or none.
    pub exclusive: bool,
    /// Programs that compute on it now.
    pub programs: Option<usize>,
}

const NAMES: [&str; 2] = ["libnvidia-ml.so.1", "/usr/lib/wsl/lib/libnvidia-ml.so.1"];

impl Nvml {
    /// `None` without a driver.
    pub fn open() -> Option<Nvml> {
        let named = NAMES.iter().filter(|name| name.starts_with('/') || super::search::is_safe());
        named
            .into_iter()
            .find_map(|name| nvml_wrapper::Nvml::builder().lib_path(OsStr::new(name)).init().ok())
            .map(Nvml)
    }

    /// The driver's version, as its makers count.
    pub fn driver(&self) -> Option<String> {
        self.0.sys_driver_version().ok()
    }

    /// Of the GPU of this identity; `None` if there is none, or if it does not tell.
    pub fn of(&self, uuid: &str) -> Option<DeviceUse> {
        let device = self.0.device_by_uuid(uuid).ok()?;
        let memory = device.memory_info().ok()?;
        let programs = device.running_compute_processes().ok();
        let own = programs.as_ref().and_then(|all| {
            let own = all.iter().find(|p| p.pid == std::process::id())?;
            match own.used_gpu_memory {
                UsedGpuMemory::Used(bytes) => Some(bytes),
                UsedGpuMemory::Unavailable => None,
            }
        });
        Some(DeviceUse {
            total_bytes: memory.total,
            free_bytes: memory.free,
            used_bytes: memory.used,
            own_bytes: own,
            busy: device.utilization_rates().ok().map(|u| f64::from(u.gpu) / 100.0),
            temperature: device.temperature(TemperatureSensor::Gpu).ok().map(f64::from),
            watts: device.power_usage().ok().map(|milliwatts| f64::from(milliwatts) / 1000.0),
            exclusive: matches!(device.compute_mode(), Ok(ComputeMode::ExclusiveProcess | ComputeMode::Prohibited)),
            programs: programs.map(|all| all.len()),
        })
    }
}
