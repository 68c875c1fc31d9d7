//! The supernet and the evaluation network of NAS-Bench-201 against the published code in float64, on the CPU and on an imitation
//! of a GPU. `ZONAS_NB201_REFERENCE` names the file; without it the shared one is read; where there is neither, the tests say
//! that they skipped.

mod gpu;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::loss::cross_entropy;
use zonas::kernels::gpu::Gpu;
use zonas::nn::{
    Evaluation, EvaluationConfig, EvaluationPass, Mixing, Parameters, Pass, Policy, Precision, Supernet, SupernetConfig,
};
use zonas::space::count::{self, Network};
use zonas::space::{CellKind, Genotypes, Mask, Place, Space, Stem, nas_bench_201, parse_genotype};
use zonas::truth::{Cells, Table};

struct Reference {
    tensors: HashMap<String, Tensor>,
    meta: HashMap<String, String>,
    /// PyTorch's own float32 against float64, by group.
    own: BTreeMap<String, f64>,
    worst: std::cell::RefCell<BTreeMap<String, (f64, String)>>,
}

fn reference() -> Option<Reference> {
    let path = std::env::var_os("ZONAS_NB201_REFERENCE").map(PathBuf::from).or_else(|| {
        let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reference/nb201_reference.safetensors");
        shared.exists().then_some(shared)
    });
    let Some(path) = path else {
        println!("skipped: no reference of NAS-Bench-201; ZONAS_NB201_REFERENCE names one");
        return None;
    };
    let bytes = std::fs::read(path).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let meta = header.metadata().clone().expect("a reference file has metadata");
    Some(Reference {
        tensors: candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).unwrap(),
        own: serde_json::from_str(&meta["float32_error"]).unwrap(),
        meta,
        worst: Default::default(),
    })
}

fn values(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

impl Reference {
    fn get(&self, name: &str) -> &Tensor {
        self.tensors.get(name).unwrap_or_else(|| panic!("the reference lacks `{name}`"))
    }

    fn number(&self, key: &str) -> usize {
        self.meta[key].parse().unwrap()
    }

    fn images(&self) -> Tensor {
        let x = self.get("x").to_dtype(DType::F32).unwrap();
        x.permute((0, 2, 3, 1)).unwrap().contiguous().unwrap()
    }

    fn labels(&self) -> Tensor {
        self.get("y").to_dtype(DType::U32).unwrap()
    }

    /// What is under a prefix, without it.
    fn under(&self, prefix: &str) -> HashMap<String, Tensor> {
        let own = |(k, v): (&String, &Tensor)| Some((k.strip_prefix(prefix)?.to_string(), v.clone()));
        self.tensors.iter().filter_map(own).collect()
    }

    /// Holds `ours` against the reference's `name`, relative to its norm, or to `floor` where that is more.
    fn check(&self, group: &str, name: &str, ours: &[f64], floor: f64) {
        let expected = values(self.get(name));
        assert_eq!(ours.len(), expected.len(), "{name}");
        let difference = ours.iter().zip(&expected).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        let norm = expected.iter().map(|v| v * v).sum::<f64>().sqrt().max(floor);
        let error = if norm > 0.0 { difference / norm } else { difference };
        let mut worst = self.worst.borrow_mut();
        let entry = worst.entry(group.to_string()).or_default();
        if error >= entry.0 || error.is_nan() {
            *entry = (error, name.to_string());
        }
    }

    /// Gradients of all parameters.
    fn check_gradients(&self, prefix: &str, parameters: &Parameters, gradients: &[Vec<f32>]) {
        // The closing norm and the classifier are behind the last cell.
        let last = gradients.len() - 3;
        for (i, (layout, g)) in parameters.layouts().iter().zip(gradients).enumerate() {
            for slot in &layout.slots {
                let file: Vec<f64> =
                    slot.to_file(&g[slot.offset..][..slot.len()]).iter().map(|v| f64::from(*v)).collect();
                // A norm behind a bias takes it away: its gradient is nothing but rounding. So it is behind the last cell.
                let floor = match &slot.name {
                    name if name.ends_with("op.1.bias") => 1.0,
                    name if name.ends_with("op.2.bias") && i == last => 1e-2,
                    _ => 1e-3,
                };
                self.check(&format!("{prefix}.grad"), &format!("{prefix}.grad.{}", slot.name), &file, floor);
            }
        }
    }

    fn check_running(&self, prefix: &str, parameters: &Parameters) {
        for (name, t) in parameters.tensors().unwrap() {
            let name = format!("{prefix}.after.{name}");
            if self.tensors.contains_key(&name) {
                self.check(&format!("{prefix}.after"), &name, &values(&t), 0.1);
            }
        }
    }

    /// Within ten times float32's own error, which the reference does not say of cells: there that of the whole space.
    fn report(&self) {
        for (group, (error, of)) in self.worst.borrow().iter() {
            let known = self.own.get(group).or_else(|| self.own.get(&group.replace("cell", "all")));
            // A loss is a single number, whose float32 may be exact by chance: one rounding is allowed.
            let limit = (10.0 * known.copied().unwrap_or(5e-7)).max(2.4e-7);
            println!("{group:<16} {error:>9.1e}  limit {limit:>9.1e}  {of}");
            assert!(*error <= limit, "{group}: {of} is off by {error:.1e}, more than {limit:.1e}");
        }
    }
}

fn space() -> Space {
    Space::find("nas_bench_201").unwrap()
}

fn supernet(r: &Reference, prefix: &str, mask: Mask, policy: Policy, gpu: Option<Gpu>) {
    let on_cpu = gpu.is_none();
    let net = Supernet::new(&SupernetConfig {
        channels: r.number("channels"),
        classes: 10,
        input_channels: 3,
        layout: space().layout(3 * r.number("n")),
        stem_multiplier: 1,
        stem: Stem::Cifar,
        mask,
        policy,
        precision: Precision::Float32,
    })
    .unwrap()
    .on(gpu);
    net.parameters().set_tensors(&r.under("state.")).unwrap();
    let alphas = Var::from_tensor(r.get("state.arch_parameters")).unwrap();
    let none = Tensor::zeros((0, 5), DType::F32, &Device::Cpu).unwrap();
    let mixing = Mixing::softmax(&alphas, &none, &mask).unwrap();
    let pass = Pass { mixing: true, images: on_cpu, ..Pass::weight_step() };
    let images = Var::from_tensor(&r.images()).unwrap();
    let quiet = Pass { update_running: false, ..Pass::observe() };
    let features = net.features(&r.images(), &mixing, &quiet).unwrap().mean((1, 2)).unwrap();
    r.check(&format!("{prefix}.features"), &format!("{prefix}.features"), &values(&features), 0.0);
    let logits = net.forward(&images, &mixing, &pass).unwrap();
    r.check(&format!("{prefix}.logits"), &format!("{prefix}.logits"), &values(&logits), 0.0);
    let loss = cross_entropy(&logits, &r.labels()).unwrap();
    r.check(&format!("{prefix}.loss"), &format!("{prefix}.loss"), &values(&loss), 0.0);
    let gradients = loss.backward().unwrap();
    let of_alphas = values(gradients.get(&alphas).unwrap());
    r.check(&format!("{prefix}.grad.arch"), &format!("{prefix}.grad.arch_parameters"), &of_alphas, 0.0);
    if on_cpu {
        let of_images = gradients.get(&images).unwrap().permute((0, 3, 1, 2)).unwrap().contiguous().unwrap();
        r.check(&format!("{prefix}.grad"), &format!("{prefix}.grad.x"), &values(&of_images), 0.0);
    }
    r.check_gradients(prefix, net.parameters(), &net.parameters().gradients(&gradients).unwrap());
    r.check_running(prefix, net.parameters());

    // An architecture step finds the same without the weights' gradients.
    let logits = net.forward(&r.images(), &mixing, &Pass::architecture_step()).unwrap();
    let lean = cross_entropy(&logits, &r.labels()).unwrap().backward().unwrap();
    assert_eq!(values(lean.get(&alphas).unwrap()), of_alphas, "an architecture step changes the alphas' gradients");
}

fn supernets(gpu: Option<Gpu>) {
    let Some(r) = reference() else { return };
    let kept: Vec<f64> = values(r.get("mask"));
    let mut cut = space().full();
    for (place, kept) in space().places().zip(kept) {
        cut.set(place, kept > 0.0);
    }
    for policy in [Policy::Keep, Policy::Recompute] {
        supernet(&r, "all", space().full(), policy, gpu.clone());
        supernet(&r, "cut", cut, policy, gpu.clone());
    }
    r.report();
}

#[test]
fn supernets_agree_with_the_published_code() {
    supernets(None);
    if gpu::available() {
        supernets(Some(gpu::Shim::new(gpu::Build::Fast, 1)));
    }
}

#[test]
fn evaluation_networks_agree_with_the_published_code() {
    evaluation(None);
    if gpu::available() {
        evaluation(Some(gpu::Shim::new(gpu::Build::Fast, 1)));
    }
}

fn evaluation(gpu: Option<Gpu>) {
    let Some(r) = reference() else { return };
    let genotype = parse_genotype(&r.meta["cell"]).unwrap();
    assert_eq!(genotype.to_string(), r.meta["cell"]);
    let net = Evaluation::new(&EvaluationConfig {
        genotype,
        channels: r.number("channels"),
        cells: 3 * r.number("n"),
        input_channels: 3,
        classes: 10,
        auxiliary: false,
        stem: Stem::Cifar,
    })
    .unwrap()
    .on(gpu);
    net.parameters().set_tensors(&r.under("cell.state.")).unwrap();
    assert_eq!(net.parameters().count(), r.number("cell_parameters"));
    let logits = net.forward(&r.images(), EvaluationPass::Train(None)).unwrap().main;
    r.check("cell.logits", "cell.logits", &values(&logits), 0.0);
    let loss = cross_entropy(&logits, &r.labels()).unwrap();
    r.check("cell.loss", "cell.loss", &values(&loss), 0.0);
    let gradients = loss.backward().unwrap();
    r.check_gradients("cell", net.parameters(), &net.parameters().gradients(&gradients).unwrap());
    r.check_running("cell", net.parameters());
    let logits = net.forward(&r.images(), EvaluationPass::Test).unwrap().main;
    r.check("cell.eval_logits", "cell.eval_logits", &values(&logits), 0.0);
    r.report();
}

/// Networks of random cuts on odd sizes: the derivative of a loss along a random direction is what the gradients say.
#[test]
fn gradients_are_those_of_finite_differences() {
    let mut mask = space().full();
    let edge = "1-2".parse().unwrap();
    mask.set(Place::new(CellKind::Normal, edge, "nor_conv_3x3".parse().unwrap()), false);
    let mut net = Supernet::new(&SupernetConfig {
        channels: 3,
        classes: 4,
        input_channels: 2,
        layout: space().layout(3),
        stem_multiplier: 1,
        stem: Stem::Cifar,
        mask,
        policy: Policy::Keep,
        precision: Precision::Float32,
    })
    .unwrap();
    net.initialise(zonas::nn::Init::Default, 5).unwrap();
    let mut state = 9u32;
    let mut numbers = |shape: &[usize]| {
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let values: Vec<f32> = std::iter::repeat_with(next).take(shape.iter().product()).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    };
    let x = numbers(&[4, 10, 7, 2]);
    let labels = Tensor::new(&[0u32, 1, 2, 3], &Device::Cpu).unwrap();
    let alphas = Var::from_tensor(&numbers(&[6, 5])).unwrap();
    let none = Tensor::zeros((0, 5), DType::F32, &Device::Cpu).unwrap();
    let loss = |alphas: &Tensor| {
        let mixing = Mixing::softmax(alphas, &none, &mask).unwrap();
        let pass = Pass { update_running: false, ..Pass::architecture_step() };
        cross_entropy(&net.forward(&x, &mixing, &pass).unwrap(), &labels).unwrap()
    };
    let gradient = values(loss(&alphas).backward().unwrap().get(&alphas).unwrap());
    let direction = numbers(&[6, 5]);
    let at = |by: f64| values(&loss(&(alphas.as_tensor() + (direction.clone() * by).unwrap()).unwrap()))[0];
    let found = (at(0.005) - at(-0.005)) / 0.01;
    let expected: f64 = gradient.iter().zip(values(&direction)).map(|(g, d)| g * d).sum();
    assert!((found - expected).abs() < 0.01 * (0.1 + expected.abs()), "{found} {expected}");
}

/// Every cell of the published table has the parameters that the table says, in millions of six digits, and its number.
/// `ZONAS_NB201_TABLE` names the table; without, the shared one is read; where there is neither, that is said.
#[test]
fn all_parameter_counts_are_those_of_the_table() {
    let path = std::env::var_os("ZONAS_NB201_TABLE").map(PathBuf::from).or_else(|| {
        let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reference/nb201_table.tsv.xz");
        shared.exists().then_some(shared)
    });
    let Some(path) = path else {
        println!("skipped: no table of NAS-Bench-201; ZONAS_NB201_TABLE names one");
        return;
    };
    let space = Space::find("nas_bench_201").unwrap();
    let cells = Cells::of(space);
    let table = Table::read(&path, &cells, Some("params_c10_M")).unwrap();
    let numbers = Table::read(&path, &cells, Some("nb201_index")).unwrap();
    let network = Network::published(space.stacking(), Stem::Cifar);
    for (row, number) in table.rows.iter().zip(&numbers.rows) {
        let mask = cells.mask(&row.cell).unwrap();
        let digit = |p: Place| space.operations().iter().position(|o| *o == p.operation).unwrap().to_string();
        let digits: String = mask.places().map(digit).collect();
        let cell = Genotypes::of_space(&digits, space).unwrap().take(None).unwrap().genotype;
        let counted = count::evaluation(&cell, &network).unwrap().parameters as f64 / 1e6;
        assert!((counted - row.accuracy).abs() < 1e-9, "{digits}: {counted}, the table has {}", row.accuracy);
        assert_eq!(nas_bench_201::index(&cell), Some(number.accuracy as usize), "{digits}");
        assert_eq!(nas_bench_201::of_index(number.accuracy as usize), Some(cell));
    }
    println!("parameters and numbers: {} of 15625 cells as in the table", table.rows.len());
    assert_eq!(table.rows.len(), 15625);
}
