//! The machine: threads, memory, and what this process uses of them.

mod memory;

pub use memory::{MachineMemory, Meter, machine_memory, peak_bytes, used_bytes};

/// Threads to use: `asked`, or one per core that this process may run on.
pub fn threads(asked: usize) -> usize {
    if asked > 0 { asked } else { std::thread::available_parallelism().map_or(1, usize::from) }
}
