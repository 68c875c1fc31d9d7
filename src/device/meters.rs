//! What a GPU tells of itself and of its users.

use serde::{Deserialize, Serialize};

/// A GPU at work for this process. What it does not tell is absent, never 0: a slice has no sensors of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceMeters {
    /// In use by this process, by the count of its pool of memory.
    pub used_bytes: u64,
    /// Most that was in use at once since the peak was last set back.
    pub peak_bytes: u64,
    /// Most that the pool had taken from the device, in use or kept.
    pub reserved_peak_bytes: u64,
    pub total_bytes: u64,
    pub free_bytes: u64,
    /// In use by others: all but this process's part, as far as the driver tells whose it is.
    pub others_bytes: Option<u64>,
    /// Share of the last moments in which a kernel ran, 0 to 1.
    pub busy: Option<f64>,
    /// Degrees Celsius.
    pub temperature: Option<f64>,
    pub watts: Option<f64>,
}
