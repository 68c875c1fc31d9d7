//! A mixed operation: the kept operations of an edge on one input, added with their mixing weights. Forward and backward
//! over a batch, three barriers each (a batch norm has to see the whole batch).

use super::norm::{Norm, NormPass, NormSlot, Statistics, Sums, moments_of};
use super::parallel::{Images, image, map_groups, sum_parts};
use super::project::{self, Projection, Projector};
use super::separable::{self, Separable};
use crate::kernels::depthwise::{self, Load, Shape};
use crate::kernels::norm::{Backward, Moments, add_products, mix};
use crate::kernels::{pool, relu};
use crate::space::{OPERATIONS, Operation};

/// Sizes of an edge's input maps, `[N, H, W, C]`, and its stride.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub images: usize,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub stride: usize,
}

impl Geometry {
    pub fn input(&self) -> usize {
        self.height * self.width * self.channels
    }

    pub fn output(&self) -> usize {
        self.height.div_ceil(self.stride) * self.width.div_ceil(self.stride) * self.channels
    }

    fn shape(&self, operation: Operation) -> Shape {
        Shape {
            height: self.height,
            width: self.width,
            channels: self.channels,
            kernel: operation.kernel().unwrap_or(3),
            stride: self.stride,
            dilation: if matches!(operation, Operation::DilConv3x3 | Operation::DilConv5x5) { 2 } else { 1 },
        }
    }

    /// The second half of a separable convolution: stride 1 on the output's size.
    fn second(&self, operation: Operation) -> Shape {
        let first = self.shape(operation);
        Shape { height: first.out_height(), width: first.out_width(), stride: 1, ..first }
    }

    fn halving(&self) -> Projection {
        Projection {
            height: self.height,
            width: self.width,
            channels_in: self.channels,
            channels_out: self.channels,
            halve: true,
        }
    }
}

/// One kept operation: where its weights are in the block's flat parameters, and its batch norms.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub operation: Operation,
    pub offset: usize,
    pub len: usize,
    pub norms: Vec<NormSlot>,
}

/// The kept operations of an edge, without `none`, which costs nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edge {
    pub branches: Vec<Branch>,
}

/// A map before its batch norm, and that norm's statistics.
pub(crate) struct Normed {
    pub z: Vec<f32>,
    pub statistics: Statistics,
}

/// What one branch keeps for the backward pass.
#[derive(Default)]
pub(crate) struct BranchState {
    pub first: Option<Normed>,
    /// Absent for the identity.
    pub last: Option<Normed>,
}

/// Gradients that a backward pass fills.
pub(crate) struct Gradients<'a> {
    /// Of the edge's input, added to.
    pub input: &'a mut [f32],
    /// Of the block's flat parameters, added to; `None` in an architecture step.
    pub weights: Option<&'a mut [f32]>,
    /// Of the mixing weights.
    pub mixing: &'a mut [f32],
}

fn is_separable(operation: Operation) -> bool {
    matches!(operation, Operation::SepConv3x3 | Operation::SepConv5x5)
}

impl Edge {
    /// How many of the edge's operations apply a ReLU to its input.
    pub fn relus(&self, stride: usize) -> usize {
        self.branches
            .iter()
            .filter(|b| b.operation.is_convolution() || (b.operation == Operation::SkipConnect && stride == 2))
            .count()
    }

    /// Everything up to the last batch norm of each branch. `x` is `[N, H, W, C]`.
    pub fn branches_forward(&self, g: &Geometry, x: &[f32], weights: &[f32], norms: &mut NormPass) -> Vec<BranchState> {
        let mut firsts = self.first_stage(g, x, weights, norms.norm);
        let mut states: Vec<BranchState> = Vec::with_capacity(self.branches.len());
        for (b, (z, parts)) in self.branches.iter().zip(firsts.drain(..)) {
            let mut state = BranchState::default();
            if let Some(slot) = b.norms.first() {
                let normed = Normed { z, statistics: norms.settle(*slot, parts) };
                if is_separable(b.operation) {
                    state.first = Some(normed);
                } else {
                    state.last = Some(normed);
                }
            }
            states.push(state);
        }
        for (b, state) in self.branches.iter().zip(&mut states) {
            if let (Some(first), Some(slot)) = (&state.first, b.norms.get(1)) {
                let (z, parts) = second_stage(g, b, first, weights, norms.norm);
                state.last = Some(Normed { z, statistics: norms.settle(*slot, parts) });
            }
        }
        states
    }

    /// Maps before the first batch norm of each branch (empty for the identity), with the moments of each group.
    fn first_stage(&self, g: &Geometry, x: &[f32], weights: &[f32], norm: Norm) -> Vec<(Vec<f32>, Vec<Moments>)> {
        let kernels: Vec<Kernel> = self.branches.iter().map(|b| Kernel::new(g, b, weights, false)).collect();
        let mut maps: Vec<Vec<f32>> = kernels
            .iter()
            .map(|k| if matches!(k, Kernel::Identity) { Vec::new() } else { vec![0.0; g.images * g.output()] })
            .collect();
        let padding = padding(&kernels);
        let writers: Vec<Images> = maps.iter_mut().map(|m| Images::new(m, g.images)).collect();
        let parts = map_groups(g.images, |group| {
            let mut scratch = Scratch::default();
            let mut moments: Vec<Option<Moments>> = kernels
                .iter()
                .map(|k| if matches!(k, Kernel::Identity) { None } else { moments_of(norm, g.channels) })
                .collect();
            for n in group {
                let x = image(x, n, g.input());
                scratch.pad(g, x, padding);
                for ((kernel, writer), moments) in kernels.iter().zip(&writers).zip(&mut moments) {
                    if matches!(kernel, Kernel::Identity) {
                        continue;
                    }
                    // SAFETY: groups do not share images.
                    let z = unsafe { writer.image(n) };
                    match kernel {
                        Kernel::Identity => {}
                        Kernel::Separable(s) => s.forward(&scratch.padded, padding, z, &mut scratch.separable),
                        Kernel::Max(s) => pool::max_forward(s, x, z, &mut scratch.pool),
                        Kernel::Average(s) => pool::average_forward(s, x, z, &mut scratch.pool),
                        Kernel::Halve(p) => p.forward(x, z, &mut scratch.project),
                    }
                    if let Some(m) = moments {
                        m.add_map(z);
                    }
                }
            }
            moments
        });
        let mut by_branch: Vec<Vec<Moments>> = kernels.iter().map(|_| Vec::with_capacity(parts.len())).collect();
        for part in parts {
            for (list, m) in by_branch.iter_mut().zip(part) {
                list.extend(m);
            }
        }
        maps.into_iter().zip(by_branch).collect()
    }

    /// Adds the weighted operations to the node's map `[N, H', W', C]`, or sets it where it is `fresh`.
    pub fn mix_into(
        &self,
        g: &Geometry,
        x: &[f32],
        states: &[BranchState],
        mixing: &[f32],
        node: &mut [f32],
        fresh: bool,
    ) {
        if self.branches.is_empty() {
            if fresh {
                node.fill(0.0);
            }
            return;
        }
        let zeros = vec![0.0; g.channels];
        let scales: Vec<Vec<f32>> = self
            .branches
            .iter()
            .zip(states)
            .map(|(b, s)| {
                let weight = mixing[b.operation.index()];
                match &s.last {
                    Some(l) => l.statistics.scaled(weight),
                    None => vec![weight; g.channels],
                }
            })
            .collect();
        let node = Images::new(node, g.images);
        map_groups(g.images, |group| {
            for n in group {
                // SAFETY: groups do not share images.
                let out = unsafe { node.image(n) };
                for (i, (state, scale)) in states.iter().zip(&scales).enumerate() {
                    let (z, mean) = match &state.last {
                        Some(l) => (image(&l.z, n, g.output()), &l.statistics.mean),
                        None => (image(x, n, g.input()), &zeros),
                    };
                    mix(z, mean, scale, out, fresh && i == 0);
                }
            }
        });
    }

    /// Backward pass. `states` are those of the forward pass (or made again), `dnode` is the gradient of the node.
    pub fn backward(
        &self,
        g: &Geometry,
        x: &[f32],
        weights: &[f32],
        mixing: &[f32],
        states: &[BranchState],
        dnode: &[f32],
        to: &mut Gradients,
    ) {
        if self.branches.is_empty() {
            return;
        }
        let sums = self.output_sums(g, x, states, dnode);
        for ((b, state), sums) in self.branches.iter().zip(states).zip(&sums) {
            let inner = match &state.last {
                Some(l) => l.statistics.inner(sums),
                None => sums.product.iter().sum(),
            };
            to.mixing[b.operation.index()] += inner as f32;
        }
        let backs: Vec<Option<Backward>> = self
            .branches
            .iter()
            .zip(states)
            .zip(&sums)
            .map(|((b, s), sums)| s.last.as_ref().map(|l| l.statistics.backward(mixing[b.operation.index()], sums)))
            .collect();
        let firsts = self.backward_last(g, x, weights, mixing, states, &backs, dnode, to);
        self.backward_first(g, x, weights, states, firsts, to);
    }

    /// Σ dnode and Σ dnode·(z − mean) of each branch's last map.
    fn output_sums(&self, g: &Geometry, x: &[f32], states: &[BranchState], dnode: &[f32]) -> Vec<Sums> {
        let zeros = vec![0.0; g.channels];
        let parts = map_groups(g.images, |group| {
            let mut sums: Vec<Sums> = states.iter().map(|_| Sums::new(g.channels)).collect();
            for n in group {
                let dy = image(dnode, n, g.output());
                for (state, sums) in states.iter().zip(&mut sums) {
                    let (z, mean) = match &state.last {
                        Some(l) => (image(&l.z, n, g.output()), &l.statistics.mean),
                        None => (image(x, n, g.input()), &zeros),
                    };
                    add_products(dy, z, mean, &mut sums.plain, &mut sums.product);
                }
            }
            sums
        });
        (0..states.len()).map(|i| Sums::total(g.channels, parts.iter().map(|p| &p[i]))).collect()
    }

    /// From the node back to the edge's input, or to the first batch norm of a separable convolution; returns for those the
    /// gradient after that norm and its sums.
    fn backward_last(
        &self,
        g: &Geometry,
        x: &[f32],
        weights: &[f32],
        mixing: &[f32],
        states: &[BranchState],
        backs: &[Option<Backward>],
        dnode: &[f32],
        to: &mut Gradients,
    ) -> Vec<Option<(Vec<f32>, Sums)>> {
        let kernels: Vec<Kernel> = self
            .branches
            .iter()
            .map(|b| {
                if is_separable(b.operation) { Kernel::second(g, b, weights) } else { Kernel::new(g, b, weights, true) }
            })
            .collect();
        let ready: Vec<_> = kernels.iter().map(Kernel::for_backward).collect();
        let padding = self
            .branches
            .iter()
            .zip(&kernels)
            .filter(|(b, _)| !is_separable(b.operation))
            .map(|(_, k)| k.reach())
            .max()
            .unwrap_or(0);
        let mut middles: Vec<Vec<f32>> = self
            .branches
            .iter()
            .map(|b| if is_separable(b.operation) { vec![0.0; g.images * g.output()] } else { Vec::new() })
            .collect();
        let range = self.weight_range();
        let wanted = to.weights.is_some();
        let middle_writers: Vec<Images> = middles.iter_mut().map(|m| Images::new(m, g.images)).collect();
        let dx_writer = Images::new(to.input, g.images);
        let parts = map_groups(g.images, |group| {
            let mut scratch = Scratch::default();
            let mut gradient = vec![0.0f32; if wanted { range.len() } else { 0 }];
            let mut sums: Vec<Sums> = self.branches.iter().map(|_| Sums::new(g.channels)).collect();
            let mut dz = vec![0.0f32; g.output()];
            let mut raw = vec![0.0f32; g.input()];
            for n in group {
                let x = image(x, n, g.input());
                let dy = image(dnode, n, g.output());
                // SAFETY: groups do not share images.
                let dx = unsafe { dx_writer.image(n) };
                if padding > 0 {
                    scratch.pad(g, x, padding);
                }
                for (i, b) in self.branches.iter().enumerate() {
                    let own = wanted.then(|| &mut gradient[b.offset - range.start..][..b.len]);
                    let (Some(back), Some(last)) = (&backs[i], &states[i].last) else {
                        let w = mixing[b.operation.index()];
                        dx.iter_mut().zip(dy).for_each(|(t, v)| *t += w * v);
                        continue;
                    };
                    back.apply(dy, image(&last.z, n, g.output()), &mut dz);
                    match (&kernels[i], &ready[i], &states[i].first) {
                        (Kernel::Separable(s), Some(ready), Some(first)) => {
                            let z1 = image(&first.z, n, g.output());
                            let p = s.shape.reach();
                            scratch.pad_as(&s.shape, z1, p, first.statistics.load_relu());
                            // SAFETY: as above.
                            let dh = unsafe { middle_writers[i].image(n) };
                            let own = own.map(|o| o.split_at_mut(b.len / 2).1);
                            s.backward(ready, &scratch.other, p, &dz, own, dh, &mut scratch.second);
                            relu::gate(z1, &first.statistics.mean, dh);
                            let sums = &mut sums[i];
                            add_products(dh, z1, &first.statistics.mean, &mut sums.plain, &mut sums.product);
                        }
                        (Kernel::Separable(s), Some(ready), None) => {
                            s.backward(ready, &scratch.padded, padding, &dz, own, &mut raw, &mut scratch.separable);
                            relu::add_where_positive(x, &raw, dx);
                        }
                        (Kernel::Max(s), ..) => pool::max_backward(s, x, &dz, dx, &mut scratch.pool),
                        (Kernel::Average(s), ..) => pool::average_backward(s, &dz, dx, &mut scratch.pool),
                        (Kernel::Halve(p), ..) => p.backward(x, &dz, own, Some(dx), &mut scratch.project),
                        (Kernel::Identity | Kernel::Separable(_), ..) => {}
                    }
                }
            }
            (gradient, sums)
        });
        let (gradients, sums): (Vec<Vec<f32>>, Vec<Vec<Sums>>) = parts.into_iter().unzip();
        if let Some(to) = &mut to.weights {
            sum_parts(&gradients, &mut to[range]);
        }
        self.branches
            .iter()
            .zip(middles)
            .enumerate()
            .map(|(i, (b, m))| {
                is_separable(b.operation).then(|| (m, Sums::total(g.channels, sums.iter().map(|s| &s[i]))))
            })
            .collect()
    }

    /// First halves of the separable convolutions.
    fn backward_first(
        &self,
        g: &Geometry,
        x: &[f32],
        weights: &[f32],
        states: &[BranchState],
        middles: Vec<Option<(Vec<f32>, Sums)>>,
        to: &mut Gradients,
    ) {
        struct Half<'a> {
            branch: &'a Branch,
            kernel: Separable<'a>,
            ready: separable::SeparableBackward,
            first: &'a Normed,
            back: Backward,
            dh: &'a [f32],
        }
        let halves: Vec<Half> = self
            .branches
            .iter()
            .zip(states)
            .zip(&middles)
            .filter_map(|((branch, state), middle)| {
                let (first, (dh, sums)) = (state.first.as_ref()?, middle.as_ref()?);
                let kernel = Separable::new(g.shape(branch.operation), &weights[branch.offset..][..branch.len / 2]);
                let back = first.statistics.backward(1.0, sums);
                Some(Half { branch, ready: kernel.for_backward(), kernel, first, back, dh })
            })
            .collect();
        if halves.is_empty() {
            return;
        }
        let padding = halves.iter().map(|h| h.kernel.shape.reach()).max().unwrap_or(0);
        let range = self.weight_range();
        let wanted = to.weights.is_some();
        let dx_writer = Images::new(to.input, g.images);
        let gradients = map_groups(g.images, |group| {
            let mut scratch = Scratch::default();
            let mut gradient = vec![0.0f32; if wanted { range.len() } else { 0 }];
            let mut dz = vec![0.0f32; g.output()];
            let mut raw = vec![0.0f32; g.input()];
            for n in group {
                let x = image(x, n, g.input());
                // SAFETY: groups do not share images.
                let dx = unsafe { dx_writer.image(n) };
                scratch.pad(g, x, padding);
                for h in &halves {
                    h.back.apply(image(h.dh, n, g.output()), image(&h.first.z, n, g.output()), &mut dz);
                    let own = wanted.then(|| &mut gradient[h.branch.offset - range.start..][..h.branch.len / 2]);
                    h.kernel.backward(&h.ready, &scratch.padded, padding, &dz, own, &mut raw, &mut scratch.separable);
                    relu::add_where_positive(x, &raw, dx);
                }
            }
            gradient
        });
        if let Some(to) = &mut to.weights {
            sum_parts(&gradients, &mut to[range]);
        }
    }

    /// Where the edge's weights are in the block's parameters: one run.
    fn weight_range(&self) -> std::ops::Range<usize> {
        match (self.branches.first(), self.branches.last()) {
            (Some(a), Some(b)) => a.offset..b.offset + b.len,
            _ => 0..0,
        }
    }
}

/// Maps before the second batch norm of a separable convolution, with the moments of each group.
fn second_stage(g: &Geometry, b: &Branch, first: &Normed, weights: &[f32], norm: Norm) -> (Vec<f32>, Vec<Moments>) {
    let kernel = Separable::new(g.second(b.operation), &weights[b.offset..][b.len / 2..b.len]);
    let padding = kernel.shape.reach();
    let mut maps = vec![0.0; g.images * g.output()];
    let writer = Images::new(&mut maps, g.images);
    let parts = map_groups(g.images, |group| {
        let mut scratch = Scratch::default();
        let mut moments = moments_of(norm, g.channels);
        for n in group {
            // SAFETY: groups do not share images.
            let z = unsafe { writer.image(n) };
            scratch.pad_as(&kernel.shape, image(&first.z, n, g.output()), padding, first.statistics.load_relu());
            kernel.forward(&scratch.other, padding, z, &mut scratch.second);
            if let Some(m) = &mut moments {
                m.add_map(z);
            }
        }
        moments
    });
    (maps, parts.into_iter().flatten().collect())
}

/// An operation with its weights made ready.
enum Kernel<'a> {
    Identity,
    Separable(Separable<'a>),
    Max(Shape),
    Average(Shape),
    Halve(Projector),
}

impl<'a> Kernel<'a> {
    /// The operation, or the first half of a separable convolution.
    fn new(g: &Geometry, b: &Branch, weights: &'a [f32], with_backward: bool) -> Kernel<'a> {
        let own = &weights[b.offset..b.offset + b.len];
        match b.operation {
            Operation::MaxPool3x3 => Kernel::Max(pool::shape(g.height, g.width, g.channels, g.stride)),
            Operation::AvgPool3x3 => Kernel::Average(pool::shape(g.height, g.width, g.channels, g.stride)),
            Operation::SkipConnect if g.stride == 2 => Kernel::Halve(Projector::new(g.halving(), own, with_backward)),
            Operation::SkipConnect | Operation::None => Kernel::Identity,
            Operation::SepConv3x3 | Operation::SepConv5x5 => {
                Kernel::Separable(Separable::new(g.shape(b.operation), &own[..b.len / 2]))
            }
            Operation::DilConv3x3 | Operation::DilConv5x5 => {
                Kernel::Separable(Separable::new(g.shape(b.operation), own))
            }
        }
    }

    fn second(g: &Geometry, b: &Branch, weights: &'a [f32]) -> Kernel<'a> {
        Kernel::Separable(Separable::new(g.second(b.operation), &weights[b.offset..][b.len / 2..b.len]))
    }

    fn for_backward(&self) -> Option<separable::SeparableBackward> {
        match self {
            Kernel::Separable(s) => Some(s.for_backward()),
            _ => None,
        }
    }

    fn reach(&self) -> usize {
        match self {
            Kernel::Separable(s) => s.shape.reach(),
            _ => 0,
        }
    }
}

fn padding(kernels: &[Kernel]) -> usize {
    kernels.iter().map(Kernel::reach).max().unwrap_or(0)
}

/// Buffers of one task.
#[derive(Default)]
struct Scratch {
    padded: Vec<f32>,
    other: Vec<f32>,
    separable: separable::Scratch,
    second: separable::Scratch,
    project: project::Scratch,
    pool: pool::Scratch,
}

impl Scratch {
    /// The edge's input after the ReLU, padded.
    fn pad(&mut self, g: &Geometry, x: &[f32], padding: usize) {
        if padding > 0 {
            self.padded.resize((g.height + 2 * padding) * (g.width + 2 * padding) * g.channels, 0.0);
            depthwise::pad(x, g.height, g.width, g.channels, padding, Load::Relu, 0.0, &mut self.padded);
        }
    }

    fn pad_as(&mut self, s: &Shape, x: &[f32], padding: usize, load: Load) {
        self.other.resize(s.padded_len(padding), 0.0);
        depthwise::pad(x, s.height, s.width, s.channels, padding, load, 0.0, &mut self.other);
    }
}

/// Number of mixing weights of an edge, one per column of the alpha tables.
pub(crate) const COLUMNS: usize = OPERATIONS;
