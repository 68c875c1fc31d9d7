//! A cell on plain maps, of a supernet or of a genotype: forward, and backward from what the forward pass kept.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;

use super::drop_path::Factors;
use super::edge::{self, BranchState, Bundle, Geometry};
use super::entry::{Entered, EntryPass};
use super::noise::Noise;
use super::norm::{Norm, NormPass, Seen};
use super::parallel::{Images, image, map_groups, unfilled, zeros};
use super::plan::{CellPlan, CellSizes};
use super::walk::{CellBackward, CellForward};
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
        let mut steps = Made {
            pass: self,
            inputs,
            weights,
            mixing,
            keep,
            norms: self.norms(),
            entered: Vec::with_capacity(plan.inputs()),
            nodes: Vec::new(),
            kept: Vec::new(),
        };
        let Ok(()) = plan.forward(self.policy, keep, &mut steps);
        let Made { norms, mut entered, mut nodes, kept, .. } = steps;
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
    pub fn entry<'a>(&'a self, i: usize, weights: &'a [f32]) -> EntryPass<'a> {
        let size = self.sizes.input(i, self.plan.inputs());
        EntryPass { plan: &self.plan.entries[i], images: self.sizes.images, size, weights }
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
        to: To,
    ) {
        let (plan, n) = (self.plan, self.sizes.images);
        let entered = state_of.entered.iter().zip(inputs);
        let entered: Vec<Cow<[f32]>> =
            entered.map(|(e, x)| e.remade(n).map_or_else(|| Cow::Borrowed(e.map(x)), Cow::Owned)).collect();
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
        let input_gradients: Vec<Vec<f32>> = wanted
            .iter()
            .zip(&entered)
            .map(|(wanted, map)| if *wanted { zeros(map.len(), n) } else { Vec::new() })
            .collect();
        let mut steps = Back {
            pass: self,
            inputs,
            weights,
            mixing,
            state: state_of,
            entered,
            nodes,
            node_gradients,
            input_gradients,
            to,
        };
        let Ok(()) = plan.backward(&wanted, &mut steps);
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

/// A forward pass under way.
struct Made<'p> {
    pass: &'p CellPass<'p>,
    inputs: &'p [&'p [f32]],
    weights: &'p [f32],
    mixing: &'p [f32],
    keep: bool,
    norms: NormPass<'p>,
    entered: Vec<Entered>,
    nodes: Vec<Vec<f32>>,
    /// By source, edge by edge.
    kept: Vec<Vec<BranchState>>,
}

impl Made<'_> {
    /// The map that edges from `source` read.
    fn state(&self, source: usize) -> &[f32] {
        match self.pass.plan.node_of(source) {
            Some(node) => &self.nodes[node],
            None => self.entered[source].map(self.inputs[source]),
        }
    }
}

impl CellForward for Made<'_> {
    type Fault = Infallible;
    type Maps = Vec<BranchState>;

    fn enter(&mut self, i: usize) -> Result<(), Infallible> {
        let (pass, x) = (self.pass, self.inputs[i]);
        self.entered.push(pass.entry(i, self.weights).forward(x, self.keep, &mut self.norms, pass.probe));
        Ok(())
    }

    fn open(&mut self) -> Result<(), Infallible> {
        let (plan, n) = (self.pass.plan, self.pass.sizes.images);
        let (oh, ow) = plan.output_size(&self.pass.sizes);
        let node_len = n * oh * ow * plan.shape.channels;
        let reached = |node: usize| plan.edges.iter().any(|edge| edge.node == node);
        // SAFETY: each node's first edge writes all of it; what no edge leads to is zeros.
        let map = |node| if reached(node) { unsafe { unfilled(node_len) } } else { zeros(node_len, n) };
        self.nodes = (0..plan.nodes).map(map).collect();
        Ok(())
    }

    fn branches(&mut self, source: usize, edges: &[usize]) -> Result<Vec<BranchState>, Infallible> {
        let (pass, g) = (self.pass, self.pass.plan.geometry(&self.pass.sizes, edges[0]));
        let mut norms = std::mem::replace(&mut self.norms, pass.norms());
        let x = self.state(source);
        let found = pass.bundle(edges, self.mixing).branches_forward(&g, x, self.weights, &mut norms);
        pass.watch(edges, &g, x, &found);
        self.norms = norms;
        Ok(found)
    }

    fn mix(
        &mut self,
        source: usize,
        edges: &[usize],
        places: &[usize],
        fresh: &[bool],
        maps: &Vec<BranchState>,
    ) -> Result<(), Infallible> {
        let (pass, plan) = (self.pass, self.pass.plan);
        let g = plan.geometry(&pass.sizes, edges[0]);
        let mut bundle = pass.bundle(edges, self.mixing);
        bundle.targets = edge::in_round(&bundle.targets, places);
        let own: Vec<usize> = places.iter().map(|place| plan.edges[edges[*place]].node).collect();
        let mut targets: Vec<Vec<f32>> = own.iter().map(|node| std::mem::take(&mut self.nodes[*node])).collect();
        let mut open: Vec<&mut [f32]> = targets.iter_mut().map(Vec::as_mut_slice).collect();
        bundle.mix_into(&g, self.state(source), maps, &mut open, fresh);
        own.iter().zip(targets).for_each(|(node, map)| self.nodes[*node] = map);
        Ok(())
    }

    fn keep(&mut self, source: usize, _: &[usize], maps: Vec<BranchState>) {
        self.kept.resize_with(source, Vec::new);
        self.kept.push(maps);
    }
}

/// A way back that has begun.
struct Back<'p, 't> {
    pass: &'p CellPass<'p>,
    inputs: &'p [&'p [f32]],
    weights: &'p [f32],
    mixing: &'p [f32],
    state: &'p CellState,
    /// The inputs as the edges read them, and the nodes.
    entered: Vec<Cow<'p, [f32]>>,
    nodes: Vec<Cow<'p, [f32]>>,
    node_gradients: Vec<Vec<f32>>,
    input_gradients: Vec<Vec<f32>>,
    to: To<'t>,
}

impl CellBackward for Back<'_, '_> {
    type Fault = Infallible;

    fn source(&mut self, source: usize, edges: &[usize], reached: bool) -> Result<(), Infallible> {
        let (pass, plan, weights, mixing) = (self.pass, self.pass.plan, self.weights, self.mixing);
        let g = plan.geometry(&pass.sizes, edges[0]);
        let node = plan.node_of(source);
        let x = node.map_or_else(|| &self.entered[source], |node| &self.nodes[node]);
        // What later sources gave to this one's gradient is complete.
        let own = node.map(|node| &mut self.node_gradients[node]);
        let mut input = std::mem::take(own.unwrap_or_else(|| &mut self.input_gradients[source]));
        let mut grads =
            edge::Gradients { input: &mut input, weights: self.to.weights.as_deref_mut(), only: self.to.only };
        let dnodes: Vec<&[f32]> = edges.iter().map(|e| &self.node_gradients[plan.edges[*e].node][..]).collect();
        let all = pass.bundle(edges, mixing);
        let of_mixing = match (self.state.edges.get(source), reached) {
            (Some(states), true) => all.backward(&g, x, weights, states, &dnodes, &mut grads),
            (None, true) => pass.again(&all, edges, &g, x, weights, mixing, &dnodes, &mut grads),
            (Some(states), false) => all.mixing_gradients(&g, x, states, &dnodes),
            (None, false) => pass.mixing_again(edges, &g, x, weights, mixing, &dnodes),
        };
        if plan.mixed() {
            for ((b, target), v) in all.branches.iter().zip(&all.targets).zip(of_mixing) {
                self.to.mixing[plan.edges[edges[*target]].row + b.column] += v;
            }
        }
        let own = node.map(|node| &mut self.node_gradients[node]);
        *own.unwrap_or_else(|| &mut self.input_gradients[source]) = input;
        Ok(())
    }

    fn close(&mut self) -> Result<(), Infallible> {
        (self.nodes, self.node_gradients, self.entered) = Default::default();
        Ok(())
    }

    fn enter(&mut self, i: usize) -> Result<(), Infallible> {
        let input = self.to.places[i].map(|place| &mut self.to.inputs[place]);
        let dy = std::mem::take(&mut self.input_gradients[i]);
        let (made, to) = (&self.state.entered[i], self.to.weights.as_deref_mut());
        self.pass.entry(i, self.weights).backward(self.inputs[i], made, dy, input, to, self.to.only);
        Ok(())
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
