//! Dense convolutions of one image: windows of an odd number of rows and of columns, stride 1 or 2 along each. Inputs are padded
//! beforehand ([`depthwise::pad`](super::depthwise::pad)), with the ReLU before the convolution applied on the way: a padded map
//! is `[H + 2p, W + 2q, C]` with zeros around, its padding `[p, q]`.
//!
//! A row of taps over all input channels lies in one piece, so that a convolution is a sum of small matrix products, one for
//! each row of taps, and each output is written once. 3x3 windows of stride 1 go another way (`winograd`), with less than half of
//! the products, where there are channels and pixels enough; the shape alone decides.

use std::ops::Range;

mod gradient;
mod panels;
mod tile;
mod winograd;

use panels::{Line, Panels};
use tile::Plan;
use winograd::{Filters, Map, Target};

/// Shape of a dense convolution; padding is `(kernel - 1) / 2`. What has two sides has that of the rows first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Size of the input map.
    pub height: usize,
    pub width: usize,
    /// Channels of the input and of the output.
    pub inputs: usize,
    pub outputs: usize,
    /// Rows and columns of the window, odd numbers.
    pub kernel: [usize; 2],
    /// 1 or 2.
    pub stride: [usize; 2],
}

impl Shape {
    /// The padding of the convolution: what a padded map has at least.
    pub const fn reach(&self) -> [usize; 2] {
        [self.kernel[0] / 2, self.kernel[1] / 2]
    }

    /// Taps of the window.
    pub const fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// `ceil(height / stride)`.
    pub const fn out_height(&self) -> usize {
        self.height.div_ceil(self.stride[0])
    }

    pub const fn out_width(&self) -> usize {
        self.width.div_ceil(self.stride[1])
    }

    /// Numbers in the output map.
    pub const fn out_len(&self) -> usize {
        self.out_height() * self.out_width() * self.outputs
    }

    /// Numbers in the weights, `[taps·C_in, C_out]`.
    pub const fn weights_len(&self) -> usize {
        self.taps() * self.inputs * self.outputs
    }

    /// Numbers in a row of an input map with `padding` on each side.
    const fn padded_row(&self, padding: [usize; 2]) -> usize {
        (self.width + 2 * padding[1]) * self.inputs
    }

    /// Numbers in an input map with `padding` on each side.
    pub const fn padded_len(&self, padding: [usize; 2]) -> usize {
        (self.height + 2 * padding[0]) * self.padded_row(padding)
    }

    const fn out_padded_row(&self, padding: [usize; 2]) -> usize {
        (self.out_width() + 2 * padding[1]) * self.outputs
    }

    /// Numbers in an output map with `padding` on each side.
    pub const fn out_padded_len(&self, padding: [usize; 2]) -> usize {
        (self.out_height() + 2 * padding[0]) * self.out_padded_row(padding)
    }

    /// Where row `y` of an output map begins in one with `padding` on each side.
    pub const fn out_padded_at(&self, y: usize, padding: [usize; 2]) -> usize {
        (y + padding[0]) * self.out_padded_row(padding) + padding[1] * self.outputs
    }

    /// The walk of so many output rows, `out_row` numbers apart, over an input map with `padding` on each side.
    const fn plan(&self, padding: [usize; 2], rows: usize, out_row: usize, onto: bool) -> Plan {
        let row = self.padded_row(padding);
        Plan {
            rows,
            pixels: self.out_width(),
            tap_rows: self.kernel[0],
            depth: self.kernel[1] * self.inputs,
            columns: self.outputs,
            in_row: self.stride[0] * row,
            in_pixel: self.stride[1] * self.inputs,
            tap_row: row,
            out_row,
            out_pixel: self.outputs,
            onto,
            bias: std::ptr::null(),
        }
    }

    /// Where the first tap of the first output lies in that map.
    const fn first(&self, padding: [usize; 2]) -> usize {
        let reach = self.reach();
        (padding[0] - reach[0]) * self.padded_row(padding) + (padding[1] - reach[1]) * self.inputs
    }

    /// Numbers in the scratch that [`forward`] needs, and in that of [`input_gradient`] and [`add_weight_gradient`].
    pub const fn scratch_len(&self) -> [usize; 2] {
        if !winograd::serves(self) {
            return [0; 2];
        }
        let (there, back) = (winograd::forward_scratch(self.inputs), winograd::forward_scratch(self.outputs));
        let serves = winograd::serves_gradient(self);
        let gradient = if serves { winograd::gradient_scratch(self.inputs, self.outputs) } else { 0 };
        [there, if back > gradient { back } else { gradient }]
    }

    /// Numbers in [`Weights`], and in [`Turned`].
    pub const fn ready_len(&self) -> [usize; 2] {
        if winograd::serves(self) {
            return [Filters::len(self.inputs, self.outputs), Filters::len(self.outputs, self.inputs)];
        }
        let (inputs, outputs, taps) = (self.inputs, self.outputs, self.taps());
        [Panels::len(taps * inputs, outputs), Panels::len(taps * outputs, inputs)]
    }

    /// The tiles of an input map, or of an output's gradient, with `padding` on each side.
    fn tiles(&self, map: &[f32], channels: usize, [above, left]: [usize; 2]) -> Map {
        let (rows, columns) = (self.height + 2 * above, self.width + 2 * left);
        // The window reaches one pixel.
        let (above, left) = (above - 1, left - 1);
        let row = columns * channels;
        let at = map[above * row + left * channels..].as_ptr();
        Map { at, rows: rows - above, columns: columns - left, row, channels }
    }

    fn check(&self, weights: &[f32]) {
        assert!(self.kernel.iter().all(|k| k % 2 == 1), "windows have odd sides, not {:?}", self.kernel);
        assert!(self.stride.iter().all(|s| matches!(s, 1 | 2)), "strides are 1 or 2, not {:?}", self.stride);
        assert!(self.inputs > 0 && self.outputs > 0, "a convolution without channels");
        assert_eq!(weights.len(), self.weights_len(), "weights are [taps·C_in, C_out]");
    }

    fn check_padding(&self, padding: [usize; 2]) {
        let enough = padding.iter().zip(self.reach()).all(|(padding, reach)| *padding >= reach);
        assert!(enough, "a window of {:?} needs more padding than {padding:?}", self.kernel);
    }

    /// What an input row (along axis 0) or column (1) of this parity takes its gradient from.
    const fn turned(&self, axis: usize, parity: usize) -> TurnedTaps {
        let (kernel, stride) = (self.kernel[axis], self.stride[axis]);
        let reach = kernel / 2;
        // A tap reads the input at output · stride + tap - reach.
        let least = (parity + reach) % stride;
        if kernel <= least {
            return TurnedTaps { last: 0, step: stride, count: 0, before: 0 };
        }
        let count = (kernel - least).div_ceil(stride);
        let last = least + (count - 1) * stride;
        TurnedTaps { last, step: stride, count, before: (last - parity - reach) / stride }
    }

    /// The kinds of input rows and columns that there are to [`Shape::turned`].
    fn parities(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let [rows, columns] = self.stride;
        (0..rows).flat_map(move |a| (0..columns).map(move |b| (a, b)))
    }
}

/// The rows (columns) of taps that lead to one kind of input rows (columns).
#[derive(Clone, Copy)]
struct TurnedTaps {
    /// The last of them, which the first output row uses; from there every `step`th.
    last: usize,
    step: usize,
    count: usize,
    /// How many output rows the first one is before that of the input row's own number.
    before: usize,
}

impl TurnedTaps {
    /// In the order of the output's rows (columns).
    fn taps(self) -> impl Iterator<Item = usize> + Clone {
        (0..self.count).map(move |i| self.last - i * self.step)
    }
}

/// A buffer that a thread reuses from image to image.
#[derive(Default)]
pub struct Scratch(Vec<Line>);

impl Scratch {
    /// So many numbers of no particular value, on lines of the cache.
    fn at_least(&mut self, len: usize) -> *mut f32 {
        let lines = len.div_ceil(Line::LEN);
        if self.0.len() < lines {
            self.0 = vec![Line::ZERO; lines];
        }
        self.0.as_mut_ptr().cast()
    }
}

/// Weights made ready for [`forward`], once per pass, and the bias.
#[derive(Clone, Debug)]
pub struct Weights {
    shape: Shape,
    form: Form<Panels>,
    /// Zeros up to the end of the last panel; empty where there is none.
    bias: Vec<f32>,
}

/// Weights as one of the two kernels reads them.
#[derive(Clone, Debug)]
enum Form<P> {
    Direct(P),
    Winograd(Filters),
}

impl Weights {
    /// From `[taps·C_in, C_out]`, the taps row by row, and `[C_out]`, if there is a bias.
    pub fn new(shape: Shape, weights: &[f32], bias: Option<&[f32]>) -> Weights {
        shape.check(weights);
        let form = if winograd::serves(&shape) {
            Form::Winograd(Filters::new(&shape, weights))
        } else {
            let rows = shape.taps() * shape.inputs;
            Form::Direct(Panels::new(weights.chunks_exact(shape.outputs), rows, shape.outputs))
        };
        let mut own = bias.unwrap_or_default().to_vec();
        if bias.is_some() {
            assert_eq!(own.len(), shape.outputs, "a bias is [C_out]");
            own.resize(Panels::width(shape.outputs), 0.0);
        }
        Weights { shape, form, bias: own }
    }

    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    fn bias(&self) -> *const f32 {
        if self.bias.is_empty() { std::ptr::null() } else { self.bias.as_ptr() }
    }
}

/// Weights turned round for [`input_gradient`], once per pass.
#[derive(Clone, Debug)]
pub struct Turned {
    shape: Shape,
    /// By the parity of row and column.
    form: Form<[[Panels; 2]; 2]>,
}

impl Turned {
    /// From `[taps·C_in, C_out]`, the taps row by row.
    pub fn new(shape: Shape, weights: &[f32]) -> Turned {
        shape.check(weights);
        let Shape { inputs, outputs, kernel, .. } = shape;
        if winograd::serves(&shape) {
            return Turned { shape, form: Form::Winograd(Filters::turned(&shape, weights)) };
        }
        // Each tap as [C_out, C_in].
        let mut turned = vec![0.0; weights.len()];
        for (to, from) in turned.chunks_exact_mut(inputs * outputs).zip(weights.chunks_exact(inputs * outputs)) {
            for (o, to) in to.chunks_exact_mut(inputs).enumerate() {
                from[o..].iter().step_by(outputs).zip(to).for_each(|(v, to)| *to = *v);
            }
        }
        let mut panels: [[Panels; 2]; 2] = Default::default();
        for (a, b) in shape.parities() {
            let (tap_rows, taps) = (shape.turned(0, a), shape.turned(1, b));
            let count = tap_rows.count * taps.count * outputs;
            let taps = tap_rows.taps().flat_map(|y| taps.taps().map(move |x| y * kernel[1] + x));
            let rows = taps.flat_map(|t| turned[t * inputs * outputs..][..inputs * outputs].chunks_exact(inputs));
            panels[a][b] = Panels::new(rows, count, inputs);
        }
        Turned { shape, form: Form::Direct(panels) }
    }

    pub fn shape(&self) -> &Shape {
        &self.shape
    }
}

/// Output rows `rows` of `out[y, x, o] = Σ padded[y·s + t_y, x·s + t_x, i] · weights[t, i, o]`, plus the bias, if
/// there is one; `padding` (at least the reach) is what `padded` was made with, `out` is `[rows, W', C_out]`. Where `onto`,
/// they are added to what is in `out`.
pub fn forward(
    w: &Weights,
    padded: &[f32],
    padding: [usize; 2],
    rows: Range<usize>,
    out: &mut [f32],
    onto: bool,
    scratch: &mut Scratch,
) {
    let s = &w.shape;
    s.check_padding(padding);
    assert!(
        padded.len() >= s.padded_len(padding)
            && rows.end <= s.out_height()
            && out.len() >= rows.len() * s.out_width() * s.outputs,
        "an operand of a dense convolution is short"
    );
    let panels = match &w.form {
        Form::Direct(panels) => panels,
        Form::Winograd(filters) => {
            let to = Target { rows, width: s.width, channels: s.outputs, onto, bias: w.bias() };
            let held = scratch.at_least(winograd::forward_scratch(s.inputs));
            // SAFETY: the sizes of both maps were checked above, that of the weights when they were made.
            unsafe {
                winograd::convolve(&s.tiles(padded, s.inputs, padding), &to, filters.as_ptr(), out.as_mut_ptr(), held)
            }
            return;
        }
    };
    let plan = Plan { bias: w.bias(), ..s.plan(padding, rows.len(), s.out_width() * s.outputs, onto) };
    if plan.is_empty() {
        return;
    }
    let first = s.first(padding) + rows.start * plan.in_row;
    // SAFETY: the last tap of the last pixel lies inside the padded map, whose size was checked above; so were the output's
    // size and, when they were made, that of the weights.
    unsafe { tile::convolve(&plan, padded[first..].as_ptr(), panels.as_ptr(), out.as_mut_ptr()) }
}

/// Rows `rows` of the gradient of the padded input's middle, `[rows, W, C_in]`, from the output's gradient `dz`,
/// `[H' + 2p, W' + 2q, C_out]` with `padding` (at least the reach) of zeros around. Where `onto`, they are added to what is in
/// `dx`.
pub fn input_gradient(
    w: &Turned,
    dz: &[f32],
    padding: [usize; 2],
    rows: Range<usize>,
    dx: &mut [f32],
    onto: bool,
    scratch: &mut Scratch,
) {
    let s = &w.shape;
    s.check_padding(padding);
    assert!(
        dz.len() >= s.out_padded_len(padding) && rows.end <= s.height && dx.len() >= rows.len() * s.width * s.inputs,
        "an operand of a dense convolution's gradient is short"
    );
    let panels = match &w.form {
        Form::Direct(panels) => panels,
        Form::Winograd(filters) => {
            let to = Target { rows, width: s.width, channels: s.inputs, onto, bias: std::ptr::null() };
            let held = scratch.at_least(winograd::forward_scratch(s.outputs));
            // SAFETY: as in `forward`.
            unsafe {
                winograd::convolve(&s.tiles(dz, s.outputs, padding), &to, filters.as_ptr(), dx.as_mut_ptr(), held)
            }
            return;
        }
    };
    let row = s.out_padded_row(padding);
    let [down, across] = s.stride;
    for (a, b) in s.parities() {
        let (tap_rows, taps) = (s.turned(0, a), s.turned(1, b));
        // Rows y·s + a that are asked for.
        let own = rows.start.saturating_sub(a).div_ceil(down)..rows.end.saturating_sub(a).div_ceil(down);
        let plan = Plan {
            rows: own.len(),
            pixels: s.width.saturating_sub(b).div_ceil(across),
            tap_rows: tap_rows.count,
            depth: taps.count * s.outputs,
            columns: s.inputs,
            in_row: row,
            in_pixel: s.outputs,
            tap_row: row,
            out_row: down * s.width * s.inputs,
            out_pixel: across * s.inputs,
            onto,
            bias: std::ptr::null(),
        };
        if plan.is_empty() || (onto && tap_rows.count * taps.count == 0) {
            continue;
        }
        let from = (padding[0] - tap_rows.before + own.start) * row + (padding[1] - taps.before) * s.outputs;
        let to = ((own.start * down + a - rows.start) * s.width + b) * s.inputs;
        // SAFETY: as in `forward`. What an input row reads is at most the reach before and behind the output row of its own
        // number, and there is so much padding. So it is with columns.
        unsafe { tile::convolve(&plan, dz[from..].as_ptr(), panels[a][b].as_ptr(), dx[to..].as_mut_ptr()) }
    }
}

/// `gradient[o] += Σ dz[p, o]` over all pixels of `[pixels, C_out]`.
pub fn add_bias_gradient(dz: &[f32], gradient: &mut [f32]) {
    let c = gradient.len();
    assert!(c > 0 && dz.len().is_multiple_of(c), "whole pixels of as many channels as the bias has");
    // SAFETY: the sizes were checked just above.
    unsafe { gradient::bias_gradient(dz.len() / c, c, dz.as_ptr(), gradient.as_mut_ptr()) }
}

/// `gradient[t, i, o] += Σ padded[y·s + t_y, x·s + t_x, i] · dz[y, x, o]`; `padded` as in [`forward`]; `dz` is
/// `[H' + 2p, W' + 2q, C_out]` with `dz_padding` `[p, q]`, so that one map serves [`input_gradient`] too.
pub fn add_weight_gradient(
    s: &Shape,
    padded: &[f32],
    padding: [usize; 2],
    dz: &[f32],
    dz_padding: [usize; 2],
    gradient: &mut [f32],
    scratch: &mut Scratch,
) {
    s.check(gradient);
    s.check_padding(padding);
    assert!(
        padded.len() >= s.padded_len(padding) && dz.len() >= s.out_padded_len(dz_padding),
        "an operand of a dense convolution's gradient is short"
    );
    if winograd::serves_gradient(s) {
        let (rows, columns, row) = (s.height, s.width, s.out_padded_row(dz_padding));
        let at = dz[s.out_padded_at(0, dz_padding)..].as_ptr();
        let d = Map { at, rows, columns, row, channels: s.outputs };
        let held = scratch.at_least(winograd::gradient_scratch(s.inputs, s.outputs));
        // SAFETY: as in `forward`.
        unsafe { winograd::weight_gradient(&s.tiles(padded, s.inputs, padding), &d, gradient.as_mut_ptr(), held) }
        return;
    }
    let plan = s.plan(padding, s.out_height(), s.out_padded_row(dz_padding), true);
    if plan.is_empty() {
        return;
    }
    let (x, d) = (&padded[s.first(padding)..], &dz[s.out_padded_at(0, dz_padding)..]);
    // SAFETY: as in `forward`; the gradient's size was checked above.
    unsafe { gradient::weight_gradient(&plan, x.as_ptr(), d.as_ptr(), gradient.as_mut_ptr()) }
}
