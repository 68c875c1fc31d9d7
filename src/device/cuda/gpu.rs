//! One GPU: its context, the stream that all work goes through in order, and its pool of memory.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::driver::{Address, Code, Driver, Handle, attribute, code};
use super::{GpuError, Nvml, Seen};
use crate::device::{DeviceMeters, MachineMemory, NoGpu};

/// A GPU that is at work for this process. Work is done in the order in which it was asked for, after the call returns;
/// only [`Gpu::synchronize`] and copies to the host wait for it.
pub struct Gpu {
    driver: &'static Driver,
    seen: Seen,
    context: Handle,
    stream: Handle,
    pool: Handle,
    nvml: Option<Nvml>,
    /// Shared with those beside it.
    warnings: Arc<Mutex<Vec<String>>>,
    full: Arc<AtomicBool>,
}

// SAFETY: the driver's handles may be used by any thread that has made the context its own, which every call here does.
unsafe impl Send for Gpu {}
unsafe impl Sync for Gpu {}

impl Gpu {
    /// Takes a GPU to work on: `cuda:ordinal`, or the one with most free memory that lets itself be used.
    ///
    /// # Errors
    /// Why none, or not this one, can be used.
    pub fn open(ordinal: Option<usize>) -> Result<Arc<Gpu>, NoGpu> {
        let driver = Driver::get()?;
        let nvml = Nvml::open();
        let mut all = super::seen(driver, nvml.as_ref())?;
        if let Some(ordinal) = ordinal {
            let count = all.len();
            let found = all.into_iter().nth(ordinal);
            let Some(seen) = found else {
                return Err(NoGpu::NoSuch { ordinal, count, visible: super::visible() });
            };
            return Gpu::take(driver, seen?, nvml);
        }
        let free = |s: &Result<Seen, NoGpu>| s.as_ref().map_or(0, Seen::likely_free_bytes);
        // Stable: the first of equals.
        all.sort_by_key(|s| std::cmp::Reverse(free(s)));
        let mut refused = Vec::new();
        for seen in all {
            match seen.and_then(|seen| Gpu::take(driver, seen, Nvml::open())) {
                Ok(gpu) => return Ok(gpu),
                Err(e) => refused.push(e),
            }
        }
        if refused.len() == 1 { Err(refused.remove(0)) } else { Err(NoGpu::NoneUsable(refused)) }
    }

    fn take(driver: &'static Driver, seen: Seen, nvml: Option<Nvml>) -> Result<Arc<Gpu>, NoGpu> {
        let name = seen.name.clone();
        let checked = |code: Code| match code {
            0 => Ok(()),
            code::DEVICE_UNAVAILABLE => Err(NoGpu::Busy { name: name.clone() }),
            code::OUT_OF_MEMORY => Err(NoGpu::Unusable {
                name: name.clone(),
                reason: "other programs have taken all of its memory".into(),
            }),
            code => Err(NoGpu::Unusable { name: name.clone(), reason: driver.words(code) }),
        };
        let mut context = std::ptr::null_mut();
        // SAFETY: a device that the driver named.
        checked(unsafe { (driver.cuDevicePrimaryCtxRetain)(&raw mut context, seen.id) })?;
        let none = std::ptr::null_mut();
        // From here on it is given back when it is dropped.
        let mut gpu = Gpu {
            driver,
            seen,
            context,
            stream: none,
            pool: none,
            nvml,
            warnings: Arc::default(),
            full: Arc::default(),
        };
        // SAFETY: the context is alive; a stream that does not wait for the one that all programs share; the pool is the
        // device's own, whose pages of this process stay (all bits set) until they are asked back.
        unsafe {
            checked((driver.cuCtxSetCurrent)(context))?;
            checked((driver.cuStreamCreate)(&raw mut gpu.stream, 1))?;
            checked((driver.cuDeviceGetDefaultMemPool)(&raw mut gpu.pool, gpu.seen.id))?;
            let mut threshold = u64::MAX;
            checked((driver.cuMemPoolSetAttribute)(
                gpu.pool,
                attribute::POOL_RELEASE_THRESHOLD,
                (&raw mut threshold).cast(),
            ))?;
        }
        Ok(Arc::new(gpu))
    }

    /// The same GPU with a stream of its own: work that is asked of it goes on beside work that is asked of this one, in no
    /// order, so neither may use what the other has allocated. It begins when all that was asked for before is done.
    ///
    /// # Errors
    /// The device is lost, or has no room for another stream.
    pub fn beside(&self) -> Result<Arc<Gpu>, GpuError> {
        self.synchronize()?;
        let driver = self.enter()?;
        let mut context = std::ptr::null_mut();
        // SAFETY: counts one more who uses the context, which is given back when this is dropped.
        self.check("a context", unsafe { (driver.cuDevicePrimaryCtxRetain)(&raw mut context, self.seen.id) })?;
        let mut gpu = Gpu {
            driver,
            seen: self.seen.clone(),
            context,
            stream: std::ptr::null_mut(),
            pool: self.pool,
            nvml: None,
            warnings: self.warnings.clone(),
            full: self.full.clone(),
        };
        // SAFETY: the context is this thread's own; as in `take`.
        self.check("a stream", unsafe { (driver.cuStreamCreate)(&raw mut gpu.stream, 1) })?;
        Ok(Arc::new(gpu))
    }

    /// What the driver says of it.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// `cuda:0, NVIDIA A100-SXM4-80GB`.
    pub fn label(&self) -> String {
        format!("cuda:{}, {}", self.seen.id, self.seen.name)
    }

    pub(super) fn warn(&self, text: String) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    /// What the person at the program should know, and what has not been asked for yet.
    pub fn warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether memory has run out since this was last asked. Errors pass through layers that keep only their words.
    pub fn was_full(&self) -> bool {
        self.full.swap(false, Ordering::SeqCst)
    }

    pub(super) fn driver(&self) -> &'static Driver {
        self.driver
    }

    pub(super) fn stream(&self) -> Handle {
        self.stream
    }

    /// Makes the context this thread's own: every call of the driver needs that.
    pub(super) fn enter(&self) -> Result<&'static Driver, GpuError> {
        // SAFETY: the context is alive as long as `self`.
        self.check("a context", unsafe { (self.driver.cuCtxSetCurrent)(self.context) })?;
        Ok(self.driver)
    }

    pub(super) fn check(&self, what: &str, code: Code) -> Result<(), GpuError> {
        if code == 0 {
            return Ok(());
        }
        let (device, what, reason) = (self.label(), what.to_string(), self.driver.words(code));
        Err(if code::is_fatal(code) {
            GpuError::Lost { device, what, reason }
        } else {
            GpuError::Refused { device, what, reason }
        })
    }

    /// Waits until all that was asked for is done.
    ///
    /// # Errors
    /// What went wrong on the device since the last time.
    pub fn synchronize(&self) -> Result<(), GpuError> {
        let driver = self.enter()?;
        // SAFETY: the stream is alive as long as `self`.
        self.check("work", unsafe { (driver.cuStreamSynchronize)(self.stream) })
    }

    /// Bytes that are free on the device, and all that it has: for this process, so of its slice where it is sliced.
    ///
    /// # Errors
    /// The device is lost.
    pub fn memory(&self) -> Result<(u64, u64), GpuError> {
        let driver = self.enter()?;
        let (mut free, mut total) = (0usize, 0usize);
        // SAFETY: writes two numbers.
        self.check("its memory", unsafe { (driver.cuMemGetInfo_v2)(&raw mut free, &raw mut total) })?;
        Ok((free as u64, total as u64))
    }

    fn pool_attribute(&self, which: i32) -> Result<u64, GpuError> {
        let driver = self.enter()?;
        let mut value = 0u64;
        // SAFETY: these attributes are 64 bits wide.
        let code = unsafe { (driver.cuMemPoolGetAttribute)(self.pool, which, (&raw mut value).cast()) };
        self.check("the use of its memory", code).map(|()| value)
    }

    /// `None` from a device that is lost.
    pub fn meters(&self) -> Option<DeviceMeters> {
        let (free_bytes, total_bytes) = self.memory().ok()?;
        let told = self.nvml.as_ref().and_then(|nvml| nvml.of(&self.seen.uuid));
        let reserved = self.pool_attribute(attribute::POOL_RESERVED).ok()?;
        Some(DeviceMeters {
            used_bytes: self.pool_attribute(attribute::POOL_USED).ok()?,
            peak_bytes: self.pool_attribute(attribute::POOL_USED_HIGH).ok()?,
            reserved_peak_bytes: self.pool_attribute(attribute::POOL_RESERVED_HIGH).ok()?,
            total_bytes,
            free_bytes,
            others_bytes: told.map(|t| t.used_bytes.saturating_sub(t.own_bytes.unwrap_or(reserved))),
            busy: told.and_then(|t| t.busy),
            temperature: told.and_then(|t| t.temperature),
            watts: told.and_then(|t| t.watts),
        })
    }

    /// What this process could still take: free on the device, or kept by its own pool.
    pub fn available(&self) -> Option<MachineMemory> {
        let (free, total_bytes) = self.memory().ok()?;
        let kept = self.pool_attribute(attribute::POOL_RESERVED).ok()?;
        let kept = kept.saturating_sub(self.pool_attribute(attribute::POOL_USED).ok()?);
        Some(MachineMemory { total_bytes, available_bytes: free + kept })
    }

    /// Lets the peaks begin again at what is in use now.
    pub fn restart_peak(&self) {
        let Ok(driver) = self.enter() else { return };
        for which in [attribute::POOL_USED_HIGH, attribute::POOL_RESERVED_HIGH] {
            let mut zero = 0u64;
            // SAFETY: these attributes are 64 bits wide, and 0 is what may be written. A device that is lost has no peak.
            unsafe { (driver.cuMemPoolSetAttribute)(self.pool, which, (&raw mut zero).cast()) };
        }
    }

    /// Gives memory that is kept and not in use back to the device, once all work is done: others may want it.
    pub fn release(&self) {
        let Ok(driver) = self.enter() else { return };
        // SAFETY: the context is this thread's own, and the pool is the device's own. A device that is lost keeps nothing.
        unsafe {
            (driver.cuCtxSynchronize)();
            (driver.cuMemPoolTrimTo)(self.pool, 0);
        }
    }

    /// Takes memory from the pool: its address, good for numbers of any kind. What lies in it is not known.
    ///
    /// # Errors
    /// There is not so much, or the device is lost.
    pub fn allocate(&self, bytes: usize) -> Result<Address, GpuError> {
        let driver = self.enter()?;
        let mut address = 0;
        // The driver refuses to give nothing. SAFETY: writes an address.
        let mut ask = || unsafe { (driver.cuMemAllocAsync)(&raw mut address, bytes.max(1), self.stream) };
        let mut code = ask();
        if code == code::OUT_OF_MEMORY {
            // Pages that were kept may lie badly for a large piece, and what others beside this one have given back is free
            // when their work is done: the pages go back to the device, once all work is.
            // SAFETY: the context is this thread's own.
            self.check("work", unsafe { (driver.cuCtxSynchronize)() })?;
            // SAFETY: the pool is the device's own.
            self.check("its memory back", unsafe { (driver.cuMemPoolTrimTo)(self.pool, 0) })?;
            code = ask();
        }
        if code == code::OUT_OF_MEMORY {
            self.full.store(true, Ordering::SeqCst);
            let (free, total) = self.memory()?;
            let own = self.pool_attribute(attribute::POOL_USED)?;
            return Err(GpuError::OutOfMemory { device: self.label(), asked: bytes as u64, own, free, total });
        }
        self.check("memory", code).map(|()| address)
    }

    /// Gives memory back, for what is asked for from now on. A device that is lost has nothing to give back.
    ///
    /// # Safety
    /// The address came from [`Gpu::allocate`], and nothing asked for from now on uses it.
    pub unsafe fn free(&self, address: Address) {
        if let Ok(driver) = self.enter() {
            unsafe { (driver.cuMemFreeAsync)(address, self.stream) };
        }
    }

    /// Sets bytes to 0, in order.
    ///
    /// # Safety
    /// So many bytes are allocated there.
    ///
    /// # Errors
    /// The device is lost.
    pub unsafe fn clear(&self, address: Address, bytes: usize) -> Result<(), GpuError> {
        let driver = self.enter()?;
        if bytes == 0 {
            return Ok(());
        }
        let code = unsafe { (driver.cuMemsetD8Async)(address, 0, bytes, self.stream) };
        self.check("zeros", code)
    }

    /// Copies to the device, in order. The bytes may be changed as soon as this returns: what is not pinned, the driver
    /// copies aside first.
    ///
    /// # Safety
    /// There is room for all of them.
    ///
    /// # Errors
    /// The device is lost.
    pub unsafe fn upload(&self, to: Address, from: &[u8]) -> Result<(), GpuError> {
        let driver = self.enter()?;
        if from.is_empty() {
            return Ok(());
        }
        let code = unsafe { (driver.cuMemcpyHtoDAsync_v2)(to, from.as_ptr().cast(), from.len(), self.stream) };
        self.check("a copy to it", code)
    }

    /// Copies to the host, and waits for that and for all that was asked for before.
    ///
    /// # Safety
    /// As much is allocated there.
    ///
    /// # Errors
    /// What went wrong in that work.
    pub unsafe fn download(&self, to: &mut [u8], from: Address) -> Result<(), GpuError> {
        let driver = self.enter()?;
        if !to.is_empty() {
            let code = unsafe { (driver.cuMemcpyDtoHAsync_v2)(to.as_mut_ptr().cast(), from, to.len(), self.stream) };
            self.check("a copy from it", code)?;
        }
        self.synchronize()
    }

    /// Copies on the device, in order.
    ///
    /// # Safety
    /// So many bytes are allocated at both, and they do not overlap.
    ///
    /// # Errors
    /// The device is lost.
    pub unsafe fn copy(&self, to: Address, from: Address, bytes: usize) -> Result<(), GpuError> {
        let driver = self.enter()?;
        if bytes == 0 {
            return Ok(());
        }
        let code = unsafe { (driver.cuMemcpyDtoDAsync_v2)(to, from, bytes, self.stream) };
        self.check("a copy", code)
    }
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Gpu").field(&self.label()).finish()
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        let driver = self.driver;
        // SAFETY: nothing that this GPU made is left: buffers and modules hold on to it. Errors can't be told any more.
        unsafe {
            (driver.cuCtxSetCurrent)(self.context);
            if !self.stream.is_null() {
                (driver.cuStreamSynchronize)(self.stream);
                (driver.cuStreamDestroy_v2)(self.stream);
            }
            (driver.cuDevicePrimaryCtxRelease_v2)(self.seen.id);
        }
    }
}
