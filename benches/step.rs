//! One complete first-order search step (architecture step and weight step, forward and backward each), as one JSON line:
//! `cargo bench --bench step -- [--channels 16] [--cells 8] [--batch 16] [--threads 2] [--steps 3] [--policy keep|recompute]
//! [--keep sep_conv_3x3,skip_connect,…]`. One process is one configuration, so that the peak of memory is its own.

use std::time::Instant;

use candle_core::{Device, Tensor, Var};
use candle_nn::loss::cross_entropy;
use zonas::nn::{Init, Mixing, Pass, Policy, Supernet, SupernetConfig};
use zonas::space::{CellKind, Mask, Operation};

#[global_allocator]
static ALLOCATOR: zonas::device::KeptPages = zonas::device::KeptPages;

fn argument(name: &str) -> Option<String> {
    let args: Vec<String> = std::env::args().collect();
    args.iter().position(|a| a == name).and_then(|i| args.get(i + 1).cloned())
}

fn number(name: &str, default: usize) -> usize {
    argument(name).and_then(|v| v.parse().ok()).unwrap_or(default)
}

fn status_mib(field: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line =
        text.lines().find(|l| l.starts_with(field)).and_then(|l| l.split_whitespace().nth(1)?.parse::<f64>().ok());
    line.map_or(f64::NAN, |kib| kib / 1024.0)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (channels, cells, batch) = (number("--channels", 16), number("--cells", 8), number("--batch", 16));
    let (threads, steps, size) = (number("--threads", 2), number("--steps", 3), number("--size", 32));
    let policy = if argument("--policy").as_deref() == Some("recompute") { Policy::Recompute } else { Policy::Keep };
    let mask = match argument("--keep") {
        Some(list) => Mask::uniform(&list.split(',').map(str::parse).collect::<Result<Vec<Operation>, _>>()?),
        None => Mask::FULL,
    };
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let layout = CellKind::published_layout(cells);
    let config = SupernetConfig { channels, classes: 10, input_channels: 3, layout, stem_multiplier: 3, mask, policy };
    let mut net = Supernet::new(&config)?;
    net.initialise(Init::Default, 2)?;
    let alphas: Vec<Var> = (0..2).map(|_| Var::randn(0f32, 1e-3, (14, 8), &Device::Cpu)).collect::<Result<_, _>>()?;
    let images = Tensor::randn(0f32, 1.0, (batch, size, size, 3), &Device::Cpu)?;
    let target = Tensor::from_vec((0..batch as u32).map(|i| i % 10).collect::<Vec<_>>(), batch, &Device::Cpu)?;
    let idle = status_mib("VmRSS:");
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let (mut seconds, mut parts, mut fresh) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..=steps {
        let start = Instant::now();
        let mut marks = Vec::new();
        for pass in [Pass::architecture_step(), Pass::weight_step()] {
            let mixing = Mixing::softmax(&alphas[0], &alphas[1], &mask)?;
            let loss = cross_entropy(&net.forward(&images, &mixing, &pass)?, &target)?;
            marks.push(start.elapsed().as_secs_f64());
            let gradients = loss.backward()?;
            for (vars, rate) in [(&alphas[..], 1e-3), (net.blocks(), 1e-3)] {
                for v in vars {
                    if let Some(g) = gradients.get(v) {
                        v.set(&(v.as_tensor() - (g * rate)?)?.detach())?;
                    }
                }
            }
            marks.push(start.elapsed().as_secs_f64());
        }
        seconds.push(start.elapsed().as_secs_f64());
        parts = marks;
        fresh.push(zonas::device::pages().fresh_bytes as f64 / (1 << 20) as f64);
    }
    let mut timed = seconds[1..].to_vec();
    timed.sort_by(f64::total_cmp);
    println!(
        "{}",
        serde_json::json!({
            "channels": channels, "cells": cells, "batch": batch, "threads": threads, "policy": format!("{policy:?}"),
            "kept": mask.count(), "simd": zonas::kernels::level().name(),
            "median_s": timed.get(timed.len() / 2), "min_s": timed.first(), "marks_s": parts,
            "predicted_mib": config.search_footprint(batch, size, size, false).bytes() as f64 / (1 << 20) as f64,
            "pages_peak_mib": zonas::device::pages().peak_bytes as f64 / (1 << 20) as f64,
            "fresh_mib": fresh, "idle_mib": idle, "peak_over_idle_mib": status_mib("VmHWM:") - idle,
        })
    );
    Ok(())
}
