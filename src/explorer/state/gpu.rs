//! The GPU that a run is on: its meters over time.

use super::Series;
use crate::device::DeviceMeters;

/// The GPU that a run is on.
#[derive(Clone, Debug, Default)]
pub struct Gpu {
    /// As it was last seen.
    pub latest: DeviceMeters,
    /// Share of the time in which it worked, 0 to 1, over seconds since the run began.
    pub busy: Series,
}

impl Gpu {
    pub(super) fn take(&mut self, seconds: f64, told: &DeviceMeters) {
        self.latest = *told;
        if let Some(busy) = told.busy {
            self.busy.push(seconds, busy);
        }
    }
}
