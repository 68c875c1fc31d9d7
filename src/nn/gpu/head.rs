//! The classifier on a GPU.

use crate::kernels::gpu::arguments::Head;
use crate::kernels::gpu::{Buffer, Gpu, GpuError, Kernel, launch};

/// Sizes of the classifier.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Logits {
    pub images: usize,
    pub pixels: usize,
    pub channels: usize,
    pub classes: usize,
}

impl Logits {
    fn head(&self) -> Head {
        let [images, pixels, channels, classes] =
            [self.images, self.pixels, self.channels, self.classes].map(|n| n as i32);
        Head { images, pixels, channels, classes, ..Head::default() }
    }

    /// Means over the pixels, `[N, C]`.
    fn average(&self, gpu: &Gpu, x: u64) -> Result<Buffer, GpuError> {
        let mean = Buffer::new(gpu, self.images * self.channels)?;
        launch::head(gpu, Kernel::HeadAverage, &Head { x, out: mean.address(), ..self.head() })?;
        Ok(mean)
    }
}

/// Logits `[N, classes]` of features `[N, H, W, C]`.
///
/// # Errors
/// Too little memory, a fault of the device.
pub(crate) fn head_forward(gpu: &Gpu, s: Logits, x: u64, weights: u64) -> Result<Buffer, GpuError> {
    let mean = s.average(gpu, x)?;
    let out = Buffer::new(gpu, s.images * s.classes)?;
    let head = Head { weights, mean: mean.address(), out: out.address(), ..s.head() };
    launch::head(gpu, Kernel::HeadLogits, &head)?;
    Ok(out)
}

/// Gradient of the features; that of the parameters goes to `to`, if it is wanted.
///
/// # Errors
/// As [`head_forward`].
pub(crate) fn head_backward(
    gpu: &Gpu,
    s: Logits,
    x: u64,
    weights: u64,
    dy: u64,
    to: Option<u64>,
) -> Result<Buffer, GpuError> {
    let dx = Buffer::new(gpu, s.images * s.pixels * s.channels)?;
    launch::head(gpu, Kernel::HeadInputGradient, &Head { weights, dy, out: dx.address(), ..s.head() })?;
    if let Some(out) = to {
        let mean = s.average(gpu, x)?;
        launch::head(gpu, Kernel::HeadWeightGradient, &Head { dy, mean: mean.address(), out, ..s.head() })?;
    }
    Ok(dx)
}
