//! The GPU's kernels on an imitation of a device against the CPU back end: every operation over odd sizes and channel counts,
//! with an address sanitizer and two orders of threads; and kernels with faults put into them, which must be found.

use crate::gpu::{Build, Program, Shim};
use candle_core::{Device, Tensor, Var};
use candle_nn::loss::cross_entropy;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use zonas::engine::score::{Evaluator, NetworkEvaluator, Proxy};
use zonas::kernels::gpu::{Gpu, GpuError, SOURCE};
use zonas::nn::{
    Init, MixedGradients, MixedOperation, Mixing, NnError, Norm, Pass, Policy, Precision, Supernet, SupernetConfig,
};
use zonas::proxies::{self, Context, Draw};
use zonas::space::{CellKind, Mask, Operation, Space, Stacking, Stem, darts};

fn numbers(n: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| rng.random::<f32>() * 2.0 - 1.0).collect()
}

/// Relative L2 error, which is not a number where one of ours is not.
fn error(ours: &[f32], expected: &[f32]) -> f64 {
    error_of(ours, expected, 1e-3)
}

/// The same of numbers of at least this norm.
fn error_of(ours: &[f32], expected: &[f32], least: f64) -> f64 {
    assert_eq!(ours.len(), expected.len());
    let norm = expected.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt().max(least);
    ours.iter().zip(expected).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>().sqrt() / norm
}

/// Some operations on maps `[N, H, W, C]`.
struct Case {
    operations: Vec<Operation>,
    size: [usize; 3],
    channels: usize,
    stride: usize,
}

impl Case {
    fn named(&self) -> String {
        format!("{:?} stride {} on {:?} of {}", self.operations, self.stride, self.size, self.channels)
    }

    /// The worst relative error of output and gradients against the CPU's.
    fn error(&self, gpu: &Gpu) -> Result<f64, GpuError> {
        let ([n, h, w], c) = (self.size, self.channels);
        let op = MixedOperation::new(&self.operations, c, self.stride);
        let (x, weights) = (numbers(n * h * w * c, 6), numbers(op.len(), 7));
        let mixing: Vec<f32> = self.operations.iter().map(|o| 0.3 + 0.1 * *o as usize as f32).collect();
        let expected = op.forward(self.size, &x, &weights, &mixing);
        let out = op.forward_on(gpu, self.size, &x, &weights, &mixing)?;
        let dy = numbers(out.len(), 8);
        let MixedGradients { input, weights: of_weights, mixing: of_mixing } =
            op.backward(self.size, &x, &weights, &mixing, &dy);
        let found = op.backward_on(gpu, self.size, &x, &weights, &mixing, &dy, true)?;
        let lean = op.backward_on(gpu, self.size, &x, &weights, &mixing, &dy, false)?;
        if (&lean.input, &lean.mixing) != (&found.input, &found.mixing) {
            return Ok(f64::INFINITY); // an architecture step finds other gradients
        }
        // A sum that nearly cancels is no more exact than its parts.
        let parts: f64 = expected.iter().zip(&dy).map(|(a, b)| f64::from((a * b).abs())).sum();
        let errors = [
            error(&out, &expected),
            error(&found.input, &input),
            error(&found.weights, &of_weights),
            error_of(&found.mixing, &of_mixing, 0.05 * parts),
        ];
        Ok(errors.into_iter().fold(0.0, |a, b| if b > a || b.is_nan() { b } else { a }))
    }
}

fn single_operations() -> Vec<Case> {
    let sizes = [([2, 7, 7], 5), ([1, 8, 8], 4), ([3, 5, 6], 1), ([1, 9, 11], 19), ([2, 4, 4], 16), ([1, 1, 1], 2)];
    let mut cases = Vec::new();
    let dense = nas_bench_201().operations().iter().filter(|o| o.is_convolution());
    let more = [Operation::Conv1x1, Operation::Conv7x1_1x7, Operation::SepConv7x7, Operation::MaxPool5x5];
    let operations: Vec<Operation> = darts::SPACE.operations().iter().chain(dense).chain(&more).copied().collect();
    for (size, channels) in sizes {
        for operation in operations.iter().copied().filter(|o| *o != Operation::None) {
            for stride in [1, 2] {
                let halving = operation == Operation::SkipConnect && stride == 2;
                // Half of one channel is none, the variance of one number is 0, and a norm takes away what one weight does.
                let one = halving || operation.kernel() == Some(1);
                if !(one && channels == 1) && size != [1, 1, 1] {
                    cases.push(Case { operations: vec![operation], size, channels, stride });
                }
            }
        }
    }
    cases
}

fn full_edges() -> Vec<Case> {
    let cases = [([2, 9, 7], 4), ([1, 16, 8], 16), ([1, 9, 9], 24), ([1, 8, 8], 64), ([1, 10, 9], 67)];
    let case = |(size, channels), stride, space: Space| Case {
        operations: space.operations().to_vec(),
        size,
        channels,
        stride,
    };
    // Enough tiles for blocks to take more than one, and more channels than a block's columns.
    let more = [([5, 57, 64], 2), ([1, 9, 8], 130)];
    let darts = cases.into_iter().flat_map(|c| [1, 2].map(|stride| case(c, stride, darts::SPACE)));
    let dense = cases.into_iter().chain(more);
    // Two factorised convolutions among others, of which one makes again what the other has.
    let long = [([2, 9, 7], 4), ([1, 17, 10], 16), ([5, 57, 64], 2), ([1, 9, 8], 130)];
    let long = long.into_iter().flat_map(|(size, channels)| {
        let operations = ["conv_7x1_1x7", "nor_conv_3x3", "max_pool_3x3", "conv_7x1_1x7", "sep_conv_3x3"];
        let operations: Vec<Operation> = operations.iter().map(|o| o.parse().unwrap()).collect();
        [1, 2].map(|stride| Case { operations: operations.clone(), size, channels, stride })
    });
    // Windows of all sizes side by side: of the widest each convolution's gradients take three units.
    let wide = [([2, 9, 7], 4), ([1, 17, 10], 16), ([5, 57, 64], 2), ([1, 9, 8], 130)];
    let wide = wide.into_iter().flat_map(|(size, channels)| {
        let operations =
            ["sep_conv_7x7", "max_pool_5x5", "max_pool_3x3", "dil_conv_5x5", "sep_conv_7x7", "max_pool_5x5"];
        let operations: Vec<Operation> = operations.iter().map(|o| o.parse().unwrap()).collect();
        [1, 2].map(|stride| Case { operations: operations.clone(), size, channels, stride })
    });
    let long = long.chain(wide);
    darts.chain(dense.flat_map(|c| [1, 2].map(|stride| case(c, stride, nas_bench_201())))).chain(long).collect()
}

fn nas_bench_201() -> Space {
    Space::find("nas_bench_201").unwrap()
}

#[test]
fn operations_agree_with_the_cpu_and_stay_in_bounds() {
    if !crate::gpu::available() {
        return;
    }
    for seed in [1, 2] {
        let gpu: Gpu = Shim::new(Build::Checked, seed);
        for case in single_operations().iter().chain(&full_edges()) {
            let error = case.error(&gpu).unwrap_or_else(|e| panic!("{}: {e}", case.named()));
            println!("{}: {error:.1e}", case.named());
            assert!(error < 2e-5, "{}: relative error {error:.1e}", case.named());
        }
    }
}

/// Two cells of DARTS, or one for each stage.
fn layout(space: Space) -> Vec<CellKind> {
    match space.stacking() {
        Stacking::Darts => vec![CellKind::Normal, CellKind::Reduction],
        Stacking::NasBench201 => space.layout(3),
    }
}

fn network_of(mask: Mask, policy: Policy, channels: usize, gpu: Option<Gpu>) -> Supernet {
    network_behind(Stem::Cifar, mask, policy, channels, gpu)
}

fn network_behind(stem: Stem, mask: Mask, policy: Policy, channels: usize, gpu: Option<Gpu>) -> Supernet {
    let config = SupernetConfig {
        channels,
        classes: 5,
        input_channels: 3,
        layout: layout(mask.space()),
        stem_multiplier: mask.space().stacking().stem(),
        stem,
        mask,
        policy,
        precision: Precision::Float32,
    };
    let mut net = Supernet::new(&config).unwrap();
    net.initialise(Init::Default, 1).unwrap();
    net.on(gpu)
}

fn pictures(images: usize, height: usize, width: usize) -> Tensor {
    Tensor::from_vec(numbers(images * height * width * 3, 4), (images, height, width, 3), &Device::Cpu).unwrap()
}

/// Logits, gradients of all weights and mixing weights, running statistics.
fn passes(net: &Supernet, norm: Norm) -> Result<Vec<Vec<f32>>, NnError> {
    let uniform = Mixing::uniform(&net.config().mask)?;
    let [normal, reduction] = [Var::from_tensor(&uniform.normal)?, Var::from_tensor(&uniform.reduction)?];
    let mixing = Mixing { normal: normal.as_tensor().clone(), reduction: reduction.as_tensor().clone() };
    let pass = Pass { mixing: true, norm, ..Pass::weight_step() };
    // The cells see maps of about the same size.
    let (height, width) = if net.config().stem == Stem::Cifar { (9, 8) } else { (65, 58) };
    let logits = net.forward(&pictures(2, height, width), &mixing, &pass)?;
    let labels = Tensor::from_vec(vec![0u32, 3], 2, &Device::Cpu)?;
    let gradients = cross_entropy(&logits, &labels)?.backward()?;
    let mut all = vec![logits.flatten_all()?.to_vec1::<f32>()?];
    all.extend(net.parameters().gradients(&gradients)?);
    for var in [&normal, &reduction] {
        all.push(gradients.get(var).expect("a gradient").flatten_all()?.to_vec1()?);
    }
    all.extend(net.parameters().running().0);
    Ok(all)
}

fn worst(ours: &[Vec<f32>], expected: &[Vec<f32>]) -> f64 {
    let errors = ours.iter().zip(expected).map(|(a, b)| error(a, b));
    errors.fold(0.0, |a, b| if b > a || b.is_nan() { b } else { a })
}

#[test]
fn networks_agree_with_the_cpu_in_every_mode_bit_for_bit_among_themselves() {
    if !crate::gpu::available() {
        return;
    }
    let noisy = Space::find("darts_s4").unwrap().full();
    let other = nas_bench_201().full();
    // Nothing but `none` leads to one node, which no convolution reads: its norm would be that of a constant.
    let mut cut = other;
    let kept =
        [("0-1", None), ("0-2", Some("nor_conv_1x1")), ("1-2", Some("avg_pool_3x3")), ("1-3", Some("skip_connect"))];
    for (edge, operation) in kept {
        for of_edge in other.places().filter(|p| p.edge == edge.parse().unwrap()) {
            cut.set(of_edge, operation.map_or(Operation::None, |o| o.parse().unwrap()) == of_edge.operation);
        }
    }
    assert!(cut.check().is_ok());
    let plain = [
        (Norm::Batch, darts::FULL),
        (Norm::Running, darts::FULL),
        (Norm::Off, darts::FULL),
        (Norm::Batch, noisy),
        (Norm::Batch, other),
        (Norm::Running, other),
        (Norm::Off, other),
        (Norm::Batch, cut),
    ];
    let halved = [Norm::Batch, Norm::Running, Norm::Off].map(|norm| (norm, darts::NO_NONE, Stem::ImageNet));
    for (norm, mask, stem) in plain.into_iter().map(|(norm, mask)| (norm, mask, Stem::Cifar)).chain(halved) {
        let network = |policy, gpu| network_behind(stem, mask, policy, 3, gpu);
        let expected = passes(&network(Policy::Keep, None), norm).unwrap();
        let gpu = |seed| -> Option<Gpu> { Some(Shim::new(Build::Fast, seed)) };
        let run = |policy, seed| passes(&network(policy, gpu(seed)), norm).unwrap();
        let found = run(Policy::Keep, 1);
        let error = worst(&found, &expected);
        println!("{} {norm:?}, {stem}: relative error {error:.1e}", mask.space().name());
        assert!(error < 2e-5, "{norm:?}: relative error {error:.1e}");
        assert!(found == run(Policy::Keep, 2), "{norm:?}: the order of threads changes a result");
        assert!(found == run(Policy::Recompute, 3), "{norm:?}: the memory policy changes a result");
        assert!(found == run(Policy::RecomputeFirst(1), 4), "{norm:?}: the memory policy changes a result");
    }
}

#[test]
fn ranking_functions_agree_with_the_cpu() {
    if !crate::gpu::available() {
        return;
    }
    let labels = Tensor::from_vec(vec![0u32, 3, 1, 2], 4, &Device::Cpu).unwrap();
    let (plain, halved) = (Stem::Cifar, Stem::ImageNet);
    for (mask, stem) in [(darts::FULL, plain), (nas_bench_201().full(), plain), (darts::FULL, halved)] {
        let side = if stem == plain { 8 } else { 64 };
        let draw = Draw::new(pictures(4, side, side), labels.clone(), 1, 0).unwrap();
        let [cpu, imitated] =
            [None, Some(Shim::new(Build::Fast, 1) as Gpu)].map(|gpu| network_behind(stem, mask, Policy::Keep, 2, gpu));
        let (here, there) = (Context::new(&cpu, &draw).unwrap(), Context::new(&imitated, &draw).unwrap());
        for f in proxies::TABLE {
            let (a, b) = (f.evaluate(&here).unwrap(), f.evaluate(&there).unwrap());
            println!("{}: {a} {b}", f.name());
            assert!((a - b).abs() <= 2e-3 * a.abs(), "{}: {a} on the CPU, {b} there", f.name());
        }
    }
}

#[test]
fn scores_on_several_streams_are_those_of_one() {
    if !crate::gpu::available() {
        return;
    }
    let values = |space: Space, threads| {
        let functions = ["naswot", "snip"].map(|n| proxies::by_name(n).unwrap()).into();
        let proxy = Proxy { channels: 2, layout: layout(space), classes: 5, input_channels: 3, stem: Stem::Cifar };
        let labels = Tensor::from_vec(vec![0u32, 3, 1, 2], 4, &Device::Cpu).unwrap();
        let draw = |n| Draw::new(pictures(4, 8, 8), labels.clone(), 1, n);
        let gpu: Gpu = Shim::new(Build::Fast, 1);
        let mut evaluator = NetworkEvaluator::new(proxy, functions, 1, threads, draw).on(Some(gpu));
        let mask = Mask::uniform(
            space,
            &space.operations().iter().copied().filter(|o| *o != Operation::None).collect::<Vec<_>>(),
        );
        let places: Vec<_> = mask.places().step_by(if space == darts::SPACE { 29 } else { 7 }).collect();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let whole = evaluator.baseline(&mask, 0).unwrap();
            (whole, evaluator.without(&places).unwrap())
        })
    };
    for space in [darts::SPACE, nas_bench_201()] {
        assert_eq!(values(space, 1), values(space, 3));
    }
}

/// Whether some check sees that the kernels of `source` are wrong.
fn is_found(source: &str) -> bool {
    let wrong = |found: Result<f64, String>| !matches!(found, Ok(e) if e < 1e-4);
    let program = Program::of(source, Build::Narrow);
    (1..3).any(|seed| {
        let gpu: Gpu = program.start(seed);
        let edge =
            |size, channels, stride| Case { operations: darts::SPACE.operations().to_vec(), size, channels, stride };
        let dense = |case: Case| Case { operations: nas_bench_201().operations().to_vec(), ..case };
        let long = |case: Case| Case { operations: vec![Operation::Conv7x1_1x7; 2], ..case };
        let wide = |case: Case| Case { operations: vec![Operation::SepConv7x7, Operation::MaxPool5x5], ..case };
        let cases = [
            edge([2, 9, 7], 4, 1),
            edge([1, 9, 9], 5, 2),
            edge([5, 17, 16], 2, 1),
            dense(edge([2, 9, 7], 4, 1)),
            dense(edge([1, 9, 9], 5, 2)),
            long(edge([2, 9, 7], 4, 1)),
            long(edge([1, 9, 19], 5, 2)),
            wide(edge([2, 9, 7], 4, 1)),
            wide(edge([1, 11, 9], 5, 2)),
        ];
        cases.iter().any(|c| wrong(c.error(&gpu).map_err(|e| e.to_string())))
            || [(darts::FULL, 1), (nas_bench_201().full(), 2)].into_iter().any(|(mask, channels)| {
                let [there, here] = [Some(gpu.clone()), None].map(|gpu| network_of(mask, Policy::Keep, channels, gpu));
                let expected = passes(&here, Norm::Batch).unwrap();
                wrong(passes(&there, Norm::Batch).map(|found| worst(&found, &expected)).map_err(|e| e.to_string()))
            })
    })
}

#[test]
fn a_missing_barrier_is_found_wherever_it_is() {
    if !crate::gpu::available() {
        return;
    }
    let start = SOURCE.find("enum Kind").unwrap();
    let places: Vec<usize> = SOURCE.match_indices("BARRIER").map(|(i, _)| i).filter(|i| *i > start).collect();
    assert!(places.len() > 10);
    assert!(!is_found(SOURCE), "the kernels as they are");
    for &at in crate::gpu::sample(&places) {
        let mutant = format!("{}(void)0{}", &SOURCE[..at], &SOURCE[at + "BARRIER".len()..]);
        let line = SOURCE[..at].lines().count();
        assert!(
            is_found(&mutant),
            "nobody misses the barrier in line {line}:\n{}",
            SOURCE.lines().nth(line - 1).unwrap()
        );
    }
}

#[test]
fn bounds_that_are_off_by_one_and_wrong_strides_are_found() {
    if !crate::gpu::available() {
        return;
    }
    let mutations = [
        ("y >= u.height ||", "y > u.height ||"),
        ("x >= width) continue", "x > width) continue"),
        ("p < side * side", "p <= side * side"),
        ("p < parts; p += THREADS", "p <= parts; p += THREADS"),
        ("least((blockIdx.x + 1) * share, pixels)", "(int)(blockIdx.x + 1) * share"),
        ("if (i < a.pixels * a.channels) {", "if (i <= a.pixels * a.channels) {"),
        ("c0 < u.channels; c0 += CHUNK", "c0 <= u.channels; c0 += CHUNK + 1"),
        ("s < u.splits", "s <= u.splits"),
        ("g < ROWS; g++) sum +=", "g < ROWS - 1; g++) sum +="),
        ("p * u.stride + c)", "p * a.channels + c)"),
        ("into.out + p * into.stride + c", "into.out + p * a.channels + c"),
        ("u.dy[(Long)p * u.dy_stride + c]", "u.dy[(Long)p * a.channels + c]"),
        ("at * to.gate_stride + c", "at * to.channels + c"),
        ("at * b.dy_stride + col0", "at * u.outputs + col0"),
        ("* u.x_stride + c);", "* u.inputs + c);"),
        ("(y * width + x) * stride + c", "(y * height + x) * stride + c"),
        ("rows[p * Z_ROW + j] = kept(acc", "rows[p * COLUMNS + j] = kept(acc"),
        ("(ky * side + kx) * u.dilation", "(ky * side + kx * u.dilation)"),
        ("dense_step(down) * side, step, w", "dense_step(down) * side, 1, w"),
        ("dense_step(down) * side, step, w", "dense_step(along) * side, step, w"),
        ("DOWN ? Axis{1, 1}", "ACROSS ? Axis{1, 1}"),
        ("|| u.kind == DOWN ? v", "? v"),
        ("first * a.stride - a.kernel / 2 +", "first * a.stride +"),
        ("const int dy = odd_y + ry - ty;", "const int dy = odd_y + ty - ry;"),
        ("odd_y = parity / step_x", "odd_y = parity / 2"),
        ("const int dx = odd_x + rx - tx;", "const int dx = odd_x + tx - rx;"),
        ("if (!b.coefficients) return dy;", ""),
        ("tile + ((ry + dy / step_y) * side", "tile + ((dy / step_y) * side"),
        ("if (y < height && x < width && col0", "if (y <= height && x < width && col0"),
        ("s < SLICES; s++) sum += sums[", "s < 1; s++) sum += sums["),
        ("s < SLICES; s++) sum += shared[", "s < SLICES - 1; s++) sum += shared["),
        ("tx + STEP < KX ?", "tx + STEP <= KX ?"),
        ("to.width - x / 2 * 2, 2", "to.width - x, 2"),
        ("rows = least(u.height - y, 2)", "rows = 2"),
        ("else if (s.weight) v *= *s.weight;", ""),
    ];
    for (mutant, words) in crate::gpu::mutants(&mutations) {
        assert!(is_found(&mutant), "{words}");
    }
}
