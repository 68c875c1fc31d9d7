//! A cell on plain maps, of a supernet or of a genotype: forward, and backward from what the forward pass kept.

use std::borrow::Cow;
use std::sync::Arc;

use super::drop_path::Factors;
use super::edge::{self, BranchState, Bundle, Geometry};
use super::entry::{Entered, EntryPass};
use super::noise::Noise;
use super::norm::{Norm, NormPass, Seen};
use super::parallel::{Images, image, map_groups, unfilled, zeros};
use super::plan::{CellPlan, CellSizes};
use super::{Policy, Probe};
use crate::kernels::copy::copy_runs;

/// What a cell keeps from its forward to its backward pass.
pub(crate) struct CellState {
    entered: Vec<Entered>,
    /// By source, edge by edge; empty under [`Policy::Recompute`].
    edges: Vec<Vec<BranchState>>,
    /// By node; empty where the output has it.
    loose: Vec<Vec<f32>>,
}

/// One pass through a cell.
pub(crate) struct CellPass<'a> {
    pub plan: &'a CellPlan,
    pub sizes: CellSizes,
    pub norm: Norm,
    pub policy: Policy,
    /// Running statistics of the block.
    pub running: &'a [f32],
    pub probe: Option<&'a Arc<dyn Probe>>,
    /// Edges that are left out of the pass, image by image, of this cell.
    pub factors: Option<&'a Factors>,
    /// Number of the cell.
    pub index: usize,
    pub noise: Noise,
}

/// Where the gradients of a cell go.
pub(crate) struct To<'a> {
    /// Of the block's parameters, added to; `None` in an architecture step.
    pub weights: Option<&'a mut [f32]>,
    /// Of the mixing weights `[edges, operations]`, added to.
    pub mixing: &'a mut [f32],
    /// Of all outputs of the network; those of the cell's inputs are at `places`, where they are wanted, and are added to what
    /// is there.
    pub inputs: &'a mut [Option<Vec<f32>>],
    pub places: &'a [Option<usize>],
    /// Of the parameters' gradients only what this image's maps give.
    pub only: Option<usize>,
}

impl CellPass<'_> {
    /// `weights` are the block's parameters, `mixing` the mixing weights `[edges, operations]`. Returns the output
    /// `[N, H', W', C']`, the moments of every batch norm, and what the backward pass needs, if it was asked for.
    pub fn forward(
        &self,
        inputs: &[&[f32]],
        weights: &[f32],
        mixing: &[f32],
        keep: bool,
    ) -> (Vec<f32>, Vec<Seen>, Option<CellState>) {
        let (plan, n) = (self.plan, self.sizes.images);
        let mut norms = self.norms();
        let mut entered = self.enter(inputs, weights, keep, &mut norms);
        let (oh, ow) = plan.output_size(&self.sizes);
        let node_len = n * oh * ow * plan.shape.channels;
        let reached = |node: usize| plan.edges.iter().any(|edge| edge.node == node);
        // SAFETY: each node's first edge writes all of it; what no edge leads to is zeros.
        let map = |node| if reached(node) { unsafe { unfilled(node_len) } } else { zeros(node_len, n) };
        let mut nodes: Vec<Vec<f32>> = (0..plan.nodes).map(map).collect();
        let mut made = vec![false; plan.nodes];
        let mut kept = Vec::with_capacity(plan.sources());
        let keeps = keep && self.policy == Policy::Keep;
        for source in 0..plan.sources() {
            let edges: Vec<usize> = plan.from(source).collect();
            let mut states = Vec::new();
            // Edges that read one map take their steps together; where little is to be alive they take turns.
            for edges in edges.chunks(if keeps { edges.len() } else { 1 }.max(1)) {
                let g = plan.geometry(&self.sizes, edges[0]);
                let mut bundle = self.bundle(edges, mixing);
                let places = bundle.targets.clone();
                let x = match plan.node_of(source) {
                    Some(node) => &nodes[node],
                    None => entered[source].map(inputs[source]),
                };
                let found = bundle.branches_forward(&g, x, weights, &mut norms);
                self.watch(edges, &g, x, &found);
                for round in plan.rounds(edges) {
                    bundle.targets = edge::in_round(&places, &round);
                    let own: Vec<usize> = round.iter().map(|place| plan.edges[edges[*place]].node).collect();
                    let mut targets: Vec<Vec<f32>> = own.iter().map(|node| std::mem::take(&mut nodes[*node])).collect();
                    let fresh: Vec<bool> = own.iter().map(|node| !std::mem::replace(&mut made[*node], true)).collect();
                    let x = match plan.node_of(source) {
                        Some(node) => &nodes[node],
                        None => entered[source].map(inputs[source]),
                    };
                    let mut open: Vec<&mut [f32]> = targets.iter_mut().map(Vec::as_mut_slice).collect();
                    bundle.mix_into(&g, x, &found, &mut open, &fresh);
                    own.iter().zip(targets).for_each(|(node, map)| nodes[*node] = map);
                }
                if keeps {
                    states = found;
                }
            }
            if keeps {
                kept.push(states);
            }
        }
        let output = match plan.concat[..] {
            [only] => std::mem::take(&mut nodes[only]),
            _ => {
                let joined: Vec<&[f32]> = plan.concat.iter().map(|node| &nodes[*node][..]).collect();
                join(&joined, n, plan.shape.channels)
            }
        };
        let loose =
            nodes.into_iter().enumerate().map(|(i, map)| if plan.place(i).is_none() { map } else { Vec::new() });
        let loose = loose.collect();
        entered.iter_mut().for_each(Entered::slim);
        let state = keep.then_some(CellState { entered, edges: kept, loose });
        if let Some(probe) = self.probe {
            norms.seen.iter().for_each(|s| probe.norm(&s.moments.variance()));
        }
        (output, norms.seen, state)
    }

    /// The statistics of a pass, none yet.
    pub fn norms(&self) -> NormPass<'_> {
        NormPass { norm: self.norm, running: self.running, seen: Vec::new(), noise: self.noise }
    }

    /// Input `i`.
    fn entry<'a>(&'a self, i: usize, weights: &'a [f32]) -> EntryPass<'a> {
        let size = self.sizes.input(i, self.plan.inputs());
        EntryPass { plan: &self.plan.entries[i], images: self.sizes.images, size, weights }
    }

    /// The inputs as the edges read them.
    pub fn enter(&self, inputs: &[&[f32]], weights: &[f32], keep: bool, norms: &mut NormPass) -> Vec<Entered> {
        let each = inputs.iter().enumerate().map(|(i, x)| self.entry(i, weights).forward(x, keep, norms, self.probe));
        each.collect()
    }

    /// Backward pass of edges from one source, whose maps are made again, edge by edge; the numbers are those of maps that were
    /// kept.
    fn again(
        &self,
        all: &Bundle,
        edges: &[usize],
        g: &Geometry,
        x: &[f32],
        weights: &[f32],
        mixing: &[f32],
        dnodes: &[&[f32]],
        to: &mut edge::Gradients,
    ) -> Vec<f32> {
        let (mut of_others, mut firsts, mut middles) = (Vec::new(), Vec::new(), Vec::new());
        let mut norms = self.norms();
        for (e, dnode) in edges.iter().zip(dnodes) {
            let (bundle, _) = self.bundle(&[*e], mixing).part(false);
            let states = bundle.branches_forward(g, x, weights, &mut norms);
            let all: Vec<&BranchState> = states.iter().collect();
            let (own, open) = bundle.backward_outer(g, x, weights, &all, &[dnode], to);
            of_others.extend(own);
            middles.extend(open);
            firsts.extend(states.into_iter().map(|s| BranchState { last: None, ..s }));
        }
        let ((others, at), (pools, pools_at)) = (all.part(false), all.part(true));
        let states = pools.branches_forward(g, x, weights, &mut norms);
        let of_pools = pools.backward_pools(g, x, &states.iter().collect::<Vec<_>>(), dnodes, to.input);
        others.backward_inner(g, x, weights, &firsts.iter().collect::<Vec<_>>(), &middles, to);
        edge::in_order(all.branches.len(), [(at, of_others), (pools_at, of_pools)])
    }

    /// The gradients of the mixing weights alone of edges from one source, whose maps are made again, edge by edge.
    fn mixing_again(
        &self,
        edges: &[usize],
        g: &Geometry,
        x: &[f32],
        weights: &[f32],
        mixing: &[f32],
        dnodes: &[&[f32]],
    ) -> Vec<f32> {
        let mut norms = self.norms();
        let each = edges.iter().zip(dnodes).flat_map(|(e, dnode)| {
            let bundle = self.bundle(&[*e], mixing);
            let states = bundle.branches_forward(g, x, weights, &mut norms);
            bundle.mixing_gradients(g, x, &states, &[dnode])
        });
        each.collect()
    }

    /// Edges from one source, with their mixing weights.
    pub fn bundle(&self, edges: &[usize], mixing: &[f32]) -> Bundle<'_> {
        let mut bundle = Bundle::default();
        for (target, e) in edges.iter().enumerate() {
            let edge = &self.plan.edges[*e];
            match self.plan.mixed() {
                true => bundle.add(edge, target, &mixing[edge.row..][..self.plan.columns]),
                false => {
                    let factors = self.factors.and_then(|f| f.of(self.index, *e, self.sizes.images));
                    bundle.add_whole(edge, target, factors);
                }
            }
        }
        bundle
    }

    /// Shows the inputs of the edges' ReLUs to whoever watches.
    pub fn watch(&self, edges: &[usize], g: &Geometry, x: &[f32], states: &[BranchState]) {
        let Some(probe) = self.probe else { return };
        let relus: usize = edges.iter().map(|e| self.plan.edges[*e].relus()).sum();
        if relus > 0 {
            probe.relu(x, None, [g.images, g.channels], relus);
        }
        for first in states.iter().filter_map(|s| s.first.as_ref()) {
            probe.relu(&first.z, Some(&first.statistics.mean), [g.images, g.channels], 1);
        }
    }

    /// `output` and `gradient` are `[N, H', W', C']`.
    pub fn backward(
        &self,
        inputs: &[&[f32]],
        weights: &[f32],
        mixing: &[f32],
        state_of: &CellState,
        output: &[f32],
        gradient: Vec<f32>,
        mut to: To,
    ) {
        let (plan, n) = (self.plan, self.sizes.images);
        let remade: Vec<Option<Vec<f32>>> = state_of.entered.iter().map(|e| e.remade(n)).collect();
        let entered = state_of.entered.iter().zip(&remade).zip(inputs);
        let entered: Vec<&[f32]> = entered.map(|((e, r), x)| r.as_deref().unwrap_or(e.map(x))).collect();
        let mut nodes: Vec<Cow<[f32]>> = state_of.loose.iter().map(|map| Cow::Borrowed(&map[..])).collect();
        let mut node_gradients: Vec<Vec<f32>>;
        let beside =
            |len| (0..plan.nodes).map(|node| zeros(if plan.place(node).is_some() { 0 } else { len }, n)).collect();
        if let [only] = plan.concat[..] {
            nodes[only] = Cow::Borrowed(output);
            node_gradients = beside(gradient.len());
            node_gradients[only] = gradient;
        } else {
            for (node, map) in plan.concat.iter().zip(self.parts(output)) {
                nodes[*node] = Cow::Owned(map);
            }
            node_gradients = beside(gradient.len() / plan.concat.len());
            for (node, map) in plan.concat.iter().zip(self.parts(&gradient)) {
                node_gradients[*node] = map;
            }
            drop(gradient);
        }
        // Before inputs without a gradient there is nothing that has one.
        let wanted: Vec<bool> = to.places.iter().map(|place| place.is_some() || to.weights.is_some()).collect();
        let mut input_gradients: Vec<Vec<f32>> = wanted
            .iter()
            .zip(&entered)
            .map(|(wanted, map)| if *wanted { zeros(map.len(), n) } else { Vec::new() })
            .collect();
        for source in (0..plan.sources()).rev() {
            let edges: Vec<usize> = plan.from(source).collect();
            let Some(first) = edges.first() else { continue };
            let g = plan.geometry(&self.sizes, *first);
            let x = plan.node_of(source).map_or_else(|| entered[source], |node| &nodes[node]);
            // What later sources gave to this one's gradient is complete.
            let own = plan.node_of(source).map(|node| &mut node_gradients[node]);
            let mut input = std::mem::take(own.unwrap_or_else(|| &mut input_gradients[source]));
            let mut grads = edge::Gradients { input: &mut input, weights: to.weights.as_deref_mut(), only: to.only };
            let dnodes: Vec<&[f32]> = edges.iter().map(|e| &node_gradients[plan.edges[*e].node][..]).collect();
            let all = self.bundle(&edges, mixing);
            let of_mixing = match (state_of.edges.get(source), wanted.get(source) != Some(&false)) {
                (Some(states), true) => all.backward(&g, x, weights, states, &dnodes, &mut grads),
                (None, true) => self.again(&all, &edges, &g, x, weights, mixing, &dnodes, &mut grads),
                (Some(states), false) => all.mixing_gradients(&g, x, states, &dnodes),
                (None, false) => self.mixing_again(&edges, &g, x, weights, mixing, &dnodes),
            };
            if plan.mixed() {
                for ((b, target), v) in all.branches.iter().zip(&all.targets).zip(of_mixing) {
                    to.mixing[plan.edges[edges[*target]].row + b.column] += v;
                }
            }
            let own = plan.node_of(source).map(|node| &mut node_gradients[node]);
            *own.unwrap_or_else(|| &mut input_gradients[source]) = input;
        }
        drop((nodes, node_gradients));
        drop(entered);
        drop(remade);
        for i in (0..plan.inputs()).filter(|i| wanted[*i]) {
            let input = to.places[i].map(|place| &mut to.inputs[place]);
            let dy = std::mem::take(&mut input_gradients[i]);
            let (made, weights_to) = (&state_of.entered[i], to.weights.as_deref_mut());
            self.entry(i, weights).backward(inputs[i], made, dy, input, weights_to, to.only);
        }
    }

    /// The maps that a concatenation is made of, in its order.
    fn parts(&self, joined: &[f32]) -> Vec<Vec<f32>> {
        let (images, c, wide) = (self.sizes.images, self.plan.shape.channels, self.plan.concat.len());
        // SAFETY: every pixel of every image is written below.
        let mut out: Vec<Vec<f32>> = (0..wide).map(|_| unsafe { unfilled(joined.len() / wide) }).collect();
        let writers: Vec<Images> = out.iter_mut().map(|m| Images::new(m, images)).collect();
        map_groups(images, |group| {
            for n in group {
                for (i, writer) in writers.iter().enumerate() {
                    // SAFETY: groups do not share images.
                    let out = unsafe { writer.image(n) };
                    let joined = image(joined, n, joined.len() / images);
                    copy_runs(&joined[i * c..], wide * c, out, c, c, out.len() / c);
                }
            }
        });
        drop(writers);
        out
    }
}

/// Concatenation of maps `[N, H, W, C]` along the channels.
pub(crate) fn join(maps: &[&[f32]], images: usize, c: usize) -> Vec<f32> {
    let len = maps.iter().map(|m| m.len()).sum::<usize>();
    // SAFETY: every pixel of every image is written below.
    let mut out = unsafe { unfilled(len) };
    let writer = Images::new(&mut out, images);
    map_groups(images, |group| {
        for n in group {
            // SAFETY: groups do not share images.
            let out = unsafe { writer.image(n) };
            for (i, m) in maps.iter().enumerate() {
                let map = image(m, n, m.len() / images);
                copy_runs(map, c, &mut out[i * c..], maps.len() * c, c, map.len() / c);
            }
        }
    });
    out
}
