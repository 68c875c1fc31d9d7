//! Exact numbers of parameters and multiply-accumulates, without building anything.

use serde::Serialize;

use super::{CellKind, EDGES, Edge, Genotype, INPUTS, Mask, NODES, Operation, Place};

/// Parameters and multiply-accumulates for one picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// All of them: convolutions, batch norms, classifier.
    pub parameters: u64,
    /// Multiply-accumulates of the convolutions and of the linear classifiers.
    pub macs: u64,
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
}

impl Network {
    /// The published evaluation network on CIFAR-10: 36 channels, 20 cells.
    pub const PUBLISHED: Network =
        Network { channels: 36, cells: 20, classes: 10, input_channels: 3, height: 32, width: 32, auxiliary: false };
}

/// What can't be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CountError {
    #[error("a network needs at least 1 {0}")]
    None(&'static str),
    #[error(
        "{0} cells are more than can be counted: the width doubles at two of them and numbers must stay below 2^63"
    )]
    TooLarge(usize),
    #[error("{0} channels can't be halved: FactorizedReduce needs an even number")]
    Odd(usize),
    #[error("the auxiliary head sees maps of {0}x{1}, and needs 8x8 (pictures of 32x32)")]
    Auxiliary(usize, usize),
}

/// A sum of convolutions.
#[derive(Default)]
struct Sum {
    parameters: u64,
    macs: u64,
}

impl Sum {
    fn convolution(&mut self, weights: usize, pixels: usize) {
        self.parameters += weights as u64;
        self.macs += weights as u64 * pixels as u64;
    }

    fn linear(&mut self, features: usize, classes: usize) {
        self.parameters += ((features + 1) * classes) as u64;
        self.macs += (features * classes) as u64;
    }

    /// Scale and shift.
    fn norm(&mut self, channels: usize, affine: bool) {
        self.parameters += if affine { 2 * channels as u64 } else { 0 };
    }

    fn operation(&mut self, operation: Operation, c: usize, stride: usize, pixels: usize, affine: bool) {
        let halves = match operation {
            Operation::SepConv3x3 | Operation::SepConv5x5 => 2,
            Operation::DilConv3x3 | Operation::DilConv5x5 => 1,
            Operation::SkipConnect if stride == 2 => {
                self.convolution(c * c, pixels);
                self.norm(c, affine);
                0
            }
            _ => 0,
        };
        let k = operation.kernel().unwrap_or(0);
        for _ in 0..halves {
            self.convolution(k * k * c + c * c, pixels);
            self.norm(c, affine);
        }
    }
}

/// Sizes on the way through a stack of cells.
struct Walk {
    older: (usize, (usize, usize)),
    last: (usize, (usize, usize)),
    channels: usize,
    reduced: bool,
}

impl Walk {
    /// Counts the projections of the next cell; returns its width, and the sizes before and after it.
    fn enter(&mut self, sum: &mut Sum, kind: CellKind, affine: bool, even: bool) -> Result<(usize, usize), CountError> {
        if kind == CellKind::Reduction {
            self.channels *= 2;
        }
        let c = self.channels;
        if even && self.reduced && !c.is_multiple_of(2) {
            return Err(CountError::Odd(c));
        }
        let (h, w) = self.last.1;
        // The older input has the last one's size, halved if need be.
        sum.convolution(self.older.0 * c, h * w);
        sum.convolution(self.last.0 * c, h * w);
        sum.norm(2 * c, affine);
        Ok((c, h * w))
    }

    fn leave(&mut self, kind: CellKind, outputs: usize) -> usize {
        let (h, w) = self.last.1;
        self.reduced = kind == CellKind::Reduction;
        let size = if self.reduced { (h.div_ceil(2), w.div_ceil(2)) } else { (h, w) };
        self.older = self.last;
        self.last = (outputs, size);
        size.0 * size.1
    }
}

fn positive(n: &Network) -> Result<(), CountError> {
    for (value, what) in [
        (n.channels, "channel"),
        (n.cells, "cell"),
        (n.classes, "class"),
        (n.input_channels, "input channel"),
        (n.height.min(n.width), "pixel"),
    ] {
        if value == 0 {
            return Err(CountError::None(what));
        }
    }
    let largest = [n.channels, n.classes, n.height, n.width, n.input_channels].into_iter().max().unwrap_or(0);
    if n.cells > 4096 || largest > 1 << 14 {
        return Err(CountError::TooLarge(n.cells));
    }
    Ok(())
}

/// The evaluation network of a genotype (batch norms with scale and shift, pools without).
///
/// # Errors
/// A network of no size, or one that can't be built.
pub fn evaluation(genotype: &Genotype, n: &Network) -> Result<Count, CountError> {
    positive(n)?;
    let mut sum = Sum::default();
    let stem = 3 * n.channels;
    sum.convolution(9 * n.input_channels * stem, n.height * n.width);
    sum.norm(stem, true);
    let size = (n.height, n.width);
    let mut walk = Walk { older: (stem, size), last: (stem, size), channels: n.channels, reduced: false };
    for (i, kind) in CellKind::published_layout(n.cells).into_iter().enumerate() {
        let (c, _) = walk.enter(&mut sum, kind, true, true)?;
        let outputs = genotype.concat(kind).len() * c;
        let pixels = walk.leave(kind, outputs);
        for choice in genotype.choices(kind) {
            let stride = if kind == CellKind::Reduction && choice.source < INPUTS { 2 } else { 1 };
            if stride == 2 && choice.operation == Operation::SkipConnect && !c.is_multiple_of(2) {
                return Err(CountError::Odd(c));
            }
            sum.operation(choice.operation, c, stride, pixels, true);
        }
        if n.auxiliary && i == 2 * n.cells / 3 {
            let (h, w) = walk.last.1;
            if (h, w) != (8, 8) {
                return Err(CountError::Auxiliary(h, w));
            }
            // ReLU, 5x5 average pool with stride 3 (8x8 to 2x2), 1x1 to 128, 2x2 to 768, linear.
            sum.convolution(outputs * 128, 4);
            sum.norm(128, true);
            sum.convolution(128 * 768 * 4, 1);
            sum.norm(768, true);
            sum.linear(768, n.classes);
        }
    }
    sum.linear(walk.last.0, n.classes);
    Ok(Count { parameters: sum.parameters, macs: sum.macs })
}

/// A masked supernet with the cells of `layout` (`n.cells` is not looked at); batch norms have scale and shift in the stem
/// only.
///
/// # Errors
/// A network of no size.
pub fn supernet(mask: &Mask, layout: &[CellKind], n: &Network) -> Result<Count, CountError> {
    positive(&Network { cells: layout.len(), ..*n })?;
    let mut sum = Sum::default();
    let stem = 3 * n.channels;
    sum.convolution(9 * n.input_channels * stem, n.height * n.width);
    sum.norm(stem, true);
    let size = (n.height, n.width);
    let mut walk = Walk { older: (stem, size), last: (stem, size), channels: n.channels, reduced: false };
    for kind in layout {
        if walk.channels > 1 << 20 {
            return Err(CountError::TooLarge(layout.len()));
        }
        let (c, _) = walk.enter(&mut sum, *kind, false, false)?;
        let pixels = walk.leave(*kind, NODES * c);
        for edge in Edge::all() {
            for o in mask.kept(*kind, edge) {
                sum.operation(o, c, edge.stride(*kind), pixels, false);
            }
        }
    }
    sum.linear(walk.last.0, n.classes);
    Ok(Count { parameters: sum.parameters, macs: sum.macs })
}

/// Decimal logarithm of the number of genotypes that a mask leaves: every node takes two different inputs and one operation
/// other than `none` on each; minus infinity where a node has no two inputs left.
pub fn genotypes_log10(mask: &Mask) -> f64 {
    let mut log = 0.0;
    for cell in CellKind::ALL {
        for node in 0..NODES {
            let counts: Vec<f64> = Edge::into_node(node)
                .map(|e| mask.kept(cell, e).filter(|o| *o != Operation::None).count() as f64)
                .collect();
            let pairs: f64 =
                (0..counts.len()).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| counts[i] * counts[j]).sum();
            log += pairs.log10();
        }
    }
    log
}

/// Kept operations by kind of operation, in column order.
pub fn kept_by_operation(mask: &Mask) -> [usize; super::OPERATIONS] {
    let mut counts = [0; super::OPERATIONS];
    for Place { operation, .. } in mask.places() {
        counts[operation.index()] += 1;
    }
    debug_assert!(counts.iter().all(|c| *c <= 2 * EDGES));
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::published;

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
        assert!((genotypes_log10(&Mask::FULL) - expected).abs() < 1e-9);
        assert!((genotypes_log10(&Mask::NO_NONE) - expected).abs() < 1e-9);
        assert_eq!(genotypes_log10(&Mask::uniform(&[Operation::None])), f64::NEG_INFINITY);
        let one = genotypes_log10(&Mask::uniform(&[Operation::SepConv3x3]));
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
            Network { auxiliary: true, height: 28, width: 28, ..Network::PUBLISHED },
        ] {
            assert!(evaluation(g, &bad).is_err(), "{bad:?}");
        }
        assert_eq!(evaluation(g, &Network { channels: 35, ..Network::PUBLISHED }).map(|c| c.parameters > 0), Ok(true));
    }
}
