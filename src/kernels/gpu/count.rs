//! A device that runs nothing and keeps nothing but count of its memory: a pass over it tells what the pass needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Call, GpuError, Launcher};

/// See the module. One pass at a time: its counts are those of all that use it.
#[derive(Default)]
pub struct Counter {
    next: AtomicU64,
    now: AtomicU64,
    peak: AtomicU64,
}

/// No address is 0, which is none.
const START: u64 = 1 << 20;

impl Counter {
    pub fn new() -> Arc<Counter> {
        Arc::new(Counter::default())
    }

    /// The most bytes that were ever in use.
    pub fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }
}

impl Launcher for Counter {
    fn allocate(&self, bytes: usize) -> Result<u64, GpuError> {
        let bytes = bytes as u64;
        let now = self.now.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak.fetch_max(now, Ordering::Relaxed);
        Ok(START + self.next.fetch_add(bytes, Ordering::Relaxed))
    }

    fn release(&self, _: u64, bytes: usize) {
        self.now.fetch_sub(bytes as u64, Ordering::Relaxed);
    }

    fn clear(&self, _: u64, _: usize) -> Result<(), GpuError> {
        Ok(())
    }

    fn copy(&self, _: u64, _: u64, _: usize) -> Result<(), GpuError> {
        Ok(())
    }

    fn upload(&self, _: u64, _: &[u8]) -> Result<(), GpuError> {
        Ok(())
    }

    fn download(&self, _: u64, _: &mut [u8]) -> Result<(), GpuError> {
        Ok(())
    }

    fn launch(&self, _: &Call) -> Result<(), GpuError> {
        Ok(())
    }

    fn reads(&self) -> bool {
        false
    }
}
