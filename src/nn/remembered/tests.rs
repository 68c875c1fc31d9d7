//! A remembered pass gives what passes of smaller networks give, bit for bit.

use std::sync::{Arc, Mutex};

use candle_core::{Device, Tensor};

use super::Shown;
use crate::nn::{Init, Mixing, Pass, Policy, Precision, Probe, Supernet, SupernetConfig};
use crate::random;
use crate::space::{CellKind, Mask, Operation, Place, Space, Stem, darts};

const IMAGES: usize = 5;

/// Nodes that skip states, a state that nothing reads, and one node after which nothing comes.
const OWN: &str = r#"
name = "gaps"
operations = ["skip_connect", "max_pool_3x3", "sep_conv_3x3"]
[normal]
nodes = 4
edges = ["0>2", "1>2", "1>3", "2>3", "0>4", "3>4", "2>5", "4>5"]
[reduction]
nodes = 3
edges = ["1>2", "0>2", "2>3", "1>3", "2>4", "3>4"]
"#;

/// How many values of each picture are above their thresholds, weighted by where they are; as often as the ReLU is there.
#[derive(Default)]
struct Ledger(Mutex<Vec<u64>>);

impl Probe for Ledger {
    fn relu(&self, values: &[f32], mean: Option<&[f32]>, [images, _]: [usize; 2], multiplicity: usize) {
        let mut all = self.0.lock().unwrap();
        all.resize(images, 0);
        for (sum, image) in all.iter_mut().zip(values.chunks_exact(values.len() / images)) {
            let above = |(i, v): (usize, &f32)| *v > mean.map_or(0.0, |m| m[i % m.len()]);
            let own: u64 = image.iter().enumerate().filter(|iv| above(*iv)).map(|(i, _)| i as u64 + 1).sum();
            *sum += multiplicity as u64 * own;
        }
    }

    fn norm(&self, _: &[f64]) {}
}

fn total(shown: &Shown<Ledger>) -> Vec<u64> {
    let mut total = vec![0; IMAGES];
    for (ledger, times) in shown {
        total.iter_mut().zip(ledger.0.lock().unwrap().iter()).for_each(|(t, v)| *t += *times as u64 * v);
    }
    total
}

/// Logits and what a pass of its own shows.
fn alone(net: &Supernet, images: &Tensor) -> (Vec<f32>, Vec<u64>) {
    let ledger = Arc::new(Ledger::default());
    let pass = Pass { probe: Some(ledger.clone()), ..Pass::observe() };
    let logits = net.forward(images, &Mixing::uniform(&net.config().mask).unwrap(), &pass).unwrap();
    (logits.flatten_all().unwrap().to_vec1().unwrap(), total(&vec![(ledger, 1)]))
}

/// A mask that keeps some operations of each edge, `none` alone on one edge.
fn ragged(seed: u64) -> Mask {
    let mut rng = random::stream(seed, "mask");
    let mut mask = darts::FULL;
    for p in darts::SPACE.places() {
        if mask.count_on(p.cell, p.edge) > 2 && random::below(&mut rng, 2) == 0 {
            mask.set(p, false);
        }
    }
    let edge = darts::SPACE.edges(CellKind::Normal).iter().copied().nth(random::below(&mut rng, 14) as usize).unwrap();
    for o in darts::SPACE.operations() {
        mask.set(Place::new(CellKind::Normal, edge, *o), *o == Operation::None);
    }
    mask
}

#[test]
fn a_pass_without_an_operation_is_that_of_the_network_without_it() {
    let (normal, reduction) = (CellKind::Normal, CellKind::Reduction);
    let layouts: [&[CellKind]; 6] = [
        &[normal, reduction],
        &[reduction, normal],
        &[normal, normal, reduction, normal],
        &[normal],
        &[normal, normal, normal],
        &[reduction, reduction, normal, normal],
    ];
    let len = IMAGES * 9 * 10 * 3;
    let numbers: Vec<f32> = (0..len).map(|i| (i * 7919 % 1009) as f32 / 504.5 - 1.0).collect();
    let images = Tensor::from_vec(numbers, (IMAGES, 9, 10, 3), &Device::Cpu).unwrap();
    for (i, layout) in layouts.into_iter().enumerate() {
        let full = (i == 0).then_some(darts::FULL);
        let own = Space::read(OWN).unwrap().full();
        let other = Space::find("nas_bench_201").unwrap();
        // All of its cells are of one kind.
        let other = layout.iter().all(|kind| *kind == normal).then(|| other.full());
        let masks: Vec<Mask> = full.into_iter().chain([ragged(i as u64), own]).chain(other).collect();
        // With ReLUs before the cells, too.
        let halved = masks.iter().filter(|m| i % 2 == 0 && Stem::ImageNet.suits(m.space().stacking()));
        let cases = masks.iter().map(|m| (*m, Stem::Cifar)).chain(halved.map(|m| (*m, Stem::ImageNet)));
        for (mask, stem) in cases {
            let config = SupernetConfig {
                channels: (1 + 2 * i).max(stem.least_channels()),
                classes: 10,
                input_channels: 3,
                layout: layout.to_vec(),
                stem_multiplier: 3,
                stem,
                mask,
                policy: Policy::Keep,
                precision: Precision::Float32,
            };
            let mut net = Supernet::new(&config).unwrap().remembering(1 << 30);
            net.initialise(Init::KaimingNormalFanOut, 1 + i as u64).unwrap();
            let mixing = Mixing::uniform(&mask).unwrap();
            let remembered = net.remember(&images, &mixing, Ledger::default).unwrap().unwrap();
            let whole = remembered.whole();
            assert_eq!((whole.logits, total(&whole.shown)), alone(&net, &images), "{layout:?}");
            for place in mask.places().filter(|p| mask.count_on(p.cell, p.edge) > 1) {
                let cut = mask.without(place);
                let found = remembered.without(place, &Mixing::uniform(&cut).unwrap()).unwrap();
                let expected = alone(&net.masked(&cut).unwrap(), &images);
                assert_eq!((found.logits, total(&found.shown)), expected, "{layout:?} {place:?}");
            }
        }
    }
}

#[test]
fn too_much_is_not_remembered() {
    let config = SupernetConfig {
        channels: 64,
        classes: 10,
        input_channels: 3,
        layout: vec![CellKind::Normal],
        stem_multiplier: 3,
        stem: Stem::Cifar,
        mask: darts::FULL,
        policy: Policy::Keep,
        precision: Precision::Float32,
    };
    let net = Supernet::new(&config).unwrap().remembering(512 << 20);
    let mixing = Mixing::uniform(&darts::FULL).unwrap();
    // 84 maps of so many images, 256 KiB each.
    for (images, fits) in [(1, true), (25, false)] {
        let pictures = Tensor::zeros((images, 32, 32, 3), candle_core::DType::F32, &Device::Cpu).unwrap();
        assert_eq!(net.remember(&pictures, &mixing, Ledger::default).unwrap().is_some(), fits, "{images}");
    }
}
