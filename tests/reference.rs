//! The supernet against the reference tensors: a PyTorch DARTS network in float32 and float64, from shared initial weights.
//! `ZONAS_REFERENCE` names the file; without it the shared one is read; where there is neither, the test says that it
//! skipped. A small reference of the same kind travels with the tests.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use candle_nn::loss::cross_entropy;
use zonas::kernels::Level;
use zonas::kernels::gpu::Gpu;
use zonas::nn::{Kind, MixedOperation, Mixing, Pass, Policy, Precision, Supernet, SupernetConfig};
use zonas::oneshot::{AdamSettings, Batch, Method, Order, Searcher, Settings, SgdSettings};
use zonas::space::{Mask, Operation, Stem, darts};

/// Ten times how close PyTorch's own float32 gets to float64 (relative L2 norm of the difference).
const LOGITS: f64 = 2.5e-6;
const ALPHAS: f64 = 3.5e-6;
const WEIGHTS: f64 = 8.1e-5;
/// Of second-order alpha gradients, where no ReLU flips inside the finite difference.
const UNROLLED: f64 = 1.9e-5;
const RUNNING: &str = "running statistics";

/// The same where maps are kept as bfloat16, which changes a number by 2^-8 of it at most.
fn limit_of_bf16(group: &str) -> f64 {
    const UNIT: f64 = 1.0 / 256.0;
    match group {
        // Nothing here is rounded.
        "mixing weights" => LOGITS,
        // One rounding or two.
        "single operations" | "single operations, inputs" | "single operations, weights" => 2.0 * UNIT,
        // One or two in each of three cells.
        "stem and cell outputs" | "logits" | "loss" | "evaluation mode" | RUNNING => 4.0 * UNIT,
        "gradient norm" | "search steps" => 4.0 * UNIT,
        // Adam's steps are small beside the alphas.
        "alphas after a step" => UNIT,
        // A tensor of four numbers, all but a little of whose gradient cancels out, may lose what is left.
        "weight gradients" => 2.0,
        // A share of about UNIT of a ReLU's units falls on the other side of its kink. What comes back to them is wrong by all
        // that it is, so gradients by about the root of that, 6 %, from layer to layer.
        _ => 4.0 * UNIT.sqrt(),
    }
}

/// Worst relative errors of a group of tensors.
#[derive(Default)]
struct Group {
    ours: f64,
    of: String,
    /// Of PyTorch's float32.
    theirs: f64,
    limit: f64,
}

/// L2 norm of the difference over that of the expected values (or `floor`, if that is more).
fn relative(ours: &[f64], expected: &[f64], floor: f64) -> f64 {
    let difference = ours.iter().zip(expected).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    let norm = expected.iter().map(|v| v * v).sum::<f64>().sqrt().max(floor);
    if norm > 0.0 { difference / norm } else { difference }
}

struct Reference {
    tensors: HashMap<String, Tensor>,
    channels: usize,
    layers: usize,
    classes: usize,
    keep: Vec<Operation>,
    groups: std::cell::RefCell<BTreeMap<String, Group>>,
    /// Where the networks run, and how maps are kept there.
    gpu: Option<Gpu>,
    precision: Precision,
}

impl Reference {
    fn read(path: &Path) -> Reference {
        let bytes = std::fs::read(path).unwrap();
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let meta = header.metadata().clone().expect("a reference file has metadata");
        let number = |k: &str| meta[k].parse::<usize>().unwrap();
        Reference {
            tensors: candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).unwrap(),
            channels: number("C"),
            layers: number("layers"),
            classes: number("classes"),
            keep: meta["mask_keep"].split(',').map(|o| o.parse().unwrap()).collect(),
            groups: Default::default(),
            gpu: None,
            precision: Precision::Float32,
        }
    }

    fn get(&self, name: &str) -> &Tensor {
        self.tensors.get(name).unwrap_or_else(|| panic!("the reference lacks `{name}`"))
    }

    fn values(&self, name: &str) -> Vec<f64> {
        self.get(name).to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    /// Holds `ours` against `f64/<name>`; the error is relative to the tensor's norm.
    fn check(&self, group: &str, name: &str, ours: &Tensor, limit: f64) {
        let expected = self.get(&format!("f64/{name}"));
        assert_eq!(ours.elem_count(), expected.elem_count(), "{name}");
        let ours: Vec<f64> = ours.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        self.check_values(group, name, &ours, limit);
    }

    fn check_values(&self, group: &str, name: &str, ours: &[f64], limit: f64) {
        let expected = self.values(&format!("f64/{name}"));
        assert_eq!(ours.len(), expected.len(), "{name}");
        // Running means may be 0 but for rounding; they are looked at beside the normalised values that they shift.
        let floor = if group == RUNNING { 0.1 * (expected.len() as f64).sqrt() } else { 0.0 };
        let f32 = self.tensors.contains_key(&format!("f32/{name}")).then(|| self.values(&format!("f32/{name}")));
        let theirs = f32.map_or(0.0, |theirs| relative(&theirs, &expected, floor));
        self.hold(group, name, relative(ours, &expected, floor), theirs, limit);
    }

    /// Takes the error of a tensor into its group.
    fn hold(&self, group: &str, name: &str, error: f64, theirs: f64, limit: f64) {
        let limit = if self.precision == Precision::Bf16 { limit_of_bf16(group) } else { limit };
        let mut groups = self.groups.borrow_mut();
        let entry = groups.entry(group.to_string()).or_insert(Group { limit, ..Group::default() });
        if error > entry.ours || error.is_nan() {
            (entry.ours, entry.of) = (error, name.to_string());
        }
        entry.theirs = entry.theirs.max(theirs);
    }

    fn report(&self) {
        println!("{:<28} {:>10} {:>10} {:>10}  worst tensor", "group", "error", "limit", "PyTorch's");
        let groups = self.groups.borrow();
        for (group, g) in groups.iter() {
            println!("{group:<28} {:>10.2e} {:>10.1e} {:>10.2e}  {}", g.ours, g.limit, g.theirs, g.of);
        }
        for (group, g) in groups.iter() {
            assert!(g.ours <= g.limit, "{group}: {} is off by {:.2e}, more than {:.1e}", g.of, g.ours, g.limit);
        }
    }

    fn net(&self, mask: Mask, policy: Policy) -> Supernet {
        let net = Supernet::new(&SupernetConfig {
            channels: self.channels,
            classes: self.classes,
            input_channels: self.get("input").dim(1).unwrap(),
            layout: darts::SPACE.layout(self.layers),
            stem_multiplier: 3,
            stem: Stem::Cifar,
            mask,
            policy,
            precision: self.precision,
        })
        .unwrap();
        net.parameters().set_tensors(&self.tensors).unwrap();
        net.on(self.gpu.clone())
    }

    fn images(&self, name: &str) -> Tensor {
        self.get(name).permute((0, 2, 3, 1)).unwrap().contiguous().unwrap()
    }

    fn target(&self, name: &str) -> Tensor {
        self.get(name).to_dtype(DType::U32).unwrap()
    }

    fn alphas(&self) -> [candle_core::Var; 2] {
        ["alphas_normal", "alphas_reduce"].map(|n| candle_core::Var::from_tensor(self.get(n)).unwrap())
    }
}

/// `[N, H, W, C]` as the reference lays it out.
fn nchw(t: &Tensor) -> Tensor {
    t.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap()
}

fn everything() -> Pass {
    Pass { mixing: true, ..Pass::weight_step() }
}

fn forward_and_gradients(r: &Reference, policy: Policy) {
    let net = r.net(darts::FULL, policy);
    let [an, ar] = r.alphas();
    let mixing = Mixing::softmax(&an, &ar, &darts::FULL).unwrap();
    r.check("mixing weights", "mix_normal", &mixing.normal, LOGITS);
    r.check("mixing weights", "mix_reduce", &mixing.reduction, LOGITS);
    let mut outputs = Vec::new();
    net.trace(&r.images("input"), &mixing, &Pass { update_running: false, ..everything() }, |_, t| {
        outputs.push(t.clone())
    })
    .unwrap();
    r.check("stem and cell outputs", "stem_out", &nchw(&outputs[0]), LOGITS);
    for (i, o) in outputs[1..].iter().enumerate() {
        r.check("stem and cell outputs", &format!("cell_out.{i}"), &nchw(o), LOGITS);
    }

    let logits = net.forward(&r.images("input"), &mixing, &everything()).unwrap();
    r.check("logits", "logits", &logits, LOGITS);
    let loss = cross_entropy(&logits, &r.target("target")).unwrap();
    r.check("loss", "loss", &loss, LOGITS);
    let gradients = loss.backward().unwrap();
    r.check("alpha gradients", "grad/alphas_normal", gradients.get(&an).unwrap(), ALPHAS);
    r.check("alpha gradients", "grad/alphas_reduce", gradients.get(&ar).unwrap(), ALPHAS);
    let mut square = 0.0;
    let mut all = (Vec::new(), Vec::new());
    let of_weights = net.parameters().gradients(&gradients).unwrap();
    for (layout, g) in net.parameters().layouts().iter().zip(of_weights) {
        square += g.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
        for slot in &layout.slots {
            let file: Vec<f64> = slot.to_file(&g[slot.offset..][..slot.len()]).iter().map(|v| f64::from(*v)).collect();
            r.check_values("weight gradients", &format!("grad/{}", slot.name), &file, WEIGHTS);
            all.0.extend(file);
            all.1.extend(r.values(&format!("f64/grad/{}", slot.name)));
        }
    }
    r.hold("weight gradients, together", "grad", relative(&all.0, &all.1, 0.0), 0.0, WEIGHTS);
    r.check_values("gradient norm", "grad_norm", &[square.sqrt()], ALPHAS);
    for (name, t) in net.parameters().tensors().unwrap() {
        if name.ends_with("running_mean") || name.ends_with("running_var") {
            r.check(RUNNING, &format!("after_forward/{name}"), &t, LOGITS);
        }
    }
    let eval = net.forward(&r.images("input"), &mixing, &Pass::evaluate()).unwrap();
    r.check("evaluation mode", "eval_logits", &eval, LOGITS);

    // An architecture step finds the same alpha gradients without those of the weights.
    let net = r.net(darts::FULL, policy);
    let mixing = Mixing::softmax(&an, &ar, &darts::FULL).unwrap();
    let logits = net.forward(&r.images("input"), &mixing, &Pass::architecture_step()).unwrap();
    let lean = cross_entropy(&logits, &r.target("target")).unwrap().backward().unwrap();
    for a in [&an, &ar] {
        let bits =
            |g: &candle_core::backprop::GradStore| g.get(a).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(bits(&gradients), bits(&lean), "an architecture step changes the alpha gradients");
    }
    let of_weights = net.parameters().gradients(&lean).unwrap();
    assert!(of_weights.iter().flatten().all(|g| *g == 0.0), "an architecture step computed weight gradients");
}

fn masked(r: &Reference, policy: Policy) {
    let mask = Mask::uniform(darts::SPACE, &r.keep);
    let net = r.net(mask, policy);
    let [an, ar] = r.alphas();
    let mixing = Mixing::softmax(&an, &ar, &mask).unwrap();
    let logits = net.forward(&r.images("input"), &mixing, &everything()).unwrap();
    let loss = cross_entropy(&logits, &r.target("target")).unwrap();
    let gradients = loss.backward().unwrap();
    r.check("masked network", "masked/logits", &logits, LOGITS);
    r.check("masked network", "masked/loss", &loss, LOGITS);
    r.check("masked network", "masked/grad/alphas_normal", gradients.get(&an).unwrap(), ALPHAS);
    r.check("masked network", "masked/grad/alphas_reduce", gradients.get(&ar).unwrap(), ALPHAS);

    // Cutting a full network gives the same one.
    let cut = r.net(darts::FULL, policy).masked(&mask).unwrap();
    assert_eq!(cut.parameters().values().unwrap(), net.parameters().values().unwrap());
}

fn single_operations(r: &Reference) {
    let x = r.images("ops/x");
    let (n, h, w, c) = x.dims4().unwrap();
    let x = x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    for operation in darts::SPACE.operations() {
        for stride in [1, 2] {
            let key = format!("ops/{operation}.s{stride}");
            let dy = r.images(&format!("ops/gy.s{stride}")).flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let op = MixedOperation::new(&[*operation], c, stride).with(r.precision);
            let mut weights = vec![0.0; op.len()];
            let prefix = "cells.0._ops.0._ops.0.";
            for slot in op.slots() {
                let file = r.get(&format!("{key}/{}", &slot.name[prefix.len()..]));
                let file = file.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                slot.to_memory(&file, &mut weights[MixedOperation::range(slot)]);
            }
            let mixing = [1.0];
            let size = [n, h, w];
            let (out, back) = match &r.gpu {
                None => (op.forward(size, &x, &weights, &mixing), op.backward(size, &x, &weights, &mixing, &dy)),
                Some(gpu) => {
                    let out = op.forward_on(gpu, size, &x, &weights, &mixing).unwrap();
                    (out, op.backward_on(gpu, size, &x, &weights, &mixing, &dy, true).unwrap())
                }
            };
            let map = |v: Vec<f32>, h: usize, w: usize| nchw(&Tensor::from_vec(v, (n, h, w, c), &Device::Cpu).unwrap());
            r.check("single operations", &format!("{key}/out"), &map(out, h / stride, w / stride), LOGITS);
            r.check("single operations, inputs", &format!("{key}/grad_x"), &map(back.input, h, w), WEIGHTS);
            for slot in op.slots() {
                let g = slot.to_file(&back.weights[MixedOperation::range(slot)]);
                let g: Vec<f64> = g.iter().map(|v| f64::from(*v)).collect();
                let name = format!("{key}/grad/{}", &slot.name[prefix.len()..]);
                r.check_values("single operations, weights", &name, &g, WEIGHTS);
            }
        }
    }
}

fn searcher(r: &Reference, policy: Policy, clip: f64) -> Searcher {
    let settings = Settings {
        sgd: SgdSettings { momentum: 0.9, weight_decay: 3e-4, clip, nesterov: false },
        adam: AdamSettings { learning_rate: 3e-4, beta1: 0.5, beta2: 0.999, weight_decay: 1e-3 },
        method: Method::darts(Order::First),
    };
    let searcher = Searcher::new(r.net(darts::FULL, policy), settings, 0).unwrap();
    let alphas = r.alphas().map(|a| a.flatten_all().unwrap().to_vec1::<f32>().unwrap());
    searcher.set_alphas([&alphas[0], &alphas[1]]).unwrap();
    searcher
}

fn batch(r: &Reference, suffix: &str) -> Batch {
    Batch { images: r.images(&format!("input{suffix}")), labels: r.target(&format!("target{suffix}")) }
}

fn wide(v: &[f32]) -> Vec<f64> {
    v.iter().map(|x| f64::from(*x)).collect()
}

fn check_weights(r: &Reference, group: &str, prefix: &str, s: &Searcher, limit: f64) {
    for (name, t) in s.net.parameters().tensors().unwrap() {
        let name = format!("{prefix}/{name}");
        if r.tensors.contains_key(&format!("f64/{name}")) {
            r.check(group, &name, &t, limit);
        }
    }
}

fn search_steps(r: &Reference, policy: Policy) {
    let mut s = searcher(r, policy, 5.0);
    for step in ["step1", "step2"] {
        let report = s.step(&batch(r, ""), Some(&batch(r, "_valid")), 0.025).unwrap();
        r.check_values("search steps", &format!("{step}/loss_valid"), &[report.valid_loss.unwrap()], LOGITS);
        r.check_values("search steps", &format!("{step}/loss_train"), &[report.train_loss], LOGITS);
        r.check_values("search steps", &format!("{step}/grad_norm"), &[report.gradient_norm], ALPHAS);
        let [normal, reduce] = s.alphas().unwrap();
        r.check_values("alphas after a step", &format!("{step}/alphas_normal"), &wide(&normal), 2.7e-7);
        r.check_values("alphas after a step", &format!("{step}/alphas_reduce"), &wide(&reduce), 2.7e-7);
        check_weights(r, "weights after a step", step, &s, LOGITS);
    }

    let mut s = searcher(r, policy, 1.0);
    s.step(&batch(r, ""), None, 0.025).unwrap();
    check_weights(r, "clipped step", "clip1", &s, LOGITS);

    // The second order takes small differences of gradients, which rounding drowns: settings refuse it.
    if r.precision == Precision::Bf16 {
        return;
    }
    let s = searcher(r, policy, 5.0);
    let before = s.state().unwrap();
    let (loss, gradients) = s.unrolled_gradients(&batch(r, ""), &batch(r, "_valid"), 0.025).unwrap();
    r.check_values("second order", "unrolled/loss_valid", &[loss], LOGITS);
    // Two programs can't be expected nearer to each other than two evaluations with weights that differ by rounding, and those
    // are far apart where a ReLU flips between them. None does at the very weights of the small network, which keeps its
    // tight limit; that of other networks comes from what is measured.
    let spread = s.sensitivity(&batch(r, ""), &batch(r, "_valid"), 0.025).unwrap();
    println!("second order: weights moved by ±1e-7 move the alpha gradients by {spread:.1e}");
    let limit = if r.channels == 2 { UNROLLED } else { UNROLLED.max(spread) };
    r.check_values("second order, alphas", "unrolled/grad/alphas_normal", &wide(&gradients[0]), limit);
    r.check_values("second order, alphas", "unrolled/grad/alphas_reduce", &wide(&gradients[1]), limit);
    assert!(s.state().unwrap() == before, "an imagined step left something behind");
}

fn names(r: &Reference) {
    let net = r.net(darts::FULL, Policy::Keep);
    let ours = net.parameters().tensors().unwrap();
    for (name, t) in &ours {
        assert_eq!(r.get(name).dims(), t.dims(), "{name}");
    }
    let weights: usize =
        net.parameters().layouts().iter().flat_map(|l| &l.slots).filter(|s| s.kind != Kind::Bias).count();
    assert!(weights > 0 && net.parameters().count() > 0);
    for (name, t) in &r.tensors {
        if !name.contains('/') && ours.contains_key(name) && name.ends_with("weight") {
            let a = t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(
                a,
                ours[name].flatten_all().unwrap().to_vec1::<f32>().unwrap(),
                "{name} changed on its way through"
            );
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weights.safetensors");
    net.parameters().save(&path).unwrap();
    let again = r.net(darts::FULL, Policy::Keep);
    again.parameters().load(&path).unwrap();
    assert_eq!(again.parameters().values().unwrap(), net.parameters().values().unwrap());
}

fn all(r: &Reference) {
    names(r);
    single_operations(r);
    for policy in [Policy::Keep, Policy::Recompute] {
        forward_and_gradients(r, policy);
        masked(r, policy);
        search_steps(r, policy);
    }
    r.report();
}

/// The large reference file, if there is one; says so if not.
fn large() -> Option<PathBuf> {
    let path = std::env::var_os("ZONAS_REFERENCE").map(PathBuf::from).or_else(|| {
        let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reference/darts_reference.safetensors");
        shared.exists().then_some(shared)
    });
    if path.is_none() {
        println!("skipped: no reference file; set ZONAS_REFERENCE to one");
    }
    path
}

#[test]
fn agrees_with_the_reference() {
    let Some(path) = large() else { return };
    // Without fused multiply-add, the large file's unrolled step has a ReLU on the other side of its kink.
    crate::at_levels(&[Level::Avx2, Level::Avx512, Level::Neon], || all(&Reference::read(&path)));
}

/// The network of `tests/data/small_reference.safetensors`: 2 channels, 3 cells, 4 classes, 4 pictures of 16x16, with the
/// float64 results rounded to float32, made as the large file is. Its seed was chosen so that no activation lies within
/// rounding of a kink (a ReLU's zero, a tie of two maxima), where float32 and float64 may rightly differ.
#[test]
fn agrees_with_the_small_reference() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/small_reference.safetensors");
    crate::at_levels(&[Level::Portable, Level::Avx2, Level::Avx512, Level::Neon], || all(&Reference::read(&path)));
}

/// The same on a real one; `ZONAS_TEST_DEVICE` names it, and where there is none the test says that it skipped.
#[cfg(feature = "cuda")]
#[test]
fn a_gpu_agrees_with_the_small_reference() {
    use zonas::device::{Choice, Device as Place};
    let named = std::env::var("ZONAS_TEST_DEVICE").ok();
    let choice: Choice = named.as_deref().unwrap_or("cuda").parse().unwrap();
    let place = match Place::choose(choice) {
        Ok((place, _)) => place,
        Err(e) if named.is_none() => return eprintln!("skipped: {e}"),
        Err(e) => panic!("{e}"),
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/small_reference.safetensors");
    let mut r = Reference::read(&path);
    r.gpu = zonas::kernels::gpu::on(&place).unwrap();
    all(&r);
    let mut r = Reference { precision: Precision::Bf16, ..Reference::read(&path) };
    r.gpu = zonas::kernels::gpu::on(&place).unwrap();
    all(&r);
}

/// The GPU's passes and kernels, run by an imitation of a device, under the limits of the CPU.
#[test]
fn an_imitated_gpu_agrees_with_the_small_reference() {
    if !crate::gpu::available() {
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/small_reference.safetensors");
    let mut r = Reference::read(&path);
    r.gpu = Some(crate::gpu::Shim::new(crate::gpu::Build::Fast, 1));
    all(&r);
}

/// The same with maps kept as bfloat16, under limits of their own.
#[test]
fn an_imitated_gpu_that_rounds_its_maps_stays_near_the_small_reference() {
    if !crate::gpu::available() {
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/small_reference.safetensors");
    let mut r = Reference { precision: Precision::Bf16, ..Reference::read(&path) };
    r.gpu = Some(crate::gpu::Shim::new(crate::gpu::Build::Fast, 1));
    all(&r);
}

/// The same with the large file.
#[test]
#[ignore = "takes minutes"]
fn an_imitated_gpu_agrees_with_the_reference() {
    let Some(path) = large().filter(|_| crate::gpu::available()) else { return };
    for precision in Precision::ALL {
        let mut r = Reference { precision, ..Reference::read(&path) };
        r.gpu = Some(crate::gpu::Shim::new(crate::gpu::Build::Fast, 1));
        all(&r);
    }
}
