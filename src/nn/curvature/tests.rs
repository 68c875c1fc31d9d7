//! Gradients are those of the passes, their derivatives those of differences in float64.

use candle_core::{Device, Tensor};
use candle_nn::loss::cross_entropy;

use super::*;
use crate::nn::{Init, Pass, Policy, Precision};
use crate::space::{CellKind, Mask, Space, Stem};

/// Every weight's gradient and its derivative, by block; 0 where none is given.
fn found(net: &Supernet, weights: &[Vec<f64>], images: &Tensor, labels: &[u32]) -> [Vec<Vec<f64>>; 2] {
    let (_, h, w, _) = images.dims4().unwrap();
    let mixing = remembered::flat(net.plan(), &Mixing::uniform(&net.config().mask).unwrap()).unwrap();
    let graph = Graph::new(net.plan(), [h, w]);
    let pass = GraphPass { graph: &graph, weights, mixing: &mixing, noise: net.parameters().noise() };
    let mut all = [(); 2].map(|()| weights.iter().map(|block| vec![0.0; block.len()]).collect::<Vec<Vec<f64>>>());
    let pictures = images.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    pass.run(&pictures, labels, &mut |block, range, gradient, derivative| {
        all[0][block][range.clone()].copy_from_slice(gradient);
        all[1][block][range].copy_from_slice(derivative);
    });
    all
}

fn network(mask: Mask, stem: Stem) -> Supernet {
    let space = mask.space();
    let mut net = Supernet::new(&SupernetConfig {
        channels: 4,
        classes: 3,
        input_channels: 2,
        layout: if space.graph(CellKind::Reduction).is_some() {
            vec![CellKind::Normal, CellKind::Reduction, CellKind::Normal]
        } else {
            space.layout(3)
        },
        stem_multiplier: space.stacking().stem(),
        stem,
        mask,
        policy: Policy::Keep,
        precision: Precision::Float32,
    })
    .unwrap();
    net.initialise(Init::Default, 5).unwrap();
    net
}

/// Of networks that have every operation between them.
fn networks() -> Vec<Supernet> {
    let all = "name = \"all\"\noperations = [\"none\", \"skip_connect\", \"noise\", \"max_pool_5x5\", \"conv_1x1\", \"conv_7x1_1x7\", \
               \"sep_conv_7x7\", \"avg_pool_3x3\"]\nstacking = \"darts\"\n[normal]\nnodes = 2\n[reduction]\nnodes = 1\n";
    let all = Space::read(all).map(|s| s.full());
    let named = ["darts", "nas_bench_201", "darts_s4"].map(|name| Space::find(name).unwrap().full());
    let mut found: Vec<Supernet> = named.into_iter().map(|mask| network(mask, Stem::Cifar)).collect();
    found.push(network(Space::find("darts").unwrap().full(), Stem::ImageNet));
    found.push(network(all.unwrap(), Stem::Cifar));
    found
}

#[test]
fn a_gradient_and_its_derivative_are_those_of_the_passes_and_of_differences() {
    for net in networks() {
        let (name, mask) = (net.config().mask.space().name(), net.config().mask);
        let side = if net.config().stem == Stem::ImageNet { 33 } else { 9 };
        let mut numbers = vec![0f32; 4 * side * (side - 1) * 2];
        Noise { seed: 3, batches: 0 }.draw(0, 0, &mut numbers);
        let images = Tensor::from_vec(numbers, (4, side, side - 1, 2), &Device::Cpu).unwrap();
        let labels = [0u32, 2, 1, 2];
        let values = net.parameters().values().unwrap();
        let weights: Vec<Vec<f64>> = values.iter().map(|b| b.iter().map(|v| f64::from(*v)).collect()).collect();
        let [gradient, derivative] = found(&net, &weights, &images, &labels);
        // The passes' own.
        let mixing = Mixing::uniform(&mask).unwrap();
        let of_labels = Tensor::new(&labels, &Device::Cpu).unwrap();
        let pass = Pass { update_running: false, ..Pass::weight_step() };
        let logits = net.forward(&images, &mixing, &pass).unwrap();
        let store = cross_entropy(&logits, &of_labels).unwrap().backward().unwrap();
        let passes = net.parameters().gradients(&store).unwrap();
        // Differences: only weights move.
        let moved = |by: f64| -> Vec<Vec<f64>> {
            let mut moved = weights.clone();
            for (layout, block) in net.parameters().layouts().iter().zip(&mut moved) {
                for slot in layout.slots.iter().filter(|s| s.kind.is_weight()) {
                    block[slot.offset..][..slot.len()].iter_mut().for_each(|v| *v *= 1.0 + by);
                }
            }
            moved
        };
        let step = 1e-7;
        let [[above, _], [below, _]] = [step, -step].map(|by| found(&net, &moved(by), &images, &labels));
        let mut seen = 0;
        for (b, layout) in net.parameters().layouts().iter().enumerate() {
            for slot in layout.slots.iter().filter(|s| s.kind.is_weight()) {
                let place = slot.offset..slot.offset + slot.len();
                let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
                let own = &gradient[b][place.clone()];
                let size = norm(&mut own.iter().copied());
                let off = norm(&mut own.iter().zip(&passes[b][place.clone()]).map(|(a, p)| a - f64::from(*p)));
                assert!(off <= 1e-4 * size + 1e-6, "{name} {}: {off} of {size}", slot.name);
                let differences = place.clone().map(|i| (above[b][i] - below[b][i]) / (2.0 * step));
                let off = norm(&mut derivative[b][place.clone()].iter().zip(differences).map(|(a, d)| a - d));
                assert!(off <= 1e-5 * size + 1e-7, "{name} {}: the derivative is off by {off} of {size}", slot.name);
                seen += usize::from(size > 0.0);
            }
        }
        assert!(seen > 10, "{name}: {seen} weights have a gradient");
        let product: f64 = gradient.iter().flatten().zip(derivative.iter().flatten()).map(|(g, d)| g * d).sum();
        let whole = net.curvature(&images, &of_labels, &mixing).unwrap();
        assert!((whole - product).abs() <= 1e-9 * product.abs(), "{name}: {whole}, {product}");
        assert!(net.curvature(&images, &Tensor::new(&[3u32; 4], &Device::Cpu).unwrap(), &mixing).is_err());
    }
}
