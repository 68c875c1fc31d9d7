//! The stem for small pictures: a 3x3 convolution from the pictures' channels, and a batch norm with scale and shift, in supernets
//! too.

use super::StemPass;
use crate::kernels::matrix::{Outer, Packed, product};
use crate::kernels::norm::Collector;
use crate::kernels::norm::add_products;
use crate::nn::layout::{BlockLayout, Kind};
use crate::nn::noise::Noise;
use crate::nn::norm::{Norm, NormPass, NormSlot, Seen, Statistics, Sums, collector};
use crate::nn::parallel::{Images, image, map_groups, only, sum_parts, unfilled};

/// Taps of the 3x3 window.
const TAPS: usize = 9;

#[derive(Clone, Debug)]
pub(crate) struct PlainStem {
    pub inputs: usize,
    pub outputs: usize,
    pub layout: BlockLayout,
    pub norm: NormSlot,
}

impl PlainStem {
    pub fn new(inputs: usize, outputs: usize) -> PlainStem {
        let mut layout = BlockLayout::default();
        layout.add("stem.0.weight".into(), Kind::Convolution { kernel: [3; 2] }, outputs, inputs);
        layout.add("stem.1.weight".into(), Kind::NormWeight, outputs, 1);
        layout.add("stem.1.bias".into(), Kind::NormBias, outputs, 1);
        let norm = layout.add_norm("stem.1".into(), outputs);
        PlainStem { inputs, outputs, layout, norm }
    }

    pub fn window(&self) -> usize {
        TAPS * self.inputs
    }

    /// Weights of the convolution `[9·C_in, C_out]`, scale and shift of the norm.
    fn split<'a>(&self, parameters: &'a [f32]) -> (&'a [f32], &'a [f32], &'a [f32]) {
        let (convolution, rest) = parameters.split_at(self.window() * self.outputs);
        let (scale, shift) = rest.split_at(self.outputs);
        (convolution, scale, shift)
    }
}

/// The 3x3 windows of one picture, `[H·W, 9·C]`, zeros outside.
fn windows(x: &[f32], height: usize, width: usize, c: usize, to: &mut [f32]) {
    for y in 0..height {
        for xx in 0..width {
            let row = &mut to[(y * width + xx) * TAPS * c..][..TAPS * c];
            for (t, place) in row.chunks_exact_mut(c).enumerate() {
                let (sy, sx) = ((y + t / 3).wrapping_sub(1), (xx + t % 3).wrapping_sub(1));
                if sy < height && sx < width {
                    place.copy_from_slice(&x[(sy * width + sx) * c..][..c]);
                } else {
                    place.fill(0.0);
                }
            }
        }
    }
}

/// The map before the norm, and the norm.
pub(crate) struct PlainState {
    z: Vec<f32>,
    statistics: Statistics,
}

impl StemPass<'_, PlainStem> {
    /// Takes pictures `[N, H, W, C]`, gives `[N, H, W, 3C']`, and what the backward pass needs, if it was asked for.
    pub fn forward(&self, x: &[f32], parameters: &[f32], keep: bool) -> (Vec<f32>, Option<PlainState>, Vec<Seen>) {
        let [n, h, w] = self.size;
        let (c, outputs) = (self.plan.inputs, self.plan.outputs);
        let (convolution, scale, shift) = self.plan.split(parameters);
        let packed = Packed::new(convolution, self.plan.window(), outputs);
        // SAFETY: every image is written below.
        let mut z = unsafe { unfilled(n * h * w * outputs) };
        let writer = Images::new(&mut z, n);
        let parts = map_groups(n, |group| {
            let mut columns = vec![0.0f32; h * w * TAPS * c];
            let mut moments = collector(self.norm, outputs);
            for i in group {
                windows(image(x, i, h * w * c), h, w, c, &mut columns);
                // SAFETY: groups do not share images.
                let z = unsafe { writer.image(i) };
                product(&columns, TAPS * c, h * w, &packed, z, outputs);
                if let Some(m) = &mut moments {
                    m.add_map(z);
                }
            }
            moments.map(Collector::finish)
        });
        let mut norms = NormPass { norm: self.norm, running: self.running, seen: Vec::new(), noise: Noise::default() };
        // No norm at all: neither scale nor shift.
        let affine = (self.norm != Norm::Off).then_some([scale, shift]);
        let statistics = norms.settle(self.plan.norm, parts.into_iter().flatten()).with(affine);
        let form = affine.map(|_| statistics.form());
        // SAFETY: every image is written below.
        let mut out = unsafe { unfilled(z.len()) };
        let writer = Images::new(&mut out, n);
        map_groups(n, |group| {
            for i in group {
                let z = image(&z, i, h * w * outputs);
                // SAFETY: groups do not share images.
                let out = unsafe { writer.image(i) };
                match &form {
                    Some(form) => form.apply(z, z, out),
                    None => out.copy_from_slice(z),
                }
            }
        });
        if let Some(probe) = self.probe {
            norms.seen.iter().for_each(|s| probe.norm(&s.moments.variance()));
        }
        (out, keep.then_some(PlainState { z, statistics }), norms.seen)
    }

    /// Sets the gradient of the parameters in `to` (only what the maps of `picture` give, where there is one); gives that of the pictures `[N, H, W, C]`, if it is wanted. `dy` is that of
    /// the output.
    pub fn backward(
        &self,
        x: &[f32],
        parameters: &[f32],
        state: &PlainState,
        dy: &[f32],
        to: Option<&mut [f32]>,
        images_wanted: bool,
        picture: Option<usize>,
    ) -> Option<Vec<f32>> {
        let [n, h, w] = self.size;
        let (c, outputs, window) = (self.plan.inputs, self.plan.outputs, self.plan.window());
        let PlainState { z, statistics } = state;
        let len = h * w * outputs;
        let parts = map_groups(n, |group| {
            let mut sums = Sums::new(outputs);
            for i in group {
                let (dy, z) = (image(dy, i, len), image(z, i, len));
                add_products(dy, z, &statistics.mean, &mut sums.plain, &mut sums.product);
            }
            sums
        });
        let sums = Sums::total(outputs, &parts);
        let back = statistics.backward(1.0, &sums);
        if let Some(to) = to {
            let outer = Outer { m: h * w, k: window, n: outputs, lda: window, ldb: outputs, ldc: outputs };
            let gradients = map_groups(n, |group| {
                let mut columns = vec![0.0f32; h * w * window];
                let mut dz = vec![0.0f32; len];
                let mut own = vec![0.0f32; window * outputs];
                for i in group {
                    windows(image(x, i, h * w * c), h, w, c, &mut columns);
                    back.apply(image(dy, i, len), image(z, i, len), &mut dz);
                    outer.add(&columns, &dz, &mut own);
                }
                own
            });
            let (convolution, rest) = to.split_at_mut(window * outputs);
            convolution.fill(0.0);
            sum_parts(&only(gradients, picture), convolution);
            rest.fill(0.0);
            if statistics.is_affine() {
                statistics.add_affine_gradients(&sums, rest);
            }
        }
        images_wanted.then(|| {
            let turned = Packed::transposed(self.plan.split(parameters).0, window, outputs);
            let mut dx = vec![0.0f32; n * h * w * c];
            let writer = Images::new(&mut dx, n);
            map_groups(n, |group| {
                let mut columns = vec![0.0f32; h * w * window];
                let mut dz = vec![0.0f32; len];
                for i in group {
                    back.apply(image(dy, i, len), image(z, i, len), &mut dz);
                    product(&dz, outputs, h * w, &turned, &mut columns, window);
                    // SAFETY: groups do not share images.
                    add_windows(&columns, h, w, c, unsafe { writer.image(i) });
                }
            });
            dx
        })
    }
}

/// Adds to a picture what its 3x3 windows `[H·W, 9·C]` give it: the reverse of [`windows`].
fn add_windows(columns: &[f32], height: usize, width: usize, c: usize, to: &mut [f32]) {
    for y in 0..height {
        for x in 0..width {
            let row = &columns[(y * width + x) * TAPS * c..][..TAPS * c];
            for (t, place) in row.chunks_exact(c).enumerate() {
                let (sy, sx) = ((y + t / 3).wrapping_sub(1), (x + t % 3).wrapping_sub(1));
                if sy < height && sx < width {
                    to[(sy * width + sx) * c..][..c].iter_mut().zip(place).for_each(|(t, v)| *t += v);
                }
            }
        }
    }
}
