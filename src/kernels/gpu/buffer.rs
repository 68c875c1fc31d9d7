//! A GPU's memory, given back when its last owner goes.

use std::sync::Arc;

use super::{Gpu, GpuError, Precision};

/// What was asked of a device at once.
struct Memory {
    gpu: Gpu,
    address: u64,
    bytes: usize,
}

impl Memory {
    fn new(gpu: &Gpu, bytes: usize) -> Result<Arc<Memory>, GpuError> {
        Ok(Arc::new(Memory { gpu: gpu.clone(), address: gpu.allocate(bytes)?, bytes }))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.gpu.release(self.address, self.bytes);
    }
}

/// Numbers in a device's memory, given back when dropped.
pub struct Buffer {
    memory: Arc<Memory>,
    address: u64,
    bytes: usize,
    precision: Precision,
}

impl Buffer {
    /// `len` float32 numbers of no particular value.
    ///
    /// # Errors
    /// [`GpuError::Memory`].
    pub fn new(gpu: &Gpu, len: usize) -> Result<Buffer, GpuError> {
        Buffer::map(gpu, len, Precision::Float32)
    }

    /// The same, of numbers as maps have them.
    ///
    /// # Errors
    /// As [`Buffer::new`].
    pub fn map(gpu: &Gpu, len: usize, precision: Precision) -> Result<Buffer, GpuError> {
        let bytes = precision.bytes() * len.max(1);
        let memory = Memory::new(gpu, bytes)?;
        Ok(Buffer { address: memory.address, memory, bytes, precision })
    }

    /// `count` of these that are dropped together: where the device joins them, the memory is given back with the last.
    ///
    /// # Errors
    /// As [`Buffer::new`].
    pub fn maps(gpu: &Gpu, len: usize, precision: Precision, count: usize) -> Result<Vec<Buffer>, GpuError> {
        if !gpu.joins() || count == 0 {
            return (0..count).map(|_| Buffer::map(gpu, len, precision)).collect();
        }
        let bytes = precision.bytes() * len.max(1);
        let memory = Memory::new(gpu, count * bytes)?;
        let part = |i: usize| {
            let address = memory.address + (i * bytes) as u64;
            Buffer { memory: memory.clone(), address, bytes, precision }
        };
        Ok((0..count).map(part).collect())
    }

    /// # Errors
    /// As [`Buffer::new`].
    pub fn zeros(gpu: &Gpu, len: usize) -> Result<Buffer, GpuError> {
        let buffer = Buffer::new(gpu, len)?;
        gpu.clear(buffer.address, buffer.bytes)?;
        Ok(buffer)
    }

    /// # Errors
    /// As [`Buffer::new`].
    pub fn from_slice(gpu: &Gpu, numbers: &[f32]) -> Result<Buffer, GpuError> {
        let buffer = Buffer::new(gpu, numbers.len())?;
        buffer.write(0, numbers)?;
        Ok(buffer)
    }

    /// Whose memory it is.
    pub fn gpu(&self) -> &Gpu {
        &self.memory.gpu
    }

    /// Whether it is this GPU's, on this stream.
    pub fn is_on(&self, gpu: &Gpu) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.memory.gpu), Arc::as_ptr(gpu))
    }

    /// Fills in numbers from number `at` on.
    ///
    /// # Errors
    /// [`GpuError::Copy`].
    pub fn write(&self, at: usize, numbers: &[f32]) -> Result<(), GpuError> {
        debug_assert!(4 * (at + numbers.len()) <= self.bytes && self.precision == Precision::Float32);
        // SAFETY: numbers are bytes.
        let bytes = unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), size_of_val(numbers)) };
        self.memory.gpu.upload(self.at(at), bytes)
    }

    /// Of the first number.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Of number `i`.
    pub fn at(&self, i: usize) -> u64 {
        let bytes = self.precision.bytes() * i;
        debug_assert!(bytes <= self.bytes, "a place outside a buffer");
        self.address + bytes as u64
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The first `len` numbers.
    ///
    /// # Errors
    /// [`GpuError::Copy`].
    pub fn to_vec(&self, len: usize) -> Result<Vec<f32>, GpuError> {
        if self.precision == Precision::Float32 {
            return download(&self.memory.gpu, self.address, len);
        }
        let mut bytes = vec![0; 2 * len];
        self.memory.gpu.download(self.address, &mut bytes)?;
        let widened = |b: &[u8; 2]| f32::from_bits(u32::from(u16::from_ne_bytes(*b)) << 16);
        Ok(bytes.as_chunks::<2>().0.iter().map(widened).collect())
    }

    /// All of it as float64 numbers.
    ///
    /// # Errors
    /// [`GpuError::Copy`].
    pub fn to_doubles(&self) -> Result<Vec<f64>, GpuError> {
        let mut bytes = vec![0; self.bytes];
        self.memory.gpu.download(self.address, &mut bytes)?;
        Ok(bytes.as_chunks::<8>().0.iter().map(|b| f64::from_ne_bytes(*b)).collect())
    }
}

/// `len` float32 numbers from `address` on.
///
/// # Errors
/// [`GpuError::Copy`].
pub fn download(gpu: &Gpu, address: u64, len: usize) -> Result<Vec<f32>, GpuError> {
    let mut numbers = vec![0.0f32; len];
    // SAFETY: numbers are bytes, and any bytes are numbers.
    let bytes = unsafe { std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), 4 * len) };
    gpu.download(address, bytes)?;
    Ok(numbers)
}
