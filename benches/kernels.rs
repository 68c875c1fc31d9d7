//! The kernels on one image and one thread, with their arithmetic: `cargo bench --bench kernels`. With `--table` instead of
//! criterion's report a table of GFLOP/s against the limit that this machine shows in a small matrix product.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use zonas::kernels::dense;
use zonas::kernels::depthwise::{self, Load, Shape};
use zonas::kernels::matrix::{Outer, Packed, product};
use zonas::kernels::norm::{Backward, Collector, add_products, mix};
use zonas::kernels::{level, pool, relu};

/// A kernel on one map, ready to run.
struct Case {
    name: String,
    /// Floating-point operations of a run; comparisons count.
    operations: u64,
    run: Box<dyn FnMut()>,
}

fn numbers(len: usize) -> Vec<f32> {
    let mut s = 0x9e37_79b9_7f4a_7c15u64;
    let next = move || {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        (s >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// The sizes of the three stages of the published network on 32x32 pictures, in numbers of equal length.
const STAGES: [(usize, usize); 3] = [(32, 16), (16, 32), (8, 64)];

fn cases() -> Vec<Case> {
    let limit = {
        let (a, b, mut c) = (numbers(64 * 64), Packed::new(&numbers(64 * 64), 64, 64), vec![0.0; 64 * 64]);
        move || product(black_box(&a), 64, 64, &b, &mut c, 64)
    };
    let mut cases = vec![Case { name: "limit".into(), operations: 2 * 64 * 64 * 64, run: Box::new(limit) }];
    for (side, c) in STAGES {
        let pixels = side * side;
        let map = pixels * c;
        let mut add = |name: &str, per_number: usize, run: Box<dyn FnMut()>| {
            cases.push(Case { name: format!("{name} {side}x{side}x{c}"), operations: (per_number * map) as u64, run });
        };
        for (name, kernel, dilation) in [("3x3", 3, 1), ("5x5", 5, 1), ("dilated 5x5", 5, 2)] {
            let shape = Shape { height: side, width: side, channels: c, kernel, stride: 1, dilation };
            let (reach, taps) = (shape.reach(), kernel * kernel);
            let (padded, weights) = (numbers(shape.padded_len(reach)), numbers(taps * c));
            let mut out = vec![0.0; map];
            let (x, w) = (padded.clone(), weights.clone());
            let forward = move || depthwise::forward(&shape, black_box(&x), reach, &w, &mut out);
            add(&format!("depthwise {name}"), 2 * taps, Box::new(forward));
            let mut gradient = vec![0.0; taps * c];
            let spread = numbers(shape.padded_len(reach));
            let back =
                move || depthwise::add_weight_gradient(&shape, black_box(&padded), reach, &spread, &mut gradient);
            add(&format!("weight gradient {name}"), 2 * taps, Box::new(back));
        }
        for (name, kernel) in
            [("dense 3x3", [3, 3]), ("dense 1x1", [1, 1]), ("dense 1x7", [1, 7]), ("dense 7x1", [7, 1])]
        {
            let shape = dense::Shape { height: side, width: side, inputs: c, outputs: c, kernel, stride: [1; 2] };
            let (reach, per_number) = (shape.reach(), 2 * shape.taps() * c);
            let (padded, weights) = (numbers(shape.padded_len(reach)), numbers(shape.weights_len()));
            let (x, w, mut out) = (padded.clone(), dense::Weights::new(shape, &weights, None), vec![0.0; map]);
            let mut scratch = dense::Scratch::default();
            let run = move || dense::forward(&w, black_box(&x), reach, 0..side, &mut out, false, &mut scratch);
            add(name, per_number, Box::new(run));
            let (x, w, mut out) = (padded.clone(), dense::Turned::new(shape, &weights), vec![0.0; map]);
            let mut scratch = dense::Scratch::default();
            let run = move || dense::input_gradient(&w, black_box(&x), reach, 0..side, &mut out, false, &mut scratch);
            add(&format!("{name} input gradient"), per_number, Box::new(run));
            let (dz, mut out, mut scratch) = (numbers(map), weights, dense::Scratch::default());
            let run = move || {
                dense::add_weight_gradient(&shape, black_box(&padded), reach, &dz, [0; 2], &mut out, &mut scratch)
            };
            add(&format!("{name} weight gradient"), per_number, Box::new(run));
        }
        let (x, y, by_channel) = (numbers(map), numbers(map), numbers(c));
        let packed = Packed::new(&numbers(c * c), c, c);
        let (a, mut out) = (x.clone(), vec![0.0; map]);
        add("pointwise", 2 * c, Box::new(move || product(black_box(&a), c, pixels, &packed, &mut out, c)));
        let (a, b, mut out) = (x.clone(), y.clone(), vec![0.0; c * c]);
        let outer = Outer { m: pixels, k: c, n: c, lda: c, ldb: c, ldc: c };
        add("pointwise weight gradient", 2 * c, Box::new(move || outer.add(black_box(&a), &b, &mut out)));
        let (a, mut padded) = (x.clone(), vec![0.0; (side + 4) * (side + 4) * c]);
        let pad = move || depthwise::pad(black_box(&a), side, side, c, 2, Load::Relu, 0.0, &mut padded);
        add("ReLU and padding", 1, Box::new(pad));
        let (a, mut collector) = (x.clone(), Collector::new(c));
        add("moments", 4, Box::new(move || collector.add_map(black_box(&a))));
        let (a, m, mut out) = (x.clone(), by_channel.clone(), x.clone());
        add("mixing", 3, Box::new(move || mix(black_box(&a), &m, &m, &mut out, false)));
        let (a, b, m) = (x.clone(), y.clone(), by_channel.clone());
        let (mut plain, mut with) = (vec![0.0; c], vec![0.0; c]);
        add("norm sums", 4, Box::new(move || add_products(black_box(&a), &b, &m, &mut plain, &mut with)));
        let (a, b, m, mut out) = (x.clone(), y.clone(), by_channel, x.clone());
        let back = Backward { scale: m.clone(), mean: m.clone(), slope: m.clone(), offset: m };
        add("norm backward", 5, Box::new(move || back.apply(black_box(&a), &b, &mut out)));
        let (a, b, mut out) = (x.clone(), y.clone(), x.clone());
        add("ReLU backward", 2, Box::new(move || relu::add_where_positive(black_box(&a), &b, &mut out)));
        let shape = pool::shape(side, side, c, 3, 1);
        let (a, mut out, mut scratch) = (x.clone(), x.clone(), pool::Scratch::default());
        add("max pooling", 8, Box::new(move || pool::max_forward(&shape, black_box(&a), &mut out, &mut scratch)));
        let (a, b, mut out, mut scratch) = (x.clone(), y.clone(), x.clone(), pool::Scratch::default());
        let run = move || pool::max_backward(&shape, black_box(&a), &b, &mut out, &mut scratch);
        add("max pooling backward", 26, Box::new(run));
        let (a, mut out, mut scratch) = (x.clone(), x.clone(), pool::Scratch::default());
        add(
            "average pooling",
            9,
            Box::new(move || pool::average_forward(&shape, black_box(&a), &mut out, &mut scratch)),
        );
        let (mut out, mut scratch) = (x, pool::Scratch::default());
        let run = move || pool::average_backward(&shape, black_box(&y), &mut out, &mut scratch);
        add("average pooling backward", 10, Box::new(run));
    }
    cases
}

/// Seconds of a run: the least of many.
fn least(run: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    let mut best = f64::INFINITY;
    while start.elapsed() < Duration::from_millis(60) {
        let one = Instant::now();
        for _ in 0..8 {
            run();
        }
        best = best.min(one.elapsed().as_secs_f64() / 8.0);
    }
    best
}

fn table() {
    println!("{}, one thread", level().name());
    println!("{:<38} {:>9} {:>9} {:>7}", "kernel", "µs", "GFLOP/s", "limit");
    let mut limit = f64::NAN;
    for mut case in cases() {
        let seconds = least(&mut case.run);
        let rate = case.operations as f64 / seconds / 1e9;
        if limit.is_nan() {
            limit = rate;
        }
        println!("{:<38} {:>9.2} {rate:>9.1} {:>5.0} %", case.name, 1e6 * seconds, 100.0 * rate / limit);
    }
}

fn main() {
    if std::env::args().any(|a| a == "--table") {
        return table();
    }
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let mut group = criterion.benchmark_group("kernels");
    for mut case in cases() {
        group.throughput(Throughput::Elements(case.operations));
        group.bench_function(&case.name, |b| b.iter(&mut case.run));
    }
    group.finish();
    criterion.final_summary();
}
