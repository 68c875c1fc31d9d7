//! One configuration of the supernet, measured, as one JSON line:
//! `cargo bench --bench step -- [--channels 16] [--cells 8] [--batch 16] [--size 32] [--threads 2] [--steps 3] [--order 1|2]
//! [--device cpu|cuda[:N]] [--precision float32|bf16] [--policy keep|recompute|N] [--space nas_bench_201] [--keep sep_conv_3x3,skip_connect,…] [--what search|forward|train|round [--proxy nr] [--places 49]]`.
//!
//! `search` is a complete search step as the engine takes it (architecture step with Adam, weight step with clipping and
//! SGD), `forward` a pass in evaluation mode, `train` a training step of the evaluation network of DARTS_V2 with its auxiliary head, `round` the default ranking functions on networks without one operation each. One process is one configuration, so that the peak of memory is its own.

use std::time::Instant;

use candle_core::{Device, Tensor};
use zonas::device::{Choice, Device as Place, Meter, used_bytes};
use zonas::engine::score::{Evaluator, NetworkEvaluator, Proxy};
use zonas::kernels::gpu::{self, Gpu};
use zonas::nn::{Evaluation, EvaluationConfig, Init, Policy, Precision, Supernet, SupernetConfig, Workload};
use zonas::oneshot::{Batch, Order, Searcher, Settings, SgdSettings, Trainer, TrainerSettings};
use zonas::proxies::Draw;
use zonas::space::{CellKind, Mask, Operation, Space, Stem, darts, published};

#[global_allocator]
static ALLOCATOR: zonas::device::KeptPages = zonas::device::KeptPages;

const MIB: f64 = (1 << 20) as f64;

fn argument(name: &str) -> Option<String> {
    let args: Vec<String> = std::env::args().collect();
    args.iter().position(|a| a == name).and_then(|i| args.get(i + 1).cloned())
}

fn number(name: &str, default: usize) -> usize {
    argument(name).and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// Where to measure, with its kernels where that is a GPU.
fn place() -> Result<(Place, Option<Gpu>), Box<dyn std::error::Error>> {
    let choice: Choice = argument("--device").as_deref().unwrap_or("cpu").parse()?;
    let (place, _) = Place::choose(choice)?;
    let gpu = gpu::on(&place)?;
    Ok((place, gpu))
}

fn mib(bytes: Option<u64>) -> f64 {
    bytes.map_or(f64::NAN, |b| b as f64 / MIB)
}

/// Seconds of processor time of this process.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|v| v.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(11) + ticks(12)) / 100.0
}

/// A leave-one-out round: `--places` networks, evenly spread over the 196 that lack one operation.
fn round(
    channels: usize,
    cells: usize,
    batch: usize,
    size: usize,
    threads: usize,
    rounds: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let layout = match argument("--proxy") {
        Some(text) => text.chars().map(|c| if c == 'r' { CellKind::Reduction } else { CellKind::Normal }).collect(),
        None => darts::SPACE.layout(cells),
    };
    let functions =
        ["naswot", "nngp_frobenius"].map(zonas::proxies::by_name).into_iter().collect::<Result<Vec<_>, _>>()?;
    let images = Tensor::randn(0f32, 1.0, (batch, size, size, 3), &Device::Cpu)?;
    let labels = Tensor::zeros(batch, candle_core::DType::U32, &Device::Cpu)?;
    let draw = |n| Draw::new(images.clone(), labels.clone(), 2, n);
    let proxy = Proxy { channels, layout, classes: 10, input_channels: 3, stem: Stem::Cifar };
    let (place, gpu) = place()?;
    let mut evaluator = NetworkEvaluator::new(proxy, functions, 2, threads, draw).on(gpu);
    let mask = darts::NO_NONE;
    let all: Vec<_> = mask.places().collect();
    let count = number("--places", 49).min(all.len());
    let places: Vec<_> = all.into_iter().step_by(196 / count.max(1)).take(count).collect();
    let meter = Meter::on(&place);
    evaluator.baseline(&mask, 0)?;
    let (mut seconds, mut cpu) = (Vec::new(), Vec::new());
    for _ in 0..=rounds {
        let (start, before) = (Instant::now(), cpu_seconds());
        evaluator.without(&places)?;
        seconds.push(start.elapsed().as_secs_f64());
        cpu.push(cpu_seconds() - before);
    }
    for list in [&mut seconds, &mut cpu] {
        list.remove(0);
        list.sort_by(f64::total_cmp);
    }
    let line = serde_json::json!({"what": "round", "channels": channels, "batch": batch, "places": places.len(),
        "device": place.label(),
        "median_s": seconds.get(seconds.len() / 2), "min_s": seconds.first(), "cpu_s": cpu.get(cpu.len() / 2),
        "peak_over_idle_mib": mib(meter.peak_over_start())});
    println!("{line}");
    Ok(())
}

/// A training step: pass, way back, clipping, SGD.
fn train(size: usize, steps: usize, threads: usize, policy: Policy) -> Result<(), Box<dyn std::error::Error>> {
    let (channels, cells, batch) = (number("--channels", 16), number("--cells", 8), number("--batch", 64));
    let genotype = published::find("DARTS_V2")?.genotype;
    let config = EvaluationConfig {
        genotype,
        channels,
        cells,
        input_channels: 3,
        classes: 10,
        auxiliary: true,
        stem: Stem::Cifar,
    };
    let (place, gpu) = place()?;
    let trainer = |config: &EvaluationConfig| -> Result<Trainer, Box<dyn std::error::Error>> {
        let mut net = Evaluation::new(config)?.on(gpu.clone()).keeping(policy);
        net.initialise(Init::Default, 2)?;
        let sgd = SgdSettings { momentum: 0.9, weight_decay: 3e-4, clip: 5.0, nesterov: false };
        Ok(Trainer::new(net, TrainerSettings { sgd, auxiliary: 0.4 }))
    };
    let batch_of = |n: usize| -> Result<Batch, candle_core::Error> {
        let labels = (0..n as u32).map(|i| i % 10).collect::<Vec<_>>();
        let images = Tensor::randn(0f32, 1.0, (n, size, size, 3), &Device::Cpu)?;
        Ok(Batch { images, labels: Tensor::from_vec(labels, n, &Device::Cpu)? })
    };
    // The program's own pages and its threads are there before a training begins.
    let tiny = EvaluationConfig { channels: 2, ..config.clone() };
    trainer(&tiny)?.step(&batch_of(threads)?, 0.025, None)?;
    let (pictures, meter) = (batch_of(batch)?, Meter::on(&place));
    let mut trainer = trainer(&config)?;
    let (mut seconds, mut cpu, mut losses) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..=steps {
        let (start, before) = (Instant::now(), cpu_seconds());
        losses.push(trainer.step(&pictures, 0.025, None)?.loss);
        seconds.push(start.elapsed().as_secs_f64());
        cpu.push(cpu_seconds() - before);
    }
    for list in [&mut seconds, &mut cpu] {
        list.remove(0);
        list.sort_by(f64::total_cmp);
    }
    let work = Workload { images: batch, height: size, width: size, second_order: false, threads };
    let predicted = match &place {
        Place::Cpu => config.training_footprints(&work)(policy).bytes(),
        Place::Cuda(_) => config.gpu_footprints([batch, size, size], false)(policy),
    };
    let line = serde_json::json!({"what": "train", "channels": channels, "cells": cells, "batch": batch, "size": size,
        "threads": threads, "policy": format!("{policy:?}"), "device": place.label(), "loss": losses.first(),
        "median_s": seconds.get(seconds.len() / 2), "min_s": seconds.first(), "cpu_s": cpu.get(cpu.len() / 2),
        "peak_over_idle_mib": mib(meter.peak_over_start()), "predicted_mib": predicted as f64 / MIB});
    println!("{line}");
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // As the engine does: work starts on a thread of the pool, so that no region has to be handed over.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(number("--threads", 2)).build()?;
    pool.install(|| measure().map_err(|e| e.to_string()))?;
    Ok(())
}

fn measure() -> Result<(), Box<dyn std::error::Error>> {
    let (channels, cells, batch) = (number("--channels", 16), number("--cells", 8), number("--batch", 16));
    let (threads, steps, size) = (number("--threads", 2), number("--steps", 3), number("--size", 32));
    let order = Order::try_from(number("--order", 1) as u64)?;
    let policy = match argument("--policy").as_deref() {
        Some("recompute") => Policy::Recompute,
        Some(n) if n != "keep" => Policy::RecomputeFirst(n.parse()?),
        _ => Policy::Keep,
    };
    let precision: Precision = argument("--precision").as_deref().unwrap_or("float32").parse()?;
    let space = match argument("--space") {
        Some(name) => Space::find(&name)?,
        None => darts::SPACE,
    };
    let mask = match argument("--keep") {
        Some(list) => Mask::uniform(space, &list.split(',').map(str::parse).collect::<Result<Vec<Operation>, _>>()?),
        None => space.full(),
    };
    if argument("--what").as_deref() == Some("round") {
        return round(channels, cells, batch, size, threads, steps);
    }
    if argument("--what").as_deref() == Some("train") {
        return train(size, steps, threads, policy);
    }
    let forward = argument("--what").as_deref() == Some("forward");
    let layout = space.layout(cells);
    let config = SupernetConfig {
        channels,
        classes: 10,
        input_channels: 3,
        layout,
        stem_multiplier: space.stacking().stem(),
        stem: Stem::Cifar,
        mask,
        policy,
        precision,
    };
    let batch_of = |n: usize, size: usize| -> Result<Batch, candle_core::Error> {
        let images = Tensor::randn(0f32, 1.0, (n, size, size, 3), &Device::Cpu)?;
        Ok(Batch {
            images,
            labels: Tensor::from_vec((0..n as u32).map(|i| i % 10).collect::<Vec<_>>(), n, &Device::Cpu)?,
        })
    };
    let (place, gpu) = place()?;
    let searcher_of = |config: &SupernetConfig| -> Result<Searcher, Box<dyn std::error::Error>> {
        let mut net = Supernet::new(config)?.on(gpu.clone());
        net.initialise(Init::Default, 2)?;
        let settings = Settings::published(order);
        Ok(Searcher::new(net, settings, 2)?)
    };
    if !std::env::args().any(|a| a == "--cold") {
        // The program's own pages and its threads are there before a search begins.
        let tiny = SupernetConfig { channels: 2, mask: space.full(), ..config.clone() };
        let batch = batch_of(threads, 8)?;
        searcher_of(&tiny)?.step(&batch, Some(&batch), 0.025)?;
    }
    let batch_of = batch_of(batch, size)?;
    let idle = used_bytes();
    let meter = Meter::on(&place);
    let live = zonas::device::pages().live_bytes;
    let mut searcher = searcher_of(&config)?;
    let (mut seconds, mut cpu, mut fresh, mut losses) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..=steps {
        let (start, before) = (Instant::now(), cpu_seconds());
        losses.push(if forward {
            searcher.evaluate(&batch_of)?.0
        } else {
            searcher.step(&batch_of, Some(&batch_of), 0.025)?.train_loss
        });
        seconds.push(start.elapsed().as_secs_f64());
        cpu.push(cpu_seconds() - before);
        fresh.push(zonas::device::pages().fresh_bytes as f64 / MIB);
    }
    for list in [&mut seconds, &mut cpu] {
        list.remove(0);
        list.sort_by(f64::total_cmp);
    }
    let work = Workload { images: batch, height: size, width: size, second_order: order.is_second(), threads };
    let predicted = if forward { config.forward_footprint(&work) } else { config.search_footprint(&work) };
    let (predicted, overhead, meters) = match &place {
        Place::Cpu => (predicted.bytes(), predicted.overhead, None),
        Place::Cuda(gpu) => (config.gpu_footprints(&work)(policy), 0, gpu.meters()),
    };
    println!(
        "{}",
        serde_json::json!({
            "what": if forward { "forward" } else { "search" }, "channels": channels, "cells": cells, "batch": batch,
            "size": size, "order": order, "threads": threads, "policy": format!("{policy:?}"), "precision": precision.name(), "kept": mask.count(),
            "device": place.label(), "meters": meters, "simd": zonas::kernels::level().name(), "loss": losses.first(), "median_s": seconds.get(seconds.len() / 2),
            "min_s": seconds.first(), "cpu_s": cpu.get(cpu.len() / 2), "cpu_min_s": cpu.first(),
            "peak_over_idle_mib": mib(meter.peak_over_start()), "idle_mib": mib(idle),
            "predicted_mib": predicted as f64 / MIB, "predicted_overhead_mib": overhead as f64 / MIB,
            "pages_peak_mib": (zonas::device::pages().peak_bytes - live) as f64 / MIB, "fresh_mib": fresh,
        })
    );
    Ok(())
}
