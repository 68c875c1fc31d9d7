//! On a real GPU: numbers of searches and trainings against the CPU's, both memory policies, two runs bit for bit, memory that
//! runs out, and runs that change devices. `ZONAS_TEST_DEVICE` names the GPU; where there is none, each test says that it skipped.
//!
//! `tests/gpu.sh` runs these, the reference tensors on the GPU, and the comparison with PyTorch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{Device as Host, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use zonas::device::cuda::Gpu as Driven;
use zonas::device::{Choice, Device, Meter};
use zonas::engine::score::{Evaluator, NetworkEvaluator, Proxy};
use zonas::kernels::gpu::{self, Gpu};
use zonas::kernels::{self, Level};
use zonas::nn::{DropPath, Evaluation, EvaluationConfig, Init, Policy, Precision, Supernet, SupernetConfig, Workload};
use zonas::oneshot::{
    Batch, Order, Searcher, SearcherState, Settings, SgdSettings, Trainer, TrainerSettings, TrainerState,
};
use zonas::proxies::{self, Draw};
use zonas::space::{CellKind, Mask, Operation, Space, Stem, darts, parse_genotype};

/// The GPU to test and its kernels. `None` where there is none; an error where one was named.
fn place() -> Option<(Arc<Driven>, Gpu, MutexGuard<'static, ()>)> {
    // One test at a time: some measure the device's memory, one changes the CPU's vector code.
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let named = std::env::var("ZONAS_TEST_DEVICE").ok();
    let choice: Choice = named.as_deref().unwrap_or("cuda").parse().unwrap();
    match Device::choose(choice) {
        Ok((device @ Device::Cuda(_), _)) => {
            let kernels = gpu::on(&device).unwrap();
            let Device::Cuda(driven) = device else { unreachable!() };
            kernels.map(|kernels| (driven, kernels, alone))
        }
        Ok((Device::Cpu, _)) => panic!("ZONAS_TEST_DEVICE names the CPU"),
        Err(e) if named.is_none() => {
            eprintln!("skipped: {e}");
            None
        }
        Err(e) => panic!("{e}"),
    }
}

fn config(channels: usize, cells: usize, policy: Policy) -> SupernetConfig {
    kept_as(Precision::Float32, channels, cells, policy)
}

fn kept_as(precision: Precision, channels: usize, cells: usize, policy: Policy) -> SupernetConfig {
    SupernetConfig {
        channels,
        classes: 10,
        input_channels: 3,
        layout: darts::SPACE.layout(cells),
        stem_multiplier: 3,
        stem: Stem::Cifar,
        mask: darts::FULL,
        policy,
        precision,
    }
}

/// Of NAS-Bench-201: dense convolutions, residual blocks.
fn dense(channels: usize, cells: usize, policy: Policy) -> SupernetConfig {
    let space = Space::find("nas_bench_201").unwrap();
    let (mask, layout) = (space.full(), space.layout(cells));
    SupernetConfig { mask, layout, stem_multiplier: space.stacking().stem(), ..config(channels, cells, policy) }
}

fn batch(images: usize, side: usize, seed: u64) -> Batch {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let numbers: Vec<f32> = (0..images * side * side * 3).map(|_| rng.random::<f32>() * 4.0 - 2.0).collect();
    let labels: Vec<u32> = (0..images).map(|_| rng.random_range(0..10)).collect();
    Batch {
        images: Tensor::from_vec(numbers, (images, side, side, 3), &Host::Cpu).unwrap(),
        labels: Tensor::from_vec(labels, images, &Host::Cpu).unwrap(),
    }
}

fn searcher(config: &SupernetConfig, gpu: Option<&Gpu>, order: Order) -> Searcher {
    let mut net = Supernet::new(config).unwrap().on(gpu.cloned());
    net.initialise(Init::Default, 3).unwrap();
    Searcher::new(net, Settings::published(order), 3).unwrap()
}

fn steps(s: &mut Searcher, images: usize, side: usize, from: u64, count: u64) -> Vec<f64> {
    let step =
        |n| s.step(&batch(images, side, 2 * n), Some(&batch(images, side, 2 * n + 1)), 0.025).unwrap().train_loss;
    (from..from + count).map(step).collect()
}

/// Relative L2 norm of the difference of two changes from the same start.
fn difference(a: &[Vec<f32>], b: &[Vec<f32>], start: &[Vec<f32>]) -> f64 {
    let (mut apart, mut length) = (0.0, 0.0);
    for ((a, b), s) in a.iter().flatten().zip(b.iter().flatten()).zip(start.iter().flatten()) {
        let (a, b) = (f64::from(*a) - f64::from(*s), f64::from(*b) - f64::from(*s));
        apart += (a - b).powi(2);
        length += b.powi(2);
    }
    (apart / length.max(1e-30)).sqrt()
}

fn bits(state: &SearcherState) -> Vec<u32> {
    let parts = [&state.weights, &state.running, &state.alphas, &state.momentum, &state.adam_first, &state.adam_second];
    parts.into_iter().flatten().flatten().map(|v| v.to_bits()).collect()
}

fn training_bits(state: &TrainerState) -> Vec<u32> {
    let parts = [&state.weights, &state.running, &state.momentum];
    parts.into_iter().flatten().flatten().map(|v| v.to_bits()).collect()
}

#[test]
fn a_step_agrees_with_the_cpu_and_both_policies_with_each_other() {
    let Some((_, gpu, _alone)) = place() else { return };
    // The widths that have code of their own, and one that has not, on maps that no tile divides.
    let cases = [
        (config as fn(usize, usize, Policy) -> SupernetConfig, 16, 8, 4, 32, Order::First),
        (config, 16, 8, 4, 32, Order::Second),
        (config, 32, 3, 4, 32, Order::First),
        (config, 64, 2, 2, 32, Order::First),
        (config, 5, 4, 4, 31, Order::First),
        (dense, 16, 6, 8, 32, Order::First),
        (dense, 16, 3, 4, 32, Order::Second),
        (dense, 5, 4, 4, 31, Order::First),
    ];
    for (config, channels, cells, images, side, order) in cases {
        let start = searcher(&config(channels, cells, Policy::Keep), None, order).state().unwrap();
        let after = |policy, gpu: Option<&Gpu>| {
            let mut s = searcher(&config(channels, cells, policy), gpu, order);
            let losses = steps(&mut s, images, side, 0, 1);
            (losses[0], s.state().unwrap())
        };
        let (cpu_loss, cpu) = after(Policy::Keep, None);
        let (loss, kept) = after(Policy::Keep, Some(&gpu));
        let (_, again) = after(Policy::Recompute, Some(&gpu));
        // How far rounding alone takes it: the CPU's own results with other vector code.
        let best = kernels::level();
        assert!(kernels::set_level(Level::Portable));
        let (portable_loss, portable) = after(Policy::Keep, None);
        assert!(kernels::set_level(best));
        assert!(bits(&kept) == bits(&again), "the policies differ with {channels} channels, order {order}");
        let zeros: Vec<Vec<f32>> = cpu.adam_first.iter().map(|v| vec![0.0; v.len()]).collect();
        assert!(cpu.adam_first.iter().flatten().any(|g| *g != 0.0), "there is a gradient to compare");
        // Adam's mean begins at 0, so it is the gradient but for a factor.
        let apart = |from: &SearcherState| {
            [
                difference(&from.weights, &cpu.weights, &start.weights),
                difference(&from.running, &cpu.running, &start.running),
                difference(&from.adam_first, &cpu.adam_first, &zeros),
            ]
        };
        let told = |v: &[f64]| v.iter().map(|v| format!("{v:.1e}")).collect::<Vec<_>>().join(", ");
        let (ours, spread) = (apart(&kept), apart(&portable));
        println!(
            "{channels} channels, {cells} cells, order {order}: loss {loss:.6}, {cpu_loss:.6} on the CPU; apart from it (weights' \
             change, running statistics, alphas' gradient) {}; the CPU's portable code {portable_loss:.6}, {}",
            told(&ours),
            told(&spread)
        );
        // Rounding puts an input on the other side of a ReLU's kink now and then, and the second order divides a small
        // difference by a small number: what the CPU's own codes differ by tells how much that may be.
        let limits = [1e-2, 1e-2, 1e-3];
        let near = |(o, (s, l)): (f64, (f64, f64))| o <= f64::max(l, 4.0 * s);
        assert!(
            (loss - cpu_loss).abs() < f64::max(1e-4 * cpu_loss, 4.0 * (portable_loss - cpu_loss).abs()),
            "{loss} {cpu_loss}"
        );
        assert!(
            ours.into_iter().zip(spread.into_iter().zip(limits)).all(near),
            "{} is more than rounding, {}",
            told(&ours),
            told(&spread)
        );
    }
}

#[test]
fn two_searches_are_equal_bit_for_bit() {
    let Some((_, gpu, _alone)) = place() else { return };
    for precision in Precision::ALL {
        let run = |policy| {
            let mut s = searcher(&kept_as(precision, 16, 5, policy), Some(&gpu), Order::First);
            let losses = steps(&mut s, 16, 32, 0, 4);
            (losses.iter().map(|l| l.to_bits()).collect::<Vec<_>>(), bits(&s.state().unwrap()))
        };
        let (first, second) = (run(Policy::RecomputeFirst(2)), run(Policy::RecomputeFirst(2)));
        assert!(first.0 == second.0, "{precision}: losses differ");
        assert!(first.1 == second.1, "{precision}: states differ");
        assert!(first == run(Policy::Keep), "{precision}: the policies differ");
    }
}

#[test]
fn a_search_that_rounds_its_maps_stays_beside_that_of_float32() {
    let Some((_, gpu, _alone)) = place() else { return };
    let run = |precision| {
        let mut s = searcher(&kept_as(precision, 16, 5, Policy::Keep), Some(&gpu), Order::First);
        (steps(&mut s, 16, 32, 0, 8), s.state().unwrap())
    };
    let start = searcher(&config(16, 5, Policy::Keep), None, Order::First).state().unwrap();
    let ((losses, wide), (close, narrow)) = (run(Precision::Float32), run(Precision::Bf16));
    println!("losses {losses:.4?}, with bf16 {close:.4?}");
    let apart = difference(&narrow.weights, &wide.weights, &start.weights);
    println!("after 8 steps the weights' change is {apart:.1e} off");
    assert!(losses != close, "nothing is rounded");
    assert!(losses.iter().zip(&close).all(|(a, b)| (a - b).abs() < 0.1));
    assert!(apart < 0.5);
}

#[test]
fn a_cut_network_agrees_with_the_cpu() {
    let Some((_, gpu, _alone)) = place() else { return };
    use Operation::{AvgPool3x3, MaxPool3x3, SepConv3x3, SkipConnect};
    let mask = Mask::uniform(darts::SPACE, &[MaxPool3x3, AvgPool3x3, SkipConnect, SepConv3x3]);
    let cut = SupernetConfig { mask, ..config(16, 5, Policy::Keep) };
    let after = |gpu: Option<&Gpu>| {
        let mut s = searcher(&cut, gpu, Order::First);
        steps(&mut s, 4, 32, 0, 1);
        s.state().unwrap()
    };
    let start = searcher(&cut, None, Order::First).state().unwrap();
    let apart = difference(&after(Some(&gpu)).weights, &after(None).weights, &start.weights);
    assert!(apart < 1e-3, "{apart:e}");
}

#[test]
fn a_search_goes_on_on_the_other_device() {
    let Some((_, gpu, _alone)) = place() else { return };
    let config = config(8, 3, Policy::Keep);
    let start = searcher(&config, None, Order::First).state().unwrap();
    let mut on_cpu = searcher(&config, None, Order::First);
    steps(&mut on_cpu, 8, 16, 0, 2);
    let whole = {
        steps(&mut on_cpu, 8, 16, 2, 1);
        on_cpu.state().unwrap()
    };
    for (first, second) in [(Some(&gpu), None), (None, Some(&gpu))] {
        let mut begins = searcher(&config, first, Order::First);
        steps(&mut begins, 8, 16, 0, 2);
        let mut goes_on = searcher(&config, second, Order::First);
        goes_on.restore(begins.state().unwrap()).unwrap();
        steps(&mut goes_on, 8, 16, 2, 1);
        let apart = difference(&goes_on.state().unwrap().weights, &whole.weights, &start.weights);
        println!("after a change of devices the weights' change is {apart:.1e} off");
        assert!(apart < 1e-2);
    }
}

#[test]
fn scores_agree_with_the_cpu() {
    let Some((_, gpu, _alone)) = place() else { return };
    let pictures = batch(32, 32, 9);
    let values = |gpu: Option<Gpu>| {
        let functions = ["naswot", "nngp_frobenius", "zen", "snip"].map(|n| proxies::by_name(n).unwrap()).into();
        let layout = vec![CellKind::Normal, CellKind::Reduction];
        let proxy = Proxy { channels: 4, layout, classes: 10, input_channels: 3, stem: Stem::Cifar };
        let draw = |n| Draw::new(pictures.images.clone(), pictures.labels.clone(), 2, n);
        let mut evaluator = NetworkEvaluator::new(proxy, functions, 2, 2, draw).on(gpu);
        let mask = darts::NO_NONE;
        let places: Vec<_> = mask.places().step_by(17).collect();
        let mut all = vec![evaluator.baseline(&mask, 0).unwrap()];
        all.extend(evaluator.without(&places).unwrap());
        all.concat()
    };
    for (ours, cpu) in values(Some(gpu)).into_iter().zip(values(None)) {
        // A unit whose input is 0 but for rounding may be on one device and off on the other.
        assert!((ours - cpu).abs() <= 1e-3 * cpu.abs().max(1e-3), "{ours} {cpu}");
    }
}

#[test]
fn memory_is_what_was_predicted_and_its_end_is_an_error() {
    let Some((driven, gpu, _alone)) = place() else { return };
    let (images, side) = (64, 32);
    let ways = Precision::ALL.into_iter().flat_map(|p| [Policy::Keep, Policy::Recompute].map(|policy| (policy, p)));
    for (policy, precision) in ways {
        let config = kept_as(precision, 16, 8, policy);
        let meter = Meter::on(&Device::Cuda(driven.clone()));
        let mut s = searcher(&config, Some(&gpu), Order::First);
        steps(&mut s, images, side, 0, 1);
        let work = Workload { images, height: side, width: side, second_order: false, threads: 1 };
        let (peak, predicted) = (meter.peak_over_start().unwrap(), config.gpu_footprints(&work)(policy));
        println!("{policy}, {precision}: {} MiB used, {} MiB predicted", peak >> 20, predicted >> 20);
        assert!(peak.abs_diff(predicted) as f64 <= 0.03 * predicted as f64, "{peak} {predicted}");
    }
    // Take what is free, in pieces, as another program would.
    let mut taken = Vec::new();
    for size in [1usize << 30, 256 << 20, 64 << 20] {
        while let Ok(piece) = driven.allocate(size) {
            taken.push(piece);
        }
    }
    driven.was_full();
    let mut s = searcher(&config(16, 8, Policy::Keep), Some(&gpu), Order::First);
    let train = batch(images, side, 0);
    let e = s.step(&train, Some(&train), 0.025).expect_err("there is no memory for this").to_string();
    assert!(e.contains("MiB left") && e.contains("search.batch"), "{e}");
    assert!(driven.was_full());
    taken.into_iter().for_each(|piece| unsafe { driven.free(piece) });
    // All is well again.
    s.step(&train, Some(&train), 0.025).unwrap();
}

/// Every operation in both kinds of cell.
const GENOTYPE: &str = "Genotype(normal=[('sep_conv_3x3', 0), ('max_pool_3x3', 1), ('dil_conv_3x3', 0), ('skip_connect', 2), \
    ('sep_conv_5x5', 1), ('avg_pool_3x3', 3), ('max_pool_3x3', 1), ('dil_conv_5x5', 4)], normal_concat=range(2, 6), \
    reduce=[('max_pool_3x3', 0), ('sep_conv_3x3', 1), ('skip_connect', 0), ('dil_conv_5x5', 2), ('avg_pool_3x3', 1), \
    ('dil_conv_3x3', 0), ('sep_conv_5x5', 0), ('skip_connect', 1)], reduce_concat=range(2, 6))";

/// The widest windows, of whose taps several units make the gradients, and five nodes.
const WIDE: &str = "Genotype(normal=[('sep_conv_7x7', 0), ('max_pool_5x5', 1), ('sep_conv_7x7', 1), ('conv_7x1_1x7', 0), \
    ('sep_conv_5x5', 2), ('max_pool_5x5', 0), ('conv_1x1', 3), ('skip_connect', 0), ('sep_conv_7x7', 4), ('avg_pool_3x3', 1)], \
    normal_concat=range(2, 7), reduce=[('sep_conv_7x7', 0), ('max_pool_5x5', 1), ('skip_connect', 2), ('max_pool_5x5', 0)], \
    reduce_concat=[2, 3])";

fn evaluation(channels: usize, cells: usize, auxiliary: bool) -> EvaluationConfig {
    of_genotype(GENOTYPE, channels, cells, auxiliary)
}

fn of_genotype(genotype: &str, channels: usize, cells: usize, auxiliary: bool) -> EvaluationConfig {
    let genotype = parse_genotype(genotype).unwrap();
    EvaluationConfig { genotype, channels, cells, input_channels: 3, classes: 10, auxiliary, stem: Stem::Cifar }
}

fn trainer(config: &EvaluationConfig, gpu: Option<&Gpu>) -> Trainer {
    let mut net = Evaluation::new(config).unwrap().on(gpu.cloned());
    net.initialise(Init::Default, 3).unwrap();
    let sgd = SgdSettings { momentum: 0.9, weight_decay: 3e-4, clip: 5.0, nesterov: false };
    Trainer::new(net, TrainerSettings { sgd, auxiliary: 0.4 })
}

fn train(t: &mut Trainer, images: usize, side: usize, steps: std::ops::Range<u64>) -> TrainerState {
    for step in steps {
        let drop = DropPath { probability: 0.2, seed: 3, at: [0, step] };
        t.step(&batch(images, side, step), 0.025, Some(drop)).unwrap();
    }
    t.state().unwrap()
}

#[test]
fn a_training_agrees_with_the_cpu_and_with_itself() {
    let Some((_, gpu, _alone)) = place() else { return };
    let cases = [
        (GENOTYPE, 16, 5, 8, 32, true),
        (GENOTYPE, 36, 3, 4, 32, true),
        (GENOTYPE, 5, 4, 6, 31, false),
        // More channels than a block has columns, more tiles than parts of a sum.
        (WIDE, 72, 2, 32, 32, false),
        (WIDE, 5, 3, 6, 31, false),
    ];
    for (genotype, channels, cells, images, side, auxiliary) in cases {
        let config = of_genotype(genotype, channels, cells, auxiliary);
        let start = trainer(&config, None).state().unwrap();
        let on = |gpu: Option<&Gpu>| train(&mut trainer(&config, gpu), images, side, 0..1);
        let (cpu, ours) = (on(None), on(Some(&gpu)));
        // How far rounding alone takes it: the CPU's own results with other vector code.
        let best = kernels::level();
        assert!(kernels::set_level(Level::Portable));
        let portable = on(None);
        assert!(kernels::set_level(best));
        let apart = |of: &TrainerState| {
            [
                difference(&of.weights, &cpu.weights, &start.weights),
                difference(&of.running, &cpu.running, &start.running),
            ]
        };
        let (found, spread) = (apart(&ours), apart(&portable));
        let told = |v: &[f64; 2]| v.map(|v| format!("{v:.1e}")).join(", ");
        println!(
            "{channels} channels, {cells} cells, apart from the CPU (weights' change, running statistics) {}; its portable code {}",
            told(&found),
            told(&spread)
        );
        assert!(found.iter().zip(spread).all(|(o, s)| *o <= f64::max(1e-2, 4.0 * s)), "{found:?} {spread:?}");
        assert!(training_bits(&ours) == training_bits(&on(Some(&gpu))), "two trainings differ");
    }
}

#[test]
fn a_training_goes_on_on_the_other_device() {
    let Some((_, gpu, _alone)) = place() else { return };
    let config = evaluation(8, 3, true);
    let start = trainer(&config, None).state().unwrap();
    let whole = train(&mut trainer(&config, None), 8, 32, 0..3);
    for (first, second) in [(Some(&gpu), None), (None, Some(&gpu))] {
        let mut goes_on = trainer(&config, second);
        goes_on.restore(train(&mut trainer(&config, first), 8, 32, 0..2)).unwrap();
        let ended = train(&mut goes_on, 8, 32, 2..3);
        let apart = difference(&ended.weights, &whole.weights, &start.weights);
        println!("after a change of devices the weights' change is {apart:.1e} off");
        assert!(apart < 1e-2);
    }
}

#[test]
fn a_training_takes_the_memory_that_was_predicted() {
    let Some((driven, gpu, _alone)) = place() else { return };
    let config = evaluation(36, 8, true);
    let meter = Meter::on(&Device::Cuda(driven));
    train(&mut trainer(&config, Some(&gpu)), 32, 32, 0..1);
    let (peak, predicted) = (meter.peak_over_start().unwrap(), config.gpu_footprints([32, 32, 32], true)(Policy::Keep));
    println!("{} MiB used, {} MiB predicted", peak >> 20, predicted >> 20);
    assert!(peak.abs_diff(predicted) as f64 <= 0.03 * predicted as f64, "{peak} {predicted}");
}
