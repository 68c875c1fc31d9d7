//! ReLU → 1x1 convolution(s) → batch norm of a cell's input, stored normalised; behind a norm with scale and shift the map before
//! it is kept, too.

use std::ops::Range;

use super::edge_backward::gather_units;
use super::units::{self, Stage, projection};
use super::{Norms, View};
use crate::kernels::gpu::arguments::{Back, MixTarget, Mixed, Products, Settled};
use crate::kernels::gpu::parts::product_parts;
use crate::kernels::gpu::{Buffer, Gpu, GpuError, Kind, Precision, launch};
use crate::nn::norm::{Norm, NormSlot};
use crate::nn::project::Projection;

/// One projection of a cell.
pub(super) struct Project<'a> {
    pub gpu: &'a Gpu,
    pub shape: Projection,
    pub images: usize,
    pub x: View,
    /// Of the block's parameters, and where in them its own are.
    pub weights: u64,
    pub range: Range<usize>,
    pub slot: NormSlot,
    /// Whether the norm has a scale and shift, which are behind the weights.
    pub affine: bool,
}

/// What a projection gives.
pub(super) struct Projected {
    /// `[N, H', W', C]`.
    pub map: Buffer,
    /// The same before the norm, where that can't be had from the map.
    pub z: Option<Buffer>,
}

impl Project<'_> {
    fn pixels(&self) -> usize {
        self.images * self.shape.pixels()
    }

    fn own_weights(&self) -> u64 {
        self.weights + 4 * self.range.start as u64
    }

    /// Where scale and shift are, the block's parameters being at `weights`.
    fn affine(&self, weights: u64) -> Option<[u64; 2]> {
        let at = self.range.end;
        self.affine.then(|| [at, at + self.shape.channels_out].map(|i| weights + 4 * i as u64))
    }

    /// `keep`: for a backward pass.
    pub fn forward(&self, norms: &mut Norms, keep: bool) -> Result<Projected, GpuError> {
        let c = self.shape.channels_out;
        let map = Buffer::new(self.gpu, self.pixels() * c)?;
        let mut stage = Stage::default();
        stage.add(&projection(&self.shape, self.x, self.own_weights(), &map), self.slot, self.images);
        stage.run(self.gpu, norms, self.images, true)?;
        let out = if self.affine && keep { Some(Buffer::new(self.gpu, self.pixels() * c)?) } else { None };
        if norms.norm != Norm::Off {
            let [gain, bias] = self.affine(self.weights).unwrap_or_default();
            let own = Mixed {
                z: map.address(),
                mean: norms.mean(self.slot),
                scale: norms.scale(self.slot),
                gain,
                bias,
                stride: c as i32,
                ..Mixed::default()
            };
            let to = out.as_ref().unwrap_or(&map).address();
            let to = MixTarget { out: to, count: 1, stride: c as i32, fresh: 1, ..MixTarget::default() };
            launch::mix(self.gpu, &[own], &[to], self.pixels(), c, Precision::Float32)?;
        }
        Ok(match out {
            Some(out) => Projected { map: out, z: Some(map) },
            None => Projected { map, z: None },
        })
    }

    /// `made` is the result of the forward pass, `dy` its gradient. `input`: where the input's goes and whether it is added
    /// to what is there; `weights`: where that of the block's parameters is.
    pub fn backward(
        &self,
        norms: &Norms,
        made: &Projected,
        dy: &Buffer,
        input: Option<(u64, bool)>,
        weights: Option<u64>,
    ) -> Result<(), GpuError> {
        if input.is_none() && weights.is_none() {
            return Ok(());
        }
        let (s, c) = (&self.shape, self.shape.channels_out);
        let z = made.z.as_ref().unwrap_or(&made.map);
        let (mean, scale) = (norms.mean(self.slot), norms.scale(self.slot));
        let parts = product_parts(self.pixels());
        let partial = Buffer::new(self.gpu, 2 * c * parts)?;
        let coefficients = Buffer::new(self.gpu, 4 * c)?;
        let products = Products {
            dy: dy.address(),
            z: z.address(),
            mean: if self.affine { mean } else { 0 },
            partial: partial.address(),
            kind: Kind::Identity,
            stride: 1,
            height: s.out_height() as i32,
            width: s.out_width() as i32,
            out_height: s.out_height() as i32,
            out_width: s.out_width() as i32,
            dy_stride: c as i32,
            z_stride: c as i32,
            ..Products::default()
        };
        launch::norm_products(self.gpu, &[products], self.images, c, Precision::Float32)?;
        let [gain, _] = self.affine(self.weights).unwrap_or_default();
        let [to_gain, to_bias] = weights.and_then(|w| self.affine(w)).unwrap_or_default();
        let settled = Settled {
            partial: partial.address(),
            mean,
            scale,
            gain,
            to_gain,
            to_bias,
            coefficients: coefficients.address(),
            count: norms.count(self.pixels()),
            parts: parts as i32,
            channels: c as i32,
            normalised: i32::from(!self.affine),
            ..Settled::default()
        };
        launch::settle_products(self.gpu, &[settled])?;
        let (mut backs, mut made) = (Vec::new(), Vec::new());
        let mut offset = self.range.start;
        for unit in projection(s, self.x, self.own_weights(), z) {
            let first = unit.first as usize;
            let dd = match input {
                Some(_) => Some(Buffer::new(self.gpu, self.pixels() * s.channels_in)?),
                None => None,
            };
            let back = Back {
                unit,
                dy: dy.at(first),
                coefficients: coefficients.at(first),
                dd: dd.as_ref().map_or(0, Buffer::address),
                dy_stride: c as i32,
                ..Back::default()
            };
            backs.push((back, offset));
            offset += s.channels_in * unit.outputs as usize;
            made.extend(dd.map(|dd| (unit, dd)));
        }
        units::backward(self.gpu, backs, self.images, weights, [Precision::Float32; 2])?;
        let Some((dx, add)) = input else { return Ok(()) };
        gather_units(self.gpu, &made, self.x, View { address: dx, stride: s.channels_in }, add, self.images)
    }
}
