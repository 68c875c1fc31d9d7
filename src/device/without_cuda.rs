//! What stands for a GPU in a build without CUDA: there is none.

use std::sync::Arc;

use super::{DeviceMeters, MachineMemory, NoGpu};

/// No value of this exists.
#[derive(Debug)]
pub enum Gpu {}

impl Gpu {
    /// # Errors
    /// Always.
    pub fn open(_ordinal: Option<usize>) -> Result<Arc<Gpu>, NoGpu> {
        Err(NoGpu::NotBuilt)
    }

    pub fn label(&self) -> String {
        match *self {}
    }

    pub fn meters(&self) -> Option<DeviceMeters> {
        match *self {}
    }

    pub fn available(&self) -> Option<MachineMemory> {
        match *self {}
    }

    pub fn release(&self) {
        match *self {}
    }

    pub fn warnings(&self) -> Vec<String> {
        match *self {}
    }

    pub fn was_full(&self) -> bool {
        match *self {}
    }

    pub fn restart_peak(&self) {
        match *self {}
    }
}
