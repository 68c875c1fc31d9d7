//! Predicted against measured peak of a search step: random masks, widths, batches, both policies, both orders, one process
//! each: `cargo bench --bench predict -- [--masks 40] [--size 16] [--cells 5] [--threads 2]`. Prints the distribution of
//! `predicted / measured − 1`, and JSON lines with `--json`. Needs a system that can forget a peak (Linux).

use candle_core::{DType, Device, Tensor};
use rand::seq::IndexedRandom;
use zonas::device::Meter;
use zonas::nn::{Init, Policy, Supernet, SupernetConfig, Workload};
use zonas::oneshot::{Batch, Searcher, Settings};
use zonas::random::stream;
use zonas::space::{CellKind, Mask};

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
    let mut mask = Mask::FULL;
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

/// One case: prints the measured peak over the idle process, which has run a tiny network before.
fn measure(config: &SupernetConfig, work: &Workload, seed: u64) -> Result<(), Box<dyn std::error::Error>> {
    rayon::ThreadPoolBuilder::new().num_threads(work.threads).build_global()?;
    let run =
        |config: &SupernetConfig, images: usize, size: usize| -> Result<Option<u64>, Box<dyn std::error::Error>> {
            let x = Tensor::randn(0f32, 1.0, (images, size, size, 3), &Device::Cpu)?;
            let batch = Batch { images: x, labels: Tensor::zeros(images, DType::U32, &Device::Cpu)? };
            zonas::device::reset_peak();
            let meter = Meter::begin();
            let mut net = Supernet::new(config)?;
            net.initialise(Init::Default, seed)?;
            let settings = Settings::published(if work.second_order { 2 } else { 1 });
            let mut searcher = Searcher::new(net, settings, seed)?;
            for _ in 0..2 {
                searcher.step(&batch, Some(&batch), 0.025)?;
            }
            Ok(meter.peak_over_start())
        };
    run(&SupernetConfig { channels: 2, mask: Mask::FULL, ..config.clone() }, 4, 64)?;
    let measured = run(config, work.images, work.height)?.ok_or("this system does not tell the peak of memory")?;
    println!("{measured}");
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (masks, size, cells, threads) =
        (number("--masks", 40), number("--size", 16), number("--cells", 5), number("--threads", 2));
    let json = std::env::args().any(|a| a == "--json");
    let case = number("--case", usize::MAX);
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
            layout: CellKind::published_layout(cells),
            stem_multiplier: 3,
            mask: random_mask(seed),
            policy,
        };
        let work = Workload { images, height: size, width: size, second_order, threads };
        if case == index {
            return measure(&config, &work, seed);
        }
        if case != usize::MAX {
            continue;
        }
        let program = std::env::current_exe()?;
        let again = std::process::Command::new(program)
            .args(std::env::args().skip(1))
            .args(["--case", &index.to_string()])
            .output()?;
        let measured: u64 = String::from_utf8_lossy(&again.stdout).trim().parse()?;
        let predicted = config.search_footprint(&work).bytes();
        let error = predicted as f64 / measured as f64 - 1.0;
        let order = if second_order { 2 } else { 1 };
        let of = format!("mask {seed} C {channels} batch {images} {policy:?} order {order}");
        if json {
            let line = serde_json::json!({"case": of, "measured": measured, "predicted": predicted, "error": error});
            println!("{line}");
        }
        errors.push((error, of));
    }
    errors.sort_by(|a, b| a.0.total_cmp(&b.0));
    let at = |q: f64| &errors[((errors.len() - 1) as f64 * q).round() as usize];
    for (name, q) in [("least", 0.0), ("1 %", 0.01), ("median", 0.5), ("99 %", 0.99), ("greatest", 1.0)] {
        println!("{name:<9} {:+.2} %  {}", 100.0 * at(q).0, at(q).1);
    }
    let within = errors.iter().filter(|e| e.0.abs() <= 0.03).count();
    let under = errors.iter().filter(|e| e.0 < -0.01).count();
    println!("{} cases, {within} within 3 %, {under} predicted too low by more than 1 %", errors.len());
    Ok(())
}
