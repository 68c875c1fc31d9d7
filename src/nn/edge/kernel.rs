//! An operation with its weights made ready, and the buffers that tasks reuse.

use std::cell::RefCell;

use super::{Branch, Geometry};
use crate::kernels::dense::{Turned, Weights};
use crate::kernels::depthwise::{self, Load, Shape};
use crate::kernels::pool;
use crate::nn::dense::{self, Dense};
use crate::nn::factorised::{self, Factorised, FactorisedBackward};
use crate::nn::parallel::at_least;
use crate::nn::project::{self, Projector};
use crate::nn::separable::{self, Separable, SeparableBackward};
use crate::space::{Compute, Operation};

/// An operation with its weights made ready.
pub(super) enum Kernel<'a> {
    Identity,
    Noise,
    Separable(Separable<'a>),
    Dense(Dense<'a>),
    Factorised(Box<Factorised<'a>>),
    Max(Shape),
    Average(Shape),
    Halve(Projector),
}

impl<'a> Kernel<'a> {
    /// The operation, or the first half of a separable convolution.
    pub fn new(g: &Geometry, b: &Branch, weights: &'a [f32], with_backward: bool) -> Kernel<'a> {
        let own = &weights[b.convolution(0)];
        if let Some(pooling) = Kernel::pooling(g, b.operation) {
            return pooling;
        }
        match b.operation.compute() {
            Compute::Noise => Kernel::Noise,
            Compute::Identity if g.stride == 2 => Kernel::Halve(Projector::new(g.halving(), own, with_backward)),
            Compute::Identity | Compute::Zero | Compute::MaxPool { .. } | Compute::AveragePool { .. } => {
                Kernel::Identity
            }
            Compute::Separable { .. } => Kernel::Separable(Separable::new(g.shape(b.operation), own)),
            Compute::Dense { window } => Kernel::Dense(Dense::new(g.dense(window), own)),
            Compute::Factorised { window } => Kernel::Factorised(Box::new(Factorised::new(g.factorised(window), own))),
        }
    }

    /// The pooling, if the operation is one.
    pub fn pooling(g: &Geometry, operation: Operation) -> Option<Kernel<'static>> {
        let shape = pool::shape(g.height, g.width, g.channels, operation.kernel().unwrap_or(3), g.stride);
        match operation.compute() {
            Compute::MaxPool { .. } => Some(Kernel::Max(shape)),
            Compute::AveragePool { .. } => Some(Kernel::Average(shape)),
            _ => None,
        }
    }

    /// One image of a pooling; nothing for other operations.
    pub fn pool(&self, x: &[f32], to: &mut [f32], scratch: &mut pool::Scratch) {
        match self {
            Kernel::Max(s) => pool::max_forward(s, x, to, scratch),
            Kernel::Average(s) => pool::average_forward(s, x, to, scratch),
            _ => {}
        }
    }

    pub fn second(g: &Geometry, b: &Branch, weights: &'a [f32]) -> Kernel<'a> {
        Kernel::Separable(Separable::new(g.second(b.operation), &weights[b.convolution(1)]))
    }

    /// What only the forward pass needs of a dense convolution.
    pub fn for_forward(&self) -> Option<Weights> {
        match self {
            Kernel::Dense(d) => Some(d.for_forward()),
            _ => None,
        }
    }

    pub fn for_backward(&self) -> Option<Ready> {
        match self {
            Kernel::Separable(s) => Some(Ready::Separable(s.for_backward())),
            Kernel::Dense(d) => Some(Ready::Dense(d.for_backward())),
            Kernel::Factorised(f) => Some(Ready::Factorised(f.for_backward())),
            _ => None,
        }
    }

    pub fn reach(&self) -> usize {
        match self {
            Kernel::Separable(s) => s.shape.reach(),
            // It reads padded maps whatever its window is.
            Kernel::Dense(_) => 1,
            Kernel::Factorised(f) => f.reach(),
            _ => 0,
        }
    }
}

/// What only the backward pass needs of an operation.
pub(super) enum Ready {
    Separable(SeparableBackward),
    Dense(Turned),
    Factorised(FactorisedBackward),
}

pub(super) fn padding(kernels: &[Kernel]) -> usize {
    kernels.iter().map(Kernel::reach).max().unwrap_or(0)
}

/// A padded map that keeps its border from image to image.
#[derive(Default)]
pub(super) struct Padded {
    pub numbers: Vec<f32>,
    /// Height, width, channels and padding that the border is for.
    of: [usize; 4],
}

impl Padded {
    fn fill(&mut self, x: &[f32], [height, width, channels, padding]: [usize; 4], load: Load) {
        let len = (height + 2 * padding) * (width + 2 * padding) * channels;
        let of = [height, width, channels, padding];
        let to = at_least(&mut self.numbers, len);
        if self.of == of {
            depthwise::fill_padded(x, height, width, channels, padding, load, to);
        } else {
            depthwise::pad(x, height, width, channels, padding, load, 0.0, to);
            self.of = of;
        }
    }
}

/// Buffers that the tasks of one thread reuse, so that they are neither taken nor cleared for each image.
#[derive(Default)]
pub(super) struct Scratch {
    pub padded: Padded,
    /// By reach, so that the two separable convolutions of an edge do not take turns in one.
    pub others: [Padded; 3],
    pub made: Vec<f32>,
    pub gradient: Vec<f32>,
    /// Gradient of the input after the ReLU, from several branches.
    pub gathered: Vec<f32>,
    pub separable: separable::Scratch,
    pub dense: dense::Scratch,
    pub factorised: factorised::Scratch,
    pub project: project::Scratch,
    pub pool: pool::Scratch,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Scratch {
    /// Runs a task with this thread's buffers.
    pub fn with<T>(task: impl FnOnce(&mut Scratch) -> T) -> T {
        SCRATCH.with(|s| match s.try_borrow_mut() {
            Ok(mut s) => task(&mut s),
            Err(_) => task(&mut Scratch::default()),
        })
    }

    /// The edge's input after the ReLU, padded.
    pub fn pad(&mut self, g: &Geometry, x: &[f32], padding: usize) {
        if padding > 0 {
            self.padded.fill(x, [g.height, g.width, g.channels, padding], Load::Relu);
        }
    }

    /// The input of a convolution's second half, padded by its reach.
    pub fn pad_as(&mut self, s: &Shape, x: &[f32], load: Load) {
        self.others[s.reach() - 1].fill(x, [s.height, s.width, s.channels, s.reach()], load);
    }
}
