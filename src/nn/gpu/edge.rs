//! Forward pass of mixed operations.

use super::units::{self, Stage, pooling, projection, separable};
use super::{Norms, View};
use crate::kernels::gpu::arguments::{Dense, MixTarget, Mixed, Unit};
use crate::kernels::gpu::{Buffer, Gpu, GpuError, Kind, Precision, launch, launch_dense};
use crate::kernels::pool;
use crate::nn::edge::{Branch, Edge, Geometry, is_noise, is_pooling, is_separable};
use crate::nn::parallel::{Images, map_groups};
use crate::space::Compute;

/// What one branch keeps: the maps before its norms.
#[derive(Default)]
pub(crate) struct Maps {
    pub first: Option<Buffer>,
    /// Absent for the identity, and for poolings, which are made again faster than memory would hand them over.
    pub last: Option<Buffer>,
}

/// Room for maps that come and go together.
pub(super) struct Room<'a> {
    gpu: &'a Gpu,
    len: usize,
    precision: Precision,
    ready: std::vec::IntoIter<Buffer>,
}

impl Room<'_> {
    pub fn take(&mut self) -> Result<Buffer, GpuError> {
        self.ready.next().map_or_else(|| Buffer::map(self.gpu, self.len, self.precision), Ok)
    }
}

/// Branches that read one map: those of an edge, or of several edges from one source.
#[derive(Default)]
pub(super) struct Bundle<'a> {
    pub branches: Vec<&'a Branch>,
    /// Which node each branch is added to, as a number among those of the bundle.
    pub targets: Vec<usize>,
    /// Where each branch is among the mixing weights that the bundle is given.
    pub places: Vec<usize>,
    /// What each image of a branch is multiplied with beside, where it may be left out; else 0.
    pub factors: Vec<u64>,
    /// There are no mixing weights.
    pub constant: bool,
    /// How their maps are kept.
    pub precision: Precision,
}

impl<'a> Bundle<'a> {
    pub fn new(precision: Precision) -> Bundle<'a> {
        Bundle { precision, ..Bundle::default() }
    }

    /// One edge into one node; mixing weights are its own.
    pub fn of(edge: &'a Edge, precision: Precision) -> Bundle<'a> {
        let mut bundle = Bundle::new(precision);
        bundle.add(edge, 0, 0);
        bundle
    }

    /// One more edge into a node; `row`: its first mixing weight.
    pub fn add(&mut self, edge: &'a Edge, target: usize, row: usize) {
        for b in &edge.branches {
            self.branches.push(b);
            self.targets.push(target);
            self.places.push(row + b.column);
            self.factors.push(0);
        }
    }

    /// One more edge into a node, whose operations count as they are but for the images' factors.
    pub fn add_whole(&mut self, edge: &'a Edge, target: usize, factors: u64) {
        self.constant = true;
        for b in &edge.branches {
            self.branches.push(b);
            self.targets.push(target);
            self.places.push(0);
            self.factors.push(factors);
        }
    }

    /// Room for so many maps of branches that are given back together.
    pub fn room<'g>(&self, gpu: &'g Gpu, g: &Geometry, count: usize) -> Result<Room<'g>, GpuError> {
        let (len, precision) = (g.images * g.output(), self.precision);
        Ok(Room { gpu, len, precision, ready: Buffer::maps(gpu, len, precision, count)?.into_iter() })
    }

    /// The first branch whose map is that of branch `i`: poolings are the same on every edge.
    pub(crate) fn alike(&self, i: usize) -> usize {
        let own = self.branches[i].operation;
        let same = |b: &&Branch| is_pooling(own) && b.operation == own;
        self.branches.iter().position(same).unwrap_or(i)
    }
}

pub(super) fn is_identity(g: &Geometry, b: &Branch) -> bool {
    b.is_identity(g.stride)
}

pub(super) fn kind_of(g: &Geometry, b: &Branch) -> Kind {
    match b.operation.compute() {
        Compute::MaxPool { .. } => Kind::Maximum,
        Compute::AveragePool { .. } => Kind::Average,
        Compute::Identity if g.stride == 1 => Kind::Identity,
        Compute::Identity => Kind::Pick,
        Compute::Dense { .. } => Kind::Dense,
        Compute::Factorised { .. } => Kind::Down,
        Compute::Zero | Compute::Noise | Compute::Separable { .. } => Kind::Depthwise,
    }
}

/// A branch that is a dense convolution on `x`, with its bias, the block's parameters being at `weights`.
pub(super) fn dense(g: &Geometry, b: &Branch, x: View, weights: u64) -> Option<(Unit, Bias)> {
    let Compute::Dense { window } = b.operation.compute() else { return None };
    let (shape, at) = (g.dense(window), b.convolution(0));
    let len = at.len() - shape.weights_len();
    let address = if len == 0 { 0 } else { weights + 4 * (at.end - len) as u64 };
    Some((units::dense(&shape, x, weights + 4 * at.start as u64), Bias { address, len }))
}

/// A branch that is a factorised convolution on `x`: the row's half, and the column's, which reads `between`.
pub(super) fn factorised(g: &Geometry, b: &Branch, x: View, between: u64, weights: u64) -> Option<[Unit; 2]> {
    let Compute::Factorised { window } = b.operation.compute() else { return None };
    let ([row, column], at) = (g.factorised(window), weights + 4 * b.offset as u64);
    let middle = View { address: between, stride: g.channels };
    let first = Unit { z: between, ..units::dense(&row, x, at) };
    Some([first, units::dense(&column, middle, at + 4 * row.weights_len() as u64)])
}

/// Numbers between the halves of such a branch; nothing of others.
pub(super) fn between(g: &Geometry, b: &Branch) -> Option<usize> {
    let Compute::Factorised { window } = b.operation.compute() else { return None };
    Some(g.images * g.factorised(window)[0].out_len())
}

/// Where the bias of a convolution is, 0 where it has none, and its numbers.
pub(super) struct Bias {
    pub address: u64,
    pub len: usize,
}

/// Where scale and shift of a branch's norm `k` are, the block's parameters being at `weights`; 0 where it has none.
pub(crate) fn affine(b: &Branch, k: usize, weights: u64) -> u64 {
    b.affine(k).map_or(0, |at| weights + 4 * at as u64)
}

/// Everything up to the last batch norm of each branch. `again`: for the backward pass, which has the norms' statistics and
/// makes poolings itself.
pub(super) fn branches(
    gpu: &Gpu,
    g: &Geometry,
    bundle: &Bundle,
    x: View,
    weights: u64,
    norms: &mut Norms,
    again: bool,
) -> Result<Vec<Maps>, GpuError> {
    let mut maps: Vec<Maps> = Vec::with_capacity(bundle.branches.len());
    let mut stage = Stage::new(bundle.precision);
    let mut numbers = vec![0; bundle.branches.len()];
    let own = |i: usize| bundle.alike(i) == i && !bundle.branches[i].norms.is_empty();
    let count = |pooling: bool| {
        let all = bundle.branches.iter().enumerate();
        all.filter(|(i, b)| own(*i) && is_pooling(b.operation) == pooling).count()
    };
    // Poolings are given back before the others.
    let mut room = [bundle.room(gpu, g, count(false))?, bundle.room(gpu, g, if again { 0 } else { count(true) })?];
    let (mut betweens, mut rows) = (Vec::new(), Vec::new());
    for (i, b) in bundle.branches.iter().enumerate() {
        let mut own = Maps::default();
        if is_noise(b.operation) {
            // Drawn by the host, so that it is that of a pass on the CPU.
            let mut values = vec![0.0; g.images * g.output()];
            if gpu.reads() {
                let images = Images::new(&mut values, g.images);
                // SAFETY: groups do not share images.
                let draw = |n: usize| norms.noise.draw(b.place, n, unsafe { images.image(n) });
                map_groups(g.images, |group| group.for_each(draw));
            }
            own.last = Some(Buffer::from_slice(gpu, &values)?);
            maps.push(own);
            continue;
        }
        let (slot, pools) = (b.norms.first().copied(), is_pooling(b.operation));
        if pools && !again || !pools && slot.is_some() {
            let alike = bundle.alike(i);
            if alike < i {
                slot.into_iter().for_each(|slot| stage.also(numbers[alike], slot));
                maps.push(own);
                continue;
            }
            // What has no norm is no map that a backward pass needs again.
            let z = match slot {
                Some(_) => room[usize::from(pools)].take()?,
                None => Buffer::new(gpu, g.images * g.output())?,
            };
            if let (Some((unit, bias)), Some(slot)) = (dense(g, b, x, weights), slot) {
                numbers[i] = stage.add_dense(Unit { z: z.address(), ..unit }, bias.address, slot, g.images);
                own.last = Some(z);
                maps.push(own);
                continue;
            }
            if let (Some(len), Some(slot)) = (between(g, b), slot) {
                let middle = Buffer::new(gpu, len)?;
                if let Some([row, column]) = factorised(g, b, x, middle.address(), weights) {
                    numbers[i] = stage.add_dense(Unit { z: z.address(), ..column }, 0, slot, g.images);
                    rows.push(Dense { unit: row, bias: 0 });
                }
                betweens.push(middle);
                own.last = Some(z);
                maps.push(own);
                continue;
            }
            let from = weights + 4 * b.offset as u64;
            let units = match kind_of(g, b) {
                Kind::Pick => projection(&g.halving(), x, from, &z),
                Kind::Depthwise => vec![separable(&g.shape(b.operation), x, from)],
                kind => vec![pooling(
                    &pool::shape(g.height, g.width, g.channels, b.operation.kernel().unwrap_or(3), g.stride),
                    x,
                    kind,
                )],
            };
            let units: Vec<_> = units
                .into_iter()
                .map(|mut u| {
                    u.z = if u.z == 0 { z.address() } else { u.z };
                    u
                })
                .collect();
            match slot {
                Some(slot) => numbers[i] = stage.add(&units, slot, g.images),
                None => stage.plain(&units),
            }
            if is_separable(b.operation) {
                own.first = Some(z);
            } else {
                own.last = Some(z);
            }
        }
        maps.push(own);
    }
    launch_dense::dense_forward(gpu, &rows, g.images, Precision::Float32)?;
    stage.run(gpu, norms, g.images, !again)?;
    drop(betweens);
    let mut stage = Stage::new(bundle.precision);
    let mut room = bundle.room(gpu, g, maps.iter().filter(|own| own.first.is_some()).count())?;
    for (b, own) in bundle.branches.iter().zip(&mut maps) {
        let (Some(first), [before, slot]) = (&own.first, &b.norms[..]) else { continue };
        let z = room.take()?;
        let from = weights + 4 * (b.offset + b.len / 2) as u64;
        let mut unit = separable(&g.second(b.operation), View { address: first.address(), stride: g.channels }, from);
        (unit.mean, unit.affine, unit.z) = (norms.mean(*before), affine(b, 0, weights), z.address());
        stage.add(&[unit], *slot, g.images);
        own.last = Some(z);
    }
    stage.run(gpu, norms, g.images, !again)?;
    Ok(maps)
}

/// Adds the weighted operations to the nodes' maps, or sets those that are `fresh`. The block's parameters are at `weights`, the
/// mixing weights at `mixing`.
pub(super) fn mix_into(
    gpu: &Gpu,
    g: &Geometry,
    bundle: &Bundle,
    x: View,
    maps: &[Maps],
    norms: &Norms,
    [weights, mixing]: [u64; 2],
    nodes: &[View],
    fresh: &[bool],
) -> Result<(), GpuError> {
    let (mut units, mut targets) = (Vec::with_capacity(bundle.branches.len()), Vec::with_capacity(nodes.len()));
    let (c, pixels) = (g.channels, g.output() / g.channels);
    for (target, node) in nodes.iter().enumerate() {
        let first = units.len();
        for (i, b) in bundle.branches.iter().enumerate().filter(|(i, _)| bundle.targets[*i] == target) {
            let weight = if bundle.constant { 0 } else { mixing + 4 * bundle.places[i] as u64 };
            let per_image = if bundle.factors[i] == 0 { 0 } else { pixels as i32 };
            let mut own = Mixed { weight, factors: bundle.factors[i], per_image, ..Mixed::default() };
            match &maps[bundle.alike(i)].last {
                Some(z) => (own.z, own.stride) = (z.address(), c as i32),
                None => (own.z, own.stride) = (x.address, x.stride as i32),
            }
            if let Some(slot) = b.norms.last() {
                (own.mean, own.scale) = (norms.mean(*slot), norms.scale(*slot));
                own.gain = affine(b, b.norms.len() - 1, weights);
                own.bias = if own.gain == 0 { 0 } else { own.gain + 4 * c as u64 };
            }
            units.push(own);
        }
        if fresh[target] || units.len() > first {
            targets.push(MixTarget {
                out: node.address,
                first: first as i32,
                count: (units.len() - first) as i32,
                stride: node.stride as i32,
                fresh: i32::from(fresh[target]),
            });
        }
    }
    launch::mix(gpu, &units, &targets, g.images * pixels, c, bundle.precision)
}
