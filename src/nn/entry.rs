//! A cell's inputs as its edges read them, over a batch: as they are, projected, or through a residual block; and back.

use std::sync::Arc;

use super::Probe;
use super::norm::NormPass;
use super::plan::Entry;
use super::projected::{Projected, project_backward, project_forward};
use super::residual::{Residual, ResidualPass};

/// What an input gives.
pub(super) enum Entered {
    /// The input itself.
    Whole,
    Projected(Projected),
    Residual(Residual),
}

impl Entered {
    /// The map `[N, H', W', C]` that edges read, given the input `x`.
    pub fn map<'a>(&'a self, x: &'a [f32]) -> &'a [f32] {
        match self {
            Entered::Whole => x,
            Entered::Projected(p) => &p.map,
            Entered::Residual(r) => &r.map,
        }
    }

    /// The map for its own.
    pub fn into_map(self, x: &[f32]) -> Vec<f32> {
        match self {
            Entered::Whole => x.to_vec(),
            Entered::Projected(p) => p.map,
            Entered::Residual(r) => r.map,
        }
    }

    /// Drops the map, where it can be made again.
    pub fn slim(&mut self) {
        if let Entered::Projected(p) = self {
            p.slim();
        }
    }

    /// The map, where it was dropped.
    pub fn remade(&self, images: usize) -> Option<Vec<f32>> {
        match self {
            Entered::Projected(p) => p.remade(images),
            _ => None,
        }
    }
}

/// An input of a cell in one pass.
pub(super) struct EntryPass<'a> {
    pub plan: &'a Entry,
    pub images: usize,
    /// Height and width.
    pub size: (usize, usize),
    /// The block's parameters.
    pub weights: &'a [f32],
}

impl EntryPass<'_> {
    fn residual<'a>(&'a self, plan: &'a super::residual::ResidualPlan) -> ResidualPass<'a> {
        ResidualPass { plan, images: self.images, size: self.size, weights: self.weights }
    }

    /// `x` is `[N, H, W, C]`; `keep`: for a backward pass.
    pub fn forward(&self, x: &[f32], keep: bool, norms: &mut NormPass, probe: Option<&Arc<dyn Probe>>) -> Entered {
        match self.plan {
            Entry::Whole => Entered::Whole,
            Entry::Project(plan) => {
                if let Some(probe) = probe {
                    probe.relu(x, None, [self.images, plan.inputs], 1);
                }
                Entered::Projected(project_forward(plan, self.size, self.images, x, self.weights, keep, norms))
            }
            Entry::Residual(plan) => Entered::Residual(self.residual(plan).forward(x, keep, norms, probe)),
        }
    }

    /// `dy` is the gradient of the map. That of the input is added to what is in `input`, those of the block's parameters to
    /// what is in `to`: with `only`, what that image's maps give.
    pub fn backward(
        &self,
        x: &[f32],
        made: &Entered,
        dy: Vec<f32>,
        input: Option<&mut Option<Vec<f32>>>,
        to: Option<&mut [f32]>,
        only: Option<usize>,
    ) {
        match (self.plan, made) {
            (Entry::Project(plan), Entered::Projected(made)) => {
                project_backward(plan, self.size, self.images, x, self.weights, made, &dy, input, to, only);
            }
            (Entry::Residual(plan), Entered::Residual(made)) => {
                self.residual(plan).backward(x, made, &dy, input, to, only);
            }
            _ => {
                let Some(input) = input else { return };
                *input = Some(match input.take() {
                    Some(mut there) => {
                        there.iter_mut().zip(&dy).for_each(|(t, v)| *t += v);
                        there
                    }
                    None => dy,
                });
            }
        }
    }
}
