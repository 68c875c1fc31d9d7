//! The stem for large pictures in a supernet: gradients by finite differences, statistics, and what must not change results.

use candle_core::{DType, Device, Tensor, Var};

use crate::nn::{Init, Mixing, Norm, Pass, Policy, Precision, Supernet, SupernetConfig};
use crate::random;
use crate::space::{CellKind, Stem, darts};

fn network(policy: Policy) -> Supernet {
    let mut net = Supernet::new(&SupernetConfig {
        channels: 2,
        classes: 5,
        input_channels: 3,
        layout: vec![CellKind::Normal, CellKind::Reduction, CellKind::Normal],
        stem_multiplier: 3,
        stem: Stem::ImageNet,
        mask: darts::NO_NONE,
        policy,
        precision: Precision::Float32,
    })
    .unwrap();
    net.initialise(Init::Default, 3).unwrap();
    net
}

/// `[N, 35, 38, 3]`: at odd sizes halves are rounded up.
fn pictures(images: usize, seed: u64) -> Tensor {
    let mut rng = random::stream(seed, "pictures");
    let values: Vec<f32> = (0..images * 35 * 38 * 3).map(|_| random::normal(&mut rng) as f32).collect();
    Tensor::from_vec(values, (images, 35, 38, 3), &Device::Cpu).unwrap()
}

fn numbers(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

/// Numbers that the logits are weighted with.
fn weighted(logits: &Tensor) -> Tensor {
    let (n, classes) = logits.dims2().unwrap();
    let weights: Vec<f32> = (0..n * classes).map(|i| (0.7 * i as f32).sin()).collect();
    (logits * Tensor::from_vec(weights, (n, classes), &Device::Cpu).unwrap()).unwrap().sum_all().unwrap()
}

fn value(net: &Supernet, images: &Tensor) -> f64 {
    let mixing = Mixing::uniform(&darts::NO_NONE).unwrap();
    let logits = net.forward(images, &mixing, &Pass::observe()).unwrap();
    f64::from(weighted(&logits).to_scalar::<f32>().unwrap())
}

/// Along a direction that `at` moves to, in units of its norm: the change is near `expected`, as far as float32 and ReLUs that open
/// and shut let it; `tests/evaluation.rs` compares sharply.
fn changes_by(what: &str, expected: f64, at: impl Fn(f64) -> f64) {
    // A ReLU that opens or shuts makes one step's difference rough; of several the middle one is not.
    let mut found: Vec<f64> = [2e-4, 3e-4, 5e-4, 7e-4, 1e-3].map(|step| (at(step) - at(-step)) / (2.0 * step)).into();
    found.sort_by(f64::total_cmp);
    assert!((found[2] - expected).abs() <= 0.1 * expected, "{what}: {found:?} and {expected}");
}

#[test]
fn gradients_of_weights_and_pictures_are_finite_differences() {
    let (net, images) = (network(Policy::Keep), pictures(6, 1));
    let mixing = Mixing::uniform(&darts::NO_NONE).unwrap();
    let pass = Pass { images: true, update_running: false, ..Pass::weight_step() };
    let open = Var::from_tensor(&images).unwrap();
    let store = weighted(&net.forward(open.as_tensor(), &mixing, &pass).unwrap()).backward().unwrap();
    let of_images = numbers(store.get(open.as_tensor()).unwrap());
    let norm = |g: &[f32]| g.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    let whole = norm(&of_images);
    let plain = numbers(&images);
    changes_by("pictures", whole, |step| {
        let moved = plain.iter().zip(&of_images).map(|(x, g)| x + (step * f64::from(*g) / whole) as f32);
        value(&net, &Tensor::from_vec(moved.collect::<Vec<f32>>(), images.dims(), &Device::Cpu).unwrap())
    });
    let (gradients, weights) = (net.parameters().gradients(&store).unwrap(), net.parameters().values().unwrap());
    let names: Vec<_> =
        net.parameters().layouts()[0].slots.iter().map(|s| (s.name.clone(), s.offset, s.len())).collect();
    let known =
        ["stem0.0.weight", "stem0.1.weight", "stem0.1.bias", "stem0.3.weight", "stem0.4.weight", "stem0.4.bias"];
    let more = ["stem1.1.weight", "stem1.2.weight", "stem1.2.bias"];
    assert!(names.iter().map(|(name, ..)| name.as_str()).eq(known.into_iter().chain(more)));
    for (name, at, len) in names {
        let own = &gradients[0][at..at + len];
        let whole = norm(own);
        assert!(whole > 1e-3, "{name}: {whole}");
        changes_by(&name, whole, |step| {
            let mut moved = weights.clone();
            moved[0][at..at + len].iter_mut().zip(own).for_each(|(w, g)| *w += (step * f64::from(*g) / whole) as f32);
            net.parameters().set_values(moved).unwrap();
            value(&net, &images)
        });
        net.parameters().set_values(weights.clone()).unwrap();
    }
}

#[test]
fn results_do_not_depend_on_what_is_kept_or_on_threads() {
    let step = |policy, threads: usize| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let (net, mixing) = (network(policy), Mixing::uniform(&darts::NO_NONE).unwrap());
            let logits = net.forward(&pictures(5, 2), &mixing, &Pass::weight_step()).unwrap();
            let store = weighted(&logits).backward().unwrap();
            let running: Vec<Vec<f32>> = net.parameters().statistics().iter().map(|r| r.to_vec()).collect();
            (numbers(&logits), net.parameters().gradients(&store).unwrap(), running)
        })
    };
    let keep = step(Policy::Keep, 1);
    assert!(keep == step(Policy::Recompute, 1) && keep == step(Policy::RecomputeFirst(1), 3));
    // Means and variances of three norms, of 3, 6 and 6 channels, have moved from 0 and 1.
    let own = &keep.2[0];
    assert_eq!(own.len(), 2 * (3 + 6 + 6));
    assert!(own.iter().all(|v| *v != 0.0 && *v != 1.0), "{own:?}");
}

#[test]
fn first_cells_see_an_eighth_and_evaluation_takes_the_running_statistics() {
    let (net, images, mixing) = (network(Policy::Keep), pictures(4, 5), Mixing::uniform(&darts::NO_NONE).unwrap());
    let mut shapes = Vec::new();
    net.trace(&images, &mixing, &Pass::observe(), |_, map| shapes.push(map.dims().to_vec())).unwrap();
    assert_eq!(shapes, [[4, 5, 5, 6], [4, 5, 5, 8], [4, 3, 3, 16], [4, 3, 3, 16]]);
    // One picture alone is what it is among others, which it is not with the batch's statistics.
    let logits = |images: &Tensor, norm| {
        numbers(&net.forward(images, &mixing, &Pass { norm, ..Pass::observe() }).unwrap())[..5].to_vec()
    };
    let one = images.narrow(0, 0, 1).unwrap();
    let near = |a: Vec<f32>, b: Vec<f32>| a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 1e-4 * b.abs().max(1.0));
    assert!(near(logits(&one, Norm::Running), logits(&images, Norm::Running)));
    assert!(!near(logits(&one, Norm::Batch), logits(&images, Norm::Batch)));
    assert_eq!(images.dtype(), DType::F32);
}

#[test]
fn sizes_that_are_none_are_refused() {
    let config = network(Policy::Keep).config().clone();
    let narrow = SupernetConfig { channels: 1, ..config.clone() };
    assert!(Supernet::new(&narrow).is_err_and(|e| e.to_string().contains("at least 2 channels")));
    let other = crate::space::Space::find("nas_bench_201").unwrap().full();
    let other = SupernetConfig { mask: other, layout: vec![CellKind::Normal], ..config };
    assert!(Supernet::new(&other).is_err_and(|e| e.to_string().contains("stem `cifar`")));
}
