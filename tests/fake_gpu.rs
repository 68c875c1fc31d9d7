//! The device side of CUDA against imitations of NVIDIA's three libraries: what goes wrong must be a sentence, never the
//! end of the program. The imitations are compiled by the system's C compiler; without one these tests are skipped.
//!
//! Each test runs the program, or one of the `inside_…` tests below, as a process of its own that finds the imitations.
#![cfg(target_os = "linux")]

#[path = "fake_gpu/training.rs"]
mod training;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use zonas::device::cuda::{Gpu, GpuError, Launch, Module, Source};
use zonas::device::{Choice, Device};

/// Folders with the imitations: `new`, and `old` with a driver that lacks functions.
fn imitations() -> Option<&'static Path> {
    static MADE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let at = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("fake_gpu-{}", std::process::id()));
        let build = |folder: &str, source: &str, library: &str, flags: &[&str]| {
            let folder = at.join(folder);
            std::fs::create_dir_all(&folder).ok()?;
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake_gpu").join(source);
            let cc = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
            let done = Command::new(cc)
                .args(["-shared", "-fPIC", "-o"])
                .arg(folder.join(library))
                .arg(&source)
                .args(flags)
                .status();
            match done {
                Ok(status) => {
                    assert!(status.success(), "{} does not compile", source.display());
                    Some(())
                }
                Err(e) => {
                    eprintln!("skipped: there is no C compiler: {e}");
                    None
                }
            }
        };
        build("new", "cuda.c", "libcuda.so.1", &[])?;
        build("new", "nvml.c", "libnvidia-ml.so.1", &[])?;
        build("new", "nvrtc.c", "libnvrtc.so", &[])?;
        build("old", "cuda.c", "libcuda.so.1", &["-DOLD_DRIVER"])?;
        Some(at)
    });
    made.as_deref()
}

/// Whether this machine has a driver of its own, so that no program can be without.
fn has_driver() -> bool {
    ["/proc/driver/nvidia/version", "/usr/lib/wsl/lib/libcuda.so.1"].iter().any(|p| Path::new(p).exists())
}

/// A program that finds the imitations, with words for them; its caches and runs are in `home`.
fn with(mut program: Command, folder: &str, words: &str, home: &Path) -> Option<Command> {
    let at = imitations()?.join(folder);
    program.env("LD_LIBRARY_PATH", &at).env("FAKE_CUDA", words).env("HOME", home).env_remove("CUDA_VISIBLE_DEVICES");
    program.env("ZONAS_NVRTC", at.join("libnvrtc.so")).env("FAKE_COMPILED", home.join("compiled"));
    program.env("XDG_CACHE_HOME", home.join("cache")).env("XDG_DATA_HOME", home.join("data"));
    Some(program)
}

fn told(output: &Output) -> (String, String, i32) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code().unwrap_or(-1))
}

/// `zonas doctor`.
fn doctor(folder: &str, words: &str, variables: &[(&str, &str)]) -> Option<String> {
    let home = tempfile::tempdir().unwrap();
    let mut program = with(Command::new(env!("CARGO_BIN_EXE_zonas")), folder, words, home.path())?;
    let output = program.arg("doctor").envs(variables.iter().copied()).output().unwrap();
    let (out, err, code) = told(&output);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    Some(out)
}

/// One of the tests below, with imitations.
fn inside(test: &str, words: &str, home: &Path) -> Option<()> {
    let mut program = with(Command::new(std::env::current_exe().unwrap()), "new", words, home)?;
    let output = program.args(["--exact", test, "--ignored", "--nocapture"]).output().unwrap();
    let (out, err, code) = told(&output);
    assert!(code == 0 && out.contains("1 passed"), "{out}{err}");
    Some(())
}

#[test]
fn the_doctor_says_what_was_found() {
    let Some(out) = doctor("new", "", &[]) else { return };
    for part in [
        "device     cuda:1, Imitation B: the GPU with most free memory",
        "cuda:0 Imitation A, compute capability 8.0, 1.00 GiB free of 8.00 GiB, 2 programs on it, 40 % busy, 41 °C, 62 W",
        "cuda:1 Imitation B, compute capability 8.0, 5.00 GiB free",
        "driver 535.01, for CUDA 12.2",
        "kernel compiler NVRTC 12.1, ",
    ] {
        assert!(out.contains(part), "{part} is not in\n{out}");
    }
    let Some(out) = doctor("new", "slice", &[]) else { return };
    assert!(out.contains("cuda:0 Imitation A, compute capability 8.0, a slice of a GPU (MIG), 1.00 GiB free"), "{out}");
}

#[test]
fn the_doctor_says_why_there_is_none() {
    let cases = [
        ("none", "", None, "NVIDIA's driver is not installed here, or not to be found: libcuda.so.1:"),
        ("old", "", None, "NVIDIA's driver is too old: it has no cuDeviceGetUuid_v2; 11.4 or newer is needed"),
        ("new", "version=10020", None, "NVIDIA's driver is too old: it is for CUDA 10.2"),
        ("new", "none", None, "NVIDIA's driver shows no GPU\n"),
        ("new", "none", Some("-1"), "shows no GPU (CUDA_VISIBLE_DEVICES is `-1`)"),
        ("new", "busy=9", None, "none of the 2 GPUs can be used: cuda:0: Imitation"),
        ("new", "old", None, "cuda:0 can't be used: Imitation A has compute capability 6.1; 7.0 or newer is needed"),
    ];
    for (folder, words, visible, part) in cases.into_iter().filter(|(folder, ..)| *folder != "none" || !has_driver()) {
        let variables: Vec<_> = visible.map(|v| ("CUDA_VISIBLE_DEVICES", v)).into_iter().collect();
        let Some(out) = doctor(folder, words, &variables) else { return };
        assert!(out.contains(part), "{folder} {words}: {part} is not in\n{out}");
    }
    let Some(out) = doctor("new", "busy=1", &[]) else { return };
    assert!(out.contains("device     cuda:0, Imitation A"), "the next one is taken:\n{out}");
}

#[test]
fn a_gpu_that_is_asked_for_and_not_there_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    let cases = [
        ("none", "", "cuda", 1, "NVIDIA's driver is not installed here"),
        ("new", "", "cuda:7", 2, "there is no cuda:7: 2 GPUs are to be seen"),
        ("new", "busy=0", "cuda:0", 1, "Imitation A is in use by another program"),
    ];
    for (folder, words, device, exit, part) in cases.into_iter().filter(|c| c.0 != "none" || !has_driver()) {
        let Some(mut program) = with(Command::new(env!("CARGO_BIN_EXE_zonas")), folder, words, home.path()) else {
            return;
        };
        let output = program.args(["run", "--preset", "demo", "--yes", "--device", device]).output().unwrap();
        let (_, err, code) = told(&output);
        assert_eq!(code, exit, "{err}");
        assert!(err.contains(part) && err.lines().count() == 1, "{err}");
    }
}

fn open() -> std::sync::Arc<Gpu> {
    let (device, _) = Device::choose(Choice::Cuda { ordinal: Some(0) }).unwrap();
    let Device::Cuda(gpu) = device else { panic!("{device:?}") };
    gpu
}

const KERNELS: Source = Source { name: "kernels.cu", text: "kernels", defines: &[] };

#[test]
fn too_little_memory_is_an_error_with_figures() {
    let home = tempfile::tempdir().unwrap();
    let _ = inside("inside_too_little_memory", &format!("oom={}", 100 << 20), home.path());
}

#[test]
#[ignore = "run by too_little_memory_is_an_error_with_figures"]
fn inside_too_little_memory() {
    let gpu = open();
    let first = gpu.allocate(60 << 20).unwrap();
    let e = gpu.allocate(70 << 20).unwrap_err();
    let text = e.to_string();
    assert!(matches!(e, GpuError::OutOfMemory { .. }), "{text}");
    let figures =
        "cuda:0, Imitation A has no 70 MiB left: this process has 60 MiB there, and 40 MiB of 8192 MiB are free";
    assert!(text.starts_with(figures) && text.contains("search.batch"), "{text}");
    // It is still good for what fits.
    let second = gpu.allocate(40 << 20).unwrap();
    let mut bytes = [0; 3];
    unsafe {
        gpu.upload(second, &[1, 2, 3]).unwrap();
        gpu.copy(first, second, 3).unwrap();
        gpu.clear(second, 3).unwrap();
        gpu.download(&mut bytes, first).unwrap();
    }
    assert_eq!(bytes, [1, 2, 3]);
    let meters = gpu.meters().unwrap();
    assert_eq!((meters.used_bytes, meters.peak_bytes), (100 << 20, 100 << 20));
    // Of the 7 GiB in use, 1 GiB is this process's, by NVML.
    assert_eq!((meters.others_bytes, meters.watts, meters.busy), (Some(6 << 30), Some(62.5), Some(0.4)));
    unsafe { gpu.free(second) };
    gpu.restart_peak();
    assert_eq!(gpu.meters().unwrap().peak_bytes, 60 << 20);
    unsafe { gpu.free(first) };
}

#[test]
fn memory_that_another_stream_gives_back_is_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let _ = inside("inside_memory_of_another_stream", &format!("late oom={}", 100 << 20), home.path());
}

#[test]
#[ignore = "run by memory_that_another_stream_gives_back_is_waited_for"]
fn inside_memory_of_another_stream() {
    let gpu = open();
    let beside = gpu.beside().unwrap();
    let theirs = beside.allocate(60 << 20).unwrap();
    unsafe { beside.free(theirs) };
    let own = gpu.allocate(70 << 20).unwrap();
    unsafe { gpu.free(own) };
}

#[test]
fn a_device_that_is_lost_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    let _ = inside("inside_a_lost_device", "lost=1", home.path());
    let _ = inside("inside_a_strange_error", "strange", home.path());
}

#[test]
#[ignore = "run by a_device_that_is_lost_is_an_error"]
fn inside_a_lost_device() {
    let gpu = open();
    let at = gpu.allocate(4).unwrap();
    unsafe { gpu.upload(at, &[0; 4]).unwrap() };
    let e = unsafe { gpu.download(&mut [0; 4], at).unwrap_err() };
    assert!(matches!(e, GpuError::Lost { .. }), "{e}");
    let text = e.to_string();
    assert!(
        text.contains("cuda:0, Imitation A is lost (a copy from it): an illegal memory access")
            && text.contains("--resume"),
        "{text}"
    );
}

#[test]
#[ignore = "run by a_device_that_is_lost_is_an_error"]
fn inside_a_strange_error() {
    let gpu = open();
    let at = gpu.allocate(4).unwrap();
    let e = unsafe { gpu.upload(at, &[0; 4]).unwrap_err() };
    assert!(e.to_string().ends_with("refused a copy to it: error 12345 of the driver"), "{e}");
}

#[test]
fn kernels_are_compiled_once_and_kept() {
    let home = tempfile::tempdir().unwrap();
    let compiled = || std::fs::read(home.path().join("compiled")).map_or(0, |b| b.len());
    if inside("inside_kernels", "", home.path()).is_none() {
        return;
    }
    assert_eq!(compiled(), 1);
    let _ = inside("inside_kernels", "", home.path());
    assert_eq!(compiled(), 1, "taken from the disk");
    let folder = home.path().join("cache/zonas/kernels");
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 5]).unwrap();
    let _ = inside("inside_kernels", "", home.path());
    assert_eq!((compiled(), std::fs::read(&file).unwrap() == whole), (2, true), "torn, so made again");
    // A driver that refuses the kept code gets it made anew, and then its reason is told.
    let _ = inside("inside_refused_kernels", "badimage", home.path());
    assert_eq!(compiled(), 3);
}

#[test]
#[ignore = "run by kernels_are_compiled_once_and_kept"]
fn inside_kernels() {
    let gpu = open();
    let module = Module::load(&gpu, &KERNELS).unwrap();
    assert!(gpu.warnings().is_empty());
    let f = module.function("some", 100 << 10).unwrap();
    let size = Launch { grid: [1; 3], block: [512, 1, 1], shared_bytes: 0 };
    unsafe { f.launch(&gpu, size, &[0; 8]).unwrap() };
    let beside = gpu.beside().unwrap();
    unsafe { f.launch(&beside, size, &[0; 8]).unwrap() };
    // 512 threads are all that the imitation allows, and 163 KiB.
    let e = unsafe { f.launch(&gpu, Launch { block: [513, 1, 1], ..size }, &[0; 8]).unwrap_err() }.to_string();
    assert!(e.contains("kernel some needs 513 threads per block") && e.contains("96 registers"), "{e}");
    let e = module.function("some", 200 << 10).err().unwrap().to_string();
    assert!(e.contains("204800 bytes of shared memory"), "{e}");
    assert!(module.function("missing", 0).err().unwrap().to_string().contains("kernel missing of kernels.cu"));
}

#[test]
fn a_kernel_that_does_not_compile_is_told_with_the_log() {
    let home = tempfile::tempdir().unwrap();
    let _ = inside("inside_wrong_kernels", "", home.path());
}

#[test]
#[ignore = "run by a_kernel_that_does_not_compile_is_told_with_the_log"]
fn inside_wrong_kernels() {
    let wrong = Source { text: "wrong", ..KERNELS };
    let e = Module::load(&open(), &wrong).err().unwrap().to_string();
    assert!(
        e.starts_with("kernels.cu does not compile for sm_80 with CUDA 12.1:\nkernels.cu(1): error: this is how"),
        "{e}"
    );
}

#[test]
#[ignore = "run by kernels_are_compiled_once_and_kept"]
fn inside_refused_kernels() {
    let e = Module::load(&open(), &KERNELS).err().unwrap().to_string();
    assert_eq!(
        e,
        "the kernels of kernels.cu can't be loaded on cuda:0, Imitation A: a PTX JIT compilation failed \
         (CUDA_ERROR_INVALID_PTX)"
    );
}

#[test]
fn where_kernels_can_not_be_kept_that_is_only_a_warning() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("cache"), "no folder").unwrap();
    let _ = inside("inside_no_cache", "", home.path());
}

#[test]
#[ignore = "run by where_kernels_can_not_be_kept_that_is_only_a_warning"]
fn inside_no_cache() {
    let gpu = open();
    Module::load(&gpu, &KERNELS).unwrap();
    let warnings = gpu.warnings();
    assert!(warnings[0].starts_with("compiled kernels can't be kept for the next start: "), "{warnings:?}");
    assert_eq!((warnings.len(), gpu.warnings().len()), (1, 0));
}

#[test]
fn a_compiler_newer_than_the_driver_is_told_before_anything_fails() {
    let home = tempfile::tempdir().unwrap();
    let _ = inside("inside_new_compiler", "version=11080", home.path());
}

#[test]
#[ignore = "run by a_compiler_newer_than_the_driver_is_told_before_anything_fails"]
fn inside_new_compiler() {
    let e = Module::load(&open(), &KERNELS).err().unwrap().to_string();
    assert!(e.contains("the kernel compiler is of CUDA 12.1, and the driver only of 11.8"), "{e}");
}

/// `zonas run` on a small search, with imitations whose kernels do nothing: all maps are 0, so the loss is that of a guess.
fn search(words: &str, home: &Path, arguments: &[&str]) -> Option<(String, String, i32)> {
    let mut program = with(Command::new(env!("CARGO_BIN_EXE_zonas")), "new", words, home)?;
    // The imitation's kernels do nothing, so no score is defined: the cut is taken all the same.
    program.args(["run", "--yes", "--force", "--foreground"]).args(arguments).env_remove("RUST_BACKTRACE");
    Some(told(&program.output().unwrap()))
}

const SMALL: [&str; 16] = [
    "--preset",
    "demo",
    "--device",
    "cuda:0",
    "--set",
    "search.epochs=1",
    "--set",
    "data.limit=256",
    "--set",
    "search.channels=4",
    "--set",
    "search.cells=3",
    "--set",
    "score.draws=1",
    "--set",
    "score.remove_per_round=7",
];

/// The journal of a run, and the events of one kind in it.
fn events(home: &Path, run: &str, kind: &str) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(home.join(format!("data/zonas/runs/{run}/events.jsonl"))).unwrap();
    let all = text.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap());
    all.filter(|e| e["event"] == kind).collect()
}

#[test]
fn a_search_on_a_gpu_tells_of_it_and_takes_what_was_predicted() {
    for preset in ["demo", "nas_bench_201_demo"] {
        let home = tempfile::tempdir().unwrap();
        let mut arguments = [&SMALL[..], &["--name", "a", "--memory", "keep"]].concat();
        arguments[1] = preset;
        let Some((out, err, code)) = search("", home.path(), &arguments) else { return };
        assert_eq!(code, 0, "{out}{err}");
        assert!(out.starts_with("run a with seed 2 on cuda:0, Imitation A, "), "{out}");
        let meters = events(home.path(), "a", "device");
        let last = meters.last().unwrap();
        assert_eq!((last["watts"].as_f64(), last["total_bytes"].as_u64()), (Some(62.5), Some(8 << 30)));
        let predicted = events(home.path(), "a", "search_started")[0]["predicted_bytes"].as_f64().unwrap();
        let ended = events(home.path(), "a", "stage_ended");
        let peak = ended.iter().find(|e| e["stage"] == "search").unwrap()["peak_bytes"].as_f64().unwrap();
        assert!((peak / predicted - 1.0).abs() < 0.01, "{peak} {predicted}");
    }
}

#[test]
fn a_search_with_rounded_maps_takes_less_and_stays_on_gpus() {
    let home = tempfile::tempdir().unwrap();
    let arguments = |name| [&SMALL[..], &["--memory", "keep", "--name", name]].concat();
    let Some((out, err, code)) = search("", home.path(), &arguments("wide")) else { return };
    assert_eq!(code, 0, "{out}{err}");
    let narrow = [&arguments("narrow")[..], &["--precision", "bf16"]].concat();
    let (out, err, code) = search("lost=3000", home.path(), &narrow).unwrap();
    assert_eq!(code, 1, "{out}{err}");
    let (out, err, code) = search("", home.path(), &["--resume", "narrow", "--device", "cpu"]).unwrap();
    assert!(code == 2 && err.contains("device.precision = \"bf16\" is for a GPU"), "{out}{err}");
    let (out, err, code) = search("", home.path(), &["--resume", "narrow"]).unwrap();
    assert_eq!(code, 0, "{out}{err}");
    let peak = |run: &str| {
        let ended = events(home.path(), run, "stage_ended");
        ended.iter().find(|e| e["stage"] == "search").unwrap()["peak_bytes"].as_f64().unwrap()
    };
    let predicted =
        events(home.path(), "narrow", "search_started").last().unwrap()["predicted_bytes"].as_f64().unwrap();
    assert!((peak("narrow") / predicted - 1.0).abs() < 0.01, "{} {predicted}", peak("narrow"));
    assert!(peak("narrow") < 0.7 * peak("wide"), "{} {}", peak("narrow"), peak("wide"));
}

#[test]
fn a_search_that_runs_out_of_memory_goes_on_with_a_leaner_policy() {
    let home = tempfile::tempdir().unwrap();
    let arguments = [&SMALL[..], &["--name", "a", "--memory", "auto", "--memory-budget", "2GiB"]].concat();
    let words = format!("oom={}", 60 << 20);
    let Some((out, err, code)) = search(&words, home.path(), &arguments) else { return };
    assert_eq!(code, 0, "{out}{err}");
    assert!(
        out.contains("MiB left") && out.contains("the search goes on from its last checkpoint with `recompute"),
        "{out}"
    );
    // Where no other policy may be taken it is an error, and the run can be resumed.
    let arguments = [&SMALL[..], &["--name", "b", "--memory", "keep", "--memory-budget", "2GiB"]].concat();
    let (out, err, code) = search(&words, home.path(), &arguments).unwrap();
    assert!(code == 1 && err.contains("MiB left"), "{out}{err}");
    let (out, err, code) = search(&words, home.path(), &["--resume", "b", "--memory", "recompute"]).unwrap();
    assert_eq!(code, 0, "{out}{err}");
}

#[test]
fn a_run_whose_gpu_is_lost_is_taken_up_on_the_cpu() {
    let home = tempfile::tempdir().unwrap();
    let arguments = [&SMALL[..], &["--name", "a"]].concat();
    let Some((out, err, code)) = search("lost=3000", home.path(), &arguments) else { return };
    assert_eq!(code, 1, "{out}");
    assert!(err.contains("cuda:0, Imitation A is lost") && err.lines().count() == 1, "{err}");
    let (out, err, code) = search("", home.path(), &["--resume", "a", "--device", "cpu"]).unwrap();
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("resumed on cpu, after cuda:0, Imitation A: from here on the numbers agree"), "{out}");
}
