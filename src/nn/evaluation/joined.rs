//! An evaluation network as the GPU's passes take it: parameters and running statistics of all blocks lie one behind the other,
//! and what reads one map is run together, as in a supernet.

use std::sync::Arc;

use super::EvaluationConfig;
use crate::nn::edge::{Branch, Edge, Geometry};
use crate::nn::layout::{BlockLayout, NormName};
use crate::nn::norm::Seen;
use crate::nn::plan::{CellSizes, NetworkPlan, ProjectionPlan};
use crate::nn::stem::StemPlan;
use crate::space::{CellKind, INPUTS, NODES};

#[derive(Clone, Debug)]
pub(crate) struct JoinedCell {
    pub kind: CellKind,
    /// Of the nodes.
    pub channels: usize,
    pub projections: [ProjectionPlan; INPUTS],
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
    pub projections: [ProjectionPlan; 2],
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
    /// Numbers of all parameters, and the norms of all blocks but the stem.
    pub layout: BlockLayout,
    /// Where each block's running statistics are among them; the stem's are beside.
    running: Vec<usize>,
}

impl ProjectionPlan {
    /// The same where the block's parameters and statistics begin so far behind.
    fn moved(&self, parameters: usize, running: usize) -> ProjectionPlan {
        let weights = self.weights.start + parameters..self.weights.end + parameters;
        ProjectionPlan { weights, norm: self.norm.moved(running), ..self.clone() }
    }
}

impl Joined {
    pub fn of(config: &EvaluationConfig) -> Joined {
        Joined::new(&NetworkPlan::of_genotype(config))
    }

    pub(super) fn new(plan: &NetworkPlan) -> Joined {
        let mut layout = BlockLayout::default();
        let (mut parameters, mut running) = (Vec::new(), Vec::new());
        for (i, block) in plan.layouts().enumerate() {
            parameters.push(layout.len);
            running.push(layout.running);
            layout.len += block.len;
            if i > 0 {
                layout.norms.extend(block.norms.iter().map(|n| NormName {
                    name: n.name.clone(),
                    slot: n.slot.moved(layout.running),
                }));
                layout.running += block.running;
            }
        }
        let cells = plan.cells.iter().enumerate().map(|(i, cell)| {
            let (parameters, running) = (parameters[i + 1], running[i + 1]);
            let edges = cell.edges.iter().map(|edge| {
                let branches = edge.branches.iter().map(|b| Branch {
                    offset: b.offset + parameters,
                    norms: b.norms.iter().map(|slot| slot.moved(running)).collect(),
                    ..b.clone()
                });
                (edge.source, Edge { branches: branches.collect(), ..edge.clone() })
            });
            JoinedCell {
                kind: cell.shape.kind,
                channels: cell.shape.channels,
                projections: cell.projections.each_ref().map(|p| p.moved(parameters, running)),
                edges: edges.collect(),
                concat: cell.concat.iter().map(|node| INPUTS + node).collect(),
            }
        });
        let auxiliary = plan.auxiliary.as_ref().map(|head| {
            let block = plan.auxiliary_block();
            let projections = head.projections.each_ref().map(|p| p.moved(parameters[block], running[block]));
            JoinedHead { after: head.after, projections, classifier: parameters[block] + head.classifier }
        });
        Joined {
            stem: plan.stem.clone(),
            cells: cells.collect(),
            auxiliary,
            classifier: parameters[plan.classifier_block()],
            classes: plan.classes,
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

    /// What the norms have seen, by block.
    pub fn by_block(&self, stem: Vec<Seen>, seen: Vec<Seen>) -> Vec<Vec<Seen>> {
        let mut blocks = vec![Vec::new(); self.running.len()];
        for mut s in seen {
            // A block without norms begins where the next one does: the last of equals has it.
            let block = self.running.partition_point(|start| *start <= s.slot.offset).saturating_sub(1);
            s.slot.offset -= self.running[block];
            blocks[block].push(s);
        }
        blocks[0] = stem;
        blocks
    }
}
