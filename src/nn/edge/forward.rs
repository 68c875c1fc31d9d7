//! Forward pass of a mixed operation.

use super::kernel::{Kernel, Scratch, padding};
use super::pools::Pools;
use super::{Branch, BranchState, Bundle, Geometry, Normed, is_noise, is_separable};
use crate::kernels::norm::{Collector, Mixed, Moments, mix_all};
use crate::nn::norm::{Norm, NormPass, Statistics, collector};
use crate::nn::parallel::{Images, image, map_groups, unfilled};
use crate::nn::separable::Separable;

impl Bundle<'_> {
    /// Everything up to the last batch norm of each branch. `x` is `[N, H, W, C]`.
    pub fn branches_forward(&self, g: &Geometry, x: &[f32], weights: &[f32], norms: &mut NormPass) -> Vec<BranchState> {
        let mut firsts = self.first_stage(g, x, weights, norms);
        let mut states: Vec<BranchState> = Vec::with_capacity(self.branches.len());
        for (b, (z, parts)) in self.branches.iter().zip(firsts.drain(..)) {
            let mut state = BranchState::default();
            if is_noise(b.operation) {
                state.last = Some(Normed { z, statistics: Statistics::identity(g.channels) });
                states.push(state);
                continue;
            }
            if let Some(slot) = b.norms.first() {
                let normed = Normed { z, statistics: norms.settle(*slot, parts).with(b.gain(0, weights)) };
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
                state.last = Some(Normed { z, statistics: norms.settle(*slot, parts).with(b.gain(1, weights)) });
            }
        }
        states
    }

    /// Maps before the first batch norm of each branch (empty for the identity and for poolings), with the moments of each
    /// group.
    fn first_stage(&self, g: &Geometry, x: &[f32], weights: &[f32], norms: &NormPass) -> Vec<(Vec<f32>, Vec<Moments>)> {
        let (norm, noise) = (norms.norm, norms.noise);
        let kernels: Vec<Kernel> = self.branches.iter().map(|b| Kernel::new(g, b, weights, false)).collect();
        let ready: Vec<_> = kernels.iter().map(Kernel::for_forward).collect();
        let pools = Pools::of(self, g);
        let number = |i: usize| pools.number(self.branches[i].operation);
        let pooled = (0..kernels.len()).any(|i| number(i).is_some() && !self.branches[i].norms.is_empty());
        // Of branches that are the same pooling the first one's moments are those of all.
        let alike: Vec<usize> = (0..kernels.len())
            .map(|i| number(i).map_or(i, |kind| (0..i).find(|j| number(*j) == Some(kind)).unwrap_or(i)))
            .collect();
        let mut maps: Vec<Vec<f32>> = kernels
            .iter()
            .map(|k| match k {
                Kernel::Identity | Kernel::Max(_) | Kernel::Average(_) => Vec::new(),
                // SAFETY: every kernel writes all of each image below.
                _ => unsafe { unfilled(g.images * g.output()) },
            })
            .collect();
        let padding = padding(&kernels);
        let writers: Vec<Images> = maps.iter_mut().map(|m| Images::new(m, g.images)).collect();
        let parts = map_groups(g.images, |group| {
            Scratch::with(|scratch| {
                let mut collectors: Vec<Option<Collector>> = kernels
                    .iter()
                    .enumerate()
                    .map(|(i, k)| match k {
                        Kernel::Identity => None,
                        _ if self.branches[i].norms.is_empty() => None,
                        _ if alike[i] != i => None,
                        _ => collector(norm, g.channels),
                    })
                    .collect();
                for n in group {
                    let x = image(x, n, g.input());
                    scratch.pad(g, x, padding);
                    if norm == Norm::Batch && pooled {
                        pools.make(g, x, &mut scratch.made, &mut scratch.pool);
                    }
                    for (i, (kernel, moments)) in kernels.iter().zip(&mut collectors).enumerate() {
                        // SAFETY: groups do not share images.
                        let z = unsafe { writers[i].image(n) };
                        match (kernel, &ready[i], number(i)) {
                            (Kernel::Separable(s), ..) => {
                                s.forward(
                                    &scratch.padded.numbers,
                                    padding,
                                    z,
                                    moments.as_mut(),
                                    &mut scratch.separable,
                                );
                            }
                            (Kernel::Dense(d), Some(ready), _) => {
                                let read = &scratch.padded.numbers;
                                d.forward(ready, read, [padding; 2], z, moments.as_mut(), &mut scratch.dense);
                            }
                            (Kernel::Factorised(f), ..) => {
                                f.forward(
                                    &scratch.padded.numbers,
                                    padding,
                                    z,
                                    moments.as_mut(),
                                    &mut scratch.factorised,
                                );
                            }
                            (Kernel::Noise, ..) => noise.draw(self.branches[i].place, n, z),
                            (Kernel::Halve(p), ..) => {
                                p.forward(x, z, &mut scratch.project);
                                moments.iter_mut().for_each(|m| m.add_map(z));
                            }
                            (.., Some(kind)) => {
                                let made = &scratch.made;
                                moments.iter_mut().for_each(|m| m.add_map(image(made, kind, g.output())));
                            }
                            _ => {}
                        }
                    }
                }
                collectors.into_iter().map(|c| c.map(Collector::finish)).collect::<Vec<_>>()
            })
        });
        let mut by_branch: Vec<Vec<Moments>> = kernels.iter().map(|_| Vec::with_capacity(parts.len())).collect();
        for part in parts {
            for (i, list) in by_branch.iter_mut().enumerate() {
                list.extend(part[alike[i]].clone());
            }
        }
        maps.into_iter().zip(by_branch).collect()
    }

    /// Adds the weighted operations to the nodes' maps `[N, H', W', C]`, or sets those that are `fresh`.
    pub fn mix_into(&self, g: &Geometry, x: &[f32], states: &[BranchState], nodes: &mut [&mut [f32]], fresh: &[bool]) {
        let zeros = vec![0.0; g.channels];
        let scales: Vec<Vec<f32>> = self
            .mixing
            .iter()
            .zip(states)
            .map(|(weight, s)| match &s.last {
                Some(l) => l.statistics.scaled(*weight),
                None => vec![*weight; g.channels],
            })
            .collect();
        let affine = states.iter().any(|s| s.last.as_ref().is_some_and(|l| l.statistics.is_affine()));
        let pools = Pools::of(self, g);
        let nodes: Vec<Images> = nodes.iter_mut().map(|n| Images::new(n, g.images)).collect();
        map_groups(g.images, |group| {
            Scratch::with(|scratch| {
                let mut shift = vec![0.0; if affine { g.channels } else { 0 }];
                for n in group {
                    let own = image(x, n, g.input());
                    let pooled = pools.make(g, own, &mut scratch.made, &mut scratch.pool);
                    let scaled: Vec<Option<Vec<f32>>> = (0..states.len())
                        .map(|i| self.factors[i].map(|f| scales[i].iter().map(|s| s * f[n]).collect()))
                        .collect();
                    let map = |i: usize| {
                        let z = match (pools.number(self.branches[i].operation), &states[i].last) {
                            (Some(kind), _) => image(pooled, kind, g.output()),
                            (None, Some(l)) => image(&l.z, n, g.output()),
                            (None, None) => own,
                        };
                        let mean = states[i].last.as_ref().map_or(&zeros, |l| &l.statistics.mean);
                        (z, &mean[..], scaled[i].as_ref().unwrap_or(&scales[i]).as_slice())
                    };
                    for (target, node) in nodes.iter().enumerate() {
                        let branches = || (0..states.len()).filter(|i| self.targets[*i] == target);
                        let own: Vec<Mixed> = branches().map(map).collect();
                        shift.fill(0.0);
                        for (i, l) in branches().filter_map(|i| Some((i, states[i].last.as_ref()?))) {
                            let weight = self.mixing[i] * self.factor(i, n);
                            shift.iter_mut().zip(&l.statistics.shift).for_each(|(t, s)| *t += weight * s);
                        }
                        let shift = if own.is_empty() { &[] } else { &shift[..] };
                        // SAFETY: groups do not share images.
                        mix_all(&own, shift, unsafe { node.image(n) }, fresh[target]);
                    }
                }
            });
        });
    }
}

/// Maps before the second batch norm of a separable convolution, with the moments of each group.
fn second_stage(g: &Geometry, b: &Branch, first: &Normed, weights: &[f32], norm: Norm) -> (Vec<f32>, Vec<Moments>) {
    let kernel = Separable::new(g.second(b.operation), &weights[b.convolution(1)]);
    let padding = kernel.shape.reach();
    // SAFETY: the kernel writes all of each image below.
    let mut maps = unsafe { unfilled(g.images * g.output()) };
    let writer = Images::new(&mut maps, g.images);
    let parts = map_groups(g.images, |group| {
        Scratch::with(|scratch| {
            let mut moments = collector(norm, g.channels);
            for n in group {
                // SAFETY: groups do not share images.
                let z = unsafe { writer.image(n) };
                scratch.pad_as(&kernel.shape, image(&first.z, n, g.output()), first.statistics.load_relu());
                let padded = &scratch.others[padding - 1].numbers;
                kernel.forward(padded, padding, z, moments.as_mut(), &mut scratch.separable);
            }
            moments.map(Collector::finish)
        })
    });
    (maps, parts.into_iter().flatten().collect())
}
