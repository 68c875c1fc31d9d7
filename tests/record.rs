//! Whole steps of searches and trainings on a device that runs nothing: every launch within the limits of devices and of the memory that was
//! asked for, and the memory that was predicted, to the byte.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use zonas::engine::score::{Evaluator, NetworkEvaluator, Proxy};
use zonas::kernels::gpu::{Buffer, Gpu, Kernel, Launcher, Record, Recorder};
use zonas::nn::{DropPath, Evaluation, EvaluationConfig, Init, Policy, Precision, Supernet, SupernetConfig, Workload};
use zonas::oneshot::{Batch, Order, Searcher, Settings, SgdSettings, Trainer, TrainerSettings};
use zonas::proxies::{self, Draw};
use zonas::space::{Mask, Operation, Space, Stem, darts, parse_genotype};

fn config(channels: usize, cells: usize, mask: Mask, policy: Policy, precision: Precision) -> SupernetConfig {
    let space = mask.space();
    let (layout, stem_multiplier) = (space.layout(cells), space.stacking().stem());
    SupernetConfig {
        channels,
        classes: 10,
        input_channels: 3,
        layout,
        stem_multiplier,
        stem: Stem::Cifar,
        mask,
        policy,
        precision,
    }
}

fn nas_bench_201() -> Space {
    Space::find("nas_bench_201").unwrap()
}

/// A space of dense and separable convolutions in cells of two inputs, at both strides.
const MIXED: &str = r#"
name = "mixed"
about = "dense convolutions among those of DARTS"
operations = ["none", "nor_conv_1x1", "nor_conv_3x3", "sep_conv_3x3", "conv_7x1_1x7", "skip_connect", "avg_pool_3x3"]
[normal]
nodes = 2
edges = "complete"
[reduction]
nodes = 3
edges = "complete"
"#;

/// The widest windows, and more nodes than DARTS has.
const WIDE: &str = r#"
name = "wide"
about = "wide windows"
operations = ["sep_conv_7x7", "max_pool_5x5", "skip_connect"]
[normal]
nodes = 6
edges = "complete"
[reduction]
nodes = 5
edges = "complete"
"#;

/// Steps of a search on pictures of `side` x `side`; panics where a launch is refused. Momentum comes with the first.
fn search(recorder: &Arc<Recorder>, config: &SupernetConfig, images: usize, side: usize, order: Order, steps: usize) {
    let mut net = Supernet::new(config).unwrap().on(Some(recorder.clone()));
    net.initialise(Init::Default, 1).unwrap();
    let mut searcher = Searcher::new(net, Settings::published(order), 1).unwrap();
    let pictures = Tensor::zeros((images, side, side, 3), DType::F32, &Device::Cpu).unwrap();
    let batch = Batch { images: pictures, labels: Tensor::zeros(images, DType::U32, &Device::Cpu).unwrap() };
    for _ in 0..steps {
        searcher.step(&batch, Some(&batch), 0.025).unwrap();
    }
}

#[test]
fn predictions_are_the_bytes_that_passes_ask_for() {
    let odd = darts::FULL
        .places()
        .step_by(3)
        .fold(darts::FULL, |m, p| if m.without(p).check().is_ok() { m.without(p) } else { m });
    let noisy = Space::find("darts_s4").unwrap().full();
    let all = nas_bench_201().full();
    let some = all.places().step_by(3).fold(all, |m, p| if m.without(p).check().is_ok() { m.without(p) } else { m });
    let masks = [
        Space::read(MIXED).unwrap().full(),
        Space::read(WIDE).unwrap().full(),
        all,
        some,
        noisy,
        darts::FULL,
        Mask::uniform(darts::SPACE, &darts::SPACE.operations()[1..5]),
        Mask::uniform(darts::SPACE, &[Operation::None]),
        odd,
    ];
    let cases = [
        (Policy::Keep, Order::First),
        (Policy::Recompute, Order::First),
        (Policy::RecomputeFirst(2), Order::First),
        (Policy::Recompute, Order::Second),
    ];
    for (channels, cells, images, side) in [(1, 5, 3, 9), (16, 8, 64, 32), (67, 3, 2, 16)] {
        // Noise is drawn by the host, which takes its time.
        for mask in masks.into_iter().filter(|m| *m != noisy || images < 64) {
            for ((policy, order), precision) in cases.into_iter().flat_map(|c| Precision::ALL.map(|p| (c, p))) {
                let config = config(channels, cells, mask, policy, precision);
                // Each map by itself, and as a real device is asked for them.
                let [(left, peak), joined] = [Recorder::new(), Recorder::joining()].map(|recorder| {
                    search(&recorder, &config, images, side, order, 2);
                    recorder.bytes()
                });
                assert_eq!((left, peak), joined);
                let work = Workload { images, height: side, width: side, second_order: order.is_second(), threads: 1 };
                let predicted = config.gpu_footprints(&work)(policy);
                let kept = mask.places().count();
                let space = mask.space().name();
                let what =
                    format!("{space}: {channels} channels, {policy}, {precision}, order {order}, {kept} operations");
                assert_eq!(left, 0, "{what}: memory is not given back");
                assert_eq!(peak, predicted, "{what}");
                println!("{what}: {:.1} MiB", peak as f64 / f64::from(1 << 20));
            }
        }
    }
}

#[test]
fn so_they_are_with_the_stem_for_large_pictures() {
    for (channels, cells, images, side) in [(3, 3, 3, 37), (16, 8, 8, 224), (33, 5, 2, 128)] {
        for (policy, order) in [(Policy::Keep, Order::First), (Policy::RecomputeFirst(2), Order::Second)] {
            for precision in Precision::ALL {
                let plain = config(channels, cells, darts::FULL, policy, precision);
                let config = SupernetConfig { stem: Stem::ImageNet, ..plain };
                let recorder = Recorder::new();
                search(&recorder, &config, images, side, order, 2);
                let work = Workload { images, height: side, width: side, second_order: order.is_second(), threads: 1 };
                let what = format!("{channels} channels, {policy}, {precision}, order {order}");
                assert_eq!(recorder.bytes(), (0, config.gpu_footprints(&work)(policy)), "{what}");
            }
        }
    }
    for (channels, cells, images, side, auxiliary) in
        [(48, 14, 4, 224, true), (2, 1, 3, 112, true), (7, 4, 2, 51, false)]
    {
        let config = EvaluationConfig { stem: Stem::ImageNet, ..evaluation(GENOTYPE, channels, cells, auxiliary) };
        for policy in [Policy::Keep, Policy::RecomputeFirst(2), Policy::Recompute] {
            let recorder = Recorder::new();
            train(&recorder, &config, policy, images, side, 0.2);
            let predicted = config.gpu_footprints([images, side, side], true)(policy);
            assert_eq!(recorder.bytes(), (0, predicted), "{channels} channels, {policy}");
        }
    }
}

/// Evaluations beside each other, each on a stream of its own: none touches memory of another.
#[test]
fn streams_share_no_memory() {
    streams(darts::NO_NONE, 11);
    streams(nas_bench_201().full(), 5);
}

/// Networks that lack some operations of `mask`, one in every `step`.
fn streams(mask: Mask, step: usize) {
    let recorder = Recorder::new();
    let functions = ["naswot", "snip", "synflow", "relu_regions"].map(|n| proxies::by_name(n).unwrap()).into();
    let proxy =
        Proxy { channels: 2, layout: mask.space().layout(3), classes: 10, input_channels: 3, stem: Stem::Cifar };
    let pictures = Tensor::zeros((4, 8, 8, 3), DType::F32, &Device::Cpu).unwrap();
    let labels = Tensor::zeros(4, DType::U32, &Device::Cpu).unwrap();
    let draw = |n| Draw::new(pictures.clone(), labels.clone(), 2, n);
    let mut evaluator = NetworkEvaluator::new(proxy, functions, 2, 3, draw).on(Some(recorder.clone()));
    let places: Vec<_> = mask.places().step_by(step).collect();
    evaluator.baseline(&mask, 0).unwrap();
    assert_eq!(recorder.counts().1, 3);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    pool.install(|| evaluator.without(&places)).unwrap();
    drop(evaluator);
    assert_eq!(recorder.bytes().0, 0, "memory is not given back");
    // The check is one: a buffer of the first stream is none of the second's.
    let other = recorder.beside().unwrap().unwrap();
    let own: Gpu = recorder.clone();
    let buffer = Buffer::zeros(&own, 4).unwrap();
    assert!(other.clear(buffer.address(), 16).is_err());
}

/// Every operation in both kinds of cell, and nodes that are no part of the output.
const LONG: &str = "Genotype(normal=[('conv_7x1_1x7', 0), ('conv_7x1_1x7', 0), ('sep_conv_3x3', 2), ('conv_7x1_1x7', 1)], normal_concat=[3], \
    reduce=[('conv_7x1_1x7', 0), ('conv_7x1_1x7', 1), ('max_pool_3x3', 0), ('conv_7x1_1x7', 2)], reduce_concat=[2, 3])";

/// Seven nodes, and the widest windows.
const DEEP: &str = "Genotype(normal=[('sep_conv_7x7', 0), ('max_pool_5x5', 1), ('sep_conv_7x7', 0), ('conv_1x1', 2), ('skip_connect', 0), \
    ('sep_conv_3x3', 3), ('max_pool_5x5', 0), ('avg_pool_3x3', 0), ('sep_conv_5x5', 5), ('skip_connect', 0), ('dil_conv_3x3', 4), \
    ('sep_conv_7x7', 6), ('conv_7x1_1x7', 7), ('max_pool_3x3', 0)], normal_concat=[6, 7, 8], \
    reduce=[('sep_conv_7x7', 0), ('max_pool_5x5', 1), ('skip_connect', 0), ('max_pool_5x5', 0), ('skip_connect', 1), ('sep_conv_7x7', 1), \
    ('skip_connect', 0), ('max_pool_5x5', 3), ('sep_conv_7x7', 4), ('skip_connect', 0)], reduce_concat=range(2, 7))";

const GENOTYPE: &str = "Genotype(normal=[('sep_conv_3x3', 0), ('max_pool_3x3', 1), ('dil_conv_3x3', 0), ('skip_connect', 2), \
    ('max_pool_3x3', 1), ('avg_pool_3x3', 3), ('skip_connect', 0), ('dil_conv_5x5', 4)], normal_concat=[5, 3], \
    reduce=[('max_pool_3x3', 0), ('sep_conv_3x3', 1), ('skip_connect', 0), ('dil_conv_5x5', 2), ('avg_pool_3x3', 1), \
    ('dil_conv_3x3', 0), ('sep_conv_5x5', 0), ('skip_connect', 1)], reduce_concat=range(2, 6))";

const DARTS: &str = "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), \
    ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=range(2, 6), \
    reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), \
    ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=range(2, 6))";

/// The best of NAS-Bench-201 on CIFAR-10, but for a pooling.
const ARCH: &str = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|";

/// Two steps of a training on pictures of `side` x `side`; panics where a launch is refused.
fn train(recorder: &Arc<Recorder>, config: &EvaluationConfig, policy: Policy, images: usize, side: usize, drop: f64) {
    let mut net = Evaluation::new(config).unwrap().on(Some(recorder.clone())).keeping(policy);
    net.initialise(Init::Default, 1).unwrap();
    let sgd = SgdSettings { momentum: 0.9, weight_decay: 3e-4, clip: 5.0, nesterov: false };
    let mut trainer = Trainer::new(net, TrainerSettings { sgd, auxiliary: 0.4 });
    let pictures = Tensor::zeros((images, side, side, 3), DType::F32, &Device::Cpu).unwrap();
    let batch = Batch { images: pictures, labels: Tensor::zeros(images, DType::U32, &Device::Cpu).unwrap() };
    let drop = DropPath { probability: drop, seed: 1, at: [0, 0] };
    for _ in 0..2 {
        trainer.step(&batch, 0.025, Some(drop)).unwrap();
    }
    // A look at test pictures takes less.
    trainer.evaluate(&batch).unwrap();
}

fn evaluation(genotype: &str, channels: usize, cells: usize, auxiliary: bool) -> EvaluationConfig {
    let genotype = parse_genotype(genotype).unwrap();
    EvaluationConfig { genotype, channels, cells, input_channels: 3, classes: 10, auxiliary, stem: Stem::Cifar }
}

#[test]
fn a_training_takes_the_bytes_that_were_predicted() {
    let cases = [
        (evaluation(DARTS, 36, 20, true), 96, 32),
        (evaluation(DARTS, 16, 8, true), 64, 32),
        (evaluation(GENOTYPE, 67, 3, false), 2, 15),
        (evaluation(GENOTYPE, 3, 2, true), 7, 36),
        (evaluation(GENOTYPE, 1, 1, true), 1, 17),
        (evaluation(LONG, 16, 8, true), 64, 32),
        (evaluation(LONG, 35, 3, false), 3, 9),
        (evaluation(DEEP, 20, 6, true), 8, 32),
        (evaluation(DEEP, 35, 3, false), 3, 9),
        (evaluation(ARCH, 16, 15, false), 64, 32),
        (evaluation(ARCH, 35, 4, false), 3, 9),
        (
            evaluation("|none~0|+|none~0|nor_conv_3x3~1|+|nor_conv_1x1~0|avg_pool_3x3~1|skip_connect~2|", 3, 3, false),
            2,
            7,
        ),
    ];
    for (config, images, side) in cases {
        let policies = [Policy::Keep, Policy::RecomputeFirst(2), Policy::Recompute];
        for (policy, drop) in policies.into_iter().flat_map(|p| [(p, 0.0), (p, 0.2)]) {
            let recorder = Recorder::new();
            train(&recorder, &config, policy, images, side, drop);
            let (left, peak) = recorder.bytes();
            let what = format!("{} channels, {} cells, {policy}, drop path {drop}", config.channels, config.cells);
            println!("{what}: {:.1} MiB, {} launches", peak as f64 / f64::from(1 << 20), recorder.take().len());
            assert_eq!(left, 0, "{what}: memory is not given back");
            let predicted = config.gpu_footprints([images, side, side], drop > 0.0)(policy);
            assert_eq!(peak, predicted, "{what}");
        }
    }
}

/// Once they are there, weights, momentum and gradients stay: what crosses are pictures, alphas, moments, logits and their
/// gradients.
#[test]
fn weights_stay_on_the_device() {
    let recorder = Recorder::new();
    let mut net = Supernet::new(&config(16, 8, darts::FULL, Policy::Keep, Precision::Float32)).unwrap();
    net.initialise(Init::Default, 1).unwrap();
    let bytes = 4 * net.parameters().count() as u64;
    let mut searcher = Searcher::new(net.on(Some(recorder.clone())), Settings::published(Order::First), 1).unwrap();
    let images = Tensor::zeros((2, 16, 16, 3), DType::F32, &Device::Cpu).unwrap();
    let batch = Batch { images, labels: Tensor::zeros(2, DType::U32, &Device::Cpu).unwrap() };
    let mut crossed = || {
        searcher.step(&batch, Some(&batch), 0.025).unwrap();
        searcher.evaluate(&batch).unwrap();
        recorder.crossed()
    };
    let (first, later) = (crossed(), crossed());
    println!("{first:?} {later:?}, the weights {bytes} bytes");
    assert!(first[0] > bytes && later.iter().all(|crossed| 5 * crossed < bytes));
    // A checkpoint asks for weights and momentum.
    searcher.state().unwrap();
    assert_eq!(recorder.crossed(), [0, 2 * bytes]);
}

/// Few launches to an edge: the host must not be what a search waits for.
#[test]
fn launches_are_few() {
    let launches = |precision| {
        let recorder = Recorder::new();
        search(&recorder, &config(16, 8, darts::FULL, Policy::Keep, precision), 64, 32, Order::First, 1);
        recorder.take()
    };
    let records = launches(Precision::Float32);
    let edges = 8 * 14 * 2;
    println!("{} launches, {:.1} to an edge and step", records.len(), records.len() as f64 / edges as f64);
    assert!(records.len() < 8 * edges, "{}", records.len());
    let recorder = Recorder::new();
    train(&recorder, &evaluation(DARTS, 2, 2, true), Policy::Keep, 2, 32, 0.2);
    let other = Recorder::new();
    let mask = nas_bench_201().full();
    search(&other, &config(16, 15, mask, Policy::Keep, Precision::Float32), 64, 32, Order::First, 1);
    let others = other.take();
    println!("nas_bench_201: {} launches, {} MiB at most", others.len(), other.bytes().1 >> 20);
    let mut of_all = records.clone();
    of_all.extend(others);
    of_all.extend(recorder.take());
    assert!(of_all.iter().all(|r| r.bytes > 0));
    assert!(Kernel::ALL.iter().all(|k| of_all.iter().any(|r| r.kernel == *k)), "a kernel is never used");
    // What a device's driver takes its time for, too.
    let asked = [Recorder::new(), Recorder::joining()].map(|recorder| {
        search(&recorder, &config(16, 8, darts::FULL, Policy::Keep, Precision::Float32), 64, 32, Order::First, 1);
        recorder.counts().0
    });
    println!("memory is asked for {} times, map by map {}", asked[1], asked[0]);
    assert!(asked[1] < 2 * records.len());
    // The same launches, which move less.
    let narrow = launches(Precision::Bf16);
    assert_eq!(narrow.len(), records.len());
    let moved = |records: &[Record]| records.iter().map(|r| r.bytes).sum::<u64>();
    println!("{} MB, with bf16 {} MB", moved(&records) / 1_000_000, moved(&narrow) / 1_000_000);
    assert!(4 * moved(&narrow) < 3 * moved(&records));
}
