//! The `zonas` program: everything is in the library; here are the allocator and the exit code.

use std::process::ExitCode;

/// Keeps its pages: the kernels' maps are large and short-lived.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay`, in milliseconds; the binding has no name for it.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

fn main() -> ExitCode {
    // A step frees and takes the same maps over and over. Given back after the usual 10 ms, their pages would be cleared by
    // the system each time, which costs as much as the arithmetic.
    // SAFETY: sets a number that the allocator reads.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, 5_000) };
    zonas::cli::main()
}
