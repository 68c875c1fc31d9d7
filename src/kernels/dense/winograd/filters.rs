//! Transformed weights.

use super::{PANEL, PLACES, row};
use crate::kernels::dense::Shape;
use crate::kernels::dense::panels::Line;
use crate::kernels::simd::{Simd, dispatch};

/// Panel by panel of 16 output channels, in it place by place `[C_in, 16]`; the last panel ends on columns of zeros.
#[derive(Clone, Debug)]
pub(crate) struct Filters(Vec<Line>);

/// Where weights are read: `tap(t)` numbers from the first, so many for the next input and the next output channel.
struct Walk {
    inputs: usize,
    outputs: usize,
    tap: usize,
    /// The last tap comes first.
    turned: bool,
    input: usize,
    output: usize,
}

impl Filters {
    /// Numbers in those of so many channels.
    pub const fn len(inputs: usize, outputs: usize) -> usize {
        PLACES * inputs * row(outputs)
    }

    /// Of `[9·C_in, C_out]`, for the convolution itself.
    pub fn new(s: &Shape, weights: &[f32]) -> Filters {
        let (inputs, outputs, tap) = (s.inputs, s.outputs, s.inputs * s.outputs);
        Filters::of(weights, &Walk { inputs, outputs, tap, turned: false, input: outputs, output: 1 })
    }

    /// For the gradient of its input, a convolution of the output's gradient with the window turned round.
    pub fn turned(s: &Shape, weights: &[f32]) -> Filters {
        let (inputs, outputs, tap) = (s.outputs, s.inputs, s.inputs * s.outputs);
        Filters::of(weights, &Walk { inputs, outputs, tap, turned: true, input: 1, output: inputs })
    }

    fn of(weights: &[f32], w: &Walk) -> Filters {
        assert!(weights.len() >= 9 * w.tap, "a 3x3 window has nine taps");
        let mut lines = vec![Line::ZERO; Filters::len(w.inputs, w.outputs) / PANEL];
        // SAFETY: the weights' length was checked just above, and there are as many lines as places.
        unsafe { expand(w, weights.as_ptr(), lines.as_mut_ptr().cast()) };
        Filters(lines)
    }

    pub fn as_ptr(&self) -> *const f32 {
        self.0.as_ptr().cast()
    }
}

dispatch!(unsafe fn expand(w: &Walk, from: *const f32, to: *mut f32) = expand_body);

#[inline(always)]
unsafe fn expand_body<S: Simd>(w: &Walk, from: *const f32, to: *mut f32) {
    for (o, i) in (0..w.outputs).step_by(PANEL).flat_map(|o| (0..w.inputs).map(move |i| (o, i))) {
        let n = (w.outputs - o).min(PANEL);
        let mut taps = [[0.0f32; PANEL]; 9];
        for (t, tap) in taps.iter_mut().enumerate() {
            let t = if w.turned { 8 - t } else { t };
            unsafe {
                let from = from.add(t * w.tap + i * w.input + o * w.output);
                for (lane, v) in tap.iter_mut().enumerate().take(n) {
                    *v = *from.add(lane * w.output);
                }
            }
        }
        for lane in (0..PANEL).step_by(S::LANES) {
            unsafe {
                let mut half = [[S::splat(0.0); 3]; 4];
                for x in 0..3 {
                    let at = |y: usize| taps[3 * y + x].as_ptr().add(lane);
                    let column = [S::load(at(0)), S::load(at(1)), S::load(at(2))];
                    for (y, v) in expanded::<S>(column).into_iter().enumerate() {
                        half[y][x] = v;
                    }
                }
                for (y, row) in half.into_iter().enumerate() {
                    for (x, v) in expanded::<S>(row).into_iter().enumerate() {
                        let place = 4 * y + x;
                        S::store(to.add(o * PLACES * w.inputs + (place * w.inputs + i) * PANEL + lane), v);
                    }
                }
            }
        }
    }
}

/// `G g`.
#[inline(always)]
unsafe fn expanded<S: Simd>(g: [S::V; 3]) -> [S::V; 4] {
    unsafe {
        let (half, ends) = (S::splat(0.5), S::add(g[0], g[2]));
        [g[0], S::mul(half, S::add(ends, g[1])), S::mul(half, S::sub(ends, g[1])), g[2]]
    }
}
