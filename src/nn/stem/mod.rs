//! What stands before the cells: from pictures to the maps that the first cell reads, and back.

mod halving;
mod plain;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::halving::HalvingState;
pub(crate) use self::halving::HalvingStem;
use self::plain::PlainState;
pub(crate) use self::plain::PlainStem;
use super::Probe;
use super::layout::BlockLayout;
use super::norm::{Norm, Seen};
use crate::space::Stem;

#[derive(Clone, Debug)]
pub(crate) enum StemPlan {
    Plain(PlainStem),
    Halving(HalvingStem),
}

impl StemPlan {
    /// From pictures of so many channels to maps of so many.
    pub fn new(stem: Stem, inputs: usize, outputs: usize) -> StemPlan {
        match stem {
            Stem::Cifar => StemPlan::Plain(PlainStem::new(inputs, outputs)),
            Stem::ImageNet => StemPlan::Halving(HalvingStem::new(inputs, outputs)),
        }
    }

    pub fn kind(&self) -> Stem {
        match self {
            StemPlan::Plain(_) => Stem::Cifar,
            StemPlan::Halving(_) => Stem::ImageNet,
        }
    }

    pub fn layout(&self) -> &BlockLayout {
        match self {
            StemPlan::Plain(plan) => &plan.layout,
            StemPlan::Halving(plan) => &plan.layout,
        }
    }

    /// Channels of the pictures.
    pub fn inputs(&self) -> usize {
        match self {
            StemPlan::Plain(plan) => plan.inputs,
            StemPlan::Halving(plan) => plan.inputs,
        }
    }

    /// Channels of each map that it gives.
    pub fn outputs(&self) -> usize {
        match self {
            StemPlan::Plain(plan) => plan.outputs,
            StemPlan::Halving(plan) => plan.outputs,
        }
    }

    /// Shapes `[N, H, W, C]` of the maps that it gives, in the order in which they are read.
    pub fn maps(&self, [images, height, width]: [usize; 3]) -> impl Iterator<Item = [usize; 4]> + use<> {
        let (outputs, stem) = (self.outputs(), self.kind());
        let sizes = stem.sizes((height, width));
        sizes.into_iter().skip(2 - stem.maps()).map(move |(h, w)| [images, h, w, outputs])
    }

    /// Shape of the last map.
    pub fn last(&self, [images, height, width]: [usize; 3]) -> [usize; 4] {
        let [_, (h, w)] = self.kind().sizes((height, width));
        [images, h, w, self.outputs()]
    }

    /// Multiply-accumulates for one picture.
    pub fn macs(&self, size: (usize, usize)) -> usize {
        match self {
            StemPlan::Plain(plan) => plan.window() * plan.outputs * size.0 * size.1,
            StemPlan::Halving(plan) => {
                let behind = plan.sizes(size).into_iter().skip(1);
                plan.convolutions.iter().zip(behind).map(|(c, (h, w))| c.weights.len() * h * w).sum()
            }
        }
    }
}

/// One pass through a stem, of any kind or of one.
pub(crate) struct StemPass<'a, P = StemPlan> {
    pub plan: &'a P,
    /// Images, height and width.
    pub size: [usize; 3],
    pub norm: Norm,
    pub running: &'a [f32],
    pub probe: Option<&'a Arc<dyn Probe>>,
}

/// What a backward pass needs.
pub(crate) enum StemState {
    Plain(PlainState),
    Halving(HalvingState),
}

impl<'a> StemPass<'a> {
    /// The same through what the stem is.
    fn of<P>(&self, plan: &'a P) -> StemPass<'a, P> {
        StemPass { plan, size: self.size, norm: self.norm, running: self.running, probe: self.probe }
    }

    /// Takes pictures `[N, H, W, C]`, gives its maps, and what the backward pass needs, if it was asked for.
    pub fn forward(&self, x: &[f32], parameters: &[f32], keep: bool) -> (Vec<Vec<f32>>, Option<StemState>, Vec<Seen>) {
        match self.plan {
            StemPlan::Plain(plan) => {
                let (map, state, seen) = self.of(plan).forward(x, parameters, keep);
                (vec![map], state.map(StemState::Plain), seen)
            }
            StemPlan::Halving(plan) => {
                let (maps, state, seen) = self.of(plan).forward(x, parameters, keep);
                (maps.into(), state.map(StemState::Halving), seen)
            }
        }
    }

    /// Sets the gradient of the parameters in `to`, which is zeros (only what the maps of `picture` give, where there is one);
    /// gives that of the pictures `[N, H, W, C]`, if it is wanted. `maps` are what the forward pass gave, `gradients` theirs,
    /// which are used up.
    pub fn backward(
        &self,
        x: &[f32],
        parameters: &[f32],
        state: &StemState,
        maps: &[Vec<f32>],
        gradients: &mut [Option<Vec<f32>>],
        to: Option<&mut [f32]>,
        images_wanted: bool,
        picture: Option<usize>,
    ) -> Option<Vec<f32>> {
        match (self.plan, state, gradients) {
            (StemPlan::Plain(plan), StemState::Plain(state), [dy, ..]) => {
                let dy = dy.take()?;
                self.of(plan).backward(x, parameters, state, &dy, to, images_wanted, picture)
            }
            (StemPlan::Halving(plan), StemState::Halving(state), [older, last, ..]) => {
                let (of_maps, pass) = ([older.take(), last.take()], self.of(plan));
                pass.backward(x, parameters, state, maps.first()?, of_maps, to, images_wanted, picture)
            }
            _ => None,
        }
    }
}
