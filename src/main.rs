//! The `zonas` program: everything is in the library; here are the allocator and the exit code.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: zonas::device::KeptPages = zonas::device::KeptPages;

fn main() -> ExitCode {
    zonas::cli::main()
}
