//! The launches of dense convolutions.

use super::arguments::{Back, Dense, DenseBackward, DenseForward, Unit};
use super::launch::{launch, padded, split};
use super::parts::{PIXELS, dense_splits};
use super::{CHUNK, Columns, Gpu, GpuError, Kernel, Kind, Precision, THREADS, TILE, Work};

/// Columns that a block makes times the threads' shares of them: see the kernels.
const COLUMNS_BY_SLICES: usize = 64;

/// A row in shared memory is so much longer than what is in it.
const SPARE: usize = 4;

/// Numbers of a tile with so many rows and columns of pixels, and of a row of taps by `columns`.
fn tile_numbers([rows, columns]: [usize; 2]) -> usize {
    rows * columns * (CHUNK + SPARE)
}

fn tap_numbers(u: &Unit, columns: usize) -> usize {
    u.window()[1].kernel * CHUNK * (columns + SPARE)
}

/// Numbers of a tile's sums, of all slices.
fn sums(columns: usize) -> usize {
    COLUMNS_BY_SLICES / columns * PIXELS * (columns + 1)
}

/// The pixels of a window along one axis, and its stride.
#[derive(Clone, Copy)]
struct Axis {
    kernel: usize,
    stride: usize,
}

impl Axis {
    /// How far apart the windows of a tile are.
    fn step(self) -> usize {
        if self.kernel == 1 { 1 } else { self.stride }
    }

    /// Side of what a tile of outputs reads.
    fn side(self) -> usize {
        (TILE - 1) * self.step() + self.kernel
    }
}

impl Unit {
    /// Of a dense convolution, by rows and by columns.
    fn window(&self) -> [Axis; 2] {
        let (own, one) =
            (Axis { kernel: self.kernel as usize, stride: self.stride as usize }, Axis { kernel: 1, stride: 1 });
        match self.kind {
            Kind::Across => [one, own],
            Kind::Down => [own, one],
            _ => [own, own],
        }
    }

    /// Rows and columns of what a tile of outputs reads.
    fn dense_sides(&self) -> [usize; 2] {
        self.window().map(Axis::side)
    }

    /// Kinds of input pixels to which different taps lead.
    fn parities(&self) -> usize {
        self.window().map(Axis::step).iter().product()
    }

    /// Pixels of an image of the gradient of what it reads, behind the ReLU.
    pub fn dense_gradient(&self) -> usize {
        let [rows, columns] = self.window().map(Axis::step);
        let height = if rows == 1 { self.out_height } else { self.height };
        let width = if columns == 1 { self.out_width } else { self.width };
        (height * width) as usize
    }
}

/// The most of some numbers.
fn most<T>(units: &[T], number: impl Fn(&T) -> usize) -> usize {
    units.iter().map(number).max().unwrap_or(0)
}

/// [`Kernel::DenseForward`]: `z` of every unit, and the moments of each tile where `partial` is given. `maps` are those that
/// `z` and inputs behind a norm lie in.
///
/// # Errors
/// As all launches.
pub fn dense_forward(gpu: &Gpu, units: &[Dense], images: usize, maps: Precision) -> Result<(), GpuError> {
    let outputs = most(units, |d| d.unit.outputs as usize);
    let columns = Columns::of(outputs);
    let blocks = outputs.div_ceil(columns.count());
    let product = most(units, |d| tile_numbers(d.unit.dense_sides()) + tap_numbers(&d.unit, columns.count()));
    let numbers = product.max(sums(columns.count()) + 2 * THREADS as usize);
    let arguments = DenseForward { units: padded(units), columns: blocks as i32, narrow: maps.narrow() };
    let grid = [most(units, |d| d.unit.tiles()) as u32, images as u32, (units.len() * blocks) as u32];
    let work = || Work::of(units, |d, w| d.describe(images, maps, w));
    launch(gpu, Kernel::DenseForward, columns, grid, numbers, &arguments, &work)
}

/// [`Kernel::DenseInputGradient`]: `dd` of every unit. `maps` are those that `z`, `dd` and inputs behind a norm lie in, and then
/// those of `dy`.
///
/// # Errors
/// As all launches.
pub fn dense_input_gradient(gpu: &Gpu, units: &[Back], images: usize, maps: [Precision; 2]) -> Result<(), GpuError> {
    let inputs = most(units, |b| b.unit.inputs as usize);
    let columns = Columns::of(inputs);
    let blocks = inputs.div_ceil(columns.count());
    let sides = |u: &Unit| u.window().map(|axis| TILE + axis.kernel / 2 * 2);
    let product = most(units, |b| tile_numbers(sides(&b.unit)) + tap_numbers(&b.unit, columns.count()));
    let arguments = arguments(units, images, blocks, maps);
    let across = most(units, |b| b.unit.tiles() * b.unit.parities());
    let grid = [across as u32, images as u32, (units.len() * blocks) as u32];
    let work = || Work::of(units, |b, w| b.describe_dense_input(images, maps, w));
    launch(gpu, Kernel::DenseInputGradient, columns, grid, product.max(sums(columns.count())), &arguments, &work)
}

/// [`Kernel::DenseWeightGradient`]: the gradients of every unit's weights and bias in [`dense_splits`] parts, for the most tiles,
/// inputs and outputs of a unit. `maps` as in [`dense_input_gradient`].
///
/// # Errors
/// As all launches.
pub fn dense_weight_gradient(gpu: &Gpu, units: &[Back], images: usize, maps: [Precision; 2]) -> Result<(), GpuError> {
    let (inputs, outputs) = (most(units, |b| b.unit.inputs as usize), most(units, |b| b.unit.outputs as usize));
    let columns = Columns::of(outputs);
    let blocks = outputs.div_ceil(columns.count());
    let parts = dense_splits(most(units, |b| b.unit.tiles() * images), inputs, outputs);
    let tile = most(units, |b| tile_numbers(b.unit.dense_sides()));
    let sums = COLUMNS_BY_SLICES / columns.count() * CHUNK * (columns.count() + 1);
    let numbers = (PIXELS * (columns.count() + SPARE) + tile).max(sums);
    let arguments = arguments(units, images, blocks, maps);
    let grid = [parts as u32, split(inputs, CHUNK) * blocks as u32, units.len() as u32];
    let work = || Work::of(units, |b, w| b.describe_dense_weights(images, parts, maps, w));
    launch(gpu, Kernel::DenseWeightGradient, columns, grid, numbers, &arguments, &work)
}

fn arguments(units: &[Back], images: usize, blocks: usize, maps: [Precision; 2]) -> DenseBackward {
    let [narrow, narrow_dy] = maps.map(Precision::narrow);
    DenseBackward { units: padded(units), images: images as i32, columns: blocks as i32, narrow, narrow_dy }
}
