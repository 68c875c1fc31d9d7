//! NVRTC: CUDA C++ in, machine code for one kind of GPU out. Needs no GPU.

use std::ffi::{CStr, CString, c_char};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libloading::Library;

use super::search;
use super::source::Source;
use crate::device::no_gpu::Version;

#[derive(Clone, Debug, thiserror::Error)]
pub enum CompilerError {
    #[error(
        "the kernel compiler, NVRTC, is not to be found: it comes with CUDA's toolkit, with PyTorch, or by `pip install \
         nvidia-cuda-nvrtc-cu12`; set ZONAS_NVRTC to its library, libnvrtc.so.12 ({0})"
    )]
    Missing(String),
    #[error("{} is no kernel compiler: {reason}", path.display())]
    Unusable { path: PathBuf, reason: String },
    #[error(
        "the kernel compiler is of CUDA {version}, which has given up {target}; install an older one (CUDA 12 still has Volta)"
    )]
    Target { version: Version, target: String },
    #[error(
        "the kernel compiler is of CUDA {compiler}, and the driver only of {driver}; install a driver for {compiler}, or a \
         compiler of CUDA {} (`pip install nvidia-cuda-nvrtc-cu{}`)",
        driver.major, driver.major
    )]
    NewerThanDriver { compiler: Version, driver: Version },
    #[error("{name} does not compile for {target} with CUDA {version}:\n{log}")]
    Source { name: &'static str, target: String, version: Version, log: String },
    #[error("the kernel compiler failed on {name}: {reason}")]
    Broken { name: &'static str, reason: String },
}

/// What machine code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Machine code for this compute capability (`sm_80`).
    Machine(Version),
    /// PTX (`compute_80`), which the driver compiles on, for GPUs that are newer than the compiler.
    Portable(Version),
}

impl Target {
    /// As options and files call it.
    pub fn name(self) -> String {
        let (kind, Version { major, minor }) = match self {
            Target::Machine(v) => ("sm", v),
            Target::Portable(v) => ("compute", v),
        };
        format!("{kind}_{major}{minor}")
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// Machine code, or PTX and a closing 0: what the driver loads.
    pub image: Vec<u8>,
    /// Warnings, and what each kernel uses.
    pub log: String,
}

type Status = i32;
type Program = *mut std::ffi::c_void;
type Read = unsafe extern "C" fn(Program, *mut c_char) -> Status;
type Size = unsafe extern "C" fn(Program, *mut usize) -> Status;

/// The opened compiler.
pub struct Compiler {
    /// Where it was found.
    path: PathBuf,
    version: Version,
    /// What it can compile for, in rising order.
    known: Vec<Version>,
    create: unsafe extern "C" fn(
        *mut Program,
        *const c_char,
        *const c_char,
        i32,
        *const *const c_char,
        *const *const c_char,
    ) -> Status,
    compile: unsafe extern "C" fn(Program, i32, *const *const c_char) -> Status,
    destroy: unsafe extern "C" fn(*mut Program) -> Status,
    words: unsafe extern "C" fn(Status) -> *const c_char,
    log: (Size, Read),
    ptx: (Size, Read),
    machine: (Size, Read),
    /// Keeps the functions alive.
    _library: Library,
}

/// For every kernel alike. Results must not depend on a flag that a user could forget, so there are none to choose.
const OPTIONS: [&str; 3] = ["--std=c++14", "--ptxas-options=-v", "--restrict"];

fn options(source: &Source, target: Target) -> Vec<String> {
    let mut all: Vec<String> = OPTIONS.map(String::from).into();
    all.push(format!("--gpu-architecture={}", target.name()));
    all.extend(source.defines.iter().map(|(name, value)| format!("--define-macro={name}={value}")));
    all
}

/// With what a library's file name goes on.
const ENDINGS: [&str; 4] = ["so", "so.13", "so.12", "so.11.2"];

/// Files that could be the compiler: the named one, by the system's search, then where toolkits and Python's packages lie.
/// Variables that hold no absolute path name no place, since they would name another one in every folder.
fn candidates(variable: impl Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    let absolute = |name: &str| variable(name).filter(|at| at.is_absolute());
    if let Some(named) = variable("ZONAS_NVRTC") {
        return vec![named];
    }
    let mut folders: Vec<PathBuf> = vec![PathBuf::new()];
    for name in ["CUDA_HOME", "CUDA_PATH", "CUDA_ROOT"] {
        folders.extend(absolute(name).iter().flat_map(|at| [at.join("lib64"), at.join("lib")]));
    }
    for name in ["CONDA_PREFIX", "VIRTUAL_ENV"] {
        let Some(at) = absolute(name).map(|at| at.join("lib")) else { continue };
        let pythons = std::fs::read_dir(&at).into_iter().flatten().flatten().map(|e| e.path());
        let mut packages: Vec<PathBuf> =
            pythons.map(|p| p.join("site-packages/nvidia")).filter(|p| p.is_dir()).collect();
        packages.sort();
        folders.push(at);
        folders.extend(packages.iter().flat_map(|p| [p.join("cuda_nvrtc/lib"), p.join("cu13/lib")]));
    }
    folders.extend(["/usr/local/cuda/lib64", "/opt/cuda/lib64"].map(PathBuf::from));
    folders.iter().flat_map(|at| ENDINGS.iter().map(|end| at.join(format!("libnvrtc.{end}")))).collect()
}

impl Compiler {
    /// The compiler of this machine, opened once.
    ///
    /// # Errors
    /// None is found, or what is found is none.
    pub fn get() -> Result<&'static Compiler, CompilerError> {
        static OPENED: OnceLock<Result<Compiler, CompilerError>> = OnceLock::new();
        let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        OPENED.get_or_init(|| Compiler::find(&candidates(variable))).as_ref().map_err(Clone::clone)
    }

    fn find(candidates: &[PathBuf]) -> Result<Compiler, CompilerError> {
        let mut first = String::new();
        for path in candidates {
            // A path that is not there is not worth a word if another is.
            if path.components().count() > 1 && !path.exists() {
                if candidates.len() == 1 {
                    first = format!("{} does not exist", path.display());
                }
                continue;
            }
            let bare = path.components().count() == 1 && candidates.len() > 1;
            let refused = match bare {
                true => (!search::is_safe()).then(|| search::UNSAFE.to_string()),
                false => search::check(path).err(),
            };
            if let Some(why) = refused {
                first = if first.is_empty() { why } else { first };
                continue;
            }
            // SAFETY: NVIDIA's compiler may be opened by any program.
            match unsafe { Library::new(path) } {
                Ok(library) => return Compiler::of(library, path),
                Err(e) if first.is_empty() => first = e.to_string(),
                Err(_) => {}
            }
        }
        Err(CompilerError::Missing(first))
    }

    fn of(library: Library, path: &Path) -> Result<Compiler, CompilerError> {
        let unusable = |reason: String| CompilerError::Unusable { path: path.into(), reason };
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: the types are those of nvrtc.h.
                *unsafe { library.get(concat!($name, "\0").as_bytes()) }
                    .map_err(|_| unusable(format!("it has no {}, so it is older than CUDA 11.4", $name)))?
            };
        }
        let version: unsafe extern "C" fn(*mut i32, *mut i32) -> Status = function!("nvrtcVersion");
        let count: unsafe extern "C" fn(*mut i32) -> Status = function!("nvrtcGetNumSupportedArchs");
        let list: unsafe extern "C" fn(*mut i32) -> Status = function!("nvrtcGetSupportedArchs");
        let mut compiler = Compiler {
            path: path.into(),
            version: Version { major: 0, minor: 0 },
            known: Vec::new(),
            create: function!("nvrtcCreateProgram"),
            compile: function!("nvrtcCompileProgram"),
            destroy: function!("nvrtcDestroyProgram"),
            words: function!("nvrtcGetErrorString"),
            log: (function!("nvrtcGetProgramLogSize"), function!("nvrtcGetProgramLog")),
            ptx: (function!("nvrtcGetPTXSize"), function!("nvrtcGetPTX")),
            machine: (function!("nvrtcGetCUBINSize"), function!("nvrtcGetCUBIN")),
            _library: library,
        };
        let (mut major, mut minor, mut number) = (0, 0, 0);
        // SAFETY: each writes one number, the list as many as were counted.
        unsafe {
            if version(&raw mut major, &raw mut minor) != 0 || count(&raw mut number) != 0 {
                return Err(unusable("it does not tell its version".into()));
            }
            let mut known = vec![0; usize::try_from(number).unwrap_or(0).max(1)];
            if number > 0 && list(known.as_mut_ptr()) == 0 {
                compiler.known = known.iter().map(|n: &i32| packed(n.unsigned_abs())).collect();
            }
        }
        compiler.known.sort();
        compiler.version = Version { major: major.unsigned_abs(), minor: minor.unsigned_abs() };
        Ok(compiler)
    }

    pub fn version(&self) -> Version {
        self.version
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What to compile for, so that a GPU of this capability can run it.
    ///
    /// # Errors
    /// All that the compiler knows are newer.
    pub fn target(&self, capability: Version) -> Result<Target, CompilerError> {
        if self.known.contains(&capability) {
            return Ok(Target::Machine(capability));
        }
        let before = self.known.iter().rev().find(|v| **v <= capability);
        before
            .map(|v| Target::Portable(*v))
            .ok_or_else(|| CompilerError::Target { version: self.version, target: Target::Machine(capability).name() })
    }

    /// All that the result depends on besides the source's text, in words.
    pub fn key(&self, source: &Source, target: Target) -> String {
        format!("NVRTC {} {}", self.version, options(source, target).join(" "))
    }

    /// # Errors
    /// The source is at fault, with the compiler's log; or the compiler.
    pub fn compile(&self, source: &Source, target: Target) -> Result<Compiled, CompilerError> {
        let broken = |reason: String| CompilerError::Broken { name: source.name, reason };
        let text = |t: &str| CString::new(t).map_err(|_| broken("a text with a zero in it".into()));
        let (code, name) = (text(source.text)?, text(source.name)?);
        let options = options(source, target);
        let options: Vec<CString> = options.iter().map(|o| text(o)).collect::<Result<_, _>>()?;
        let options: Vec<*const c_char> = options.iter().map(|o| o.as_ptr()).collect();
        let mut program = Making { compiler: self, program: std::ptr::null_mut() };
        // SAFETY: the texts live until the program is made; no headers.
        let status = unsafe {
            let none = std::ptr::null();
            (self.create)(&raw mut program.program, code.as_ptr(), name.as_ptr(), 0, none, none)
        };
        if status != 0 {
            return Err(broken(self.words(status)));
        }
        // SAFETY: the options live through the call.
        let status = unsafe { (self.compile)(program.program, options.len() as i32, options.as_ptr()) };
        let log = program.read(self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).trim_end_matches('\0').trim().to_string();
        if status != 0 {
            let log = if log.is_empty() { self.words(status) } else { log };
            return Err(CompilerError::Source { name: source.name, target: target.name(), version: self.version, log });
        }
        let read = match target {
            Target::Machine(_) => self.machine,
            Target::Portable(_) => self.ptx,
        };
        let image = program.read(read).map_err(|status| broken(self.words(status)))?;
        if image.is_empty() {
            return Err(broken("it made nothing".into()));
        }
        Ok(Compiled { image, log })
    }

    fn words(&self, status: Status) -> String {
        // SAFETY: a text that stays.
        unsafe {
            let words = (self.words)(status);
            if words.is_null() { format!("error {status}") } else { CStr::from_ptr(words).to_string_lossy().into() }
        }
    }
}

/// `80` is 8.0, `120` is 12.0.
fn packed(number: u32) -> Version {
    Version { major: number / 10, minor: number % 10 }
}

struct Making<'a> {
    compiler: &'a Compiler,
    program: Program,
}

impl Making<'_> {
    fn read(&self, (size, read): (Size, Read)) -> Result<Vec<u8>, Status> {
        let mut bytes = 0;
        // SAFETY: the second writes as many bytes as the first has told.
        unsafe {
            match size(self.program, &raw mut bytes) {
                0 => {}
                status => return Err(status),
            }
            let mut text = vec![0u8; bytes];
            match read(self.program, text.as_mut_ptr().cast()) {
                0 => Ok(text),
                status => Err(status),
            }
        }
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        if !self.program.is_null() {
            // SAFETY: made by `create`, and not used any more.
            unsafe { (self.compiler.destroy)(&raw mut self.program) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_compiler_is_the_only_candidate() {
        let named = candidates(|name| (name == "ZONAS_NVRTC").then(|| "/a/libnvrtc.so".into()));
        assert_eq!(named, [PathBuf::from("/a/libnvrtc.so")]);
        let Err(CompilerError::Missing(why)) = Compiler::find(&named) else { panic!("found") };
        for relative in ["libnvrtc.so", "./libnvrtc.so", "a/libnvrtc.so"] {
            let Err(CompilerError::Missing(why)) = Compiler::find(&[relative.into()]) else { panic!("found") };
            assert!(why.contains("not an absolute path") || why.contains("does not exist"), "{why}");
        }
        assert_eq!(why, "/a/libnvrtc.so does not exist");
    }

    #[test]
    fn toolkits_and_pythons_are_searched() {
        let dir = tempfile::tempdir().unwrap();
        let package = dir.path().join("lib/python3.12/site-packages/nvidia/cuda_nvrtc/lib");
        std::fs::create_dir_all(&package).unwrap();
        let found = candidates(|name| match name {
            "CUDA_HOME" => Some("/toolkit".into()),
            "VIRTUAL_ENV" => Some(dir.path().into()),
            _ => None,
        });
        assert_eq!(found[0], PathBuf::from("libnvrtc.so"));
        let relative = candidates(|name| (name != "ZONAS_NVRTC").then(|| "here".into()));
        assert!(relative.iter().all(|p| p.is_absolute() || p.components().count() == 1), "{relative:?}");
        assert!(found.contains(&"/toolkit/lib64/libnvrtc.so.12".into()));
        assert!(found.contains(&package.join("libnvrtc.so.12")));
    }

    #[test]
    fn a_library_that_is_none_is_named() {
        // Any library that is surely there.
        let Ok(library) = (unsafe { Library::new("libc.so.6") }) else { return };
        let e = Compiler::of(library, Path::new("libc.so.6")).err().unwrap().to_string();
        assert!(e.starts_with("libc.so.6 is no kernel compiler: it has no nvrtcVersion"), "{e}");
    }
}
