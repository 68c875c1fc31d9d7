//! The projected inputs of a cell over a batch: ReLU → 1x1 convolution → batch norm, and back.

use super::norm::{Norm, NormPass, Statistics, Sums, collector};
use super::parallel::{Images, image, map_groups, only, sum_parts, unfilled};
use super::plan::ProjectionPlan;
use super::project::{self, Projector};
use crate::kernels::norm::{Collector, add_products, normalise};

/// What a projection gives.
pub(super) struct Projected {
    /// `[N, H', W', C]`.
    pub map: Vec<f32>,
    /// The same before a norm with scale and shift, for a backward pass: the map can be had from it, but it not from the map.
    z: Option<Vec<f32>>,
    statistics: Statistics,
}

impl Projected {
    /// Drops the map, where it can be made again.
    pub fn slim(&mut self) {
        if self.z.is_some() {
            self.map = Vec::new();
        }
    }

    /// The map, where it was dropped.
    pub fn remade(&self, images: usize) -> Option<Vec<f32>> {
        self.z.as_ref().filter(|_| self.map.is_empty()).map(|z| formed(z, &self.statistics, images))
    }
}

/// A map behind its norm, `[N, H, W, C]`.
fn formed(z: &[f32], statistics: &Statistics, images: usize) -> Vec<f32> {
    let form = statistics.form();
    // SAFETY: every image is written below.
    let mut map = unsafe { unfilled(z.len()) };
    let (writer, len) = (Images::new(&mut map, images), z.len() / images);
    map_groups(images, |group| {
        for n in group {
            let z = image(z, n, len);
            // SAFETY: groups do not share images.
            form.apply(z, z, unsafe { writer.image(n) });
        }
    });
    map
}

/// ReLU → 1x1 convolution → batch norm, stored normalised. `weights` are the block's; `keep`: for a backward pass.
pub(super) fn project_forward(
    plan: &ProjectionPlan,
    (height, width): (usize, usize),
    images: usize,
    x: &[f32],
    weights: &[f32],
    keep: bool,
    norms: &mut NormPass,
) -> Projected {
    let shape = plan.shape(height, width);
    let projector = Projector::new(shape, &weights[plan.weights.clone()], false).alone(images == 1);
    let (len, c) = (shape.pixels() * shape.channels_out, shape.channels_out);
    let per_input = shape.height * shape.width * shape.channels_in;
    // SAFETY: the projector writes all of each image below.
    let mut z = unsafe { unfilled(images * len) };
    let writer = Images::new(&mut z, images);
    let norm = norms.norm;
    let parts = map_groups(images, |group| {
        let mut scratch = project::Scratch::default();
        let mut moments = collector(norm, c);
        for n in group {
            // SAFETY: groups do not share images.
            let z = unsafe { writer.image(n) };
            projector.forward(image(x, n, per_input), z, &mut scratch);
            if let Some(m) = &mut moments {
                m.add_map(z);
            }
        }
        moments.map(Collector::finish)
    });
    let affine = plan.gain(weights).filter(|_| norm != Norm::Off);
    let statistics = norms.settle(plan.norm, parts.into_iter().flatten()).with(affine);
    if statistics.is_affine() {
        let map = formed(&z, &statistics, images);
        return Projected { map, z: keep.then_some(z), statistics };
    }
    if norm != Norm::Off {
        let writer = Images::new(&mut z, images);
        map_groups(images, |group| {
            for n in group {
                // SAFETY: groups do not share images.
                let z = unsafe { writer.image(n) };
                normalise(z, &statistics.mean, &statistics.scale);
            }
        });
    }
    Projected { map: z, z: None, statistics }
}

/// Backward pass of [`project_forward`], which gave `made`. The gradient of the input is added to what is in `input`, those of
/// the block's parameters to what is in `to`.
pub(super) fn project_backward(
    plan: &ProjectionPlan,
    (height, width): (usize, usize),
    images: usize,
    x: &[f32],
    weights: &[f32],
    made: &Projected,
    dy: &[f32],
    input: Option<&mut Option<Vec<f32>>>,
    to: Option<&mut [f32]>,
    picture: Option<usize>,
) {
    let shape = plan.shape(height, width);
    let projector = &Projector::new(shape, &weights[plan.weights.clone()], true).alone(images == 1);
    let Projected { map, z, statistics } = made;
    let (len, c) = (shape.pixels() * shape.channels_out, shape.channels_out);
    let per_input = shape.height * shape.width * shape.channels_in;
    if to.is_none() && input.is_none() {
        return;
    }
    // Without the map before the norm the one behind it holds x̂ itself, which is its own centred value.
    let normalised = z.is_none();
    let (map, centre) = match z {
        Some(z) => (z, statistics.mean.clone()),
        None => (map, vec![0.0; c]),
    };
    let parts = map_groups(images, |group| {
        let mut sums = Sums::new(c);
        for n in group {
            add_products(image(dy, n, len), image(map, n, len), &centre, &mut sums.plain, &mut sums.product);
        }
        sums
    });
    let mut sums = Sums::total(c, &parts);
    if normalised {
        for (p, s) in sums.product.iter_mut().zip(&statistics.scale) {
            // `backward` expects products with z − mean = x̂ / s.
            *p /= f64::from(*s);
        }
    }
    let mut back = statistics.backward(1.0, &sums);
    if normalised {
        back.mean.fill(0.0);
        for (slope, s) in back.slope.iter_mut().zip(&statistics.scale) {
            *slope /= s;
        }
    }
    let (input_wanted, fresh) = (input.is_some(), input.as_ref().is_some_and(|dx| dx.is_none()));
    let mut none = Vec::new();
    // SAFETY: each image is cleared below, by whoever fills it next.
    let dx = input.map_or(&mut none, |dx| dx.get_or_insert_with(|| unsafe { unfilled(x.len()) }));
    let writer = Images::new(dx, images);
    let wanted = to.is_some();
    let gradients = map_groups(images, |group| {
        let mut scratch = project::Scratch::default();
        let mut gradient = vec![0.0f32; if wanted { shape.weights() } else { 0 }];
        let mut dz = vec![0.0f32; len];
        for n in group {
            back.apply(image(dy, n, len), image(map, n, len), &mut dz);
            // SAFETY: groups do not share images.
            let mut dx = input_wanted.then(|| unsafe { writer.image(n) });
            if let (Some(dx), true) = (&mut dx, fresh) {
                dx.fill(0.0);
            }
            projector.backward(image(x, n, per_input), &dz, wanted.then_some(&mut gradient), dx, &mut scratch);
        }
        gradient
    });
    if let Some(to) = to {
        sum_parts(&only(gradients, picture), &mut to[plan.weights.clone()]);
        if plan.affine {
            statistics.add_affine_gradients(&sums, &mut to[plan.weights.end..][..2 * c]);
        }
    }
}
