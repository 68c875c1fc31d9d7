//! A cell's inputs as its edges read them, on a GPU: as they are, projected, or through a residual block; and back.

use super::project::{Project, Projected};
use super::residual::{Residual, ResidualPass, Watch};
use super::{Norms, View};
use crate::kernels::gpu::{Buffer, Gpu, GpuError};
use crate::nn::plan::{Entry, ProjectionPlan};
use crate::nn::residual::ResidualPlan;

/// What an input gives.
pub(super) enum Entered {
    /// The input itself.
    Whole,
    Projected(Projected),
    Residual(Residual),
}

impl Entered {
    /// Where the map `[N, H', W', C]` that edges read is, given the input at `x`.
    pub fn address(&self, x: u64) -> u64 {
        match self {
            Entered::Whole => x,
            Entered::Projected(p) => p.map.address(),
            Entered::Residual(r) => r.map.address(),
        }
    }

    /// The gradient of the map, zeros: room of its own, unless the map is the input itself and its gradient `input` is asked
    /// for, which is cleared unless it is there already.
    pub fn gradient(&self, gpu: &Gpu, input: Option<(u64, bool)>, numbers: usize) -> Result<Gradient, GpuError> {
        match (self, input) {
            (Entered::Whole, Some((address, there))) => {
                if !there {
                    gpu.clear(address, 4 * numbers)?;
                }
                Ok(Gradient { own: None, address })
            }
            _ => {
                let own = Buffer::zeros(gpu, numbers)?;
                Ok(Gradient { address: own.address(), own: Some(own) })
            }
        }
    }
}

/// Where edges leave the gradient of what they read.
pub(super) struct Gradient {
    own: Option<Buffer>,
    pub address: u64,
}

/// An input of a cell in one pass.
pub(super) struct EntryPass<'a> {
    pub gpu: &'a Gpu,
    pub plan: &'a Entry,
    pub images: usize,
    /// Height and width, channels, and where it is.
    pub size: (usize, usize),
    pub channels: usize,
    pub x: u64,
    /// Of the block's parameters.
    pub weights: u64,
}

impl EntryPass<'_> {
    fn project(&self, own: &ProjectionPlan) -> Project<'_> {
        Project {
            gpu: self.gpu,
            shape: own.shape(self.size.0, self.size.1),
            images: self.images,
            x: View { address: self.x, stride: self.channels },
            weights: self.weights,
            range: own.weights.clone(),
            slot: own.norm,
            affine: own.affine,
        }
    }

    fn residual<'a>(&'a self, plan: &'a ResidualPlan) -> ResidualPass<'a> {
        let EntryPass { gpu, images, size, x, weights, .. } = *self;
        ResidualPass { gpu, plan, images, size, x, weights }
    }

    /// Numbers of the map that edges read, of `channels`.
    pub fn numbers(&self, channels: usize) -> usize {
        let (h, w) = self.plan.size(self.size);
        self.images * h * w * channels
    }

    /// `keep`: for a backward pass; what ReLUs read is shown to `watch`.
    ///
    /// # Errors
    /// Too little memory, a fault of the device.
    pub fn forward(&self, norms: &mut Norms, keep: bool, watch: Option<Watch>) -> Result<Entered, GpuError> {
        Ok(match self.plan {
            Entry::Whole => Entered::Whole,
            Entry::Project(own) => {
                let project = self.project(own);
                if let Some(watch) = watch {
                    watch(project.x, (self.size.0 * self.size.1, self.channels))?;
                }
                Entered::Projected(project.forward(norms, keep)?)
            }
            Entry::Residual(own) => Entered::Residual(self.residual(own).forward(norms, keep, watch)?),
        })
    }

    /// `dy` is the gradient of the map that the forward pass `made`. `input`: where the input's goes and whether it is added to
    /// what is there; `weights`: where that of the block's parameters is, which is added to.
    ///
    /// # Errors
    /// As [`EntryPass::forward`].
    pub fn backward(
        &self,
        norms: &Norms,
        made: &Entered,
        dy: &Gradient,
        input: Option<(u64, bool)>,
        weights: Option<u64>,
    ) -> Result<(), GpuError> {
        match (self.plan, made, &dy.own) {
            (Entry::Project(own), Entered::Projected(made), Some(dy)) => {
                self.project(own).backward(norms, made, dy, input, weights)
            }
            (Entry::Residual(own), Entered::Residual(made), Some(dy)) => {
                self.residual(own).backward(norms, made, dy, input, weights)
            }
            // The edges have left it at its place.
            _ => Ok(()),
        }
    }
}
