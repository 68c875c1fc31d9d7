//! The projected inputs of a cell over a batch: ReLU → 1x1 convolution → batch norm, and back.

use super::norm::{Norm, NormPass, NormSlot, Statistics, Sums, collector};
use super::parallel::{Images, image, map_groups, sum_parts, unfilled};
use super::project::{self, Projection, Projector};
use crate::kernels::norm::{Collector, add_products, normalise};

/// ReLU → 1x1 convolution → batch norm, stored normalised: `[N, H', W', C]`.
pub(super) fn project_forward(
    shape: Projection,
    images: usize,
    x: &[f32],
    weights: &[f32],
    slot: NormSlot,
    norms: &mut NormPass,
) -> (Vec<f32>, Statistics) {
    let projector = Projector::new(shape, weights, false);
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
    let statistics = norms.settle(slot, parts.into_iter().flatten());
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
    (z, statistics)
}

/// Backward pass of [`project_forward`]; `map` is its normalised result. The gradient of the input is added to what is in
/// `input`.
pub(super) fn project_backward(
    projector: &Projector,
    images: usize,
    x: &[f32],
    map: &[f32],
    statistics: &Statistics,
    dy: &[f32],
    input: Option<&mut Option<Vec<f32>>>,
    to: Option<&mut [f32]>,
) {
    let shape = &projector.shape;
    let (len, c) = (shape.pixels() * shape.channels_out, shape.channels_out);
    let per_input = shape.height * shape.width * shape.channels_in;
    if to.is_none() && input.is_none() {
        return;
    }
    // The map holds x̂ itself, so it is its own centred value.
    let centre = vec![0.0; c];
    let parts = map_groups(images, |group| {
        let mut sums = Sums::new(c);
        for n in group {
            add_products(image(dy, n, len), image(map, n, len), &centre, &mut sums.plain, &mut sums.product);
        }
        sums
    });
    let mut sums = Sums::total(c, &parts);
    for (p, s) in sums.product.iter_mut().zip(&statistics.scale) {
        // `backward` expects products with z − mean = x̂ / s.
        *p /= f64::from(*s);
    }
    let mut back = statistics.backward(1.0, &sums);
    back.mean.fill(0.0);
    for (slope, s) in back.slope.iter_mut().zip(&statistics.scale) {
        *slope /= s;
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
        sum_parts(&gradients, to);
    }
}
