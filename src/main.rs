//! The `zonas` program: everything is in the library; here are the allocator and the exit code.

use std::process::ExitCode;

/// Keeps its pages: the kernels' maps are large and short-lived.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    zonas::cli::main()
}
