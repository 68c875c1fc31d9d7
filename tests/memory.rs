//! The memory promises, held by counting bytes: the large blocks that the program's allocator hands out. In a process of its
//! own with one test, so that nobody else allocates meanwhile.

use candle_core::{DType, Device, Tensor};
use zonas::device::{pages, reset_peak};
use zonas::nn::{Evaluation, EvaluationConfig, Init, Policy, Precision, Supernet, SupernetConfig, Workload};
use zonas::oneshot::{Batch, Order, Searcher, Settings, SgdSettings, Trainer, TrainerSettings};
use zonas::space::{CellKind, Mask, Stem, darts};

#[global_allocator]
static ALLOCATOR: zonas::device::KeptPages = zonas::device::KeptPages;

/// One, so that it is sure which thread's buffers have grown.
const THREADS: usize = 1;

fn config(channels: usize, mask: Mask, policy: Policy) -> SupernetConfig {
    let space = mask.space();
    let layout = space.layout(if space == darts::SPACE { 5 } else { 6 });
    SupernetConfig {
        channels,
        classes: 10,
        input_channels: 3,
        layout,
        stem_multiplier: space.stacking().stem(),
        stem: Stem::Cifar,
        mask,
        policy,
        precision: Precision::Float32,
    }
}

fn batch(images: usize) -> Batch {
    pictures(images, 16)
}

fn pictures(images: usize, side: usize) -> Batch {
    let x = Tensor::randn(0f32, 1.0, (images, side, side, 3), &Device::Cpu).unwrap();
    Batch { images: x, labels: Tensor::zeros(images, DType::U32, &Device::Cpu).unwrap() }
}

fn searcher(config: &SupernetConfig, order: Order) -> Searcher {
    let mut net = Supernet::new(config).unwrap();
    net.initialise(Init::Default, 1).unwrap();
    let settings = Settings::published(order);
    Searcher::new(net, settings, 1).unwrap()
}

/// Peak bytes of two steps over what was there before.
fn measured(config: &SupernetConfig, images: usize, order: Order) -> u64 {
    measured_on(config, &batch(images), order)
}

fn measured_on(config: &SupernetConfig, batch: &Batch, order: Order) -> u64 {
    reset_peak();
    let before = pages().live_bytes;
    let mut searcher = searcher(config, order);
    for _ in 0..2 {
        searcher.step(batch, Some(batch), 0.025).unwrap();
    }
    (pages().peak_bytes - before) as u64
}

fn work(images: usize, order: Order) -> Workload {
    Workload { images, height: 16, width: 16, second_order: order.is_second(), threads: THREADS }
}

fn predictions_meet_the_bytes() {
    let odd = darts::FULL
        .places()
        .step_by(3)
        .fold(darts::FULL, |m, p| if m.without(p).check().is_ok() { m.without(p) } else { m });
    let noisy = zonas::space::Space::find("darts_s4").unwrap().full();
    let other = zonas::space::Space::find("nas_bench_201").unwrap().full();
    let few = other.places().step_by(2).fold(other, |m, p| if m.without(p).check().is_ok() { m.without(p) } else { m });
    let long = "name = \"long\"\noperations = [\"conv_7x1_1x7\", \"sep_conv_3x3\", \"nor_conv_3x3\", \"skip_connect\"]\n\
                [normal]\nnodes = 3\n[reduction]\nnodes = 3\n";
    let long = zonas::space::Space::read(long).unwrap().full();
    let masks =
        [other, few, long, darts::FULL, Mask::uniform(darts::SPACE, &darts::SPACE.operations()[1..5]), odd, noisy];
    let cases = [
        (Policy::Keep, Order::First),
        (Policy::Recompute, Order::First),
        (Policy::RecomputeFirst(2), Order::First),
        (Policy::Recompute, Order::Second),
    ];
    let images = 16;
    for channels in [4, 12] {
        // The thread's buffers grow to their largest once.
        measured(&config(channels, darts::FULL, Policy::Keep), 4, Order::First);
        measured(&config(channels, other, Policy::Keep), 4, Order::First);
        measured(&config(channels, long, Policy::Keep), 4, Order::First);
        for mask in masks {
            for (policy, order) in cases {
                let config = config(channels, mask, policy);
                let predicted = config.search_footprint(&work(images, order));
                let predicted = predicted.weights + predicted.pass;
                let measured = measured(&config, images, order);
                // Blocks of a few pages that the ledger does not list.
                let (low, high) = (0.99 * measured.saturating_sub(128 << 10) as f64, 1.03 * measured as f64);
                let of = format!("{channels} channels, {images} pictures, {policy:?}, order {order}, {mask:?}");
                println!("{:.4} of {measured}; {of}", predicted as f64 / measured as f64);
                assert!((low..high).contains(&(predicted as f64)), "{predicted} for {measured} bytes; {of}");
            }
        }
    }
}

/// With the stem for large pictures.
fn so_do_those_of_the_other_stem() {
    let (images, side) = (16, 96);
    let few = Mask::uniform(darts::SPACE, &darts::SPACE.operations()[1..5]);
    let cases = [
        (Policy::Keep, Order::First),
        (Policy::Recompute, Order::First),
        (Policy::RecomputeFirst(2), Order::First),
        (Policy::Recompute, Order::Second),
    ];
    let batch = pictures(images, side);
    for (channels, mask) in [(4, darts::FULL), (12, darts::FULL), (12, few)] {
        let of = |policy| SupernetConfig { stem: Stem::ImageNet, ..config(channels, mask, policy) };
        measured_on(&of(Policy::Keep), &batch, Order::First);
        for (policy, order) in cases {
            let work = Workload { height: side, width: side, ..work(images, order) };
            let predicted = of(policy).search_footprint(&work);
            let predicted = (predicted.weights + predicted.pass) as f64;
            let measured = measured_on(&of(policy), &batch, order);
            println!("imagenet, {channels} channels, {policy:?}, order {order}: {:.4}", predicted / measured as f64);
            let (low, high) = (0.97 * measured.saturating_sub(128 << 10) as f64, 1.04 * measured as f64);
            assert!(
                (low..high).contains(&predicted),
                "{predicted} for {measured} bytes: {channels}, {policy:?}, {order}"
            );
        }
    }
}

/// A training step of an evaluation network, whatever it keeps.
fn a_training_is_near_its_prediction() {
    let published = zonas::space::published::find("DARTS_V2").unwrap().genotype;
    let other = zonas::space::parse_genotype(
        "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|nor_conv_3x3~2|",
    )
    .unwrap();
    let (plain, halving) = (Stem::Cifar, Stem::ImageNet);
    let cases = [
        (&published, 8, 5, false, plain),
        (&published, 12, 8, false, plain),
        (&published, 6, 6, true, plain),
        (&other, 8, 6, false, plain),
        (&published, 16, 5, false, halving),
        (&published, 24, 8, true, halving),
    ];
    let policies = [Policy::Keep, Policy::RecomputeFirst(2), Policy::Recompute];
    for ((genotype, channels, cells, auxiliary, stem), policy) in
        cases.into_iter().flat_map(|c| policies.map(|p| (c, p)))
    {
        // Behind two halvings more the auxiliary head needs 224.
        let (images, side) = if stem == plain { (16, 32) } else { (4, 224) };
        let network = EvaluationConfig {
            genotype: genotype.clone(),
            channels,
            cells,
            input_channels: 3,
            classes: 10,
            auxiliary,
            stem,
        };
        let images_of = Tensor::randn(0f32, 1.0, (images, side, side, 3), &Device::Cpu).unwrap();
        let batch = Batch { images: images_of, labels: Tensor::zeros(images, DType::U32, &Device::Cpu).unwrap() };
        reset_peak();
        let before = pages().live_bytes;
        let sgd = SgdSettings { momentum: 0.9, weight_decay: 3e-4, clip: 5.0, nesterov: false };
        let mut net = Evaluation::new(&network).unwrap().keeping(policy);
        net.initialise(Init::Default, 1).unwrap();
        let mut trainer = Trainer::new(net, TrainerSettings { sgd, auxiliary: 0.4 });
        for _ in 0..2 {
            trainer.step(&batch, 0.025, None).unwrap();
        }
        let measured = (pages().peak_bytes - before) as f64;
        let work = Workload { height: side, width: side, ..work(images, Order::First) };
        let predicted = network.training_footprints(&work)(policy);
        let ratio = (predicted.weights + predicted.pass) as f64 / measured;
        println!(
            "training, {channels} channels, {cells} cells, auxiliary {auxiliary}, {stem}, {policy}: {ratio:.3} of {measured}"
        );
        assert!((0.96..1.06).contains(&ratio), "{ratio}");
    }
}

fn steps_leave_nothing_behind() {
    let batch = batch(8);
    let mut searcher = searcher(&config(4, darts::FULL, Policy::Keep), Order::First);
    let mut step = || {
        searcher.step(&batch, Some(&batch), 0.025).unwrap();
        (pages().live_bytes, pages().peak_bytes)
    };
    step();
    let after = step();
    for n in 0..20 {
        assert_eq!(step(), after, "step {n}");
    }
}

fn evaluation_needs_no_more_than_the_largest_cell() {
    let batch = batch(16);
    let peak = |cells: usize| {
        let config = SupernetConfig { layout: vec![CellKind::Normal; cells], ..config(8, darts::FULL, Policy::Keep) };
        let searcher = searcher(&config, Order::First);
        searcher.evaluate(&batch).unwrap();
        reset_peak();
        let before = pages().live_bytes;
        searcher.evaluate(&batch).unwrap();
        pages().peak_bytes - before
    };
    let (three, eight) = (peak(3), peak(8));
    assert!(eight < three + three / 20, "{three} bytes with three cells, {eight} with eight");
}

#[test]
fn memory_is_as_promised() {
    rayon::ThreadPoolBuilder::new().num_threads(THREADS).build_global().unwrap();
    if pages().peak_bytes == 0 {
        println!("skipped: the allocator keeps no count on this system");
        return;
    }
    so_do_those_of_the_other_stem();
    predictions_meet_the_bytes();
    a_training_is_near_its_prediction();
    steps_leave_nothing_behind();
    evaluation_needs_no_more_than_the_largest_cell();
}
