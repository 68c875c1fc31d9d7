//! The evaluation network against PyTorch (`evaluation_reference.py`, in float64), on the CPU and on an imitation of a GPU, and
//! what must hold of it besides.

use std::collections::HashMap;

use crate::gpu::{Build, Shim};
use candle_core::{Device, Tensor};
use candle_nn::loss::cross_entropy;
use serde::Deserialize;
use zonas::nn::{DropPath, Evaluation, EvaluationConfig, EvaluationPass, Init};
use zonas::oneshot::{Batch, SgdSettings, Trainer, TrainerSettings};
use zonas::space::{Stem, parse_genotype};

const GENOTYPE: &str = "Genotype(normal=[('sep_conv_3x3', 0), ('max_pool_3x3', 1), ('dil_conv_3x3', 0), ('skip_connect', 2), \
    ('sep_conv_5x5', 1), ('avg_pool_3x3', 3), ('skip_connect', 0), ('dil_conv_5x5', 4)], normal_concat=range(2, 6), \
    reduce=[('max_pool_3x3', 0), ('sep_conv_3x3', 1), ('skip_connect', 0), ('dil_conv_5x5', 2), ('avg_pool_3x3', 1), \
    ('dil_conv_3x3', 0), ('sep_conv_5x5', 0), ('skip_connect', 1)], reduce_concat=range(2, 6))";

#[derive(Deserialize)]
struct Reference {
    logits: Vec<f64>,
    auxiliary: Vec<f64>,
    loss: f64,
    gradients: HashMap<String, [f64; 2]>,
    tested: Vec<f64>,
}

fn config() -> EvaluationConfig {
    EvaluationConfig {
        genotype: parse_genotype(GENOTYPE).unwrap(),
        channels: 4,
        cells: 4,
        input_channels: 3,
        classes: 10,
        auxiliary: true,
        stem: Stem::Cifar,
    }
}

fn formula(n: usize, key: f64, scale: f64, offset: f64) -> Vec<f64> {
    (0..n).map(|i| offset + scale * (0.37 * i as f64 + key).sin()).collect()
}

/// That for large pictures.
fn for_imagenet() -> EvaluationConfig {
    EvaluationConfig { stem: Stem::ImageNet, ..config() }
}

fn batch() -> Batch {
    batch_of(6, 32, 32)
}

/// Pictures `[N, H, W, 3]`, 6 at most, and labels, by the reference's formula.
fn batch_of(images: usize, height: usize, width: usize) -> Batch {
    let pixels = height * width;
    let plane = 3 * pixels;
    let each = formula(images * plane, 0.5, 1.0, 0.0);
    let factor = formula(images, 1.0, 1.0, 1.5);
    let shared = formula(plane, 2.0, 0.7, 0.0);
    let mut values = vec![0.0f32; images * plane];
    for n in 0..images {
        for c in 0..3 {
            for p in 0..pixels {
                let i = c * pixels + p;
                values[(n * pixels + p) * 3 + c] = (each[n * plane + i] * factor[n] + shared[i].powi(3)) as f32;
            }
        }
    }
    Batch {
        images: Tensor::from_vec(values, (images, height, width, 3), &Device::Cpu).unwrap(),
        labels: Tensor::new(&[3u32, 1, 4, 1, 5, 9][..images], &Device::Cpu).unwrap(),
    }
}

/// With the reference's weights.
fn net() -> Evaluation {
    net_of(&config())
}

fn net_of(config: &EvaluationConfig) -> Evaluation {
    let net = Evaluation::new(config).unwrap();
    let mut slots: Vec<_> = net.parameters().layouts().iter().flat_map(|l| &l.slots).collect();
    slots.sort_by(|a, b| a.name.cmp(&b.name));
    let mut tensors = HashMap::new();
    for (k, slot) in slots.iter().enumerate() {
        let shape = slot.shape();
        let fan = if shape.len() > 1 { shape[1..].iter().product::<usize>() } else { 16 };
        let values = if shape.len() == 1 && slot.name.ends_with("weight") {
            formula(slot.len(), k as f64, 0.2, 1.0)
        } else {
            formula(slot.len(), k as f64, 1.5 / (fan as f64).sqrt(), 0.0)
        };
        let values: Vec<f32> = values.into_iter().map(|v| v as f32).collect();
        tensors.insert(slot.name.clone(), Tensor::from_vec(values, shape, &Device::Cpu).unwrap());
    }
    net.parameters().set_tensors(&tensors).unwrap();
    net
}

fn close(what: &str, ours: &[f64], theirs: &[f64], limit: f64) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let scale = theirs.iter().fold(0.0f64, |m, v| m.max(v.abs())).max(1e-6);
    for (a, b) in ours.iter().zip(theirs) {
        assert!((a - b).abs() <= limit * scale, "{what}: {a} and {b}, of {scale}");
    }
}

fn numbers(t: &Tensor) -> Vec<f64> {
    t.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f64::from).collect()
}

#[test]
fn logits_loss_and_every_gradient_are_pytorchs() {
    let (theirs, batch) = (include_str!("evaluation_reference.json"), batch());
    are_pytorchs(net(), theirs, &batch);
    if crate::gpu::available() {
        are_pytorchs(net().on(Some(Shim::new(Build::Fast, 1))), theirs, &batch);
    }
}

/// With the stem and the auxiliary head of DARTS' `NetworkImageNet`.
#[test]
fn so_they_are_of_the_network_for_large_pictures() {
    let (theirs, batch) = (include_str!("imagenet_reference.json"), batch_of(3, 222, 256));
    are_pytorchs(net_of(&for_imagenet()), theirs, &batch);
}

/// On the imitation, by pictures at random: maps that the formula makes have neighbours that are equal but for rounding.
#[test]
fn a_gpu_trains_that_network_as_the_cpu_does() {
    if !crate::gpu::available() {
        return;
    }
    use rand::{RngExt, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(4);
    let values: Vec<f32> = (0..3 * 224 * 224 * 3).map(|_| rng.random::<f32>() * 2.0 - 1.0).collect();
    let images = Tensor::from_vec(values, (3, 224, 224, 3), &Device::Cpu).unwrap();
    let labels = Tensor::new(&[3u32, 1, 4], &Device::Cpu).unwrap();
    let gradients = |net: Evaluation| {
        let logits = net.forward(&images, EvaluationPass::Train(None)).unwrap();
        let of_head = cross_entropy(&logits.auxiliary.unwrap(), &labels).unwrap();
        let loss = (cross_entropy(&logits.main, &labels).unwrap() + of_head).unwrap();
        (net.parameters().gradients(&loss.backward().unwrap()).unwrap(), net.parameters().running().0)
    };
    let fresh = || {
        let mut net = Evaluation::new(&for_imagenet()).unwrap();
        net.initialise(Init::Default, 1).unwrap();
        net
    };
    let here = gradients(fresh());
    let there = gradients(fresh().on(Some(Shim::new(Build::Fast, 1))));
    let layouts = fresh();
    for (i, layout) in layouts.parameters().layouts().iter().enumerate() {
        for slot in &layout.slots {
            let at = slot.offset..slot.offset + slot.len();
            let own: Vec<f64> = there.0[i][at.clone()].iter().map(|v| f64::from(*v)).collect();
            let expected: Vec<f64> = here.0[i][at].iter().map(|v| f64::from(*v)).collect();
            close(&slot.name, &own, &expected, 2e-3);
        }
    }
    for (own, expected) in there.1.iter().flatten().zip(here.1.iter().flatten()) {
        assert!((own - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{own} and {expected}");
    }
}

fn are_pytorchs(net: Evaluation, theirs: &str, batch: &Batch) {
    let theirs: Reference = serde_json::from_str(theirs).unwrap();
    let logits = net.forward(&batch.images, EvaluationPass::Train(None)).unwrap();
    close("logits", &numbers(&logits.main), &theirs.logits, 2e-4);
    let auxiliary = logits.auxiliary.unwrap();
    close("auxiliary logits", &numbers(&auxiliary), &theirs.auxiliary, 2e-4);
    let main = cross_entropy(&logits.main, &batch.labels).unwrap();
    let loss = (main + (cross_entropy(&auxiliary, &batch.labels).unwrap() * 0.4).unwrap()).unwrap();
    close("loss", &numbers(&loss), &[theirs.loss], 1e-4);
    let gradients = net.parameters().gradients(&loss.backward().unwrap()).unwrap();
    let mut checked = 0;
    for (layout, gradient) in net.parameters().layouts().iter().zip(&gradients) {
        for slot in &layout.slots {
            let [norm, product] = theirs.gradients[&slot.name];
            let file: Vec<f64> =
                slot.to_file(&gradient[slot.offset..][..slot.len()]).into_iter().map(f64::from).collect();
            let own = file.iter().map(|v| v * v).sum::<f64>().sqrt();
            let pattern: f64 = file.iter().zip(formula(file.len(), 0.25, 1.0, 0.0)).map(|(v, p)| v * p).sum();
            let limit = 2e-3 * norm.max(1e-4);
            assert!((own - norm).abs() <= limit, "norm of {}: {own} and {norm}", slot.name);
            // A pattern's norm is about the root of half its length.
            let reach = limit * (file.len() as f64).sqrt();
            assert!((pattern - product).abs() <= reach, "gradient of {}: {pattern} and {product}", slot.name);
            checked += 1;
        }
    }
    assert_eq!(checked, theirs.gradients.len());
    let tested = net.forward(&batch.images, EvaluationPass::Test).unwrap();
    assert!(tested.auxiliary.is_none());
    close("logits by running statistics", &numbers(&tested.main), &theirs.tested, 2e-4);
}

#[test]
fn its_size_is_the_counted_one() {
    for auxiliary in [false, true] {
        let config = EvaluationConfig { auxiliary, ..config() };
        let net = Evaluation::new(&config).unwrap();
        assert_eq!(net.parameters().count() as u64, config.count(32, 32).unwrap().parameters);
        let config = EvaluationConfig { auxiliary, ..for_imagenet() };
        let net = Evaluation::new(&config).unwrap();
        assert_eq!(net.parameters().count() as u64, config.count(224, 224).unwrap().parameters);
    }
}

#[test]
fn drop_path_drops_whole_images_and_is_the_same_for_the_same_step() {
    let (net, batch) = (net(), batch());
    let logits = |at: [u64; 2], probability: f64| {
        let drop = DropPath { probability, seed: 5, at };
        numbers(&net.forward(&batch.images, EvaluationPass::Train(Some(drop))).unwrap().main)
    };
    assert_eq!(logits([0, 1], 0.5), logits([0, 1], 0.5));
    assert_ne!(logits([0, 1], 0.5), logits([0, 2], 0.5));
    assert_ne!(logits([0, 1], 0.5), logits([0, 1], 0.0));
    assert_eq!(logits([0, 1], 0.0), numbers(&net.forward(&batch.images, EvaluationPass::Train(None)).unwrap().main));
}

fn trained(threads: usize) -> (Vec<Vec<f32>>, f64) {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
        let mut net = Evaluation::new(&config()).unwrap();
        net.initialise(Init::Default, 3).unwrap();
        let sgd = SgdSettings { momentum: 0.9, weight_decay: 3e-4, clip: 5.0, nesterov: false };
        let mut trainer = Trainer::new(net, TrainerSettings { sgd, auxiliary: 0.4 });
        let batch = batch();
        let mut loss = 0.0;
        for step in 0..6 {
            let drop = DropPath { probability: 0.1, seed: 3, at: [0, step] };
            loss = trainer.step(&batch, 0.05, Some(drop)).unwrap().loss;
        }
        (trainer.state().unwrap().weights, loss)
    })
}

#[test]
fn training_learns_and_is_the_same_on_any_number_of_threads() {
    let ((one, loss), (three, _)) = (trained(1), trained(3));
    assert!(one == three, "weights differ between 1 and 3 threads");
    assert!(loss < 10f64.ln(), "the loss on six pictures is still {loss} after six steps");
}

#[test]
fn a_state_put_back_goes_on_the_same() {
    let sgd = SgdSettings { momentum: 0.9, weight_decay: 3e-4, clip: 5.0, nesterov: false };
    let fresh = |seed| {
        let mut net = Evaluation::new(&config()).unwrap();
        net.initialise(Init::Default, seed).unwrap();
        Trainer::new(net, TrainerSettings { sgd, auxiliary: 0.4 })
    };
    let (mut a, mut b, batch) = (fresh(1), fresh(2), batch());
    a.step(&batch, 0.05, None).unwrap();
    b.restore(a.state().unwrap()).unwrap();
    a.step(&batch, 0.05, None).unwrap();
    b.step(&batch, 0.05, None).unwrap();
    assert_eq!(a.state().unwrap(), b.state().unwrap());
    let mut broken = a.state().unwrap();
    broken.weights.pop();
    assert!(a.restore(broken).is_err());
}
