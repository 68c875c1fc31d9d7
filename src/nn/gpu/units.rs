//! Batches of units that are launched together.

use std::ops::Range;

use super::{Norms, View};
use crate::kernels::dense;
use crate::kernels::depthwise::Shape;
use crate::kernels::gpu::arguments::{Back, Dense, MOST_BACKS, Moments, Reduce, TAP_ROWS, Unit};
use crate::kernels::gpu::parts::{dense_splits, splits};
use crate::kernels::gpu::{Buffer, Gpu, GpuError, Kind, Precision, launch, launch_dense};
use crate::nn::norm::NormSlot;
use crate::nn::project::Projection;

/// ReLU → depthwise → pointwise; `weights` are those of both, one behind the other. The norm before the ReLU and the result
/// are left open.
pub(super) fn separable(s: &Shape, x: View, weights: u64) -> Unit {
    let c = s.channels;
    Unit {
        x: x.address,
        depthwise: weights,
        pointwise: weights + 4 * (s.kernel * s.kernel * c) as u64,
        kind: Kind::Depthwise,
        kernel: s.kernel as i32,
        dilation: s.dilation as i32,
        ..plain(s, x)
    }
}

/// A pooling.
pub(super) fn pooling(s: &Shape, x: View, kind: Kind) -> Unit {
    Unit { kind, kernel: s.kernel as i32, dilation: 1, ..plain(s, x) }
}

/// ReLU → dense convolution, of a square window or of pixels of a row; or one of pixels of a column, without ReLU. The norm before
/// the ReLU and the result are left open.
pub(super) fn dense(s: &dense::Shape, x: View, weights: u64) -> Unit {
    let outputs = s.outputs as i32;
    let (kind, kernel, stride) = match (s.kernel, s.stride) {
        ([1, kernel], [_, stride]) if kernel > 1 => (Kind::Across, kernel, stride),
        ([kernel, 1], [stride, _]) if kernel > 1 => (Kind::Down, kernel, stride),
        ([kernel, _], [stride, _]) => (Kind::Dense, kernel, stride),
    };
    Unit {
        x: x.address,
        pointwise: weights,
        kind,
        kernel: kernel as i32,
        stride: stride as i32,
        dilation: 1,
        height: s.height as i32,
        width: s.width as i32,
        out_height: s.out_height() as i32,
        out_width: s.out_width() as i32,
        channels: (s.taps() * s.inputs) as i32,
        inputs: s.inputs as i32,
        x_stride: x.stride as i32,
        outputs,
        z_stride: outputs,
        norm_channels: outputs,
        ..Unit::default()
    }
}

/// What hands on the gradient that a dense convolution leaves behind its ReLU: each pixel to itself, or to the one that strides
/// meet.
pub(super) fn picked(u: &Unit) -> Unit {
    let own = Unit { kind: Kind::Pick, channels: u.inputs, ..*u };
    match u.kernel {
        1 => own,
        _ => Unit { stride: 1, out_height: u.height, out_width: u.width, ..own },
    }
}

fn plain(s: &Shape, x: View) -> Unit {
    let c = s.channels as i32;
    Unit {
        x: x.address,
        stride: s.stride as i32,
        height: s.height as i32,
        width: s.width as i32,
        out_height: s.out_height() as i32,
        out_width: s.out_width() as i32,
        channels: c,
        inputs: c,
        x_stride: x.stride as i32,
        outputs: c,
        z_stride: c,
        norm_channels: c,
        ..Unit::default()
    }
}

/// The one or two 1x1 convolutions of a projection into `z`, with ReLU.
pub(super) fn projection(p: &Projection, x: View, weights: u64, z: &Buffer) -> Vec<Unit> {
    let mut at = weights;
    let unit = |part: crate::nn::project::Part| {
        let unit = Unit {
            x: x.address,
            pointwise: at,
            z: z.at(part.first),
            kind: Kind::Pick,
            stride: p.stride() as i32,
            shift: part.shift as i32,
            height: p.height as i32,
            width: p.width as i32,
            out_height: p.out_height() as i32,
            out_width: p.out_width() as i32,
            channels: p.channels_in as i32,
            inputs: p.channels_in as i32,
            x_stride: x.stride as i32,
            outputs: part.outputs as i32,
            z_stride: p.channels_out as i32,
            first: part.first as i32,
            norm_channels: p.channels_out as i32,
            ..Unit::default()
        };
        at += 4 * (p.channels_in * part.outputs) as u64;
        unit
    };
    p.parts().filter(|part| part.outputs > 0).map(unit).collect()
}

/// Units of one launch and the norms behind them.
#[derive(Default)]
pub(super) struct Stage {
    units: Vec<Unit>,
    /// Of dense convolutions among them, by number, where they have one.
    biases: Vec<(usize, u64)>,
    /// Those whose maps have no norm, and are float32.
    plain: Vec<Unit>,
    maps: Vec<StageMap>,
    /// The norms, and the numbers of their maps.
    settled: Vec<(NormSlot, usize)>,
    partial: usize,
    /// How the maps are kept.
    precision: Precision,
}

/// A map that one or two units make: the first and the last of them, and where its partial moments lie.
struct StageMap {
    units: Range<usize>,
    partial: usize,
}

impl Stage {
    pub fn new(precision: Precision) -> Stage {
        Stage { precision, ..Stage::default() }
    }

    /// Units that make up one map, and the norm of that map. Returns the map's number.
    pub fn add(&mut self, units: &[Unit], slot: NormSlot, images: usize) -> usize {
        let (number, start) = (self.maps.len(), self.units.len());
        let Some(first) = units.first() else { return number };
        self.units.extend(units);
        self.maps.push(StageMap { units: start..self.units.len(), partial: self.partial });
        self.partial += 2 * slot.channels * images * first.tiles();
        self.also(number, slot);
        number
    }

    /// A dense convolution with a bias, which may be 0 for none.
    pub fn add_dense(&mut self, unit: Unit, bias: u64, slot: NormSlot, images: usize) -> usize {
        if bias != 0 {
            self.biases.push((self.units.len(), bias));
        }
        self.add(&[unit], slot, images)
    }

    /// Units whose maps have no norm.
    pub fn plain(&mut self, units: &[Unit]) {
        self.plain.extend(units);
    }

    fn launch(&self, gpu: &Gpu, images: usize) -> Result<(), GpuError> {
        let is_dense = |u: &Unit| u.kind.is_dense();
        let mut others: Vec<Unit> = self.units.iter().filter(|u| !is_dense(u)).copied().collect();
        // Maps without a norm are float32, whatever the others are.
        match self.precision {
            Precision::Float32 => others.extend(&self.plain),
            Precision::Bf16 => launch::unit_forward(gpu, &self.plain, images, Precision::Float32)?,
        }
        launch::unit_forward(gpu, &others, images, self.precision)?;
        let bias = |i: usize| self.biases.iter().find(|(of, _)| *of == i).map_or(0, |(_, bias)| *bias);
        let dense = self.units.iter().enumerate().filter(|(_, u)| is_dense(u));
        let dense: Vec<Dense> = dense.map(|(i, unit)| Dense { unit: *unit, bias: bias(i) }).collect();
        launch_dense::dense_forward(gpu, &dense, images, self.precision)
    }

    /// One more norm of a map.
    pub fn also(&mut self, map: usize, slot: NormSlot) {
        self.settled.push((slot, map));
    }

    /// Runs the units; `settle` takes their moments into the norms (unless those are constants).
    pub fn run(mut self, gpu: &Gpu, norms: &mut Norms, images: usize, settle: bool) -> Result<(), GpuError> {
        let Some(moments) = norms.moments.as_ref().filter(|_| settle && !self.settled.is_empty()) else {
            return self.launch(gpu, images);
        };
        let partial = Buffer::new(gpu, self.partial)?;
        for map in &self.maps {
            self.units[map.units.clone()].iter_mut().for_each(|u| u.partial = partial.at(map.partial));
        }
        self.launch(gpu, images)?;
        let size = |map: &StageMap| {
            let u = &self.units[map.units.start];
            (u.out_height, u.out_width)
        };
        let (mut settled, mut seen) = (Vec::with_capacity(self.settled.len()), Vec::new());
        for (slot, map) in &self.settled {
            let map = &self.maps[*map];
            let (out_height, out_width) = size(map);
            settled.push(Moments {
                partial: partial.at(map.partial),
                mean: norms.mean(*slot),
                scale: norms.scale(*slot),
                moments: moments.address() + 8 * slot.offset as u64,
                channels: slot.channels as i32,
                out_height,
                out_width,
                images: images as i32,
            });
            seen.push((*slot, images as f64 * f64::from(out_height * out_width)));
        }
        launch::settle_moments(gpu, &settled)?;
        norms.seen.extend(seen);
        Ok(())
    }
}

/// Where the gradients of a unit's weights go: an offset in the block's parameters.
pub(super) type Backs = Vec<(Back, usize)>;

/// Runs the backward pass of units; `gradient` is where that of the block's parameters is, if it is wanted. `maps`: how those
/// of the units and their `dy` are kept.
pub(super) fn backward(
    gpu: &Gpu,
    mut backs: Backs,
    images: usize,
    gradient: Option<u64>,
    maps: [Precision; 2],
) -> Result<(), GpuError> {
    let weights = |u: &Unit| {
        let taps = if u.kind == Kind::Depthwise { u.kernel * u.kernel } else { 0 };
        u.channels * (taps + u.outputs)
    };
    if backs.is_empty() {
        return Ok(());
    }
    let Some(gradient) = gradient else {
        let backs: Vec<Back> = backs.into_iter().map(|(b, _)| b).collect();
        return backs.chunks(MOST_BACKS).try_for_each(|b| launch::unit_backward(gpu, b, images, false, maps));
    };
    let (mut tiles, mut channels, mut len) = (0, 0, 0);
    for (b, _) in &backs {
        tiles = tiles.max(b.unit.tiles() * images);
        channels = channels.max(b.unit.channels as usize);
        len += weights(&b.unit) as usize;
    }
    let splits = splits(tiles, channels);
    let partial = Buffer::new(gpu, len * splits)?;
    let mut at = 0;
    let mut reduced = Vec::with_capacity(backs.len());
    for (b, offset) in &mut backs {
        b.len = weights(&b.unit);
        b.partial = partial.at(at);
        at += b.len as usize * splits;
        reduced.push(Reduce {
            partial: b.partial,
            gradient: gradient + 4 * *offset as u64,
            len: b.len,
            splits: splits as i32,
        });
    }
    let backs: Vec<Back> = backs.into_iter().flat_map(|(b, _)| by_taps(b)).collect();
    for backs in backs.chunks(MOST_BACKS) {
        launch::unit_backward(gpu, backs, images, true, maps)?;
    }
    launch::reduce_weights(gpu, &reduced)
}

/// The units of a launch that make all gradients of one: of a 7x7 window no thread could hold those of all taps.
fn by_taps(back: Back) -> impl Iterator<Item = Back> {
    let kernel = if back.unit.kind == Kind::Depthwise { back.unit.kernel } else { 0 };
    let more = (TAP_ROWS as i32..if kernel == 7 { kernel } else { 0 }).step_by(TAP_ROWS);
    std::iter::once(back).chain(more.map(move |first_tap| Back { dd: 0, first_tap, ..back }))
}

/// The same of dense convolutions, whose biases, of so many numbers, are behind their weights; gradients of inputs are made where
/// there is room for one.
pub(super) fn dense_backward(
    gpu: &Gpu,
    mut backs: Vec<(Back, usize, usize)>,
    images: usize,
    gradient: Option<u64>,
    maps: [Precision; 2],
) -> Result<(), GpuError> {
    let open: Vec<Back> = backs.iter().map(|(b, ..)| *b).filter(|b| b.dd != 0).collect();
    launch_dense::dense_input_gradient(gpu, &open, images, maps)?;
    let Some(gradient) = gradient.filter(|_| !backs.is_empty()) else { return Ok(()) };
    let (mut tiles, mut inputs, mut outputs, mut len) = (0, 0, 0, 0);
    for (b, _, bias) in &mut backs {
        tiles = tiles.max(b.unit.tiles() * images);
        inputs = inputs.max(b.unit.inputs as usize);
        outputs = outputs.max(b.unit.outputs as usize);
        b.len = b.unit.channels * b.unit.outputs + *bias as i32;
        len += b.len as usize;
    }
    let splits = dense_splits(tiles, inputs, outputs);
    let partial = Buffer::new(gpu, len * splits)?;
    let mut at = 0;
    let mut reduced = Vec::with_capacity(backs.len());
    for (b, offset, _) in &mut backs {
        b.partial = partial.at(at);
        at += b.len as usize * splits;
        let gradient = gradient + 4 * *offset as u64;
        reduced.push(Reduce { partial: b.partial, gradient, len: b.len, splits: splits as i32 });
    }
    let backs: Vec<Back> = backs.into_iter().map(|(b, ..)| b).collect();
    launch_dense::dense_weight_gradient(gpu, &backs, images, maps)?;
    launch::reduce_weights(gpu, &reduced)
}
