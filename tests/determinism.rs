//! The same numbers bit for bit on any number of threads and under both memory policies.

use candle_core::{Device, Tensor, Var};
use candle_nn::loss::cross_entropy;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use zonas::nn::{Init, Mixing, Pass, Policy, Precision, Supernet, SupernetConfig};
use zonas::space::{CellKind, Mask, Operation, Place, Stem, darts};

fn numbers(n: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| rng.random::<f32>() * 2.0 - 1.0).collect()
}

/// Every number that a step makes: logits, all gradients, the running statistics.
fn step(threads: usize, policy: Policy, mask: Mask, images: usize) -> Vec<u32> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let mut net = Supernet::new(&SupernetConfig {
            channels: 5,
            classes: 3,
            input_channels: 2,
            layout: vec![CellKind::Normal, CellKind::Reduction, CellKind::Normal],
            stem_multiplier: 3,
            stem: Stem::Cifar,
            mask,
            policy,
            precision: Precision::Float32,
        })
        .unwrap();
        net.initialise(Init::Default, 11).unwrap();
        let x = Tensor::from_vec(numbers(images * 9 * 8 * 2, 1), (images, 9, 8, 2), &Device::Cpu).unwrap();
        let y = Tensor::from_vec((0..images as u32).map(|i| i % 3).collect::<Vec<_>>(), images, &Device::Cpu).unwrap();
        let alphas = [2, 3].map(|s| Var::from_vec(numbers(14 * 8, s), (14, 8), &Device::Cpu).unwrap());
        let mixing = Mixing::softmax(&alphas[0], &alphas[1], &mask).unwrap();
        let pass = Pass { mixing: true, ..Pass::weight_step() };
        let logits = net.forward(&x, &mixing, &pass).unwrap();
        let gradients = cross_entropy(&logits, &y).unwrap().backward().unwrap();
        let mut all = logits.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let of_weights = net.parameters().gradients(&gradients).unwrap();
        assert!(of_weights.iter().all(|block| block.iter().any(|g| *g != 0.0)), "a block without a gradient");
        all.extend(of_weights.concat());
        for v in &alphas {
            all.extend(gradients.get(v).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap());
        }
        all.extend(net.parameters().running().0.concat());
        assert!(all.iter().all(|v| v.is_finite()));
        all.into_iter().map(f32::to_bits).collect()
    })
}

#[test]
fn threads_and_policy_change_no_bit() {
    let mut some = darts::FULL;
    for (i, edge) in darts::SPACE.edges(CellKind::Normal).iter().copied().enumerate() {
        for (j, o) in darts::SPACE.operations().iter().copied().enumerate() {
            if (i + j) % 3 != 0 {
                some.set(Place::new(CellKind::Normal, edge, o), false);
            }
        }
    }
    for (mask, images) in [(darts::FULL, 37), (some, 5), (Mask::uniform(darts::SPACE, &[Operation::SkipConnect]), 1)] {
        let first = step(1, Policy::Keep, mask, images);
        for threads in [1, 2, 5] {
            for policy in [Policy::Keep, Policy::Recompute] {
                assert!(step(threads, policy, mask, images) == first, "{threads} threads, {policy:?}, {images} images");
            }
        }
    }
}

/// A network drawn from a seed keeps its weights when operations are cut.
#[test]
fn a_cut_network_shares_the_full_ones_weights() {
    let config = SupernetConfig {
        channels: 4,
        classes: 10,
        input_channels: 1,
        layout: vec![CellKind::Normal, CellKind::Reduction],
        stem_multiplier: 3,
        stem: Stem::Cifar,
        mask: darts::NO_NONE,
        policy: Policy::Keep,
        precision: Precision::Float32,
    };
    let mut full = Supernet::new(&config).unwrap();
    full.initialise(Init::KaimingNormalFanOut, 7).unwrap();
    let place = "normal:3:sep_conv_3x3".parse::<Place>().unwrap();
    let cut_mask = darts::NO_NONE.without(place);
    let mut drawn = Supernet::new(&SupernetConfig { mask: cut_mask, ..config }).unwrap();
    drawn.initialise(Init::KaimingNormalFanOut, 7).unwrap();
    let cut = full.masked(&cut_mask).unwrap();
    assert!(cut.parameters().count() < full.parameters().count());
    assert_eq!(cut.parameters().values().unwrap(), drawn.parameters().values().unwrap());
    assert!(cut.masked(&darts::NO_NONE).is_err());
}
