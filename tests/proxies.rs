//! Ranking functions against plain PyTorch for seven masks. `ZONAS_PROXIES` and `ZONAS_REFERENCE` name the files; without
//! them the shared ones are read; where there are none, the test says that it skipped. A small pair travels with the tests.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use zonas::kernels::Level;
use zonas::nn::{Policy, Precision, Supernet, SupernetConfig};
use zonas::proxies::{Context, Draw, TABLE};
use zonas::space::count::{self, Network};
use zonas::space::{CellKind, Mask, Place, darts};

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

/// Whether a file has a function under any mask.
fn has(tensors: &HashMap<String, Tensor>, function: &str) -> bool {
    masks(tensors).iter().any(|m| tensors.contains_key(&format!("f64/{m}/{function}")))
}

/// The functions of the table that are not in the file are passed over; their names.
fn check(weights: &Path, proxies: &Path, levels: &[Level]) -> Vec<&'static str> {
    let (tensors, _) = load(proxies);
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
    let names = masks(tensors);
    assert!(names.len() >= 7 && MASKS.iter().all(|m| names.iter().any(|n| n == m)), "{names:?}");
    let net = Supernet::new(&SupernetConfig {
        channels: meta["C"].parse().unwrap(),
        classes: meta["classes"].parse().unwrap(),
        input_channels: 3,
        layout: darts::SPACE.layout(meta["layers"].parse().unwrap()),
        stem_multiplier: 3,
        mask: darts::FULL,
        policy: Policy::Keep,
        precision: Precision::Float32,
    })
    .unwrap();
    net.parameters().set_tensors(&weights).unwrap();
    let mut worst: BTreeMap<&str, (f64, String)> = BTreeMap::new();
    for name in &names {
        let cut = net.masked(&mask(tensors, name)).unwrap();
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
        let context = Context::new(&cut, &draw).unwrap();
        let of_two = Context::new(&cut, &two).unwrap();
        for f in TABLE.iter().filter(|f| has(tensors, f.name())) {
            let expected = tensors[&format!("f64/{name}/{}", f.name())].to_dtype(DType::F64).unwrap();
            let expected = expected.flatten_all().unwrap().to_vec1::<f64>().unwrap()[0];
            let found = f.evaluate(if f.name() == "zico" { &of_two } else { &context }).unwrap();
            let found = if f.name() == "synflow" { found.exp() } else { found };
            let error = (found - expected).abs() / expected.abs();
            let entry = worst.entry(f.name()).or_default();
            if error > entry.0 || error.is_nan() {
                *entry = (error, name.clone());
            }
        }
    }
    println!("{:<16} {:>10}  worst of {} masks", "function", "error", names.len());
    for (f, (error, name)) in &worst {
        println!("{f:<16} {error:>10.2e}  {name}");
    }
    for (f, (error, name)) in &worst {
        // Ten times what PyTorch's float32 keeps; counts are exact.
        let limit = if ["params", "macs", "relu_regions"].contains(f) { 0.0 } else { 1e-4 };
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
            check(&weights, &proxies, &[Level::Avx2, Level::Avx512, Level::Neon]);
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
    let absent = check(&data.join("small_reference.safetensors"), &data.join("small_proxies.safetensors"), &all);
    assert!(absent.is_empty(), "to be added by tests/proxy_reference.py: {absent:?}");
}
