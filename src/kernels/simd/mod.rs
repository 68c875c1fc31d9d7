//! The vector type that kernels are written over, and the choice of instruction set at run time.

use std::sync::atomic::{AtomicU8, Ordering};

/// An instruction set that the kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Level {
    /// Plain Rust, any processor.
    Portable = 1,
    /// x86-64 with AVX2 and FMA, 8 lanes.
    Avx2 = 2,
    /// x86-64 with AVX-512F, 16 lanes.
    Avx512 = 3,
    /// 64-bit ARM, 4 lanes.
    Neon = 4,
}

impl Level {
    pub const fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Avx2 => "AVX2 + FMA",
            Level::Avx512 => "AVX-512",
            Level::Neon => "NEON",
        }
    }

    /// The levels that this processor can run, best last.
    pub fn available() -> Vec<Level> {
        #[allow(unused_mut)]
        let mut levels = vec![Level::Portable];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            levels.push(Level::Avx2);
            if is_x86_feature_detected!("avx512f") {
                levels.push(Level::Avx512);
            }
        }
        #[cfg(target_arch = "aarch64")]
        levels.push(Level::Neon);
        levels
    }
}

static LEVEL: AtomicU8 = AtomicU8::new(0);

/// The level in use: the best available one unless [`set_level`] chose another.
pub fn level() -> Level {
    match LEVEL.load(Ordering::Relaxed) {
        1 => Level::Portable,
        2 => Level::Avx2,
        3 => Level::Avx512,
        4 => Level::Neon,
        _ => {
            let best = Level::available().pop().unwrap_or(Level::Portable);
            LEVEL.store(best as u8, Ordering::Relaxed);
            best
        }
    }
}

/// Chooses a level for the whole process; returns whether this processor has it. Results differ between levels by rounding
/// (the order of sums), so a run should not change it midway.
pub fn set_level(level: Level) -> bool {
    let ok = Level::available().contains(&level);
    if ok {
        LEVEL.store(level as u8, Ordering::Relaxed);
    }
    ok
}

/// A vector of `LANES` floats. Every method must be called from code compiled for the instruction set; pointers must be
/// valid for the lanes that are read or written.
pub(crate) trait Simd: Copy {
    type V: Copy;
    const LANES: usize;
    /// Worth code of its own for usual sizes.
    const FAST: bool;
    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(p: *const f32) -> Self::V;
    unsafe fn store(p: *mut f32, v: Self::V);
    /// The first `n <= LANES` lanes; the others are 0.
    unsafe fn load_partial(p: *const f32, n: usize) -> Self::V;
    unsafe fn store_partial(p: *mut f32, v: Self::V, n: usize);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `a > b ? x : y`, lane by lane; a NaN compares false.
    unsafe fn if_gt(a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V;
    /// `a == b ? x : 0`, lane by lane; a NaN compares false.
    unsafe fn if_eq(a: Self::V, b: Self::V, x: Self::V) -> Self::V;
    /// Lane `K` of each group of `G` (2 or 4) in all lanes of the group.
    unsafe fn of_group<const G: usize, const K: usize>(v: Self::V) -> Self::V;
    /// `a > b ? a : b`, lane by lane; a NaN compares false.
    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        unsafe { Self::if_gt(a, b, a, b) }
    }
}

/// Eight plain floats; the compiler vectorises what it can.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

#[inline(always)]
fn lanes(f: impl Fn(usize) -> f32) -> [f32; 8] {
    std::array::from_fn(f)
}

impl Simd for Portable {
    type V = [f32; 8];
    const LANES: usize = 8;
    const FAST: bool = false;
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        [x; 8]
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self::V {
        unsafe { p.cast::<[f32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: Self::V) {
        unsafe { p.cast::<[f32; 8]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn load_partial(p: *const f32, n: usize) -> Self::V {
        lanes(|i| if i < n { unsafe { *p.add(i) } } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn store_partial(p: *mut f32, v: Self::V, n: usize) {
        for (i, x) in v.into_iter().enumerate().take(n) {
            unsafe { *p.add(i) = x }
        }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| a[i] - b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        lanes(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn if_gt(a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V {
        lanes(|i| if a[i] > b[i] { x[i] } else { y[i] })
    }
    #[inline(always)]
    unsafe fn if_eq(a: Self::V, b: Self::V, x: Self::V) -> Self::V {
        lanes(|i| if a[i] == b[i] { x[i] } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn of_group<const G: usize, const K: usize>(v: Self::V) -> Self::V {
        lanes(|i| v[i / G * G + K])
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "aarch64")]
pub(crate) use arm::Neon;

#[cfg(target_arch = "aarch64")]
mod arm;

/// How many pixels share a vector: more than one where the channels divide the lanes.
#[inline(always)]
pub(crate) fn pixels_per_vector<S: Simd>(c: usize) -> usize {
    if c < S::LANES && S::LANES % c == 0 { S::LANES / c } else { 1 }
}

/// The channel values under lanes `b..b + width` of a run of pixels, zeros above.
#[inline(always)]
pub(crate) unsafe fn repeat<S: Simd>(by_channel: &[f32], b: usize, width: usize) -> S::V {
    // The usual case, and strips are short: no division for each lane.
    if b + width <= by_channel.len() {
        return unsafe { load::<S>(by_channel.as_ptr().add(b), width) };
    }
    let mut repeated = [0.0f32; 16];
    let mut channel = b % by_channel.len();
    for r in repeated.iter_mut().take(width) {
        *r = by_channel[channel];
        channel = if channel + 1 == by_channel.len() { 0 } else { channel + 1 };
    }
    unsafe { S::load(repeated.as_ptr()) }
}

/// How many of `left` numbers by channel a loop over pixels takes at a time, in whole vectors; 0 if they do not fill one.
#[inline(always)]
pub(crate) fn vectors<S: Simd>(left: usize) -> usize {
    match left / S::LANES {
        0 => 0,
        1 => 1,
        2 | 3 => 2,
        _ => 4,
    }
}

/// `V` vectors of values by channel from number `b` on.
#[inline(always)]
pub(crate) unsafe fn repeat_all<S: Simd, const V: usize>(by_channel: &[f32], b: usize) -> [S::V; V] {
    let mut all = [unsafe { S::splat(0.0) }; V];
    for (v, to) in all.iter_mut().enumerate() {
        *to = unsafe { repeat::<S>(by_channel, b + v * S::LANES, S::LANES) };
    }
    all
}

/// Calls `$f::<S, V, …>` for [`vectors`] of `$left`; `$none` if there are none.
macro_rules! by_vectors {
    ($left:expr, $f:ident::<$s:ident $(, $more:tt)*>($($arg:expr),*), $none:expr) => {
        match $crate::kernels::simd::vectors::<$s>($left) {
            4 => $f::<$s, 4 $(, $more)*>($($arg),*),
            2 => $f::<$s, 2 $(, $more)*>($($arg),*),
            1 => $f::<$s, 1 $(, $more)*>($($arg),*),
            _ => $none,
        }
    };
}
pub(crate) use by_vectors;

#[inline(always)]
pub(crate) unsafe fn load<S: Simd>(p: *const f32, n: usize) -> S::V {
    unsafe { if n == S::LANES { S::load(p) } else { S::load_partial(p, n) } }
}

#[inline(always)]
pub(crate) unsafe fn store<S: Simd>(p: *mut f32, v: S::V, n: usize) {
    unsafe { if n == S::LANES { S::store(p, v) } else { S::store_partial(p, v, n) } }
}

/// `dispatch!(unsafe fn name(arg: Type, …) = body)` defines `name`, which runs `body::<S>(arg, …)` compiled for the level in
/// use. `body` must be an `#[inline(always)] unsafe fn` over `S: Simd`.
macro_rules! dispatch {
    ($vis:vis unsafe fn $name:ident($($arg:ident: $ty:ty),* $(,)?) = $body:ident) => {
        $vis unsafe fn $name($($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2($($arg: $ty),*) {
                unsafe { $body::<$crate::kernels::simd::Avx2>($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx2,fma")]
            unsafe fn avx512($($arg: $ty),*) {
                unsafe { $body::<$crate::kernels::simd::Avx512>($($arg),*) }
            }
            match $crate::kernels::simd::level() {
                #[cfg(target_arch = "x86_64")]
                $crate::kernels::simd::Level::Avx512 => unsafe { avx512($($arg),*) },
                #[cfg(target_arch = "x86_64")]
                $crate::kernels::simd::Level::Avx2 => unsafe { avx2($($arg),*) },
                #[cfg(target_arch = "aarch64")]
                $crate::kernels::simd::Level::Neon => unsafe { $body::<$crate::kernels::simd::Neon>($($arg),*) },
                _ => unsafe { $body::<$crate::kernels::simd::Portable>($($arg),*) },
            }
        }
    };
}
pub(crate) use dispatch;
