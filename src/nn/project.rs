//! ReLU → 1x1 convolution(s) on one image: the preprocessing of a cell's inputs, and FactorizedReduce, which halves the
//! resolution with two strided 1x1 convolutions, the second on the image moved by one pixel.

use rayon::prelude::*;

use crate::kernels::depthwise::{self, Load};
use crate::kernels::matrix::{Outer, Packed, product};
use crate::kernels::relu;

/// Shape of a projection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Projection {
    pub height: usize,
    pub width: usize,
    pub channels_in: usize,
    pub channels_out: usize,
    /// FactorizedReduce instead of one plain 1x1 convolution.
    pub halve: bool,
}

/// One 1x1 convolution of it: which output channels it makes from which pixels.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    pub shift: usize,
    pub first: usize,
    pub outputs: usize,
}

impl Projection {
    pub fn stride(&self) -> usize {
        if self.halve { 2 } else { 1 }
    }

    /// At odd sizes the moved image is continued with zeros, so that both halves have `ceil(size / 2)` pixels; the published
    /// code cannot run there.
    pub fn out_height(&self) -> usize {
        self.height.div_ceil(self.stride())
    }

    pub fn out_width(&self) -> usize {
        self.width.div_ceil(self.stride())
    }

    pub fn pixels(&self) -> usize {
        self.out_height() * self.out_width()
    }

    pub fn weights(&self) -> usize {
        self.channels_in * self.channels_out
    }

    pub fn parts(&self) -> impl Iterator<Item = Part> + use<> {
        let half = self.channels_out / 2;
        let parts = if self.halve {
            [
                Some(Part { shift: 0, first: 0, outputs: half }),
                Some(Part { shift: 1, first: half, outputs: self.channels_out - half }),
            ]
        } else {
            [Some(Part { shift: 0, first: 0, outputs: self.channels_out }), None]
        };
        parts.into_iter().flatten()
    }

    /// For each output pixel the offset of the input pixel that `shift` reads, if it is inside.
    fn sources(&self, shift: usize) -> impl Iterator<Item = Option<usize>> + use<> {
        let Projection { height, width, channels_in, .. } = *self;
        let (stride, rows, columns) = (self.stride(), self.out_height(), self.out_width());
        (0..rows).flat_map(move |y| {
            (0..columns).map(move |x| {
                let (y, x) = (y * stride + shift, x * stride + shift);
                (y < height && x < width).then_some((y * width + x) * channels_in)
            })
        })
    }

    /// Values after the ReLU that a part reads, `[H', W', C_in]`.
    fn gather(&self, x: &[f32], shift: usize, to: &mut Vec<f32>) {
        let c = self.channels_in;
        to.resize(self.pixels() * c, 0.0);
        if self.halve {
            for (to, at) in to.chunks_exact_mut(c).zip(self.sources(shift)) {
                match at {
                    Some(at) => depthwise::load_values(&x[at..at + c], c, Load::Relu, to),
                    None => to.fill(0.0),
                }
            }
        } else {
            depthwise::load_values(x, c, Load::Relu, to);
        }
    }
}

/// Weights made ready for the forward pass, and for the backward pass where asked. They lie part after part, each
/// `[C_in, outputs]`.
pub(crate) struct Projector {
    pub shape: Projection,
    forward: Vec<Packed>,
    backward: Vec<Packed>,
    /// Nothing else is at work beside it.
    alone: bool,
}

/// Pixels, and inputs, of a task where a map is alone: multiples of what the products take at once.
const ROWS: usize = 48;
const INPUTS: usize = 48;

/// Buffers of one task.
#[derive(Default)]
pub(crate) struct Scratch {
    gathered: Vec<f32>,
    gradient: Vec<f32>,
}

impl Projector {
    pub fn new(shape: Projection, weights: &[f32], with_backward: bool) -> Projector {
        let c = shape.channels_in;
        let (mut forward, mut backward, mut rest) = (Vec::new(), Vec::new(), weights);
        for p in shape.parts() {
            let (own, others) = rest.split_at(c * p.outputs);
            rest = others;
            forward.push(Packed::new(own, c, p.outputs));
            if with_backward {
                backward.push(Packed::transposed(own, c, p.outputs));
            }
        }
        Projector { shape, forward, backward, alone: false }
    }

    /// Of a map with nothing at work beside it.
    #[must_use]
    pub fn alone(self, alone: bool) -> Projector {
        Projector { alone, ..self }
    }

    /// `z` is `[H', W', C_out]`.
    pub fn forward(&self, x: &[f32], z: &mut [f32], scratch: &mut Scratch) {
        let s = &self.shape;
        if let (Some(packed), true) = (self.forward.first(), self.is_alone()) {
            let (c, outputs) = (s.channels_in, s.channels_out);
            let rows = x.par_chunks(ROWS * c).zip(z.par_chunks_mut(ROWS * outputs));
            return rows.for_each(|(x, z)| {
                let mut read = vec![0.0; x.len()];
                depthwise::load_values(x, c, Load::Relu, &mut read);
                product(&read, c, x.len() / c, packed, z, outputs);
            });
        }
        for (p, packed) in s.parts().zip(&self.forward) {
            if p.outputs > 0 {
                s.gather(x, p.shift, &mut scratch.gathered);
                product(&scratch.gathered, s.channels_in, s.pixels(), packed, &mut z[p.first..], s.channels_out);
            }
        }
    }

    /// Whether it is one map of so many pixels that its rows are worth a task each: all pictures' together.
    fn is_alone(&self) -> bool {
        self.alone && !self.shape.halve && self.shape.pixels() > 1
    }

    /// Adds to the gradient of the input and to that of the weights.
    pub fn backward(
        &self,
        x: &[f32],
        dz: &[f32],
        mut gradient: Option<&mut [f32]>,
        mut dx: Option<&mut [f32]>,
        scratch: &mut Scratch,
    ) {
        let s = &self.shape;
        let c = s.channels_in;
        if let (Some(packed), true) = (self.backward.first(), self.is_alone()) {
            let outputs = s.channels_out;
            if let Some(gradient) = gradient {
                s.gather(x, 0, &mut scratch.gathered);
                let read = &scratch.gathered;
                // Some of the inputs each, over all pixels: each number is summed in the order of one task.
                gradient.par_chunks_mut(INPUTS * outputs).enumerate().for_each(|(i, gradient)| {
                    let outer = Outer {
                        m: s.pixels(),
                        k: gradient.len() / outputs,
                        n: outputs,
                        lda: c,
                        ldb: outputs,
                        ldc: outputs,
                    };
                    outer.add(&read[i * INPUTS..], dz, gradient);
                });
            }
            if let Some(dx) = dx {
                let rows = dz.par_chunks(ROWS * outputs).zip(x.par_chunks(ROWS * c)).zip(dx.par_chunks_mut(ROWS * c));
                rows.for_each(|((dz, x), dx)| {
                    let mut open = vec![0.0; x.len()];
                    product(dz, outputs, x.len() / c, packed, &mut open, c);
                    relu::add_where_positive(x, &open, dx);
                });
            }
            return;
        }
        let mut at = 0;
        for (p, packed) in s.parts().zip(&self.backward) {
            let weights = at..at + c * p.outputs;
            at = weights.end;
            if p.outputs == 0 {
                continue;
            }
            let dz = &dz[p.first..];
            if let Some(gradient) = &mut gradient {
                s.gather(x, p.shift, &mut scratch.gathered);
                Outer { m: s.pixels(), k: c, n: p.outputs, lda: c, ldb: s.channels_out, ldc: p.outputs }.add(
                    &scratch.gathered,
                    dz,
                    &mut gradient[weights],
                );
            }
            if let Some(dx) = &mut dx {
                scratch.gradient.resize(s.pixels() * c, 0.0);
                product(dz, s.channels_out, s.pixels(), packed, &mut scratch.gradient, c);
                if s.halve {
                    for (g, at) in scratch.gradient.chunks_exact(c).zip(s.sources(p.shift)) {
                        if let Some(at) = at {
                            relu::add_where_positive(&x[at..at + c], g, &mut dx[at..at + c]);
                        }
                    }
                } else {
                    relu::add_where_positive(x, &scratch.gradient, dx);
                }
            }
        }
    }
}
