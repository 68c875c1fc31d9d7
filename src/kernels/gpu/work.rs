//! What launches read, write and compute, from their arguments: for the recorder's checks and for the roofline.

use super::arguments::{
    Back, Dense, Descend, Head, Mix, MixingGradient, Moments, Products, Rectified, Reduce, Settled, Source, Squares,
    TAP_ROWS, Target, Unit,
};
use super::parts::{product_parts, tiles};
use super::{Extent, Kernel, Kind, Precision, Work};

impl Work {
    pub(super) fn of<T>(units: &[T], describe: impl Fn(&T, &mut Work)) -> Work {
        let mut work = Work::default();
        units.iter().for_each(|u| describe(u, &mut work));
        work
    }

    /// `pixels` pixels of `channels` numbers, one every `stride`.
    fn map(&mut self, address: u64, pixels: usize, channels: usize, stride: usize, writes: bool) {
        self.kept(Precision::Float32, address, pixels, channels, stride, writes);
    }

    /// The same of numbers as kept maps have them.
    fn kept(
        &mut self,
        precision: Precision,
        address: u64,
        pixels: usize,
        channels: usize,
        stride: usize,
        writes: bool,
    ) {
        if address != 0 && pixels > 0 && channels > 0 {
            let [span, bytes] =
                [(pixels - 1) * stride + channels, pixels * channels].map(|n| (precision.bytes() * n) as u64);
            self.extents.push(Extent { address, span, bytes, writes });
        }
    }

    fn numbers(&mut self, address: u64, count: usize, writes: bool) {
        self.map(address, 1, count, count, writes);
    }

    /// `count` rows of `channels` numbers out of rows of `stride`: float32 numbers by channel of a wider norm.
    fn rows(&mut self, address: u64, count: usize, channels: usize, stride: usize, writes: bool) {
        self.map(address, count, channels, stride, writes);
    }
}

pub(super) trait Describe {
    fn describe(&self, work: &mut Work);
}

fn area(height: i32, width: i32) -> usize {
    (height * width) as usize
}

/// What the map before a norm lies in: those without one are float32.
fn behind(mean: u64, maps: Precision) -> Precision {
    if mean == 0 { Precision::Float32 } else { maps }
}

impl Unit {
    fn out_pixels(&self, images: usize) -> usize {
        images * area(self.out_height, self.out_width)
    }

    fn taps(&self) -> usize {
        if self.kind == Kind::Depthwise { (self.kernel * self.kernel) as usize } else { 0 }
    }

    fn pooling(&self) -> bool {
        matches!(self.kind, Kind::Maximum | Kind::Average | Kind::Identity)
    }

    fn read_input(&self, images: usize, maps: Precision, work: &mut Work) {
        let (inputs, pixels) = (self.inputs as usize, images * area(self.height, self.width));
        work.kept(behind(self.mean, maps), self.x, pixels, inputs, self.x_stride as usize, false);
        work.numbers(self.mean, 2 * inputs, false);
        work.numbers(self.affine, 2 * inputs, false);
    }

    fn read_weights(&self, work: &mut Work) {
        work.numbers(self.depthwise, self.taps() * self.channels as usize, false);
        work.numbers(self.pointwise, (self.channels * self.outputs) as usize, false);
    }

    /// Of the window and of the product, once.
    fn operations(&self, images: usize) -> [u64; 2] {
        let pixels = self.out_pixels(images);
        [2 * pixels * self.channels as usize * self.taps(), 2 * pixels * (self.channels * self.outputs) as usize]
            .map(|n| n as u64)
    }

    pub(super) fn describe(&self, images: usize, maps: Precision, work: &mut Work) {
        self.read_input(images, maps, work);
        let (pixels, outputs) = (self.out_pixels(images), self.outputs as usize);
        work.kept(maps, self.z, pixels, outputs, self.z_stride as usize, true);
        let parts = images * self.tiles();
        if self.partial != 0 {
            let first = self.partial + 4 * (self.first as usize * parts) as u64;
            work.rows(first, 2, outputs * parts, self.norm_channels as usize * parts, true);
            work.operations += 3 * (pixels * outputs) as u64;
        }
        if self.pooling() {
            work.operations += (self.kernel * self.kernel).max(1) as u64 * (pixels * outputs) as u64;
        } else {
            self.read_weights(work);
            work.operations += self.operations(images).iter().sum::<u64>();
        }
    }
}

impl Dense {
    pub(super) fn describe(&self, images: usize, maps: Precision, work: &mut Work) {
        self.unit.describe(images, maps, work);
        work.numbers(self.bias, self.unit.outputs as usize, false);
    }
}

impl Back {
    /// What both gradients of a dense convolution read.
    fn read_output(&self, images: usize, [maps, of_dy]: [Precision; 2], work: &mut Work) {
        let u = &self.unit;
        let (pixels, outputs) = (u.out_pixels(images), u.outputs as usize);
        work.kept(of_dy, self.dy, pixels, outputs, self.dy_stride as usize, false);
        work.kept(maps, u.z, pixels, outputs, u.z_stride as usize, false);
        work.rows(self.coefficients, 4, outputs, u.norm_channels as usize, false);
        work.operations += u.operations(images)[1] + 4 * (pixels * outputs) as u64;
    }

    pub(super) fn describe_dense_input(&self, images: usize, maps: [Precision; 2], work: &mut Work) {
        self.read_output(images, maps, work);
        self.unit.read_weights(work);
        let inputs = self.unit.inputs as usize;
        work.kept(maps[0], self.dd, images * self.unit.dense_gradient(), inputs, inputs, true);
    }

    pub(super) fn describe_dense_weights(&self, images: usize, parts: usize, maps: [Precision; 2], work: &mut Work) {
        self.read_output(images, maps, work);
        self.unit.read_input(images, maps[0], work);
        work.numbers(self.partial, parts * self.len as usize, true);
    }

    /// `parts`: where gradients of the weights are wanted, in how many.
    pub(super) fn describe(&self, images: usize, parts: Option<usize>, [maps, of_dy]: [Precision; 2], work: &mut Work) {
        let u = &self.unit;
        let (pixels, outputs) = (u.out_pixels(images), u.outputs as usize);
        work.kept(of_dy, self.dy, pixels, outputs, self.dy_stride as usize, false);
        work.kept(maps, u.z, pixels, outputs, u.z_stride as usize, false);
        work.rows(self.coefficients, 4, outputs, u.norm_channels as usize, false);
        work.kept(maps, self.dd, pixels, u.channels as usize, u.channels as usize, true);
        u.read_weights(work);
        let [window, product] = u.operations(images);
        work.operations += product + 4 * (pixels * outputs) as u64;
        if let Some(parts) = parts {
            u.read_input(images, maps, work);
            // Of a 7x7 window each unit makes some rows' taps, and the first the rest.
            let (wide, len) = (u.kind == Kind::Depthwise && u.kernel == 7, self.len as usize);
            let row = 7 * u.channels as usize;
            let rows = if wide { TAP_ROWS.min(7 - self.first_tap as usize) } else { 0 };
            let at = |numbers: usize| self.partial + 4 * numbers as u64;
            if wide {
                work.rows(at(self.first_tap as usize * row), parts, rows * row, len, true);
                work.operations += (2 * window + product) * rows as u64 / 7;
            }
            if wide && self.first_tap == 0 {
                work.rows(at(7 * row), parts, len - 7 * row, len, true);
            } else if !wide {
                work.numbers(self.partial, parts * len, true);
                work.operations += 2 * window + product;
            }
        }
    }
}

impl Target {
    fn pixels(&self, images: usize) -> usize {
        images * area(self.height, self.width)
    }

    pub(super) fn describe(&self, images: usize, maps: Precision, work: &mut Work) {
        let (pixels, channels) = (self.pixels(images), self.channels as usize);
        let maps = behind(self.gate_mean, maps);
        work.kept(maps, self.gate, pixels, channels, self.gate_stride as usize, false);
        // The scale behind the mean is read where the norm's own scale and shift are.
        work.numbers(self.gate_mean, if self.gate_affine == 0 { channels } else { 2 * channels }, false);
        work.numbers(self.gate_affine, 2 * channels, false);
        if self.add != 0 {
            work.kept(maps, self.dx, pixels, channels, self.dx_stride as usize, false);
        }
        work.kept(maps, self.dx, pixels, channels, self.dx_stride as usize, true);
        let parts = images * tiles(self.height as usize, self.width as usize);
        work.numbers(self.partial, 2 * channels * parts, true);
    }
}

impl Source {
    pub(super) fn describe(&self, to: &Target, images: usize, maps: Precision, work: &mut Work) {
        let (pixels, channels) = (images * area(self.out_height, self.out_width), to.channels as usize);
        // Poolings and the identity read the nodes' gradients.
        let own = matches!(self.kind, Kind::Depthwise | Kind::Pick);
        let maps = if own { maps } else { Precision::Float32 };
        work.kept(maps, self.dd, pixels, channels, self.dd_stride as usize, false);
        work.map(self.x, to.pixels(images), channels, self.x_stride as usize, false);
        work.numbers(self.coefficients, 4 * channels, false);
        work.numbers(self.weight, 1, false);
        let taps = match self.kind {
            Kind::Depthwise | Kind::Maximum | Kind::Average => (self.kernel * self.kernel) as usize,
            _ => 1,
        };
        work.numbers(self.depthwise, taps * channels, false);
        work.operations += 2 * (pixels * channels * taps) as u64;
    }
}

impl Describe for Moments {
    fn describe(&self, work: &mut Work) {
        let channels = self.channels as usize;
        let parts = self.images as usize * tiles(self.out_height as usize, self.out_width as usize);
        work.numbers(self.partial, 2 * channels * parts, false);
        work.numbers(self.mean, channels, true);
        work.numbers(self.scale, channels, true);
        work.numbers(self.moments, 4 * channels, true);
        work.operations += 6 * (channels * parts) as u64;
    }
}

impl Describe for Settled {
    fn describe(&self, work: &mut Work) {
        let (channels, parts) = (self.channels as usize, self.parts as usize);
        work.numbers(self.partial, 2 * channels * parts, false);
        for address in [self.mean, self.scale, self.gain] {
            work.numbers(address, channels, false);
        }
        work.numbers(self.weight, 1, false);
        work.numbers(self.coefficients, 4 * channels, true);
        work.numbers(self.inner, 2 * channels, true);
        work.numbers(self.to_gain, channels, true);
        work.numbers(self.to_bias, channels, true);
        work.operations += 2 * (channels * parts) as u64;
    }
}

impl Describe for Reduce {
    fn describe(&self, work: &mut Work) {
        let (len, splits) = (self.len as usize, self.splits as usize);
        work.numbers(self.partial, len * splits, false);
        work.numbers(self.gradient, len, false);
        work.numbers(self.gradient, len, true);
        work.operations += (len * splits) as u64;
    }
}

impl Products {
    pub(super) fn describe(&self, images: usize, channels: usize, maps: Precision, work: &mut Work) {
        let pixels = images * area(self.out_height, self.out_width);
        work.map(self.dy, pixels, channels, self.dy_stride as usize, false);
        let pooling = matches!(self.kind, Kind::Maximum | Kind::Average);
        let read = if pooling { images * area(self.height, self.width) } else { pixels };
        let maps = if pooling { Precision::Float32 } else { behind(self.mean, maps) };
        work.kept(maps, self.z, read, channels, self.z_stride as usize, false);
        work.numbers(self.mean, channels, false);
        work.numbers(self.partial, 2 * channels * product_parts(pixels), true);
        work.operations += ((if pooling { 13 } else { 4 }) * pixels * channels) as u64;
    }
}

impl Mix {
    pub(super) fn work(&self, targets: usize, maps: Precision) -> Work {
        let (pixels, channels) = (self.pixels as usize, self.channels as usize);
        let mut work = Work::default();
        for to in &self.targets[..targets] {
            for u in &self.units[to.first as usize..(to.first + to.count) as usize] {
                work.kept(behind(u.mean, maps), u.z, pixels, channels, u.stride as usize, false);
                for address in [u.mean, u.scale, u.gain, u.bias] {
                    work.numbers(address, channels, false);
                }
                work.numbers(u.weight, 1, false);
                work.numbers(u.factors, pixels / u.per_image.max(1) as usize, false);
                work.operations += 4 * (pixels * channels) as u64;
            }
            if to.fresh == 0 {
                work.map(to.out, pixels, channels, to.stride as usize, false);
            }
            work.map(to.out, pixels, channels, to.stride as usize, true);
        }
        work
    }
}

impl MixingGradient {
    pub(super) fn work(&self) -> Work {
        let (entries, channels) = (self.entries as usize, self.channels as usize);
        let mut work = Work { operations: (entries * channels) as u64, ..Work::default() };
        work.numbers(self.inner, 2 * entries * channels, false);
        work.numbers(self.out, entries, false);
        work.numbers(self.out, entries, true);
        work
    }
}

impl Head {
    pub(super) fn work(&self, kernel: Kernel) -> Work {
        let [images, pixels, channels, classes] =
            [self.images, self.pixels, self.channels, self.classes].map(|n| n as usize);
        let mut work = Work::default();
        let out = match kernel {
            Kernel::HeadAverage => images * channels,
            Kernel::HeadLogits => images * classes,
            Kernel::HeadInputGradient => images * pixels * channels,
            _ => (channels + 1) * classes,
        };
        work.numbers(self.x, images * pixels * channels, false);
        work.numbers(self.weights, (channels + 1) * classes, false);
        work.numbers(self.dy, images * classes, false);
        work.numbers(self.mean, images * channels, false);
        work.numbers(self.out, out, true);
        work.operations = match kernel {
            Kernel::HeadAverage => images * pixels * channels,
            _ => 2 * images * channels * classes,
        } as u64;
        work
    }
}

impl Rectified {
    pub(super) fn work(&self, kernel: Kernel) -> Work {
        let channels = self.images as usize * self.channels as usize;
        let [inputs, outputs] =
            [area(self.height, self.width), area(self.out_height, self.out_width)].map(|pixels| pixels * channels);
        let mut work = Work { operations: 2 * (outputs * area(self.window, self.window)) as u64, ..Work::default() };
        work.numbers(self.x, inputs, false);
        work.numbers(self.dy, outputs, false);
        if kernel == Kernel::RectifiedAverage {
            work.numbers(self.out, outputs, true);
        } else {
            work.numbers(self.out, if self.add == 0 { 0 } else { inputs }, false);
            work.numbers(self.out, inputs, true);
        }
        work
    }
}

impl Squares {
    pub(super) fn work(&self, parts: usize) -> Work {
        let len = self.len as usize;
        let mut work = Work { operations: 2 * len as u64, ..Work::default() };
        work.numbers(self.x, len, false);
        work.numbers(self.partial, 2 * parts, true);
        work
    }
}

impl Descend {
    pub(super) fn work(&self) -> Work {
        let len = self.len as usize;
        let mut work = Work { operations: 7 * len as u64, ..Work::default() };
        work.numbers(self.partial, 2 * self.parts as usize, false);
        for (address, read) in [(self.weights, true), (self.gradient, true), (self.momentum, self.first == 0)] {
            work.numbers(address, if read { len } else { 0 }, false);
        }
        for (address, len) in [(self.weights, len), (self.momentum, len), (self.norm, 2)] {
            work.numbers(address, len, true);
        }
        work
    }
}
