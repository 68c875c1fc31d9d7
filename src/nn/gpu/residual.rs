//! The residual block between two stages of NAS-Bench-201 on a GPU; its maps are float32, as those of projections.

use super::convolved::{Convolved, Reads};
use super::edge_backward::gather_units;
use super::units::{self, picked};
use super::{Norms, View};
use crate::kernels::gpu::arguments::{Back, Unit};
use crate::kernels::gpu::{Buffer, Gpu, GpuError, Kind, Precision, launch};
use crate::nn::residual::ResidualPlan;

/// What a pass gives and keeps.
pub(super) struct Residual {
    /// `[N, H', W', C]`.
    pub map: Buffer,
    /// Before each norm, for a backward pass.
    normed: Option<[Buffer; 2]>,
}

/// Somebody who is shown a map of so many pixels and channels.
pub(super) type Watch<'a> = &'a dyn Fn(View, (usize, usize)) -> Result<(), GpuError>;

/// One pass through the block.
pub(super) struct ResidualPass<'a> {
    pub gpu: &'a Gpu,
    pub plan: &'a ResidualPlan,
    pub images: usize,
    /// Height and width of its input, and where that is.
    pub size: (usize, usize),
    pub x: u64,
    /// Of the block's parameters.
    pub weights: u64,
}

impl ResidualPass<'_> {
    fn pixels(&self) -> usize {
        let (h, w) = self.plan.output_size(self.size);
        self.images * h * w
    }

    fn numbers(&self) -> usize {
        self.pixels() * self.plan.outputs
    }

    fn input(&self) -> View {
        View { address: self.x, stride: self.plan.inputs }
    }

    fn convolution(&self, k: usize) -> Convolved<'_> {
        let size = if k == 0 { self.size } else { self.plan.output_size(self.size) };
        let plan = &self.plan.convolutions[k];
        Convolved { gpu: self.gpu, plan, images: self.images, size, weights: self.weights }
    }

    /// Pooling and 1x1 convolution.
    fn side(&self, z: u64) -> Unit {
        let ((h, w), (oh, ow)) = (self.size, self.plan.output_size(self.size));
        let [inputs, outputs] = [self.plan.inputs, self.plan.outputs].map(|n| n as i32);
        Unit {
            x: self.x,
            pointwise: self.weights + 4 * self.plan.side.start as u64,
            z,
            kind: Kind::Half,
            stride: 2,
            height: h as i32,
            width: w as i32,
            out_height: oh as i32,
            out_width: ow as i32,
            channels: inputs,
            inputs,
            x_stride: inputs,
            outputs,
            z_stride: outputs,
            norm_channels: outputs,
            ..Unit::default()
        }
    }

    /// `keep`: for a backward pass; what the ReLUs read is shown to `watch`.
    ///
    /// # Errors
    /// Too little memory, a fault of the device.
    pub fn forward(&self, norms: &mut Norms, keep: bool, watch: Option<Watch>) -> Result<Residual, GpuError> {
        let [of_first, of_second] = [0, 1].map(|k| self.convolution(k));
        let first = of_first.forward(Reads::Relu(self.input()), norms)?;
        if let Some(watch) = watch {
            let (h, w) = self.size;
            watch(self.input(), (h * w, self.plan.inputs))?;
            let formed = of_first.formed(&first, norms)?;
            watch(of_first.own(&formed), (self.pixels() / self.images, self.plan.outputs))?;
        }
        let second = of_second.forward(Reads::Behind(&of_first, of_first.own(&first)), norms)?;
        let first = keep.then_some(first);
        let map = Buffer::new(self.gpu, self.numbers())?;
        launch::unit_forward(self.gpu, &[self.side(map.address())], self.images, Precision::Float32)?;
        of_second.form(&second, norms, &map, false)?;
        Ok(Residual { map, normed: first.map(|first| [first, second]) })
    }

    /// Adds to the gradient of the block's parameters, which is at `to`; `dy` is that of the map that the forward pass `made`.
    /// `input`: where the input's goes and whether it is added to what is there.
    ///
    /// # Errors
    /// As [`ResidualPass::forward`].
    pub fn backward(
        &self,
        norms: &Norms,
        made: &Residual,
        dy: &Buffer,
        input: Option<(u64, bool)>,
        to: Option<u64>,
    ) -> Result<(), GpuError> {
        let Some(normed) = &made.normed else { return Ok(()) };
        if input.is_none() && to.is_none() {
            return Ok(());
        }
        let (gpu, c, [first, second]) = (self.gpu, self.plan.outputs, normed);
        let [of_first, of_second] = [0, 1].map(|k| self.convolution(k));
        let behind = Buffer::new(gpu, self.numbers())?;
        let read = Reads::Behind(&of_first, of_first.own(first));
        of_second.backward(norms, (read, second), dy.address(), &behind, to)?;
        let gated = of_first.gated(norms, first, behind, to)?;
        let room = |pixels: usize| match input {
            Some(_) => Buffer::new(gpu, pixels * self.plan.inputs).map(Some),
            None => Ok(None),
        };
        let own = room(self.images * self.size.0 * self.size.1)?;
        let read = (Reads::Relu(self.input()), first);
        let unit = of_first.after_gate(norms, read, &gated, own.as_ref(), to)?;
        drop(gated);
        let (side, beside) = (self.side(0), room(self.pixels())?);
        let dd = beside.as_ref().map_or(0, Buffer::address);
        let back = Back { unit: side, dy: dy.address(), dd, dy_stride: c as i32, ..Back::default() };
        units::backward(gpu, vec![(back, self.plan.side.start)], self.images, to, [Precision::Float32; 2])?;
        let (Some((dx, add)), Some(own), Some(beside)) = (input, own, beside) else { return Ok(()) };
        let dx = View { address: dx, stride: self.plan.inputs };
        gather_units(gpu, &[(picked(&unit), own), (side, beside)], self.input(), dx, add, self.images)
    }
}
