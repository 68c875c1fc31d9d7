//! Backward pass of a mixed operation.

use super::kernel::{Kernel, Scratch};
use super::{Branch, BranchState, Edge, Geometry, Gradients, Normed, is_separable};
use crate::kernels::norm::{Backward, add_products};
use crate::kernels::{pool, relu};
use crate::nn::norm::Sums;
use crate::nn::parallel::{Images, at_least, image, map_groups, sum_parts, unfilled};
use crate::nn::separable::{Separable, SeparableBackward};

/// From the node's side to the first batch norm of a separable convolution: the gradient after that norm, and its sums.
type Middle = Option<(Vec<f32>, Sums)>;

impl Edge {
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
        let kernels: Vec<Kernel> = self
            .branches
            .iter()
            .map(|b| {
                if is_separable(b.operation) { Kernel::second(g, b, weights) } else { Kernel::new(g, b, weights, true) }
            })
            .collect();
        let sums = self.output_sums(g, x, &kernels, states, dnode);
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
        let middles = self.backward_last(g, x, &kernels, mixing, states, &backs, dnode, to);
        self.backward_first(g, x, weights, states, middles, to);
    }

    /// Σ dnode and Σ dnode·(z − mean) of each branch's last map.
    fn output_sums(
        &self,
        g: &Geometry,
        x: &[f32],
        kernels: &[Kernel],
        states: &[BranchState],
        dnode: &[f32],
    ) -> Vec<Sums> {
        let zeros = vec![0.0; g.channels];
        let parts = map_groups(g.images, |group| {
            Scratch::with(|scratch| {
                let mut sums: Vec<Sums> = states.iter().map(|_| Sums::new(g.channels)).collect();
                for n in group {
                    let dy = image(dnode, n, g.output());
                    for ((kernel, state), sums) in kernels.iter().zip(states).zip(&mut sums) {
                        let mean = state.last.as_ref().map_or(&zeros, |l| &l.statistics.mean);
                        let z = kernel.last_map(g, state, x, n, &mut scratch.made, &mut scratch.pool);
                        add_products(dy, z, mean, &mut sums.plain, &mut sums.product);
                    }
                }
                sums
            })
        });
        (0..states.len()).map(|i| Sums::total(g.channels, parts.iter().map(|p| &p[i]))).collect()
    }

    /// From the node back to the edge's input, or to the first batch norm of a separable convolution.
    fn backward_last(
        &self,
        g: &Geometry,
        x: &[f32],
        kernels: &[Kernel],
        mixing: &[f32],
        states: &[BranchState],
        backs: &[Option<Backward>],
        dnode: &[f32],
        to: &mut Gradients,
    ) -> Vec<Middle> {
        let ready: Vec<_> = kernels.iter().map(Kernel::for_backward).collect();
        let padding = self
            .branches
            .iter()
            .zip(kernels)
            .filter(|(b, _)| !is_separable(b.operation))
            .map(|(_, k)| k.reach())
            .max()
            .unwrap_or(0);
        let mut middles: Vec<Vec<f32>> = self
            .branches
            .iter()
            .map(|b| match is_separable(b.operation) {
                // SAFETY: each image is written below.
                true => unsafe { unfilled(g.images * g.output()) },
                false => Vec::new(),
            })
            .collect();
        let range = self.weight_range();
        let wanted = to.weights.is_some();
        let middle_writers: Vec<Images> = middles.iter_mut().map(|m| Images::new(m, g.images)).collect();
        let dx_writer = Images::new(to.input, g.images);
        let parts = map_groups(g.images, |group| {
            Scratch::with(|scratch| {
                let mut gradient = vec![0.0f32; if wanted { range.len() } else { 0 }];
                let mut sums: Vec<Sums> = self.branches.iter().map(|_| Sums::new(g.channels)).collect();
                for n in group {
                    let whole = x;
                    let x = image(x, n, g.input());
                    let dy = image(dnode, n, g.output());
                    // SAFETY: groups do not share images.
                    let dx = unsafe { dx_writer.image(n) };
                    scratch.pad(g, x, padding);
                    for (i, b) in self.branches.iter().enumerate() {
                        let own = wanted.then(|| &mut gradient[b.offset - range.start..][..b.len]);
                        let (Some(back), Some(last)) = (&backs[i], &states[i].last) else {
                            relu::add_scaled(dy, mixing[b.operation.index()], dx);
                            continue;
                        };
                        match (&kernels[i], &ready[i], &states[i].first) {
                            (Kernel::Separable(s), Some(ready), Some(first)) => {
                                let z = image(&last.z, n, g.output());
                                let z1 = image(&first.z, n, g.output());
                                let (p, mean) = (s.shape.reach(), &first.statistics.mean);
                                scratch.pad_as(&s.shape, z1, p, first.statistics.load_relu());
                                // SAFETY: as above.
                                let dh = unsafe { middle_writers[i].image(n) };
                                let own = own.map(|o| o.split_at_mut(b.len / 2).1);
                                let sums = &mut sums[i];
                                s.backward(
                                    ready,
                                    &scratch.other,
                                    p,
                                    |at, dz| back.apply(&dy[at.clone()], &z[at], dz),
                                    own,
                                    |at, raw| {
                                        let (z1, dh) = (&z1[at.clone()], &mut dh[at]);
                                        relu::gate(z1, mean, raw, dh);
                                        add_products(dh, z1, mean, &mut sums.plain, &mut sums.product);
                                    },
                                    &mut scratch.separable,
                                );
                            }
                            (Kernel::Separable(s), Some(ready), None) => {
                                let z = image(&last.z, n, g.output());
                                s.backward(
                                    ready,
                                    &scratch.padded,
                                    padding,
                                    |at, dz| back.apply(&dy[at.clone()], &z[at], dz),
                                    own,
                                    |at, raw| relu::add_where_positive(&x[at.clone()], raw, &mut dx[at]),
                                    &mut scratch.separable,
                                );
                            }
                            (kernel, ..) => {
                                let z = kernel.last_map(g, &states[i], whole, n, &mut scratch.made, &mut scratch.pool);
                                let dz = at_least(&mut scratch.gradient, g.output());
                                back.apply(dy, z, dz);
                                match kernel {
                                    Kernel::Max(s) => pool::max_backward(s, x, dz, dx, &mut scratch.pool),
                                    Kernel::Average(s) => pool::average_backward(s, dz, dx, &mut scratch.pool),
                                    Kernel::Halve(p) => p.backward(x, dz, own, Some(dx), &mut scratch.project),
                                    Kernel::Identity | Kernel::Separable(_) => {}
                                }
                            }
                        }
                    }
                }
                (gradient, sums)
            })
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
        middles: Vec<Middle>,
        to: &mut Gradients,
    ) {
        struct Half<'a> {
            branch: &'a Branch,
            kernel: Separable<'a>,
            ready: SeparableBackward,
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
            Scratch::with(|scratch| {
                let mut gradient = vec![0.0f32; if wanted { range.len() } else { 0 }];
                for n in group {
                    let x = image(x, n, g.input());
                    // SAFETY: groups do not share images.
                    let dx = unsafe { dx_writer.image(n) };
                    scratch.pad(g, x, padding);
                    for h in &halves {
                        let (dh, z) = (image(h.dh, n, g.output()), image(&h.first.z, n, g.output()));
                        let own = wanted.then(|| &mut gradient[h.branch.offset - range.start..][..h.branch.len / 2]);
                        h.kernel.backward(
                            &h.ready,
                            &scratch.padded,
                            padding,
                            |at, dz| h.back.apply(&dh[at.clone()], &z[at], dz),
                            own,
                            |at, raw| relu::add_where_positive(&x[at.clone()], raw, &mut dx[at]),
                            &mut scratch.separable,
                        );
                    }
                }
                gradient
            })
        });
        if let Some(to) = &mut to.weights {
            sum_parts(&gradients, &mut to[range]);
        }
    }
}
