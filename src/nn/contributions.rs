//! What each picture of a batch gives to the gradient of the weights.

use candle_core::Tensor;

use super::network::{End, NetworkPass};
use super::norm::Norm;
use super::parallel::GROUPS;
use super::walk::Wanted;
use super::{Mixing, NnError, Policy, Supernet, check_pictures, remembered, with_slices};

impl Supernet {
    /// Pictures that [`Supernet::contributions`] takes at most.
    pub const CONTRIBUTORS: usize = GROUPS;

    /// Shows the logits `[N, classes]` to `gradient`, which gives theirs, and then to `each`, picture by picture, what that
    /// picture's maps give to the gradient of the parameters, by block: added up, they are the gradient of the convolutions'
    /// weights (the other parameters have the whole gradient each time). Always on the CPU, with statistics of the batch.
    ///
    /// # Errors
    /// Pictures of another number of channels, more than [`Supernet::CONTRIBUTORS`], or candle's own.
    pub fn contributions(
        &self,
        images: &Tensor,
        mixing: &Mixing,
        gradient: impl FnOnce(&[f32]) -> Vec<f32>,
        mut each: impl FnMut(usize, &[&[f32]]),
    ) -> Result<(), NnError> {
        check_pictures(images, self.config().input_channels)?;
        let (n, h, w, _) = images.dims4()?;
        if n > GROUPS {
            return Err(NnError::Input(format!("at most {GROUPS} pictures can be told apart, not {n}")));
        }
        let plan = self.plan();
        let (parameters, mixing) = (self.parameters().values()?, remembered::flat(plan, mixing)?);
        let blocks: Vec<&[f32]> = parameters.iter().map(Vec::as_slice).collect();
        let mut pass = NetworkPass {
            plan,
            size: [n, h, w],
            norm: Norm::Batch,
            policy: Policy::Keep,
            running: &[],
            probe: None,
            end: End::Logits,
            factors: None,
            wanted: Wanted::WEIGHTS,
            retain: true,
            only: None,
            noise: self.parameters().noise(),
        };
        with_slices([images], |[x]| {
            let found = pass.forward(x, &blocks, &mixing, None);
            let Some(mut state) = found.state else { return };
            let gradient = gradient(&found.output);
            for picture in 0..n {
                pass.only = Some(picture);
                let (of_weights, ..) = pass.backward(&mut state, x, &blocks, &mixing, &gradient);
                each(picture, &plan.parted(&of_weights.unwrap_or_default()));
            }
        })?;
        Ok(())
    }
}
