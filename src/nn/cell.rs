//! A cell of the supernet on plain maps: forward, and backward from what the forward pass kept.

use std::sync::Arc;

use super::edge::{self, BranchState, Bundle, COLUMNS, Geometry};
use super::layout::CellPlan;
use super::norm::{Norm, NormPass, Seen, Statistics};
use super::parallel::{Images, image, map_groups, unfilled, zeros};
use super::project::Projector;
use super::projected::{project_backward, project_forward};
use super::{Policy, Probe};
use crate::kernels::copy::copy_runs;
use crate::space::{Edge, INPUTS, NODES, STATES};

/// Sizes of a cell's inputs in one pass, `[N, H, W, C]` each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CellSizes {
    pub images: usize,
    /// Height and width of the older and of the last output.
    pub inputs: [(usize, usize); 2],
}

impl CellSizes {
    /// Sizes of each cell's inputs in a network that reads `images` pictures of `height` x `width` pixels.
    pub fn along<'a>(
        cells: impl IntoIterator<Item = &'a CellPlan>,
        [images, height, width]: [usize; 3],
    ) -> Vec<CellSizes> {
        let (mut older, mut last) = ((height, width), (height, width));
        let each = |plan: &CellPlan| {
            let sizes = CellSizes { images, inputs: [older, last] };
            (older, last) = (last, plan.output_size(&sizes));
            sizes
        };
        cells.into_iter().map(each).collect()
    }
}

impl CellPlan {
    /// Size of the two projected inputs, which the edges read.
    fn projected(&self, sizes: &CellSizes) -> (usize, usize) {
        let p = self.shape.projection(1, sizes.inputs[1].0, sizes.inputs[1].1);
        (p.out_height(), p.out_width())
    }

    /// Size of the cell's output.
    pub fn output_size(&self, sizes: &CellSizes) -> (usize, usize) {
        let (h, w) = self.projected(sizes);
        let stride = Edge::all().next().map_or(1, |e| e.stride(self.shape.kind));
        (h.div_ceil(stride), w.div_ceil(stride))
    }

    pub(crate) fn geometry(&self, sizes: &CellSizes, edge: Edge) -> Geometry {
        let (height, width) = if edge.source() < INPUTS { self.projected(sizes) } else { self.output_size(sizes) };
        Geometry {
            images: sizes.images,
            height,
            width,
            channels: self.shape.channels,
            stride: edge.stride(self.shape.kind),
        }
    }
}

/// What a cell keeps from its forward to its backward pass.
pub(crate) struct CellState {
    /// The projected and normalised inputs, and the scales of their norms.
    projected: Vec<(Vec<f32>, Statistics)>,
    /// By source, edge by edge; empty under [`Policy::Recompute`].
    edges: Vec<Vec<BranchState>>,
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
}

/// Where the gradients of a cell go.
pub(crate) struct To<'a> {
    /// Of the block's parameters, added to; `None` in an architecture step.
    pub weights: Option<&'a mut [f32]>,
    /// Of the mixing weights (14 x 8), added to.
    pub mixing: &'a mut [f32],
    /// Of all outputs of the network; those of the two inputs are at `places`, where they are wanted, and are added to what
    /// is there.
    pub inputs: &'a mut [Option<Vec<f32>>],
    pub places: [Option<usize>; 2],
}

impl CellPass<'_> {
    /// `weights` are the block's parameters, `mixing` the mixing weights (14 x 8). Returns the output `[N, H', W', 4C]`, the
    /// moments of every batch norm, and what the backward pass needs, if it was asked for.
    pub fn forward(
        &self,
        inputs: [&[f32]; 2],
        weights: &[f32],
        mixing: &[f32],
        keep: bool,
    ) -> (Vec<f32>, Vec<Seen>, Option<CellState>) {
        let plan = self.plan;
        let n = self.sizes.images;
        let mut norms = self.norms();
        let projected = self.project(inputs, weights, &mut norms);
        let (oh, ow) = plan.output_size(&self.sizes);
        let node_len = n * oh * ow * plan.shape.channels;
        // SAFETY: the first source's edges write all of every node.
        let mut nodes: Vec<Vec<f32>> = (0..NODES).map(|_| unsafe { unfilled(node_len) }).collect();
        let mut kept = Vec::with_capacity(SOURCES);
        for source in 0..SOURCES {
            let edges: Vec<Edge> = from(source).collect();
            // Nodes before the first target are whole.
            let (done, open) = nodes.split_at_mut(source.saturating_sub(INPUTS - 1).min(NODES));
            let x = state(&projected, done, source);
            // Edges that read one map take their steps together; where little is to be alive they take turns.
            let together = if keep && self.policy == Policy::Keep { edges.len() } else { 1 };
            for edges in edges.chunks(together.max(1)) {
                let g = plan.geometry(&self.sizes, edges[0]);
                let first = edges[0].node() - done.len();
                let bundle = self.bundle(edges, mixing);
                let states = bundle.branches_forward(&g, x, weights, &mut norms);
                self.watch(edges, &g, x, &states);
                let mut targets: Vec<&mut [f32]> =
                    open[first..first + edges.len()].iter_mut().map(Vec::as_mut_slice).collect();
                bundle.mix_into(&g, x, &states, &mut targets, source == 0);
                if keep && self.policy == Policy::Keep {
                    kept.push(states);
                }
            }
        }
        let output = join(&nodes.iter().map(Vec::as_slice).collect::<Vec<_>>(), n, plan.shape.channels);
        drop(nodes);
        let state = keep.then_some(CellState { projected, edges: kept });
        if let Some(probe) = self.probe {
            norms.seen.iter().for_each(|s| probe.norm(&s.moments.variance()));
        }
        (output, norms.seen, state)
    }

    /// The statistics of a pass, none yet.
    pub fn norms(&self) -> NormPass<'_> {
        NormPass { norm: self.norm, running: self.running, seen: Vec::new() }
    }

    /// The two inputs projected and normalised.
    pub fn project(
        &self,
        inputs: [&[f32]; INPUTS],
        weights: &[f32],
        norms: &mut NormPass,
    ) -> Vec<(Vec<f32>, Statistics)> {
        let (plan, n) = (self.plan, self.sizes.images);
        let each = inputs.into_iter().enumerate().map(|(i, x)| {
            if let Some(probe) = self.probe {
                probe.relu(x, None, n, 1);
            }
            let (h, w) = self.sizes.inputs[i];
            let own = &weights[plan.projections[i].clone()];
            project_forward(plan.shape.projection(i, h, w), n, x, own, plan.projection_norms[i], norms)
        });
        each.collect()
    }

    /// Backward pass of edges from one source, whose maps are made again, edge by edge; the numbers are those of maps that were
    /// kept.
    fn again(
        &self,
        all: &Bundle,
        edges: &[Edge],
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
        edges: &[Edge],
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
    pub fn bundle(&self, edges: &[Edge], mixing: &[f32]) -> Bundle<'_> {
        let mut bundle = Bundle::default();
        for (target, e) in edges.iter().enumerate() {
            bundle.add(&self.plan.edges[e.index()], target, row(mixing, *e));
        }
        bundle
    }

    /// Shows the inputs of the edges' ReLUs to whoever watches.
    pub fn watch(&self, edges: &[Edge], g: &Geometry, x: &[f32], states: &[BranchState]) {
        let Some(probe) = self.probe else { return };
        let relus: usize = edges.iter().map(|e| self.plan.edges[e.index()].relus(g.stride)).sum();
        if relus > 0 {
            probe.relu(x, None, g.images, relus);
        }
        for first in states.iter().filter_map(|s| s.first.as_ref()) {
            probe.relu(&first.z, Some(&first.statistics.mean), g.images, 1);
        }
    }

    /// `output` and `gradient` are `[N, H', W', 4C]`.
    pub fn backward(
        &self,
        inputs: [&[f32]; 2],
        weights: &[f32],
        mixing: &[f32],
        state_of: &CellState,
        output: &[f32],
        gradient: Vec<f32>,
        mut to: To,
    ) {
        let plan = self.plan;
        let c = plan.shape.channels;
        let nodes = parts(output, self.sizes.images, c);
        let mut node_gradients = parts(&gradient, self.sizes.images, c);
        drop(gradient);
        // Before inputs without a gradient there is nothing that has one.
        let wanted = to.places.map(|place| place.is_some() || to.weights.is_some());
        let mut input_gradients: Vec<Vec<f32>> = wanted
            .iter()
            .zip(&state_of.projected)
            .map(|(wanted, (map, _))| if *wanted { zeros(map.len(), self.sizes.images) } else { Vec::new() })
            .collect();
        for source in (0..SOURCES).rev() {
            let edges: Vec<Edge> = from(source).collect();
            let Some(first) = edges.first().map(|e| e.node()) else { continue };
            let g = plan.geometry(&self.sizes, edges[0]);
            let x = state(&state_of.projected, &nodes, source);
            // What later sources gave the nodes after this one is complete.
            let (before, after) = node_gradients.split_at_mut(first);
            let input = match source.checked_sub(INPUTS) {
                Some(i) => &mut before[i],
                None => &mut input_gradients[source],
            };
            let mut grads = edge::Gradients { input, weights: to.weights.as_deref_mut() };
            let dnodes: Vec<&[f32]> = after.iter().map(Vec::as_slice).collect();
            let all = self.bundle(&edges, mixing);
            let of_mixing = match (state_of.edges.get(source), wanted.get(source) != Some(&false)) {
                (Some(states), true) => all.backward(&g, x, weights, states, &dnodes, &mut grads),
                (None, true) => self.again(&all, &edges, &g, x, weights, mixing, &dnodes, &mut grads),
                (Some(states), false) => all.mixing_gradients(&g, x, states, &dnodes),
                (None, false) => self.mixing_again(&edges, &g, x, weights, mixing, &dnodes),
            };
            for ((b, target), v) in all.branches.iter().zip(&all.targets).zip(of_mixing) {
                to.mixing[edges[*target].index() * COLUMNS + b.operation.index()] += v;
            }
        }
        drop((nodes, node_gradients));
        for i in (0..INPUTS).filter(|i| wanted[*i]) {
            let (h, w) = self.sizes.inputs[i];
            let range = plan.projections[i].clone();
            let projector = Projector::new(plan.shape.projection(i, h, w), &weights[range.clone()], true);
            let (map, statistics) = &state_of.projected[i];
            let own = to.weights.as_deref_mut().map(|w| &mut w[range]);
            let input = to.places[i].map(|place| &mut to.inputs[place]);
            let dy = std::mem::take(&mut input_gradients[i]);
            project_backward(&projector, self.sizes.images, inputs[i], map, statistics, &dy, input, own);
        }
    }
}

/// States that edges start from: all but the last node.
pub(crate) const SOURCES: usize = STATES - 1;

/// The edges from a state, by target.
pub(crate) fn from(source: usize) -> impl Iterator<Item = Edge> {
    Edge::all().filter(move |e| e.source() == source)
}

pub(crate) fn row(mixing: &[f32], e: Edge) -> &[f32] {
    &mixing[e.index() * COLUMNS..(e.index() + 1) * COLUMNS]
}

/// The map that edges from `source` read.
fn state<'a>(projected: &'a [(Vec<f32>, Statistics)], nodes: &'a [Vec<f32>], source: usize) -> &'a [f32] {
    match source.checked_sub(INPUTS) {
        Some(node) => &nodes[node],
        None => &projected[source].0,
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

/// The four maps of a concatenation.
fn parts(joined: &[f32], images: usize, c: usize) -> Vec<Vec<f32>> {
    let len = joined.len() / NODES;
    // SAFETY: every pixel of every image is written below.
    let mut out: Vec<Vec<f32>> = (0..NODES).map(|_| unsafe { unfilled(len) }).collect();
    let writers: Vec<Images> = out.iter_mut().map(|m| Images::new(m, images)).collect();
    map_groups(images, |group| {
        for n in group {
            for (i, writer) in writers.iter().enumerate() {
                // SAFETY: groups do not share images.
                let out = unsafe { writer.image(n) };
                let joined = image(joined, n, joined.len() / images);
                copy_runs(&joined[i * c..], NODES * c, out, c, c, out.len() / c);
            }
        }
    });
    out
}
