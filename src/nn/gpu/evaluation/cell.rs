//! A cell of an evaluation network on a GPU. Edges from one state take their steps together, and the nodes that are part of
//! the output lie in it from the start.

use crate::kernels::gpu::arguments::{MixTarget, Mixed};
use crate::kernels::gpu::{Buffer, Gpu, GpuError, Precision, launch};
use crate::nn::evaluation::joined::JoinedCell;
use crate::nn::gpu::edge::{Bundle, Maps, affine, branches};
use crate::nn::gpu::edge_backward::{BundleBackward, Gradients};
use crate::nn::gpu::project::{Project, Projected};
use crate::nn::gpu::{Norms, View};
use crate::nn::plan::{CellSizes, SOURCES};
use crate::space::{INPUTS, NODES, STATES};

/// What a cell keeps from its forward to its backward pass.
pub(super) struct CellState {
    projected: [Projected; INPUTS],
    /// By source, edge by edge.
    maps: Vec<Vec<Maps>>,
    loose: Vec<Buffer>,
}

/// One pass through a cell.
pub(super) struct CellPass<'a> {
    pub gpu: &'a Gpu,
    pub cell: &'a JoinedCell,
    pub sizes: CellSizes,
    /// Of the network's parameters.
    pub weights: u64,
    /// By edge, where it may be left out: what each image is multiplied with.
    pub factors: &'a [Option<u64>],
}

/// Where a cell's backward pass leaves gradients.
pub(super) struct CellGradients {
    /// Of the inputs, and whether they are added to what is there.
    pub inputs: [(u64, bool); INPUTS],
    /// Of the network's parameters.
    pub weights: u64,
}

impl CellPass<'_> {
    fn project(&self, i: usize, x: u64) -> Project<'_> {
        let (own, (h, w)) = (&self.cell.projections[i], self.sizes.inputs[i]);
        Project {
            gpu: self.gpu,
            shape: own.shape(h, w),
            images: self.sizes.images,
            x: View { address: x, stride: own.inputs },
            weights: self.weights,
            range: own.weights.clone(),
            slot: own.norm,
            affine: true,
        }
    }

    /// Pixels of one image's output.
    fn pixels(&self) -> usize {
        let (h, w) = self.cell.output_size(&self.sizes);
        h * w
    }

    fn node_numbers(&self) -> usize {
        self.sizes.images * self.pixels() * self.cell.channels
    }

    /// Maps like the nodes that are no part of the output.
    fn loose(&self, make: impl Fn(&Gpu, usize) -> Result<Buffer, GpuError>) -> Result<Vec<Buffer>, GpuError> {
        (0..self.cell.loose()).map(|_| make(self.gpu, self.node_numbers())).collect()
    }

    /// All states: the projected inputs, and the nodes in the output at `joined` and beside it.
    fn states(&self, projected: [u64; INPUTS], joined: u64, loose: &[Buffer]) -> [View; STATES] {
        let c = self.cell.channels;
        let mut beside = loose.iter();
        std::array::from_fn(|state| {
            let Some(node) = state.checked_sub(INPUTS) else { return View { address: projected[state], stride: c } };
            match self.cell.place(node) {
                Some(place) => View { address: joined + 4 * (place * c) as u64, stride: self.cell.outputs() },
                None => View { address: beside.next().map_or(0, Buffer::address), stride: c },
            }
        })
    }

    /// Edges from one state, each into a gradient or a map of its own.
    fn bundle(&self, edges: &[usize]) -> Bundle<'_> {
        let mut bundle = Bundle::default();
        for (target, e) in edges.iter().enumerate() {
            bundle.add(&self.cell.edges[*e].1, target, 0);
        }
        bundle
    }

    /// `[N, H', W', concat · C]`, and what a backward pass needs, if it is wanted.
    ///
    /// # Errors
    /// Too little memory, a fault of the device.
    pub fn forward(
        &self,
        inputs: [u64; INPUTS],
        norms: &mut Norms,
        keep: bool,
    ) -> Result<(Buffer, Option<CellState>), GpuError> {
        let [first, second] = [0, 1].map(|i: usize| self.project(i, inputs[i]).forward(norms, keep));
        let projected = [first?, second?];
        let output = Buffer::new(self.gpu, self.cell.concat.len() * self.node_numbers())?;
        let loose = self.loose(Buffer::new)?;
        let states = self.states([0, 1].map(|i: usize| projected[i].map.address()), output.address(), &loose);
        let mut maps = Vec::with_capacity(SOURCES);
        for (source, x) in states.into_iter().enumerate().take(SOURCES) {
            let (g, edges) = (self.cell.geometry(&self.sizes, source), self.cell.from(source));
            maps.push(branches(self.gpu, &g, &self.bundle(&edges), x, self.weights, norms, false)?);
            // A node is made when the last of its edges is.
            let sources = |node: usize| [2 * node, 2 * node + 1].map(|e| self.cell.edges[e].0);
            for node in (0..NODES).filter(|n| sources(*n).into_iter().max() == Some(source)) {
                self.add_up(node, &maps, &states, norms)?;
            }
        }
        if !keep {
            return Ok((output, None));
        }
        for (source, maps) in maps.iter_mut().enumerate() {
            for (e, own) in self.cell.from(source).into_iter().zip(maps) {
                // Without a norm the map is not needed again.
                if self.cell.edges[e].1.branches.iter().all(|b| b.norms.is_empty()) {
                    own.last = None;
                }
            }
        }
        Ok((output, Some(CellState { projected, maps, loose })))
    }

    /// A node from its two edges.
    fn add_up(&self, node: usize, maps: &[Vec<Maps>], states: &[View], norms: &Norms) -> Result<(), GpuError> {
        let (c, per_image) = (self.cell.channels, self.pixels());
        let mut units = Vec::with_capacity(2);
        for e in [2 * node, 2 * node + 1] {
            let (source, edge) = &self.cell.edges[e];
            let from = self.cell.from(*source);
            let Some(at) = from.iter().position(|other| *other == e) else { continue };
            let bundle = self.bundle(&from);
            let mut own = Mixed {
                factors: self.factors[e].unwrap_or(0),
                stride: c as i32,
                per_image: per_image as i32,
                ..Mixed::default()
            };
            match &maps[*source][bundle.alike(at)].last {
                Some(map) => own.z = map.address(),
                // The identity.
                None => (own.z, own.stride) = (states[*source].address, states[*source].stride as i32),
            }
            for b in &edge.branches {
                let Some(slot) = b.norms.last() else { continue };
                (own.mean, own.scale) = (norms.mean(*slot), norms.scale(*slot));
                own.gain = affine(b, b.norms.len() - 1, self.weights);
                own.bias = own.gain + 4 * c as u64;
            }
            units.push(own);
        }
        let to = states[INPUTS + node];
        let to = MixTarget { out: to.address, first: 0, count: 2, stride: to.stride as i32, fresh: 1 };
        launch::mix(self.gpu, &units, &[to], self.sizes.images * per_image, c, Precision::Float32)
    }

    /// `output` and `gradient` are `[N, H', W', concat · C]`; in the gradient the nodes' are added up.
    ///
    /// # Errors
    /// As [`CellPass::forward`].
    pub fn backward(
        &self,
        inputs: [u64; INPUTS],
        state: &CellState,
        norms: &Norms,
        output: u64,
        gradient: u64,
        to: &CellGradients,
    ) -> Result<(), GpuError> {
        let projected = &state.projected;
        let [first, second] = [0, 1].map(|i: usize| Buffer::zeros(self.gpu, projected[i].map.bytes() / 4));
        let dprojected = [first?, second?];
        let loose = self.loose(Buffer::zeros)?;
        let states = self.states([0, 1].map(|i: usize| projected[i].map.address()), output, &state.loose);
        let dstates = self.states([0, 1].map(|i: usize| dprojected[i].address()), gradient, &loose);
        for source in (0..SOURCES).rev() {
            let edges = self.cell.from(source);
            let (_held, dnodes) = self.dropped(&edges, &dstates)?;
            let backward = BundleBackward {
                gpu: self.gpu,
                g: &self.cell.geometry(&self.sizes, source),
                bundle: &self.bundle(&edges),
                norms,
                x: states[source],
                weights: self.weights,
                mixing: 0,
                maps: &state.maps[source],
                dnodes: &dnodes,
            };
            backward.run(&Gradients { input: Some(dstates[source]), weights: Some(to.weights), inner: 0 })?;
        }
        drop(loose);
        for (i, dy) in dprojected.iter().enumerate() {
            let project = self.project(i, inputs[i]);
            project.backward(norms, &projected[i], dy, Some(to.inputs[i]), Some(to.weights))?;
        }
        Ok(())
    }

    /// The gradient of each edge's result: the node's, times the factors of an edge that may be left out. The maps made for
    /// that live as long as they are held.
    fn dropped(&self, edges: &[usize], dstates: &[View]) -> Result<(Vec<Buffer>, Vec<View>), GpuError> {
        let c = self.cell.channels;
        let (mut held, mut dnodes, mut units, mut targets) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for e in edges {
            let dnode = dstates[INPUTS + e / 2];
            let Some(factors) = self.factors[*e] else {
                dnodes.push(dnode);
                continue;
            };
            let scaled = Buffer::new(self.gpu, self.node_numbers())?;
            let unit = Mixed { z: dnode.address, factors, stride: dnode.stride as i32, ..Mixed::default() };
            let first = units.len() as i32;
            units.push(Mixed { per_image: self.pixels() as i32, ..unit });
            targets.push(MixTarget { out: scaled.address(), first, count: 1, stride: c as i32, fresh: 1 });
            dnodes.push(View { address: scaled.address(), stride: c });
            held.push(scaled);
        }
        launch::mix(self.gpu, &units, &targets, self.sizes.images * self.pixels(), c, Precision::Float32)?;
        Ok((held, dnodes))
    }
}
