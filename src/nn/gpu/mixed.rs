//! One mixed operation on its own.

use super::edge::{Bundle, branches, mix_into};
use super::edge_backward::{BundleBackward, Gradients};
use super::{Norms, View};
use crate::kernels::gpu::{Buffer, Gpu, GpuError, Precision, launch};
use crate::nn::MixedGradients;
use crate::nn::edge::{Edge, Geometry};
use crate::nn::layout::BlockLayout;
use crate::nn::norm::Norm;

/// In training mode, with numbers going to the device and back.
pub(crate) struct MixedPass<'a> {
    pub gpu: &'a Gpu,
    pub geometry: Geometry,
    pub edge: &'a Edge,
    pub layout: &'a BlockLayout,
    pub precision: Precision,
}

impl MixedPass<'_> {
    /// # Errors
    /// Too little memory, a fault of the device.
    pub fn forward(&self, x: &[f32], weights: &[f32], mixing: &[f32]) -> Result<Vec<f32>, GpuError> {
        let (gpu, g) = (self.gpu, &self.geometry);
        let [x, weights] = [Buffer::from_slice(gpu, x)?, Buffer::from_slice(gpu, weights)?];
        let mixing = Buffer::from_slice(gpu, mixing)?;
        let mut norms = Norms::new(gpu, Norm::Batch, self.layout, &[])?;
        let from = View { address: x.address(), stride: g.channels };
        let bundle = Bundle::of(self.edge, self.precision);
        let maps = branches(gpu, g, &bundle, from, weights.address(), &mut norms, false)?;
        let out = Buffer::new(gpu, g.images * g.output())?;
        let to = View { address: out.address(), stride: g.channels };
        mix_into(gpu, g, &bundle, from, &maps, &norms, [weights.address(), mixing.address()], &[to], &[true])?;
        out.to_vec(g.images * g.output())
    }

    /// Gradients of the input, of the weights (empty if they are not wanted) and of the mixing weights.
    ///
    /// # Errors
    /// As [`MixedPass::forward`].
    pub fn backward(
        &self,
        x: &[f32],
        weights: &[f32],
        mixing: &[f32],
        dy: &[f32],
        weights_wanted: bool,
    ) -> Result<MixedGradients, GpuError> {
        let (gpu, g, c) = (self.gpu, &self.geometry, self.geometry.channels);
        let (x_len, w_len, columns) = (x.len(), weights.len(), mixing.len());
        let [x, weights, dy] = [x, weights, dy].map(|v| Buffer::from_slice(gpu, v));
        let (x, weights, dy, mixing) = (x?, weights?, dy?, Buffer::from_slice(gpu, mixing)?);
        let mut norms = Norms::new(gpu, Norm::Batch, self.layout, &[])?;
        let view = |b: &Buffer| View { address: b.address(), stride: c };
        let bundle = Bundle::of(self.edge, self.precision);
        let maps = branches(gpu, g, &bundle, view(&x), weights.address(), &mut norms, false)?;
        let dx = Buffer::zeros(gpu, x_len)?;
        let dw = Buffer::zeros(gpu, w_len)?;
        let inner = Buffer::zeros(gpu, 2 * columns * c)?;
        let to_mixing = Buffer::zeros(gpu, columns)?;
        let backward = BundleBackward {
            gpu,
            g,
            bundle: &bundle,
            norms: &norms,
            x: view(&x),
            weights: weights.address(),
            mixing: mixing.address(),
            maps: &maps,
            dnodes: &[view(&dy)],
        };
        backward.run(&Gradients {
            input: Some(view(&dx)),
            weights: weights_wanted.then(|| dw.address()),
            inner: inner.address(),
        })?;
        launch::mixing_gradient(gpu, inner.address(), to_mixing.address(), columns, c)?;
        Ok(MixedGradients {
            input: dx.to_vec(x_len)?,
            weights: dw.to_vec(if weights_wanted { w_len } else { 0 })?,
            mixing: to_mixing.to_vec(columns)?,
        })
    }
}
