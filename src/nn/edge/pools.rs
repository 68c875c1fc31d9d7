//! Poolings of one map. They have no weights, so that they are the same on every edge that reads the map: each kind is made
//! once for all edges.

use super::backward::inner_products;
use super::kernel::{Kernel, Scratch};
use super::{BranchState, Bundle, Geometry};
use crate::kernels::norm::{Backward, mix};
use crate::kernels::pool;
use crate::nn::norm::Sums;
use crate::nn::parallel::{Images, at_least, image, map_groups, unfilled};
use crate::space::Operation;

/// The kinds of pooling among some branches.
pub(super) struct Pools(Vec<(Operation, Kernel<'static>)>);

impl Pools {
    pub fn of(bundle: &Bundle, g: &Geometry) -> Pools {
        let mut pools: Vec<(Operation, Kernel)> = Vec::new();
        for b in &bundle.branches {
            if let (Some(kernel), false) =
                (Kernel::pooling(g, b.operation), pools.iter().any(|(o, _)| *o == b.operation))
            {
                pools.push((b.operation, kernel));
            }
        }
        Pools(pools)
    }

    /// The number of an operation's kind, if it is a pooling.
    pub fn number(&self, operation: Operation) -> Option<usize> {
        self.0.iter().position(|(o, _)| *o == operation)
    }

    /// One image of every kind, one after the other in `to`.
    pub fn make<'m>(&self, g: &Geometry, x: &[f32], to: &'m mut Vec<f32>, scratch: &mut pool::Scratch) -> &'m [f32] {
        let made = at_least(to, self.0.len() * g.output());
        for ((_, kernel), to) in self.0.iter().zip(made.chunks_exact_mut(g.output())) {
            kernel.pool(x, to, scratch);
        }
        made
    }
}

impl Bundle<'_> {
    /// The poolings among the branches, each once: whole maps.
    pub fn pooled(&self, g: &Geometry, x: &[f32]) -> Vec<(Operation, Vec<f32>)> {
        let each = Pools::of(self, g).0.into_iter().map(|(operation, kernel)| {
            // SAFETY: each image is written below.
            let mut map = unsafe { unfilled(g.images * g.output()) };
            let writer = Images::new(&mut map, g.images);
            map_groups(g.images, |group| {
                Scratch::with(|scratch| {
                    for n in group {
                        // SAFETY: groups do not share images.
                        kernel.pool(image(x, n, g.input()), unsafe { writer.image(n) }, &mut scratch.pool);
                    }
                });
            });
            (operation, map)
        });
        each.collect()
    }

    /// Backward pass of branches that are all poolings: adds to the gradient of their input, gives those of the mixing
    /// weights. The gradients of one kind's outputs are added up first, so that each kind goes back once.
    pub fn backward_pools(
        &self,
        g: &Geometry,
        x: &[f32],
        states: &[&BranchState],
        dnodes: &[&[f32]],
        input: &mut [f32],
    ) -> Vec<f32> {
        if states.is_empty() {
            return Vec::new();
        }
        let pools = Pools::of(self, g);
        let sums = self.pool_sums(g, x, states, dnodes);
        // Without a norm what goes back does not depend on the map.
        let normed = states.iter().any(|state| state.last.is_some());
        let number = |i: usize| pools.number(self.branches[i].operation).unwrap_or(0);
        let zeros = vec![0.0; g.channels];
        // By kind: the form of its first edge with what depends on the map from all of them, and the scales of the others.
        struct Kind {
            form: Backward,
            first: usize,
            others: Vec<(usize, Vec<f32>)>,
        }
        let mut kinds: Vec<Option<Kind>> = pools.0.iter().map(|_| None).collect();
        for (i, (state, sums)) in states.iter().zip(&sums).enumerate() {
            let form = match &state.last {
                Some(l) => l.statistics.backward(self.mixing[i], sums),
                None => Backward {
                    scale: vec![self.mixing[i]; g.channels],
                    mean: zeros.clone(),
                    slope: zeros.clone(),
                    offset: zeros.clone(),
                },
            };
            match &mut kinds[number(i)] {
                Some(kind) => {
                    for (to, from) in [(&mut kind.form.slope, &form.slope), (&mut kind.form.offset, &form.offset)] {
                        to.iter_mut().zip(from).for_each(|(t, f)| *t += f);
                    }
                    kind.others.push((i, form.scale));
                }
                none => *none = Some(Kind { form, first: i, others: Vec::new() }),
            }
        }
        let dx_writer = Images::new(input, g.images);
        let dnode = |i: usize, n: usize| image(dnodes[self.targets[i]], n, g.output());
        map_groups(g.images, |group| {
            Scratch::with(|scratch| {
                for n in group {
                    let x = image(x, n, g.input());
                    // SAFETY: groups do not share images.
                    let dx = unsafe { dx_writer.image(n) };
                    let made = if normed { pools.make(g, x, &mut scratch.made, &mut scratch.pool) } else { &[] };
                    for (k, ((_, kernel), kind)) in pools.0.iter().zip(&kinds).enumerate() {
                        let Some(kind) = kind else { continue };
                        let dz = at_least(&mut scratch.gradient, g.output());
                        let factored = self.factors[kind.first].map(|f| kind.form.times(f[n]));
                        let form = factored.as_ref().unwrap_or(&kind.form);
                        if normed {
                            form.apply(dnode(kind.first, n), image(made, k, g.output()), dz);
                        } else {
                            mix(dnode(kind.first, n), &zeros, &form.scale, dz, true);
                        }
                        for (i, scale) in &kind.others {
                            let factored = self.factors[*i].map(|f| scale.iter().map(|s| s * f[n]).collect::<Vec<_>>());
                            mix(dnode(*i, n), &zeros, factored.as_ref().unwrap_or(scale), dz, false);
                        }
                        match kernel {
                            Kernel::Max(s) => pool::max_backward(s, x, dz, dx, &mut scratch.pool),
                            Kernel::Average(s) => pool::average_backward(s, dz, dx, &mut scratch.pool),
                            _ => {}
                        }
                    }
                }
            });
        });
        inner_products(states, &sums)
    }

    /// Σ dnode and Σ dnode·(z − mean) of each branch, which are all poolings.
    pub(super) fn pool_sums(&self, g: &Geometry, x: &[f32], states: &[&BranchState], dnodes: &[&[f32]]) -> Vec<Sums> {
        // Without a norm and with constant weights nobody asks for them.
        if states.is_empty() || self.constant && states.iter().all(|s| s.last.is_none()) {
            return states.iter().map(|_| Sums::new(g.channels)).collect();
        }
        let pools = Pools::of(self, g);
        let number = |i: usize| pools.number(self.branches[i].operation).unwrap_or(0);
        let zeros = vec![0.0; g.channels];
        let parts = map_groups(g.images, |group| {
            Scratch::with(|scratch| {
                let mut sums: Vec<Sums> = states.iter().map(|_| Sums::new(g.channels)).collect();
                for n in group {
                    let made = pools.make(g, image(x, n, g.input()), &mut scratch.made, &mut scratch.pool);
                    for (i, (state, sums)) in states.iter().zip(&mut sums).enumerate() {
                        let dy = image(dnodes[self.targets[i]], n, g.output());
                        let mean = state.last.as_ref().map_or(&zeros, |l| &l.statistics.mean);
                        sums.add_products(dy, image(made, number(i), g.output()), mean, self.factor(i, n));
                    }
                }
                sums
            })
        });
        (0..states.len()).map(|i| Sums::total(g.channels, parts.iter().map(|p| &p[i]))).collect()
    }
}
