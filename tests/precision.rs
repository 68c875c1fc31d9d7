//! Maps kept as bfloat16, on an imitation of a device: what is kept is the nearest number, statistics and gradients are
//! those of the numbers that are kept, and both memory policies and all orders of threads are equal bit for bit.

use std::sync::{Arc, Mutex};

use crate::gpu::{Build, Program, Shim};
use candle_core::{Device, Tensor, Var};
use candle_nn::loss::cross_entropy;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use zonas::kernels::gpu::Gpu;
use zonas::nn::{Init, MixedOperation, Mixing, Norm, Pass, Policy, Precision, Probe, Supernet, SupernetConfig};
use zonas::oneshot::{Batch, Order, Searcher, Settings};
use zonas::space::{CellKind, Mask, Operation, Space, Stacking, Stem, darts};

/// What rounding to bfloat16 changes a number by, at most: half of the last of its eight bits.
const UNIT: f64 = 1.0 / 256.0;

fn numbers(n: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| rng.random::<f32>() * 2.0 - 1.0).collect()
}

/// Relative L2 error.
fn error(ours: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(ours.len(), expected.len());
    let norm = expected.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt().max(1e-3);
    ours.iter().zip(expected).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>().sqrt() / norm
}

/// The nearest number of eight bits, of two that are equally near the even one.
fn nearest(v: f32) -> f32 {
    let low = f32::from_bits(v.to_bits() & 0xffff_0000);
    let high = f32::from_bits((v.to_bits() & 0xffff_0000) + 0x1_0000);
    match (v - low).abs().total_cmp(&(high - v).abs()) {
        std::cmp::Ordering::Less => low,
        std::cmp::Ordering::Greater => high,
        std::cmp::Ordering::Equal if low.to_bits() & 0x1_0000 == 0 => low,
        std::cmp::Ordering::Equal => high,
    }
}

fn network(policy: Policy, precision: Precision, gpu: Option<Gpu>) -> Supernet {
    network_of(darts::FULL, policy, precision, gpu)
}

fn network_of(mask: Mask, policy: Policy, precision: Precision, gpu: Option<Gpu>) -> Supernet {
    let space = mask.space();
    let config = SupernetConfig {
        channels: 3,
        classes: 5,
        input_channels: 3,
        layout: match space.stacking() {
            Stacking::Darts => vec![CellKind::Normal, CellKind::Reduction],
            Stacking::NasBench201 => space.layout(3),
        },
        stem_multiplier: space.stacking().stem(),
        stem: Stem::Cifar,
        mask,
        policy,
        precision,
    };
    let mut net = Supernet::new(&config).unwrap();
    net.initialise(Init::Default, 1).unwrap();
    net.on(gpu)
}

fn pictures(images: usize, height: usize, width: usize, seed: u64) -> Tensor {
    let values = numbers(images * height * width * 3, seed);
    Tensor::from_vec(values, (images, height, width, 3), &Device::Cpu).unwrap()
}

/// The maps before the norms in the middle of separable convolutions, with the means by channel.
#[derive(Default)]
struct Maps(Mutex<Vec<(Vec<f32>, Vec<f32>)>>);

impl Probe for Maps {
    fn relu(&self, values: &[f32], mean: Option<&[f32]>, _: [usize; 2], _: usize) {
        if let Some(mean) = mean {
            self.0.lock().unwrap().push((values.to_vec(), mean.to_vec()));
        }
    }

    fn norm(&self, _: &[f64]) {}
}

#[test]
fn what_is_kept_is_the_nearest_number_and_so_are_its_statistics() {
    if !crate::gpu::available() {
        return;
    }
    let seen = |precision| {
        let maps = Arc::new(Maps::default());
        let pass = Pass { probe: Some(maps.clone()), ..Pass::observe() };
        let net = network(Policy::Keep, precision, Some(Shim::new(Build::Fast, 1)));
        net.forward(&pictures(2, 9, 8, 4), &Mixing::uniform(&darts::FULL).unwrap(), &pass).unwrap();
        std::mem::take(&mut *maps.0.lock().unwrap())
    };
    let (wide, narrow) = (seen(Precision::Float32), seen(Precision::Bf16));
    assert_eq!(wide.len(), narrow.len());
    // Two separable convolutions on each of the first cell's eight edges from its inputs, where nothing was rounded before.
    for ((exact, _), (kept, mean)) in wide.iter().zip(&narrow).take(16) {
        assert!(exact.iter().zip(kept).all(|(a, b)| nearest(*a).to_bits() == b.to_bits()));
        assert!(exact != kept);
        for (c, mean) in mean.iter().enumerate() {
            let own: Vec<f64> = kept.iter().skip(c).step_by(3).map(|v| f64::from(*v)).collect();
            let count = own.len() as f64;
            let spread = (own.iter().map(|v| v * v).sum::<f64>() / count).sqrt();
            assert!((own.iter().sum::<f64>() / count - f64::from(*mean)).abs() < 1e-6 * spread);
        }
    }
}

/// The worst of the errors against the CPU's float32 (output, gradients of the input and of the weights), and how far the
/// operation is from being itself: an output whose mean is 0 and whose variance is the CPU's, a gradient of the mixing weight that is the
/// product of the output with its gradient, and an input's gradient that has no part in what the norm takes out.
fn errors(gpu: &Gpu, operation: Operation, stride: usize) -> Result<([f64; 3], f64), String> {
    let (size, c) = ([2, 9, 7], 5);
    let op = MixedOperation::new(&[operation], c, stride).with(Precision::Bf16);
    let (x, weights) = (numbers(size.iter().product::<usize>() * c, 6), numbers(op.len(), 7));
    let mixing = [1.0];
    let expected = op.forward(size, &x, &weights, &mixing);
    let told = |e: zonas::kernels::gpu::GpuError| e.to_string();
    let out = op.forward_on(gpu, size, &x, &weights, &mixing).map_err(told)?;
    let dy = numbers(out.len(), 8);
    let exact = op.backward(size, &x, &weights, &mixing, &dy);
    let found = op.backward_on(gpu, size, &x, &weights, &mixing, &dy, true).map_err(told)?;
    let lean = op.backward_on(gpu, size, &x, &weights, &mixing, &dy, false).map_err(told)?;
    if (&lean.input, &lean.mixing) != (&found.input, &found.mixing) {
        return Err("an architecture step finds other gradients".into());
    }
    let off = [error(&out, &expected), error(&found.input, &exact.input), error(&found.weights, &exact.weights)];
    let product: f64 = out.iter().zip(&dy).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    let mut astray = (product - f64::from(found.mixing[0])).abs();
    if !(operation == Operation::SkipConnect && stride == 1) {
        for channel in 0..c {
            let own = |v: &[f32]| v.iter().skip(channel).step_by(c).map(|v| f64::from(*v)).collect::<Vec<_>>();
            let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
            let square = |v: &[f32]| mean(&own(v).iter().map(|v| v * v).collect::<Vec<_>>());
            astray = astray.max(mean(&own(&out)).abs());
            // That of the CPU is 1 but for the norm's epsilon.
            astray = astray.max((square(&out) - square(&expected)).abs());
            if matches!(operation, Operation::MaxPool3x3 | Operation::MaxPool5x5 | Operation::AvgPool3x3) {
                astray = astray.max(own(&found.input).iter().sum::<f64>().abs());
            }
        }
    }
    Ok((off, astray))
}

const OPERATIONS: [Operation; 12] = [
    Operation::MaxPool3x3,
    Operation::MaxPool5x5,
    Operation::AvgPool3x3,
    Operation::SkipConnect,
    Operation::SepConv3x3,
    Operation::SepConv5x5,
    Operation::SepConv7x7,
    Operation::DilConv3x3,
    Operation::DilConv5x5,
    Operation::NorConv1x1,
    Operation::NorConv3x3,
    Operation::Conv7x1_1x7,
];

/// Whether something is wrong with the operations.
fn fault(gpu: &Gpu) -> Option<String> {
    for (operation, stride) in OPERATIONS.into_iter().flat_map(|o| [(o, 1), (o, 2)]) {
        let what = format!("{operation}, stride {stride}");
        match errors(gpu, operation, stride) {
            Err(e) => return Some(format!("{what}: {e}")),
            Ok((off, astray)) => {
                println!("{what}: {:.1e} {:.1e} {:.1e}; {astray:.1e}", off[0], off[1], off[2]);
                // The output is rounded once or twice, before its mean is taken away; gradients up to four times, and some
                // units are on the other side of a ReLU's kink.
                // Maxima of so many lie far from 0 beside their spread, of which rounding then is a larger share.
                let far = if operation == Operation::MaxPool5x5 { 3.0 } else { 1.0 };
                let limits = [2.0 * UNIT, 8.0 * UNIT, 8.0 * UNIT].map(|limit| far * limit);
                if off.iter().zip(limits).any(|(e, l)| *e > l || e.is_nan()) || astray > far * 3e-5 || astray.is_nan() {
                    return Some(format!("{what}: {off:?}, {astray:.1e}"));
                }
            }
        }
    }
    None
}

#[test]
fn operations_agree_with_the_cpu_but_for_rounding() {
    if !crate::gpu::available() {
        return;
    }
    for seed in [1, 2] {
        assert_eq!(fault(&(Shim::new(Build::Checked, seed) as Gpu)), None);
    }
}

#[test]
fn what_is_rounded_in_one_place_and_not_in_another_is_found() {
    if !crate::gpu::available() {
        return;
    }
    let mutations = [
        ("rows[p * Z_ROW + j] = kept(acc[k][l], a.narrow)", "rows[p * Z_ROW + j] = acc[k][l]"),
        ("rows[p * Z_ROW + j] = kept(v, a.narrow)", "rows[p * Z_ROW + j] = v"),
        ("z = kept(z, a.narrow && u.mean);", ""),
        ("kept(z, a.narrow))", "z)"),
        ("get({b.dy, a.narrow_dy}", "get({b.dy, a.narrow}"),
        ("{s.dd, a.narrow && (s.kind == DEPTHWISE || s.kind == PICK)}", "{s.dd, a.narrow}"),
        ("const int narrow = a.narrow && to.gate_mean", "const int narrow = a.narrow"),
        ("if (narrow && u.mean) return", "if (narrow) return"),
        ("get({u.z, a.narrow && u.mean}, p * u.stride + c)", "get({u.z, a.narrow}, p * u.stride + c)"),
        ("rows[p * Z_ROW + j] = kept(v, a.narrow);\n    }\n", "rows[p * Z_ROW + j] = v;\n    }\n"),
        ("dy = get({b.dy, narrow_dy}", "dy = get({b.dy, narrow}"),
        ("get({b.unit.z, narrow}", "get({b.unit.z, narrow_dy}"),
        ("put(b.dd, a.narrow, ((Long)(n * height", "put(b.dd, a.narrow_dy, ((Long)(n * height"),
    ];
    assert_eq!(fault(&(Shim::new(Build::Narrow, 1) as Gpu)), None);
    for (mutant, words) in crate::gpu::mutants(&mutations) {
        let gpu: Gpu = Program::of(&mutant, Build::Narrow).start(1);
        assert!(fault(&gpu).is_some(), "{words}");
    }
}

/// Logits, gradients of all weights and mixing weights, running statistics.
fn passes(net: &Supernet, norm: Norm) -> Vec<Vec<f32>> {
    let uniform = Mixing::uniform(&net.config().mask).unwrap();
    let [normal, reduction] = [&uniform.normal, &uniform.reduction].map(|t| Var::from_tensor(t).unwrap());
    let mixing = Mixing { normal: normal.as_tensor().clone(), reduction: reduction.as_tensor().clone() };
    let pass = Pass { mixing: true, norm, ..Pass::weight_step() };
    // Where the last maps are small, one unit on the other side of a kink is much of them.
    let [images, height, width] = match net.config().mask.space().stacking() {
        Stacking::Darts => [2, 9, 8],
        Stacking::NasBench201 => [4, 20, 16],
    };
    let logits = net.forward(&pictures(images, height, width, 4), &mixing, &pass).unwrap();
    let labels = Tensor::from_vec(vec![0u32, 3, 1, 2][..images].to_vec(), images, &Device::Cpu).unwrap();
    let gradients = cross_entropy(&logits, &labels).unwrap().backward().unwrap();
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let mut all = vec![flat(&logits)];
    all.extend(net.parameters().gradients(&gradients).unwrap());
    all.extend([&normal, &reduction].map(|v| flat(gradients.get(v).expect("a gradient"))));
    all.extend(net.parameters().running().0);
    all
}

#[test]
fn policies_and_orders_of_threads_are_equal_bit_for_bit() {
    if !crate::gpu::available() {
        return;
    }
    let other = Space::find("nas_bench_201").unwrap().full();
    for (norm, mask) in [Norm::Batch, Norm::Running].into_iter().flat_map(|n| [(n, darts::FULL), (n, other)]) {
        let expected = passes(&network_of(mask, Policy::Keep, Precision::Float32, None), norm);
        let gpu = |seed| -> Option<Gpu> { Some(Shim::new(Build::Fast, seed)) };
        let run = |policy, seed| passes(&network_of(mask, policy, Precision::Bf16, gpu(seed)), norm);
        let found = run(Policy::Keep, 1);
        let off: Vec<f64> = found.iter().zip(&expected).map(|(a, b)| error(a, b)).collect();
        println!(
            "{} {norm:?}: logits {:.1e}, at most {:.1e}",
            mask.space().name(),
            off[0],
            off.iter().fold(0.0, |a: f64, b| a.max(*b))
        );
        assert!(off[0] < 4.0 * UNIT && off.iter().all(|e| *e < 0.25), "{norm:?}: {off:?}");
        assert!(found == run(Policy::Keep, 2), "{norm:?}: the order of threads changes a result");
        assert!(found == run(Policy::Recompute, 3), "{norm:?}: the memory policy changes a result");
        assert!(found == run(Policy::RecomputeFirst(1), 4), "{norm:?}: the memory policy changes a result");
    }
}

/// A few steps of a search on one set of pictures: losses and alphas beside those of float32.
#[test]
fn a_search_stays_beside_that_of_float32() {
    if !crate::gpu::available() {
        return;
    }
    let batch = |seed: u64| Batch {
        images: pictures(4, 8, 8, seed),
        labels: Tensor::from_vec(vec![0u32, 3, 1, 2], 4, &Device::Cpu).unwrap(),
    };
    let search = |precision| {
        let net = network(Policy::Keep, precision, Some(Shim::new(Build::Fast, 1)));
        let mut s = Searcher::new(net, Settings::published(Order::First), 1).unwrap();
        let losses: Vec<_> = (0..4)
            .map(|n| {
                let told = s.step(&batch(2 * n), Some(&batch(2 * n + 1)), 0.025).unwrap();
                [told.train_loss, told.valid_loss.unwrap()]
            })
            .collect();
        (losses, s.alphas().unwrap().concat())
    };
    let ((wide, alphas), (narrow, close)) = (search(Precision::Float32), search(Precision::Bf16));
    let apart = wide.iter().flatten().zip(narrow.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let moved = alphas.iter().zip(&close).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max);
    println!("losses {:.4?}, apart {apart:.1e}; alphas apart {moved:.1e}", wide.last());
    assert!(apart < 0.02, "{wide:?} {narrow:?}");
    // Adam moves an alpha by 3e-4 a step, whatever its gradient's size.
    assert!(moved < 4.0 * 2.0 * 3e-4, "{moved}");
}
