//! Predicted against measured peak of a search step: random masks, widths, batches, both policies, both orders, one process
//! each: `cargo bench --bench predict -- [--masks 40] [--size 16] [--cells 5] [--threads 2]`. Prints the distribution of
//! `predicted / measured − 1`, and JSON lines with `--json`. Needs a system that can forget a peak (Linux). With `--time` it is
//! the seconds of a step that are predicted, after each process has timed its parts.

use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use rand::seq::IndexedRandom;
use zonas::device::{Meter, pages};
use zonas::nn::{Init, NnError, Policy, Precision, Supernet, SupernetConfig, Workload};
use zonas::oneshot::{Batch, Order, Searcher, Settings, StepTimes};
use zonas::random::stream;
use zonas::space::{Mask, Stem, darts};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[global_allocator]
static ALLOCATOR: zonas::device::KeptPages = zonas::device::KeptPages;

fn number(name: &str, default: usize) -> usize {
    let args: Vec<String> = std::env::args().collect();
    args.iter().position(|a| a == name).and_then(|i| args.get(i + 1)?.parse().ok()).unwrap_or(default)
}

/// A mask without up to seven of eight operations on each edge.
fn random_mask(seed: u64) -> Mask {
    use rand::RngExt;
    let mut rng = stream(seed, "mask");
    let mut mask = darts::FULL;
    let remove = rng.random_range(0..150);
    for _ in 0..remove {
        let places: Vec<_> = mask.places().collect();
        if let Some(place) = places.choose(&mut rng) {
            let cut = mask.without(*place);
            if cut.check().is_ok() {
                mask = cut;
            }
        }
    }
    mask
}

/// One case: prints the predicted and the measured seconds of a step, and those that timing the parts took.
fn measure_time(config: &SupernetConfig, work: &Workload, seed: u64) -> Result<(), Failure> {
    rayon::ThreadPoolBuilder::new().num_threads(work.threads).build()?.install(|| {
        let start = Instant::now();
        let times = StepTimes::measure(&SupernetConfig { mask: darts::FULL, ..config.clone() }, work)?;
        let calibration = start.elapsed().as_secs_f64();
        let predicted = times.step(config, work, config.policy)?;
        let mut searcher = searcher(config, work, seed)?;
        let batch = batch(work.images, work.height)?;
        let mut seconds = Vec::new();
        for _ in 0..4 {
            let start = Instant::now();
            searcher.step(&batch, Some(&batch), 0.025)?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        seconds.remove(0);
        seconds.sort_by(f64::total_cmp);
        println!("{} {predicted} {calibration}", seconds[seconds.len() / 2]);
        Ok(())
    })
}

fn batch(images: usize, size: usize) -> candle_core::Result<Batch> {
    let x = Tensor::randn(0f32, 1.0, (images, size, size, 3), &Device::Cpu)?;
    Ok(Batch { images: x, labels: Tensor::zeros(images, DType::U32, &Device::Cpu)? })
}

fn searcher(config: &SupernetConfig, work: &Workload, seed: u64) -> Result<Searcher, NnError> {
    let mut net = Supernet::new(config)?;
    net.initialise(Init::Default, seed)?;
    let settings = Settings::published(if work.second_order { Order::Second } else { Order::First });
    Searcher::new(net, settings, seed)
}

/// One case: prints the measured peak over the idle process, which has run a tiny network before, and that of large blocks.
fn measure(config: &SupernetConfig, work: &Workload, seed: u64) -> Result<(), Failure> {
    rayon::ThreadPoolBuilder::new().num_threads(work.threads).build_global()?;
    let run = |config: &SupernetConfig, images: usize, size: usize| -> Result<(Option<u64>, usize), Failure> {
        let batch = batch(images, size)?;
        let meter = Meter::begin();
        let before = pages().live_bytes;
        let mut searcher = searcher(config, work, seed)?;
        for _ in 0..2 {
            searcher.step(&batch, Some(&batch), 0.025)?;
        }
        Ok((meter.peak_over_start(), pages().peak_bytes - before))
    };
    run(&SupernetConfig { channels: 2, mask: darts::FULL, ..config.clone() }, 4, 8)?;
    let (measured, large) = run(config, work.images, work.height)?;
    println!("{} {large}", measured.ok_or("this system does not tell the peak of memory")?);
    Ok(())
}

fn main() -> Result<(), Failure> {
    let (masks, size, cells, threads) =
        (number("--masks", 40), number("--size", 16), number("--cells", 5), number("--threads", 2));
    let time = std::env::args().any(|a| a == "--time");
    let json = std::env::args().any(|a| a == "--json");
    let case = number("--case", usize::MAX);
    let mut longest = 0.0f64;
    let mut errors: Vec<(f64, String)> = Vec::new();
    for index in 0..masks * 24 {
        let pick = |every: usize, of: &[usize]| of[index / every % of.len()];
        let (seed, channels, images) = ((index / 24) as u64, pick(8, &[4, 8, 16]), pick(4, &[8, 32]));
        let policy = if pick(2, &[0, 1]) == 0 { Policy::Keep } else { Policy::Recompute };
        let second_order = pick(1, &[0, 1]) == 1;
        let config = SupernetConfig {
            channels,
            classes: 10,
            input_channels: 3,
            layout: darts::SPACE.layout(cells),
            stem_multiplier: 3,
            stem: Stem::Cifar,
            mask: random_mask(seed),
            policy,
            precision: Precision::Float32,
        };
        let work = Workload { images, height: size, width: size, second_order, threads };
        if case == index {
            return if time { measure_time(&config, &work, seed) } else { measure(&config, &work, seed) };
        }
        if case != usize::MAX {
            continue;
        }
        let program = std::env::current_exe()?;
        let again = std::process::Command::new(program)
            .args(std::env::args().skip(1))
            .args(["--case", &index.to_string()])
            .output()?;
        let text = String::from_utf8_lossy(&again.stdout);
        let found = text.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>()?;
        let (measured, predicted) = match found[..] {
            [measured, predicted, calibration] => {
                longest = longest.max(calibration);
                (measured, predicted)
            }
            [measured, _] => (measured, config.search_footprint(&work).bytes() as f64),
            _ => return Err(String::from_utf8_lossy(&again.stderr).into()),
        };
        let error = predicted / measured - 1.0;
        let order = if second_order { 2 } else { 1 };
        let of = format!("mask {seed} C {channels} batch {images} {policy:?} order {order}");
        if json {
            let parts = (!time).then(|| config.search_footprint(&work));
            let line = serde_json::json!({"case": of, "measured": measured, "predicted": predicted, "error": error,
                "kept": config.mask.count(), "large_blocks": found.get(1), "parts": parts.map(|p| [p.weights, p.pass, p.overhead])});
            println!("{line}");
        }
        errors.push((error, of));
    }
    errors.sort_by(|a, b| a.0.total_cmp(&b.0));
    let at = |q: f64| &errors[((errors.len() - 1) as f64 * q).round() as usize];
    for (name, q) in [("least", 0.0), ("1 %", 0.01), ("median", 0.5), ("99 %", 0.99), ("greatest", 1.0)] {
        println!("{name:<9} {:+.2} %  {}", 100.0 * at(q).0, at(q).1);
    }
    if time {
        let within = errors.iter().filter(|e| e.0.abs() <= 0.15).count();
        println!("{} cases, {within} within 15 %; timing the parts took at most {longest:.2} s", errors.len());
        return Ok(());
    }
    let within = errors.iter().filter(|e| e.0.abs() <= 0.03).count();
    let under = errors.iter().filter(|e| e.0 < -0.01).count();
    println!("{} cases, {within} within 3 %, {under} predicted too low by more than 1 %", errors.len());
    Ok(())
}
