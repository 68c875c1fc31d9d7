//! How many bytes of a GPU's memory a training step of an evaluation network takes at its peak, counted as those of a search.

use super::gpu::{BundleNumbers, Count, project_backward, stem_backward};
use crate::kernels::gpu::Precision;
use crate::kernels::gpu::launch::tiles;
use crate::nn::EvaluationConfig;
use crate::nn::evaluation::joined::{Joined, JoinedCell, JoinedHead};
use crate::nn::gpu::sheet;
use crate::nn::plan::{CellSizes, SOURCES, read_by};
use crate::nn::project::Projection;
use crate::space::INPUTS;

/// One cell, in numbers.
struct CellNumbers {
    images: usize,
    inputs: [Projection; INPUTS],
    /// Numbers of a node, how many nodes are part of the output, and how many are not.
    node: usize,
    joined: usize,
    loose: usize,
    /// By source: its edges, and how many of them may be left out.
    bundles: Vec<(BundleNumbers, usize)>,
}

impl CellNumbers {
    fn new(cell: &JoinedCell, sizes: &CellSizes) -> CellNumbers {
        let (h, w) = cell.output_size(sizes);
        let bundle = |source| {
            let branches = || cell.from(source).into_iter().flat_map(|e| &cell.edges[e].1.branches);
            let g = cell.geometry(sizes, source);
            let kept = branches().filter(|b| b.is_identity(g.stride)).count();
            (BundleNumbers::new(&g, branches().collect(), Precision::Float32), branches().count() - kept)
        };
        CellNumbers {
            images: sizes.images,
            inputs: [0, 1].map(|i| cell.projections[i].shape(sizes.inputs[i].0, sizes.inputs[i].1)),
            node: sizes.images * h * w * cell.channels,
            joined: cell.concat.len(),
            loose: cell.loose(),
            bundles: (0..SOURCES).map(bundle).collect(),
        }
    }

    fn output(&self) -> usize {
        self.joined * self.node
    }

    /// Returns the bytes of the output and of what is kept.
    fn forward(&self, l: &mut Count) -> [usize; 2] {
        let mut kept = self.inputs.iter().map(|p| project_forward(l, p, self.images)).sum::<usize>();
        let output = l.take(self.output());
        kept += (0..self.loose).map(|_| l.take(self.node)).sum::<usize>();
        let mut passing = 0;
        for (bundle, _) in &self.bundles {
            kept += bundle.make(l, false);
            passing += bundle.plain * bundle.map_bytes();
        }
        l.give(passing);
        [output, kept - passing]
    }

    /// `drops`: edges may be left out.
    fn backward(&self, l: &mut Count, drops: bool) {
        let projected: usize = self.inputs.iter().map(|p| l.take(self.images * p.pixels() * p.channels_out)).sum();
        let loose: usize = (0..self.loose).map(|_| l.take(self.node)).sum();
        for (bundle, dropped) in self.bundles.iter().rev() {
            let scaled: usize = (0..if drops { *dropped } else { 0 }).map(|_| l.take(self.node)).sum();
            bundle.backward(l, true);
            l.give(scaled);
        }
        l.give(loose);
        self.inputs.iter().for_each(|p| project_backward(l, p, self.images, true, true));
        l.give(projected);
    }
}

/// A projection and its norm; returns the bytes of both maps, which stay.
fn project_forward(l: &mut Count, p: &Projection, images: usize) -> usize {
    let numbers = images * p.pixels() * p.channels_out;
    let z = l.take(numbers);
    l.in_passing(2 * p.channels_out * images * tiles(p.out_height(), p.out_width()));
    z + l.take(numbers)
}

/// The auxiliary head, in numbers.
struct HeadNumbers {
    images: usize,
    pooled: usize,
    projections: [Projection; 2],
    classes: usize,
}

impl HeadNumbers {
    fn new(plan: &Joined, head: &JoinedHead, images: usize) -> HeadNumbers {
        let projection = |i: usize, pixels| {
            let (h, w) = sheet(images * pixels);
            head.projections[i].shape(h, w)
        };
        let projections = [projection(0, 4), projection(1, 1)];
        HeadNumbers { images, pooled: 4 * images * projections[0].channels_in, projections, classes: plan.classes }
    }

    fn features(&self) -> usize {
        self.images * self.projections[1].channels_out
    }

    /// Returns the bytes of the logits and of what is kept.
    fn forward(&self, l: &mut Count) -> [usize; 2] {
        let mut kept = l.take(self.pooled);
        kept += self.projections.iter().map(|p| project_forward(l, p, 1)).sum::<usize>();
        kept += l.take(self.features());
        let mean = l.take(self.features());
        let logits = l.take(self.images * self.classes);
        l.give(mean);
        [logits, kept]
    }

    fn backward(&self, l: &mut Count) {
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

impl EvaluationConfig {
    /// Bytes of a GPU's memory at the peak of a training step on `images` pictures of this size; `drops`: edges may be left out.
    pub fn gpu_footprint(&self, images: usize, height: usize, width: usize, drops: bool) -> u64 {
        let plan = Joined::of(self);
        let sizes = plan.sizes([images, height, width]);
        let cells: Vec<_> = plan.cells.iter().zip(&sizes).map(|(cell, sizes)| CellNumbers::new(cell, sizes)).collect();
        let head = plan.auxiliary.as_ref().map(|h| (h.after, HeadNumbers::new(&plan, h, images)));
        let (stem, parameters) = (&plan.stem, plan.layout.len);
        let (pixels, stem_tiles) = (images * height * width, images * tiles(height, width));
        let mut l = Count::default();
        l.take(pixels * stem.inputs);
        // The weights and their momentum.
        l.take(2 * parameters);
        let dropped: usize = cells.iter().flat_map(|c| &c.bundles).map(|(_, dropped)| dropped).sum();
        l.take(if drops { dropped * images } else { 0 });
        l.take(stem.layout.running);
        let mut passing = l.take(2 * stem.layout.running);
        l.take(pixels * stem.outputs);
        l.in_passing(2 * stem.outputs * stem_tiles);
        let stem_out = pixels * stem.outputs;
        l.take(stem_out);
        l.take(plan.layout.running);
        passing += l.take(2 * plan.layout.running);
        let (mut kept, mut of_head) = (Vec::with_capacity(cells.len()), 0);
        for (i, cell) in cells.iter().enumerate() {
            kept.push(cell.forward(&mut l));
            if let Some((_, head)) = head.as_ref().filter(|(after, _)| *after == i) {
                let [logits, own] = head.forward(&mut l);
                (passing, of_head) = (passing + logits, own);
            }
        }
        let features = plan.cells.last().map_or(0, JoinedCell::outputs);
        let mean = l.take(images * features);
        passing += l.take(images * self.classes);
        l.give(mean + passing);

        l.take(parameters);
        l.take(images * self.classes * if head.is_some() { 2 } else { 1 });
        let outputs: Vec<usize> = std::iter::once(stem_out).chain(cells.iter().map(CellNumbers::output)).collect();
        let mut gradients = vec![0; outputs.len()];
        gradients[cells.len()] = l.take(outputs[cells.len()]);
        l.in_passing(images * features);
        for (i, cell) in cells.iter().enumerate().rev() {
            if let Some((_, head)) = head.as_ref().filter(|(after, _)| *after == i) {
                head.backward(&mut l);
                l.give(of_head);
            }
            for k in read_by(i) {
                if gradients[k] == 0 {
                    gradients[k] = l.take(outputs[k]);
                }
            }
            cell.backward(&mut l, drops);
            l.give(gradients[i + 1] + kept[i].iter().sum::<usize>());
        }
        stem_backward(&mut l, stem, pixels, stem_tiles);
        l.peak as u64
    }
}
