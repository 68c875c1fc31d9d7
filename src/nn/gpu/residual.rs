//! The residual block between two stages of NAS-Bench-201 on a GPU; its maps are float32, as those of projections.

use super::edge_backward::gather_units;
use super::units::{self, Stage, dense, picked};
use super::{Norms, View};
use crate::kernels::gpu::arguments::{Back, MixTarget, Mixed, Products, Settled, Source, Target, Unit};
use crate::kernels::gpu::parts::{product_parts, tiles};
use crate::kernels::gpu::{Buffer, Gpu, GpuError, Kind, Precision, launch};
use crate::nn::norm::Norm;
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

    fn own(&self, z: &Buffer) -> View {
        View { address: z.address(), stride: self.plan.outputs }
    }

    /// Where scale and shift of norm `k` are, the block's parameters being at `weights`; 0 where there are no norms.
    fn affine(&self, k: usize, norms: &Norms, weights: u64) -> [u64; 2] {
        let at = self.plan.convolutions[k].end;
        match norms.norm {
            Norm::Off => [0, 0],
            _ => [at, at + self.plan.outputs].map(|i| weights + 4 * i as u64),
        }
    }

    /// Convolution `k` of `x` into `z`.
    fn unit(&self, k: usize, x: View, z: &Buffer, norms: &Norms) -> Unit {
        let unit = dense(&self.plan.shapes(self.size)[k], x, self.weights + 4 * self.plan.convolutions[k].start as u64);
        let (mean, affine) = match k {
            0 => (0, 0),
            _ => (norms.mean(self.plan.norms[0]), self.affine(0, norms, self.weights)[0]),
        };
        Unit { z: z.address(), mean, affine, ..unit }
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

    fn convolve(&self, k: usize, x: View, norms: &mut Norms) -> Result<Buffer, GpuError> {
        let z = Buffer::new(self.gpu, self.numbers())?;
        let mut stage = Stage::default();
        stage.add_dense(self.unit(k, x, &z, norms), 0, self.plan.norms[k], self.images);
        stage.run(self.gpu, norms, self.images, true)?;
        Ok(z)
    }

    /// Adds the map behind norm `k` to what is at `out`, or sets it.
    fn form(&self, k: usize, z: &Buffer, norms: &Norms, out: &Buffer, fresh: bool) -> Result<(), GpuError> {
        let (slot, c) = (self.plan.norms[k], self.plan.outputs);
        let [gain, bias] = self.affine(k, norms, self.weights);
        let (mean, scale) = (norms.mean(slot), norms.scale(slot));
        let own = Mixed { z: z.address(), mean, scale, gain, bias, stride: c as i32, ..Mixed::default() };
        let to = MixTarget { out: out.address(), first: 0, count: 1, stride: c as i32, fresh: i32::from(fresh) };
        launch::mix(self.gpu, &[own], &[to], self.pixels(), c, Precision::Float32)
    }

    /// `keep`: for a backward pass; what the ReLUs read is shown to `watch`.
    ///
    /// # Errors
    /// Too little memory, a fault of the device.
    pub fn forward(&self, norms: &mut Norms, keep: bool, watch: Option<Watch>) -> Result<Residual, GpuError> {
        let first = self.convolve(0, self.input(), norms)?;
        if let Some(watch) = watch {
            let (h, w) = self.size;
            watch(self.input(), (h * w, self.plan.inputs))?;
            let formed = Buffer::new(self.gpu, self.numbers())?;
            self.form(0, &first, norms, &formed, true)?;
            watch(self.own(&formed), (self.pixels() / self.images, self.plan.outputs))?;
        }
        let second = self.convolve(1, self.own(&first), norms)?;
        let first = keep.then_some(first);
        let map = Buffer::new(self.gpu, self.numbers())?;
        launch::unit_forward(self.gpu, &[self.side(map.address())], self.images, Precision::Float32)?;
        self.form(1, &second, norms, &map, false)?;
        Ok(Residual { map, normed: first.map(|first| [first, second]) })
    }

    /// What a norm's backward pass is settled from and where the gradients of its scale and shift go.
    fn settled(
        &self,
        k: usize,
        norms: &Norms,
        [partial, coefficients]: [u64; 2],
        parts: usize,
        to: Option<u64>,
    ) -> Settled {
        let slot = self.plan.norms[k];
        let [to_gain, to_bias] = to.map(|to| self.affine(k, norms, to)).unwrap_or_default();
        Settled {
            partial,
            mean: norms.mean(slot),
            scale: norms.scale(slot),
            gain: self.affine(k, norms, self.weights)[0],
            coefficients,
            to_gain,
            to_bias,
            count: norms.count(self.pixels()),
            parts: parts as i32,
            channels: self.plan.outputs as i32,
            ..Settled::default()
        }
    }

    /// From behind norm 1 to behind the ReLU after norm 0: `dy` is the map's gradient, `dd` is filled in.
    fn second(
        &self,
        norms: &Norms,
        [first, second]: &[Buffer; 2],
        dy: u64,
        dd: &Buffer,
        to: Option<u64>,
    ) -> Result<(), GpuError> {
        let (gpu, c, parts) = (self.gpu, self.plan.outputs, product_parts(self.pixels()));
        let partial = Buffer::new(gpu, 2 * c * parts)?;
        let coefficients = Buffer::new(gpu, 4 * c)?;
        let unit = self.unit(1, self.own(first), second, norms);
        let products = Products {
            dy,
            z: second.address(),
            mean: norms.mean(self.plan.norms[1]),
            partial: partial.address(),
            kind: Kind::Identity,
            stride: 1,
            height: unit.height,
            width: unit.width,
            out_height: unit.out_height,
            out_width: unit.out_width,
            dy_stride: c as i32,
            z_stride: c as i32,
        };
        launch::norm_products(gpu, &[products], self.images, c, Precision::Float32)?;
        let places = [partial.address(), coefficients.address()];
        launch::settle_products(gpu, &[self.settled(1, norms, places, parts, to)])?;
        let back = Back {
            unit,
            dy,
            coefficients: coefficients.address(),
            dd: dd.address(),
            dy_stride: c as i32,
            ..Back::default()
        };
        let place = self.plan.convolutions[1].start;
        units::dense_backward(gpu, vec![(back, place, 0)], self.images, to, [Precision::Float32; 2])
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
        let (gpu, c, first) = (self.gpu, self.plan.outputs, &normed[0]);
        let behind = Buffer::new(gpu, self.numbers())?;
        self.second(norms, normed, dy.address(), &behind, to)?;
        let (h, w) = self.plan.output_size(self.size);
        let parts = self.images * tiles(h, w);
        let partial = Buffer::new(gpu, 2 * c * parts)?;
        let coefficients = Buffer::new(gpu, 4 * c)?;
        let middle = Buffer::new(gpu, self.numbers())?;
        let source = Source {
            dd: behind.address(),
            kind: Kind::Pick,
            stride: 1,
            out_height: h as i32,
            out_width: w as i32,
            dd_stride: c as i32,
            ..Source::default()
        };
        let target = Target {
            dx: middle.address(),
            gate: first.address(),
            gate_mean: norms.mean(self.plan.norms[0]),
            gate_affine: self.affine(0, norms, self.weights)[0],
            partial: partial.address(),
            count: 1,
            height: h as i32,
            width: w as i32,
            channels: c as i32,
            dx_stride: c as i32,
            gate_stride: c as i32,
            ..Target::default()
        };
        launch::input_gradient(gpu, &[source], &[target], self.images, Precision::Float32)?;
        let places = [partial.address(), coefficients.address()];
        launch::settle_products(gpu, &[self.settled(0, norms, places, parts, to)])?;
        drop((behind, partial));
        let unit = self.unit(0, self.input(), first, norms);
        let room = |pixels: usize| match input {
            Some(_) => Buffer::new(gpu, pixels * self.plan.inputs).map(Some),
            None => Ok(None),
        };
        let own = room(self.images * self.size.0 * self.size.1)?;
        let back = Back { unit, dy: middle.address(), dy_stride: c as i32, ..Back::default() };
        let back = Back { coefficients: coefficients.address(), dd: own.as_ref().map_or(0, Buffer::address), ..back };
        let place = self.plan.convolutions[0].start;
        units::dense_backward(gpu, vec![(back, place, 0)], self.images, to, [Precision::Float32; 2])?;
        drop((middle, coefficients));
        let (side, beside) = (self.side(0), room(self.pixels())?);
        let dd = beside.as_ref().map_or(0, Buffer::address);
        let back = Back { unit: side, dy: dy.address(), dd, dy_stride: c as i32, ..Back::default() };
        units::backward(gpu, vec![(back, self.plan.side.start)], self.images, to, [Precision::Float32; 2])?;
        let (Some((dx, add)), Some(own), Some(beside)) = (input, own, beside) else { return Ok(()) };
        let dx = View { address: dx, stride: self.plan.inputs };
        gather_units(gpu, &[(picked(&unit), own), (side, beside)], self.input(), dx, add, self.images)
    }
}
