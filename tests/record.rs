//! Whole steps of searches and trainings on a device that runs nothing: every launch within the limits of devices and of the memory that was
//! asked for, and the memory that was predicted, to the byte.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use zonas::kernels::gpu::{Kernel, Recorder};
use zonas::nn::{DropPath, Evaluation, EvaluationConfig, Init, Policy, Supernet, SupernetConfig, Workload};
use zonas::oneshot::{Batch, Searcher, Settings, SgdSettings, Trainer, TrainerSettings};
use zonas::space::{CellKind, Mask, Operation, parse_genotype};

fn config(channels: usize, cells: usize, mask: Mask, policy: Policy) -> SupernetConfig {
    let layout = CellKind::published_layout(cells);
    SupernetConfig { channels, classes: 10, input_channels: 3, layout, stem_multiplier: 3, mask, policy }
}

/// A search step on pictures of `side` x `side`; panics where a launch is refused.
fn step(recorder: &Arc<Recorder>, config: &SupernetConfig, images: usize, side: usize, order: u8) {
    let mut net = Supernet::new(config).unwrap().on(Some(recorder.clone()));
    net.initialise(Init::Default, 1).unwrap();
    let mut searcher = Searcher::new(net, Settings::published(order), 1).unwrap();
    let pictures = Tensor::zeros((images, side, side, 3), DType::F32, &Device::Cpu).unwrap();
    let batch = Batch { images: pictures, labels: Tensor::zeros(images, DType::U32, &Device::Cpu).unwrap() };
    searcher.step(&batch, Some(&batch), 0.025).unwrap();
}

#[test]
fn predictions_are_the_bytes_that_passes_ask_for() {
    let odd = Mask::FULL
        .places()
        .step_by(3)
        .fold(Mask::FULL, |m, p| if m.without(p).check().is_ok() { m.without(p) } else { m });
    let masks = [Mask::FULL, Mask::uniform(&Operation::ALL[1..5]), Mask::uniform(&[Operation::None]), odd];
    let cases = [(Policy::Keep, 1), (Policy::Recompute, 1), (Policy::RecomputeFirst(2), 1), (Policy::Recompute, 2)];
    for (channels, cells, images, side) in [(1, 5, 3, 9), (16, 8, 64, 32), (67, 3, 2, 16)] {
        for mask in masks {
            for (policy, order) in cases {
                let recorder = Recorder::new();
                let config = config(channels, cells, mask, policy);
                step(&recorder, &config, images, side, order);
                let (left, peak) = recorder.bytes();
                let work = Workload { images, height: side, width: side, second_order: order == 2, threads: 1 };
                let predicted = config.gpu_footprints(&work)(policy);
                let what =
                    format!("{channels} channels, {policy}, order {order}, {} operations", mask.places().count());
                assert_eq!(left, 0, "{what}: memory is not given back");
                assert_eq!(peak, predicted, "{what}");
                println!("{what}: {:.1} MiB", peak as f64 / f64::from(1 << 20));
            }
        }
    }
}

/// Every operation in both kinds of cell, and nodes that are no part of the output.
const GENOTYPE: &str = "Genotype(normal=[('sep_conv_3x3', 0), ('max_pool_3x3', 1), ('dil_conv_3x3', 0), ('skip_connect', 2), \
    ('max_pool_3x3', 1), ('avg_pool_3x3', 3), ('skip_connect', 0), ('dil_conv_5x5', 4)], normal_concat=[5, 3], \
    reduce=[('max_pool_3x3', 0), ('sep_conv_3x3', 1), ('skip_connect', 0), ('dil_conv_5x5', 2), ('avg_pool_3x3', 1), \
    ('dil_conv_3x3', 0), ('sep_conv_5x5', 0), ('skip_connect', 1)], reduce_concat=range(2, 6))";

const DARTS: &str = "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), \
    ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=range(2, 6), \
    reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), \
    ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=range(2, 6))";

/// A training step on pictures of `side` x `side`; panics where a launch is refused.
fn train(recorder: &Arc<Recorder>, config: &EvaluationConfig, images: usize, side: usize, drop: f64) {
    let mut net = Evaluation::new(config).unwrap().on(Some(recorder.clone()));
    net.initialise(Init::Default, 1).unwrap();
    let sgd = SgdSettings { momentum: 0.9, weight_decay: 3e-4, clip: 5.0 };
    let mut trainer = Trainer::new(net, TrainerSettings { sgd, auxiliary: 0.4 });
    let pictures = Tensor::zeros((images, side, side, 3), DType::F32, &Device::Cpu).unwrap();
    let batch = Batch { images: pictures, labels: Tensor::zeros(images, DType::U32, &Device::Cpu).unwrap() };
    let drop = DropPath { probability: drop, seed: 1, at: [0, 0] };
    trainer.step(&batch, 0.025, Some(drop)).unwrap();
    // A look at test pictures takes less.
    trainer.evaluate(&batch).unwrap();
}

fn evaluation(genotype: &str, channels: usize, cells: usize, auxiliary: bool) -> EvaluationConfig {
    let genotype = parse_genotype(genotype).unwrap();
    EvaluationConfig { genotype, channels, cells, input_channels: 3, classes: 10, auxiliary }
}

#[test]
fn a_training_takes_the_bytes_that_were_predicted() {
    let cases = [
        (evaluation(DARTS, 36, 20, true), 96, 32),
        (evaluation(DARTS, 16, 8, true), 64, 32),
        (evaluation(GENOTYPE, 67, 3, false), 2, 15),
        (evaluation(GENOTYPE, 3, 2, true), 7, 36),
        (evaluation(GENOTYPE, 1, 1, true), 1, 17),
    ];
    for (config, images, side) in cases {
        for drop in [0.0, 0.2] {
            let recorder = Recorder::new();
            train(&recorder, &config, images, side, drop);
            let (left, peak) = recorder.bytes();
            let what = format!("{} channels, {} cells, drop path {drop}", config.channels, config.cells);
            println!("{what}: {:.1} MiB, {} launches", peak as f64 / f64::from(1 << 20), recorder.take().len());
            assert_eq!(left, 0, "{what}: memory is not given back");
            assert_eq!(peak, config.gpu_footprint(images, side, side, drop > 0.0), "{what}");
        }
    }
}

/// Few launches to an edge: the host must not be what a search waits for.
#[test]
fn launches_are_few() {
    let recorder = Recorder::new();
    step(&recorder, &config(16, 8, Mask::FULL, Policy::Keep), 64, 32, 1);
    let mut records = recorder.take();
    let edges = 8 * 14 * 2;
    println!("{} launches, {:.1} to an edge and step", records.len(), records.len() as f64 / edges as f64);
    assert!(records.len() < 8 * edges, "{}", records.len());
    train(&recorder, &evaluation(DARTS, 2, 2, true), 2, 32, 0.2);
    records.extend(recorder.take());
    assert!(records.iter().all(|r| r.bytes > 0));
    assert!(Kernel::ALL.iter().all(|k| records.iter().any(|r| r.kernel == *k)), "a kernel is never used");
}
