use super::{Gpu, GpuError};

/// Numbers in a device's memory, given back when dropped.
pub struct Buffer {
    gpu: Gpu,
    address: u64,
    bytes: usize,
}

impl Buffer {
    /// `len` float32 numbers of no particular value.
    ///
    /// # Errors
    /// [`GpuError::Memory`].
    pub fn new(gpu: &Gpu, len: usize) -> Result<Buffer, GpuError> {
        let bytes = 4 * len.max(1);
        Ok(Buffer { gpu: gpu.clone(), address: gpu.allocate(bytes)?, bytes })
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
        // SAFETY: numbers are bytes.
        gpu.upload(buffer.address, unsafe {
            std::slice::from_raw_parts(numbers.as_ptr().cast(), size_of_val(numbers))
        })?;
        Ok(buffer)
    }

    /// Of the first number.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Of number `i`.
    pub fn at(&self, i: usize) -> u64 {
        debug_assert!(4 * i <= self.bytes, "a place outside a buffer");
        self.address + 4 * i as u64
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The first `len` float32 numbers.
    ///
    /// # Errors
    /// [`GpuError::Copy`].
    pub fn to_vec(&self, len: usize) -> Result<Vec<f32>, GpuError> {
        download(&self.gpu, self.address, len)
    }

    /// All of it as float64 numbers.
    ///
    /// # Errors
    /// [`GpuError::Copy`].
    pub fn to_doubles(&self) -> Result<Vec<f64>, GpuError> {
        let mut bytes = vec![0; self.bytes];
        self.gpu.download(self.address, &mut bytes)?;
        Ok(bytes.as_chunks::<8>().0.iter().map(|b| f64::from_ne_bytes(*b)).collect())
    }

    /// Leaves the memory to someone else.
    pub fn into_address(self) -> u64 {
        let address = self.address;
        let mut this = self;
        this.bytes = 0;
        address
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.gpu.release(self.address, self.bytes);
        }
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
