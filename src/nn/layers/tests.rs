//! The layers, run one by one by plain loops, give what the network gives.

use std::collections::HashMap;

use candle_core::{Device, Tensor};

use super::*;
use crate::nn::{EvaluationConfig, EvaluationPass, Init};
use crate::space::{Genotype, Genotypes, Space, Stem, parse_genotype};

/// `[N, C, H, W]`.
struct Map {
    shape: [usize; 4],
    data: Vec<f64>,
}

impl Map {
    fn zeros(shape: [usize; 4]) -> Map {
        Map { shape, data: vec![0.0; shape.iter().product()] }
    }

    /// What `each` says of every place.
    fn made(shape: [usize; 4], mut each: impl FnMut(usize, usize, usize, usize) -> f64) -> Map {
        let mut map = Map::zeros(shape);
        let [n, c, h, w] = shape;
        for at in 0..n * c * h * w {
            map.data[at] = each(at / (c * h * w), at / (h * w) % c, at / w % h, at % w);
        }
        map
    }

    /// 0 outside.
    fn get(&self, n: usize, c: usize, y: usize, x: usize) -> f64 {
        let [_, channels, h, w] = self.shape;
        if y < h && x < w { self.data[((n * channels + c) * h + y) * w + x] } else { 0.0 }
    }

    /// The places of a window that are inside.
    fn window(
        &self,
        (oy, ox): (usize, usize),
        side: usize,
        stride: usize,
        [top, left]: [usize; 2],
    ) -> Vec<(usize, usize)> {
        let places = (0..side * side).filter_map(|t| {
            let y = (oy * stride + t / side).checked_sub(top)?;
            let x = (ox * stride + t % side).checked_sub(left)?;
            (y < self.shape[2] && x < self.shape[3]).then_some((y, x))
        });
        places.collect()
    }
}

fn run(layers: &[Layer], tensors: &HashMap<String, Tensor>, pictures: Map) -> Map {
    let read = |name: &str| -> (Vec<usize>, Vec<f64>) {
        let tensor = tensors.get(name).unwrap_or_else(|| panic!("there is no `{name}`"));
        let values = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        (tensor.dims().to_vec(), values.into_iter().map(f64::from).collect())
    };
    let n = pictures.shape[0];
    let mut values = vec![pictures];
    for layer in layers {
        let [c, h, w] = layer.shape;
        let shape = [n, c, h, w];
        let x = &values[layer.inputs[0]];
        let out = match &layer.kind {
            LayerKind::Relu => Map::made(shape, |n, c, i, j| x.get(n, c, i, j).max(0.0)),
            LayerKind::Convolution { weight, kernel, stride, dilation, groups, pads } => {
                let (dims, weights) = read(weight);
                let [rows, columns] = *kernel;
                assert_eq!(dims, [c, x.shape[1] / groups, rows, columns], "{weight}");
                let (each, taps) = (dims[1], rows * columns);
                Map::made(shape, |n, o, i, j| {
                    let first = o / (c / groups) * each;
                    let mut sum = 0.0;
                    for t in 0..each * taps {
                        let (k, a, b) = (t / taps, t / columns % rows, t % columns);
                        // Padding wraps far outside.
                        let y = (i * stride[0] + a * dilation).wrapping_sub(pads[0]);
                        let x_at = (j * stride[1] + b * dilation).wrapping_sub(pads[1]);
                        sum += weights[o * each * taps + t] * x.get(n, first + k, y, x_at);
                    }
                    sum
                })
            }
            LayerKind::Norm { name } => {
                let [scale, shift, mean, variance] =
                    ["weight", "bias", "running_mean", "running_var"].map(|part| read(&format!("{name}.{part}")).1);
                Map::made(shape, |n, c, i, j| {
                    (x.get(n, c, i, j) - mean[c]) / (variance[c] + NORM_EPSILON).sqrt() * scale[c] + shift[c]
                })
            }
            LayerKind::MaxPool { window, stride, pads } => Map::made(shape, |n, c, i, j| {
                let there = x.window((i, j), *window, *stride, [pads[0], pads[1]]);
                there.into_iter().map(|(y, x_at)| x.get(n, c, y, x_at)).fold(f64::NEG_INFINITY, f64::max)
            }),
            LayerKind::AveragePool { window, stride, pads } => Map::made(shape, |n, c, i, j| {
                let there = x.window((i, j), *window, *stride, [pads[0], pads[1]]);
                there.iter().map(|(y, x_at)| x.get(n, c, *y, *x_at)).sum::<f64>() / there.len() as f64
            }),
            LayerKind::Add => {
                Map::made(shape, |n, c, i, j| layer.inputs.iter().map(|v| values[*v].get(n, c, i, j)).sum())
            }
            LayerKind::Join => {
                let from: Vec<(usize, usize)> =
                    layer.inputs.iter().flat_map(|v| (0..values[*v].shape[1]).map(move |c| (*v, c))).collect();
                assert_eq!(from.len(), c);
                Map::made(shape, |n, c, i, j| values[from[c].0].get(n, from[c].1, i, j))
            }
            LayerKind::Shift { below, right } => {
                assert_eq!([h, w], [x.shape[2] - 1 + below, x.shape[3] - 1 + right]);
                Map::made(shape, |n, c, i, j| x.get(n, c, i + 1, j + 1))
            }
            LayerKind::Zeros => Map::zeros(shape),
            LayerKind::Average => Map::made(shape, |n, c, _, _| {
                let pixels = x.shape[2] * x.shape[3];
                x.data[(n * c_of(x) + c) * pixels..][..pixels].iter().sum::<f64>() / pixels as f64
            }),
            LayerKind::Linear { name } => {
                let ((dims, weights), (_, bias)) = (read(&format!("{name}.weight")), read(&format!("{name}.bias")));
                Map::made(shape, |n, k, _, _| {
                    bias[k] + (0..dims[1]).map(|i| weights[k * dims[1] + i] * x.get(n, i, 0, 0)).sum::<f64>()
                })
            }
        };
        values.push(out);
    }
    values.pop().unwrap()
}

fn c_of(map: &Map) -> usize {
    map.shape[1]
}

fn agrees(genotype: Genotype, stem: Stem, cells: usize, (height, width): (usize, usize)) {
    let config =
        EvaluationConfig { genotype, channels: 4, cells, input_channels: 2, classes: 3, auxiliary: false, stem };
    let mut net = Evaluation::new(&config).unwrap();
    net.initialise(Init::Default, 7).unwrap();
    let images = Tensor::randn(0f32, 1.0, (5, height, width, 2), &Device::Cpu).unwrap();
    // Running statistics other than those of a new network.
    for _ in 0..3 {
        net.forward(&images, EvaluationPass::Train(None)).unwrap();
    }
    let wanted =
        net.forward(&images, EvaluationPass::Test).unwrap().main.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let planes = images.permute((0, 3, 1, 2)).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let pictures = Map { shape: [5, 2, height, width], data: planes.into_iter().map(f64::from).collect() };
    let layers = net.layers(height, width).unwrap();
    let found = run(&layers, &net.parameters().tensors().unwrap(), pictures);
    assert_eq!(found.shape, [5, 3, 1, 1]);
    for (a, b) in found.data.iter().zip(&wanted) {
        assert!((a - f64::from(*b)).abs() < 1e-4 * f64::from(b.abs()).max(1.0), "{a} and {b} at {height}x{width}");
    }
}

#[test]
fn layers_of_darts_cells_give_the_networks_logits() {
    let genotype = "Genotype(normal=[('sep_conv_3x3', 0), ('max_pool_3x3', 1), ('dil_conv_3x3', 0), ('skip_connect', 2), \
        ('sep_conv_5x5', 1), ('avg_pool_3x3', 3), ('skip_connect', 0), ('dil_conv_5x5', 4)], normal_concat=range(2, 6), \
        reduce=[('max_pool_3x3', 0), ('sep_conv_3x3', 1), ('skip_connect', 0), ('dil_conv_5x5', 2), ('avg_pool_3x3', 1), \
        ('dil_conv_3x3', 0), ('sep_conv_5x5', 0), ('skip_connect', 1)], reduce_concat=[3, 4, 5])";
    for size in [(12, 12), (11, 9)] {
        agrees(parse_genotype(genotype).unwrap(), Stem::Cifar, 4, size);
    }
    for size in [(40, 40), (45, 38)] {
        agrees(parse_genotype(genotype).unwrap(), Stem::ImageNet, 4, size);
    }
}

/// Of more kinds, with a state that a node takes twice.
#[test]
fn layers_of_other_cells_give_the_networks_logits() {
    let genotype = "Genotype(normal=[('conv_7x1_1x7', 0), ('conv_7x1_1x7', 0), ('sep_conv_7x7', 2), ('conv_1x1', 1)], \
        normal_concat=[3], reduce=[('conv_7x1_1x7', 0), ('max_pool_5x5', 1), ('nor_conv_3x3', 0), ('conv_7x1_1x7', 2)], \
        reduce_concat=[2, 3])";
    for size in [(12, 12), (11, 9)] {
        agrees(parse_genotype(genotype).unwrap(), Stem::Cifar, 4, size);
    }
}

#[test]
fn layers_of_nas_bench_201_give_the_networks_logits() {
    let space = Space::find("nas_bench_201").unwrap();
    let take = |text: &str| Genotypes::of_space(text, space).unwrap().take(None).unwrap().genotype;
    let cell = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|avg_pool_3x3~1|nor_conv_1x1~2|";
    for size in [(8, 8), (7, 5)] {
        agrees(take(cell), Stem::Cifar, 3, size);
    }
}

#[test]
fn noise_is_refused() {
    let genotype =
        "Genotype(normal=[('noise', 0), ('skip_connect', 1)], normal_concat=[2], reduce=[], reduce_concat=[])";
    let Ok(genotype) = parse_genotype(genotype) else { panic!("no genotype") };
    let (channels, stem) = (4, Stem::Cifar);
    let config =
        EvaluationConfig { genotype, channels, cells: 1, input_channels: 1, classes: 2, auxiliary: false, stem };
    let net = Evaluation::new(&config).unwrap();
    assert!(net.layers(8, 8).unwrap_err().to_string().contains("`noise`"));
}
