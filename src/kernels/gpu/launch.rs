//! One function per kernel: grid, shared memory, and what is read and written.

use super::arguments::{
    Back, Descend, Head, InputGradient, Mix, MixTarget, Mixed, MixingGradient, Moments, NormProducts, Products,
    Rectified, Reduce, ReduceWeights, SettleMoments, SettleProducts, Settled, Source, Squares, Target, Unit,
    UnitBackward, UnitForward,
};
use super::parts::{PIXELS, product_parts, splits, square_parts, tiles};
use super::work::Describe;
use super::{Arguments, CHUNK, Call, Columns, Gpu, GpuError, Kernel, Precision, THREADS, TILE, Work};

/// Blocks of so many at most are launched together.
pub(super) fn split(count: usize, each: usize) -> u32 {
    count.div_ceil(each) as u32
}

pub(super) fn padded<T: Copy + Default, const MOST: usize>(units: &[T]) -> [T; MOST] {
    let mut all = [T::default(); MOST];
    all[..units.len()].copy_from_slice(units);
    all
}

pub(super) fn launch(
    gpu: &Gpu,
    kernel: Kernel,
    columns: Columns,
    grid: [u32; 3],
    numbers: usize,
    arguments: &dyn Arguments,
    work: &dyn Fn() -> Work,
) -> Result<(), GpuError> {
    if grid.contains(&0) {
        return Ok(());
    }
    gpu.launch(&Call { kernel, columns, grid, shared: 4 * numbers as u32, arguments, work })
}

impl Unit {
    /// Numbers of the part of the input that goes through shared memory.
    fn tile_numbers(&self) -> usize {
        if self.kind != super::Kind::Depthwise {
            return 0;
        }
        let side = (TILE as i32 - 1) * self.stride + 1 + self.dilation * (self.kernel - 1);
        (side * side) as usize * CHUNK
    }
}

/// [`Kernel::UnitForward`]: `z` of every unit, and the moments of each tile where `partial` is given. `maps` are those
/// that `z` and inputs behind a norm lie in.
///
/// # Errors
/// As all launches.
pub fn unit_forward(gpu: &Gpu, units: &[Unit], images: usize, maps: Precision) -> Result<(), GpuError> {
    let Some(outputs) = units.iter().map(|u| u.outputs as usize).max() else { return Ok(()) };
    let columns = Columns::of(outputs);
    let blocks = outputs.div_ceil(columns.count());
    let across = units.iter().map(Unit::tiles).max().unwrap_or(0);
    let product =
        units.iter().map(Unit::tile_numbers).max().unwrap_or(0) + PIXELS * (CHUNK + 1) + CHUNK * columns.count();
    let rows = PIXELS * (columns.count() + 1) + 2 * THREADS as usize;
    let arguments = UnitForward { units: padded(units), columns: blocks as i32, narrow: maps.narrow() };
    let grid = [across as u32, images as u32, (units.len() * blocks) as u32];
    let work = || Work::of(units, |u, w| u.describe(images, maps, w));
    launch(gpu, Kernel::UnitForward, columns, grid, product.max(rows), &arguments, &work)
}

/// [`Kernel::UnitBackward`]: `dd` of every unit and, where `wanted`, its weights' gradient in [`splits`] parts. `maps` are
/// those that `z`, `dd` and inputs behind a norm lie in, and then those of `dy`.
///
/// # Errors
/// As all launches.
pub fn unit_backward(
    gpu: &Gpu,
    units: &[Back],
    images: usize,
    wanted: bool,
    maps: [Precision; 2],
) -> Result<(), GpuError> {
    let Some(outputs) = units.iter().map(|b| b.unit.outputs as usize).max() else { return Ok(()) };
    let columns = Columns::of(outputs);
    let channels = units.iter().map(|b| b.unit.channels as usize).max().unwrap_or(0);
    let all = units.iter().map(|b| b.unit.tiles() * images).max().unwrap_or(0);
    let parts = if wanted { splits(all, channels) } else { all.min(4096) };
    let mut numbers = (PIXELS + CHUNK) * (columns.count() + 1);
    if wanted {
        numbers += PIXELS * (CHUNK + 1) + units.iter().map(|b| b.unit.tile_numbers()).max().unwrap_or(0);
    }
    let [narrow, narrow_dy] = maps.map(Precision::narrow);
    let arguments =
        UnitBackward { units: padded(units), images: images as i32, wanted: i32::from(wanted), narrow, narrow_dy };
    let grid = [parts as u32, split(channels, CHUNK), units.len() as u32];
    let work = || Work::of(units, |b, w| b.describe(images, wanted.then_some(parts), maps, w));
    launch(gpu, Kernel::UnitBackward, columns, grid, numbers, &arguments, &work)
}

/// [`Kernel::InputGradient`]: gathers `sources` in `targets`; the last of a target's ends an edge. `maps` are those that
/// gradients of convolutions' windows lie in, and targets behind a norm.
///
/// # Errors
/// As all launches.
pub fn input_gradient(
    gpu: &Gpu,
    sources: &[Source],
    targets: &[Target],
    images: usize,
    maps: Precision,
) -> Result<(), GpuError> {
    let Some(channels) = targets.iter().map(|t| t.channels as usize).max() else { return Ok(()) };
    let chunks = channels.div_ceil(CHUNK);
    let across = targets.iter().map(|t| tiles(t.height as usize, t.width as usize)).max().unwrap_or(0);
    let numbers = sources.iter().map(Source::tile_numbers).max().unwrap_or(0).max(2 * THREADS as usize);
    let mut arguments = InputGradient {
        sources: padded(sources),
        targets: padded(targets),
        chunks: chunks as i32,
        narrow: maps.narrow(),
    };
    for t in targets.iter().filter(|t| t.count > 0) {
        arguments.sources[(t.first + t.count - 1) as usize].ends = 1;
    }
    let grid = [across as u32, images as u32, (targets.len() * chunks) as u32];
    let work = || {
        Work::of(targets, |t, w| {
            t.describe(images, maps, w);
            for s in &sources[t.first as usize..(t.first + t.count) as usize] {
                s.describe(t, images, maps, w);
            }
        })
    };
    launch(gpu, Kernel::InputGradient, Columns::C16, grid, numbers, &arguments, &work)
}

impl Source {
    /// Numbers of the part of the gradient that goes through shared memory, with the places of a max-pooling's.
    fn tile_numbers(&self) -> usize {
        let (reach, planes) = match self.kind {
            super::Kind::Depthwise => (self.dilation * (self.kernel - 1) / 2, 1),
            super::Kind::Maximum => (self.kernel / 2, 2),
            super::Kind::Average => (self.kernel / 2, 1),
            _ => return 0,
        };
        // From the first output that reaches a tile's first pixel to the last that reaches its last.
        let side = (TILE as i32 - 1 + 2 * reach) / self.stride + 1;
        (side * side) as usize * CHUNK * planes
    }
}

/// [`Kernel::SettleMoments`].
///
/// # Errors
/// As all launches.
pub fn settle_moments(gpu: &Gpu, units: &[Moments]) -> Result<(), GpuError> {
    let channels = units.iter().map(|u| u.channels as u32).max().unwrap_or(0);
    let arguments = SettleMoments { units: padded(units) };
    let work = || Work::of(units, Describe::describe);
    let grid = [channels, units.len() as u32, 1];
    launch(gpu, Kernel::SettleMoments, Columns::C16, grid, 2 * THREADS as usize, &arguments, &work)
}

/// [`Kernel::Mix`]: `out = (out +) Σ units` over `pixels` pixels, for each target. `maps` are those before a norm.
///
/// # Errors
/// As all launches.
pub fn mix(
    gpu: &Gpu,
    units: &[Mixed],
    targets: &[MixTarget],
    pixels: usize,
    channels: usize,
    maps: Precision,
) -> Result<(), GpuError> {
    let arguments = Mix {
        units: padded(units),
        targets: padded(targets),
        pixels: pixels as i64,
        channels: channels as i32,
        narrow: maps.narrow(),
    };
    let grid = [split(pixels * channels, THREADS as usize), targets.len() as u32, 1];
    let work = || arguments.work(targets.len(), maps);
    launch(gpu, Kernel::Mix, Columns::C16, grid, 0, &arguments, &work)
}

/// [`Kernel::NormProducts`]: sums over `pixels` pixels of all images in [`product_parts`]. `maps` are those before a norm.
///
/// # Errors
/// As all launches.
pub fn norm_products(
    gpu: &Gpu,
    units: &[Products],
    images: usize,
    channels: usize,
    maps: Precision,
) -> Result<(), GpuError> {
    let Some(first) = units.first() else { return Ok(()) };
    let pixels = images * (first.out_height * first.out_width) as usize;
    let arguments = NormProducts {
        units: padded(units),
        images: images as i32,
        channels: channels as i32,
        narrow: maps.narrow(),
        reserved: 0,
    };
    let grid = [product_parts(pixels) as u32, split(channels, CHUNK), units.len() as u32];
    let work = || Work::of(units, |u, w| u.describe(images, channels, maps, w));
    launch(gpu, Kernel::NormProducts, Columns::C16, grid, 2 * THREADS as usize, &arguments, &work)
}

/// [`Kernel::SettleProducts`].
///
/// # Errors
/// As all launches.
pub fn settle_products(gpu: &Gpu, units: &[Settled]) -> Result<(), GpuError> {
    let channels = units.iter().map(|u| u.channels as u32).max().unwrap_or(0);
    let arguments = SettleProducts { units: padded(units) };
    let work = || Work::of(units, Describe::describe);
    let grid = [channels, units.len() as u32, 1];
    launch(gpu, Kernel::SettleProducts, Columns::C16, grid, 2 * THREADS as usize, &arguments, &work)
}

/// [`Kernel::MixingGradient`]: sums of `entries` rows.
///
/// # Errors
/// As all launches.
pub fn mixing_gradient(gpu: &Gpu, inner: u64, out: u64, entries: usize, channels: usize) -> Result<(), GpuError> {
    let arguments = MixingGradient { inner, out, entries: entries as i32, channels: channels as i32 };
    let grid = [split(entries, THREADS as usize), 1, 1];
    launch(gpu, Kernel::MixingGradient, Columns::C16, grid, 0, &arguments, &|| arguments.work())
}

/// [`Kernel::ReduceWeights`].
///
/// # Errors
/// As all launches.
pub fn reduce_weights(gpu: &Gpu, units: &[Reduce]) -> Result<(), GpuError> {
    let len = units.iter().map(|u| u.len as usize).max().unwrap_or(0);
    let arguments = ReduceWeights { units: padded(units) };
    let work = || Work::of(units, Describe::describe);
    let grid = [split(len, THREADS as usize), units.len() as u32, 1];
    launch(gpu, Kernel::ReduceWeights, Columns::C16, grid, 0, &arguments, &work)
}

/// One of the classifier's kernels.
///
/// # Errors
/// As all launches.
pub fn head(gpu: &Gpu, kernel: Kernel, head: &Head) -> Result<(), GpuError> {
    let (images, channels, classes) = (head.images as usize, head.channels as usize, head.classes as usize);
    let grid = match kernel {
        Kernel::HeadLogits => [split(images * classes, THREADS as usize), 1, 1],
        Kernel::HeadWeightGradient => [split((channels + 1) * classes, THREADS as usize), 1, 1],
        _ => [split(channels, THREADS as usize), images as u32, 1],
    };
    launch(gpu, kernel, Columns::C16, grid, 0, head, &|| head.work(kernel))
}

/// One of the auxiliary head's kernels.
///
/// # Errors
/// As all launches.
pub fn rectified(gpu: &Gpu, kernel: Kernel, r: &Rectified) -> Result<(), GpuError> {
    let (height, width) = match kernel {
        Kernel::RectifiedAverage => (r.out_height, r.out_width),
        _ => (r.height, r.width),
    };
    let numbers = [r.images, height, width, r.channels].map(|n| n as usize).into_iter().product();
    let grid = [split(numbers, THREADS as usize), 1, 1];
    launch(gpu, kernel, Columns::C16, grid, 0, r, &|| r.work(kernel))
}

/// [`Kernel::Squares`] and [`Kernel::Descend`]: a step of SGD; `parts` is filled in.
///
/// # Errors
/// As all launches.
pub fn descend(gpu: &Gpu, step: &Descend) -> Result<(), GpuError> {
    let len = step.len as usize;
    let parts = square_parts(len);
    let squares = Squares { x: step.gradient, partial: step.partial, len: step.len };
    let shared = 2 * THREADS as usize;
    launch(gpu, Kernel::Squares, Columns::C16, [parts as u32, 1, 1], shared, &squares, &|| squares.work(parts))?;
    let step = Descend { parts: parts as i32, ..*step };
    let grid = [split(len, 4 * THREADS as usize), 1, 1];
    launch(gpu, Kernel::Descend, Columns::C16, grid, shared, &step, &|| step.work())
}
