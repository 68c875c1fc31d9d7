//! The norm and the ReLU between the last cell of NAS-Bench-201 and the global average, on a GPU.

use std::sync::Arc;

use super::units::Stage;
use super::{DeviceSeen, Norms};
use crate::kernels::gpu::arguments::{MixTarget, Mixed, Rectified, Settled, Source, Target, Unit};
use crate::kernels::gpu::parts::tiles;
use crate::kernels::gpu::{Buffer, Gpu, GpuError, Kernel, Kind, Precision, launch};
use crate::nn::Probe;
use crate::nn::closing::ClosingPlan;
use crate::nn::norm::Norm;

/// What it gives and keeps.
pub(super) struct Closed {
    /// `[N, H, W, C]`, behind the ReLU.
    pub map: Buffer,
    norms: Norms,
}

/// One pass through it, on a map `[N, H, W, C]`.
pub(super) struct ClosingPass<'a> {
    pub gpu: &'a Gpu,
    pub plan: &'a ClosingPlan,
    pub shape: [usize; 4],
    pub norm: Norm,
    pub running: &'a [f32],
    pub probe: Option<&'a Arc<dyn Probe>>,
    /// Of the block's parameters: scale, shift.
    pub weights: u64,
}

impl ClosingPass<'_> {
    fn pixels(&self) -> usize {
        self.shape[..3].iter().product()
    }

    fn numbers(&self) -> usize {
        self.shape.iter().product()
    }

    /// Where scale and shift are, the block's parameters being at `weights`; 0 where there are no norms.
    fn affine(&self, weights: u64) -> [u64; 2] {
        match self.norm {
            Norm::Off => [0, 0],
            _ => [weights, weights + 4 * self.shape[3] as u64],
        }
    }

    /// The map at `x` as it is, for its moments.
    fn unit(&self, x: u64) -> Unit {
        let [_, height, width, c] = self.shape.map(|n| n as i32);
        Unit {
            x,
            kind: Kind::Identity,
            stride: 1,
            height,
            width,
            out_height: height,
            out_width: width,
            channels: c,
            inputs: c,
            x_stride: c,
            outputs: c,
            z_stride: c,
            norm_channels: c,
            ..Unit::default()
        }
    }

    /// # Errors
    /// Too little memory, a fault of the device.
    pub fn forward(&self, x: u64) -> Result<(Closed, DeviceSeen), GpuError> {
        let (gpu, slot, [images, height, width, c]) = (self.gpu, self.plan.norm, self.shape);
        let mut norms = Norms::new(gpu, self.norm, &self.plan.layout, self.running)?;
        if self.norm == Norm::Batch {
            let mut stage = Stage::default();
            stage.add(&[self.unit(x)], slot, images);
            stage.run(gpu, &mut norms, images, true)?;
        }
        let map = Buffer::new(gpu, self.numbers())?;
        let [gain, bias] = self.affine(self.weights);
        let (mean, scale) = (norms.mean(slot), norms.scale(slot));
        let own = Mixed { z: x, mean, scale, gain, bias, stride: c as i32, ..Mixed::default() };
        let to = MixTarget { out: map.address(), count: 1, stride: c as i32, fresh: 1, ..MixTarget::default() };
        launch::mix(gpu, &[own], &[to], self.pixels(), c, Precision::Float32)?;
        if let Some(probe) = self.probe {
            probe.relu(&map.to_vec(self.numbers())?, None, [images, c], 1);
        }
        let [images, height, width, channels] = [images, height, width, c].map(|n| n as i32);
        let relu = Rectified { images, height, width, channels, window: 1, stride: 1, ..Rectified::default() };
        // Each number by itself, so that it may stay where it is.
        let relu = Rectified { x: map.address(), out: map.address(), out_height: height, out_width: width, ..relu };
        launch::rectified(gpu, Kernel::RectifiedAverage, &relu)?;
        let seen = DeviceSeen { moments: norms.moments.take(), slots: std::mem::take(&mut norms.seen) };
        Ok((Closed { map, norms }, seen))
    }

    /// Turns `dy`, the gradient of the map that `made` has, into that of `x`; those of scale and shift go to the block's
    /// parameters at `to`.
    ///
    /// # Errors
    /// As [`ClosingPass::forward`].
    pub fn backward(&self, x: u64, made: &Closed, dy: &Buffer, to: Option<u64>) -> Result<(), GpuError> {
        let (gpu, slot, [images, height, width, c]) = (self.gpu, self.plan.norm, self.shape);
        let (mean, scale) = (made.norms.mean(slot), made.norms.scale(slot));
        let [gain, _] = self.affine(self.weights);
        let parts = images * tiles(height, width);
        let partial = Buffer::new(gpu, 2 * c * parts)?;
        let coefficients = Buffer::new(gpu, 4 * c)?;
        let gated = Buffer::new(gpu, self.numbers())?;
        let [height, width, channels] = [height, width, c].map(|n| n as i32);
        let source = Source { dd: dy.address(), kind: Kind::Pick, stride: 1, dd_stride: channels, ..Source::default() };
        let source = Source { out_height: height, out_width: width, ..source };
        let target = Target {
            dx: gated.address(),
            gate: x,
            gate_mean: mean,
            gate_affine: gain,
            partial: partial.address(),
            count: 1,
            height,
            width,
            channels,
            dx_stride: channels,
            gate_stride: channels,
            ..Target::default()
        };
        launch::input_gradient(gpu, &[source], &[target], images, Precision::Float32)?;
        let [to_gain, to_bias] = to.map(|to| self.affine(to)).unwrap_or_default();
        let settled = Settled {
            partial: partial.address(),
            mean,
            scale,
            gain,
            coefficients: coefficients.address(),
            to_gain,
            to_bias,
            count: made.norms.count(self.pixels()),
            parts: parts as i32,
            channels,
            ..Settled::default()
        };
        launch::settle_products(gpu, &[settled])?;
        // The linear form of the norm's backward pass, as two maps that are mixed.
        let [scale, mean, slope, offset] = [0, 1, 2, 3].map(|i| coefficients.at(i * c));
        let of_dy = Mixed { z: gated.address(), gain: scale, bias: offset, stride: channels, ..Mixed::default() };
        let of_x = Mixed { z: x, mean, scale: slope, stride: channels, ..Mixed::default() };
        let to = MixTarget { out: dy.address(), count: 2, stride: channels, fresh: 1, ..MixTarget::default() };
        launch::mix(gpu, &[of_dy, of_x], &[to], self.pixels(), c, Precision::Float32)
    }
}
