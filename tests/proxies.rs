//! Ranking functions against plain PyTorch for seven masks of DARTS, and three networks of NAS-Bench-201. `ZONAS_PROXIES` and `ZONAS_REFERENCE` name the files; without
//! them the shared ones are read; where there are none, the test says that it skipped. A small pair travels with the tests.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use zonas::kernels::Level;
use zonas::nn::{Kind, Mixing, Pass, Policy, Precision, Supernet, SupernetConfig};
use zonas::proxies::{Context, Draw, TABLE};
use zonas::space::count::{self, Network};
use zonas::space::{CellKind, Mask, Place, Space, Stem, darts};

/// What nearly cancels, or divides by what nearly does: held to ten times PyTorch's own error in float32.
const LOOSE: [&str; 1] = ["plain"];

const MASKS: [&str; 3] = ["full", "no_none", "half"];

fn load(path: &Path) -> (HashMap<String, Tensor>, HashMap<String, String>) {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).unwrap();
    (tensors, header.metadata().clone().unwrap_or_default())
}

fn mask(tensors: &HashMap<String, Tensor>, name: &str) -> Mask {
    let mut mask = Mask::empty(darts::SPACE);
    for (kind, short) in [(CellKind::Normal, "normal"), (CellKind::Reduction, "reduce")] {
        let table = tensors[&format!("masks/{name}/{short}")].to_vec2::<u8>().unwrap();
        for (edge, row) in darts::SPACE.edges(CellKind::Normal).iter().copied().zip(table) {
            for (o, v) in darts::SPACE.operations().iter().copied().zip(row) {
                mask.set(Place::new(kind, edge, o), v == 1);
            }
        }
    }
    mask
}

/// Names of the masks in a file.
fn masks(tensors: &HashMap<String, Tensor>) -> Vec<String> {
    tensors.keys().filter_map(|k| k.strip_prefix("masks/")?.strip_suffix("/normal").map(str::to_string)).collect()
}

/// Whether a file has a function of any network.
fn has(tensors: &HashMap<String, Tensor>, function: &str) -> bool {
    tensors.keys().any(|k| k.starts_with("f64/") && k.ends_with(&format!("/{function}")))
}

/// Of NAS-Bench-201, where the file has its weights: all operations of every edge, all but `none`, and two.
fn networks_201(tensors: &HashMap<String, Tensor>) -> Vec<(String, Supernet)> {
    let name = |k: &String| Some((k.strip_prefix("state_201/")?.to_string(), tensors[k].clone()));
    let state: HashMap<String, Tensor> = tensors.keys().filter_map(name).collect();
    if state.is_empty() {
        return Vec::new();
    }
    let space = Space::find("nas_bench_201").unwrap();
    let net = Supernet::new(&SupernetConfig {
        channels: state["stem.0.weight"].dim(0).unwrap(),
        classes: state["classifier.weight"].dim(0).unwrap(),
        input_channels: 3,
        layout: space.layout(3),
        stem_multiplier: 1,
        stem: Stem::Cifar,
        mask: space.full(),
        policy: Policy::Keep,
        precision: Precision::Float32,
    })
    .unwrap();
    net.parameters().set_tensors(&state).unwrap();
    let cut = |(name, kept): (&str, &[usize])| {
        let mut mask = Mask::empty(space);
        for place in space.full().places() {
            let number = space.operations().iter().position(|o| *o == place.operation).unwrap();
            mask.set(place, kept.contains(&number));
        }
        (format!("201_{name}"), net.masked(&mask).unwrap())
    };
    [("full", &[0, 1, 2, 3, 4][..]), ("no_none", &[1, 2, 3, 4]), ("half", &[1, 3])].map(cut).into()
}

/// The functions of the table that are not in the file, or in `but`, are passed over; their names.
fn check(weights: &Path, proxies: &Path, levels: &[Level], but: &[&str]) -> Vec<&'static str> {
    let (mut tensors, _) = load(proxies);
    tensors.retain(|name, _| !but.iter().any(|f| name.ends_with(&format!("/{f}"))));
    let absent: Vec<&str> = TABLE.iter().map(|f| f.name()).filter(|f| !has(&tensors, f)).collect();
    for name in &absent {
        println!("not in this file: {name}");
    }
    crate::at_levels(levels, || check_here(weights, &tensors));
    absent
}

fn check_here(weights: &Path, tensors: &HashMap<String, Tensor>) {
    let (weights, meta) = load(weights);
    let nhwc = |name: &str| tensors[name].permute((0, 2, 3, 1)).unwrap().contiguous().unwrap();
    let draw = Draw {
        images: nhwc("input"),
        labels: tensors["target"].to_dtype(DType::U32).unwrap(),
        crops: nhwc("crops"),
        noise: [nhwc("zen/input"), nhwc("zen/eps")],
        normal_weights: None,
        signs: 17,
    };
    // For `zico`, whose halves are the two batches, with labels rolled by one as in the generator.
    let pictures = draw.images.dim(0).unwrap();
    let labels = Tensor::cat(&[&draw.labels, &draw.labels, &draw.labels], 0).unwrap();
    let two = Draw {
        images: Tensor::cat(&[&draw.images, &draw.noise[0]], 0).unwrap(),
        labels: labels.narrow(0, 1, 2 * pictures).unwrap(),
        ..draw.clone()
    };
    // There are two pictures of a class.
    let pair = Draw { images: Tensor::cat(&[&draw.images, &draw.noise[1]], 0).unwrap(), ..two.clone() };
    // Ways to answer to three pictures all occur.
    let small = Draw { images: draw.crops.narrow(0, 0, 32).unwrap(), ..draw.clone() };
    let names = masks(tensors);
    assert!(names.len() >= 7 && MASKS.iter().all(|m| names.iter().any(|n| n == m)), "{names:?}");
    let net = Supernet::new(&SupernetConfig {
        channels: meta["C"].parse().unwrap(),
        classes: meta["classes"].parse().unwrap(),
        input_channels: 3,
        layout: darts::SPACE.layout(meta["layers"].parse().unwrap()),
        stem_multiplier: 3,
        stem: Stem::Cifar,
        mask: darts::FULL,
        policy: Policy::Keep,
        precision: Precision::Float32,
    })
    .unwrap();
    net.parameters().set_tensors(&weights).unwrap();
    let mut worst: BTreeMap<&str, (f64, String)> = BTreeMap::new();
    // The largest error of PyTorch's own float32.
    let mut own: BTreeMap<&str, f64> = BTreeMap::new();
    let mut networks = networks_201(tensors);
    for name in names {
        let cut = net.masked(&mask(tensors, &name)).unwrap();
        let size = Network { channels: net.config().channels, cells: net.config().layout.len(), ..Network::PUBLISHED };
        let size = Network {
            classes: net.config().classes,
            height: draw.images.dim(1).unwrap(),
            width: draw.images.dim(2).unwrap(),
            ..size
        };
        let counted = count::supernet(&cut.config().mask, &net.config().layout, &size).unwrap();
        for (what, ours) in [("params", counted.parameters), ("macs", counted.macs)] {
            let expected = tensors[&format!("f64/{name}/{what}")].to_vec1::<f64>().unwrap()[0];
            assert_eq!(ours as f64, expected, "{what} of the supernet under {name}");
        }
        networks.push((name, cut));
    }
    for (name, cut) in &networks {
        let context = Context::new(cut, &draw).unwrap();
        let (of_two, of_pair) = (Context::new(cut, &two).unwrap(), Context::new(cut, &pair).unwrap());
        let of_small = Context::new(cut, &small).unwrap();
        let value = |tag: &str, f: &str| {
            let value = tensors[&format!("{tag}/{name}/{f}")].to_dtype(DType::F64).unwrap();
            value.flatten_all().unwrap().to_vec1::<f64>().unwrap()[0]
        };
        for f in TABLE.iter().filter(|f| tensors.contains_key(&format!("f64/{name}/{}", f.name()))) {
            let expected = value("f64", f.name());
            let of = match f.name() {
                "zico" => &of_two,
                "lga" | "gradsign" | "vkdnw" | "jacob_cov" | "epe_nas" => &of_pair,
                "swap" => &of_small,
                _ => &context,
            };
            let found = f.evaluate(of).unwrap();
            let found = if f.name() == "synflow" { found.exp() } else { found };
            let error = (found - expected).abs() / expected.abs();
            let of_float32 = ((value("f32", f.name()) - expected) / expected).abs();
            own.entry(f.name()).and_modify(|e| *e = e.max(of_float32)).or_insert(of_float32);
            let entry = worst.entry(f.name()).or_default();
            if error > entry.0 || error.is_nan() {
                *entry = (error, name.clone());
            }
        }
    }
    println!("{:<16} {:>10} {:>10}  worst of {} networks", "function", "error", "PyTorch's", networks.len());
    for (f, (error, name)) in &worst {
        println!("{f:<16} {error:>10.2e} {:>10.2e}  {name}", own[f]);
    }
    for (f, (error, name)) in &worst {
        // Ten times what PyTorch's float32 keeps; counts are exact.
        let limit = match *f {
            "params" | "macs" | "trainable_layers" | "relu_regions" | "swap" => 0.0,
            f if LOOSE.contains(&f) => f64::max(1e-4, 10.0 * own[f]),
            _ => 1e-4,
        };
        assert!(*error <= limit, "{f} under {name} is off by {error:.2e}");
    }
}

#[test]
fn agree_with_the_reference() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reference");
    let find = |variable: &str, file: &str| {
        std::env::var_os(variable).map(PathBuf::from).or_else(|| Some(shared.join(file)).filter(|p| p.exists()))
    };
    let weights = find("ZONAS_REFERENCE", "darts_reference.safetensors");
    match (weights, find("ZONAS_PROXIES", "darts_proxies.safetensors")) {
        // Without fused multiply-add one of the large file's networks has a ReLU on the other side of its kink.
        (Some(weights), Some(proxies)) => {
            // Its `jacob_cov` is of the sum over the batch, which has no gradient but rounding.
            check(&weights, &proxies, &[Level::Avx2, Level::Avx512, Level::Neon], &["jacob_cov"]);
        }
        _ => println!("skipped: no reference files; set ZONAS_REFERENCE and ZONAS_PROXIES to them"),
    }
}

/// On the weights of `small_reference.safetensors`. The pictures' seed was chosen so that no activation lies within rounding of
/// a kink (a ReLU's zero, a tie of two maxima), where float32 and float64 may rightly differ.
#[test]
fn agree_with_the_small_reference() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let all = [Level::Portable, Level::Avx2, Level::Avx512, Level::Neon];
    let absent = check(&data.join("small_reference.safetensors"), &data.join("small_proxies.safetensors"), &all, &[]);
    assert!(absent.is_empty(), "to be added by tests/proxy_reference.py: {absent:?}");
}

/// In both spaces what `Supernet::contributions` shows, picture by picture, adds up to the gradient of every weight.
#[test]
fn what_pictures_give_adds_up_to_the_gradient() {
    for name in ["darts", "nas_bench_201"] {
        let space = Space::find(name).unwrap();
        let mask = space.full();
        let mut net = Supernet::new(&SupernetConfig {
            channels: 4,
            classes: 3,
            input_channels: 2,
            layout: space.layout(3),
            stem_multiplier: space.stacking().stem(),
            stem: Stem::Cifar,
            mask,
            policy: Policy::Keep,
            precision: Precision::Float32,
        })
        .unwrap();
        net.initialise(zonas::nn::Init::Default, 5).unwrap();
        let mixing = Mixing::uniform(&mask).unwrap();
        let images = Tensor::randn(0f32, 1.0, (5, 9, 8, 2), &Device::Cpu).unwrap();
        let sent = Tensor::randn(0f32, 1.0, (5, 3), &Device::Cpu).unwrap();
        let gradient = sent.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let mut sums: Vec<Vec<f32>> = net.parameters().layouts().iter().map(|l| vec![0.0; l.len]).collect();
        let mut pictures = 0;
        let add = |n: usize, given: &[&[f32]]| {
            assert_eq!(n, pictures);
            pictures += 1;
            for (sums, given) in sums.iter_mut().zip(given) {
                sums.iter_mut().zip(*given).for_each(|(s, g)| *s += g);
            }
        };
        net.contributions(&images, &mixing, |_| gradient, add).unwrap();
        let logits = net.forward(&images, &mixing, &Pass::weight_step()).unwrap();
        let store = (logits * sent).unwrap().sum_all().unwrap().backward().unwrap();
        let whole = net.parameters().gradients(&store).unwrap();
        for ((layout, sums), whole) in net.parameters().layouts().iter().zip(&sums).zip(&whole) {
            for slot in layout.slots.iter().filter(|s| s.kind.is_weight() && s.kind != Kind::Classifier) {
                let place = slot.offset..slot.offset + slot.len();
                let norm = |v: &mut dyn Iterator<Item = f32>| v.map(|v| v * v).sum::<f32>().sqrt();
                let size = norm(&mut whole[place.clone()].iter().copied());
                let off = norm(&mut sums[place.clone()].iter().zip(&whole[place]).map(|(a, b)| a - b));
                assert!(off <= 1e-4 * size + 1e-6, "{name} {}: {off} of {size}", slot.name);
            }
        }
        let many = Tensor::zeros((Supernet::CONTRIBUTORS + 1, 9, 8, 2), DType::F32, &Device::Cpu).unwrap();
        assert!(net.contributions(&many, &mixing, |_| Vec::new(), |_, _| {}).is_err(), "{name}");
    }
}
