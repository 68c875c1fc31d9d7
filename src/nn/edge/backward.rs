//! Backward pass of a mixed operation.

use super::kernel::{Kernel, Scratch};
use super::{BranchState, Bundle, Geometry, Gradients, Normed, is_separable};
use crate::kernels::norm::{Backward, add_products};
use crate::kernels::{pool, relu};
use crate::nn::norm::Sums;
use crate::nn::parallel::{Images, at_least, image, map_groups, sum_parts, unfilled};
use crate::nn::separable::{Separable, SeparableBackward};

/// Of a separable convolution, from the node's side to its first batch norm: the gradient after that norm, and its sums.
pub(crate) type Middle = Option<(Vec<f32>, Sums)>;

impl Bundle<'_> {
    /// Backward pass from the nodes to the branches' input, or to the first batch norm of a separable convolution. `states` are
    /// those of the forward pass (or made again), `dnodes` the gradients of the nodes. Gives the gradient of each branch's
    /// mixing weight, and what [`Bundle::backward_inner`] needs to go on.
    pub fn backward_outer(
        &self,
        g: &Geometry,
        x: &[f32],
        weights: &[f32],
        states: &[BranchState],
        dnodes: &[&[f32]],
        to: &mut Gradients,
    ) -> (Vec<f32>, Vec<Middle>) {
        if self.branches.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let kernels: Vec<Kernel> = self
            .branches
            .iter()
            .map(|b| {
                if is_separable(b.operation) { Kernel::second(g, b, weights) } else { Kernel::new(g, b, weights, true) }
            })
            .collect();
        let sums = self.output_sums(g, x, &kernels, states, dnodes);
        let inner = |(s, sums): (&BranchState, &Sums)| match &s.last {
            Some(l) => l.statistics.inner(sums) as f32,
            None => sums.product.iter().sum::<f64>() as f32,
        };
        let mixing = states.iter().zip(&sums).map(inner).collect();
        let backs: Vec<Option<Backward>> = self
            .mixing
            .iter()
            .zip(states)
            .zip(&sums)
            .map(|((weight, s), sums)| s.last.as_ref().map(|l| l.statistics.backward(*weight, sums)))
            .collect();
        (mixing, self.backward_last(g, x, &kernels, states, &backs, dnodes, to))
    }

    /// The whole backward pass of an edge; gives the gradient of each branch's mixing weight.
    pub fn backward(
        &self,
        g: &Geometry,
        x: &[f32],
        weights: &[f32],
        states: &[BranchState],
        dnode: &[f32],
        to: &mut Gradients,
    ) -> Vec<f32> {
        let (mixing, middles) = self.backward_outer(g, x, weights, states, &[dnode], to);
        self.backward_inner(g, x, weights, states, &middles, to);
        mixing
    }

    /// Σ dnode and Σ dnode·(z − mean) of each branch's last map.
    fn output_sums(
        &self,
        g: &Geometry,
        x: &[f32],
        kernels: &[Kernel],
        states: &[BranchState],
        dnodes: &[&[f32]],
    ) -> Vec<Sums> {
        let zeros = vec![0.0; g.channels];
        let parts = map_groups(g.images, |group| {
            Scratch::with(|scratch| {
                let mut sums: Vec<Sums> = states.iter().map(|_| Sums::new(g.channels)).collect();
                for n in group {
                    for (i, ((kernel, state), sums)) in kernels.iter().zip(states).zip(&mut sums).enumerate() {
                        let dy = image(dnodes[self.targets[i]], n, g.output());
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
        states: &[BranchState],
        backs: &[Option<Backward>],
        dnodes: &[&[f32]],
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
        let (places, total) = self.places();
        let wanted = to.weights.is_some();
        let middle_writers: Vec<Images> = middles.iter_mut().map(|m| Images::new(m, g.images)).collect();
        let dx_writer = Images::new(to.input, g.images);
        let parts = map_groups(g.images, |group| {
            Scratch::with(|scratch| {
                let mut gradient = vec![0.0f32; if wanted { total } else { 0 }];
                let mut sums: Vec<Sums> = self.branches.iter().map(|_| Sums::new(g.channels)).collect();
                for n in group {
                    let whole = x;
                    let x = image(x, n, g.input());
                    // SAFETY: groups do not share images.
                    let dx = unsafe { dx_writer.image(n) };
                    scratch.pad(g, x, padding);
                    for (i, b) in self.branches.iter().enumerate() {
                        let dy = image(dnodes[self.targets[i]], n, g.output());
                        let own = wanted.then(|| &mut gradient[places[i]..][..b.len]);
                        let (Some(back), Some(last)) = (&backs[i], &states[i].last) else {
                            relu::add_scaled(dy, self.mixing[i], dx);
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
        self.take_gradients(&gradients, to);
        self.branches
            .iter()
            .zip(middles)
            .enumerate()
            .map(|(i, (b, m))| {
                is_separable(b.operation).then(|| (m, Sums::total(g.channels, sums.iter().map(|s| &s[i]))))
            })
            .collect()
    }

    /// Adds up the groups' gradients of the branches' weights, which lie one after the other.
    fn take_gradients(&self, gradients: &[Vec<f32>], to: &mut Gradients) {
        let Some(to) = &mut to.weights else { return };
        let (places, total) = self.places();
        let mut sums = vec![0.0f32; total];
        sum_parts(gradients, &mut sums);
        for (b, place) in self.branches.iter().zip(places) {
            to[b.offset..b.offset + b.len].iter_mut().zip(&sums[place..]).for_each(|(t, v)| *t += v);
        }
    }

    /// Backward pass through the first halves of the separable convolutions; `middles` are what [`Bundle::backward_outer`]
    /// gave. Of `states` only the first norms are looked at.
    pub fn backward_inner(
        &self,
        g: &Geometry,
        x: &[f32],
        weights: &[f32],
        states: &[BranchState],
        middles: &[Middle],
        to: &mut Gradients,
    ) {
        struct Half<'a> {
            place: usize,
            len: usize,
            kernel: Separable<'a>,
            ready: SeparableBackward,
            first: &'a Normed,
            back: Backward,
            dh: &'a [f32],
        }
        let (places, total) = self.places();
        let halves: Vec<Half> = self
            .branches
            .iter()
            .zip(&places)
            .zip(states)
            .zip(middles)
            .filter_map(|(((branch, place), state), middle)| {
                let (first, (dh, sums)) = (state.first.as_ref()?, middle.as_ref()?);
                let len = branch.len / 2;
                let kernel = Separable::new(g.shape(branch.operation), &weights[branch.offset..][..len]);
                let back = first.statistics.backward(1.0, sums);
                Some(Half { place: *place, len, ready: kernel.for_backward(), kernel, first, back, dh })
            })
            .collect();
        if halves.is_empty() {
            return;
        }
        let padding = halves.iter().map(|h| h.kernel.shape.reach()).max().unwrap_or(0);
        let wanted = to.weights.is_some();
        let dx_writer = Images::new(to.input, g.images);
        let gradients = map_groups(g.images, |group| {
            Scratch::with(|scratch| {
                let mut gradient = vec![0.0f32; if wanted { total } else { 0 }];
                for n in group {
                    let x = image(x, n, g.input());
                    // SAFETY: groups do not share images.
                    let dx = unsafe { dx_writer.image(n) };
                    scratch.pad(g, x, padding);
                    for h in &halves {
                        let (dh, z) = (image(h.dh, n, g.output()), image(&h.first.z, n, g.output()));
                        let own = wanted.then(|| &mut gradient[h.place..][..h.len]);
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
        self.take_gradients(&gradients, to);
    }
}
