//! Dense convolutions of one image, windows of 1 or 3 with stride 1 or 2. Inputs are padded beforehand
//! ([`depthwise::pad`](super::depthwise::pad)), with the ReLU before the convolution applied on the way: a padded map is
//! `[H + 2p, W + 2p, C]` with zeros around.
//!
//! A row of taps over all input channels lies in one piece, so that a convolution is a sum of small matrix products, one for
//! each row of taps, and each output is written once.

use std::ops::Range;

mod gradient;
mod panels;
mod tile;

use panels::Panels;
use tile::Plan;

/// Shape of a dense convolution; padding is `(kernel - 1) / 2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Size of the input map.
    pub height: usize,
    pub width: usize,
    /// Channels of the input and of the output.
    pub inputs: usize,
    pub outputs: usize,
    /// 1 or 3.
    pub kernel: usize,
    /// 1 or 2.
    pub stride: usize,
}

impl Shape {
    /// The padding of the convolution: what a padded map has at least.
    pub const fn reach(&self) -> usize {
        self.kernel / 2
    }

    /// `ceil(height / stride)`.
    pub const fn out_height(&self) -> usize {
        self.height.div_ceil(self.stride)
    }

    pub const fn out_width(&self) -> usize {
        self.width.div_ceil(self.stride)
    }

    /// Numbers in the output map.
    pub const fn out_len(&self) -> usize {
        self.out_height() * self.out_width() * self.outputs
    }

    /// Numbers in the weights, `[k·k·C_in, C_out]`.
    pub const fn weights_len(&self) -> usize {
        self.kernel * self.kernel * self.inputs * self.outputs
    }

    /// Numbers in a row of an input map with `padding` on each side.
    const fn padded_row(&self, padding: usize) -> usize {
        (self.width + 2 * padding) * self.inputs
    }

    /// Numbers in an input map with `padding` on each side.
    pub const fn padded_len(&self, padding: usize) -> usize {
        (self.height + 2 * padding) * self.padded_row(padding)
    }

    const fn out_padded_row(&self, padding: usize) -> usize {
        (self.out_width() + 2 * padding) * self.outputs
    }

    /// Numbers in an output map with `padding` on each side.
    pub const fn out_padded_len(&self, padding: usize) -> usize {
        (self.out_height() + 2 * padding) * self.out_padded_row(padding)
    }

    /// Where row `y` of an output map begins in one with `padding` on each side.
    pub const fn out_padded_at(&self, y: usize, padding: usize) -> usize {
        (y + padding) * self.out_padded_row(padding) + padding * self.outputs
    }

    /// The walk of so many output rows, `out_row` numbers apart, over an input map with `padding` on each side.
    const fn plan(&self, padding: usize, rows: usize, out_row: usize, onto: bool) -> Plan {
        let row = self.padded_row(padding);
        Plan {
            rows,
            pixels: self.out_width(),
            tap_rows: self.kernel,
            depth: self.kernel * self.inputs,
            columns: self.outputs,
            in_row: self.stride * row,
            in_pixel: self.stride * self.inputs,
            tap_row: row,
            out_row,
            out_pixel: self.outputs,
            onto,
        }
    }

    /// Where the first tap of the first output lies in that map.
    const fn first(&self, padding: usize) -> usize {
        (padding - self.reach()) * (self.padded_row(padding) + self.inputs)
    }

    fn check(&self, weights: &[f32]) {
        assert!(matches!(self.kernel, 1 | 3), "windows are 1 or 3 wide, not {}", self.kernel);
        assert!(matches!(self.stride, 1 | 2), "strides are 1 or 2, not {}", self.stride);
        assert!(self.inputs > 0 && self.outputs > 0, "a convolution without channels");
        assert_eq!(weights.len(), self.weights_len(), "weights are [k·k·C_in, C_out]");
    }

    /// The rows (columns) of taps that an input row (column) of this parity takes its gradient from, in the order of the
    /// output's rows (columns).
    const fn turned(&self, parity: usize) -> &'static [usize] {
        match (self.kernel, self.stride, parity) {
            (3, 1, _) => &[2, 1, 0],
            (3, _, 0) => &[1],
            (3, ..) => &[2, 0],
            (_, 2, 1) => &[],
            _ => &[0],
        }
    }

    /// How many kinds of input rows (columns) there are to [`Shape::turned`].
    const fn parities(&self) -> Range<usize> {
        0..self.stride
    }
}

/// Weights made ready for [`forward`], once per pass.
#[derive(Clone, Debug)]
pub struct Weights {
    shape: Shape,
    panels: Panels,
}

impl Weights {
    /// From `[k·k·C_in, C_out]`, the taps row by row.
    pub fn new(shape: Shape, weights: &[f32]) -> Weights {
        shape.check(weights);
        let rows = shape.kernel * shape.kernel * shape.inputs;
        let panels = Panels::new(weights.chunks_exact(shape.outputs), rows, shape.outputs);
        Weights { shape, panels }
    }

    pub fn shape(&self) -> &Shape {
        &self.shape
    }
}

/// Weights turned round for [`input_gradient`], once per pass.
#[derive(Clone, Debug)]
pub struct Turned {
    shape: Shape,
    /// By the parity of row and column.
    panels: [[Panels; 2]; 2],
}

impl Turned {
    /// From `[k·k·C_in, C_out]`, the taps row by row.
    pub fn new(shape: Shape, weights: &[f32]) -> Turned {
        shape.check(weights);
        let Shape { inputs, outputs, kernel, .. } = shape;
        // Each tap as [C_out, C_in].
        let mut turned = vec![0.0; weights.len()];
        for (to, from) in turned.chunks_exact_mut(inputs * outputs).zip(weights.chunks_exact(inputs * outputs)) {
            for (o, to) in to.chunks_exact_mut(inputs).enumerate() {
                from[o..].iter().step_by(outputs).zip(to).for_each(|(v, to)| *to = *v);
            }
        }
        let mut panels: [[Panels; 2]; 2] = Default::default();
        for (a, b) in shape.parities().flat_map(|a| shape.parities().map(move |b| (a, b))) {
            let (tap_rows, taps) = (shape.turned(a), shape.turned(b));
            let count = tap_rows.len() * taps.len() * outputs;
            let taps = tap_rows.iter().flat_map(|y| taps.iter().map(move |x| y * kernel + x));
            let rows = taps.flat_map(|t| turned[t * inputs * outputs..][..inputs * outputs].chunks_exact(inputs));
            panels[a][b] = Panels::new(rows, count, inputs);
        }
        Turned { shape, panels }
    }

    pub fn shape(&self) -> &Shape {
        &self.shape
    }
}

/// Output rows `rows` of `out[y, x, o] = Σ padded[y·s + t_y, x·s + t_x, i] · weights[t, i, o]`; `padding` (at least the reach)
/// is what `padded` was made with, `out` is `[rows, W', C_out]`. Where `onto`, they are added to what is in `out`: a bias, or
/// another convolution's output.
pub fn forward(w: &Weights, padded: &[f32], padding: usize, rows: Range<usize>, out: &mut [f32], onto: bool) {
    let s = &w.shape;
    assert!(padding >= s.reach(), "a window of {} needs more padding than {padding}", s.kernel);
    assert!(
        padded.len() >= s.padded_len(padding)
            && rows.end <= s.out_height()
            && out.len() >= rows.len() * s.out_width() * s.outputs,
        "an operand of a dense convolution is short"
    );
    let plan = s.plan(padding, rows.len(), s.out_width() * s.outputs, onto);
    if plan.is_empty() {
        return;
    }
    let first = s.first(padding) + rows.start * plan.in_row;
    // SAFETY: the last tap of the last pixel lies inside the padded map, whose size was checked above; so were the output's
    // size and, when they were made, that of the weights.
    unsafe { tile::convolve(&plan, padded[first..].as_ptr(), w.panels.as_ptr(), out.as_mut_ptr()) }
}

/// Rows `rows` of the gradient of the padded input's middle, `[rows, W, C_in]`, from the output's gradient `dz`,
/// `[H' + 2p, W' + 2p, C_out]` with `padding` (at least the reach) of zeros around. Where `onto`, they are added to what is in
/// `dx`.
pub fn input_gradient(w: &Turned, dz: &[f32], padding: usize, rows: Range<usize>, dx: &mut [f32], onto: bool) {
    let s = &w.shape;
    assert!(padding >= s.reach(), "a window of {} needs more padding than {padding}", s.kernel);
    assert!(
        dz.len() >= s.out_padded_len(padding) && rows.end <= s.height && dx.len() >= rows.len() * s.width * s.inputs,
        "an operand of a dense convolution's gradient is short"
    );
    let row = s.out_padded_row(padding);
    for (a, b) in s.parities().flat_map(|a| s.parities().map(move |b| (a, b))) {
        let (tap_rows, taps) = (s.turned(a), s.turned(b));
        // Rows y·s + a that are asked for.
        let own = rows.start.saturating_sub(a).div_ceil(s.stride)..rows.end.saturating_sub(a).div_ceil(s.stride);
        let plan = Plan {
            rows: own.len(),
            pixels: s.width.saturating_sub(b).div_ceil(s.stride),
            tap_rows: tap_rows.len(),
            depth: taps.len() * s.outputs,
            columns: s.inputs,
            in_row: row,
            in_pixel: s.outputs,
            tap_row: row,
            out_row: s.stride * s.width * s.inputs,
            out_pixel: s.stride * s.inputs,
            onto,
        };
        if plan.is_empty() || (onto && tap_rows.len() * taps.len() == 0) {
            continue;
        }
        let extra = if s.stride == 1 { padding - s.reach() } else { padding };
        let from = (extra + own.start) * row + extra * s.outputs;
        let to = ((own.start * s.stride + a - rows.start) * s.width + b) * s.inputs;
        // SAFETY: as in `forward`. With stride 2 an odd row reads output rows y and y + 1: the latter is at most the first below
        // the map, and windows that reach beyond it have padding there. So it is with columns.
        unsafe { tile::convolve(&plan, dz[from..].as_ptr(), w.panels[a][b].as_ptr(), dx[to..].as_mut_ptr()) }
    }
}

/// `gradient[t, i, o] += Σ padded[y·s + t_y, x·s + t_x, i] · dz[y, x, o]`; `padded` as in [`forward`]; `dz` is
/// `[H' + 2q, W' + 2q, C_out]` with `dz_padding` q, so that one map serves [`input_gradient`] too.
pub fn add_weight_gradient(
    s: &Shape,
    padded: &[f32],
    padding: usize,
    dz: &[f32],
    dz_padding: usize,
    gradient: &mut [f32],
) {
    s.check(gradient);
    assert!(padding >= s.reach(), "a window of {} needs more padding than {padding}", s.kernel);
    assert!(
        padded.len() >= s.padded_len(padding) && dz.len() >= s.out_padded_len(dz_padding),
        "an operand of a dense convolution's gradient is short"
    );
    let plan = s.plan(padding, s.out_height(), s.out_padded_row(dz_padding), true);
    if plan.is_empty() {
        return;
    }
    let (x, d) = (&padded[s.first(padding)..], &dz[s.out_padded_at(0, dz_padding)..]);
    // SAFETY: as in `forward`; the gradient's size was checked above.
    unsafe { gradient::weight_gradient(&plan, x.as_ptr(), d.as_ptr(), gradient.as_mut_ptr()) }
}
