//! The norm with scale and shift, and the ReLU, between the last cell of NAS-Bench-201 and the global average.

use super::Probe;
use super::layout::{BlockLayout, Kind};
use super::noise::Noise;
use super::norm::{Norm, NormPass, NormSlot, Seen, Statistics, Sums, collector};
use super::parallel::{Images, image, map_groups, unfilled};
use crate::kernels::norm::{Collector, add_products};
use std::sync::Arc;

#[derive(Clone, Debug)]
pub(crate) struct ClosingPlan {
    pub norm: NormSlot,
    pub layout: BlockLayout,
}

impl ClosingPlan {
    /// On maps of so many channels.
    pub fn new(channels: usize) -> ClosingPlan {
        let mut layout = BlockLayout::default();
        layout.add("lastact.0.weight".into(), Kind::NormWeight, channels, 1);
        layout.add("lastact.0.bias".into(), Kind::NormBias, channels, 1);
        let norm = layout.add_norm("lastact.0".into(), channels);
        ClosingPlan { norm, layout }
    }
}

/// One pass through it.
pub(crate) struct ClosingPass<'a> {
    pub plan: &'a ClosingPlan,
    /// `[N, H, W, C]`.
    pub shape: [usize; 4],
    pub norm: Norm,
    pub running: &'a [f32],
    pub probe: Option<&'a Arc<dyn Probe>>,
}

impl ClosingPass<'_> {
    fn image(&self) -> usize {
        let [_, h, w, c] = self.shape;
        h * w * c
    }

    /// `parameters` are the block's: scale, shift. Gives the map, the moments, and the norm's statistics for the way back.
    pub fn forward(&self, x: &[f32], parameters: &[f32]) -> (Vec<f32>, Vec<Seen>, Statistics) {
        let ([n, _, _, c], len) = (self.shape, self.image());
        let parts = map_groups(n, |group| {
            let mut moments = collector(self.norm, c);
            for i in group {
                moments.iter_mut().for_each(|m| m.add_map(image(x, i, len)));
            }
            moments.map(Collector::finish)
        });
        let mut norms = NormPass { norm: self.norm, running: self.running, seen: Vec::new(), noise: Noise::default() };
        let (scale, shift) = parameters.split_at(c);
        // No norm at all: neither scale nor shift.
        let affine = (self.norm != Norm::Off).then_some([scale, shift]);
        let statistics = norms.settle(self.plan.norm, parts.into_iter().flatten()).with(affine);
        let form = statistics.form();
        // SAFETY: every image is written below.
        let mut map = unsafe { unfilled(x.len()) };
        let writer = Images::new(&mut map, n);
        map_groups(n, |group| {
            for i in group {
                let z = image(x, i, len);
                // SAFETY: groups do not share images.
                form.apply(z, z, unsafe { writer.image(i) });
            }
        });
        if let Some(probe) = self.probe {
            norms.seen.iter().for_each(|s| probe.norm(&s.moments.variance()));
            probe.relu(&map, None, [n, self.shape[3]], 1);
        }
        map.iter_mut().for_each(|v| *v = v.max(0.0));
        (map, norms.seen, statistics)
    }

    /// The gradient of the input; `dy` is that of the map, which it becomes. The gradients of scale and shift are set in `to`.
    pub fn backward(&self, x: &[f32], statistics: &Statistics, mut dy: Vec<f32>, to: Option<&mut [f32]>) -> Vec<f32> {
        let ([n, _, _, c], len) = (self.shape, self.image());
        let form = statistics.form();
        let writer = Images::new(&mut dy, n);
        let parts = map_groups(n, |group| {
            let (mut sums, mut map) = (Sums::new(c), vec![0.0; len]);
            for i in group {
                let z = image(x, i, len);
                form.apply(z, z, &mut map);
                // SAFETY: groups do not share images.
                let dy = unsafe { writer.image(i) };
                // Before the ReLU there is a gradient where its result is positive.
                dy.iter_mut().zip(&map).filter(|(_, v)| **v <= 0.0).for_each(|(d, _)| *d = 0.0);
                add_products(dy, z, &statistics.mean, &mut sums.plain, &mut sums.product);
            }
            sums
        });
        let sums = Sums::total(c, &parts);
        let back = statistics.backward(1.0, &sums);
        map_groups(n, |group| {
            let mut own = vec![0.0; len];
            for i in group {
                // SAFETY: groups do not share images.
                let dy = unsafe { writer.image(i) };
                back.apply(dy, image(x, i, len), &mut own);
                dy.copy_from_slice(&own);
            }
        });
        if let Some(to) = to {
            to.fill(0.0);
            if statistics.is_affine() {
                statistics.add_affine_gradients(&sums, to);
            }
        }
        dy
    }
}
