//! The machine: threads, memory, and what this process uses of them.

mod memory;
mod pages;
mod threads;

pub use memory::{MachineMemory, Meter, machine_memory, peak_bytes, used_bytes};
pub use pages::{KeptPages, LARGE_BYTES, Pages, pages, reset_peak};
pub use threads::{Threads, Why};

/// Threads to use: `asked`, or one per core that this process may run on.
pub fn threads(asked: usize) -> usize {
    Threads::plan(asked).count
}
