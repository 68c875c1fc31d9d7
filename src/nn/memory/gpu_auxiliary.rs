//! How many bytes of a GPU's memory the auxiliary head takes, counted as those of a cell.

use super::gpu_count::{Count, project_backward};
use crate::kernels::gpu::parts::tiles;
use crate::nn::gpu::sheet;
use crate::nn::plan::HeadPlan;
use crate::nn::project::Projection;

/// A projection and its norm; returns the bytes of both maps, which stay.
pub(super) fn project_forward(l: &mut Count, p: &Projection, images: usize) -> usize {
    let numbers = images * p.pixels() * p.channels_out;
    let z = l.take(numbers);
    l.in_passing(2 * p.channels_out * images * tiles(p.out_height(), p.out_width()));
    z + l.take(numbers)
}

/// The auxiliary head, in numbers.
pub(super) struct HeadNumbers {
    images: usize,
    pooled: usize,
    projections: [Projection; 2],
    classes: usize,
    /// Whether the second convolution has a norm.
    normed: bool,
}

impl HeadNumbers {
    pub fn new(head: &HeadPlan, classes: usize, images: usize) -> HeadNumbers {
        let projection = |i: usize, pixels| {
            let (h, w) = sheet(images * pixels);
            head.projections[i].shape(h, w)
        };
        let projections = [projection(0, 4), projection(1, 1)];
        let pooled = 4 * images * projections[0].channels_in;
        HeadNumbers { images, pooled, projections, classes, normed: head.normed }
    }

    fn features(&self) -> usize {
        self.images * self.projections[1].channels_out
    }

    /// Returns the bytes of the logits and of what is kept.
    pub fn forward(&self, l: &mut Count) -> [usize; 2] {
        let mut kept = l.take(self.pooled);
        let [first, second] = &self.projections;
        if !self.normed {
            // A norm that does nothing.
            kept += l.take(2 * second.channels_out);
        }
        kept += project_forward(l, first, 1);
        kept += if self.normed { project_forward(l, second, 1) } else { l.take(self.features()) };
        kept += l.take(self.features());
        let mean = l.take(self.features());
        let logits = l.take(self.images * self.classes);
        l.give(mean);
        [logits, kept]
    }

    pub fn backward(&self, l: &mut Count) {
        let mut held = l.take(self.features());
        l.in_passing(self.features());
        held += l.take(self.features());
        for (p, numbers) in self.projections.iter().zip([self.pooled, 4 * self.images * self.narrow()]).rev() {
            held += l.take(numbers);
            project_backward(l, p, 1, true, true);
        }
        l.give(held);
    }

    /// Channels between the two convolutions.
    fn narrow(&self) -> usize {
        self.projections[0].channels_out
    }
}
