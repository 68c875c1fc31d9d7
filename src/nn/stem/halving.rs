//! The stem for large pictures (DARTS' `NetworkImageNet`): three 3x3 convolutions of stride 2, each with a norm with scale and
//! shift and ReLUs between them. Behind the second is the first map of the two, behind the third the other.

use super::StemPass;
use crate::kernels::depthwise::Load;
use crate::nn::convolved::{ConvolutionPlan, Convolved};
use crate::nn::layout::BlockLayout;
use crate::nn::noise::Noise;
use crate::nn::norm::{NormPass, Seen, Statistics};
use crate::nn::parallel::{unfilled, zeros};

#[derive(Clone, Debug)]
pub(crate) struct HalvingStem {
    pub inputs: usize,
    pub outputs: usize,
    pub layout: BlockLayout,
    pub convolutions: [ConvolutionPlan; 3],
}

impl HalvingStem {
    /// From pictures of so many channels to maps of so many, at least 2.
    pub fn new(inputs: usize, outputs: usize) -> HalvingStem {
        let mut layout = BlockLayout::default();
        let mut add = |stem: usize, at: usize, channels: [usize; 2]| {
            let names = [format!("stem{stem}.{at}.weight"), format!("stem{stem}.{}", at + 1)];
            ConvolutionPlan::add(&mut layout, names, channels, 2)
        };
        let half = outputs / 2;
        let convolutions = [add(0, 0, [inputs, half]), add(0, 3, [half, outputs]), add(1, 1, [outputs, outputs])];
        HalvingStem { inputs, outputs, layout, convolutions }
    }

    /// Heights and widths of the convolutions' inputs, and of what the last makes.
    pub fn sizes(&self, size: (usize, usize)) -> [(usize, usize); 4] {
        let [first, second, third] = &self.convolutions;
        let (half, quarter) = (first.output_size(size), second.output_size(first.output_size(size)));
        [size, half, quarter, third.output_size(quarter)]
    }
}

/// The maps before the norms, and the norms.
pub(crate) struct HalvingState(Box<[(Vec<f32>, Statistics); 3]>);

impl StemPass<'_, HalvingStem> {
    fn convolutions<'a>(&'a self, weights: &'a [f32]) -> [Convolved<'a>; 3] {
        let [images, height, width] = self.size;
        let sizes = self.plan.sizes((height, width));
        [0, 1, 2].map(|k: usize| Convolved { plan: &self.plan.convolutions[k], images, size: sizes[k], weights })
    }

    /// Takes pictures `[N, H, W, C]`, gives `[N, H/4, W/4, C']` and `[N, H/8, W/8, C']`, and what the backward pass needs, if it
    /// was asked for.
    pub fn forward(
        &self,
        x: &[f32],
        parameters: &[f32],
        keep: bool,
    ) -> ([Vec<f32>; 2], Option<HalvingState>, Vec<Seen>) {
        let [images, ..] = self.size;
        let mut norms = NormPass { norm: self.norm, running: self.running, seen: Vec::new(), noise: Noise::default() };
        let [first, second, third] = self.convolutions(parameters);
        let (z, of_first) = first.forward(x, Load::Copy, &mut norms);
        if let Some(probe) = self.probe {
            probe.relu(&first.formed(&z, &of_first), None, [images, first.plan.outputs], 1);
        }
        let (z2, of_second) = second.forward(&z, of_first.load_relu(), &mut norms);
        let kept = keep.then_some((z, of_first));
        let older = second.formed(&z2, &of_second);
        let kept = kept.map(|first| (first, (z2, of_second)));
        if let Some(probe) = self.probe {
            probe.relu(&older, None, [images, second.plan.outputs], 1);
        }
        let (z3, of_third) = third.forward(&older, Load::Relu, &mut norms);
        let last = third.formed(&z3, &of_third);
        if let Some(probe) = self.probe {
            norms.seen.iter().for_each(|s| probe.norm(&s.moments.variance()));
        }
        let state = kept.map(|(first, second)| HalvingState(Box::new([first, second, (z3, of_third)])));
        ([older, last], state, norms.seen)
    }

    /// Adds the gradient of the parameters to what is in `to` (only what the maps of `picture` give, where there is one); gives
    /// that of the pictures, if it is wanted. `older` is the first map, `gradients` are those of both, where they have any.
    pub fn backward(
        &self,
        x: &[f32],
        parameters: &[f32],
        state: &HalvingState,
        older: &[f32],
        gradients: [Option<Vec<f32>>; 2],
        mut to: Option<&mut [f32]>,
        images_wanted: bool,
        picture: Option<usize>,
    ) -> Option<Vec<f32>> {
        let images = self.size[0];
        let [first, second, third] = self.convolutions(parameters);
        let [of_first, of_second, of_third] = &*state.0;
        let [of_older, of_last] = gradients;
        let mut of_older = of_older.unwrap_or_else(|| zeros(older.len(), images));
        if let Some(of_last) = of_last {
            // SAFETY: each image is written by the convolution's way back.
            let mut more = unsafe { unfilled(older.len()) };
            let made = (&of_third.0[..], &of_third.1);
            third.backward((older, Load::Relu), made, &of_last, Some(&mut more), to.as_deref_mut(), picture);
            of_older.iter_mut().zip(&more).for_each(|(t, v)| *t += v);
        }
        // SAFETY: as above.
        let mut of_middle = unsafe { unfilled(of_first.0.len()) };
        let (read, made) = ((&of_first.0[..], of_first.1.load_relu()), (&of_second.0[..], &of_second.1));
        second.backward(read, made, &of_older, Some(&mut of_middle), to.as_deref_mut(), picture);
        drop(of_older);
        first.gate(&mut of_middle, &of_first.0, &of_first.1);
        // SAFETY: as above.
        let mut of_images = images_wanted.then(|| unsafe { unfilled(x.len()) });
        let made = (&of_first.0[..], &of_first.1);
        first.backward((x, Load::Copy), made, &of_middle, of_images.as_deref_mut(), to, picture);
        of_images
    }
}
