//! An evaluation network as the GPU's passes take it: parameters and running statistics of all units lie one behind the other,
//! and what reads one map is run together, as in a supernet.

use std::ops::Range;
use std::sync::Arc;

use super::EvaluationConfig;
use super::plan::{EdgePlan, Layer, Plan};
use crate::nn::cell::CellSizes;
use crate::nn::edge::{Branch, Edge, Geometry};
use crate::nn::layout::{BlockLayout, NormName, Slot};
use crate::nn::norm::{NormSlot, Seen};
use crate::nn::project::Projection;
use crate::nn::stem::StemPlan;
use crate::space::{CellKind, INPUTS, NODES};

/// ReLU → 1x1 convolution(s) → norm: where its weights (then scale and shift) and its statistics are.
#[derive(Clone, Debug)]
pub(crate) struct JoinedProjection {
    pub weights: Range<usize>,
    pub slot: NormSlot,
    pub inputs: usize,
    pub halve: bool,
}

impl JoinedProjection {
    /// On maps of this size.
    pub fn shape(&self, height: usize, width: usize) -> Projection {
        let (channels_in, channels_out) = (self.inputs, self.slot.channels);
        Projection { height, width, channels_in, channels_out, halve: self.halve }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct JoinedCell {
    pub kind: CellKind,
    /// Of the nodes.
    pub channels: usize,
    pub projections: [JoinedProjection; INPUTS],
    /// The state that each edge reads, and its operation; two edges for each node.
    pub edges: Vec<(usize, Edge)>,
    pub concat: Vec<usize>,
}

impl JoinedCell {
    pub fn output_size(&self, sizes: &CellSizes) -> (usize, usize) {
        let (h, w) = sizes.inputs[1];
        let stride = self.stride(0);
        (h.div_ceil(stride), w.div_ceil(stride))
    }

    fn stride(&self, source: usize) -> usize {
        if self.kind == CellKind::Reduction && source < INPUTS { 2 } else { 1 }
    }

    /// Of edges from a state.
    pub fn geometry(&self, sizes: &CellSizes, source: usize) -> Geometry {
        let (height, width) = if source < INPUTS { sizes.inputs[1] } else { self.output_size(sizes) };
        Geometry { images: sizes.images, height, width, channels: self.channels, stride: self.stride(source) }
    }

    /// The edges from a state, by number.
    pub fn from(&self, source: usize) -> Vec<usize> {
        (0..self.edges.len()).filter(|e| self.edges[*e].0 == source).collect()
    }

    /// Where in the output a node is, if it is there.
    pub fn place(&self, node: usize) -> Option<usize> {
        self.concat.iter().position(|state| *state == INPUTS + node)
    }

    /// How many nodes are no part of the output.
    pub fn loose(&self) -> usize {
        (0..NODES).filter(|n| self.place(*n).is_none()).count()
    }

    /// Numbers of the output of one image's pixel.
    pub fn outputs(&self) -> usize {
        self.concat.len() * self.channels
    }
}

/// The auxiliary head: 1x1 convolution and norm, the same over all pixels, classifier.
#[derive(Clone, Debug)]
pub(crate) struct JoinedHead {
    /// The cell that it follows.
    pub after: usize,
    pub projections: [JoinedProjection; 2],
    pub classifier: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Joined {
    pub stem: Arc<StemPlan>,
    pub cells: Vec<JoinedCell>,
    pub auxiliary: Option<JoinedHead>,
    /// Where the classifier's parameters are.
    pub classifier: usize,
    pub classes: usize,
    /// Numbers of all parameters, and the norms of all units but the stem.
    pub layout: BlockLayout,
    /// Where each unit's running statistics are among them; the stem's are beside.
    running: Vec<usize>,
}

/// Where the parameters and the statistics of each unit begin.
struct Starts<'a> {
    plan: &'a Plan,
    parameters: Vec<usize>,
    running: &'a [usize],
}

impl Starts<'_> {
    fn slot(&self, norm: usize) -> NormSlot {
        let channels = self.plan.units[norm].running / 2;
        NormSlot { offset: self.running[norm], channels }
    }

    fn projection(&self, layers: &[Layer]) -> JoinedProjection {
        let slot = NormSlot { offset: 0, channels: 0 };
        let mut found = JoinedProjection { weights: 0..0, slot, inputs: 0, halve: false };
        for layer in layers {
            match *layer {
                Layer::Projection { unit, halve, .. } => {
                    let (start, layout) = (self.parameters[unit], &self.plan.units[unit]);
                    found.weights = start..start + layout.len;
                    found.inputs = layout.slots.first().map_or(0, Slot::fan_in);
                    found.halve = halve;
                }
                Layer::Norm { unit } => found.slot = self.slot(unit),
                Layer::Convolution { .. } | Layer::Pool { .. } => {}
            }
        }
        found
    }

    fn edge(&self, edge: &EdgePlan) -> Edge {
        let (mut own, mut norms) = (Vec::new(), Vec::new());
        for layer in &edge.layers {
            match *layer {
                Layer::Convolution { unit, .. } | Layer::Projection { unit, .. } => own.push(unit),
                Layer::Norm { unit } => {
                    own.push(unit);
                    norms.push(self.slot(unit));
                }
                Layer::Pool { .. } => {}
            }
        }
        let len = own.iter().map(|u| self.plan.units[*u].len).sum();
        let offset = own.first().map_or(0, |u| self.parameters[*u]);
        Edge { branches: vec![Branch { operation: edge.operation, offset, len, norms, affine: true }] }
    }
}

impl Joined {
    pub fn of(config: &EvaluationConfig) -> Joined {
        Joined::new(&Plan::new(config), config)
    }

    pub(super) fn new(plan: &Plan, config: &EvaluationConfig) -> Joined {
        let mut layout = BlockLayout::default();
        let (mut parameters, mut running) = (Vec::new(), Vec::new());
        for (u, unit) in plan.units.iter().enumerate() {
            parameters.push(layout.len);
            running.push(layout.running);
            layout.len += unit.len;
            if u > 0 {
                layout.norms.extend(unit.norms.iter().map(|n| NormName {
                    name: n.name.clone(),
                    slot: NormSlot { offset: layout.running + n.slot.offset, ..n.slot },
                }));
                layout.running += unit.running;
            }
        }
        let starts = Starts { plan, parameters, running: &running };
        let cells = plan.cells.iter().zip(config.layout()).map(|(cell, kind)| {
            let projections = [0, 1].map(|i| starts.projection(&cell.projections[i]));
            JoinedCell {
                kind,
                channels: projections[0].slot.channels,
                projections,
                edges: cell.edges.iter().map(|e| (e.source, starts.edge(e))).collect(),
                concat: cell.concat.clone(),
            }
        });
        let auxiliary = plan.auxiliary.as_ref().map(|head| JoinedHead {
            after: head.after,
            projections: [&head.layers[..2], &head.layers[2..]].map(|layers| starts.projection(layers)),
            classifier: starts.parameters[head.classifier],
        });
        Joined {
            stem: plan.stem.clone(),
            cells: cells.collect(),
            auxiliary,
            classifier: starts.parameters[plan.classifier],
            classes: config.classes,
            layout,
            running,
        }
    }

    /// Sizes of each cell's inputs for pictures `[N, H, W, C]`.
    pub fn sizes(&self, [images, height, width]: [usize; 3]) -> Vec<CellSizes> {
        let (mut older, mut last) = ((height, width), (height, width));
        let each = |cell: &JoinedCell| {
            let sizes = CellSizes { images, inputs: [older, last] };
            (older, last) = (last, cell.output_size(&sizes));
            sizes
        };
        self.cells.iter().map(each).collect()
    }

    /// What the norms have seen, by unit, their slots beside the unit's own statistics.
    pub fn by_unit(&self, stem: Vec<Seen>, seen: Vec<Seen>) -> Vec<Vec<Seen>> {
        let mut units = vec![Vec::new(); self.running.len()];
        for mut s in seen {
            // Units without norms begin where the next one does: the last of equals has it.
            let unit = self.running.partition_point(|start| *start <= s.slot.offset).saturating_sub(1);
            s.slot.offset -= self.running[unit];
            units[unit].push(s);
        }
        units[0] = stem;
        units
    }
}
