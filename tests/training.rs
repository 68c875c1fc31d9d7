//! Trainings on an imitation of a GPU against the CPU: passes over odd sizes, orders of threads, a training that changes devices,
//! and kernels with faults put into them, which must be found.

use crate::gpu::{Build, Program, Shim};
use candle_core::{Device, Tensor};
use candle_nn::loss::cross_entropy;
use rayon::prelude::*;
use zonas::kernels::gpu::arguments::Rectified;
use zonas::kernels::gpu::{Buffer, Gpu, GpuError, Kernel, SOURCE, launch};
use zonas::kernels::sgd::Descent;
use zonas::nn::{DropPath, Evaluation, EvaluationConfig, EvaluationPass, Init, NnError, Policy};
use zonas::oneshot::{Batch, SgdSettings, Trainer, TrainerSettings, TrainerState};
use zonas::space::{Stem, parse_genotype};

const GENOTYPE: &str = "Genotype(normal=[('sep_conv_3x3', 0), ('max_pool_3x3', 1), ('dil_conv_3x3', 0), ('skip_connect', 2), \
    ('sep_conv_5x5', 1), ('avg_pool_3x3', 3), ('max_pool_3x3', 1), ('dil_conv_5x5', 4)], normal_concat=range(2, 6), \
    reduce=[('max_pool_3x3', 0), ('sep_conv_3x3', 1), ('skip_connect', 0), ('dil_conv_5x5', 2), ('avg_pool_3x3', 1), \
    ('dil_conv_3x3', 0), ('sep_conv_5x5', 0), ('skip_connect', 1)], reduce_concat=range(2, 6))";

/// All operations of NAS-Bench-201.
const ARCH: &str = "|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|avg_pool_3x3~2|";
/// Convolutions of rows and columns, and nodes that take one state twice.
const LONG: &str = "Genotype(normal=[('conv_7x1_1x7', 0), ('conv_7x1_1x7', 0), ('sep_conv_3x3', 2), ('conv_7x1_1x7', 1)], normal_concat=[3], \
    reduce=[('conv_7x1_1x7', 0), ('conv_7x1_1x7', 1), ('max_pool_3x3', 0), ('max_pool_3x3', 0)], reduce_concat=[2, 3])";
/// Seven nodes, and the widest windows.
const DEEP: &str = "Genotype(normal=[('sep_conv_7x7', 0), ('max_pool_5x5', 1), ('sep_conv_7x7', 0), ('conv_1x1', 2), ('skip_connect', 0), \
    ('sep_conv_3x3', 3), ('max_pool_5x5', 0), ('avg_pool_3x3', 0), ('sep_conv_5x5', 5), ('skip_connect', 0), ('dil_conv_3x3', 4), \
    ('sep_conv_7x7', 6), ('conv_7x1_1x7', 7), ('max_pool_3x3', 0)], normal_concat=[6, 7, 8], \
    reduce=[('sep_conv_7x7', 0), ('max_pool_5x5', 1), ('skip_connect', 0), ('max_pool_5x5', 0), ('skip_connect', 1), ('sep_conv_7x7', 1), \
    ('skip_connect', 0), ('max_pool_5x5', 3), ('sep_conv_7x7', 4), ('skip_connect', 0)], reduce_concat=range(2, 7))";
/// Five edges of which any may be left out read one state.
const CROWDED: &str = "Genotype(normal=[('sep_conv_3x3', 0), ('dil_conv_3x3', 0), ('sep_conv_3x3', 0), ('dil_conv_3x3', 0), \
    ('sep_conv_3x3', 0), ('dil_conv_3x3', 1), ('sep_conv_3x3', 1), ('dil_conv_3x3', 2)], normal_concat=range(2, 6), \
    reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 0)], reduce_concat=[2, 3])";
/// A node that nothing leads to is read by others.
const UNREACHED: &str = "|none~0|+|none~0|nor_conv_3x3~1|+|nor_conv_1x1~0|avg_pool_3x3~1|skip_connect~2|";

fn formula(n: usize, key: f64, scale: f64, offset: f64) -> Vec<f64> {
    (0..n).map(|i| offset + scale * (0.37 * i as f64 + key).sin()).collect()
}

/// A small network, pictures of this size, and what is left out of it.
struct Case {
    config: EvaluationConfig,
    size: [usize; 3],
    drop: f64,
}

fn case(genotype: &str, [channels, cells]: [usize; 2], size: [usize; 3], auxiliary: bool, drop: f64) -> Case {
    let genotype = parse_genotype(genotype).unwrap();
    let config =
        EvaluationConfig { genotype, channels, cells, input_channels: 2, classes: 3, auxiliary, stem: Stem::Cifar };
    Case { config, size, drop }
}

/// Every operation in both kinds of cell, a state that a node takes twice, nodes that are no part of the output, sizes that no tile divides.
fn cases() -> Vec<Case> {
    vec![
        case(GENOTYPE, [3, 1], [3, 17, 19], true, 0.3),
        case(GENOTYPE, [5, 3], [2, 11, 9], false, 0.0),
        case(&turned(), [2, 3], [2, 9, 10], false, 0.5),
        case(LONG, [3, 4], [2, 11, 19], false, 0.4),
        case(CROWDED, [2, 2], [2, 7, 6], false, 0.5),
        case(DEEP, [3, 3], [2, 13, 11], false, 0.3),
        case(ARCH, [3, 3], [3, 9, 10], false, 0.3),
        case(UNREACHED, [2, 4], [2, 17, 12], false, 0.0),
    ]
}

/// The other way round.
fn turned() -> String {
    let turned = GENOTYPE.replace("normal=", "other=").replace("reduce=", "normal=").replace("other=", "reduce=");
    turned.replace("normal_concat=range(2, 6)", "normal_concat=[5, 3]")
}

impl Case {
    fn net(&self, gpu: Option<Gpu>) -> Evaluation {
        let mut net = Evaluation::new(&self.config).unwrap();
        net.initialise(Init::Default, 7).unwrap();
        // Scales and shifts of norms begin as 1 and 0, which hide what is done with them.
        let values = net.parameters().values().unwrap();
        let varied = net.parameters().layouts().iter().zip(values).enumerate().map(|(u, (layout, mut values))| {
            for slot in layout.slots.iter().filter(|s| s.shape().len() == 1) {
                let own = &mut values[slot.offset..][..slot.len()];
                own.iter_mut().zip(formula(slot.len(), u as f64, 0.6, 0.0)).for_each(|(v, f)| *v += f as f32);
            }
            values
        });
        net.parameters().set_values(varied.collect()).unwrap();
        net.on(gpu)
    }

    /// Pictures and labels.
    fn batch(&self, seed: f64) -> Batch {
        let [n, h, w] = self.size;
        let values: Vec<f32> = formula(n * h * w * 2, seed, 1.0, 0.1).into_iter().map(|v| v as f32).collect();
        let labels: Vec<u32> = (0..n as u32).map(|i| i % 3).collect();
        Batch {
            images: Tensor::from_vec(values, (n, h, w, 2), &Device::Cpu).unwrap(),
            labels: Tensor::from_vec(labels, n, &Device::Cpu).unwrap(),
        }
    }

    /// Logits of both heads, gradients of all weights, running statistics, logits by those.
    fn passes(&self, net: &Evaluation) -> Result<Vec<Vec<f32>>, NnError> {
        let Batch { images, labels } = self.batch(0.3);
        let drop = DropPath { probability: self.drop, seed: 5, at: [1, 2] };
        let logits = net.forward(&images, EvaluationPass::Train(Some(drop)))?;
        let mut loss = cross_entropy(&logits.main, &labels)?;
        let mut found = vec![logits.main.flatten_all()?.to_vec1::<f32>()?];
        if let Some(auxiliary) = &logits.auxiliary {
            loss = (loss + (cross_entropy(auxiliary, &labels)? * 0.4)?)?;
            found.push(auxiliary.flatten_all()?.to_vec1()?);
        }
        found.extend(net.parameters().gradients(&loss.backward()?)?);
        found.extend(net.parameters().running().0);
        found.push(net.forward(&images, EvaluationPass::Test)?.main.flatten_all()?.to_vec1()?);
        Ok(found)
    }

    /// The worst relative error against what the CPU finds.
    fn error(&self, gpu: Gpu) -> Result<f64, NnError> {
        let (found, expected) = (self.passes(&self.net(Some(gpu)))?, self.passes(&self.net(None))?);
        assert_eq!(found.len(), expected.len());
        Ok(found.iter().zip(&expected).fold(0.0, |worst, (a, b)| {
            assert_eq!(a.len(), b.len());
            let length = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
            let apart = length(&mut a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b)));
            let error = apart / length(&mut b.iter().map(|v| f64::from(*v))).max(1e-3);
            if error > worst || error.is_nan() { error } else { worst }
        }))
    }
}

#[test]
fn an_imitated_gpu_agrees_with_the_cpu_bit_for_bit_in_every_order() {
    if !crate::gpu::available() {
        return;
    }
    for case in cases() {
        let error = case.error(Shim::new(Build::Checked, 1)).unwrap();
        println!("{:?}: relative error {error:.1e}", case.size);
        assert!(error < 2e-5, "{:?}: relative error {error:.1e}", case.size);
        let [one, other] = [2, 3].map(|seed| case.passes(&case.net(Some(Shim::new(Build::Fast, seed)))).unwrap());
        assert!(one == other, "{:?}: the order of threads changes a result", case.size);
    }
}

#[test]
fn results_are_the_same_whatever_is_kept() {
    for case in cases() {
        let of = |policy| case.passes(&case.net(None).keeping(policy)).unwrap();
        let kept = of(Policy::Keep);
        assert!(kept == of(Policy::Recompute) && kept == of(Policy::RecomputeFirst(1)), "{:?}", case.config.genotype);
    }
}

/// A training from the same start, step by step.
fn trainer(case: &Case, gpu: Option<Gpu>) -> Trainer {
    let sgd = SgdSettings { momentum: 0.9, weight_decay: 3e-4, clip: 5.0, nesterov: false };
    Trainer::new(case.net(gpu), TrainerSettings { sgd, auxiliary: 0.4 })
}

fn steps(case: &Case, trainer: &mut Trainer, steps: std::ops::Range<u64>) -> TrainerState {
    for step in steps {
        let drop = DropPath { probability: case.drop, seed: 3, at: [0, step] };
        let report = trainer.step(&case.batch(step as f64), 0.05, Some(drop)).unwrap();
        assert!(report.loss.is_finite() && report.gradient_norm > 0.0);
    }
    trainer.state().unwrap()
}

/// How far two states are apart, beside how far the weights have gone from the start.
fn apart(a: &TrainerState, b: &TrainerState, start: &TrainerState) -> f64 {
    let length = |x: &[Vec<f32>], y: &[Vec<f32>]| {
        let pairs = x.iter().flatten().zip(y.iter().flatten());
        pairs.map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>().sqrt()
    };
    length(&a.weights, &b.weights) / length(&b.weights, &start.weights)
}

#[test]
fn a_training_goes_on_on_the_other_device() {
    if !crate::gpu::available() {
        return;
    }
    let case = case(&turned(), [3, 1], [4, 17, 16], true, 0.2);
    let imitated = |seed| Some(Shim::new(Build::Fast, seed) as Gpu);
    let start = trainer(&case, None).state().unwrap();
    let mut cpu = trainer(&case, None);
    let [half, whole] = [0..2, 2..3].map(|range| steps(&case, &mut cpu, range));
    let there = steps(&case, &mut trainer(&case, imitated(1)), 0..2);
    println!("after two steps {:.1e} off", apart(&there, &half, &start));
    assert!(apart(&there, &half, &start) < 1e-3);
    assert!(there == steps(&case, &mut trainer(&case, imitated(2)), 0..2), "two trainings differ");
    // What rounding grows to: the same on the CPU from weights that are changed in their last places.
    let mut nudged = half.clone();
    nudged.weights.iter_mut().flatten().for_each(|w| *w *= 1.0 + 1e-6);
    let mut goes_on = trainer(&case, None);
    goes_on.restore(nudged).unwrap();
    let spread = apart(&steps(&case, &mut goes_on, 2..3), &whole, &start);
    for (first, second) in [(there, None), (half, imitated(3))] {
        let mut goes_on = trainer(&case, second);
        goes_on.restore(first).unwrap();
        let ended = steps(&case, &mut goes_on, 2..3);
        let off = apart(&ended, &whole, &start);
        println!("after a change of devices {off:.1e} off, where rounding alone makes {spread:.1e}");
        assert!(off < f64::max(1e-3, 4.0 * spread), "{off:e} {spread:e}");
        let (mut here, batch) = (trainer(&case, None), case.batch(9.0));
        here.restore(ended).unwrap();
        let (a, b) = (goes_on.evaluate(&batch).unwrap().0, here.evaluate(&batch).unwrap().0);
        assert!((a - b).abs() < 1e-4 * b.abs(), "test pictures: {a} and {b}");
    }
}

/// The worst difference of an average behind a ReLU, and of its gradient, from loops in float64.
fn rectified_error(gpu: &Gpu) -> Result<f64, GpuError> {
    let ([n, h, w, c], [window, stride]) = ([2, 9, 10, 3], [5, 3]);
    let numbers = |len, key| formula(len, key, 1.0, 0.1).into_iter().map(|v| v as f32).collect::<Vec<f32>>();
    let (x, dy, there) = (numbers(n * h * w * c, 1.0), numbers(n * 4 * c, 2.0), numbers(n * h * w * c, 3.0));
    let (mut y, mut dx) = (vec![0.0f64; dy.len()], there.iter().map(|v| f64::from(*v)).collect::<Vec<_>>());
    for o in 0..dy.len() {
        let (i, oy, ox, k) = (o / (4 * c), o / (2 * c) % 2, o / c % 2, o % c);
        for p in 0..window * window {
            let at = ((i * h + oy * stride + p / window) * w + ox * stride + p % window) * c + k;
            if x[at] > 0.0 {
                y[o] += f64::from(x[at]) / 25.0;
                dx[at] += f64::from(dy[o]) / 25.0;
            }
        }
    }
    let (at_x, at_dy) = (Buffer::from_slice(gpu, &x)?, Buffer::from_slice(gpu, &dy)?);
    let (at_y, at_dx) = (Buffer::new(gpu, y.len())?, Buffer::from_slice(gpu, &there)?);
    let [images, height, width, channels, window, stride] = [n, h, w, c, window, stride].map(|v| v as i32);
    let sizes = Rectified { images, height, width, channels, window, stride, ..Rectified::default() };
    let r = Rectified { x: at_x.address(), out: at_y.address(), out_height: 2, out_width: 2, ..sizes };
    launch::rectified(gpu, Kernel::RectifiedAverage, &r)?;
    let r = Rectified { dy: at_dy.address(), out: at_dx.address(), add: 1, ..r };
    launch::rectified(gpu, Kernel::RectifiedAverageGradient, &r)?;
    let found = [at_y.to_vec(y.len())?, at_dx.to_vec(dx.len())?].concat();
    let differences = found.iter().zip(y.iter().chain(&dx)).map(|(a, b)| (f64::from(*a) - b).abs());
    Ok(differences.fold(0.0, |worst, d| if d > worst || d.is_nan() { d } else { worst }))
}

/// The worst difference of steps of SGD from the CPU's, beside the largest number: clipped and not, the first and a later one.
fn descent_error(gpu: &Gpu) -> Result<f64, GpuError> {
    // Several parts, the last of them not full.
    let len = 9001;
    let numbers = |key| formula(len, key, 1.0, 0.1).into_iter().map(|v| v as f32).collect::<Vec<f32>>();
    let mut worst = 0.0f64;
    for (first, clip, nesterov) in
        [(true, 1.0, false), (false, 0.0, false), (false, 1e3, true), (false, 5.0, false), (true, 1.0, true)]
    {
        let (mut w, g, mut m) = ([numbers(1.0)], [numbers(2.0)], [numbers(3.0)]);
        if first {
            m[0].fill(f32::NAN);
        }
        let (at_w, at_g) = (Buffer::from_slice(gpu, &w[0])?, Buffer::from_slice(gpu, &g[0])?);
        let at_m = Buffer::from_slice(gpu, &m[0])?;
        let step = Descent { rate: 0.3, momentum: 0.9, weight_decay: 0.01, clip, nesterov };
        let norm = step.step_on(gpu, first, [&at_w, &at_g, &at_m].map(Buffer::address), len)?;
        let off = norm / step.step(first, &mut w, &g, &mut m) - 1.0;
        let found = [at_w.to_vec(len)?, at_m.to_vec(len)?].concat();
        let differences = found.iter().zip(w.iter().chain(&m).flatten()).map(|(a, b)| f64::from(a - b).abs());
        worst = differences.chain([off.abs()]).fold(worst, |w, d| if d > w || d.is_nan() { d } else { w });
    }
    Ok(worst)
}

#[test]
fn a_step_of_sgd_is_the_cpus() {
    if !crate::gpu::available() {
        return;
    }
    for seed in [1, 2] {
        let error = descent_error(&(Shim::new(Build::Checked, seed) as Gpu)).unwrap();
        println!("{error:.1e}");
        assert!(error < 1e-6, "{error:e}");
    }
}

/// Whether some check sees that the kernels of `source` are wrong.
fn is_found(source: &str) -> bool {
    let gpu: Gpu = Program::of(source, Build::Narrow).start(1);
    let small = case(&turned(), [2, 2], [3, 7, 6], false, 0.5);
    !rectified_error(&gpu).is_ok_and(|e| e < 1e-5)
        || !descent_error(&gpu).is_ok_and(|e| e < 1e-6)
        || !small.error(gpu).is_ok_and(|e| e < 1e-4)
}

#[test]
fn faults_in_what_trainings_use_are_found() {
    if !crate::gpu::available() {
        return;
    }
    assert!(!is_found(SOURCE), "the kernels as they are");
    let mutations = [
        ("affine[channels + c] : v", "affine[c] : v"),
        ("mean[channels + c]", "mean[c]"),
        ("(to.gate_affine ? normed(v, to.gate_mean, to.gate_affine, to.channels, c) : gate[k])", "gate[k]"),
        ("u.factors[p / u.per_image]", "u.factors[0]"),
        ("x < x0 + a.window", "x <= x0 + a.window"),
        ("tx >= a.window", "tx > a.window"),
        ("(Long)a.images * a.height * a.width", "(Long)a.images * a.height * a.height"),
        ("a.add ? a.out[i] + dx : dx", "dx"),
        ("a.x[i] > 0.0f ?", "a.x[i] != 0.0f ?"),
        ("threadIdx.x < a.parts ?", "threadIdx.x < a.parts - 1 ?"),
        ("a.partial[blockIdx.x] = sums[0]", "a.partial[0] = sums[0]"),
        ("share < 1.0 ? share", "1 ? share"),
        ("a.first ? d :", "0 ? d :"),
        ("a.keep * a.momentum[i] + d", "a.keep * a.momentum[i] + a.gradient[i]"),
    ];
    // Most of the time is the compiler's.
    crate::gpu::mutants(&mutations).into_par_iter().for_each(|(mutant, words)| assert!(is_found(&mutant), "{words}"));
}
