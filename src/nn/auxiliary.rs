//! The auxiliary head on plain maps (DARTS, appendix A.2): ReLU, averages over 5x5 windows, a 1x1 convolution with its norm, one
//! over all that is left, with its norm where there is one, ReLU, classifier.

use rayon::prelude::*;

use super::NnError;
use super::head;
use super::noise::Noise;
use super::norm::{Norm, NormPass, Seen};
use super::plan::{HeadPlan, ProjectionPlan};
use super::projected::{Projected, project_backward, project_forward};
use crate::kernels::relu;
use crate::space::Stem;

const WINDOW: usize = 5;
/// Side of what the pooling gives.
const SIDE: usize = 2;

/// Refuses maps that the head can't average to 2x2.
pub(crate) fn check(height: usize, width: usize, stem: Stem) -> Result<(), NnError> {
    let [least, most] = stem.auxiliary_sides();
    if [height, width].iter().all(|side| (least..=most).contains(side)) {
        return Ok(());
    }
    let text = format!("the auxiliary head needs maps of {least} to {most} pixels a side, not {height}x{width}");
    Err(NnError::Input(text))
}

/// For each output pixel the input pixels of its window.
fn windows(width: usize, stride: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..SIDE * SIDE).flat_map(move |o| {
        let (top, left) = (o / SIDE * stride, o % SIDE * stride);
        (0..WINDOW * WINDOW).map(move |p| (o, (top + p / WINDOW) * width + left + p % WINDOW))
    })
}

/// What the head keeps from its forward to its backward pass.
pub(crate) struct HeadState {
    /// `[N, 2, 2, C]`.
    pooled: Vec<f32>,
    projected: [Projected; 2],
}

/// One pass through the head, in training mode.
pub(crate) struct HeadPass<'a> {
    pub plan: &'a HeadPlan,
    /// Shape of the cell's output, `[N, H, W, C]`.
    pub size: [usize; 4],
    pub classes: usize,
    /// Running statistics of the block.
    pub running: &'a [f32],
}

fn rectified(x: &[f32]) -> Vec<f32> {
    x.iter().map(|v| v.max(0.0)).collect()
}

impl HeadPass<'_> {
    /// The projections with the size of the map that each reads: all pictures are one map, so that the weights' gradients, which
    /// are large, are there once; all four pixels of a picture are one of the second.
    fn projections(&self) -> [(&ProjectionPlan, (usize, usize)); 2] {
        let n = self.size[0];
        [(&self.plan.projections[0], (n * SIDE, SIDE)), (&self.plan.projections[1], (n, 1))]
    }

    fn wide(&self) -> [usize; 4] {
        [self.size[0], 1, 1, self.plan.projections[1].norm.channels]
    }

    /// Logits `[N, classes]` from the cell's output; `weights` are the block's.
    pub fn forward(&self, x: &[f32], weights: &[f32]) -> (Vec<f32>, Vec<Seen>, HeadState) {
        let [n, h, w, c] = self.size;
        let share = 1.0 / (WINDOW * WINDOW) as f32;
        let mut pooled = vec![0.0f32; n * SIDE * SIDE * c];
        x.par_chunks_exact(h * w * c).zip(pooled.par_chunks_exact_mut(SIDE * SIDE * c)).for_each(|(x, to)| {
            for (o, p) in windows(w, self.plan.stride) {
                to[o * c..][..c].iter_mut().zip(&x[p * c..][..c]).for_each(|(o, v)| *o += v.max(0.0));
            }
            to.iter_mut().for_each(|v| *v *= share);
        });
        let mut norms =
            NormPass { norm: Norm::Batch, running: self.running, seen: Vec::new(), noise: Noise::default() };
        // Averages of what is 0 or more: the ReLU of a projection changes nothing.
        let [(first, first_size), (second, second_size)] = self.projections();
        let first = project_forward(first, first_size, 1, &pooled, weights, true, &mut norms);
        let mut bare = NormPass { norm: Norm::Off, running: &[], seen: Vec::new(), noise: Noise::default() };
        let of_second = if self.plan.normed { &mut norms } else { &mut bare };
        let second = project_forward(second, second_size, 1, &first.map, weights, true, of_second);
        let features = rectified(&second.map);
        let logits = head::forward(&features, self.wide(), &weights[self.plan.classifier..], self.classes);
        (logits, norms.seen, HeadState { pooled, projected: [first, second] })
    }

    /// Adds to the gradient of the cell's output, `dx`, and to that of the block's parameters; `dy` is that of the logits.
    pub fn backward(&self, x: &[f32], weights: &[f32], state: &HeadState, dy: &[f32], dx: &mut [f32], to: &mut [f32]) {
        let [_, h, w, c] = self.size;
        let [first, second] = &state.projected;
        let (own, classes) = (&weights[self.plan.classifier..], self.classes);
        let to_classifier = Some(&mut to[self.plan.classifier..]);
        let dfeatures = head::backward(&rectified(&second.map), self.wide(), own, dy, classes, to_classifier);
        let mut dsecond = vec![0.0; dfeatures.len()];
        relu::add_where_positive(&second.map, &dfeatures, &mut dsecond);
        let [(first_plan, first_size), (second_plan, second_size)] = self.projections();
        let mut dfirst = None;
        let narrow = Some(&mut dfirst);
        project_backward(
            second_plan,
            second_size,
            1,
            &first.map,
            weights,
            second,
            &dsecond,
            narrow,
            Some(&mut *to),
            None,
        );
        let dfirst = dfirst.unwrap_or_default();
        let mut dpooled = None;
        let wide = Some(&mut dpooled);
        project_backward(first_plan, first_size, 1, &state.pooled, weights, first, &dfirst, wide, Some(to), None);
        let share = 1.0 / (WINDOW * WINDOW) as f32;
        let dpooled = dpooled.unwrap_or_default();
        let maps = x.par_chunks_exact(h * w * c).zip(dx.par_chunks_exact_mut(h * w * c));
        maps.zip(dpooled.par_chunks_exact(SIDE * SIDE * c)).for_each(|((x, dx), d)| {
            for (o, p) in windows(w, self.plan.stride) {
                let places = dx[p * c..][..c].iter_mut().zip(&x[p * c..][..c]);
                // A select, not a branch: which pixels are open changes from one to the next.
                places.zip(&d[o * c..][..c]).for_each(|((t, x), v)| *t += if *x > 0.0 { v * share } else { 0.0 });
            }
        });
    }
}
