//! The parts of a search on all threads, on batches of 16 pictures of 32x32x3: a mixed operation, a network of one cell, a
//! search step of the published network, and a leave-one-out round of the default ranking functions:
//! `cargo bench --bench passes`. [`step`](step.rs) measures one configuration of a step with its memory.

use std::hint::black_box;
use std::time::Duration;

use candle_core::{DType, Device, Tensor};
use criterion::{Criterion, Throughput};
use zonas::engine::score::{Evaluator, NetworkEvaluator, Proxy};
use zonas::nn::{Init, MixedOperation, NnError, Policy, Precision, Supernet, SupernetConfig};
use zonas::oneshot::{Batch, Order, Searcher, Settings};
use zonas::proxies::Draw;
use zonas::space::{CellKind, Operation, Stem, darts};

#[global_allocator]
static ALLOCATOR: zonas::device::KeptPages = zonas::device::KeptPages;

const IMAGES: usize = 16;
const SIDE: usize = 32;
const CHANNELS: usize = 16;

fn batch() -> candle_core::Result<Batch> {
    let len = IMAGES * SIDE * SIDE * 3;
    let numbers = (0..len).map(|i| (i * 7919 % 1009) as f32 / 504.5 - 1.0).collect();
    let images = Tensor::from_vec(numbers, (IMAGES, SIDE, SIDE, 3), &Device::Cpu)?;
    Ok(Batch { images, labels: Tensor::zeros(IMAGES, DType::U32, &Device::Cpu)? })
}

fn searcher(layout: Vec<CellKind>, policy: Policy, order: Order) -> Result<Searcher, NnError> {
    let config = SupernetConfig {
        channels: CHANNELS,
        classes: 10,
        input_channels: 3,
        layout,
        stem_multiplier: 3,
        stem: Stem::Cifar,
        mask: darts::FULL,
        policy,
        precision: Precision::Float32,
    };
    let mut net = Supernet::new(&config)?;
    net.initialise(Init::Default, 2)?;
    Searcher::new(net, Settings::published(order), 2)
}

fn edges(c: &mut Criterion) {
    let mut group = c.benchmark_group("edge, forward and backward with the forward pass again");
    let x: Vec<f32> = (0..IMAGES * SIDE * SIDE * CHANNELS).map(|i| (i * 7919 % 1009) as f32 / 504.5 - 1.0).collect();
    let size = [IMAGES, SIDE, SIDE];
    let each = darts::SPACE.operations().iter().copied().filter(|o| *o != Operation::None).map(|o| (o.name(), vec![o]));
    for (name, operations) in each.chain([("all operations", darts::SPACE.operations().to_vec())]) {
        let mixed = MixedOperation::new(&operations, CHANNELS, 1);
        let weights: Vec<f32> = x.iter().map(|v| 0.1 * v).take(mixed.len()).collect();
        group.throughput(Throughput::Elements(IMAGES as u64));
        group.bench_function(name, |b| {
            b.iter(|| black_box(mixed.backward(size, &x, &weights, &[0.125; 8], &x)));
        });
    }
    group.finish();
}

fn steps(c: &mut Criterion) -> Result<(), NnError> {
    let batch = batch()?;
    let published = darts::SPACE.layout(8);
    let mut group = c.benchmark_group("search step");
    group.throughput(Throughput::Elements(IMAGES as u64));
    for (name, layout, policy, order) in [
        ("one normal cell", vec![CellKind::Normal], Policy::Keep, Order::First),
        ("one reduction cell", vec![CellKind::Reduction], Policy::Keep, Order::First),
        ("8 cells, keep", published.clone(), Policy::Keep, Order::First),
        ("8 cells, recompute", published.clone(), Policy::Recompute, Order::First),
        ("8 cells, keep, second order", published, Policy::Keep, Order::Second),
    ] {
        let mut searcher = searcher(layout, policy, order)?;
        let mut failure = None;
        group.bench_function(name, |b| {
            b.iter(|| failure = searcher.step(&batch, Some(&batch), 1e-4).err());
        });
        if let Some(e) = failure {
            return Err(e);
        }
    }
    group.finish();
    Ok(())
}

fn rounds(c: &mut Criterion, threads: usize) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut group = c.benchmark_group("leave-one-out, 49 of 196 networks");
    let batch = batch()?;
    for (name, channels, layout) in [
        ("the default proxy network", 2, vec![CellKind::Normal, CellKind::Reduction]),
        ("16 channels, 8 cells", CHANNELS, darts::SPACE.layout(8)),
    ] {
        let functions =
            ["naswot", "nngp_frobenius"].map(zonas::proxies::by_name).into_iter().collect::<Result<Vec<_>, _>>()?;
        let proxy = Proxy { channels, layout, classes: 10, input_channels: 3, stem: Stem::Cifar };
        let (images, labels) = (batch.images.clone(), batch.labels.clone());
        let draw = move |n| Draw::new(images.clone(), labels.clone(), 2, n);
        let mut evaluator = NetworkEvaluator::new(proxy, functions, 2, threads, draw);
        let mask = darts::NO_NONE;
        let places: Vec<_> = mask.places().step_by(4).collect();
        evaluator.baseline(&mask, 0)?;
        group.throughput(Throughput::Elements(places.len() as u64));
        let mut failure = None;
        group.bench_function(name, |b| b.iter(|| failure = evaluator.without(&places).err()));
        if let Some(e) = failure {
            return Err(e.into());
        }
    }
    group.finish();
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let threads = zonas::device::threads(0);
    rayon::ThreadPoolBuilder::new().num_threads(threads).build()?.install(|| {
        let mut criterion = Criterion::default()
            .sample_size(10)
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(2))
            .configure_from_args();
        edges(&mut criterion);
        steps(&mut criterion)?;
        rounds(&mut criterion, threads)?;
        criterion.final_summary();
        Ok(())
    })
}
