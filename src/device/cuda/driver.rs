//! The functions of NVIDIA's driver that are called, found by name when the first GPU is asked for.
//!
//! Bound here by hand because of what must not happen: a library or a function that is missing must not end the program, and
//! an error's number that came after this was written must stay a number.

use std::ffi::{CStr, c_char, c_uint, c_void};
use std::sync::OnceLock;

use libloading::Library;

use super::search;
use crate::device::no_gpu::{LEAST_DRIVER, NoGpu, Version};

/// What a call returns: 0, or the number of an error (`CUresult`).
pub type Code = i32;
/// Number of a device among the visible ones (`CUdevice`).
pub type DeviceId = i32;
/// `CUcontext`, `CUstream`, `CUmemoryPool`, `CUmodule`, `CUfunction`.
pub type Handle = *mut c_void;
/// Where something lies in a GPU's memory (`CUdeviceptr`).
pub type Address = u64;

macro_rules! functions {
    ($($symbol:ident($($argument:ty),*);)*) => {
        /// One field per function, named as NVIDIA does.
        #[allow(non_snake_case)]
        pub struct Driver {
            $(pub $symbol: unsafe extern "C" fn($($argument),*) -> Code,)*
        }

        impl Driver {
            /// The name of the first function that is missing.
            fn of(library: &'static Library) -> Result<Driver, &'static str> {
                Ok(Driver {
                    $($symbol: {
                        // SAFETY: the types are those of cuda.h.
                        let found = unsafe { library.get(concat!(stringify!($symbol), "\0").as_bytes()) };
                        *found.map_err(|_| stringify!($symbol))?
                    },)*
                })
            }
        }
    };
}

functions! {
    cuInit(c_uint);
    cuDriverGetVersion(*mut i32);
    cuGetErrorName(Code, *mut *const c_char);
    cuGetErrorString(Code, *mut *const c_char);
    cuDeviceGetCount(*mut i32);
    cuDeviceGet(*mut DeviceId, i32);
    cuDeviceGetName(*mut c_char, i32, DeviceId);
    cuDeviceGetUuid_v2(*mut [u8; 16], DeviceId);
    cuDeviceGetAttribute(*mut i32, i32, DeviceId);
    cuDeviceTotalMem_v2(*mut usize, DeviceId);
    cuDeviceGetDefaultMemPool(*mut Handle, DeviceId);
    cuDevicePrimaryCtxRetain(*mut Handle, DeviceId);
    cuDevicePrimaryCtxRelease_v2(DeviceId);
    cuCtxSetCurrent(Handle);
    cuCtxSynchronize();
    cuStreamCreate(*mut Handle, c_uint);
    cuStreamSynchronize(Handle);
    cuStreamDestroy_v2(Handle);
    cuMemPoolGetAttribute(Handle, i32, *mut c_void);
    cuMemPoolSetAttribute(Handle, i32, *mut c_void);
    cuMemPoolTrimTo(Handle, usize);
    cuMemGetInfo_v2(*mut usize, *mut usize);
    cuMemAllocAsync(*mut Address, usize, Handle);
    cuMemFreeAsync(Address, Handle);
    cuMemcpyHtoDAsync_v2(Address, *const c_void, usize, Handle);
    cuMemcpyDtoHAsync_v2(*mut c_void, Address, usize, Handle);
    cuMemcpyDtoDAsync_v2(Address, Address, usize, Handle);
    cuMemsetD8Async(Address, u8, usize, Handle);
    cuModuleLoadData(*mut Handle, *const c_void);
    cuModuleUnload(Handle);
    cuModuleGetFunction(*mut Handle, Handle, *const c_char);
    cuFuncGetAttribute(*mut i32, i32, Handle);
    cuFuncSetAttribute(Handle, i32, i32);
    cuLaunchKernel(
        Handle, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, Handle, *mut *mut c_void, *mut *mut c_void
    );
}

/// Numbers of errors that are told apart.
pub mod code {
    use super::Code;

    pub const OUT_OF_MEMORY: Code = 2;
    pub const DEVICE_UNAVAILABLE: Code = 46;
    pub const NO_DEVICE: Code = 100;
    pub const SYSTEM_DRIVER_MISMATCH: Code = 803;

    /// After these a context is dead, and with it all that was in the GPU's memory: a wrong address, a machine check, a
    /// device that fell off the bus, a driver that was taken away.
    pub const fn is_fatal(code: Code) -> bool {
        matches!(code, 4 | 46 | 101 | 201 | 214 | 220 | 226 | 700 | 702 | 709 | 710 | 714..=721 | 802 | 999)
    }
}

/// `CUdevice_attribute` and its like, as far as they are asked for.
pub mod attribute {
    pub const MULTIPROCESSORS: i32 = 16;
    pub const CAPABILITY_MAJOR: i32 = 75;
    pub const CAPABILITY_MINOR: i32 = 76;
    pub const SHARED_BYTES_PER_BLOCK_AT_MOST: i32 = 97;
    pub const MEMORY_POOLS: i32 = 115;

    pub const POOL_RELEASE_THRESHOLD: i32 = 4;
    pub const POOL_RESERVED: i32 = 5;
    pub const POOL_RESERVED_HIGH: i32 = 6;
    pub const POOL_USED: i32 = 7;
    pub const POOL_USED_HIGH: i32 = 8;

    pub const FUNCTION_THREADS_AT_MOST: i32 = 0;
    pub const FUNCTION_LOCAL_BYTES: i32 = 3;
    pub const FUNCTION_REGISTERS: i32 = 4;
    pub const FUNCTION_DYNAMIC_SHARED_AT_MOST: i32 = 8;
}

/// Where the driver may lie: by the system's search, and where Windows puts it under Linux.
const NAMES: [&str; 3] = ["libcuda.so.1", "libcuda.so", "/usr/lib/wsl/lib/libcuda.so.1"];

impl Driver {
    /// Opens and starts the driver, once.
    ///
    /// # Errors
    /// The driver is missing, too old, or does not start.
    pub fn get() -> Result<&'static Driver, NoGpu> {
        static OPENED: OnceLock<Result<Driver, NoGpu>> = OnceLock::new();
        OPENED.get_or_init(Driver::open).as_ref().map_err(Clone::clone)
    }

    fn open() -> Result<Driver, NoGpu> {
        let mut first = None;
        let bare = search::is_safe();
        let found = NAMES.iter().find_map(|name| {
            if !bare && !name.starts_with('/') {
                first.get_or_insert(search::UNSAFE.to_string());
                return None;
            }
            // SAFETY: NVIDIA's driver may be opened by any program.
            unsafe { Library::new(name) }.map_err(|e| first.get_or_insert(e.to_string()).clone()).ok()
        });
        let Some(library) = found else {
            return Err(NoGpu::NoDriver(first.unwrap_or_default()));
        };
        // It must not be closed: it has threads of its own.
        let library: &'static Library = Box::leak(Box::new(library));
        let driver = Driver::of(library).map_err(|missing| NoGpu::OldDriver(format!("it has no {missing}")))?;
        // SAFETY: as cuda.h asks, first of all.
        match unsafe { (driver.cuInit)(0) } {
            0 => {}
            code::NO_DEVICE => return Err(NoGpu::NoDevice(super::visible())),
            code::SYSTEM_DRIVER_MISMATCH => {
                return Err(NoGpu::NotStarted(
                    "the driver's library and its kernel module are of different versions; after an update of the \
                     driver the machine must be started again"
                        .into(),
                ));
            }
            other => return Err(NoGpu::NotStarted(driver.words(other))),
        }
        let version = driver.version();
        if version < LEAST_DRIVER {
            return Err(NoGpu::OldDriver(format!("it is for CUDA {version}")));
        }
        Ok(driver)
    }

    /// The newest CUDA that the driver knows.
    pub fn version(&self) -> Version {
        let mut packed = 0;
        // SAFETY: writes one number.
        let code = unsafe { (self.cuDriverGetVersion)(&raw mut packed) };
        let packed = if code == 0 { packed.unsigned_abs() } else { 0 };
        Version { major: packed / 1000, minor: packed % 1000 / 10 }
    }

    /// An error's number in words.
    pub fn words(&self, code: Code) -> String {
        let text = |ask: unsafe extern "C" fn(Code, *mut *const c_char) -> Code| {
            let mut found = std::ptr::null();
            // SAFETY: what is found is a text that stays.
            unsafe { (ask(code, &raw mut found) == 0 && !found.is_null()).then(|| CStr::from_ptr(found)) }
                .map(|t| t.to_string_lossy().into_owned())
        };
        match (text(self.cuGetErrorString), text(self.cuGetErrorName)) {
            (Some(words), Some(name)) => format!("{words} ({name})"),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => format!("error {code} of the driver"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn a_dead_context_is_told_from_a_refused_call() {
        assert!([700, 719, 999, 46].into_iter().all(code::is_fatal));
        let refused = [0, 1, code::OUT_OF_MEMORY, 209, 222, 400, 701];
        assert!(!refused.into_iter().any(code::is_fatal));
    }
}
