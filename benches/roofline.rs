//! What a step of a search or of a training costs a GPU on paper: bytes moved and arithmetic of every kernel, from the launches
//! of a whole step on a recording device, and the time below which a device can't do it. `cargo bench --bench roofline`; needs no
//! GPU.

use std::collections::BTreeMap;
use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use zonas::kernels::gpu::{Kernel, Recorder};
use zonas::nn::{DropPath, Evaluation, EvaluationConfig, Init, Policy, Precision, Supernet, SupernetConfig};
use zonas::oneshot::{Batch, Order, Searcher, Settings, SgdSettings, Trainer, TrainerSettings};
use zonas::space::{Space, Stem, darts, published};

/// Published peaks: bytes and float32 operations per second, outside of tensor cores.
struct Gpu {
    name: &'static str,
    bandwidth: f64,
    arithmetic: f64,
}

const GPUS: [Gpu; 2] = [
    Gpu { name: "A100 (40 GB)", bandwidth: 1.555e12, arithmetic: 19.5e12 },
    Gpu { name: "H100 (SXM)", bandwidth: 3.35e12, arithmetic: 66.9e12 },
];

/// Seconds from one launch to the next on one stream, at least.
const LAUNCH: f64 = 2.5e-6;

#[derive(Default)]
struct Row {
    launches: usize,
    bytes: u64,
    operations: u64,
    /// By GPU: the limits of all launches, and those that are the arithmetic's.
    seconds: [f64; 2],
    arithmetic: [f64; 2],
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ways = Precision::ALL.into_iter().flat_map(|p| [Policy::Keep, Policy::Recompute].map(|policy| (policy, p)));
    let searches = [(darts::FULL, 8), (Space::find("nas_bench_201")?.full(), 15)];
    for ((mask, cells), (policy, precision)) in ways.flat_map(|way| searches.map(|of| (of, way))) {
        let space = mask.space();
        let config = SupernetConfig {
            channels: 16,
            classes: 10,
            input_channels: 3,
            layout: space.layout(cells),
            stem_multiplier: space.stacking().stem(),
            stem: Stem::Cifar,
            mask,
            policy,
            precision,
        };
        let recorder = Recorder::joining();
        let mut net = Supernet::new(&config)?.on(Some(recorder.clone()));
        net.initialise(Init::Default, 1)?;
        let mut searcher = Searcher::new(net, Settings::published(Order::First), 1)?;
        let batch = batch(64)?;
        // The first brings the weights, and makes the momentum.
        searcher.step(&batch, Some(&batch), 0.025)?;
        recorder.take();
        let (asked, _) = recorder.counts();
        let began = Instant::now();
        searcher.step(&batch, Some(&batch), 0.025)?;
        let host = began.elapsed();
        tell(
            &format!(
                "{}, {policy}, {precision}: 16 channels, {cells} cells, batch 64, all operations; a whole search step",
                space.name()
            ),
            &recorder,
            asked,
        );
        tell_host(host);
    }
    let genotype = published::find("DARTS_V2")?.genotype;
    let config = EvaluationConfig {
        genotype,
        channels: 36,
        cells: 20,
        input_channels: 3,
        classes: 10,
        auxiliary: true,
        stem: Stem::Cifar,
    };
    let recorder = Recorder::new();
    let mut net = Evaluation::new(&config)?.on(Some(recorder.clone()));
    net.initialise(Init::Default, 1)?;
    let sgd = SgdSettings { momentum: 0.9, weight_decay: 3e-4, clip: 5.0, nesterov: false };
    let mut trainer = Trainer::new(net, TrainerSettings { sgd, auxiliary: 0.4 });
    let drop = DropPath { probability: 0.1, seed: 1, at: [0, 0] };
    let batch = batch(96)?;
    trainer.step(&batch, 0.025, Some(drop))?;
    recorder.take();
    let (asked, _) = recorder.counts();
    let began = Instant::now();
    trainer.step(&batch, 0.025, Some(drop))?;
    let host = began.elapsed();
    tell(
        "training: DARTS_V2, 36 channels, 20 cells, batch 96, drop path, auxiliary head; a whole step",
        &recorder,
        asked,
    );
    tell_host(host);
    Ok(())
}

fn tell_host(host: std::time::Duration) {
    println!(
        "on the host such a step takes {:.0} ms here, the recorder's checks among them\n",
        1e3 * host.as_secs_f64()
    );
}

fn batch(images: usize) -> Result<Batch, candle_core::Error> {
    let pictures = Tensor::zeros((images, 32, 32, 3), DType::F32, &Device::Cpu)?;
    Ok(Batch { images: pictures, labels: Tensor::zeros(images, DType::U32, &Device::Cpu)? })
}

/// Prints what a step took, kernel by kernel; before it memory was asked for so many times.
fn tell(what: &str, recorder: &Recorder, asked: usize) {
    let mut rows: BTreeMap<Kernel, Row> = BTreeMap::new();
    let mut all = Row::default();
    for r in recorder.take() {
        for row in [rows.entry(r.kernel).or_default(), &mut all] {
            row.launches += 1;
            row.bytes += r.bytes;
            row.operations += r.operations;
            for (i, gpu) in GPUS.iter().enumerate() {
                let (moving, counting) = (r.bytes as f64 / gpu.bandwidth, r.operations as f64 / gpu.arithmetic);
                row.seconds[i] += moving.max(counting).max(LAUNCH);
                row.arithmetic[i] += if counting > moving { counting } else { 0.0 };
            }
        }
    }
    let (peak, asked) = (recorder.bytes().1 as f64 / f64::from(1 << 20), recorder.counts().0 - asked);
    println!("{what}, {peak:.0} MiB at its peak, memory asked for {asked} times");
    println!("{:<26} {:>8} {:>9} {:>9} {:>16} {:>16}", "kernel", "launches", "MB", "GFLOP", GPUS[0].name, GPUS[1].name);
    let line = |name: &str, row: &Row| {
        let limit = |i: usize| {
            let share = 100.0 * row.arithmetic[i] / row.seconds[i];
            format!("{:.2} ms, {share:>2.0} % a", 1e3 * row.seconds[i])
        };
        println!(
            "{name:<26} {:>8} {:>9.0} {:>9.1} {:>16} {:>16}",
            row.launches,
            row.bytes as f64 * 1e-6,
            row.operations as f64 * 1e-9,
            limit(0),
            limit(1)
        );
    };
    rows.iter().for_each(|(k, row)| line(k.name(), row));
    line("all", &all);
    println!("(each launch: the larger of bytes / bandwidth, arithmetic / peak (a) and {} us)\n", 1e6 * LAUNCH);
}
