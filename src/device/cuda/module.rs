//! Kernels of one source, compiled for a GPU, loaded and launched.

use std::ffi::{CString, c_void};
use std::sync::Arc;

use super::cache::Cache;
use super::compiler::{Compiler, CompilerError};
use super::driver::{Handle, attribute};
use super::error::GpuError;
use super::gpu::Gpu;
use super::source::Source;

/// The loaded kernels of a [`Source`].
pub struct Module {
    gpu: Arc<Gpu>,
    handle: Handle,
    name: &'static str,
}

// SAFETY: as for `Gpu`.
unsafe impl Send for Module {}
unsafe impl Sync for Module {}

impl Module {
    /// Compiles the source for this kind of GPU, or takes what was compiled before, and loads it.
    ///
    /// # Errors
    /// There is no compiler or it is newer than the driver; the source does not compile; the driver refuses the code.
    pub fn load(gpu: &Arc<Gpu>, source: &Source) -> Result<Arc<Module>, GpuError> {
        let compiler = Compiler::get()?;
        let driver_version = gpu.driver().version();
        if compiler.version().major > driver_version.major {
            let versions = CompilerError::NewerThanDriver { compiler: compiler.version(), driver: driver_version };
            return Err(versions.into());
        }
        let target = compiler.target(gpu.seen().capability)?;
        let key = compiler.key(source, target);
        let cache = Cache::of_user();
        if let Some(image) = cache.as_ref().and_then(|c| c.get(source, &key))
            && let Ok(module) = Module::of(gpu, source, &image)
        {
            return Ok(module);
        }
        let compiled = compiler.compile(source, target)?;
        if let Some(Err(e)) = cache.map(|c| c.put(source, &key, &compiled.image)) {
            gpu.warn(format!("compiled kernels can't be kept for the next start: {e}"));
        }
        Module::of(gpu, source, &compiled.image)
    }

    fn of(gpu: &Arc<Gpu>, source: &Source, image: &[u8]) -> Result<Arc<Module>, GpuError> {
        let driver = gpu.enter()?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: the image is whole: it was just made, or is the same as when it was.
        match unsafe { (driver.cuModuleLoadData)(&raw mut handle, image.as_ptr().cast()) } {
            0 => Ok(Arc::new(Module { gpu: gpu.clone(), handle, name: source.name })),
            code => {
                let reason = driver.words(code);
                Err(GpuError::Load { device: gpu.label(), source_name: source.name, reason })
            }
        }
    }

    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    /// A kernel by its name, which may ask for `shared_bytes` of dynamic shared memory.
    ///
    /// # Errors
    /// There is none of that name, or the GPU has not so much.
    pub fn function(self: &Arc<Self>, name: &'static str, shared_bytes: u32) -> Result<Function, GpuError> {
        let driver = self.gpu.enter()?;
        let has = self.gpu.seen().shared_bytes;
        let too_large = |needs: String, has: String| GpuError::TooLarge {
            device: self.gpu.label(),
            kernel: name.into(),
            needs,
            has,
        };
        if shared_bytes > has {
            let bytes = |n: u32| format!("{n} bytes of shared memory");
            return Err(too_large(bytes(shared_bytes), has.to_string()));
        }
        let what = format!("kernel {name} of {}", self.name);
        let text = CString::new(name).unwrap_or_default();
        let mut handle = std::ptr::null_mut();
        // SAFETY: the module is alive; each call writes one value.
        let (mut threads, mut registers, mut local) = (0, 0, 0);
        unsafe {
            self.gpu.check(&what, (driver.cuModuleGetFunction)(&raw mut handle, self.handle, text.as_ptr()))?;
            for (which, value) in [
                (attribute::FUNCTION_THREADS_AT_MOST, &raw mut threads),
                (attribute::FUNCTION_REGISTERS, &raw mut registers),
                (attribute::FUNCTION_LOCAL_BYTES, &raw mut local),
            ] {
                self.gpu.check(&what, (driver.cuFuncGetAttribute)(value, which, handle))?;
            }
            // More than every GPU gives has to be asked for.
            if shared_bytes > 48 << 10 {
                let which = attribute::FUNCTION_DYNAMIC_SHARED_AT_MOST;
                self.gpu.check(&what, (driver.cuFuncSetAttribute)(handle, which, shared_bytes as i32))?;
            }
        }
        Ok(Function {
            module: self.clone(),
            handle,
            name,
            threads: threads.unsigned_abs(),
            registers: registers.unsigned_abs(),
            local_bytes: local.unsigned_abs(),
        })
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        if let Ok(driver) = self.gpu.enter() {
            // SAFETY: no function is left: they hold on to it.
            unsafe { (driver.cuModuleUnload)(self.handle) };
        }
    }
}

/// A kernel that can be launched.
#[derive(Clone)]
pub struct Function {
    module: Arc<Module>,
    handle: Handle,
    name: &'static str,
    /// Threads of a block at most, because of the registers that each takes.
    pub threads: u32,
    /// Per thread.
    pub registers: u32,
    /// Per thread, in slow memory: arrays and what did not fit into registers.
    pub local_bytes: u32,
}

// SAFETY: as for `Module`.
unsafe impl Send for Function {}
unsafe impl Sync for Function {}

/// The size of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Blocks in x, y, z.
    pub grid: [u32; 3],
    /// Threads of each.
    pub block: [u32; 3],
    /// Dynamic shared memory of each.
    pub shared_bytes: u32,
}

impl Function {
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Has the kernel run on this GPU, the module's or one beside it, after all that was asked of that before. It takes one argument, a structure, given as its bytes.
    ///
    /// # Safety
    /// The bytes are the structure that the kernel declares, and what its addresses point to has all that the kernel reads
    /// and writes. Memory may be given back at once: that is done in order, too.
    ///
    /// # Errors
    /// A block is too large for the kernel, or the launch is refused. What goes wrong while it runs is told later, by a copy
    /// to the host or [`Gpu::synchronize`].
    pub unsafe fn launch(&self, gpu: &Gpu, size: Launch, argument: &[u8]) -> Result<(), GpuError> {
        debug_assert_eq!(gpu.seen().id, self.module.gpu().seen().id, "a kernel of another GPU");
        let [x, y, z] = size.block;
        let threads = u64::from(x) * u64::from(y) * u64::from(z);
        if threads > u64::from(self.threads) {
            return Err(GpuError::TooLarge {
                device: gpu.label(),
                kernel: self.name.into(),
                needs: format!("{threads} threads per block"),
                has: format!("{} for it, with {} registers each", self.threads, self.registers),
            });
        }
        if size.grid.contains(&0) {
            // Nothing to do, which the driver would refuse.
            return Ok(());
        }
        let driver = gpu.enter()?;
        let mut places: [*mut c_void; 1] = [argument.as_ptr().cast_mut().cast()];
        let ([gx, gy, gz], extra) = (size.grid, std::ptr::null_mut());
        // SAFETY: the caller's promise; the driver reads the argument before it returns.
        let code = unsafe {
            let (places, stream) = (places.as_mut_ptr(), gpu.stream());
            (driver.cuLaunchKernel)(self.handle, gx, gy, gz, x, y, z, size.shared_bytes, stream, places, extra)
        };
        gpu.check(self.name, code)
    }
}
