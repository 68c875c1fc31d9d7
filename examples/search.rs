//! A first-order DARTS search on a cut space, a few steps on a tiny supernet; prints the genotype.
//!
//!     cargo run --release --example search

use candle_core::{Device, Tensor};
use zonas::data::{self, Augment, Loader, OpenOptions, Plan, Split};
use zonas::nn::{Init, Policy, Precision, Supernet, SupernetConfig};
use zonas::oneshot::{Batch, Order, Searcher, Settings};
use zonas::space::{CellKind, Mask, Operation, Stem, darts};

const SEED: u64 = 2;
const BATCH: usize = 8;
const STEPS: usize = 8;

fn tensors(batch: data::Batch) -> Result<Batch, candle_core::Error> {
    let shape = batch.shape();
    Ok(Batch {
        images: Tensor::from_vec(batch.images, &shape[..], &Device::Cpu)?,
        labels: Tensor::from_vec(batch.labels, batch.count, &Device::Cpu)?,
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pictures = data::open("embedded", &OpenOptions::default())?;
    let kept = ["max_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3"];
    let kept = kept.into_iter().map(str::parse).collect::<Result<Vec<Operation>, _>>()?;
    let mut net = Supernet::new(&SupernetConfig {
        channels: 4,
        classes: pictures.summary().classes(),
        input_channels: pictures.summary().channels as usize,
        layout: vec![CellKind::Normal, CellKind::Reduction],
        stem_multiplier: 3,
        stem: Stem::Cifar,
        mask: Mask::uniform(darts::SPACE, &kept),
        policy: Policy::Keep,
        precision: Precision::Float32,
    })?;
    net.initialise(Init::Default, SEED)?;
    let mut searcher = Searcher::new(net, Settings::published(Order::First), SEED)?;

    // One half of the pictures trains the weights, the other the alphas.
    let all = pictures.len(Split::Train) as u32;
    let half = |from: u32, to: u32, stream: &str| {
        let plan = Plan::training((from..to).collect(), BATCH, Augment::NONE, SEED, stream, 0);
        Loader::new(pictures.clone(), plan)
    };
    let batches = half(0, all / 2, "train")?.zip(half(all / 2, all, "valid")?);
    for (step, (train, valid)) in batches.take(STEPS).enumerate() {
        let seen = searcher.step(&tensors(train?)?, Some(&tensors(valid?)?), 0.025)?;
        println!(
            "step {step}: training loss {:.3}, validation loss {:.3}",
            seen.train_loss,
            seen.valid_loss.unwrap_or(f64::NAN)
        );
    }
    println!("{}", searcher.genotype()?);
    Ok(())
}
