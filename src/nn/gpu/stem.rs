//! The plain stem on a GPU, and which of the stems it is.

use super::residual::Watch;
use super::stem_halving::{HalvingPass, HalvingState};
use super::units::{self, Stage};
use super::{DeviceSeen, Norms};
use crate::kernels::gpu::arguments::{Back, MixTarget, Mixed, Products, Settled, Unit};
use crate::kernels::gpu::parts::product_parts;
use crate::kernels::gpu::{Buffer, Gpu, GpuError, Kind, Precision, launch};
use crate::nn::norm::Norm;
use crate::nn::stem::{PlainStem, StemPlan};

/// The map before the norm, and the norm.
pub(crate) struct PlainState {
    z: Buffer,
    norms: Norms,
}

/// What a backward pass needs.
pub(crate) enum StemState {
    Plain(PlainState),
    Halving(HalvingState),
}

/// One pass through a stem, on pictures `[N, H, W, C]`.
pub(crate) struct StemPass<'a> {
    pub gpu: &'a Gpu,
    pub plan: &'a StemPlan,
    pub size: [usize; 3],
    pub norm: Norm,
    pub running: &'a [f32],
}

/// What a stem gives: its maps, in the order in which they are read, the moments of its norms, and what a backward pass needs.
pub(crate) type Begun = (Vec<Buffer>, DeviceSeen, StemState);

impl<'a> StemPass<'a> {
    fn plain(&self, plan: &'a PlainStem) -> PlainPass<'a> {
        PlainPass { gpu: self.gpu, plan, size: self.size, norm: self.norm, running: self.running }
    }

    /// What ReLUs read is shown to `watch`; `keep`: for a backward pass.
    ///
    /// # Errors
    /// Too little memory, a fault of the device.
    pub fn forward(&self, x: u64, weights: u64, keep: bool, watch: Option<Watch>) -> Result<Begun, GpuError> {
        match self.plan {
            StemPlan::Plain(plan) => {
                let (map, seen, state) = self.plain(plan).forward(x, weights)?;
                Ok((vec![map], seen, StemState::Plain(state)))
            }
            StemPlan::Halving(plan) => {
                let norms = Norms::new(self.gpu, self.norm, &plan.layout, self.running)?;
                let (maps, seen, state) =
                    HalvingPass { gpu: self.gpu, plan, size: self.size, x, weights }.forward(norms, keep, watch)?;
                Ok((maps.into(), seen, StemState::Halving(state)))
            }
        }
    }

    /// Adds to the gradient of the parameters, which is at `to`; `maps` are what the forward pass gave, `gradients` theirs.
    ///
    /// # Errors
    /// As [`StemPass::forward`].
    pub fn backward(
        &self,
        x: u64,
        weights: u64,
        state: &StemState,
        maps: &[Option<Buffer>],
        gradients: &mut [Option<Buffer>],
        to: u64,
    ) -> Result<(), GpuError> {
        match (self.plan, state, maps, gradients) {
            (StemPlan::Plain(plan), StemState::Plain(state), _, [Some(dy), ..]) => {
                self.plain(plan).backward(x, weights, state, dy.address(), to)
            }
            (StemPlan::Halving(plan), StemState::Halving(state), [Some(older), ..], [Some(of_older), of_last, ..]) => {
                let pass = HalvingPass { gpu: self.gpu, plan, size: self.size, x, weights };
                pass.backward(state, older, of_older, of_last.take(), to)
            }
            _ => Ok(()),
        }
    }
}

/// One pass through the plain stem.
struct PlainPass<'a> {
    gpu: &'a Gpu,
    plan: &'a PlainStem,
    size: [usize; 3],
    norm: Norm,
    running: &'a [f32],
}

impl PlainPass<'_> {
    fn pixels(&self) -> usize {
        self.size.iter().product()
    }

    fn unit(&self, x: u64, weights: u64, z: &Buffer) -> Unit {
        let ([_, h, w], c, outputs) = (self.size.map(|n| n as i32), self.plan.inputs, self.plan.outputs as i32);
        Unit {
            x,
            pointwise: weights,
            z: z.address(),
            kind: Kind::Window,
            stride: 1,
            height: h,
            width: w,
            out_height: h,
            out_width: w,
            channels: self.plan.window() as i32,
            inputs: c as i32,
            x_stride: c as i32,
            outputs,
            z_stride: outputs,
            norm_channels: outputs,
            ..Unit::default()
        }
    }

    /// Scale and shift of the norm, `None` without norms.
    fn affine(&self, weights: u64) -> Option<[u64; 2]> {
        let gain = self.plan.window() * self.plan.outputs;
        (self.norm != Norm::Off).then(|| [gain, gain + self.plan.outputs].map(|i| weights + 4 * i as u64))
    }

    /// `[N, H, W, C']`, the moments of its norm, and what a backward pass needs.
    ///
    /// # Errors
    /// Too little memory, a fault of the device.
    fn forward(&self, x: u64, weights: u64) -> Result<(Buffer, DeviceSeen, PlainState), GpuError> {
        let (plan, c) = (self.plan, self.plan.outputs);
        let mut norms = Norms::new(self.gpu, self.norm, &plan.layout, self.running)?;
        let z = Buffer::new(self.gpu, self.pixels() * c)?;
        let mut stage = Stage::default();
        stage.add(&[self.unit(x, weights, &z)], plan.norm, self.size[0]);
        stage.run(self.gpu, &mut norms, self.size[0], true)?;
        let out = Buffer::new(self.gpu, self.pixels() * c)?;
        let mut own = Mixed { z: z.address(), stride: c as i32, ..Mixed::default() };
        if let Some([gain, bias]) = self.affine(weights) {
            (own.mean, own.scale) = (norms.mean(plan.norm), norms.scale(plan.norm));
            (own.gain, own.bias) = (gain, bias);
        }
        let to = MixTarget { out: out.address(), count: 1, stride: c as i32, fresh: 1, ..MixTarget::default() };
        launch::mix(self.gpu, &[own], &[to], self.pixels(), c, Precision::Float32)?;
        let slots = std::mem::take(&mut norms.seen);
        let seen = DeviceSeen { moments: norms.moments.take(), slots };
        Ok((out, seen, PlainState { z, norms }))
    }

    /// Adds to the gradient of the parameters, which is at `to`.
    ///
    /// # Errors
    /// As [`PlainPass::forward`].
    fn backward(&self, x: u64, weights: u64, state: &PlainState, dy: u64, to: u64) -> Result<(), GpuError> {
        let (gpu, c, pixels) = (self.gpu, self.plan.outputs, self.pixels());
        let parts = product_parts(pixels);
        let partial = Buffer::new(gpu, 2 * c * parts)?;
        let coefficients = Buffer::new(gpu, 4 * c)?;
        let unit = self.unit(x, weights, &state.z);
        let (mean, scale) = (state.norms.mean(self.plan.norm), state.norms.scale(self.plan.norm));
        let products = Products {
            dy,
            z: state.z.address(),
            mean,
            partial: partial.address(),
            kind: Kind::Identity,
            stride: 1,
            height: unit.height,
            width: unit.width,
            out_height: unit.height,
            out_width: unit.width,
            dy_stride: c as i32,
            z_stride: c as i32,
            ..Products::default()
        };
        launch::norm_products(gpu, &[products], self.size[0], c, Precision::Float32)?;
        let mut settled = Settled {
            partial: partial.address(),
            mean,
            scale,
            coefficients: coefficients.address(),
            count: state.norms.count(pixels),
            parts: parts as i32,
            channels: c as i32,
            ..Settled::default()
        };
        if let Some([gain, _]) = self.affine(weights) {
            let at = self.plan.window() * c;
            settled.gain = gain;
            (settled.to_gain, settled.to_bias) = (to + 4 * at as u64, to + 4 * (at + c) as u64);
        }
        launch::settle_products(gpu, &[settled])?;
        let back = Back { unit, dy, coefficients: coefficients.address(), dy_stride: c as i32, ..Back::default() };
        units::backward(gpu, vec![(back, 0)], self.size[0], Some(to), [Precision::Float32; 2])
    }
}
