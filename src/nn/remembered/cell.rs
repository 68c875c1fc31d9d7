//! What the first cell of a kind remembers, and its pass without one operation.

use std::convert::Infallible;
use std::sync::Arc;

use super::Shown;
use crate::kernels::norm::{Mixed, mix_all};
use crate::nn::cell::{CellPass, join};
use crate::nn::edge::{Branch, Geometry, poolings};
use crate::nn::norm::{NormPass, Statistics};
use crate::nn::parallel::{Images, image, map_groups, unfilled};
use crate::nn::plan::{CellPlan, CellSizes};
use crate::nn::walk::CellForward;
use crate::nn::{Policy, Probe};
use crate::space::{Compute, Operation, Place};

/// One branch's map before its last norm.
struct Made<P> {
    /// Empty where the map is the source's, or one that it has pooled.
    map: Vec<f32>,
    /// Absent where there is no norm.
    statistics: Option<Statistics>,
    /// Was shown the ReLU within a separable convolution.
    inner: Option<Arc<P>>,
}

/// What the branches that read one map have in common.
struct Source<P> {
    /// Was shown the map, before the branches' ReLUs.
    relu: Arc<P>,
    pooled: Vec<(Operation, Vec<f32>)>,
}

/// A node's map `[N, H, W, C]`, and what it was before each of its sources but the first.
struct Node {
    map: Vec<f32>,
    first: Option<usize>,
    before: Vec<(usize, Vec<f32>)>,
}

impl Node {
    /// The map as it was before `source` and all later ones; none where there was nothing yet.
    fn before(&self, source: usize) -> Option<Vec<f32>> {
        if self.first.is_none_or(|first| source <= first) {
            return None;
        }
        let later = self.before.iter().find(|(own, _)| *own >= source);
        Some(later.map_or(&self.map, |(_, map)| map).clone())
    }
}

pub(super) struct CellMemory<P> {
    /// The inputs as the edges read them.
    entered: Vec<Vec<f32>>,
    /// Was shown the inputs.
    inputs: Arc<P>,
    /// None where no edge reads it.
    sources: Vec<Option<Source<P>>>,
    /// By edge, by branch.
    edges: Vec<Vec<Made<P>>>,
    nodes: Vec<Node>,
}

/// Bytes of the maps that a cell remembers.
pub(super) fn bytes(plan: &CellPlan, sizes: &CellSizes) -> usize {
    let with_map = |o: Operation| o.is_convolution() || matches!(o.compute(), Compute::Identity | Compute::Noise);
    let of_edge = |e: usize| {
        let g = plan.geometry(sizes, e);
        let own = plan.edges[e].branches.iter().filter(|b| with_map(b.operation)).count();
        // Beside the branches' maps the node's, as it was before.
        4 * g.images * g.output() * (own + 1)
    };
    let pooled = |source: usize| {
        let Some(first) = plan.from(source).next() else { return 0 };
        let kinds = poolings(plan.from(source).flat_map(|e| &plan.edges[e].branches).map(|b| b.operation));
        let g = plan.geometry(sizes, first);
        // What an edge within the cell reads is a node, which is counted.
        let entered = if source < plan.inputs() { g.input() } else { 0 };
        4 * g.images * (kinds * g.output() + entered)
    };
    (0..plan.edges.len()).map(of_edge).sum::<usize>() + (0..plan.sources()).map(pooled).sum::<usize>()
}

/// Numbers of a cell's output.
pub(super) fn output(plan: &CellPlan, sizes: &CellSizes) -> usize {
    let (height, width) = plan.output_size(sizes);
    sizes.images * height * width * plan.outputs()
}

impl<P: Probe + 'static> CellMemory<P> {
    /// The map that edges from `source` read.
    fn state(&self, source: usize) -> &[f32] {
        match self.entered.get(source) {
            Some(map) => map,
            None => &self.nodes[source - self.entered.len()].map,
        }
    }

    /// All that a pass through `plan`'s cell shows.
    pub fn shown(&self, plan: &CellPlan) -> Shown<P> {
        self.shown_before(plan, plan, plan.sources())
    }

    /// What a pass through `plan`'s cell shows of the inputs and of the first so many sources; `plan` may lack operations of
    /// `whole`.
    fn shown_before(&self, whole: &CellPlan, plan: &CellPlan, sources: usize) -> Shown<P> {
        let mut shown = vec![(self.inputs.clone(), 1)];
        for (s, source) in self.sources.iter().enumerate().take(sources) {
            let Some(source) = source else { continue };
            let relus: usize = plan.from(s).map(|e| plan.edges[e].relus()).sum();
            if relus > 0 {
                shown.push((source.relu.clone(), relus));
            }
            for (_, made) in plan.from(s).flat_map(|e| self.branches(whole, plan, e)) {
                shown.extend(made.inner.iter().map(|p| (p.clone(), 1)));
            }
        }
        shown
    }

    /// The branches of an edge of `plan`, which may lack some of `whole`'s.
    fn branches<'a>(
        &'a self,
        whole: &'a CellPlan,
        plan: &'a CellPlan,
        edge: usize,
    ) -> impl Iterator<Item = (&'a Branch, &'a Made<P>)> {
        let [all, kept] = [whole, plan].map(|p| &p.edges[edge].branches);
        let made = all.iter().zip(&self.edges[edge]);
        made.filter(|(branch, _)| kept.iter().any(|b| b.operation == branch.operation))
    }

    /// Adds an edge's weighted operations to a node's map, or sets it, where there is none yet.
    fn mix<'a>(
        &'a self,
        g: &Geometry,
        source: usize,
        branches: impl Iterator<Item = (&'a Branch, &'a Made<P>)>,
        weights: &[f32],
        node: Option<Vec<f32>>,
    ) -> Vec<f32> {
        let zeros = vec![0.0; g.channels];
        let own: Vec<(&[f32], &[f32], Vec<f32>)> = branches
            .map(|(branch, made)| {
                let weight = weights[branch.column];
                let mut pooled = self.sources[source].iter().flat_map(|s| &s.pooled);
                let map = match pooled.find(|(o, _)| *o == branch.operation) {
                    _ if !made.map.is_empty() => &made.map[..],
                    Some((_, map)) => map,
                    None => self.state(source),
                };
                match &made.statistics {
                    Some(s) => (map, &s.mean[..], s.scaled(weight)),
                    None => (map, &zeros[..], vec![weight; g.channels]),
                }
            })
            .collect();
        let fresh = node.is_none();
        // SAFETY: each image of a fresh map is written below.
        let mut node = node.unwrap_or_else(|| unsafe { unfilled(g.images * g.output()) });
        let writer = Images::new(&mut node, g.images);
        map_groups(g.images, |group| {
            for n in group {
                let maps: Vec<Mixed> =
                    own.iter().map(|(map, mean, scale)| (image(map, n, g.output()), *mean, &scale[..])).collect();
                // SAFETY: groups do not share images.
                mix_all(&maps, &[], unsafe { writer.image(n) }, fresh);
            }
        });
        node
    }
}

/// A cell's output, of its nodes.
fn output_of(plan: &CellPlan, nodes: &[&[f32]], images: usize) -> Vec<f32> {
    let joined: Vec<&[f32]> = plan.concat.iter().map(|node| nodes[*node]).collect();
    join(&joined, images, plan.shape.channels)
}

/// The mixing weights of an edge.
fn row<'a>(mixing: &'a [f32], plan: &CellPlan, edge: usize) -> &'a [f32] {
    &mixing[plan.edges[edge].row..][..plan.columns]
}

impl CellPass<'_> {
    /// As [`CellPass::forward`], shown to watchers that `probe` makes.
    pub(super) fn remember<P: Probe + 'static>(
        &self,
        inputs: &[&[f32]],
        weights: &[f32],
        mixing: &[f32],
        probe: &dyn Fn() -> P,
    ) -> (Vec<f32>, CellMemory<P>) {
        let plan = self.plan;
        let watcher = Arc::new(probe());
        let watching: Arc<dyn Probe> = watcher.clone();
        let memory = CellMemory {
            entered: Vec::with_capacity(plan.inputs()),
            inputs: watcher,
            sources: (0..plan.sources()).map(|_| None).collect(),
            edges: plan.edges.iter().map(|_| Vec::new()).collect(),
            nodes: (0..plan.nodes).map(|_| Node { map: Vec::new(), first: None, before: Vec::new() }).collect(),
        };
        let norms = self.norms();
        let mut steps = Remembering { pass: self, inputs, weights, mixing, probe, watching, norms, memory };
        let Ok(()) = plan.forward(Policy::Recompute, false, &mut steps);
        let memory = steps.memory;
        let nodes: Vec<&[f32]> = memory.nodes.iter().map(|n| &n.map[..]).collect();
        (output_of(plan, &nodes, self.sizes.images), memory)
    }

    /// The output `[N, H', W', 4C]` of a cell that lacks the operation at `place` of `whole`, which `memory` is of, and what
    /// was shown before; the rest is shown to this pass's watcher.
    pub(super) fn recall<P: Probe + 'static>(
        &self,
        memory: &CellMemory<P>,
        whole: &CellPlan,
        place: Place,
        weights: &[f32],
        mixing: &[f32],
    ) -> (Vec<f32>, Shown<P>) {
        let (plan, inputs) = (self.plan, self.plan.inputs());
        let at = place.edge.target() - inputs;
        let mut norms = self.norms();
        // Sources after this one are nodes that change.
        let same = inputs + at;
        let shown = memory.shown_before(whole, plan, same);
        let mut changed: Vec<Option<Vec<f32>>> = Vec::with_capacity(plan.nodes - at);
        let mut node = memory.nodes[at].before(place.edge.source());
        let later = |e: &usize| plan.edges[*e].node == at && plan.edges[*e].source >= place.edge.source();
        for e in (0..plan.edges.len()).filter(later) {
            let g = plan.geometry(&self.sizes, e);
            let branches = memory.branches(whole, plan, e);
            node = Some(memory.mix(&g, plan.edges[e].source, branches, row(mixing, plan, e), node));
        }
        changed.push(node);
        changed.extend(memory.nodes[at + 1..].iter().map(|n| n.before(same)));
        for source in same..plan.sources() {
            let (done, open) = changed.split_at_mut(source + 1 - same);
            let Some(x) = done.last().and_then(Option::as_ref) else { continue };
            for e in plan.from(source) {
                let g = plan.geometry(&self.sizes, e);
                let bundle = self.bundle(&[e], mixing);
                let states = bundle.branches_forward(&g, x, weights, &mut norms);
                self.watch(&[e], &g, x, &states);
                let node = &mut open[plan.edges[e].node + inputs - source - 1];
                let fresh = node.is_none();
                // SAFETY: a fresh map is written below.
                let node = node.get_or_insert_with(|| unsafe { unfilled(g.images * g.output()) });
                bundle.mix_into(&g, x, &states, &mut [node], &[fresh]);
            }
        }
        let changed = changed.iter().map(|node| node.as_deref().unwrap_or_default());
        let nodes = memory.nodes[..at].iter().map(|n| &n.map[..]).chain(changed);
        (output_of(plan, &nodes.collect::<Vec<_>>(), self.sizes.images), shown)
    }
}

/// A pass that remembers its maps, under way.
struct Remembering<'p, P> {
    pass: &'p CellPass<'p>,
    inputs: &'p [&'p [f32]],
    weights: &'p [f32],
    mixing: &'p [f32],
    probe: &'p dyn Fn() -> P,
    /// Of the inputs.
    watching: Arc<dyn Probe>,
    norms: NormPass<'p>,
    memory: CellMemory<P>,
}

impl<P: Probe> Remembering<'_, P> {
    /// Another watcher, who is shown these numbers.
    fn shown(&self, values: &[f32], mean: Option<&[f32]>, channels: usize) -> Arc<P> {
        let watcher = (self.probe)();
        watcher.relu(values, mean, [self.pass.sizes.images, channels], 1);
        Arc::new(watcher)
    }
}

impl<P: Probe + 'static> CellForward for Remembering<'_, P> {
    type Fault = Infallible;
    type Maps = ();

    fn enter(&mut self, i: usize) -> Result<(), Infallible> {
        let (entry, x) = (self.pass.entry(i, self.weights), self.inputs[i]);
        let entered = entry.forward(x, false, &mut self.norms, Some(&self.watching));
        self.memory.entered.push(entered.into_map(x));
        Ok(())
    }

    fn open(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn branches(&mut self, source: usize, edges: &[usize]) -> Result<(), Infallible> {
        let (pass, g) = (self.pass, self.pass.plan.geometry(&self.pass.sizes, edges[0]));
        if self.memory.sources[source].is_none() {
            let (x, all) = (self.memory.state(source), pass.plan.from(source).collect::<Vec<_>>());
            let pooled = pass.bundle(&all, self.mixing).pooled(&g, x);
            let relu = self.shown(x, None, g.channels);
            self.memory.sources[source] = Some(Source { relu, pooled });
        }
        for e in edges {
            let (bundle, x) = (pass.bundle(&[*e], self.mixing), self.memory.state(source));
            let states = bundle.branches_forward(&g, x, self.weights, &mut self.norms);
            let made = states.into_iter().map(|s| {
                let inner = s.first.map(|first| self.shown(&first.z, Some(&first.statistics.mean), g.channels));
                let (map, statistics) = s.last.map_or((Vec::new(), None), |l| (l.z, Some(l.statistics)));
                Made { map, statistics, inner }
            });
            self.memory.edges[*e] = made.collect();
        }
        Ok(())
    }

    fn mix(&mut self, source: usize, edges: &[usize], places: &[usize], _: &[bool], (): &()) -> Result<(), Infallible> {
        let plan = self.pass.plan;
        for e in places.iter().map(|place| edges[*place]) {
            let node = &mut self.memory.nodes[plan.edges[e].node];
            let map = std::mem::take(&mut node.map);
            let before = node.first.is_some().then_some(map);
            node.first.get_or_insert(source);
            node.before.extend(before.clone().map(|map| (source, map)));
            let g = plan.geometry(&self.pass.sizes, e);
            let branches = self.memory.branches(plan, plan, e);
            let mixed = self.memory.mix(&g, source, branches, row(self.mixing, plan, e), before);
            self.memory.nodes[plan.edges[e].node].map = mixed;
        }
        Ok(())
    }

    fn keep(&mut self, _: usize, _: &[usize], (): ()) {}
}
