//! The auxiliary head on a GPU. Its convolutions see all pixels of all pictures as one map, which fills the kernels' tiles.

use crate::kernels::gpu::arguments::Rectified;
use crate::kernels::gpu::launch::rectified;
use crate::kernels::gpu::{Buffer, Gpu, GpuError, Kernel, TILE};
use crate::nn::gpu::head::{Logits, head_backward, head_forward};
use crate::nn::gpu::project::{Project, Projected};
use crate::nn::gpu::{Norms, View};
use crate::nn::layout::BlockLayout;
use crate::nn::norm::Norm;
use crate::nn::plan::HeadPlan;

/// Side of the averaging windows.
const WINDOW: usize = 5;
/// Side of what they give.
const SIDE: usize = 2;

/// A map that holds so many pixels: as wide as a tile, or less so that nothing is left over.
fn sheet(pixels: usize) -> (usize, usize) {
    let width = (1..=TILE).rev().find(|w| pixels.is_multiple_of(*w)).unwrap_or(1);
    (pixels / width, width)
}

/// What the head keeps from its forward to its backward pass.
pub(super) struct HeadState {
    /// `[N, 2, 2, C]`.
    pooled: Buffer,
    projected: [Projected; 2],
    /// `[N, 768]`, behind the last ReLU.
    features: Buffer,
    /// In place of the second convolution's norm, where it has none.
    bare: Option<Norms>,
}

/// One pass through the head, on a cell's output `[N, H, W, C]` of which averages make 2x2.
pub(super) struct HeadPass<'a> {
    pub gpu: &'a Gpu,
    pub head: &'a HeadPlan,
    pub size: [usize; 4],
    pub classes: usize,
    /// Of the block's parameters.
    pub weights: u64,
}

impl HeadPass<'_> {
    fn pooling(&self) -> Rectified {
        let [images, height, width, channels] = self.size.map(|n| n as i32);
        let [window, stride, side] = [WINDOW, self.head.stride, SIDE].map(|n| n as i32);
        let (out_height, out_width) = (side, side);
        Rectified { images, height, width, channels, out_height, out_width, window, stride, ..Rectified::default() }
    }

    /// A ReLU alone, on `[N, C]`.
    fn relu(&self) -> Rectified {
        let [images, channels] = [self.size[0], self.head.projections[1].norm.channels].map(|n| n as i32);
        Rectified {
            images,
            height: 1,
            width: 1,
            channels,
            out_height: 1,
            out_width: 1,
            window: 1,
            stride: 1,
            ..Rectified::default()
        }
    }

    /// The convolutions: over each pixel of what was pooled, and over all four of a picture.
    fn project(&self, i: usize, x: u64) -> Project<'_> {
        let own = &self.head.projections[i];
        let (h, w) = sheet(self.size[0] * [SIDE * SIDE, 1][i]);
        Project {
            gpu: self.gpu,
            shape: own.shape(h, w),
            images: 1,
            x: View { address: x, stride: own.inputs },
            weights: self.weights,
            range: own.weights.clone(),
            slot: own.norm,
            affine: own.affine,
        }
    }

    /// What does nothing, in place of the second convolution's norm, where it has none.
    fn bare(&self) -> Result<Option<Norms>, GpuError> {
        if self.head.normed {
            return Ok(None);
        }
        let mut layout = BlockLayout::default();
        layout.add_norm(String::new(), self.head.projections[1].norm.channels);
        Norms::new(self.gpu, Norm::Off, &layout, &[]).map(Some)
    }

    fn logits(&self) -> Logits {
        let channels = self.head.projections[1].norm.channels;
        Logits { images: self.size[0], pixels: 1, channels, classes: self.classes }
    }

    fn classifier(&self) -> u64 {
        self.weights + 4 * self.head.classifier as u64
    }

    /// Logits `[N, classes]` from the cell's output at `x`.
    ///
    /// # Errors
    /// Too little memory, a fault of the device.
    pub fn forward(&self, x: u64, norms: &mut Norms) -> Result<(Buffer, HeadState), GpuError> {
        let pooled = Buffer::new(self.gpu, self.size[0] * SIDE * SIDE * self.size[3])?;
        rectified(self.gpu, Kernel::RectifiedAverage, &Rectified { x, out: pooled.address(), ..self.pooling() })?;
        let mut bare = self.bare()?;
        // Averages of what is 0 or more: the ReLU of a projection changes nothing.
        let first = self.project(0, pooled.address()).forward(norms, true)?;
        let second = self.project(1, first.map.address()).forward(bare.as_mut().unwrap_or(norms), true)?;
        let features = Buffer::new(self.gpu, self.size[0] * self.head.projections[1].norm.channels)?;
        let relu = Rectified { x: second.map.address(), out: features.address(), ..self.relu() };
        rectified(self.gpu, Kernel::RectifiedAverage, &relu)?;
        let logits = head_forward(self.gpu, self.logits(), features.address(), self.classifier())?;
        Ok((logits, HeadState { pooled, projected: [first, second], features, bare }))
    }

    /// Adds to the gradient of the cell's output, which is at `dx`, and to that of the parameters, at `to`; `dy` is that of the
    /// logits.
    ///
    /// # Errors
    /// As [`HeadPass::forward`].
    pub fn backward(
        &self,
        x: u64,
        state: &HeadState,
        norms: &Norms,
        dy: u64,
        dx: u64,
        to: u64,
    ) -> Result<(), GpuError> {
        let gpu = self.gpu;
        let [first, second] = &state.projected;
        let classifier = Some(to + 4 * self.head.classifier as u64);
        let dfeatures = head_backward(gpu, self.logits(), state.features.address(), self.classifier(), dy, classifier)?;
        let dsecond = Buffer::new(gpu, second.map.bytes() / 4)?;
        let relu = Rectified { x: second.map.address(), dy: dfeatures.address(), ..self.relu() };
        let relu = Rectified { out: dsecond.address(), ..relu };
        rectified(gpu, Kernel::RectifiedAverageGradient, &relu)?;
        let dfirst = Buffer::new(gpu, first.map.bytes() / 4)?;
        let project = self.project(1, first.map.address());
        let of_second = state.bare.as_ref().unwrap_or(norms);
        project.backward(of_second, second, &dsecond, Some((dfirst.address(), false)), Some(to))?;
        let dpooled = Buffer::new(gpu, state.pooled.bytes() / 4)?;
        let project = self.project(0, state.pooled.address());
        project.backward(norms, first, &dfirst, Some((dpooled.address(), false)), Some(to))?;
        let pooling = Rectified { x, dy: dpooled.address(), out: dx, add: 1, ..self.pooling() };
        rectified(gpu, Kernel::RectifiedAverageGradient, &pooling)
    }
}
