//! A cell on a GPU: forward, and backward from what the forward pass kept.

use std::sync::Arc;

use super::edge::{self, Bundle, Maps};
use super::edge_backward::{BundleBackward, Gradients};
use super::entry::{Entered, EntryPass, Gradient};
use super::{DeviceSeen, Norms, View};
use crate::kernels::gpu::arguments::{MOST_NODES, MixTarget, Mixed};
use crate::kernels::gpu::buffer::download;
use crate::kernels::gpu::{Buffer, Gpu, GpuError, Precision, launch};
use crate::nn::edge::{Geometry, in_round, is_pooling};
use crate::nn::noise::Noise;
use crate::nn::norm::Norm;
use crate::nn::plan::{CellPlan, CellSizes};
use crate::nn::walk::{CellBackward, CellForward};
use crate::nn::{Policy, Probe};
use crate::space::INPUTS;

/// What a cell keeps from its forward to its backward pass.
pub(crate) struct CellState {
    norms: Norms,
    entered: Vec<Entered>,
    /// By source, edge by edge; empty under [`Policy::Recompute`].
    edges: Vec<Vec<Maps>>,
    /// The nodes that are no part of the output, in order.
    loose: Vec<Buffer>,
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
    /// By edge, where it may be left out: what each image is multiplied with. Empty where none may.
    pub factors: &'a [Option<u64>],
    pub noise: Noise,
}

/// What a forward pass gives.
pub(crate) struct CellOutput {
    /// `[N, H', W', C']`.
    pub output: Buffer,
    pub seen: DeviceSeen,
    pub state: Option<CellState>,
}

/// Where a cell's backward pass leaves gradients.
pub(crate) struct CellGradients {
    /// Of each input, where it is wanted, and whether it is added to what is there.
    pub inputs: Vec<Option<(u64, bool)>>,
    /// Of the block's parameters, added to, if they are wanted.
    pub weights: Option<u64>,
    /// Of the mixing weights, added to; 0 where there are none.
    pub mixing: u64,
}

/// Where the maps are that edges read of the inputs, which are at these places.
fn addresses(entered: &[Entered], inputs: &[u64]) -> Vec<u64> {
    entered.iter().zip(inputs).map(|(own, x)| own.address(*x)).collect()
}

impl CellPass<'_> {
    /// Input `i`, which is at `x`.
    fn entry(&self, i: usize, x: u64, weights: u64) -> EntryPass<'_> {
        let (plan, inputs) = (self.plan, self.plan.inputs());
        EntryPass {
            gpu: self.gpu,
            plan: &plan.entries[i],
            images: self.sizes.images,
            size: self.sizes.input(i, inputs),
            channels: plan.shape.inputs[INPUTS - inputs + i],
            x,
            weights,
        }
    }

    fn node_numbers(&self) -> usize {
        let (h, w) = self.plan.output_size(&self.sizes);
        self.sizes.images * h * w * self.plan.shape.channels
    }

    /// Maps like the nodes that are no part of the output.
    fn loose(&self, make: impl Fn(&Gpu, usize) -> Result<Buffer, GpuError>) -> Result<Vec<Buffer>, GpuError> {
        (self.plan.concat.len()..self.plan.nodes).map(|_| make(self.gpu, self.node_numbers())).collect()
    }

    /// All states: the inputs as edges read them, and the nodes in the output at `joined` and beside it.
    fn states(&self, entered: Vec<u64>, joined: u64, loose: &[Buffer]) -> Vec<View> {
        let (plan, c) = (self.plan, self.plan.shape.channels);
        let mut beside = loose.iter();
        let nodes = (0..plan.nodes).map(|node| match plan.place(node) {
            Some(place) => View { address: joined + 4 * (place * c) as u64, stride: plan.outputs() },
            None => View { address: beside.next().map_or(0, Buffer::address), stride: c },
        });
        entered.into_iter().map(|address| View { address, stride: c }).chain(nodes).collect()
    }

    /// Edges from one source.
    fn bundle(&self, edges: &[usize]) -> Bundle<'_> {
        let mut bundle = Bundle::new(self.precision);
        for (target, e) in edges.iter().enumerate() {
            let edge = &self.plan.edges[*e];
            match self.plan.mixed() {
                true => bundle.add(edge, target, edge.row),
                false => bundle.add_whole(edge, target, self.factors.get(*e).copied().flatten().unwrap_or(0)),
            }
        }
        bundle
    }

    /// `weights` are the block's parameters, `mixing` the mixing weights; `keep`: for a backward pass.
    ///
    /// # Errors
    /// Too little memory, a fault of the device.
    pub fn forward(&self, inputs: &[u64], weights: u64, mixing: u64, keep: bool) -> Result<CellOutput, GpuError> {
        let norms = Norms::new(self.gpu, self.norm, &self.plan.layout, self.running)?.drawing(self.noise);
        let mut steps = Made {
            pass: self,
            inputs,
            weights,
            mixing,
            keep,
            norms,
            entered: Vec::with_capacity(inputs.len()),
            output: None,
            loose: Vec::new(),
            states: Vec::new(),
            kept: Vec::new(),
        };
        self.plan.forward(self.policy, keep, &mut steps)?;
        let Made { mut norms, entered, output, loose, kept, .. } = steps;
        let slots = std::mem::take(&mut norms.seen);
        let seen = DeviceSeen { moments: norms.moments.take(), slots };
        let state = keep.then_some(CellState { norms, entered, edges: kept, loose });
        let output = output.map_or_else(|| Buffer::new(self.gpu, 0), Ok)?;
        Ok(CellOutput { output, seen, state })
    }

    /// Nodes that no edge leads to are zeros.
    fn clear_unreached(&self, states: &[View]) -> Result<(), GpuError> {
        let (plan, c) = (self.plan, self.plan.shape.channels);
        let unreached = (0..plan.nodes).filter(|node| plan.edges.iter().all(|edge| edge.node != *node));
        let targets: Vec<MixTarget> = unreached
            .map(|node| states[plan.inputs() + node])
            .map(|map| MixTarget { out: map.address, stride: map.stride as i32, fresh: 1, ..MixTarget::default() })
            .collect();
        launch::mix(self.gpu, &[], &targets, self.node_numbers() / c, c, Precision::Float32)
    }

    /// Shows a map of so many pixels and channels per image to whoever watches.
    fn watch(&self, map: View, (pixels, channels): (usize, usize), multiplicity: usize) -> Result<(), GpuError> {
        let Some(probe) = self.probe else { return Ok(()) };
        let all = self.sizes.images * pixels;
        let wide = download(self.gpu, map.address, (all - 1) * map.stride + channels)?;
        let values: Vec<f32> = wide.chunks(map.stride).flat_map(|p| p[..channels].iter().copied()).collect();
        probe.relu(&values, None, [self.sizes.images, channels], multiplicity);
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
                probe.relu(&first.to_vec(g.images * g.output())?, Some(&mean), [g.images, c], 1);
            }
        }
        Ok(())
    }

    /// `output` and `gradient` are `[N, H', W', C']`; in the gradient the nodes' are added up.
    ///
    /// # Errors
    /// As [`CellPass::forward`].
    pub fn backward(
        &self,
        inputs: &[u64],
        weights: u64,
        mixing: u64,
        state: &mut CellState,
        output: u64,
        gradient: u64,
        to: &CellGradients,
    ) -> Result<(), GpuError> {
        let (gpu, plan, c) = (self.gpu, self.plan, self.plan.shape.channels);
        let inner = match plan.mixed() {
            true => Some(Buffer::zeros(gpu, 2 * plan.mixing() * c)?),
            false => None,
        };
        // Before inputs without a gradient there is nothing that has one.
        let mut entered: Vec<Option<Gradient>> = Vec::with_capacity(inputs.len());
        for (i, (own, input)) in state.entered.iter().zip(&to.inputs).enumerate() {
            let wanted = input.is_some() || to.weights.is_some();
            let numbers = self.entry(i, inputs[i], weights).numbers(c);
            entered.push(if wanted { Some(own.gradient(gpu, *input, numbers)?) } else { None });
        }
        let loose = self.loose(Buffer::zeros)?;
        let states = self.states(addresses(&state.entered, inputs), output, &state.loose);
        let gradients = entered.iter().map(|own| own.as_ref().map_or(0, |own| own.address)).collect();
        let gradients = self.states(gradients, gradient, &loose);
        let mut steps =
            Back { pass: self, inputs, weights, mixing, state, entered, loose, states, gradients, inner, to };
        let reached: Vec<bool> = steps.entered.iter().map(Option::is_some).collect();
        plan.backward(&reached, &mut steps)
    }

    /// The gradient of each edge's result: the node's, times the factors of an edge that may be left out. The maps made for
    /// that live as long as they are held.
    fn dropped(&self, edges: &[usize], gradients: &[View]) -> Result<(Vec<Buffer>, Vec<View>), GpuError> {
        let (c, numbers) = (self.plan.shape.channels, self.node_numbers());
        let per_image = numbers / (self.sizes.images * c);
        let (mut held, mut dnodes, mut units, mut targets) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for e in edges {
            let dnode = gradients[self.plan.inputs() + self.plan.edges[*e].node];
            let Some(factors) = self.factors.get(*e).copied().flatten() else {
                dnodes.push(dnode);
                continue;
            };
            let scaled = Buffer::new(self.gpu, numbers)?;
            let unit = Mixed { z: dnode.address, factors, stride: dnode.stride as i32, ..Mixed::default() };
            units.push(Mixed { per_image: per_image as i32, ..unit });
            targets.push(MixTarget { out: scaled.address(), first: 0, count: 1, stride: c as i32, fresh: 1 });
            dnodes.push(View { address: scaled.address(), stride: c });
            held.push(scaled);
        }
        // More edges may read one state than a launch has room for: a node may take it twice.
        for (units, targets) in units.chunks(MOST_NODES).zip(targets.chunks_mut(MOST_NODES)) {
            (0..).zip(&mut *targets).for_each(|(at, target)| target.first = at);
            launch::mix(self.gpu, units, targets, numbers / c, c, Precision::Float32)?;
        }
        Ok((held, dnodes))
    }
}

/// A forward pass under way.
struct Made<'p> {
    pass: &'p CellPass<'p>,
    inputs: &'p [u64],
    weights: u64,
    mixing: u64,
    keep: bool,
    norms: Norms,
    entered: Vec<Entered>,
    output: Option<Buffer>,
    loose: Vec<Buffer>,
    states: Vec<View>,
    /// By source, edge by edge.
    kept: Vec<Vec<Maps>>,
}

impl CellForward for Made<'_> {
    type Fault = GpuError;
    type Maps = Vec<Maps>;

    fn enter(&mut self, i: usize) -> Result<(), GpuError> {
        let pass = self.pass;
        let show = |map: View, size| pass.watch(map, size, 1);
        let watch = pass.probe.map(|_| &show as super::residual::Watch);
        let entered = pass.entry(i, self.inputs[i], self.weights).forward(&mut self.norms, self.keep, watch)?;
        self.entered.push(entered);
        Ok(())
    }

    fn open(&mut self) -> Result<(), GpuError> {
        let pass = self.pass;
        let output = Buffer::new(pass.gpu, pass.plan.concat.len() * pass.node_numbers())?;
        self.loose = pass.loose(Buffer::new)?;
        self.states = pass.states(addresses(&self.entered, self.inputs), output.address(), &self.loose);
        self.output = Some(output);
        pass.clear_unreached(&self.states)
    }

    fn branches(&mut self, source: usize, edges: &[usize]) -> Result<Vec<Maps>, GpuError> {
        let (pass, g, x) = (self.pass, self.pass.plan.geometry(&self.pass.sizes, edges[0]), self.states[source]);
        let bundle = pass.bundle(edges);
        let maps = edge::branches(pass.gpu, &g, &bundle, x, self.weights, &mut self.norms, false)?;
        pass.watch_edges(edges, &g, x, &bundle, &maps, &self.norms)?;
        Ok(maps)
    }

    fn mix(
        &mut self,
        source: usize,
        edges: &[usize],
        places: &[usize],
        fresh: &[bool],
        maps: &Vec<Maps>,
    ) -> Result<(), GpuError> {
        let (pass, plan) = (self.pass, self.pass.plan);
        let (g, x) = (plan.geometry(&pass.sizes, edges[0]), self.states[source]);
        let mut bundle = pass.bundle(edges);
        bundle.targets = in_round(&bundle.targets, places);
        let node = |place: &usize| self.states[plan.inputs() + plan.edges[edges[*place]].node];
        let nodes: Vec<View> = places.iter().map(node).collect();
        let parameters = [self.weights, self.mixing];
        edge::mix_into(pass.gpu, &g, &bundle, x, maps, &self.norms, parameters, &nodes, fresh)
    }

    fn keep(&mut self, source: usize, edges: &[usize], mut maps: Vec<Maps>) {
        let branches = edges.iter().flat_map(|e| &self.pass.plan.edges[*e].branches);
        branches.zip(&mut maps).filter(|(b, _)| is_pooling(b.operation)).for_each(|(_, own)| own.last = None);
        self.kept.resize_with(source, Vec::new);
        self.kept.push(maps);
    }
}

/// A way back that has begun.
struct Back<'p> {
    pass: &'p CellPass<'p>,
    inputs: &'p [u64],
    weights: u64,
    mixing: u64,
    state: &'p mut CellState,
    /// Of what edges read of the inputs, where it is wanted.
    entered: Vec<Option<Gradient>>,
    /// Of the nodes that are no part of the output.
    loose: Vec<Buffer>,
    states: Vec<View>,
    gradients: Vec<View>,
    /// Sums for the mixing weights' gradients, by channel.
    inner: Option<Buffer>,
    to: &'p CellGradients,
}

impl CellBackward for Back<'_> {
    type Fault = GpuError;

    fn source(&mut self, source: usize, edges: &[usize], reached: bool) -> Result<(), GpuError> {
        let (pass, gpu, plan) = (self.pass, self.pass.gpu, self.pass.plan);
        let (x, weights, mixing) = (self.states[source], self.weights, self.mixing);
        let CellState { norms, edges: kept, .. } = &mut *self.state;
        let kept = kept.get(source);
        for edges in edges.chunks(if kept.is_some() { edges.len() } else { 1 }) {
            let (g, bundle) = (plan.geometry(&pass.sizes, edges[0]), pass.bundle(edges));
            let again;
            let maps = match kept {
                Some(kept) => kept,
                None => {
                    again = edge::branches(gpu, &g, &bundle, x, weights, norms, true)?;
                    &again
                }
            };
            let (_held, dnodes) = pass.dropped(edges, &self.gradients)?;
            let (g, bundle, dnodes) = (&g, &bundle, &dnodes);
            let backward = BundleBackward { gpu, g, bundle, norms, x, weights, mixing, maps, dnodes };
            backward.run(&Gradients {
                input: reached.then(|| self.gradients[source]),
                weights: self.to.weights,
                inner: self.inner.as_ref().map_or(0, Buffer::address),
            })?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), GpuError> {
        self.loose.clear();
        let (plan, c) = (self.pass.plan, self.pass.plan.shape.channels);
        match self.inner.take() {
            Some(inner) => launch::mixing_gradient(self.pass.gpu, inner.address(), self.to.mixing, plan.mixing(), c),
            None => Ok(()),
        }
    }

    fn enter(&mut self, i: usize) -> Result<(), GpuError> {
        let Some(dy) = &self.entered[i] else { return Ok(()) };
        let entry = self.pass.entry(i, self.inputs[i], self.weights);
        entry.backward(&self.state.norms, &self.state.entered[i], dy, self.to.inputs[i], self.to.weights)
    }
}
