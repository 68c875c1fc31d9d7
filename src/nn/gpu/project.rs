//! ReLU → 1x1 convolution(s) → batch norm of a cell's input, stored normalised.

use std::ops::Range;

use super::edge_backward::gather_units;
use super::units::{self, Stage, projection};
use super::{Norms, View};
use crate::kernels::gpu::arguments::{Back, MixTarget, Mixed, Products, Settled};
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
}

impl Project<'_> {
    fn pixels(&self) -> usize {
        self.images * self.shape.pixels()
    }

    fn own_weights(&self) -> u64 {
        self.weights + 4 * self.range.start as u64
    }

    /// `[N, H', W', C]`.
    pub fn forward(&self, norms: &mut Norms) -> Result<Buffer, GpuError> {
        let c = self.shape.channels_out;
        let map = Buffer::new(self.gpu, self.pixels() * c)?;
        let mut stage = Stage::default();
        stage.add(&projection(&self.shape, self.x, self.own_weights(), &map), self.slot, self.images);
        stage.run(self.gpu, norms, self.images, true)?;
        if norms.norm != Norm::Off {
            let own = Mixed {
                z: map.address(),
                mean: norms.mean(self.slot),
                scale: norms.scale(self.slot),
                stride: c as i32,
                ..Mixed::default()
            };
            let to = MixTarget { out: map.address(), count: 1, stride: c as i32, fresh: 1, ..MixTarget::default() };
            launch::mix(self.gpu, &[own], &[to], self.pixels(), c, Precision::Float32)?;
        }
        Ok(map)
    }

    /// `map` is the result of the forward pass, `dy` its gradient. `input`: where the input's goes and whether it is added
    /// to what is there; `weights`: where that of the block's parameters is.
    pub fn backward(
        &self,
        norms: &Norms,
        map: &Buffer,
        dy: &Buffer,
        input: Option<(u64, bool)>,
        weights: Option<u64>,
    ) -> Result<(), GpuError> {
        if input.is_none() && weights.is_none() {
            return Ok(());
        }
        let (s, c) = (&self.shape, self.shape.channels_out);
        let parts = launch::product_parts(self.pixels());
        let partial = Buffer::new(self.gpu, 2 * c * parts)?;
        let coefficients = Buffer::new(self.gpu, 4 * c)?;
        let products = Products {
            dy: dy.address(),
            z: map.address(),
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
        let settled = Settled {
            partial: partial.address(),
            mean: norms.mean(self.slot),
            scale: norms.scale(self.slot),
            coefficients: coefficients.address(),
            count: norms.count(self.pixels()),
            parts: parts as i32,
            channels: c as i32,
            normalised: 1,
            ..Settled::default()
        };
        launch::settle_products(self.gpu, &[settled])?;
        let (mut backs, mut made) = (Vec::new(), Vec::new());
        let mut offset = self.range.start;
        for unit in projection(s, self.x, self.own_weights(), map) {
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
