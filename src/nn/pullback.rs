//! What single cells hand back: products of a gradient of a cell's output with the cell's Jacobian by the output before it.

use candle_core::Tensor;

use super::cell::To;
use super::network::{End, NetworkPass, NetworkState};
use super::norm::Norm;
use super::walk::Wanted;
use super::{Mixing, NnError, Policy, Supernet, check_pictures, remembered, with_slices};

/// The last output of the stem or that of a cell, and what its gradient becomes.
pub struct Pulled<'a> {
    /// `[N, H, W, C]`.
    pub output: &'a [f32],
    pub shape: [usize; 4],
    /// Of a cell: the gradient that was sent into its output.
    pub sent: Option<&'a [f32]>,
    /// The gradient of the block's output before it, of that block's shape: only what comes through this cell, with the batch's
    /// statistics.
    pub received: Option<&'a [f32]>,
}

impl Supernet {
    /// Shows the last output of the stem (0) and that of every cell (1, 2, …) to `each`, with what `gradient(cell, numbers)` of that cell's
    /// output becomes before the cell. Always on the CPU, with statistics of the batch; no weight has a gradient.
    ///
    /// # Errors
    /// Pictures of another number of channels, or candle's own.
    pub fn pullbacks(
        &self,
        images: &Tensor,
        mixing: &Mixing,
        mut gradient: impl FnMut(usize, usize) -> Vec<f32>,
        mut each: impl FnMut(usize, Pulled),
    ) -> Result<(), NnError> {
        check_pictures(images, self.config().input_channels)?;
        let (n, h, w, _) = images.dims4()?;
        let plan = self.plan();
        let (parameters, mixing) = (self.parameters().values()?, remembered::flat(plan, mixing)?);
        let blocks: Vec<&[f32]> = parameters.iter().map(Vec::as_slice).collect();
        let pass = NetworkPass {
            plan,
            size: [n, h, w],
            norm: Norm::Batch,
            policy: Policy::Keep,
            running: &[],
            probe: None,
            end: End::Features,
            factors: None,
            wanted: Wanted::IMAGES,
            retain: false,
            only: None,
            noise: self.parameters().noise(),
        };
        with_slices([images], |[x]| {
            let Some(state) = pass.forward(x, &blocks, &mixing, None).state else { return };
            let shapes = plan.cells.iter().zip(plan.sizes([n, h, w])).map(|(cell, sizes)| cell.output_shape(&sizes));
            let (stem, stems) = (plan.stem.last([n, h, w]), plan.stems());
            each(0, Pulled { output: &state.outputs()[stems - 1], shape: stem, sent: None, received: None });
            for (i, shape) in shapes.enumerate() {
                let output = &state.outputs()[i + stems][..];
                let sent = gradient(i, output.len());
                let received = pass.pull(&state, i, &blocks, &mixing, sent.clone());
                each(i + 1, Pulled { output, shape, sent: Some(&sent), received: Some(&received) });
            }
        })?;
        Ok(())
    }
}

impl NetworkPass<'_> {
    /// What a gradient of cell `i`'s output becomes in the output before it.
    fn pull(
        &self,
        state: &NetworkState,
        i: usize,
        parameters: &[&[f32]],
        mixing: &[f32],
        gradient: Vec<f32>,
    ) -> Vec<f32> {
        let (cells, sizes) = (&self.plan.cells, self.plan.sizes(self.size));
        let (read, before): (Vec<usize>, usize) = (self.plan.reads(i).collect(), i + self.plan.stems() - 1);
        let inputs: Vec<&[f32]> = read.iter().map(|o| &state.outputs()[*o][..]).collect();
        let mut gradients: Vec<Option<Vec<f32>>> = vec![None; cells.len() + self.plan.stems()];
        // Of the first cell both inputs may be the stem's output.
        let places: Vec<Option<usize>> = read.iter().map(|o| (*o == before).then_some(before)).collect();
        let mut unread = vec![0.0; self.plan.mixing(i).len()];
        let to = To { weights: None, mixing: &mut unread, inputs: &mut gradients, places: &places, only: None };
        self.cell(i, sizes[i]).backward(
            &inputs,
            parameters[i + 1],
            &mixing[self.plan.mixing(i)],
            &state.cells()[i],
            &state.outputs()[before + 1],
            gradient,
            to,
        );
        gradients[before].take().unwrap_or_else(|| vec![0.0; state.outputs()[before].len()])
    }
}
