//! The kernel compiler. Needs NVRTC's library, but no GPU and no driver: `pip install nvidia-cuda-nvrtc-cu12` has it, and
//! `ZONAS_NVRTC` names it where it is not found by itself.

use zonas::device::Version;
use zonas::device::cuda::{Compiler, CompilerError, Source, Target};
use zonas::kernels::gpu::{self, Columns};

/// `None`, with a word to who runs the tests, where there is no compiler; an error where one was named.
fn compiler() -> Option<&'static Compiler> {
    match Compiler::get() {
        Ok(compiler) => Some(compiler),
        Err(e) if std::env::var_os("ZONAS_NVRTC").is_some() => panic!("{e}"),
        Err(e) => {
            eprintln!("skipped: {e}");
            None
        }
    }
}

fn version(major: u32, minor: u32) -> Version {
    Version { major, minor }
}

const SCALE: Source = Source {
    name: "scale.cu",
    text: "extern \"C\" __global__ void scale(float *x, float by) { x[threadIdx.x] *= by * TIMES; }",
    defines: &[("TIMES", 3)],
};

#[test]
fn a_source_becomes_machine_code_for_each_kind_of_gpu() {
    let Some(compiler) = compiler() else { return };
    let mut seen = Vec::new();
    for capability in [version(7, 0), version(8, 0), version(9, 0)] {
        let target = compiler.target(capability).unwrap();
        assert_eq!(target, Target::Machine(capability), "CUDA {}", compiler.version());
        let made = compiler.compile(&SCALE, target).unwrap();
        assert!(made.image.starts_with(b"\x7fELF"), "{}", target.name());
        assert!(made.log.contains("registers"), "{}", made.log);
        assert_ne!(compiler.key(&SCALE, target), compiler.key(&Source { defines: &[], ..SCALE }, target));
        seen.push(made.image);
    }
    assert!(seen[0] != seen[1] && seen[1] != seen[2]);
}

#[test]
fn a_gpu_newer_than_the_compiler_gets_portable_code() {
    let Some(compiler) = compiler() else { return };
    let target = compiler.target(version(99, 0)).unwrap();
    let Target::Portable(newest) = target else { panic!("{target:?}") };
    assert!(newest >= version(9, 0), "{newest}");
    let made = compiler.compile(&SCALE, target).unwrap();
    let text = String::from_utf8(made.image).unwrap();
    assert!(text.contains(".entry scale") && text.ends_with('\0'), "{text}");
    let e = compiler.target(version(1, 0)).unwrap_err().to_string();
    assert!(e.contains("which has given up sm_10"), "{e}");
}

#[test]
fn a_mistake_is_told_with_its_line() {
    let Some(compiler) = compiler() else { return };
    let wrong = Source { name: "wrong.cu", text: "\n\nextern \"C\" __global__ void f() { nonsense(); }", defines: &[] };
    let e = compiler.compile(&wrong, Target::Machine(version(8, 0))).unwrap_err();
    assert!(matches!(e, CompilerError::Source { .. }));
    let text = e.to_string();
    assert!(text.contains("wrong.cu(3)") && text.contains("\"nonsense\" is undefined"), "{text}");
}

/// The program's kernels, on each kind of GPU and for each width: registers and shared memory that the launches assume.
#[test]
fn the_kernels_fit_the_launches() {
    let Some(compiler) = compiler() else { return };
    for capability in [version(7, 0), version(8, 0), version(9, 0)] {
        for columns in Columns::ALL {
            let target = compiler.target(capability).unwrap();
            let made = compiler.compile(&gpu::cuda::source(columns), target).unwrap();
            let mut kernel = "";
            let (mut found, mut spilled) = (Vec::new(), 0);
            let number = |line: &str, unit: &str| -> Option<u32> {
                line.split(", ").find_map(|p| p.trim().strip_suffix(unit)?.rsplit(' ').find_map(|w| w.parse().ok()))
            };
            for line in made.log.lines() {
                if let Some((_, rest)) = line.split_once("Compiling entry function '") {
                    kernel = rest.split('\'').next().unwrap();
                }
                if let Some(bytes) = number(line, " bytes spill stores") {
                    spilled = bytes;
                }
                if let Some(registers) = number(line, " registers") {
                    let shared = number(line, " bytes smem").unwrap_or(0);
                    found.push((kernel, registers, shared, std::mem::take(&mut spilled)));
                }
            }
            println!("{} {columns:?} (registers, shared, spilled bytes): {found:?}", target.name());
            for k in gpu::Kernel::ALL {
                let (_, registers, shared, spilled) =
                    found.iter().find(|f| f.0 == k.name()).unwrap_or_else(|| panic!("no {}", k.name()));
                // 64 Ki registers of a multiprocessor for a block's threads.
                assert!(registers * gpu::THREADS <= 64 << 10, "{}: {registers} registers", k.name());
                // Registers that do not fit go to memory and back: a few at most, so that more blocks fit a multiprocessor.
                assert!(*spilled <= 64, "{}: {spilled} bytes spilled", k.name());
                assert_eq!(*shared, 0, "{}: shared memory beside what a launch asks for", k.name());
            }
        }
    }
}
