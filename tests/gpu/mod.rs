//! The kernels' sources compiled as C++ and run on the processor by a process of their own: see `shim.cpp`.

use std::collections::BTreeMap;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use zonas::kernels::gpu::{Call, Gpu, GpuError, Launcher, SOURCE, THREADS};

/// How the sources are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(dead_code)]
pub enum Build {
    Fast,
    /// Every step outside of memory ends the process with a report.
    Checked,
    /// As `Checked`, for 16 columns alone, which compiles sooner.
    Narrow,
}

/// The compiler, if there is one that can do it.
fn compiler() -> Option<&'static str> {
    static FOUND: OnceLock<Option<&str>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        ["c++", "g++", "clang++"].into_iter().find(|c| {
            let mut command = Command::new(c);
            command.args(["-std=c++20", "-fsyntax-only", "-x", "c++", "-"]);
            let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
            child.is_ok_and(|mut child| {
                let wrote = child.stdin.take().is_some_and(|mut s| s.write_all(b"#include <coroutine>\n").is_ok());
                wrote && child.wait().is_ok_and(|s| s.success())
            })
        })
    })
}

/// Whether the kernels can be compiled here; says so if not.
pub fn available() -> bool {
    let found = compiler().is_some();
    if !found {
        println!("skipped: no C++ compiler with coroutines (g++ 11 or clang 15) on this machine");
    }
    found
}

/// What to try of a long list of wrong kernels, each of which takes seconds to compile: all with `ZONAS_LONG`, else one in six.
#[allow(dead_code)]
pub fn sample<T>(all: &[T]) -> impl Iterator<Item = &T> {
    let step = if std::env::var_os("ZONAS_LONG").is_some() { 1 } else { 6 };
    println!("{} of {} tried; ZONAS_LONG tries all", all.len().div_ceil(step), all.len());
    all.iter().step_by(step)
}

/// The kernels with one text in them for another, by [`sample`], with what to say where nobody sees that.
#[allow(dead_code)]
pub fn mutants(mutations: &[(&str, &str)]) -> Vec<(String, String)> {
    for (from, _) in mutations {
        assert!(SOURCE.contains(from), "`{from}` is not in the kernels");
    }
    let put = |(from, to): &(&str, &str)| (SOURCE.replacen(from, to, 1), format!("nobody sees `{to}` for `{from}`"));
    sample(mutations).map(put).collect()
}

/// Sources that are compiled: a folder that holds the program, as long as someone has it.
pub struct Program(Arc<tempfile::TempDir>);

impl Program {
    /// Other sources than the program's.
    #[allow(dead_code)]
    pub fn of(source: &str, build: Build) -> Program {
        Program(compile(source, build))
    }

    #[allow(dead_code)]
    pub fn start(&self, seed: u64) -> Arc<Shim> {
        Shim::start(self.0.clone(), seed)
    }
}

fn compile(source: &str, build: Build) -> Arc<tempfile::TempDir> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("kernels.inc"), source).unwrap();
    let shim = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gpu/shim.cpp");
    let mut command = Command::new(compiler().expect("asked for before"));
    command.args(["-std=c++20", "-w", "-ffp-contract=off", "-I"]).arg(folder.path());
    match build {
        Build::Fast => command.args(["-O2"]),
        Build::Checked => command.args(["-O1", "-g", "-fsanitize=address"]),
        Build::Narrow => command.args(["-O1", "-fsanitize=address", "-DNARROW"]),
    };
    let done = command.arg(shim).arg("-o").arg(folder.path().join("shim")).output().unwrap();
    assert!(done.status.success(), "the kernels do not compile:\n{}", String::from_utf8_lossy(&done.stderr));
    Arc::new(folder)
}

/// The sources as they are, compiled once for all tests of a process.
fn compiled(build: Build) -> Arc<tempfile::TempDir> {
    static DONE: Mutex<BTreeMap<Build, Arc<tempfile::TempDir>>> = Mutex::new(BTreeMap::new());
    let mut done = DONE.lock().unwrap_or_else(PoisonError::into_inner);
    done.entry(build).or_insert_with(|| compile(SOURCE, build)).clone()
}

struct Pipes {
    child: Child,
    to: BufWriter<ChildStdin>,
    from: BufReader<ChildStdout>,
}

/// A device that the processor imitates.
pub struct Shim {
    pipes: Mutex<Pipes>,
    log: PathBuf,
    program: Arc<tempfile::TempDir>,
}

impl Shim {
    /// `seed` shuffles the order of a block's threads.
    pub fn new(build: Build, seed: u64) -> Arc<Shim> {
        Shim::start(compiled(build), seed)
    }

    fn start(program: Arc<tempfile::TempDir>, seed: u64) -> Arc<Shim> {
        let log = tempfile::NamedTempFile::new_in(program.path()).unwrap().into_temp_path().keep().unwrap();
        let mut child = Command::new(program.path().join("shim"))
            .arg(seed.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let to = BufWriter::new(child.stdin.take().unwrap());
        let from = BufReader::new(child.stdout.take().unwrap());
        Arc::new(Shim { pipes: Mutex::new(Pipes { child, to, from }), log, program })
    }

    /// What the process said before it ended, in short.
    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().filter(|l| l.contains("ERROR") || l.contains("#0 ")).take(2).collect::<Vec<_>>().join(" ")
    }

    fn talk<T>(&self, work: impl FnOnce(&mut Pipes) -> std::io::Result<T>) -> Result<T, String> {
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut pipes).map_err(|e| {
            let _ = pipes.child.wait();
            format!("{e}: {}", self.last_words())
        })
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        let pipes = self.pipes.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = pipes.child.kill();
        let _ = pipes.child.wait();
    }
}

/// A command and its numbers.
fn send(pipes: &mut Pipes, command: u8, numbers: &[u64]) -> std::io::Result<()> {
    pipes.to.write_all(&[command])?;
    numbers.iter().try_for_each(|n| pipes.to.write_all(&n.to_ne_bytes()))
}

impl Launcher for Shim {
    fn allocate(&self, bytes: usize) -> Result<u64, GpuError> {
        let got = self.talk(|p| {
            send(p, b'a', &[bytes as u64])?;
            p.to.flush()?;
            let mut address = [0; 8];
            p.from.read_exact(&mut address)?;
            Ok(u64::from_ne_bytes(address))
        });
        got.map_err(|detail| GpuError::Memory { bytes: bytes as u64, detail })
    }

    fn release(&self, address: u64, _: usize) {
        let _ = self.talk(|p| send(p, b'f', &[address]));
    }

    fn clear(&self, address: u64, bytes: usize) -> Result<(), GpuError> {
        self.talk(|p| send(p, b'c', &[address, bytes as u64])).map_err(GpuError::Copy)
    }

    fn copy(&self, from: u64, to: u64, bytes: usize) -> Result<(), GpuError> {
        self.talk(|p| send(p, b'm', &[from, to, bytes as u64])).map_err(GpuError::Copy)
    }

    fn upload(&self, to: u64, bytes: &[u8]) -> Result<(), GpuError> {
        let sent = self.talk(|p| {
            send(p, b'u', &[to, bytes.len() as u64])?;
            p.to.write_all(bytes)
        });
        sent.map_err(GpuError::Copy)
    }

    fn download(&self, from: u64, bytes: &mut [u8]) -> Result<(), GpuError> {
        let got = self.talk(|p| {
            send(p, b'd', &[from, bytes.len() as u64])?;
            p.to.flush()?;
            p.from.read_exact(bytes)
        });
        got.map_err(GpuError::Copy)
    }

    fn launch(&self, call: &Call) -> Result<(), GpuError> {
        let name = call.kernel.name();
        let answer = self.talk(|p| {
            send(p, b'l', &[])?;
            p.to.write_all(&(name.len() as u32).to_ne_bytes())?;
            p.to.write_all(name.as_bytes())?;
            let arguments = call.arguments.bytes();
            let [x, y, z] = call.grid;
            for n in [call.columns.count() as u32, x, y, z, THREADS, call.shared, arguments.len() as u32] {
                p.to.write_all(&n.to_ne_bytes())?;
            }
            p.to.write_all(arguments)?;
            p.to.flush()?;
            let mut length = [0; 4];
            p.from.read_exact(&mut length)?;
            let mut text = vec![0; u32::from_ne_bytes(length) as usize];
            p.from.read_exact(&mut text)?;
            Ok(String::from_utf8_lossy(&text).into_owned())
        });
        match answer {
            Ok(fault) if fault.is_empty() => Ok(()),
            Ok(detail) | Err(detail) => Err(GpuError::Launch { kernel: name, detail }),
        }
    }

    /// Another process, so that memory of the one is none of the other's.
    fn beside(&self) -> Result<Option<Gpu>, GpuError> {
        Ok(Some(Shim::start(self.program.clone(), 7)))
    }
}
