//! How many bytes of a GPU's memory a search step takes at its peak: the passes of [`crate::nn::gpu`] walked with a count of
//! what they ask for. A recording device finds the same number, to the byte.

use std::sync::Arc;

use super::gpu_auxiliary::HeadNumbers;
use super::gpu_count::Count;
use super::gpu_entry::{ClosingNumbers, EntryNumbers};
use super::gpu_stem::StemNumbers;
use super::{Wanted, Workload};
use crate::kernels::gpu::Precision;
use crate::kernels::gpu::parts::{dense_splits, product_parts, splits, tiles};
use crate::nn::edge::{Branch, Geometry, is_noise, is_pooling, is_separable, poolings};
use crate::nn::plan::{CellPlan, CellSizes, HeadPlan, NetworkPlan};
use crate::nn::{EvaluationConfig, Policy, SupernetConfig};
use crate::space::Compute;

/// The edges from one source, or one of them, in numbers.
pub(super) struct BundleNumbers {
    channels: usize,
    branches: usize,
    /// Numbers of an output map.
    map: usize,
    /// How the branches' maps are kept.
    precision: Precision,
    pixels: usize,
    /// Tiles of all images' outputs.
    tiles: usize,
    /// Branches with a norm that are no poolings, kinds of pooling, separable ones among the first.
    made: usize,
    pooled: usize,
    separable: usize,
    /// Kinds of pooling without a norm, whose maps are float32.
    plain: usize,
    /// Maps of noise.
    noise: usize,
    /// Edges that drop path may leave out.
    drops: usize,
    /// Weights of each convolution before a last norm, and of the first halves of separable ones.
    last: Vec<usize>,
    first: Vec<usize>,
    /// Weights and biases of dense convolutions, and the numbers of the gradients behind their ReLUs.
    dense: Vec<usize>,
    gradients: Vec<usize>,
    factorised: Vec<FactorisedNumbers>,
}

/// A factorised convolution, in numbers.
struct FactorisedNumbers {
    /// Of the map between its halves, and tiles of it.
    between: usize,
    tiles: usize,
    /// Weights of a half.
    weights: usize,
    input: usize,
}

impl BundleNumbers {
    fn of(plan: &CellPlan, sizes: &CellSizes, edges: &[usize], precision: Precision) -> BundleNumbers {
        let branches = edges.iter().flat_map(|e| &plan.edges[*e].branches).collect();
        let drops = edges.iter().filter(|e| plan.may_drop(**e)).count();
        BundleNumbers { drops, ..BundleNumbers::new(&plan.geometry(sizes, edges[0]), branches, precision) }
    }

    pub fn new(g: &Geometry, branches: Vec<&Branch>, precision: Precision) -> BundleNumbers {
        let (h, w, c) = (g.height.div_ceil(g.stride), g.width.div_ceil(g.stride), g.channels);
        let count = |of: &dyn Fn(&Branch) -> bool| branches.iter().filter(|b| of(b)).count();
        let kinds = |of: &dyn Fn(&Branch) -> bool| poolings(branches.iter().filter(|b| of(b)).map(|b| b.operation));
        let mut numbers = BundleNumbers {
            channels: c,
            branches: branches.len(),
            map: g.images * g.output(),
            precision,
            pixels: g.images * h * w,
            tiles: g.images * tiles(h, w),
            made: count(&|b| !b.norms.is_empty() && !is_pooling(b.operation)),
            pooled: kinds(&|_| true),
            plain: kinds(&|b| b.norms.is_empty()),
            noise: count(&|b| is_noise(b.operation)),
            drops: 0,
            separable: count(&|b| is_separable(b.operation)),
            last: Vec::new(),
            first: Vec::new(),
            dense: Vec::new(),
            gradients: Vec::new(),
            factorised: Vec::new(),
        };
        for b in branches {
            let affine = if b.affine { 2 * c } else { 0 };
            match b.operation.compute() {
                Compute::Separable { halves: 1, .. } => numbers.last.push(b.len - affine),
                Compute::Separable { halves, .. } => {
                    numbers.last.push(b.len / halves - affine);
                    numbers.first.push(b.len / halves - affine);
                }
                Compute::Identity if g.stride == 2 => {
                    numbers.last.extend(g.halving().parts().filter(|p| p.outputs > 0).map(|p| c * p.outputs));
                }
                Compute::Dense { window } => {
                    numbers.dense.push(b.len - affine);
                    numbers.gradients.push(g.images * if window > 1 { g.input() } else { g.output() });
                }
                Compute::Factorised { window } => {
                    let [row, _] = g.factorised(window);
                    numbers.factorised.push(FactorisedNumbers {
                        between: g.images * row.out_len(),
                        tiles: g.images * tiles(row.out_height(), row.out_width()),
                        weights: row.weights_len(),
                        input: g.images * g.input(),
                    });
                }
                _ => {}
            }
        }
        numbers
    }

    fn maps(&self, l: &mut Count, count: usize) -> usize {
        (0..count).map(|_| l.take_map(self.map, self.precision)).sum()
    }

    /// The maps of a forward pass, which stay; returns their bytes. `again`: for a backward pass.
    pub fn make(&self, l: &mut Count, again: bool) -> usize {
        let (pooled, plain) = if again { (0, 0) } else { (self.pooled - self.plain, self.plain) };
        let mut bytes = (0..self.noise + plain).map(|_| l.take(self.map)).sum();
        for (maps, factorised) in [(self.made + pooled, &self.factorised[..]), (self.separable, &[])] {
            bytes += self.maps(l, maps);
            let between: usize = factorised.iter().map(|f| l.take(f.between)).sum();
            if !again && maps > 0 {
                l.in_passing(maps * 2 * self.channels * self.tiles);
            }
            l.give(between);
        }
        bytes
    }

    /// Bytes of poolings, which are not kept.
    fn pooled(&self) -> usize {
        self.map * ((self.pooled - self.plain) * self.precision.bytes() + self.plain * Precision::Float32.bytes())
    }

    /// Parts of the weights' gradients.
    fn parts(&self, l: &mut Count, weights: &[usize], wanted: bool) {
        if wanted && !weights.is_empty() {
            l.in_passing(weights.iter().sum::<usize>() * splits(self.tiles, self.channels));
        }
    }

    /// Of the outputs, in parts.
    fn sums(&self, l: &mut Count) {
        if self.branches > 0 {
            l.in_passing(self.branches * 2 * self.channels * product_parts(self.pixels));
        }
    }

    pub fn backward(&self, l: &mut Count, weights_wanted: bool) {
        if self.branches == 0 {
            return;
        }
        let c = self.channels;
        let mut held = l.take(self.branches * 4 * c);
        self.sums(l);
        held += self.maps(l, self.last.len() - self.separable);
        let seconds = self.maps(l, self.separable);
        self.parts(l, &self.last, weights_wanted);
        held += self.gradients.iter().map(|numbers| l.take_map(*numbers, self.precision)).sum::<usize>();
        if weights_wanted && !self.dense.is_empty() {
            l.in_passing(self.dense.iter().sum::<usize>() * dense_splits(self.tiles, c, c));
        }
        if let Some(tiles) = self.factorised.iter().map(|f| f.tiles).max() {
            let wanted = if weights_wanted { &self.factorised[..] } else { &[] };
            let made: usize = wanted.iter().map(|f| l.take(f.between)).sum();
            let betweens: usize = self.factorised.iter().map(|f| l.take_map(f.between, self.precision)).sum();
            let parts = |l: &mut Count, tiles: usize| {
                let weights: usize = wanted.iter().map(|f| f.weights).sum();
                l.in_passing(weights * dense_splits(tiles, c, c));
            };
            parts(l, self.tiles);
            l.give(made);
            held += self.factorised.iter().map(|f| l.take_map(f.input, self.precision)).sum::<usize>();
            parts(l, tiles);
            l.give(betweens);
        }
        if self.separable > 0 {
            let mut middle = l.take(self.separable * 2 * c * self.tiles);
            middle += l.take(self.separable * 4 * c);
            middle += self.maps(l, self.separable);
            l.give(seconds);
            held += self.maps(l, self.separable);
            self.parts(l, &self.first, weights_wanted);
            l.give(middle);
        }
        l.give(held);
    }
}

/// One cell, in numbers.
struct CellNumbers {
    running: usize,
    channels: usize,
    output: usize,
    /// Numbers of a node, and how many nodes are no part of the output.
    node: usize,
    loose: usize,
    /// Mixing weights; 0 where edges are no mixtures.
    mixing: usize,
    inputs: Vec<EntryNumbers>,
    /// The outputs that it reads, by input.
    reads: Vec<usize>,
    /// By source: its edges together, and one by one.
    together: Vec<Vec<BundleNumbers>>,
    in_turn: Vec<Vec<BundleNumbers>>,
}

impl CellNumbers {
    /// Number `i`.
    fn new(i: usize, plan: &CellPlan, sizes: &CellSizes, stems: usize, precision: Precision) -> CellNumbers {
        let (h, w) = plan.output_size(sizes);
        let channels = plan.shape.channels;
        let sources = || (0..plan.sources()).map(|s| plan.from(s).collect::<Vec<_>>());
        let bundle = |edges: &[usize]| BundleNumbers::of(plan, sizes, edges, precision);
        CellNumbers {
            running: plan.layout.running,
            channels,
            output: sizes.images * h * w * plan.outputs(),
            node: sizes.images * h * w * channels,
            loose: plan.nodes - plan.concat.len(),
            mixing: plan.mixing(),
            inputs: (0..plan.inputs()).map(|i| EntryNumbers::new(i, plan, sizes)).collect(),
            reads: plan.reads(i, stems).collect(),
            together: sources().map(|edges| edges.chunks(edges.len().max(1)).map(bundle).collect()).collect(),
            in_turn: sources().map(|edges| edges.into_iter().map(|e| bundle(&[e])).collect()).collect(),
        }
    }

    fn bundles(&self, policy: Policy) -> &[Vec<BundleNumbers>] {
        if policy == Policy::Keep { &self.together } else { &self.in_turn }
    }

    /// A forward pass that keeps what a backward pass needs. Returns the bytes of the output, of the moments and of what is
    /// kept.
    fn forward(&self, l: &mut Count, policy: Policy) -> [usize; 3] {
        let mut kept = l.take(self.running);
        let moments = l.take(2 * self.running);
        kept += self.inputs.iter().map(|entry| entry.forward(l)).sum::<usize>();
        let output = l.take(self.output);
        kept += (0..self.loose).map(|_| l.take(self.node)).sum::<usize>();
        for bundle in self.bundles(policy).iter().flatten() {
            let maps = bundle.make(l, false);
            if policy == Policy::Keep {
                l.give(bundle.pooled());
                kept += maps - bundle.pooled();
            } else {
                l.give(maps);
            }
        }
        [output, moments, kept]
    }

    /// `drops`: edges may be left out.
    fn backward(&self, l: &mut Count, policy: Policy, weights: bool, inputs: &[bool], drops: bool) {
        let inner = if self.mixing > 0 { l.take(2 * self.mixing * self.channels) } else { 0 };
        // Before inputs without a gradient there is nothing that has one.
        let reached: Vec<bool> = inputs.iter().map(|input| *input || weights).collect();
        let entered = || self.inputs.iter().zip(inputs).filter(|(_, input)| **input || weights);
        let gradients: usize = entered().map(|(entry, _)| entry.gradient(l)).sum();
        let loose: usize = (0..self.loose).map(|_| l.take(self.node)).sum();
        for (source, bundles) in self.bundles(policy).iter().enumerate().rev() {
            for bundle in bundles {
                let again = if policy == Policy::Keep { 0 } else { bundle.make(l, true) };
                let scaled: usize = (0..if drops { bundle.drops } else { 0 }).map(|_| l.take(self.node)).sum();
                if reached.get(source) == Some(&false) {
                    bundle.sums(l);
                } else {
                    bundle.backward(l, weights);
                }
                l.give(again + scaled);
            }
        }
        l.give(inner + loose);
        for (entry, input) in entered() {
            entry.backward(l, *input, weights);
        }
        l.give(gradients);
    }
}

/// A network, in numbers.
struct GpuNetwork {
    pictures: usize,
    images: usize,
    stem: StemNumbers,
    cells: Vec<CellNumbers>,
    features: usize,
    classes: usize,
    parameters: usize,
    mixing: usize,
    /// The cell that it follows, its running statistics, itself.
    auxiliary: Option<(usize, usize, HeadNumbers)>,
    closing: Option<ClosingNumbers>,
}

impl SupernetConfig {
    /// Bytes of a GPU's memory at the peak of a search step, by policy.
    pub fn gpu_footprints(&self, work: &Workload) -> impl Fn(Policy) -> u64 + use<> {
        let pictures = [work.images, work.height, work.width];
        let network = GpuNetwork::new(NetworkPlan::of_supernet(self), pictures, self.precision);
        let second_order = work.second_order;
        move |policy| {
            let both = Wanted { weights: true, mixing: true };
            let passes = [Wanted { weights: true, mixing: false }, Wanted { weights: false, mixing: true }, both];
            let count = if second_order { 3 } else { 2 };
            passes[..count].iter().map(|w| network.pass(policy, w.weights, false) as u64).max().unwrap_or(0)
        }
    }
}

impl EvaluationConfig {
    /// Bytes of a GPU's memory at the peak of a training step on `images` pictures of this size, by policy; `drops`: edges may
    /// be left out.
    pub fn gpu_footprints(&self, [images, height, width]: [usize; 3], drops: bool) -> impl Fn(Policy) -> u64 + use<> {
        let plan = NetworkPlan::of_genotype(self);
        let network = GpuNetwork::new(plan, [images, height, width], Precision::Float32);
        move |policy| network.pass(policy, true, drops) as u64
    }
}

impl GpuNetwork {
    fn new(plan: NetworkPlan, [images, height, width]: [usize; 3], precision: Precision) -> GpuNetwork {
        let sizes = plan.sizes([images, height, width]);
        let (cells, stems) = (plan.cells.iter().zip(&sizes).enumerate(), plan.stems());
        let cells = cells.map(|(i, (plan, sizes))| CellNumbers::new(i, plan, sizes, stems, precision));
        let features = plan.features([images, height, width], &sizes);
        let head = |h: &Arc<HeadPlan>| (h.after, h.layout.running, HeadNumbers::new(h, plan.classes, images));
        GpuNetwork {
            pictures: images * height * width * plan.stem.inputs(),
            images,
            cells: cells.collect(),
            features: plan.classifier.slots.first().map_or(0, |s| s.inputs),
            classes: plan.classes,
            parameters: plan.layouts().map(|l| l.len).sum(),
            mixing: plan.tables.iter().sum::<usize>().max(1),
            auxiliary: plan.auxiliary.as_ref().map(head),
            closing: plan.closing.as_ref().map(|c| ClosingNumbers::new(c.layout.running, features)),
            stem: StemNumbers::new(&plan.stem, [images, height, width]),
        }
    }

    /// `drops`: edges may be left out.
    fn pass(&self, policy: Policy, weights: bool, drops: bool) -> usize {
        let mut l = Count::default();
        // Beside the weights there is their momentum.
        [self.pictures, self.parameters, self.parameters, self.mixing].into_iter().for_each(|n| {
            l.take(n);
        });
        if drops {
            let edges: usize = self.cells.iter().flat_map(|c| c.together.iter().flatten()).map(|b| b.drops).sum();
            l.take(self.images * edges);
        }
        let (mut moments, stems) = (self.stem.forward(&mut l, weights), self.stem.maps.len());
        let (mut kept, mut of_head, mut more) = (Vec::with_capacity(self.cells.len()), 0, 0);
        let head = |i: usize| self.auxiliary.as_ref().filter(|(after, ..)| weights && *after == i);
        for (i, c) in self.cells.iter().enumerate() {
            let [output, seen, own] = c.forward(&mut l, policy.of_cell(i));
            moments += seen;
            kept.push((output, own));
            if let Some((_, running, head)) = head(i) {
                of_head = l.take(*running);
                moments += l.take(2 * running);
                let [logits, own] = head.forward(&mut l);
                (more, of_head) = (logits, of_head + own);
            }
            // The stem's outputs have a gradient only for the stem's own weights, unless edges read them as they are.
            let read = (i + stems).checked_sub(c.reads.len()).and_then(|old| self.stem.maps.get(old));
            if let (Some(map), false) = (read, weights || self.cells[0].inputs.iter().any(EntryNumbers::is_whole)) {
                l.give(Precision::Float32.bytes() * map);
            }
        }
        l.give(more);
        let mut closed = 0;
        if let Some(closing) = &self.closing {
            let seen;
            [seen, closed] = closing.forward(&mut l);
            moments += seen;
        }
        let mean = l.take(self.images * self.features);
        let logits = l.take(self.images * self.classes);
        l.give(mean + logits + moments);

        if weights {
            l.take(self.parameters);
        }
        l.take(self.mixing);
        l.take(self.images * self.classes * if more > 0 { 2 } else { 1 });
        let count = self.cells.len();
        let mut gradients = vec![0; count + stems];
        gradients[count + stems - 1] = l.take(self.cells[count - 1].output);
        if weights {
            l.in_passing(self.images * self.features);
        }
        if let Some(closing) = &self.closing {
            closing.backward(&mut l);
            l.give(closed);
        }
        for (i, c) in self.cells.iter().enumerate().rev() {
            if let Some((_, _, head)) = head(i) {
                head.backward(&mut l);
                l.give(of_head);
            }
            let wanted: Vec<bool> = c.reads.iter().map(|k| weights || *k >= stems).collect();
            for (&k, _) in c.reads.iter().zip(&wanted).filter(|(_, w)| **w) {
                if gradients[k] == 0 {
                    let map = self.stem.maps.get(k).copied();
                    gradients[k] = l.take(map.unwrap_or_else(|| self.cells[k - stems].output));
                }
            }
            c.backward(&mut l, policy.of_cell(i), weights, &wanted, drops);
            let (output, own) = kept[i];
            l.give(gradients[i + stems] + output + own);
        }
        if weights {
            self.stem.backward(&mut l, gradients[stems - 1]);
        }
        l.peak
    }
}
