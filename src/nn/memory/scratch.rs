//! The buffers that a thread reuses from image to image, in bytes.

use crate::kernels::dense::Shape;
use crate::nn::edge::{is_pooling, poolings};
use crate::nn::plan::{CellPlan, CellSizes, Entry};
use crate::nn::stem::StemPlan;
use crate::space::Compute;

/// Buffers of which there is one for each size: numbers by key.
#[derive(Default)]
struct Sizes(Vec<([usize; 5], usize)>);

impl Sizes {
    fn add(&mut self, key: [usize; 5], len: usize) {
        if !self.0.iter().any(|(k, _)| *k == key) {
            self.0.push((key, len));
        }
    }

    /// The gradient of a dense convolution's output, with its border.
    fn add_output(&mut self, s: &Shape) {
        let [rows, columns] = s.reach();
        self.add([s.out_height(), s.out_width(), s.outputs, rows, columns], s.out_padded_len(s.reach()));
    }

    fn total(&self) -> usize {
        self.0.iter().map(|(_, len)| len).sum()
    }
}

/// The largest of each buffer that a thread reuses.
#[derive(Default)]
pub(super) struct Scratch {
    padded: usize,
    /// By reach.
    others: [usize; 3],
    map: usize,
    /// Gradients of dense convolutions' outputs, by size.
    bordered: Sizes,
    /// Transformed tiles of dense convolutions: of edges, then of what is between two stages, forward and backward each.
    tiles: [[usize; 2]; 2],
    /// The same of factorised ones, and what is between their two halves with and without a border.
    halves: Sizes,
    middles: Sizes,
    between: usize,
    /// Pooled maps that are alive at once.
    made: usize,
    projection: usize,
    /// Gradient of an input, gathered.
    gathered: usize,
    spreads: Sizes,
    /// Of the stem's convolutions, which are gone before a cell's are made: forward, and backward.
    stem: [usize; 2],
}

impl Scratch {
    pub fn add(&mut self, plan: &CellPlan, sizes: &CellSizes) {
        for (e, edge) in plan.edges.iter().enumerate() {
            let g = plan.geometry(sizes, e);
            let from = || plan.from(edge.source);
            let kinds = poolings(from().flat_map(|e| &plan.edges[e].branches).map(|b| b.operation));
            self.made = self.made.max(kinds * g.output());
            for b in &edge.branches {
                if is_pooling(b.operation) {
                    self.map = self.map.max(g.output());
                }
                if b.operation.is_convolution() {
                    self.gathered = self.gathered.max(g.input());
                }
                if let Compute::Dense { window } = b.operation.compute() {
                    self.padded = self.padded.max((g.height + 2) * (g.width + 2) * g.channels);
                    self.add_dense(&g.dense(window), 0);
                }
                if let Compute::Factorised { window } = b.operation.compute() {
                    let [row, column] = g.factorised(window);
                    let ([_, reach], [border, _]) = (row.reach(), column.reach());
                    self.padded = self.padded.max(row.padded_len([reach; 2]));
                    self.halves.add_output(&row);
                    self.halves.add_output(&column);
                    let key = [column.height, column.width, column.inputs, border, 0];
                    self.middles.add(key, column.padded_len(column.reach()));
                    self.between = self.between.max(row.out_len());
                }
                for (half, shape) in g.convolutions(b.operation).into_iter().enumerate() {
                    let (reach, len) = (shape.reach(), shape.padded_len(shape.reach()));
                    let padded = match half {
                        0 => &mut self.padded,
                        _ => &mut self.others[reach - 1],
                    };
                    *padded = (*padded).max(len);
                    let key = [shape.height, shape.width, shape.channels, shape.stride, reach];
                    self.spreads.add(key, len);
                }
            }
        }
        for (i, own) in plan.entries.iter().enumerate() {
            let (h, w) = sizes.input(i, plan.inputs());
            match own {
                Entry::Whole => {}
                Entry::Project(own) => {
                    let p = own.shape(h, w);
                    self.projection = self.projection.max(p.pixels() * p.channels_in);
                }
                Entry::Residual(own) => own.shapes((h, w)).iter().for_each(|s| self.add_dense(s, 1)),
            }
        }
    }

    fn add_dense(&mut self, s: &Shape, whose: usize) {
        self.bordered.add_output(s);
        for (own, len) in self.tiles[whose].iter_mut().zip(s.scratch_len()) {
            *own = len.max(*own);
        }
    }

    /// Of a stem on pictures of this height and width.
    pub fn add_stem(&mut self, stem: &StemPlan, size: (usize, usize)) {
        let StemPlan::Halving(plan) = stem else { return };
        for (own, size) in plan.convolutions.iter().zip(plan.sizes(size)) {
            let s = own.shape(size);
            let padded = (s.height + 2) * (s.width + 2) * s.inputs;
            let behind = s.out_height() * s.out_width() * s.outputs;
            let back = (padded + s.out_padded_len(s.reach())).max(behind);
            self.stem = [self.stem[0].max(padded), self.stem[1].max(back)];
        }
    }

    /// Of the buffers that a forward pass uses.
    pub fn forward_bytes(&self) -> u64 {
        let others = self.others.iter().sum::<usize>() + self.middles.total();
        let tiles: usize = self.tiles.iter().map(|[forward, _]| forward).sum();
        let cells = self.padded + others + self.made + self.map + self.projection + tiles;
        // The cells' stay from pass to pass.
        4 * (self.stem[0] + cells) as u64
    }

    pub fn bytes(&self) -> u64 {
        4 * (self.padded
            + self.others.iter().sum::<usize>()
            + self.made
            + 3 * self.map
            + [&self.bordered, &self.halves, &self.middles, &self.spreads].map(Sizes::total).iter().sum::<usize>()
            + self.between
            + self.tiles.iter().map(|[forward, backward]| forward.max(backward)).sum::<usize>()
            + 2 * self.projection
            + self.gathered
            + self.stem[1]) as u64
    }
}
