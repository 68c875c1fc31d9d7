//! Scores the operations of two edges of the DARTS space, without training: how much a small network loses by each.
//!
//!     cargo run --release --example score

use candle_core::{Device, Tensor};
use zonas::data::{self, Augment, OpenOptions, Split};
use zonas::engine::score::{Evaluator, NetworkEvaluator, Proxy};
use zonas::proxies::{self, Draw};
use zonas::space::{CellKind, Stem, darts};

const SEED: u64 = 2;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pictures = data::open("embedded", &OpenOptions::default())?;
    let all: Vec<u32> = (0..pictures.len(Split::Train) as u32).collect();
    let made = data::scoring_batch(&*pictures, &all, 16, Augment::NONE, SEED, 0)?.batch;
    let images = Tensor::from_vec(made.images.clone(), &made.shape()[..], &Device::Cpu)?;
    let labels = Tensor::from_vec(made.labels, made.count, &Device::Cpu)?;

    let functions = ["naswot", "nngp_frobenius"].map(proxies::by_name).into_iter().collect::<Result<Vec<_>, _>>()?;
    let proxy = Proxy {
        channels: 2,
        layout: vec![CellKind::Normal, CellKind::Reduction],
        classes: pictures.summary().classes(),
        input_channels: made.channels,
        stem: Stem::Cifar,
    };
    let draw = |n| Draw::new(images.clone(), labels.clone(), SEED, n);
    let mut evaluator = NetworkEvaluator::new(proxy, functions, SEED, rayon::current_num_threads(), draw);

    // r(N), then r(N \ e) for each e: both sides have the same weights and pictures.
    let space = darts::NO_NONE;
    let places: Vec<_> = space.places().take(14).collect();
    let base = evaluator.baseline(&space, 0)?;
    let without = evaluator.without(&places)?;
    for (place, values) in places.iter().zip(without) {
        let lost = (0..base.len())
            .map(|f| format!("{} {:+.5}", evaluator.name(f), evaluator.difference(f, base[f], values[f])));
        println!("{place}: {}", lost.collect::<Vec<_>>().join(", "));
    }
    Ok(())
}
