//! A ranking function of one's own, tried on the DARTS space from outside of the program: how far apart a network at
//! initialisation puts the classes of a batch. To have it in the program, see `docs/extending.md`.
//!
//!     cargo run --release --example ranking_function

use candle_core::{D, DType, Device, Tensor};
use zonas::nn::{Init, NnError, Pass, Policy, Precision, Supernet, SupernetConfig};
use zonas::proxies::{Context, Draw, Needs, RankingFunction};
use zonas::space::{CellKind, Stem, darts};

/// Mean over the pictures of the variance of their logits.
struct Spread;

impl RankingFunction for Spread {
    fn name(&self) -> &'static str {
        "spread"
    }
    fn needs(&self) -> Needs {
        Needs { data: true, ..Needs::default() }
    }
    fn paper(&self) -> &'static str {
        "none: an example"
    }
    fn meaning(&self) -> &'static str {
        "how far apart the logits of a picture are"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let logits = context.net()?.forward(&context.draw.images, &context.mixing, &Pass::weight_step())?;
        Ok(logits.var(D::Minus1)?.mean_all()?.to_dtype(DType::F64)?.to_scalar()?)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut net = Supernet::new(&SupernetConfig {
        channels: 2,
        classes: 10,
        input_channels: 3,
        layout: vec![CellKind::Normal, CellKind::Reduction],
        stem_multiplier: 3,
        stem: Stem::Cifar,
        mask: darts::NO_NONE,
        policy: Policy::Keep,
        precision: Precision::Float32,
    })?;
    net.initialise(Init::Default, 2)?;
    // Noise for pictures, so that the example needs no data. `[N, H, W, C]`, as everywhere here.
    let images = Tensor::randn(0f32, 1.0, (8, 16, 16, 3), &Device::Cpu)?;
    let labels = Tensor::from_vec((0..8u32).collect::<Vec<_>>(), 8, &Device::Cpu)?;
    let draw = Draw::new(images, labels, 2, 0)?;

    let base = Spread.evaluate(&Context::new(&net, &draw)?)?;
    println!("{} of the whole space: {base:.4}", Spread.name());
    for place in darts::NO_NONE.places().take(7) {
        let cut = net.masked(&darts::NO_NONE.without(place))?;
        let value = Spread.evaluate(&Context::new(&cut, &draw)?)?;
        println!("{place}: {:+.5}", Spread.difference(base, value));
    }
    Ok(())
}
