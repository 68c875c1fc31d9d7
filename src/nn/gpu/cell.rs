//! A cell on a GPU: forward, and backward from what the forward pass kept.

use std::sync::Arc;

use super::edge::{self, Bundle, Maps};
use super::edge_backward::{BundleBackward, Gradients};
use super::project::{Project, Projected};
use super::{DeviceSeen, Norms, View};
use crate::kernels::gpu::buffer::download;
use crate::kernels::gpu::{Buffer, Gpu, GpuError, Precision, launch};
use crate::nn::edge::{COLUMNS, Geometry};
use crate::nn::norm::Norm;
use crate::nn::plan::{CellPlan, CellSizes, SOURCES};
use crate::nn::{Policy, Probe};
use crate::space::{EDGES, INPUTS, NODES};

/// What a cell keeps from its forward to its backward pass.
pub(crate) struct CellState {
    norms: Norms,
    projected: Vec<Projected>,
    /// By source, edge by edge; empty under [`Policy::Recompute`].
    edges: Vec<Vec<Maps>>,
}

/// One pass through a cell.
pub(crate) struct CellPass<'a> {
    pub gpu: &'a Gpu,
    pub plan: &'a CellPlan,
    pub sizes: CellSizes,
    pub norm: Norm,
    pub policy: Policy,
    pub precision: Precision,
    /// Running statistics of the block.
    pub running: &'a [f32],
    pub probe: Option<&'a Arc<dyn Probe>>,
}

/// What a forward pass gives.
pub(crate) struct CellOutput {
    /// `[N, H', W', 4C]`.
    pub output: Buffer,
    pub seen: DeviceSeen,
    pub state: Option<CellState>,
}

/// Where a cell's backward pass leaves gradients.
pub(crate) struct CellGradients {
    /// Of the inputs, where they are wanted, and whether they are added to what is there.
    pub inputs: [Option<(u64, bool)>; 2],
    /// Of the block's parameters, added to, if they are wanted.
    pub weights: Option<u64>,
    /// Of the mixing weights, added to.
    pub mixing: u64,
}

impl CellPass<'_> {
    fn project(&self, i: usize, x: u64, weights: u64) -> Project<'_> {
        let (own, (h, w)) = (&self.plan.projections[i], self.sizes.inputs[i]);
        Project {
            gpu: self.gpu,
            shape: own.shape(h, w),
            images: self.sizes.images,
            x: View { address: x, stride: self.plan.shape.inputs[i] },
            weights,
            range: own.weights.clone(),
            slot: own.norm,
            affine: own.affine,
        }
    }

    fn node_numbers(&self) -> usize {
        let (h, w) = self.plan.output_size(&self.sizes);
        self.sizes.images * h * w * self.plan.shape.channels
    }

    fn node(&self, joined: u64, node: usize) -> View {
        let c = self.plan.shape.channels;
        View { address: joined + 4 * (node * c) as u64, stride: NODES * c }
    }

    /// The map that edges from `source` read.
    fn source(&self, projected: [u64; INPUTS], output: u64, source: usize) -> View {
        match source.checked_sub(INPUTS) {
            Some(node) => self.node(output, node),
            None => View { address: projected[source], stride: self.plan.shape.channels },
        }
    }

    /// Edges from one source.
    fn bundle(&self, edges: &[usize]) -> Bundle<'_> {
        let mut bundle = Bundle::new(self.precision);
        for (target, e) in edges.iter().enumerate() {
            let edge = &self.plan.edges[*e];
            bundle.add(edge, target, edge.row);
        }
        bundle
    }

    /// `weights` are the block's parameters, `mixing` the mixing weights (14 x 8); `keep`: for a backward pass.
    ///
    /// # Errors
    /// Too little memory, a fault of the device.
    pub fn forward(&self, inputs: [u64; 2], weights: u64, mixing: u64, keep: bool) -> Result<CellOutput, GpuError> {
        let plan = self.plan;
        let mut norms = Norms::new(self.gpu, self.norm, &plan.layout, self.running)?;
        let mut projected = Vec::with_capacity(INPUTS);
        for (i, x) in inputs.into_iter().enumerate() {
            let project = self.project(i, x, weights);
            let (h, w) = self.sizes.inputs[i];
            self.watch(project.x, (h * w, plan.shape.inputs[i]), 1)?;
            projected.push(project.forward(&mut norms, keep)?);
        }
        let states = [0, 1].map(|i: usize| projected[i].map.address());
        let output = Buffer::new(self.gpu, NODES * self.node_numbers())?;
        let mut kept = Vec::new();
        let keeps = keep && self.policy == Policy::Keep;
        for source in 0..SOURCES {
            let edges: Vec<usize> = plan.from(source).collect();
            // Edges that read one map take their steps together; where little is to be alive they take turns.
            for edges in edges.chunks(if keeps { NODES } else { 1 }) {
                let g = plan.geometry(&self.sizes, edges[0]);
                let x = self.source(states, output.address(), source);
                let bundle = self.bundle(edges);
                let mut maps = edge::branches(self.gpu, &g, &bundle, x, weights, &mut norms, false)?;
                self.watch_edges(edges, &g, x, &bundle, &maps, &norms)?;
                let nodes: Vec<View> = edges.iter().map(|e| self.node(output.address(), self.plan.edges[*e].node)).collect();
                edge::mix_into(self.gpu, &g, &bundle, x, &maps, &norms, mixing, &nodes, source == 0)?;
                if keeps {
                    for (b, own) in bundle.branches.iter().zip(&mut maps) {
                        if crate::nn::edge::is_pooling(b.operation) {
                            own.last = None;
                        }
                    }
                    kept.push(maps);
                }
            }
        }
        let slots = std::mem::take(&mut norms.seen);
        let seen = DeviceSeen { moments: norms.moments.take(), slots };
        Ok(CellOutput { output, seen, state: keep.then_some(CellState { norms, projected, edges: kept }) })
    }

    /// Shows a map of so many pixels and channels per image to whoever watches.
    fn watch(&self, map: View, (pixels, channels): (usize, usize), multiplicity: usize) -> Result<(), GpuError> {
        let Some(probe) = self.probe else { return Ok(()) };
        let all = self.sizes.images * pixels;
        let wide = download(self.gpu, map.address, (all - 1) * map.stride + channels)?;
        let values: Vec<f32> = wide.chunks(map.stride).flat_map(|p| p[..channels].iter().copied()).collect();
        probe.relu(&values, None, self.sizes.images, multiplicity);
        Ok(())
    }

    /// Shows the inputs of the edges' ReLUs to whoever watches.
    fn watch_edges(
        &self,
        edges: &[usize],
        g: &Geometry,
        x: View,
        bundle: &Bundle,
        maps: &[Maps],
        norms: &Norms,
    ) -> Result<(), GpuError> {
        let c = g.channels;
        let relus = edges.iter().map(|e| self.plan.edges[*e].relus()).sum();
        if relus > 0 {
            self.watch(x, (g.height * g.width, c), relus)?;
        }
        let Some(probe) = self.probe else { return Ok(()) };
        for (b, own) in bundle.branches.iter().zip(maps) {
            if let (Some(first), Some(slot)) = (&own.first, b.norms.first()) {
                let mean = download(self.gpu, norms.mean(*slot), c)?;
                probe.relu(&first.to_vec(g.images * g.output())?, Some(&mean), g.images, 1);
            }
        }
        Ok(())
    }

    /// `output` and `gradient` are `[N, H', W', 4C]`; in the gradient the nodes' are added up.
    ///
    /// # Errors
    /// As [`CellPass::forward`].
    pub fn backward(
        &self,
        inputs: [u64; 2],
        weights: u64,
        mixing: u64,
        state: &mut CellState,
        output: u64,
        gradient: u64,
        to: &CellGradients,
    ) -> Result<(), GpuError> {
        let (gpu, plan, c) = (self.gpu, self.plan, self.plan.shape.channels);
        let inner = Buffer::zeros(gpu, 2 * EDGES * COLUMNS * c)?;
        // Before inputs without a gradient there is nothing that has one.
        let mut projected = [None, None];
        for ((to_map, p), input) in projected.iter_mut().zip(&state.projected).zip(&to.inputs) {
            if input.is_some() || to.weights.is_some() {
                *to_map = Some(Buffer::zeros(gpu, p.map.bytes() / 4)?);
            }
        }
        let states = [0, 1].map(|i: usize| state.projected[i].map.address());
        let gradients = [0, 1].map(|i: usize| projected[i].as_ref().map_or(0, Buffer::address));
        for source in (0..SOURCES).rev() {
            let edges: Vec<usize> = plan.from(source).collect();
            let kept = state.edges.get(source);
            for edges in edges.chunks(if kept.is_some() { NODES } else { 1 }) {
                let g = plan.geometry(&self.sizes, edges[0]);
                let x = self.source(states, output, source);
                let bundle = self.bundle(edges);
                let again;
                let maps = match kept {
                    Some(kept) => kept,
                    None => {
                        again = edge::branches(gpu, &g, &bundle, x, weights, &mut state.norms, true)?;
                        &again
                    }
                };
                let dnodes: Vec<View> = edges.iter().map(|e| self.node(gradient, self.plan.edges[*e].node)).collect();
                let backward = BundleBackward {
                    gpu,
                    g: &g,
                    bundle: &bundle,
                    norms: &state.norms,
                    x,
                    weights,
                    mixing,
                    maps,
                    dnodes: &dnodes,
                };
                let reached = projected.get(source).is_none_or(Option::is_some);
                backward.run(&Gradients {
                    input: reached.then(|| self.source(gradients, gradient, source)),
                    weights: to.weights,
                    inner: inner.address(),
                })?;
            }
        }
        launch::mixing_gradient(gpu, inner.address(), to.mixing, EDGES * COLUMNS, c)?;
        drop(inner);
        for (i, dy) in projected.iter().enumerate() {
            let Some(dy) = dy else { continue };
            let project = self.project(i, inputs[i], weights);
            project.backward(&state.norms, &state.projected[i], dy, to.inputs[i], to.weights)?;
        }
        Ok(())
    }
}
