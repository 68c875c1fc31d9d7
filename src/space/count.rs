//! Exact numbers of parameters and multiply-accumulates, without building anything.

use serde::Serialize;

use super::{CellKind, Compute, Genotype, Graph, Mask, Operation, Place, Stacking, Stem};
use crate::text;

/// Parameters and multiply-accumulates for one picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// All of them: convolutions, batch norms, classifier.
    pub parameters: u64,
    /// Multiply-accumulates of the convolutions and of the linear classifiers.
    pub macs: u64,
    /// Those of `macs` that are the linear classifiers'; the rest are the convolutions'.
    pub classifier_macs: u64,
}

/// Size of a network for pictures `[height, width, input_channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    pub channels: usize,
    pub cells: usize,
    pub classes: usize,
    pub input_channels: usize,
    pub height: usize,
    pub width: usize,
    /// The auxiliary head that training adds after cell `2 · cells / 3`.
    pub auxiliary: bool,
    pub stem: Stem,
}

impl Network {
    /// The published evaluation network of DARTS on CIFAR-10: 36 channels, 20 cells.
    pub const PUBLISHED: Network = Network {
        channels: 36,
        cells: 20,
        classes: 10,
        input_channels: 3,
        height: 32,
        width: 32,
        auxiliary: false,
        stem: Stem::Cifar,
    };

    /// That on ImageNet: 48 channels, 14 cells.
    pub const IMAGENET: Network = Network {
        channels: 48,
        cells: 14,
        classes: 1000,
        height: 224,
        width: 224,
        stem: Stem::ImageNet,
        ..Network::PUBLISHED
    };

    /// The published evaluation network with this stem, which suits the stacking: of DARTS that on CIFAR-10 or ImageNet; of
    /// NAS-Bench-201 16 channels, 15 cells.
    pub const fn published(stacking: Stacking, stem: Stem) -> Network {
        match (stacking, stem) {
            (Stacking::Darts, Stem::Cifar) => Network::PUBLISHED,
            (Stacking::Darts, Stem::ImageNet) => Network::IMAGENET,
            (Stacking::NasBench201, _) => Network { channels: 16, cells: 15, ..Network::PUBLISHED },
        }
    }

    /// `36 channels and 20 cells`: its size in words, with what stands between cells.
    pub fn size(&self, stacking: Stacking) -> String {
        let channels = text::counted(self.channels, "channel");
        let cells = text::counted(self.cells, "cell");
        match (0..self.cells).filter(|i| stacking.halves_before(*i, self.cells)).count() {
            0 if self.stem == Stem::ImageNet => format!("{channels}, {cells} and the stem for ImageNet"),
            0 => format!("{channels} and {cells}"),
            blocks => format!("{channels}, {cells} and {}", text::counted(blocks, "residual block")),
        }
    }
}

/// What can't be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CountError {
    #[error("a network needs at least 1 {0}")]
    None(&'static str),
    #[error("{value} is too much: a network is counted up to {most} {what}")]
    TooLarge { what: &'static str, value: usize, most: usize },
    #[error("a network of this size has 2^64 multiply-accumulates or more, which is not counted")]
    Overflow,
    #[error(
        "the auxiliary head needs maps of {} to {} pixels a side; these cells and pictures give it {}x{}",
        fits[0], fits[1], size[0], size[1]
    )]
    Auxiliary { size: [usize; 2], fits: [usize; 2] },
    #[error("networks of {stacking} have the stem `{}`, not `{stem}`", Stem::Cifar)]
    Stem { stacking: Stacking, stem: Stem },
    #[error("the stem `{}` needs a network of at least 2 channels", Stem::ImageNet)]
    Narrow,
}

/// Most of a width, a class count or a picture's side.
const MOST: usize = 1 << 20;
/// Most cells.
const MOST_CELLS: usize = 1 << 12;

/// A sum of convolutions. The limits above keep it far below 2^128.
#[derive(Default)]
struct Sum {
    parameters: u128,
    convolutions: u128,
    classifiers: u128,
}

impl Sum {
    fn convolution(&mut self, weights: usize, pixels: usize) {
        self.parameters += weights as u128;
        self.convolutions += weights as u128 * pixels as u128;
    }

    fn linear(&mut self, features: usize, classes: usize) {
        self.parameters += (features as u128 + 1) * classes as u128;
        self.classifiers += features as u128 * classes as u128;
    }

    /// Scale and shift.
    fn norm(&mut self, channels: usize, affine: bool) {
        self.parameters += if affine { 2 * channels as u128 } else { 0 };
    }

    fn total(&self) -> Result<Count, CountError> {
        let narrow = |n: u128| u64::try_from(n).map_err(|_| CountError::Overflow);
        Ok(Count {
            parameters: narrow(self.parameters)?,
            macs: narrow(self.convolutions + self.classifiers)?,
            classifier_macs: narrow(self.classifiers)?,
        })
    }

    fn operation(&mut self, operation: Operation, c: usize, stride: usize, maps: &Maps, affine: bool) {
        let pixels = maps.pixels();
        match operation.compute() {
            Compute::Separable { window, halves, .. } => {
                for _ in 0..halves {
                    self.convolution(window * window * c + c * c, pixels);
                    self.norm(c, affine);
                }
            }
            Compute::Identity if stride == 2 => {
                self.convolution(c * c, pixels);
                self.norm(c, affine);
            }
            Compute::Dense { window } => {
                self.convolution(window * window * c * c, pixels);
                // Without a scale and shift behind it there is a bias.
                self.parameters += if affine { 2 * c as u128 } else { c as u128 };
            }
            Compute::Factorised { window } => {
                // The row's convolution leaves out columns alone.
                let rows = if stride == 2 { maps.rows_before } else { maps.rows };
                self.convolution(window * c * c, rows * maps.columns);
                self.convolution(window * c * c, pixels);
                self.norm(c, affine);
            }
            Compute::Zero
            | Compute::Noise
            | Compute::Identity
            | Compute::MaxPool { .. }
            | Compute::AveragePool { .. } => {}
        }
    }
}

/// Size of a cell's nodes, and the rows of its inputs.
struct Maps {
    rows: usize,
    columns: usize,
    rows_before: usize,
}

impl Maps {
    const fn pixels(&self) -> usize {
        self.rows * self.columns
    }
}

/// Sizes on the way through a stack of cells.
struct Walk {
    stacking: Stacking,
    /// Channels, height and width of the outputs that the next cell may read.
    older: (usize, (usize, usize)),
    last: (usize, (usize, usize)),
    channels: usize,
    cells: usize,
    /// Those that have been entered.
    entered: usize,
}

impl Walk {
    /// Behind the stem, which it counts; `wide`: that of a supernet.
    fn new(sum: &mut Sum, stacking: Stacking, n: &Network, cells: usize, wide: bool) -> Result<Walk, CountError> {
        if !n.stem.suits(stacking) {
            return Err(CountError::Stem { stacking, stem: n.stem });
        }
        if n.channels < n.stem.least_channels() {
            return Err(CountError::Narrow);
        }
        let [older, last] = n.stem.sizes((n.height, n.width));
        let pixels = |(h, w): (usize, usize)| h * w;
        let stem = match n.stem {
            Stem::Cifar => {
                let stem = stacking.stem() * n.channels;
                sum.convolution(9 * n.input_channels * stem, pixels(last));
                sum.norm(stem, true);
                stem
            }
            Stem::ImageNet => {
                let stem = if wide { stacking.stem() * n.channels } else { n.channels };
                let half = stem / 2;
                sum.convolution(9 * n.input_channels * half, n.height.div_ceil(2) * n.width.div_ceil(2));
                sum.convolution(9 * half * stem, pixels(older));
                sum.convolution(9 * stem * stem, pixels(last));
                [half, stem, stem].into_iter().for_each(|c| sum.norm(c, true));
                stem
            }
        };
        Ok(Walk { stacking, older: (stem, older), last: (stem, last), channels: n.channels, cells, entered: 0 })
    }

    /// Counts what stands before the next cell: the projections of its inputs, or a residual block; returns its width. A cell
    /// that halves anything (FactorizedReduce makes half of its channels at a time) comes after a doubling, so any width will
    /// do.
    fn enter(&mut self, sum: &mut Sum, kind: CellKind, affine: bool) -> usize {
        let halves = self.stacking.halves_before(self.entered, self.cells);
        self.entered += 1;
        if kind == CellKind::Reduction || halves {
            self.channels *= 2;
        }
        let c = self.channels;
        if halves {
            let (before, (h, w)) = self.last;
            let size = (h.div_ceil(2), w.div_ceil(2));
            let pixels = size.0 * size.1;
            sum.convolution(9 * before * c, pixels);
            sum.convolution(9 * c * c, pixels);
            sum.norm(2 * c, true);
            // Beside them: average pooling, 1x1 convolution.
            sum.convolution(before * c, (h / 2) * (w / 2));
            self.last = (c, size);
        }
        if self.stacking == Stacking::NasBench201 {
            return c;
        }
        let (h, w) = self.last.1;
        // The older input has the last one's size, halved if need be.
        sum.convolution(self.older.0 * c, h * w);
        sum.convolution(self.last.0 * c, h * w);
        sum.norm(2 * c, affine);
        c
    }

    /// The cell's maps.
    fn leave(&mut self, kind: CellKind, outputs: usize) -> Maps {
        let (h, w) = self.last.1;
        let size = if kind == CellKind::Reduction { (h.div_ceil(2), w.div_ceil(2)) } else { (h, w) };
        self.older = self.last;
        self.last = (outputs, size);
        Maps { rows: size.0, columns: size.1, rows_before: h }
    }

    /// Counts what follows the last cell.
    fn end(&self, sum: &mut Sum, n: &Network) {
        let features = self.last.0;
        if self.stacking == Stacking::NasBench201 {
            sum.norm(features, true);
        }
        sum.linear(features, n.classes);
    }
}

fn positive(n: &Network) -> Result<(), CountError> {
    for (value, most, one, what) in [
        (n.channels, MOST, "channel", "channels"),
        (n.cells, MOST_CELLS, "cell", "cells"),
        (n.classes, MOST, "class", "classes"),
        (n.input_channels, MOST, "input channel", "input channels"),
        (n.height, MOST, "pixel of height", "pixels of height"),
        (n.width, MOST, "pixel of width", "pixels of width"),
    ] {
        if value == 0 {
            return Err(CountError::None(one));
        }
        if value > most {
            return Err(CountError::TooLarge { what, value, most });
        }
    }
    Ok(())
}

/// The evaluation network of a genotype (batch norms with scale and shift, pools without).
///
/// # Errors
/// A network of no size or too large to count, or an auxiliary head that does not fit its maps.
pub fn evaluation(genotype: &Genotype, n: &Network) -> Result<Count, CountError> {
    positive(n)?;
    let mut sum = Sum::default();
    let stacking = genotype.stacking;
    let mut walk = Walk::new(&mut sum, stacking, n, n.cells, false)?;
    for (i, kind) in genotype.layout(n.cells).into_iter().enumerate() {
        // Every halving doubles the width.
        if walk.channels > 4 * MOST {
            return Err(CountError::Overflow);
        }
        let c = walk.enter(&mut sum, kind, true);
        let outputs = genotype.outputs(kind).len() * c;
        let maps = walk.leave(kind, outputs);
        for (edge, operation) in genotype.chosen(kind) {
            sum.operation(operation, c, stacking.stride(kind, edge.source()), &maps, true);
        }
        if n.auxiliary && i == 2 * n.cells / 3 {
            let (h, w) = walk.last.1;
            // ReLU, 5x5 average pool with stride 3 (which makes 2 of 8, 9 or 10) or 2, 1x1 to 128, 2x2 to 768, linear.
            let fits = n.stem.auxiliary_sides();
            if [h, w].iter().any(|side| !(fits[0]..=fits[1]).contains(side)) {
                return Err(CountError::Auxiliary { size: [h, w], fits });
            }
            sum.convolution(outputs * 128, 4);
            sum.norm(128, true);
            sum.convolution(128 * 768 * 4, 1);
            // That for ImageNet has been published, and trained, without this norm.
            if n.stem == Stem::Cifar {
                sum.norm(768, true);
            }
            sum.linear(768, n.classes);
        }
    }
    walk.end(&mut sum, n);
    sum.total()
}

/// A masked supernet with the cells of `layout` (`n.cells` is not looked at); batch norms have scale and shift in the stem
/// only.
///
/// # Errors
/// A network of no size or too large to count.
pub fn supernet(mask: &Mask, layout: &[CellKind], n: &Network) -> Result<Count, CountError> {
    positive(&Network { cells: layout.len(), ..*n })?;
    let mut sum = Sum::default();
    let stacking = mask.space().stacking();
    let mut walk = Walk::new(&mut sum, stacking, n, layout.len(), true)?;
    for kind in layout {
        // Every reduction doubles the width, and a layout may have any number of them.
        if walk.channels > 4 * MOST {
            return Err(CountError::Overflow);
        }
        let c = walk.enter(&mut sum, *kind, false);
        let Some(graph) = mask.space().graph(*kind) else { return Err(CountError::None("edge")) };
        let outputs = if stacking == Stacking::Darts { graph.nodes * c } else { c };
        let maps = walk.leave(*kind, outputs);
        for edge in graph.edges {
            for o in mask.kept(*kind, *edge) {
                sum.operation(o, c, graph.stride(*edge), &maps, false);
            }
        }
    }
    walk.end(&mut sum, n);
    sum.total()
}

/// Decimal logarithm of the number of genotypes that a mask leaves. In DARTS every node takes two different inputs and one
/// operation other than `none` on each, and it is minus infinity where a node has no two inputs left; in NAS-Bench-201 every
/// edge takes one operation, `none` too.
pub fn genotypes_log10(mask: &Mask) -> f64 {
    mask.space().graphs().iter().map(|graph| of_graph(mask, graph)).sum()
}

/// The same for one kind of cell; the sum over all kinds is [`genotypes_log10`].
pub fn cells_log10(mask: &Mask, cell: CellKind) -> f64 {
    mask.space().graph(cell).map_or(0.0, |graph| of_graph(mask, graph))
}

fn of_graph(mask: &Mask, graph: &Graph) -> f64 {
    if graph.stacking.every_edge() {
        return graph.edges.iter().map(|e| (mask.count_on(graph.kind, *e) as f64).log10()).sum();
    }
    let pairs = |state| {
        let usable = |edge| mask.kept(graph.kind, edge).filter(|o| *o != Operation::None).count() as f64;
        let counts: Vec<f64> = graph.into_state(state).map(usable).collect();
        (0..counts.len()).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| counts[i] * counts[j]).sum::<f64>()
    };
    graph.node_states().map(|state| pairs(state).log10()).sum()
}

/// Kept operations by kind of operation, in column order.
pub fn kept_by_operation(mask: &Mask) -> Vec<usize> {
    let kept = |operation: &Operation| mask.places().filter(|p: &Place| p.operation == *operation).count();
    mask.space().operations().iter().map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{darts, published};

    #[test]
    fn all_published_cells_are_exact() {
        let cells = published::all();
        assert_eq!(cells.len(), 24);
        for p in &cells {
            let large = evaluation(&p.genotype, &Network::PUBLISHED).unwrap();
            assert_eq!((large.parameters, large.macs), (p.parameters, p.macs), "{}", p.name);
            let small = Network { channels: 16, cells: 8, ..Network::PUBLISHED };
            assert_eq!(evaluation(&p.genotype, &small).unwrap().parameters, p.parameters_small, "{}", p.name);
            let auxiliary = Network { auxiliary: true, ..Network::PUBLISHED };
            assert_eq!(evaluation(&p.genotype, &auxiliary).unwrap().parameters, p.parameters + 476_426, "{}", p.name);
        }
    }

    #[test]
    fn the_full_space_has_ten_to_the_eighteenth_cells() {
        // (Π_n C(n+2, 2) · 7²)² = 180² · 7^16
        let expected = 2.0 * (180f64.log10() + 8.0 * 7f64.log10());
        assert!((genotypes_log10(&darts::FULL) - expected).abs() < 1e-9);
        assert!((genotypes_log10(&darts::NO_NONE) - expected).abs() < 1e-9);
        // A kind that is cut changes its own number only.
        let mut half = darts::FULL;
        for place in darts::SPACE.places() {
            if place.cell == CellKind::Reduction && place.operation != Operation::SepConv3x3 {
                half.set(place, false);
            }
        }
        assert!((cells_log10(&half, CellKind::Normal) - expected / 2.0).abs() < 1e-9);
        assert!((cells_log10(&half, CellKind::Reduction) - 180f64.log10()).abs() < 1e-9);
        assert_eq!(genotypes_log10(&Mask::uniform(darts::SPACE, &[Operation::None])), f64::NEG_INFINITY);
        let one = genotypes_log10(&Mask::uniform(darts::SPACE, &[Operation::SepConv3x3]));
        assert!((one - 2.0 * 180f64.log10()).abs() < 1e-9);
    }

    #[test]
    fn networks_of_no_size_are_refused() {
        let g = &published::all()[0].genotype;
        for bad in [
            Network { channels: 0, ..Network::PUBLISHED },
            Network { cells: 0, ..Network::PUBLISHED },
            Network { classes: 0, ..Network::PUBLISHED },
            Network { cells: 100_000, ..Network::PUBLISHED },
            Network { channels: usize::MAX, ..Network::PUBLISHED },
            Network { auxiliary: true, height: 28, width: 28, ..Network::PUBLISHED },
        ] {
            assert!(evaluation(g, &bad).is_err(), "{bad:?}");
        }
    }

    /// Against numbers from a separate program that walks the published modules one convolution at a time.
    #[test]
    fn other_sizes_are_exact() {
        let v2 = published::find("DARTS_V2").unwrap().genotype;
        let network = |channels, cells, classes, size, input_channels| Network {
            channels,
            cells,
            classes,
            input_channels,
            height: size,
            width: size,
            auxiliary: false,
            stem: Stem::Cifar,
        };
        for (n, parameters, macs) in [
            (network(16, 8, 7, 28, 1), 244_471, 32_584_832),
            (network(5, 3, 2, 33, 4), 3_452, 2_318_050),
            (Network { auxiliary: true, classes: 100, ..Network::PUBLISHED }, 3_946_908, 529_175_808),
        ] {
            let count = evaluation(&v2, &n).unwrap();
            assert_eq!((count.parameters, count.macs), (parameters, macs), "{n:?}");
        }
        let published = evaluation(&v2, &Network::PUBLISHED).unwrap();
        assert_eq!(published.classifier_macs, 4 * 4 * 36 * 10);
        // The head's pool makes 2x2 of 8x8 to 10x10: the parameters are the same.
        for size in [29, 32, 33, 40] {
            let n = Network { auxiliary: true, height: size, width: size, ..Network::PUBLISHED };
            assert_eq!(evaluation(&v2, &n).unwrap().parameters, published.parameters + 476_426, "{size}");
        }
        for size in [28, 41] {
            let n = Network { auxiliary: true, height: size, ..Network::PUBLISHED };
            assert!(matches!(evaluation(&v2, &n), Err(CountError::Auxiliary { .. })), "{size}");
        }
    }

    /// As counted by PyTorch, one module at a time (`tests/evaluation_reference.py count`); 4.7 M parameters as published.
    #[test]
    fn the_published_network_on_imagenet_is_exact() {
        let v2 = published::find("DARTS_V2").unwrap().genotype;
        let count = evaluation(&v2, &Network::IMAGENET).unwrap();
        assert_eq!((count.parameters, count.macs, count.classifier_macs), (4_718_752, 529_911_552, 768_000));
        let count = evaluation(&v2, &Network { auxiliary: true, ..Network::IMAGENET }).unwrap();
        assert_eq!((count.parameters, count.macs), (5_979_528, 531_465_984));
        // Behind two reductions 7x7 of 224 pixels, 8x8 of 256.
        for (size, fits) in [(224, true), (256, true), (192, false), (288, false)] {
            let n = Network { auxiliary: true, height: size, width: size, ..Network::IMAGENET };
            assert_eq!(evaluation(&v2, &n).is_ok(), fits, "{size}");
        }
        let narrow = Network { channels: 1, ..Network::IMAGENET };
        assert_eq!(evaluation(&v2, &narrow), Err(CountError::Narrow));
        let other = crate::space::parse_genotype("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|").unwrap();
        assert!(matches!(evaluation(&other, &Network::IMAGENET), Err(CountError::Stem { .. })));
    }

    #[test]
    fn counts_beyond_64_bits_are_refused_not_wrapped() {
        let g = &published::all()[0].genotype;
        let large = Network { channels: 16384, cells: 40, height: 16384, width: 16384, ..Network::PUBLISHED };
        assert_eq!(evaluation(g, &large), Err(CountError::Overflow));
        let largest = Network {
            channels: MOST,
            cells: MOST_CELLS,
            classes: MOST,
            input_channels: MOST,
            height: MOST,
            width: MOST,
            ..Network::PUBLISHED
        };
        assert_eq!(evaluation(g, &largest), Err(CountError::Overflow));
        assert_eq!(
            supernet(&darts::FULL, &[CellKind::Reduction; 4096], &Network::PUBLISHED),
            Err(CountError::Overflow)
        );
    }
}
