//! What kernels take, laid out as their twins in the `.cu` sources. Addresses are the device's; 0 where a part is absent.

/// Most parts of one launch: those of all edges from one source.
pub const MOST_UNITS: usize = 32;
/// Most units of one launch of a backward pass, whose arguments are larger.
pub const MOST_BACKS: usize = 24;
/// Most maps that gradients are gathered in by one launch.
pub const MOST_TARGETS: usize = 16;
/// Most nodes that one launch adds to.
pub const MOST_NODES: usize = 8;
const _: () = assert!(MOST_NODES >= crate::space::cell::MOST_NODES);

/// Rows of a 7x7 window whose taps' gradients a thread holds at once.
pub const TAP_ROWS: usize = 3;

/// What a [`Unit`] or a [`Source`] is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(i32)]
pub enum Kind {
    #[default]
    Depthwise,
    /// One pixel of the input.
    Pick,
    /// All channels of 3x3 pixels.
    Window,
    Maximum,
    Average,
    Identity,
    /// A dense convolution.
    Dense,
    /// The mean of 2x2 pixels.
    Half,
    /// A dense convolution of pixels of a row, which strides along it alone.
    Across,
    /// A dense convolution of pixels of a column, which strides along it alone, without ReLU.
    Down,
}

impl Kind {
    /// Whether it is a dense convolution, which has kernels of its own.
    pub const fn is_dense(self) -> bool {
        matches!(self, Kind::Dense | Kind::Across | Kind::Down)
    }
}

/// ReLU → window → matrix product, or a pooling.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Unit {
    pub x: u64,
    /// Of the norm before the ReLU, its scale behind it, and where that norm has a scale and shift of its own.
    pub mean: u64,
    pub affine: u64,
    pub depthwise: u64,
    pub pointwise: u64,
    pub z: u64,
    pub partial: u64,
    pub kind: Kind,
    pub kernel: i32,
    pub stride: i32,
    pub dilation: i32,
    pub shift: i32,
    pub height: i32,
    pub width: i32,
    pub out_height: i32,
    pub out_width: i32,
    pub channels: i32,
    pub inputs: i32,
    pub x_stride: i32,
    pub outputs: i32,
    pub z_stride: i32,
    pub first: i32,
    pub norm_channels: i32,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct UnitForward {
    pub units: [Unit; MOST_UNITS],
    pub columns: i32,
    pub narrow: i32,
}

/// A dense convolution.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Dense {
    pub unit: Unit,
    pub bias: u64,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct DenseForward {
    pub units: [Dense; MOST_BACKS],
    pub columns: i32,
    pub narrow: i32,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Back {
    pub unit: Unit,
    pub dy: u64,
    pub coefficients: u64,
    pub dd: u64,
    pub partial: u64,
    pub dy_stride: i32,
    pub len: i32,
    /// Of a 7x7 window's rows of taps the first whose gradient this one makes, of [`TAP_ROWS`]; the first has all the rest.
    pub first_tap: i32,
    pub reserved: i32,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct UnitBackward {
    pub units: [Back; MOST_BACKS],
    pub images: i32,
    pub wanted: i32,
    pub narrow: i32,
    pub narrow_dy: i32,
}

/// As [`UnitBackward`], of dense convolutions.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct DenseBackward {
    pub units: [Back; MOST_BACKS],
    pub images: i32,
    pub columns: i32,
    pub narrow: i32,
    pub narrow_dy: i32,
}

/// What one branch gives to the gradient of an edge's input.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Source {
    pub dd: u64,
    pub depthwise: u64,
    pub x: u64,
    pub coefficients: u64,
    pub weight: u64,
    pub kind: Kind,
    pub kernel: i32,
    pub stride: i32,
    pub dilation: i32,
    pub shift: i32,
    pub out_height: i32,
    pub out_width: i32,
    pub dd_stride: i32,
    pub x_stride: i32,
    /// Whether it is the last of its edge: edges are added up one by one.
    pub ends: i32,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Target {
    pub dx: u64,
    pub gate: u64,
    pub gate_mean: u64,
    pub gate_affine: u64,
    pub partial: u64,
    pub first: i32,
    pub count: i32,
    pub add: i32,
    pub height: i32,
    pub width: i32,
    pub channels: i32,
    pub dx_stride: i32,
    pub gate_stride: i32,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct InputGradient {
    pub sources: [Source; MOST_UNITS],
    pub targets: [Target; MOST_TARGETS],
    pub chunks: i32,
    pub narrow: i32,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Moments {
    pub partial: u64,
    pub mean: u64,
    pub scale: u64,
    pub moments: u64,
    pub channels: i32,
    pub out_height: i32,
    pub out_width: i32,
    pub images: i32,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct SettleMoments {
    pub units: [Moments; MOST_UNITS],
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Mixed {
    pub z: u64,
    pub mean: u64,
    pub scale: u64,
    pub weight: u64,
    pub gain: u64,
    pub bias: u64,
    pub factors: u64,
    pub stride: i32,
    pub per_image: i32,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct MixTarget {
    pub out: u64,
    /// Units.
    pub first: i32,
    pub count: i32,
    pub stride: i32,
    pub fresh: i32,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Mix {
    pub units: [Mixed; MOST_UNITS],
    pub targets: [MixTarget; MOST_NODES],
    pub pixels: i64,
    pub channels: i32,
    pub narrow: i32,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Products {
    pub dy: u64,
    pub z: u64,
    pub mean: u64,
    pub partial: u64,
    pub kind: Kind,
    pub stride: i32,
    pub height: i32,
    pub width: i32,
    pub out_height: i32,
    pub out_width: i32,
    pub dy_stride: i32,
    pub z_stride: i32,
    /// Side of what pools.
    pub kernel: i32,
    pub reserved: i32,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct NormProducts {
    pub units: [Products; MOST_UNITS],
    pub images: i32,
    pub channels: i32,
    pub narrow: i32,
    pub reserved: i32,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Settled {
    pub partial: u64,
    pub mean: u64,
    pub scale: u64,
    pub weight: u64,
    pub gain: u64,
    pub coefficients: u64,
    pub inner: u64,
    pub to_gain: u64,
    pub to_bias: u64,
    pub count: f64,
    pub parts: i32,
    pub channels: i32,
    pub normalised: i32,
    pub reserved: i32,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct SettleProducts {
    pub units: [Settled; MOST_UNITS],
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct MixingGradient {
    pub inner: u64,
    pub out: u64,
    pub entries: i32,
    pub channels: i32,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Reduce {
    pub partial: u64,
    pub gradient: u64,
    pub len: i32,
    pub splits: i32,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ReduceWeights {
    pub units: [Reduce; MOST_UNITS],
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Head {
    pub x: u64,
    pub weights: u64,
    pub dy: u64,
    pub mean: u64,
    pub out: u64,
    pub images: i32,
    pub pixels: i32,
    pub channels: i32,
    pub classes: i32,
}

/// Averages over windows behind a ReLU, or their gradient.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Rectified {
    pub x: u64,
    pub dy: u64,
    pub out: u64,
    pub images: i32,
    pub height: i32,
    pub width: i32,
    pub channels: i32,
    pub out_height: i32,
    pub out_width: i32,
    pub window: i32,
    pub stride: i32,
    pub add: i32,
    pub reserved: i32,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Squares {
    pub x: u64,
    pub partial: u64,
    pub len: i64,
}

/// A step of SGD.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Descend {
    pub weights: u64,
    pub gradient: u64,
    pub momentum: u64,
    /// Of the gradient's squares, and where their root goes: float64.
    pub partial: u64,
    pub norm: u64,
    pub len: i64,
    pub rate: f64,
    pub keep: f64,
    pub decay: f64,
    pub clip: f64,
    pub parts: i32,
    pub first: i32,
    pub nesterov: i32,
    pub reserved: i32,
}

/// One of the structures above.
pub trait Arguments {
    /// The bytes that the kernel gets.
    fn bytes(&self) -> &[u8];
}

macro_rules! arguments {
    ($($name:ty),*) => {$(
        impl Arguments for $name {
            fn bytes(&self) -> &[u8] {
                // SAFETY: laid out as in C, of numbers alone, and without bytes between them (checked in a test).
                unsafe { std::slice::from_raw_parts(std::ptr::from_ref(self).cast(), size_of::<$name>()) }
            }
        }
    )*};
}
arguments!(
    UnitForward,
    UnitBackward,
    DenseForward,
    DenseBackward,
    InputGradient,
    SettleMoments,
    Mix,
    NormProducts,
    SettleProducts,
    MixingGradient,
    ReduceWeights,
    Head,
    Rectified,
    Squares,
    Descend
);
