//! The stem for large pictures on a GPU.

use super::convolved::{Convolved, Reads};
use super::edge_backward::gather_units;
use super::residual::Watch;
use super::units::picked;
use super::{DeviceSeen, Norms, View};
use crate::kernels::gpu::{Buffer, Gpu, GpuError};
use crate::nn::stem::HalvingStem;

/// The maps before the norms, where a backward pass follows, and the norms.
pub(crate) struct HalvingState {
    z: Option<[Buffer; 3]>,
    norms: Norms,
}

/// One pass through the stem.
pub(super) struct HalvingPass<'a> {
    pub gpu: &'a Gpu,
    pub plan: &'a HalvingStem,
    /// Images, height and width.
    pub size: [usize; 3],
    /// Where the pictures and the block's parameters are.
    pub x: u64,
    pub weights: u64,
}

impl HalvingPass<'_> {
    fn convolutions(&self) -> [Convolved<'_>; 3] {
        let [images, height, width] = self.size;
        let (gpu, weights, sizes) = (self.gpu, self.weights, self.plan.sizes((height, width)));
        [0, 1, 2].map(|k: usize| Convolved { gpu, plan: &self.plan.convolutions[k], images, size: sizes[k], weights })
    }

    fn pictures(&self) -> Reads<'_> {
        Reads::Plain(View { address: self.x, stride: self.plan.inputs })
    }

    /// `[N, H/4, W/4, C']` and `[N, H/8, W/8, C']`, the moments of the norms, and what a backward pass needs; what the ReLUs read is
    /// shown to `watch`.
    ///
    /// # Errors
    /// Too little memory, a fault of the device.
    pub fn forward(
        &self,
        mut norms: Norms,
        keep: bool,
        watch: Option<Watch>,
    ) -> Result<([Buffer; 2], DeviceSeen, HalvingState), GpuError> {
        let [first, second, third] = self.convolutions();
        let pixels = |of: &Convolved| of.numbers() / of.plan.outputs / of.images;
        let z = first.forward(self.pictures(), &mut norms)?;
        if let Some(watch) = watch {
            let formed = first.formed(&z, &norms)?;
            watch(first.own(&formed), (pixels(&first), first.plan.outputs))?;
        }
        let z2 = second.forward(Reads::Behind(&first, first.own(&z)), &mut norms)?;
        let z = keep.then_some(z);
        let older = second.formed(&z2, &norms)?;
        let z = z.map(|z| [z, z2]);
        if let Some(watch) = watch {
            watch(second.own(&older), (pixels(&second), second.plan.outputs))?;
        }
        let z3 = third.forward(Reads::Relu(second.own(&older)), &mut norms)?;
        let last = third.formed(&z3, &norms)?;
        let slots = std::mem::take(&mut norms.seen);
        let seen = DeviceSeen { moments: norms.moments.take(), slots };
        Ok(([older, last], seen, HalvingState { z: z.map(|[z, z2]| [z, z2, z3]), norms }))
    }

    /// Adds to the gradient of the parameters, which is at `to`. `older` is the first map, whose gradient takes what comes from
    /// the other's, where there is one.
    ///
    /// # Errors
    /// As [`HalvingPass::forward`].
    pub fn backward(
        &self,
        state: &HalvingState,
        older: &Buffer,
        of_older: &Buffer,
        of_last: Option<Buffer>,
        to: u64,
    ) -> Result<(), GpuError> {
        let Some([z, z2, z3]) = &state.z else { return Ok(()) };
        let (norms, [first, second, third], to) = (&state.norms, self.convolutions(), Some(to));
        if let Some(of_last) = of_last {
            let (read, own) = (second.own(older), Buffer::new(self.gpu, second.numbers())?);
            third.backward(norms, (Reads::Relu(read), z3), of_last.address(), &own, to)?;
            let unit = third.unit(Reads::Relu(read), z3.address(), norms);
            let dx = View { address: of_older.address(), stride: second.plan.outputs };
            gather_units(self.gpu, &[(picked(&unit), own)], read, dx, true, self.size[0])?;
        }
        let behind = Buffer::new(self.gpu, first.numbers())?;
        let read = Reads::Behind(&first, first.own(z));
        second.backward(norms, (read, z2), of_older.address(), &behind, to)?;
        let gated = first.gated(norms, z, behind, to)?;
        first.after_gate(norms, (self.pictures(), z), &gated, None, to)?;
        Ok(())
    }
}
