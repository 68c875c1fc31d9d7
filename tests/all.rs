//! The tests that may share a process, in one program, so that the library is linked once for all of them. Apart are those
//! that choose the instruction set (`levels`), count their process's memory, limit its files, or need a GPU's libraries.

#[cfg(target_os = "linux")]
mod attacks;
mod audit;
mod batches;
mod cases_data;
mod cases_genotypes;
mod cli;
mod cli_count;
mod cli_memory;
mod cut;
mod determinism;
#[cfg(target_os = "linux")]
mod durability;
mod engine;
mod evaluation;
#[cfg(target_os = "linux")]
mod faults;
mod formats;
mod gpu;
mod mask;
mod method;
mod precision;
#[cfg(target_os = "linux")]
mod preflight;
#[cfg(target_os = "linux")]
mod pty;
mod record;
mod refusals;
mod scoring;
mod shim;
mod spaces;
#[cfg(target_os = "linux")]
mod study;
mod take_home;
#[cfg(target_os = "linux")]
mod terminal;
mod training;

/// Cargo looks for no test programs by itself here, so a file that nobody names would never run.
#[test]
fn every_file_of_tests_is_run() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let named =
        ["Cargo.toml", "tests/all.rs", "tests/levels.rs"].map(|f| std::fs::read_to_string(root.join(f)).unwrap());
    for entry in std::fs::read_dir(root.join("tests")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "rs") {
            let name = path.file_stem().unwrap().to_str().unwrap();
            let of_program = format!("\n[[test]]\nname = \"{name}\"\n");
            let of_module = format!("\nmod {name};\n");
            assert!(
                named[0].contains(&of_program) || named[1..].iter().any(|f| f.contains(&of_module)),
                "{path:?} is not run"
            );
        }
    }
}
