//! A real GPU.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Call, Columns, GpuError, Kernel, Launcher, MOST_SHARED, SOURCE, THREADS};
use crate::device::cuda::{Function, Gpu, GpuError as Fault, Launch, Module, Source};

/// The sources for so many columns.
pub const fn source(columns: Columns) -> Source {
    let defines: &[(&str, u32)] = match columns {
        Columns::C16 => &[("COLUMNS", 16)],
        Columns::C32 => &[("COLUMNS", 32)],
        Columns::C64 => &[("COLUMNS", 64)],
    };
    Source { name: "zonas.cu", text: SOURCE, defines }
}

/// The kernels on a GPU, compiled when they are first needed.
pub struct Cuda {
    gpu: Arc<Gpu>,
    functions: Arc<Mutex<Functions>>,
}

type Functions = BTreeMap<Columns, BTreeMap<Kernel, Function>>;

impl From<Fault> for GpuError {
    fn from(e: Fault) -> GpuError {
        GpuError::Device(Box::new(e))
    }
}

impl Cuda {
    /// Compiles the kernels that every network needs, so that whatever is in the way shows at once.
    ///
    /// # Errors
    /// There is no compiler, the kernels do not compile, the device refuses them.
    pub fn new(gpu: &Arc<Gpu>) -> Result<Cuda, GpuError> {
        let cuda = Cuda { gpu: gpu.clone(), functions: Arc::default() };
        cuda.function(Kernel::Mix, Columns::C16)?;
        Ok(cuda)
    }

    fn function(&self, kernel: Kernel, columns: Columns) -> Result<Function, GpuError> {
        let mut functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = functions.get(&columns).and_then(|f| f.get(&kernel)) {
            return Ok(found.clone());
        }
        let module = Module::load(&self.gpu, &source(columns))?;
        let all = Kernel::ALL
            .into_iter()
            .map(|k| Ok((k, module.function(k.name(), MOST_SHARED)?)))
            .collect::<Result<BTreeMap<_, _>, Fault>>()?;
        let found = all[&kernel].clone();
        functions.insert(columns, all);
        Ok(found)
    }
}

impl Launcher for Cuda {
    fn allocate(&self, bytes: usize) -> Result<u64, GpuError> {
        Ok(self.gpu.allocate(bytes)?)
    }

    fn release(&self, address: u64, _: usize) {
        // SAFETY: only `Buffer` calls this, with its own address when nobody can ask for more of it.
        unsafe { self.gpu.free(address) }
    }

    fn clear(&self, address: u64, bytes: usize) -> Result<(), GpuError> {
        // SAFETY: the passes clear what they have allocated; the recorder checks that in tests.
        Ok(unsafe { self.gpu.clear(address, bytes) }?)
    }

    fn copy(&self, from: u64, to: u64, bytes: usize) -> Result<(), GpuError> {
        // SAFETY: as for `clear`.
        Ok(unsafe { self.gpu.copy(to, from, bytes) }?)
    }

    fn upload(&self, to: u64, bytes: &[u8]) -> Result<(), GpuError> {
        // SAFETY: as for `clear`.
        Ok(unsafe { self.gpu.upload(to, bytes) }?)
    }

    fn download(&self, from: u64, bytes: &mut [u8]) -> Result<(), GpuError> {
        // SAFETY: as for `clear`.
        Ok(unsafe { self.gpu.download(bytes, from) }?)
    }

    fn launch(&self, call: &Call) -> Result<(), GpuError> {
        let function = self.function(call.kernel, call.columns)?;
        let size = Launch { grid: call.grid, block: [THREADS, 1, 1], shared_bytes: call.shared };
        // SAFETY: `launch.rs` pairs kernels with their structures; the recorder checks every address in tests.
        Ok(unsafe { function.launch(&self.gpu, size, call.arguments.bytes()) }?)
    }

    fn joins(&self) -> bool {
        true
    }

    fn beside(&self) -> Result<Option<super::Gpu>, GpuError> {
        Ok(Some(Arc::new(Cuda { gpu: self.gpu.beside()?, functions: self.functions.clone() })))
    }
}
