//! Forward pass of a mixed operation.

use super::units::{Stage, pooling, projection, separable};
use super::{Norms, View};
use crate::kernels::gpu::arguments::Mixed;
use crate::kernels::gpu::{Buffer, Gpu, GpuError, Kind, launch};
use crate::kernels::pool;
use crate::nn::edge::{Branch, Edge, Geometry, is_pooling, is_separable};
use crate::space::Operation;

/// What one branch keeps: the maps before its norms.
#[derive(Default)]
pub(crate) struct Maps {
    pub first: Option<Buffer>,
    /// Absent for the identity, and for poolings, which are made again faster than memory would hand them over.
    pub last: Option<Buffer>,
}

pub(super) fn is_identity(g: &Geometry, b: &Branch) -> bool {
    b.operation == Operation::SkipConnect && g.stride == 1
}

pub(super) fn kind_of(g: &Geometry, b: &Branch) -> Kind {
    match b.operation {
        Operation::MaxPool3x3 => Kind::Maximum,
        Operation::AvgPool3x3 => Kind::Average,
        Operation::SkipConnect if g.stride == 1 => Kind::Identity,
        Operation::SkipConnect => Kind::Pick,
        _ => Kind::Depthwise,
    }
}

/// Everything up to the last batch norm of each branch. `again`: for the backward pass, which has the norms' statistics and
/// makes poolings itself.
pub(super) fn branches(
    gpu: &Gpu,
    g: &Geometry,
    edge: &Edge,
    x: View,
    weights: u64,
    norms: &mut Norms,
    again: bool,
) -> Result<Vec<Maps>, GpuError> {
    let mut maps: Vec<Maps> = Vec::with_capacity(edge.branches.len());
    let mut stage = Stage::default();
    for b in &edge.branches {
        let mut own = Maps::default();
        let slot = b.norms.first().copied();
        if let (Some(slot), false) = (slot, again && is_pooling(b.operation)) {
            let z = Buffer::new(gpu, g.images * g.output())?;
            let from = weights + 4 * b.offset as u64;
            let units = match kind_of(g, b) {
                Kind::Pick => projection(&g.halving(), x, from, z.address()),
                Kind::Depthwise => vec![separable(&g.shape(b.operation), x, from)],
                kind => vec![pooling(&pool::shape(g.height, g.width, g.channels, g.stride), x, kind)],
            };
            let units: Vec<_> = units
                .into_iter()
                .map(|mut u| {
                    u.z = if u.z == 0 { z.address() } else { u.z };
                    u
                })
                .collect();
            stage.add(&units, slot, g.images);
            if is_separable(b.operation) {
                own.first = Some(z);
            } else {
                own.last = Some(z);
            }
        }
        maps.push(own);
    }
    stage.run(gpu, norms, g.images, !again)?;
    let mut stage = Stage::default();
    for (b, own) in edge.branches.iter().zip(&mut maps) {
        let (Some(first), [before, slot]) = (&own.first, &b.norms[..]) else { continue };
        let z = Buffer::new(gpu, g.images * g.output())?;
        let from = weights + 4 * (b.offset + b.len / 2) as u64;
        let mut unit = separable(&g.second(b.operation), View { address: first.address(), stride: g.channels }, from);
        (unit.mean, unit.scale, unit.z) = (norms.mean(*before), norms.scale(*before), z.address());
        stage.add(&[unit], *slot, g.images);
        own.last = Some(z);
    }
    stage.run(gpu, norms, g.images, !again)?;
    Ok(maps)
}

/// Adds the weighted operations to the node's map, or sets it where it is `fresh`. `mixing` is the edge's row.
pub(super) fn mix_into(
    gpu: &Gpu,
    g: &Geometry,
    edge: &Edge,
    x: View,
    maps: &[Maps],
    norms: &Norms,
    mixing: u64,
    node: View,
    fresh: bool,
) -> Result<(), GpuError> {
    if edge.branches.is_empty() && !fresh {
        return Ok(());
    }
    let units: Vec<Mixed> = edge
        .branches
        .iter()
        .zip(maps)
        .map(|(b, own)| {
            let weight = mixing + 4 * b.operation.index() as u64;
            match (&own.last, b.norms.last()) {
                (Some(z), Some(slot)) => Mixed {
                    z: z.address(),
                    mean: norms.mean(*slot),
                    scale: norms.scale(*slot),
                    weight,
                    stride: g.channels as i32,
                    ..Mixed::default()
                },
                _ => Mixed { z: x.address, weight, stride: x.stride as i32, ..Mixed::default() },
            }
        })
        .collect();
    let pixels = g.images * g.output() / g.channels;
    launch::mix(gpu, &units, node.address, node.stride, pixels, g.channels, fresh)
}
