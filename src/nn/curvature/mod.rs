//! The product of the Hessian with the weights, for ranking functions of second order. A forward and a backward pass in dual numbers,
//! whose second part is the derivative as all weights grow by the same share: of a gradient g that is H·w, exactly, also where a
//! ReLU or a maximum lies between two pieces, since only the piece that is there is seen. In float64, on the CPU, on one thread.
//!
//! Maps within an operation are made again on the way back, so that only the states of cells are kept.

mod graph;
mod step;
#[cfg(test)]
mod tests;

use std::ops::Range;

use candle_core::Tensor;

use self::graph::Graph;
use self::step::Map;
use super::layout::{BlockLayout, Kind};
use super::noise::Noise;
use super::{Mixing, NnError, Supernet, SupernetConfig, check_pictures, remembered, with_slices};
use crate::nn::plan::NetworkPlan;

/// What a backward pass gives: of some of a block's weights the gradient and its derivative.
type Given<'a> = &'a mut dyn FnMut(usize, Range<usize>, &[f64], &[f64]);

impl Supernet {
    /// `gᵀ·H·w`: w the weights of convolutions and of the classifier, g and H the gradient and the Hessian of the mean cross entropy
    /// of pictures `[N, H, W, C]` with labels `[N]`, norms with statistics of the batch. Always on the CPU.
    ///
    /// # Errors
    /// Pictures of another number of channels, or candle's own.
    pub fn curvature(&self, images: &Tensor, labels: &Tensor, mixing: &Mixing) -> Result<f64, NnError> {
        check_pictures(images, self.config().input_channels)?;
        let (n, h, w, _) = images.dims4()?;
        let labels = labels.to_vec1::<u32>()?;
        if labels.len() != n || labels.iter().any(|l| *l as usize >= self.config().classes) {
            return Err(NnError::Input("every picture needs the label of a class".into()));
        }
        let mixing = remembered::flat(self.plan(), mixing)?;
        let weights: Vec<Vec<f64>> =
            self.parameters().values()?.into_iter().map(|b| b.into_iter().map(f64::from).collect()).collect();
        let graph = Graph::new(self.plan(), [h, w]);
        let mut product = 0.0;
        with_slices([images], |[x]| {
            let pass =
                GraphPass { graph: &graph, weights: &weights, mixing: &mixing, noise: self.parameters().noise() };
            pass.run(x, &labels, &mut |_, _, gradient, derivative| {
                product += gradient.iter().zip(derivative).map(|(g, d)| g * d).sum::<f64>();
            });
        })?;
        Ok(product)
    }
}

impl Supernet {
    /// What the classifier reads, `[N, C]`, where every weight, also the scales of norms, is `value`, and every bias and shift 0. In
    /// float64, which holds what becomes of small ones; always on the CPU, norms with statistics of the batch.
    ///
    /// # Errors
    /// As [`Supernet::curvature`].
    pub fn features_of_constant(&self, images: &Tensor, mixing: &Mixing, value: f64) -> Result<Vec<f64>, NnError> {
        check_pictures(images, self.config().input_channels)?;
        let (n, h, w, _) = images.dims4()?;
        let mixing = remembered::flat(self.plan(), mixing)?;
        let block = |layout: &BlockLayout| {
            let mut block = vec![0.0; layout.len];
            for slot in layout.slots.iter().filter(|s| s.kind.is_weight() || s.kind == Kind::NormWeight) {
                block[slot.offset..][..slot.len()].fill(value);
            }
            block
        };
        let weights: Vec<Vec<f64>> = self.plan().layouts().map(block).collect();
        let graph = Graph::new(self.plan(), [h, w]);
        let mut features = Vec::new();
        with_slices([images], |[x]| {
            let pass =
                GraphPass { graph: &graph, weights: &weights, mixing: &mixing, noise: self.parameters().noise() };
            if let Some(last) = &pass.forward(x, n)[graph.last] {
                (0..n).for_each(|image| features.extend(last.mean(image)[0].iter()));
            }
        })?;
        Ok(features)
    }
}

impl SupernetConfig {
    /// Peak bytes of [`Supernet::curvature`] beside the network.
    pub fn curvature_bytes(&self, images: usize, height: usize, width: usize) -> u64 {
        self.float64_bytes([height, width], |graph| graph.bytes(images))
    }

    /// Peak bytes of [`Supernet::features_of_constant`] beside the network.
    pub fn constant_bytes(&self, images: usize, height: usize, width: usize) -> u64 {
        self.float64_bytes([height, width], |graph| graph.forward_bytes(images))
    }

    fn float64_bytes(&self, size: [usize; 2], maps: impl Fn(&Graph) -> u64) -> u64 {
        let plan = NetworkPlan::of_supernet(self);
        let parameters: u64 = plan.layouts().map(|layout| layout.len as u64).sum();
        maps(&Graph::new(&plan, size)) + 8 * parameters
    }
}

/// One pass forward and back.
struct GraphPass<'a> {
    graph: &'a Graph,
    /// By block.
    weights: &'a [Vec<f64>],
    mixing: &'a [f32],
    noise: Noise,
}

impl GraphPass<'_> {
    /// The states that a pass over `pictures`, `[N, H, W, C]`, leads to.
    fn forward(&self, pictures: &[f32], images: usize) -> Vec<Option<Map>> {
        let graph = self.graph;
        let mut states: Vec<Option<Map>> = graph.shapes.iter().map(|shape| Some(Map::zeros(images, *shape))).collect();
        if let Some(Some(first)) = states.first_mut() {
            first.value.iter_mut().zip(pictures).for_each(|(to, v)| *to = f64::from(*v));
        }
        for link in &graph.links {
            let (Some(read), Some(mut to)) = (states[link.from].take(), states[link.to].take()) else { continue };
            let mut made: Option<Map> = None;
            for step in &link.steps {
                made = Some(step.forward(made.as_ref().unwrap_or(&read), &self.weights[link.block], self.noise));
            }
            to.add_scaled(made.as_ref().unwrap_or(&read), self.share(link), link.channel);
            (states[link.from], states[link.to]) = (Some(read), Some(to));
        }
        states
    }

    /// `pictures` are `[N, H, W, C]`; shows what it finds to `given`.
    fn run(&self, pictures: &[f32], labels: &[u32], given: Given) {
        let (graph, n) = (self.graph, labels.len());
        let mut states = self.forward(pictures, n);
        let mut gradients: Vec<Option<Map>> = states.iter().map(|_| None).collect();
        if let Some(last) = states[graph.last].as_ref() {
            gradients[graph.last] = Some(self.close(last, labels, given));
        }
        for (i, link) in graph.links.iter().enumerate().rev() {
            if let (Some(read), Some(gradient)) = (&states[link.from], &gradients[link.to]) {
                let mut own = gradient.part(self.share(link), link.channel, graph.made(link)[2]);
                // What each step but the first reads.
                let mut between: Vec<Map> = Vec::new();
                for step in link.steps.iter().take(link.steps.len().saturating_sub(1)) {
                    let made = step.forward(between.last().unwrap_or(read), &self.weights[link.block], self.noise);
                    between.push(made);
                }
                for (j, step) in link.steps.iter().enumerate().rev() {
                    between.truncate(j);
                    let x = between.last().unwrap_or(read);
                    own = step.backward(x, &own, link.block, &self.weights[link.block], given);
                }
                if link.from > 0 {
                    let to = gradients[link.from].get_or_insert_with(|| Map::zeros(n, graph.shapes[link.from]));
                    to.add_scaled(&own, 1.0, 0);
                }
            }
            // Nothing before it reads or adds to that state.
            if graph.first_into(link.to) == Some(i) {
                (states[link.to], gradients[link.to]) = (None, None);
            }
        }
    }

    /// What the link counts for.
    fn share(&self, link: &graph::Link) -> f64 {
        link.mixing.map_or(1.0, |at| f64::from(self.mixing[at]))
    }

    /// Global average, classifier and loss: the gradient of the last map.
    fn close(&self, last: &Map, labels: &[u32], given: Given) -> Map {
        let [n, h, w, c] = last.size;
        let block = self.weights.len() - 1;
        let classes = self.graph.classes;
        let (weight, bias) = self.weights[block].split_at(c * classes);
        let share = 1.0 / (h * w) as f64;
        let (mut of_weight, mut of_weight_dot) = (vec![0.0; c * classes], vec![0.0; c * classes]);
        let mut gradient = Map::zeros(n, [h, w, c]);
        for (image, label) in labels.iter().enumerate() {
            let at = image * h * w * c;
            let [f, f_dot] = last.mean(image);
            let product =
                |f: &[f64], k: usize| f.iter().enumerate().map(|(i, v)| v * weight[i * classes + k]).sum::<f64>();
            // The weights grow by themselves, the bias stays.
            let plain: Vec<f64> = (0..classes).map(|k| product(&f, k)).collect();
            let logits: Vec<f64> = plain.iter().zip(bias).map(|(z, b)| z + b).collect();
            let logits_dot: Vec<f64> = plain.iter().enumerate().map(|(k, z)| z + product(&f_dot, k)).collect();
            let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let powers: Vec<f64> = logits.iter().map(|z| (z - top).exp()).collect();
            let total: f64 = powers.iter().sum();
            let softmax: Vec<f64> = powers.iter().map(|p| p / total).collect();
            let mean_dot: f64 = softmax.iter().zip(&logits_dot).map(|(s, z)| s * z).sum();
            for k in 0..classes {
                let hit = f64::from(u8::from(k == *label as usize));
                let p = (softmax[k] - hit) / n as f64;
                let p_dot = softmax[k] * (logits_dot[k] - mean_dot) / n as f64;
                for i in 0..c {
                    let j = i * classes + k;
                    of_weight[j] += f[i] * p;
                    of_weight_dot[j] += f_dot[i] * p + f[i] * p_dot;
                    // Of each pixel; the first stands for all until the end.
                    gradient.value[at + i] += share * weight[j] * p;
                    gradient.dot[at + i] += share * weight[j] * (p + p_dot);
                }
            }
            for all in [&mut gradient.value, &mut gradient.dot] {
                let (first, rest) = all[at..][..h * w * c].split_at_mut(c);
                rest.chunks_exact_mut(c).for_each(|pixel| pixel.copy_from_slice(first));
            }
        }
        given(block, 0..c * classes, &of_weight, &of_weight_dot);
        gradient
    }
}
