//! Dense convolutions against plain loops in float64.

use std::ops::Range;

use zonas::kernels::dense::{
    Scratch, Shape, Turned, Weights, add_bias_gradient, add_weight_gradient, forward, input_gradient,
};
use zonas::kernels::depthwise::{Load, pad};
use zonas::kernels::{Level, level};

fn numbers(n: usize, seed: u64) -> Vec<f32> {
    let mut s = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            s ^= s << 13;
            s ^= s >> 7;
            s ^= s << 17;
            (s >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// Calls `each(input, weight, output)` with the places of the numbers of every product of a convolution.
fn products(s: &Shape, mut each: impl FnMut(usize, usize, usize)) {
    let ([rows, columns], [down, across]) = (s.kernel, s.stride);
    let [above, left] = s.reach();
    for (y, x) in (0..s.out_height()).flat_map(|y| (0..s.out_width()).map(move |x| (y, x))) {
        for t in 0..rows * columns {
            let (from_y, from_x) = (y * down + t / columns, x * across + t % columns);
            if from_y < above || from_x < left || from_y - above >= s.height || from_x - left >= s.width {
                continue;
            }
            let from = ((from_y - above) * s.width + from_x - left) * s.inputs;
            for (i, o) in (0..s.inputs).flat_map(|i| (0..s.outputs).map(move |o| (i, o))) {
                let to = (y * s.out_width() + x) * s.outputs;
                each(from + i, (t * s.inputs + i) * s.outputs + o, to + o);
            }
        }
    }
}

/// With so many rows above and below and columns at the sides.
fn padded(map: &[f32], [h, w, c]: [usize; 3], [rows, columns]: [usize; 2], load: Load) -> Vec<f32> {
    let most = rows.max(columns);
    let wide = (w + 2 * most) * c;
    let mut to = vec![f32::NAN; (h + 2 * most) * wide];
    pad(map, h, w, c, most, load, 0.0, &mut to);
    let middle = to.chunks_exact(wide).skip(most - rows).take(h + 2 * rows);
    middle.flat_map(|row| &row[(most - columns) * c..][..(w + 2 * columns) * c]).copied().collect()
}

fn close(ours: &[f32], expected: &[f64], terms: usize, what: &str) {
    assert_eq!(ours.len(), expected.len(), "{what}");
    for (at, (a, e)) in ours.iter().zip(expected).enumerate() {
        let d = (f64::from(*a) - e).abs();
        assert!(d < 2e-6 * (terms as f64).sqrt().max(1.0), "{what}: {a} for {e} at {at}");
    }
}

fn check(s: Shape, extra: usize) {
    let Shape { height, width, inputs, outputs, .. } = s;
    let what = format!("{} {s:?} {extra}", level().name());
    let (x, w, dz) = (numbers(height * width * inputs, 1), numbers(s.weights_len(), 2), numbers(s.out_len(), 3));
    let relu: Vec<f32> = x.iter().map(|v| v.max(0.0)).collect();
    let (mut out, mut dx, mut dw) = (vec![1.0f64; s.out_len()], vec![1.0f64; x.len()], vec![1.0f64; w.len()]);
    products(&s, |i, k, o| {
        let (a, b, d) = (f64::from(relu[i]), f64::from(w[k]), f64::from(dz[o]));
        out[o] += a * b;
        dx[i] += d * b;
        dw[k] += a * d;
    });
    let padding = s.reach().map(|reach| reach + extra);
    let read = padded(&x, [height, width, inputs], padding, Load::Relu);
    let spread = padded(&dz, [s.out_height(), s.out_width(), outputs], padding, Load::Copy);

    let mut scratch = Scratch::default();
    // Onto ones, and set, twice: the same bits.
    let (forwards, backwards) = (Weights::new(s, &w, None), Turned::new(s, &w));
    let mut ours = vec![1.0; s.out_len()];
    forward(&forwards, &read, padding, 0..s.out_height(), &mut ours, true, &mut scratch);
    close(&ours, &out, s.taps() * inputs, &what);
    let mut set = vec![f32::NAN; s.out_len()];
    forward(&forwards, &read, padding, 0..s.out_height(), &mut set, false, &mut scratch);
    ours.iter().zip(&set).for_each(|(a, b)| assert_eq!(*a, 1.0 + b, "{what}"));
    let again = by_rows(s.out_height(), s.out_width() * outputs, |rows, to| {
        forward(&forwards, &read, padding, rows, to, false, &mut scratch);
    });
    assert!(bits(&set) == bits(&again), "{what}: rows apart");

    let (bias, mut sums) = (numbers(outputs, 4), vec![1.0; outputs]);
    add_bias_gradient(&dz, &mut sums);
    let expected: Vec<f64> =
        (0..outputs).map(|o| 1.0 + dz[o..].iter().step_by(outputs).map(|d| f64::from(*d)).sum::<f64>()).collect();
    close(&sums, &expected, s.out_height() * s.out_width(), &what);
    let with_bias = Weights::new(s, &w, Some(&bias));
    for pixel in out.chunks_exact_mut(outputs) {
        pixel.iter_mut().zip(&bias).for_each(|(o, b)| *o += f64::from(*b));
    }
    let mut ours = vec![1.0; s.out_len()];
    forward(&with_bias, &read, padding, 0..s.out_height(), &mut ours, true, &mut scratch);
    close(&ours, &out, s.taps() * inputs, &what);

    let mut ours = vec![1.0; x.len()];
    input_gradient(&backwards, &spread, padding, 0..height, &mut ours, true, &mut scratch);
    close(&ours, &dx, s.taps() * outputs, &what);
    let mut set = vec![f32::NAN; x.len()];
    input_gradient(&backwards, &spread, padding, 0..height, &mut set, false, &mut scratch);
    ours.iter().zip(&set).for_each(|(a, b)| assert_eq!(*a, 1.0 + b, "{what}"));
    let again = by_rows(height, width * inputs, |rows, to| {
        input_gradient(&backwards, &spread, padding, rows, to, false, &mut scratch);
    });
    assert!(bits(&set) == bits(&again), "{what}: rows apart");

    let mut ours = vec![1.0; w.len()];
    add_weight_gradient(&s, &read, padding, &spread, padding, &mut ours, &mut scratch);
    close(&ours, &dw, s.out_height() * s.out_width(), &what);
    let mut again = vec![1.0; w.len()];
    add_weight_gradient(&s, &read, padding, &dz, [0; 2], &mut again, &mut scratch);
    assert!(bits(&ours) == bits(&again), "{what}: the padding of a gradient changed it");
}

/// A map made some rows at a time, with a guard behind each piece.
fn by_rows(rows: usize, row: usize, mut make: impl FnMut(Range<usize>, &mut [f32])) -> Vec<f32> {
    let mut map = Vec::new();
    // One row, then two at a time.
    for y in (0..=rows).step_by(2) {
        let own = y.saturating_sub(1)..(y + 1).min(rows);
        let mut piece = vec![7.0; own.len() * row + 40];
        make(own.clone(), &mut piece);
        let guard = piece.split_off(own.len() * row);
        assert!(guard.iter().all(|v| *v == 7.0), "wrote beyond rows {own:?}");
        map.extend(piece);
    }
    map
}

fn bits(v: &[f32]) -> Vec<u32> {
    v.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn convolutions_and_their_gradients_match_f64_loops_at_every_level() {
    let sizes = [(1, 1), (5, 7), (8, 8), (2, 19), (3, 34)];
    let channels = [
        (1, 1),
        (1, 16),
        (3, 16),
        (4, 3),
        (16, 3),
        (16, 16),
        (16, 33),
        (20, 4),
        (33, 20),
        (16, 32),
        (64, 16),
        (32, 64),
        (64, 64),
    ];
    crate::at_levels(&Level::available(), || {
        for ((height, width), (inputs, outputs)) in sizes.into_iter().flat_map(|s| channels.map(|c| (s, c))) {
            let square = [(1, 1), (1, 2), (3, 1), (3, 2)].map(|(kernel, stride)| ([kernel; 2], [stride; 2]));
            let long = [([1, 7], [1, 1]), ([1, 7], [1, 2]), ([7, 1], [1, 1]), ([7, 1], [2, 1]), ([5, 3], [2, 1])];
            for (kernel, stride) in square.into_iter().chain(long) {
                let s = Shape { height, width, inputs, outputs, kernel, stride };
                check(s, 0);
                if inputs <= 16 {
                    check(s, 1);
                }
            }
        }
    });
}

/// 3x3 windows of stride 1: all numbers of channels about vectors and panels, and tiles that hang over both ends of a map.
#[test]
fn tiles_match_f64_loops_at_every_level() {
    let sizes = [(3, 3), (3, 8), (6, 5), (7, 7), (7, 9)];
    let channels = (1..=70).step_by(3).chain([8, 9, 15, 16, 17, 24, 31, 32, 33, 47, 48, 63, 64, 65]);
    let channels: Vec<(usize, usize)> = channels.flat_map(|c| [(c, c), (c, 71 - c), (8, c), (c, 16)]).collect();
    crate::at_levels(&Level::available(), || {
        for ((height, width), (n, (inputs, outputs))) in
            sizes.into_iter().flat_map(|s| channels.iter().copied().enumerate().map(move |c| (s, c)))
        {
            check(Shape { height, width, inputs, outputs, kernel: [3; 2], stride: [1; 2] }, n % 2);
        }
        // Strips of more than one row of tiles, and of part of one.
        for (height, width, c) in [(32, 32, 16), (17, 33, 16), (16, 16, 32), (9, 9, 64), (5, 40, 70)] {
            check(Shape { height, width, inputs: c, outputs: c, kernel: [3; 2], stride: [1; 2] }, 0);
        }
    });
}

const SMALL: Shape = Shape { height: 4, width: 4, inputs: 2, outputs: 3, kernel: [3; 2], stride: [1; 2] };

#[test]
#[should_panic(expected = "short")]
fn a_short_input_is_refused() {
    let w = Weights::new(SMALL, &vec![0.0; SMALL.weights_len()], None);
    forward(
        &w,
        &vec![0.0; SMALL.padded_len([1; 2]) - 1],
        [1; 2],
        0..4,
        &mut vec![0.0; SMALL.out_len()],
        false,
        &mut Scratch::default(),
    );
}

#[test]
#[should_panic(expected = "short")]
fn a_short_output_is_refused() {
    let w = Weights::new(SMALL, &vec![0.0; SMALL.weights_len()], None);
    forward(
        &w,
        &vec![0.0; SMALL.padded_len([1; 2])],
        [1; 2],
        0..4,
        &mut vec![0.0; SMALL.out_len() - 1],
        false,
        &mut Scratch::default(),
    );
}

#[test]
#[should_panic(expected = "padding")]
fn too_little_padding_is_refused() {
    let w = Turned::new(SMALL, &vec![0.0; SMALL.weights_len()]);
    input_gradient(
        &w,
        &vec![0.0; SMALL.out_padded_len([1; 2])],
        [0; 2],
        0..4,
        &mut [0.0; 32],
        false,
        &mut Scratch::default(),
    );
}

#[test]
#[should_panic(expected = "weights are")]
fn a_gradient_of_another_size_is_refused() {
    let (x, dz) = (vec![0.0; SMALL.padded_len([1; 2])], vec![0.0; SMALL.out_len()]);
    add_weight_gradient(&SMALL, &x, [1; 2], &dz, [0; 2], &mut [0.0; 9], &mut Scratch::default());
}
