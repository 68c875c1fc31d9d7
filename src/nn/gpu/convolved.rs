//! A 3x3 convolution with its norm on a GPU, behind a ReLU or on what pictures are; its maps are float32.

use super::units::{self, Stage, dense};
use super::{Norms, View};
use crate::kernels::gpu::arguments::{Back, MixTarget, Mixed, Products, Settled, Source, Target, Unit};
use crate::kernels::gpu::parts::{product_parts, tiles};
use crate::kernels::gpu::{Buffer, Gpu, GpuError, Kind, Precision, launch};
use crate::nn::convolved::ConvolutionPlan;
use crate::nn::norm::Norm;

/// What a convolution reads.
#[derive(Clone, Copy)]
pub(super) enum Reads<'a> {
    /// A map as it is.
    Plain(View),
    /// A map behind a ReLU.
    Relu(View),
    /// The map before this one's norm, behind that and a ReLU.
    Behind(&'a Convolved<'a>, View),
}

impl Reads<'_> {
    fn view(&self) -> View {
        match self {
            Reads::Plain(view) | Reads::Relu(view) | Reads::Behind(_, view) => *view,
        }
    }
}

/// One pass through it.
pub(super) struct Convolved<'a> {
    pub gpu: &'a Gpu,
    pub plan: &'a ConvolutionPlan,
    pub images: usize,
    /// Height and width of its input.
    pub size: (usize, usize),
    /// Of the block's parameters.
    pub weights: u64,
}

/// The way back through a norm: partial sums, and what it makes of a gradient.
pub(super) struct Settling {
    partial: Buffer,
    coefficients: Buffer,
}

impl Convolved<'_> {
    /// Of what it makes.
    fn pixels(&self) -> usize {
        let (h, w) = self.plan.output_size(self.size);
        self.images * h * w
    }

    pub fn numbers(&self) -> usize {
        self.pixels() * self.plan.outputs
    }

    pub fn own(&self, z: &Buffer) -> View {
        View { address: z.address(), stride: self.plan.outputs }
    }

    /// Where scale and shift of the norm are, the block's parameters being at `weights`; 0 where there are no norms.
    fn affine(&self, norms: &Norms, weights: u64) -> [u64; 2] {
        let at = self.plan.weights.end;
        match norms.norm {
            Norm::Off => [0, 0],
            _ => [at, at + self.plan.outputs].map(|i| weights + 4 * i as u64),
        }
    }

    /// The convolution of `x` into `z`.
    pub fn unit(&self, x: Reads, z: u64, norms: &Norms) -> Unit {
        let shape = self.plan.shape(self.size);
        let unit = dense(&shape, x.view(), self.weights + 4 * self.plan.weights.start as u64);
        match x {
            Reads::Plain(_) => Unit { z, kind: Kind::Window, kernel: 0, dilation: 0, ..unit },
            Reads::Relu(_) => Unit { z, ..unit },
            Reads::Behind(before, _) => {
                let (mean, affine) = (norms.mean(before.plan.norm), before.affine(norms, before.weights)[0]);
                Unit { z, mean, affine, ..unit }
            }
        }
    }

    /// The map before the norm, which is settled.
    ///
    /// # Errors
    /// Too little memory, a fault of the device.
    pub fn forward(&self, x: Reads, norms: &mut Norms) -> Result<Buffer, GpuError> {
        let z = Buffer::new(self.gpu, self.numbers())?;
        let mut stage = Stage::default();
        stage.add_dense(self.unit(x, z.address(), norms), 0, self.plan.norm, self.images);
        stage.run(self.gpu, norms, self.images, true)?;
        Ok(z)
    }

    /// Adds the map behind the norm to what is at `out`, or sets it.
    ///
    /// # Errors
    /// A fault of the device.
    pub fn form(&self, z: &Buffer, norms: &Norms, out: &Buffer, fresh: bool) -> Result<(), GpuError> {
        let (slot, c) = (self.plan.norm, self.plan.outputs);
        let [gain, bias] = self.affine(norms, self.weights);
        let (mean, scale) = (norms.mean(slot), norms.scale(slot));
        let own = Mixed { z: z.address(), mean, scale, gain, bias, stride: c as i32, ..Mixed::default() };
        let to = MixTarget { out: out.address(), first: 0, count: 1, stride: c as i32, fresh: i32::from(fresh) };
        launch::mix(self.gpu, &[own], &[to], self.pixels(), c, Precision::Float32)
    }

    /// The map behind the norm.
    ///
    /// # Errors
    /// As [`Convolved::forward`].
    pub fn formed(&self, z: &Buffer, norms: &Norms) -> Result<Buffer, GpuError> {
        let map = Buffer::new(self.gpu, self.numbers())?;
        self.form(z, norms, &map, true)?;
        Ok(map)
    }

    fn settling(&self, parts: usize) -> Result<Settling, GpuError> {
        let c = self.plan.outputs;
        Ok(Settling { partial: Buffer::new(self.gpu, 2 * c * parts)?, coefficients: Buffer::new(self.gpu, 4 * c)? })
    }

    /// Settles the norm's way back from `parts` partial sums, and adds to the gradients of its scale and shift.
    fn settle(&self, norms: &Norms, own: &Settling, parts: usize, to: Option<u64>) -> Result<(), GpuError> {
        let slot = self.plan.norm;
        let [to_gain, to_bias] = to.map(|to| self.affine(norms, to)).unwrap_or_default();
        let settled = Settled {
            partial: own.partial.address(),
            mean: norms.mean(slot),
            scale: norms.scale(slot),
            gain: self.affine(norms, self.weights)[0],
            coefficients: own.coefficients.address(),
            to_gain,
            to_bias,
            count: norms.count(self.pixels()),
            parts: parts as i32,
            channels: self.plan.outputs as i32,
            ..Settled::default()
        };
        launch::settle_products(self.gpu, &[settled])
    }

    /// From behind the norm to behind the ReLU that the convolution reads through: `dy` is the gradient of the map behind the
    /// norm, `dd` is filled in. Gradients of the block's parameters are added to what is at `to`.
    ///
    /// # Errors
    /// As [`Convolved::forward`].
    pub fn backward(
        &self,
        norms: &Norms,
        (x, z): (Reads, &Buffer),
        dy: u64,
        dd: &Buffer,
        to: Option<u64>,
    ) -> Result<(), GpuError> {
        let (gpu, c, parts) = (self.gpu, self.plan.outputs, product_parts(self.pixels()));
        let own = self.settling(parts)?;
        let unit = self.unit(x, z.address(), norms);
        let products = Products {
            dy,
            z: z.address(),
            mean: norms.mean(self.plan.norm),
            partial: own.partial.address(),
            kind: Kind::Identity,
            stride: 1,
            height: unit.height,
            width: unit.width,
            out_height: unit.out_height,
            out_width: unit.out_width,
            dy_stride: c as i32,
            z_stride: c as i32,
            ..Products::default()
        };
        launch::norm_products(gpu, &[products], self.images, c, Precision::Float32)?;
        self.settle(norms, &own, parts, to)?;
        let (coefficients, dd) = (own.coefficients.address(), dd.address());
        self.through(Back { unit, dy, coefficients, dd, dy_stride: c as i32, ..Back::default() }, to)
    }

    /// Through the convolution alone.
    fn through(&self, back: Back, to: Option<u64>) -> Result<(), GpuError> {
        let (place, float32) = (self.plan.weights.start, [Precision::Float32; 2]);
        match back.unit.kind {
            kind if kind.is_dense() => {
                units::dense_backward(self.gpu, vec![(back, place, 0)], self.images, to, float32)
            }
            _ => units::backward(self.gpu, vec![(back, place)], self.images, to, float32),
        }
    }

    /// The gradient before the norm's ReLU of what is `behind` it, with the norm settled for the way back through `z`.
    ///
    /// # Errors
    /// As [`Convolved::forward`].
    pub fn gated(
        &self,
        norms: &Norms,
        z: &Buffer,
        behind: Buffer,
        to: Option<u64>,
    ) -> Result<(Buffer, Buffer), GpuError> {
        let (gpu, c, (h, w)) = (self.gpu, self.plan.outputs, self.plan.output_size(self.size));
        let parts = self.images * tiles(h, w);
        let own = self.settling(parts)?;
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
            gate: z.address(),
            gate_mean: norms.mean(self.plan.norm),
            gate_affine: self.affine(norms, self.weights)[0],
            partial: own.partial.address(),
            count: 1,
            height: h as i32,
            width: w as i32,
            channels: c as i32,
            dx_stride: c as i32,
            gate_stride: c as i32,
            ..Target::default()
        };
        launch::input_gradient(gpu, &[source], &[target], self.images, Precision::Float32)?;
        self.settle(norms, &own, parts, to)?;
        Ok((middle, own.coefficients))
    }

    /// From the gradient that [`Convolved::gated`] gave to what the convolution reads: into `dd`, where it is wanted.
    ///
    /// # Errors
    /// As [`Convolved::forward`].
    pub fn after_gate(
        &self,
        norms: &Norms,
        (x, z): (Reads, &Buffer),
        (middle, coefficients): &(Buffer, Buffer),
        dd: Option<&Buffer>,
        to: Option<u64>,
    ) -> Result<Unit, GpuError> {
        let unit = self.unit(x, z.address(), norms);
        let (dd, coefficients, c) = (dd.map_or(0, Buffer::address), coefficients.address(), self.plan.outputs as i32);
        let back = Back { unit, dy: middle.address(), coefficients, dd, dy_stride: c, ..Back::default() };
        self.through(back, to)?;
        Ok(unit)
    }
}
