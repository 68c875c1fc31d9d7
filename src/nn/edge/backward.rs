//! Backward pass of a mixed operation.

use std::ops::Range;

use super::kernel::{Kernel, Ready, Scratch};
use super::{Branch, BranchState, Bundle, Geometry, Gradients, Normed, in_order, is_separable};
use crate::kernels::norm::Backward;
use crate::kernels::relu;
use crate::nn::norm::Sums;
use crate::nn::parallel::{Images, at_least, image, map_groups, only, sum_parts, unfilled};
use crate::nn::separable::{Separable, SeparableBackward};

/// Of a separable convolution, from the node's side to its first batch norm: the gradient after that norm, and its sums.
pub(crate) type Middle = Option<(Vec<f32>, Sums)>;

impl Bundle<'_> {
    /// The whole backward pass. `states` are those of the forward pass (or made again), `dnodes` the gradients of the nodes.
    /// Gives the gradient of each branch's mixing weight.
    pub fn backward(
        &self,
        g: &Geometry,
        x: &[f32],
        weights: &[f32],
        states: &[BranchState],
        dnodes: &[&[f32]],
        to: &mut Gradients,
    ) -> Vec<f32> {
        let ((others, at), (pools, pools_at)) = (self.part(false), self.part(true));
        let of = |numbers: &[usize]| numbers.iter().map(|i| &states[*i]).collect::<Vec<_>>();
        let (of_others, middles) = others.backward_outer(g, x, weights, &of(&at), dnodes, to);
        let of_pools = pools.backward_pools(g, x, &of(&pools_at), dnodes, to.input);
        others.backward_inner(g, x, weights, &of(&at), &middles, to);
        in_order(self.branches.len(), [(at, of_others), (pools_at, of_pools)])
    }

    /// The gradients of the mixing weights alone, for edges before which nothing has a gradient: the same numbers as
    /// [`Bundle::backward`] gives.
    pub fn mixing_gradients(&self, g: &Geometry, x: &[f32], states: &[BranchState], dnodes: &[&[f32]]) -> Vec<f32> {
        let ((others, at), (pools, pools_at)) = (self.part(false), self.part(true));
        let of = |numbers: &[usize]| numbers.iter().map(|i| &states[*i]).collect::<Vec<_>>();
        let (of_others, of_pools) = (of(&at), of(&pools_at));
        let outer = inner_products(&of_others, &others.output_sums(g, x, &of_others, dnodes));
        let pooled = inner_products(&of_pools, &pools.pool_sums(g, x, &of_pools, dnodes));
        in_order(self.branches.len(), [(at, outer), (pools_at, pooled)])
    }

    /// Backward pass of branches without a pooling from the nodes to the branches' input, or to the first batch norm of a
    /// separable convolution. Gives the gradient of each branch's mixing weight, and what [`Bundle::backward_inner`] needs to go
    /// on.
    pub fn backward_outer(
        &self,
        g: &Geometry,
        x: &[f32],
        weights: &[f32],
        states: &[&BranchState],
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
        let sums = self.output_sums(g, x, states, dnodes);
        let mixing = inner_products(states, &sums);
        self.add_affine_gradients(states.iter().map(|s| s.last.as_ref()).zip(sums.iter().map(Some)), true, to);
        let backs: Vec<Option<Backward>> = self
            .mixing
            .iter()
            .zip(states)
            .zip(&sums)
            .map(|((weight, s), sums)| s.last.as_ref().map(|l| l.statistics.backward(*weight, sums)))
            .collect();
        (mixing, self.backward_last(g, x, &kernels, states, &backs, dnodes, to))
    }

    /// Adds the gradients of scale and shift of the branches' last norms, or first ones, given the sums over the gradients
    /// of their results.
    fn add_affine_gradients<'s>(
        &self,
        norms: impl Iterator<Item = (Option<&'s Normed>, Option<&'s Sums>)>,
        last: bool,
        to: &mut Gradients,
    ) {
        let Some(to) = to.weights.as_deref_mut() else { return };
        for (b, (normed, sums)) in self.branches.iter().zip(norms) {
            let k = if last { b.norms.len().saturating_sub(1) } else { 0 };
            if let (Some(normed), Some(sums), Some(at)) = (normed, sums, b.affine(k)) {
                normed.statistics.add_affine_gradients(sums, &mut to[at..][..2 * sums.plain.len()]);
            }
        }
    }

    /// Σ dnode and Σ dnode·(z − mean) of each branch's last map.
    fn output_sums(&self, g: &Geometry, x: &[f32], states: &[&BranchState], dnodes: &[&[f32]]) -> Vec<Sums> {
        let zeros = vec![0.0; g.channels];
        let parts = map_groups(g.images, |group| {
            let mut sums: Vec<Sums> = states.iter().map(|_| Sums::new(g.channels)).collect();
            for n in group {
                for (i, (state, sums)) in states.iter().zip(&mut sums).enumerate() {
                    let dy = image(dnodes[self.targets[i]], n, g.output());
                    let (z, mean) = match &state.last {
                        Some(l) => (image(&l.z, n, g.output()), &l.statistics.mean),
                        None if self.constant => continue,
                        None => (image(x, n, g.input()), &zeros),
                    };
                    sums.add_products(dy, z, mean, self.factor(i, n));
                }
            }
            sums
        });
        (0..states.len()).map(|i| Sums::total(g.channels, parts.iter().map(|p| &p[i]))).collect()
    }

    /// From the node back to the edge's input, or to the first batch norm of a separable convolution.
    fn backward_last(
        &self,
        g: &Geometry,
        x: &[f32],
        kernels: &[Kernel],
        states: &[&BranchState],
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
        // Of a separable convolution only the second half is passed here.
        let part = |b: &Branch| b.convolution(usize::from(is_separable(b.operation)));
        let places = Places::of(&self.branches, part);
        let wanted = to.weights.is_some();
        let middle_writers: Vec<Images> = middles.iter_mut().map(|m| Images::new(m, g.images)).collect();
        let dx_writer = Images::new(to.input, g.images);
        let parts = map_groups(g.images, |group| {
            Scratch::with(|scratch| {
                let mut gradient = vec![0.0f32; if wanted { places.total } else { 0 }];
                let mut sums: Vec<Sums> = self.branches.iter().map(|_| Sums::new(g.channels)).collect();
                for n in group {
                    let x = image(x, n, g.input());
                    // SAFETY: groups do not share images.
                    let dx = unsafe { dx_writer.image(n) };
                    // What goes in is needed for the weights' gradient only.
                    if wanted {
                        scratch.pad(g, x, padding);
                    }
                    // What an edge's dilated convolutions give is gathered before it passes the ReLU.
                    let mut gathered = false;
                    for i in 0..self.branches.len() {
                        if gathered && i > 0 && self.targets[i] != self.targets[i - 1] {
                            relu::add_where_positive(x, &scratch.gathered[..g.input()], dx);
                            gathered = false;
                        }
                        let dy = image(dnodes[self.targets[i]], n, g.output());
                        let own = wanted.then(|| &mut gradient[places.own(i)]);
                        let (Some(back), Some(last)) = (&backs[i], &states[i].last) else {
                            relu::add_scaled(dy, self.mixing[i] * self.factor(i, n), dx);
                            continue;
                        };
                        let factored = self.factors[i].map(|f| back.times(f[n]));
                        let back = factored.as_ref().unwrap_or(back);
                        match (&kernels[i], &ready[i], &states[i].first) {
                            (Kernel::Separable(s), Some(Ready::Separable(ready)), Some(first)) => {
                                let z = image(&last.z, n, g.output());
                                let z1 = image(&first.z, n, g.output());
                                let (p, norm) = (s.shape.reach(), first.statistics.normed());
                                if wanted {
                                    scratch.pad_as(&s.shape, z1, first.statistics.load_relu());
                                }
                                // SAFETY: as above.
                                let dh = unsafe { middle_writers[i].image(n) };
                                let sums = &mut sums[i];
                                s.backward(
                                    ready,
                                    &scratch.others[p - 1].numbers,
                                    p,
                                    |at, dz| back.apply(&dy[at.clone()], &z[at], dz),
                                    own,
                                    |at, raw| {
                                        let (z1, dh) = (&z1[at.clone()], &mut dh[at]);
                                        relu::gate(z1, norm, raw, dh, &mut sums.plain, &mut sums.product);
                                    },
                                    &mut scratch.separable,
                                );
                            }
                            (Kernel::Dense(d), Some(Ready::Dense(ready)), _) => {
                                let z = image(&last.z, n, g.output());
                                d.backward_onto(
                                    ready,
                                    &scratch.padded.numbers,
                                    [padding; 2],
                                    |at, dz| back.apply(&dy[at.clone()], &z[at], dz),
                                    own,
                                    Some(at_least(&mut scratch.gathered, g.input())),
                                    gathered,
                                    &mut scratch.dense,
                                );
                                gathered = true;
                            }
                            (Kernel::Factorised(f), Some(Ready::Factorised(ready)), _) => {
                                let z = image(&last.z, n, g.output());
                                f.backward_onto(
                                    ready,
                                    &scratch.padded.numbers,
                                    padding,
                                    |at, dz| back.apply(&dy[at.clone()], &z[at], dz),
                                    own,
                                    at_least(&mut scratch.gathered, g.input()),
                                    gathered,
                                    &mut scratch.factorised,
                                );
                                gathered = true;
                            }
                            (Kernel::Separable(s), Some(Ready::Separable(ready)), None) => {
                                let z = image(&last.z, n, g.output());
                                s.backward_onto(
                                    ready,
                                    &scratch.padded.numbers,
                                    padding,
                                    |at, dz| back.apply(&dy[at.clone()], &z[at], dz),
                                    own,
                                    at_least(&mut scratch.gathered, g.input()),
                                    gathered,
                                    &mut scratch.separable,
                                );
                                gathered = true;
                            }
                            (Kernel::Halve(p), ..) => {
                                let dz = at_least(&mut scratch.gradient, g.output());
                                back.apply(dy, image(&last.z, n, g.output()), dz);
                                p.backward(x, dz, own, Some(dx), &mut scratch.project);
                            }
                            // The identity has no norm, and poolings go back by themselves.
                            _ => {}
                        }
                    }
                    if gathered {
                        relu::add_where_positive(x, &scratch.gathered[..g.input()], dx);
                    }
                }
                (gradient, sums)
            })
        });
        let (gradients, sums): (Vec<Vec<f32>>, Vec<Vec<Sums>>) = parts.into_iter().unzip();
        places.take(gradients, to);
        self.branches
            .iter()
            .zip(middles)
            .enumerate()
            .map(|(i, (b, m))| {
                is_separable(b.operation).then(|| (m, Sums::total(g.channels, sums.iter().map(|s| &s[i]))))
            })
            .collect()
    }

    /// Backward pass through the first halves of the separable convolutions; `middles` are what [`Bundle::backward_outer`]
    /// gave. Of `states` only the first norms are looked at.
    pub fn backward_inner(
        &self,
        g: &Geometry,
        x: &[f32],
        weights: &[f32],
        states: &[&BranchState],
        middles: &[Middle],
        to: &mut Gradients,
    ) {
        struct Half<'a> {
            number: usize,
            kernel: Separable<'a>,
            ready: SeparableBackward,
            first: &'a Normed,
            back: Backward,
            dh: &'a [f32],
        }
        let part = |b: &Branch| if is_separable(b.operation) { b.convolution(0) } else { 0..0 };
        let places = Places::of(&self.branches, part);
        let halves: Vec<Half> = self
            .branches
            .iter()
            .enumerate()
            .zip(states)
            .zip(middles)
            .filter_map(|(((number, branch), state), middle)| {
                let (first, (dh, sums)) = (state.first.as_ref()?, middle.as_ref()?);
                let kernel = Separable::new(g.shape(branch.operation), &weights[branch.convolution(0)]);
                let back = first.statistics.backward(1.0, sums);
                Some(Half { number, ready: kernel.for_backward(), kernel, first, back, dh })
            })
            .collect();
        if halves.is_empty() {
            return;
        }
        let firsts = states.iter().map(|s| s.first.as_ref());
        self.add_affine_gradients(firsts.zip(middles.iter().map(|m| m.as_ref().map(|(_, sums)| sums))), false, to);
        let padding = halves.iter().map(|h| h.kernel.shape.reach()).max().unwrap_or(0);
        let wanted = to.weights.is_some();
        let dx_writer = Images::new(to.input, g.images);
        let gradients = map_groups(g.images, |group| {
            Scratch::with(|scratch| {
                let mut gradient = vec![0.0f32; if wanted { places.total } else { 0 }];
                for n in group {
                    let x = image(x, n, g.input());
                    // SAFETY: groups do not share images.
                    let dx = unsafe { dx_writer.image(n) };
                    if wanted {
                        scratch.pad(g, x, padding);
                    }
                    for (i, h) in halves.iter().enumerate() {
                        let (dh, z) = (image(h.dh, n, g.output()), image(&h.first.z, n, g.output()));
                        let own = wanted.then(|| &mut gradient[places.own(h.number)]);
                        h.kernel.backward_onto(
                            &h.ready,
                            &scratch.padded.numbers,
                            padding,
                            |at, dz| h.back.apply(&dh[at.clone()], &z[at], dz),
                            own,
                            at_least(&mut scratch.gathered, g.input()),
                            i > 0,
                            &mut scratch.separable,
                        );
                    }
                    relu::add_where_positive(x, &scratch.gathered[..g.input()], dx);
                }
                gradient
            })
        });
        places.take(gradients, to);
    }
}

/// The gradients of the mixing weights: Σ dnode·o(x) of each branch.
pub(super) fn inner_products(states: &[&BranchState], sums: &[Sums]) -> Vec<f32> {
    let inner = |(s, sums): (&&BranchState, &Sums)| match &s.last {
        Some(l) => l.statistics.inner(sums) as f32,
        None => sums.product.iter().sum::<f64>() as f32,
    };
    states.iter().zip(sums).map(inner).collect()
}

/// Parts of the branches' weights, one after the other.
struct Places {
    /// By branch: which of its weights, and where they begin among all.
    parts: Vec<(Range<usize>, usize)>,
    total: usize,
}

impl Places {
    fn of(branches: &[&Branch], part: impl Fn(&Branch) -> Range<usize>) -> Places {
        let mut total = 0;
        let place = |b: &&Branch| {
            let part = part(b);
            let start = total;
            total += part.len();
            (part, start)
        };
        let parts = branches.iter().map(place).collect();
        Places { parts, total }
    }

    fn own(&self, i: usize) -> Range<usize> {
        let (part, start) = &self.parts[i];
        *start..start + part.len()
    }

    /// Adds up the groups' gradients.
    fn take(&self, gradients: Vec<Vec<f32>>, to: &mut Gradients) {
        let Some(weights) = &mut to.weights else { return };
        let mut sums = vec![0.0f32; self.total];
        sum_parts(&only(gradients, to.only), &mut sums);
        for (part, start) in &self.parts {
            let to = &mut weights[part.clone()];
            to.iter_mut().zip(&sums[*start..]).for_each(|(t, v)| *t += v);
        }
    }
}
