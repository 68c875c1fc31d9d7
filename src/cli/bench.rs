//! `zonas bench`: what this machine does with a search step and a scoring round, and its arithmetic limit.

use std::time::Instant;

use candle_core::Tensor;
use clap::Args;
use color_eyre::eyre;

use super::exit::{Exit, Usage};
use super::output::Output;
use crate::device::{self, Choice, Device, Meter};
use crate::engine::score::{Evaluator, NetworkEvaluator, Proxy};
use crate::kernels::gpu::{self, Gpu};
use crate::kernels::{self, matrix};
use crate::nn::{Init, NnError, Policy, Precision, Supernet, SupernetConfig, Workload};
use crate::oneshot::{Batch, Order, Searcher, Settings};
use crate::proxies::{self, Draw};
use crate::space::count::Network;
use crate::space::{CellKind, Stem, darts};
use crate::text;

#[derive(Args, Debug)]
pub struct BenchArguments {
    /// Width of the supernet.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=512))]
    channels: u16,
    /// Cells of the supernet.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=32))]
    cells: u8,
    /// Pictures of 32x32x3 per batch.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    batch: u16,
    /// Steps to measure.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    steps: u16,
    /// Where to compute.
    #[arg(long, value_name = "cpu|cuda[:N]", default_value = "cpu")]
    device: Choice,
    /// How a GPU keeps the maps between operations.
    #[arg(long, value_name = "float32|bf16", default_value = "float32")]
    precision: Precision,
    /// Threads; 0 takes one per core.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=1024))]
    threads: u16,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

const SIDE: usize = 32;

/// Multiply-accumulates per second of all threads in small matrix products that stay in the cache: what the kernels'
/// arithmetic is held against.
fn arithmetic_limit(threads: usize) -> f64 {
    use rayon::prelude::*;
    const N: usize = 64;
    const ROUNDS: usize = 4000;
    let (a, b) = (vec![0.5f32; N * N], matrix::Packed::new(&[0.25f32; N * N], N, N));
    let best = (0..3)
        .map(|_| {
            let start = Instant::now();
            (0..threads).into_par_iter().for_each(|_| {
                let mut c = vec![0.0f32; N * N];
                for _ in 0..ROUNDS {
                    matrix::product(&a, N, N, &b, &mut c, N);
                }
                std::hint::black_box(&c);
            });
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    (threads * ROUNDS * N * N * N) as f64 / best
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn batch(images: usize) -> Result<Batch, NnError> {
    let labels: Vec<u32> = (0..images as u32).map(|i| i % 10).collect();
    Ok(Batch {
        images: Tensor::randn(0f32, 1.0, (images, SIDE, SIDE, 3), &candle_core::Device::Cpu)?,
        labels: Tensor::from_vec(labels, images, &candle_core::Device::Cpu)?,
    })
}

/// Where a measurement runs.
struct Place {
    device: Device,
    /// Its kernels, where it is a GPU.
    gpu: Option<Gpu>,
}

/// Seconds of a search step.
fn step(config: &SupernetConfig, images: usize, steps: usize, gpu: Option<Gpu>) -> Result<f64, NnError> {
    let batch = batch(images)?;
    let mut net = Supernet::new(config)?.on(gpu);
    net.initialise(Init::Default, 2)?;
    let settings = Settings::published(Order::First);
    let mut searcher = Searcher::new(net, settings, 2)?;
    searcher.step(&batch, Some(&batch), 0.025)?;
    let mut seconds = Vec::with_capacity(steps);
    for _ in 0..steps {
        let start = Instant::now();
        searcher.step(&batch, Some(&batch), 0.025)?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    Ok(median(seconds))
}

/// Networks per second in a leave-one-out round of the default ranking functions on the default proxy network.
fn scoring_rate(threads: usize, gpu: Option<Gpu>) -> eyre::Result<f64> {
    let defaults = crate::run::config::Config::default().score;
    let functions = defaults.functions.iter().map(|n| proxies::by_name(n)).collect::<Result<Vec<_>, _>>()?;
    let proxy = Proxy {
        channels: defaults.channels,
        layout: vec![CellKind::Normal, CellKind::Reduction],
        classes: 10,
        input_channels: 3,
        stem: Stem::Cifar,
    };
    let pictures = batch(defaults.batch)?;
    let draw = |n| Draw::new(pictures.images.clone(), pictures.labels.clone(), 2, n);
    let mut evaluator = NetworkEvaluator::new(proxy, functions, 2, threads, draw).on(gpu);
    let mask = darts::NO_NONE;
    let places: Vec<_> = mask.places().collect();
    evaluator.baseline(&mask, 0)?;
    let start = Instant::now();
    evaluator.without(&places)?;
    Ok(places.len() as f64 / start.elapsed().as_secs_f64())
}

pub fn run(a: &BenchArguments) -> eyre::Result<Exit> {
    let threads = device::threads(usize::from(a.threads));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    pool.install(|| measure(a, threads))
}

fn measure(a: &BenchArguments, threads: usize) -> eyre::Result<Exit> {
    let (images, steps) = (usize::from(a.batch), usize::from(a.steps));
    let precision = a.precision;
    let config = |policy| SupernetConfig {
        channels: usize::from(a.channels),
        classes: 10,
        input_channels: 3,
        layout: darts::SPACE.layout(usize::from(a.cells)),
        stem_multiplier: 3,
        stem: Stem::Cifar,
        mask: darts::FULL,
        policy,
        precision,
    };
    let network = Network { channels: usize::from(a.channels), cells: usize::from(a.cells), ..Network::PUBLISHED };
    let limit = arithmetic_limit(threads);
    let (device, _) = Device::choose(a.device)?;
    if matches!(device, Device::Cpu) && precision != Precision::Float32 {
        return Err(Usage(format!("--precision {precision} is for a GPU: give it with --device cuda")).into());
    }
    let place = Place { gpu: gpu::on(&device)?, device };
    let work = Workload { images, height: SIDE, width: SIDE, second_order: false, threads };
    let predicted = |policy| match &place.gpu {
        Some(_) => config(policy).gpu_footprints(&work)(policy),
        None => config(policy).search_footprint(&work).bytes(),
    };
    let needed = predicted(Policy::Keep).max(predicted(Policy::Recompute));
    let free = place.device.memory().map(|m| m.available_bytes - m.available_bytes / 10);
    if let Some(free) = free.filter(|free| needed > *free) {
        return Err(Usage(format!(
            "a step of {} channels, {} cells and batch {images} needs about {}, and {} are free; lower --batch, --channels or \
             --cells",
            a.channels,
            a.cells,
            text::bytes(needed),
            text::bytes(free)
        ))
        .into());
    }
    let rate = scoring_rate(threads, place.gpu.clone())?;
    let mut rows = Vec::new();
    for policy in [Policy::Keep, Policy::Recompute] {
        let (config, predicted) = (config(policy), predicted(policy));
        let meter = Meter::on(&place.device);
        let seconds = step(&config, images, steps, place.gpu.clone())?;
        let peak = meter.peak_over_start();
        // Forward and two backward passes (of inputs, of weights): the architecture step takes two of them, the weight step
        // three. Work done again under `recompute` is no gain and does not count.
        let forward = crate::space::count::supernet(&config.mask, &config.layout, &network)?.macs;
        let macs = 5.0 * forward as f64 * images as f64;
        let share = place.gpu.is_none().then_some(macs / seconds / limit);
        rows.push((policy, seconds, peak, predicted, 1e-12 * macs / seconds, share));
    }
    let mut out = Output::stdout();
    if a.json {
        let rows: Vec<_> = rows
            .iter()
            .map(|(policy, seconds, peak, predicted, _, share)| {
                serde_json::json!({"policy": policy.to_string(), "step_seconds": seconds, "peak_bytes": peak,
                    "predicted_bytes": predicted, "share_of_limit": share})
            })
            .collect();
        out.json(&serde_json::json!({
            "program": concat!("zonas ", env!("CARGO_PKG_VERSION")), "device": place.device.label(), "vectors": kernels::level().name(),
            "threads": threads, "channels": a.channels, "cells": a.cells, "batch": a.batch, "precision": precision.name(),
            "limit_flop_per_second": 2.0 * limit, "scores_per_second": rate, "steps": rows,
        }))?;
        return Ok(Exit::Done);
    }
    if let Device::Cuda(card) = &place.device {
        out.line(&card.label())?;
    }
    out.line(&format!(
        "{}, {}; {:.0} GFLOP/s in small matrix products",
        text::threads(threads),
        kernels::level().name(),
        2e-9 * limit
    ))?;
    out.line(&format!("scoring      {rate:.0} networks/s (the default proxy network and ranking functions, 32x32x3)"))?;
    for (policy, seconds, peak, predicted, rate, share) in rows {
        let peak = peak.map_or("not available".into(), text::bytes);
        let share = share
            .map_or(format!("{:.2} TFLOP/s", 2.0 * rate), |s| format!("{:.0} % of the arithmetic limit", 100.0 * s));
        out.line(&format!(
            "{:<12} {seconds:.3} s a step ({} channels, {} cells, batch {}, {precision}); peak {peak}, predicted {}; {share}",
            policy.to_string(),
            a.channels,
            a.cells,
            a.batch,
            text::bytes(predicted)
        ))?;
    }
    Ok(Exit::Done)
}
