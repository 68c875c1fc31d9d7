//! Backward pass of mixed operations.

use super::edge::{self, Bundle, Maps, affine, is_identity, kind_of};
use super::units::{self, Backs, projection, separable};
use super::{Norms, View};
use crate::kernels::gpu::arguments::{Back, Dense, Products, Settled, Source, Target, Unit};
use crate::kernels::gpu::parts::{product_parts, tiles};
use crate::kernels::gpu::{Buffer, Gpu, GpuError, Kind, Precision, launch, launch_dense};
use crate::nn::edge::{Branch, Geometry, is_noise, is_pooling, is_separable};
use crate::nn::norm::NormSlot;

/// A bundle in a backward pass.
pub(super) struct BundleBackward<'a> {
    pub gpu: &'a Gpu,
    pub g: &'a Geometry,
    pub bundle: &'a Bundle<'a>,
    pub norms: &'a Norms,
    pub x: View,
    /// Of the block's parameters, and the bundle's mixing weights (0 where there are none).
    pub weights: u64,
    pub mixing: u64,
    pub maps: &'a [Maps],
    /// Gradients of the nodes, by target.
    pub dnodes: &'a [View],
}

/// Where a backward pass leaves gradients.
pub(super) struct Gradients {
    /// Of the edges' input, added to edge by edge; `None` where nothing before the edges has a gradient: then only the inner
    /// products are made.
    pub input: Option<View>,
    /// Of the block's parameters, added to.
    pub weights: Option<u64>,
    /// Inner products `[places, C]` in float64, whose sums over the channels are the mixing weights' gradients; 0 where there
    /// are no mixing weights.
    pub inner: u64,
}

/// Maps that live until the bundle is done.
struct Made {
    kind: Kind,
    branch: usize,
    dd: Option<Buffer>,
    unit: Unit,
}

impl BundleBackward<'_> {
    pub fn run(&self, to: &Gradients) -> Result<(), GpuError> {
        if self.bundle.branches.is_empty() {
            return Ok(());
        }
        let Some(input) = to.input else { return self.output_products(0, to) };
        let coefficients = Buffer::new(self.gpu, self.bundle.branches.len() * 4 * self.g.channels)?;
        self.output_products(coefficients.address(), to)?;
        let (mut made, seconds) = self.last_stages(&coefficients, to)?;
        made.extend(self.first_halves(seconds, to)?);
        self.gather(&made, &coefficients, input)
    }

    fn branches(&self) -> impl Iterator<Item = (usize, &Branch, &Maps)> {
        self.bundle.branches.iter().zip(self.maps).enumerate().map(|(i, (b, m))| (i, *b, m))
    }

    fn dnode(&self, branch: usize) -> View {
        self.dnodes[self.bundle.targets[branch]]
    }

    /// Where a branch's mixing weight is.
    fn weight(&self, branch: usize) -> u64 {
        if self.mixing == 0 { 0 } else { self.mixing + 4 * self.bundle.places[branch] as u64 }
    }

    /// Fills in where scale and shift of a branch's norm `k` are, and where their gradients go.
    fn settle_affine(&self, settled: &mut Settled, b: &Branch, k: usize, to: &Gradients) {
        let Some(at) = b.affine(k) else { return };
        settled.gain = affine(b, k, self.weights);
        if let Some(weights) = to.weights {
            settled.to_gain = weights + 4 * at as u64;
            settled.to_bias = settled.to_gain + 4 * settled.channels as u64;
        }
    }

    fn pixels(&self) -> usize {
        self.g.images * self.g.output() / self.g.channels
    }

    /// The shape of the edges' outputs.
    fn out(&self) -> (i32, i32) {
        let (h, w) = (self.g.height.div_ceil(self.g.stride), self.g.width.div_ceil(self.g.stride));
        (h as i32, w as i32)
    }

    /// The inner products of the branches' outputs with the nodes' gradients, and the linear forms of the last norms' backward
    /// passes, `[branches, 4, C]`, at `coefficients`, unless that is 0.
    fn output_products(&self, coefficients: u64, to: &Gradients) -> Result<(), GpuError> {
        let (g, c) = (self.g, self.g.channels);
        let parts = product_parts(self.pixels());
        let partial = Buffer::new(self.gpu, self.bundle.branches.len() * 2 * c * parts)?;
        let (out_height, out_width) = self.out();
        let (mut products, mut settled) = (Vec::new(), Vec::new());
        for (i, b, own) in self.branches() {
            let (slot, dnode) = (b.norms.last().copied(), self.dnode(i));
            if slot.is_none() && to.inner == 0 {
                continue;
            }
            // Poolings are made again from the input, whether their maps were kept or not.
            let kept = own.last.as_ref().filter(|_| !is_pooling(b.operation));
            let z = kept.map_or(self.x, |z| View { address: z.address(), stride: c });
            let (mean, scale) = slot.map_or((0, 0), |s| (self.norms.mean(s), self.norms.scale(s)));
            products.push(Products {
                dy: dnode.address,
                z: z.address,
                mean,
                partial: partial.at(i * 2 * c * parts),
                kind: if is_pooling(b.operation) { kind_of(g, b) } else { Kind::Identity },
                stride: g.stride as i32,
                height: g.height as i32,
                width: g.width as i32,
                out_height,
                out_width,
                dy_stride: dnode.stride as i32,
                z_stride: z.stride as i32,
                kernel: window(b),
                reserved: 0,
            });
            let mut own = Settled {
                partial: partial.at(i * 2 * c * parts),
                mean,
                scale,
                weight: self.weight(i),
                coefficients: if slot.is_some() && coefficients != 0 {
                    coefficients + 4 * (i * 4 * c) as u64
                } else {
                    0
                },
                inner: if to.inner == 0 { 0 } else { to.inner + 8 * (self.bundle.places[i] * c) as u64 },
                count: self.norms.count(self.pixels()),
                parts: parts as i32,
                channels: c as i32,
                ..Settled::default()
            };
            self.settle_affine(&mut own, b, b.norms.len().saturating_sub(1), to);
            settled.push(own);
        }
        launch::norm_products(self.gpu, &products, g.images, c, self.bundle.precision)?;
        launch::settle_products(self.gpu, &settled)
    }

    /// Convolutions right before the last norms: those on the edge's input, and second halves of separable ones.
    fn last_stages(&self, coefficients: &Buffer, to: &Gradients) -> Result<(Vec<Made>, Vec<Made>), GpuError> {
        let (g, c) = (self.g, self.g.channels);
        let mut all = Vec::new();
        for (i, b, own) in self.branches() {
            let other = is_pooling(b.operation) || is_noise(b.operation) || kind_of(g, b).is_dense();
            let (Some(z), false) = (&own.last, other) else { continue };
            let at = self.weights + 4 * b.offset as u64;
            let units = match (&own.first, &b.norms[..]) {
                (Some(first), [before, _]) => {
                    let x = View { address: first.address(), stride: c };
                    let mut unit = separable(&g.second(b.operation), x, at + 2 * b.len as u64);
                    (unit.mean, unit.affine) = (self.norms.mean(*before), affine(b, 0, self.weights));
                    vec![unit]
                }
                _ if kind_of(g, b) == Kind::Pick => projection(&g.halving(), self.x, at, z),
                _ => vec![separable(&g.shape(b.operation), self.x, at)],
            };
            all.extend(units.into_iter().map(|u| (i, Unit { z: if u.z == 0 { z.address() } else { u.z }, ..u })));
        }
        let separable = |i: usize| is_separable(self.bundle.branches[i].operation);
        let count = all.iter().filter(|(i, _)| separable(*i)).count();
        let mut room = [self.bundle.room(self.gpu, g, all.len() - count)?, self.bundle.room(self.gpu, g, count)?];
        let (mut backs, mut made, mut seconds): (Backs, _, _) = (Vec::new(), Vec::new(), Vec::new());
        for (i, unit) in all {
            let dd = room[usize::from(separable(i))].take()?;
            let (dnode, first) = (self.dnode(i), unit.first as usize);
            let back = Back {
                unit,
                dy: dnode.address + 4 * first as u64,
                coefficients: coefficients.at(i * 4 * c + first),
                dd: dd.address(),
                dy_stride: dnode.stride as i32,
                ..Back::default()
            };
            let start = if unit.depthwise == 0 { unit.pointwise } else { unit.depthwise };
            backs.push((back, ((start - self.weights) / 4) as usize));
            let list = if separable(i) { &mut seconds } else { &mut made };
            list.push(Made { kind: unit.kind, branch: i, dd: Some(dd), unit });
        }
        let maps = [self.bundle.precision, Precision::Float32];
        units::backward(self.gpu, backs, g.images, to.weights, maps)?;
        made.extend(self.dense(coefficients, to)?);
        made.extend(self.factorised(coefficients, to)?);
        Ok((made, seconds))
    }

    /// Dense convolutions.
    fn dense(&self, coefficients: &Buffer, to: &Gradients) -> Result<Vec<Made>, GpuError> {
        let (g, c) = (self.g, self.g.channels);
        let units = self.branches().filter_map(|(i, b, own)| {
            let (unit, bias) = edge::dense(g, b, self.x, self.weights)?;
            Some((i, Unit { z: own.last.as_ref()?.address(), ..unit }, b.offset, bias.len))
        });
        let units: Vec<_> = units.collect();
        let like_output = |u: &Unit| g.images * u.dense_gradient() * c == g.images * g.output();
        let count = units.iter().filter(|(_, u, ..)| like_output(u)).count();
        let mut room = self.bundle.room(self.gpu, g, count)?;
        let (mut backs, mut made) = (Vec::new(), Vec::new());
        for (i, unit, offset, bias) in units {
            let dd = match like_output(&unit) {
                true => room.take()?,
                false => Buffer::map(self.gpu, g.images * g.input(), self.bundle.precision)?,
            };
            let dnode = self.dnode(i);
            let back = Back {
                unit,
                dy: dnode.address,
                coefficients: coefficients.at(i * 4 * c),
                dd: dd.address(),
                dy_stride: dnode.stride as i32,
                ..Back::default()
            };
            backs.push((back, offset, bias));
            made.push(Made { kind: Kind::Pick, branch: i, dd: Some(dd), unit: units::picked(&unit) });
        }
        let maps = [self.bundle.precision, Precision::Float32];
        units::dense_backward(self.gpu, backs, g.images, to.weights, maps)?;
        Ok(made)
    }

    /// Factorised convolutions: what is between their halves is made again where the weights' gradient reads it.
    fn factorised(&self, coefficients: &Buffer, to: &Gradients) -> Result<Vec<Made>, GpuError> {
        let (g, c, precision) = (self.g, self.g.channels, self.bundle.precision);
        let (mut middles, mut ways, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for (i, b, own) in self.branches() {
            let (Some(len), Some(z)) = (edge::between(g, b), &own.last) else { continue };
            let middle = if to.weights.is_some() { Some(Buffer::new(self.gpu, len)?) } else { None };
            let address = middle.as_ref().map_or(0, Buffer::address);
            let Some([row, column]) = edge::factorised(g, b, self.x, address, self.weights) else { continue };
            rows.extend(middle.is_some().then_some(Dense { unit: row, bias: 0 }));
            middles.extend(middle);
            let between = Buffer::map(self.gpu, len, precision)?;
            ways.push((i, row, Unit { z: z.address(), ..column }, between));
        }
        if ways.is_empty() {
            return Ok(Vec::new());
        }
        launch_dense::dense_forward(self.gpu, &rows, g.images, Precision::Float32)?;
        let backs = ways.iter().map(|(i, row, column, between)| {
            let dnode = self.dnode(*i);
            let back = Back {
                unit: *column,
                dy: dnode.address,
                coefficients: coefficients.at(i * 4 * c),
                dd: between.address(),
                dy_stride: dnode.stride as i32,
                ..Back::default()
            };
            (back, self.bundle.branches[*i].offset + (row.channels * row.outputs) as usize, 0)
        });
        units::dense_backward(self.gpu, backs.collect(), g.images, to.weights, [precision, Precision::Float32])?;
        drop(middles);
        let (mut backs, mut made) = (Vec::new(), Vec::new());
        for (i, row, _, between) in &ways {
            let dd = Buffer::map(self.gpu, g.images * g.input(), precision)?;
            // Nothing is behind the row's half that its gradient would have to pass.
            let unit = Unit { z: 0, ..*row };
            let (dy, dd_address) = (between.address(), dd.address());
            let back = Back { unit, dy, dd: dd_address, dy_stride: c as i32, ..Back::default() };
            backs.push((back, self.bundle.branches[*i].offset, 0));
            made.push(Made { kind: Kind::Pick, branch: *i, dd: Some(dd), unit: units::picked(&unit) });
        }
        units::dense_backward(self.gpu, backs, g.images, to.weights, [precision; 2])?;
        Ok(made)
    }

    /// From the second halves of separable convolutions to the edge's input.
    fn first_halves(&self, seconds: Vec<Made>, to: &Gradients) -> Result<Vec<Made>, GpuError> {
        if seconds.is_empty() {
            return Ok(Vec::new());
        }
        let (g, c) = (self.g, self.g.channels);
        let (height, width) = self.out();
        let parts = g.images * tiles(height as usize, width as usize);
        let partial = Buffer::new(self.gpu, seconds.len() * 2 * c * parts)?;
        let coefficients = Buffer::new(self.gpu, seconds.len() * 4 * c)?;
        let (mut sources, mut targets, mut settled, mut middles) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut room = self.bundle.room(self.gpu, g, seconds.len())?;
        for (i, second) in seconds.iter().enumerate() {
            let branch = self.bundle.branches[second.branch];
            let (Some(first), Some(slot)) = (&self.maps[second.branch].first, branch.norms.first()) else { continue };
            let dh = room.take()?;
            sources.push(source(second));
            targets.push(Target {
                dx: dh.address(),
                gate: first.address(),
                gate_mean: self.norms.mean(*slot),
                gate_affine: affine(branch, 0, self.weights),
                partial: partial.at(i * 2 * c * parts),
                first: i as i32,
                count: 1,
                add: 0,
                height,
                width,
                channels: c as i32,
                dx_stride: c as i32,
                gate_stride: c as i32,
            });
            let mut own = self.middle_settled(*slot, partial.at(i * 2 * c * parts), coefficients.at(i * 4 * c), parts);
            self.settle_affine(&mut own, branch, 0, to);
            settled.push(own);
            middles.push(dh);
        }
        launch::input_gradient(self.gpu, &sources, &targets, g.images, self.bundle.precision)?;
        launch::settle_products(self.gpu, &settled)?;
        // The gradients of the second halves' windows have been gathered.
        let branches: Vec<usize> = seconds.iter().map(|s| s.branch).collect();
        drop(seconds);
        let (mut backs, mut made): (Backs, _) = (Vec::new(), Vec::new());
        let mut room = self.bundle.room(self.gpu, g, middles.len())?;
        for (i, (branch, dh)) in branches.into_iter().zip(&middles).enumerate() {
            let (b, own) = (self.bundle.branches[branch], &self.maps[branch]);
            let Some(first) = &own.first else { continue };
            let mut unit = separable(&g.shape(b.operation), self.x, self.weights + 4 * b.offset as u64);
            unit.z = first.address();
            let dd = room.take()?;
            let back = Back {
                unit,
                dy: dh.address(),
                coefficients: coefficients.at(i * 4 * c),
                dd: dd.address(),
                dy_stride: c as i32,
                ..Back::default()
            };
            backs.push((back, b.offset));
            made.push(Made { kind: unit.kind, branch, dd: Some(dd), unit });
        }
        units::backward(self.gpu, backs, g.images, to.weights, [self.bundle.precision; 2])?;
        Ok(made)
    }

    fn middle_settled(&self, slot: NormSlot, partial: u64, coefficients: u64, parts: usize) -> Settled {
        Settled {
            partial,
            mean: self.norms.mean(slot),
            scale: self.norms.scale(slot),
            coefficients,
            count: self.norms.count(self.pixels()),
            parts: parts as i32,
            channels: slot.channels as i32,
            ..Settled::default()
        }
    }

    /// Adds what all branches give to the gradient of the edges' input, in one launch, edge by edge.
    fn gather(&self, made: &[Made], coefficients: &Buffer, input: View) -> Result<(), GpuError> {
        let (g, c) = (self.g, self.g.channels);
        let mut sources: Vec<Source> = Vec::new();
        for target in 0..self.dnodes.len() {
            let own = |branch: usize| self.bundle.targets[branch] == target;
            sources.extend(made.iter().filter(|m| own(m.branch)).map(source));
            let open = self.branches().filter(|(i, ..)| own(*i));
            sources.extend(open.filter_map(|(i, b, _)| self.open(i, b, coefficients)));
            if let Some(last) = sources.last_mut() {
                last.ends = 1;
            }
        }
        let target = Target {
            dx: input.address,
            gate: self.x.address,
            first: 0,
            count: sources.len() as i32,
            add: 1,
            height: g.height as i32,
            width: g.width as i32,
            channels: c as i32,
            dx_stride: input.stride as i32,
            gate_stride: self.x.stride as i32,
            ..Target::default()
        };
        launch::input_gradient(self.gpu, &sources, &[target], g.images, self.bundle.precision)
    }

    /// What the identity or a pooling gives back; nothing of other branches.
    fn open(&self, i: usize, b: &Branch, coefficients: &Buffer) -> Option<Source> {
        let (g, dnode) = (self.g, self.dnode(i));
        let (out_height, out_width) = self.out();
        let open = Source {
            dd: dnode.address,
            dd_stride: dnode.stride as i32,
            kind: kind_of(g, b),
            kernel: window(b),
            stride: g.stride as i32,
            out_height,
            out_width,
            ..Source::default()
        };
        if is_identity(g, b) {
            return Some(Source { weight: self.weight(i), ..open });
        }
        let (x, x_stride) = (self.x.address, self.x.stride as i32);
        let (coefficients, weight) = match b.norms.is_empty() {
            true => (0, self.weight(i)),
            false => (coefficients.at(i * 4 * g.channels), 0),
        };
        is_pooling(b.operation).then_some(Source { x, x_stride, coefficients, weight, ..open })
    }
}

/// Side of a pooling's window; nobody asks for others'.
fn window(b: &Branch) -> i32 {
    b.operation.kernel().unwrap_or(0) as i32
}

/// What a unit's window gives back.
fn source(made: &Made) -> Source {
    let u = &made.unit;
    Source {
        dd: made.dd.as_ref().map_or(0, Buffer::address),
        depthwise: u.depthwise,
        kind: made.kind,
        kernel: u.kernel,
        stride: u.stride,
        dilation: u.dilation,
        shift: u.shift,
        out_height: u.out_height,
        out_width: u.out_width,
        dd_stride: u.channels,
        ..Source::default()
    }
}

/// Gathers the gradient of units that read `x` in `dx`, which is set or added to.
pub(super) fn gather_units(
    gpu: &Gpu,
    units: &[(Unit, Buffer)],
    x: View,
    dx: View,
    add: bool,
    images: usize,
) -> Result<(), GpuError> {
    let Some((first, _)) = units.first() else { return Ok(()) };
    let sources: Vec<Source> = units
        .iter()
        .map(|(u, dd)| Source { dd: dd.address(), ..source(&Made { kind: u.kind, branch: 0, dd: None, unit: *u }) })
        .collect();
    let target = Target {
        dx: dx.address,
        gate: x.address,
        count: sources.len() as i32,
        add: i32::from(add),
        height: first.height,
        width: first.width,
        channels: first.inputs,
        dx_stride: dx.stride as i32,
        gate_stride: x.stride as i32,
        ..Target::default()
    };
    launch::input_gradient(gpu, &sources, &[target], images, Precision::Float32)
}
