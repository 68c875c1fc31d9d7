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
mod x86 {
    use std::arch::x86_64::*;

    use super::Simd;

    #[derive(Clone, Copy)]
    pub(crate) struct Avx2;

    /// A window that starts at `8 - n` has `n` set lanes, then clear ones.
    static MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

    #[inline(always)]
    unsafe fn mask(n: usize) -> __m256i {
        debug_assert!(n <= 8);
        unsafe { _mm256_loadu_si256(MASKS.as_ptr().add(8 - n).cast()) }
    }

    impl Simd for Avx2 {
        type V = __m256;
        const LANES: usize = 8;
        #[inline(always)]
        unsafe fn splat(x: f32) -> __m256 {
            unsafe { _mm256_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load(p: *const f32) -> __m256 {
            unsafe { _mm256_loadu_ps(p) }
        }
        #[inline(always)]
        unsafe fn store(p: *mut f32, v: __m256) {
            unsafe { _mm256_storeu_ps(p, v) }
        }
        #[inline(always)]
        unsafe fn load_partial(p: *const f32, n: usize) -> __m256 {
            unsafe { _mm256_maskload_ps(p, mask(n)) }
        }
        #[inline(always)]
        unsafe fn store_partial(p: *mut f32, v: __m256, n: usize) {
            // Stores by mask take tens of cycles on some processors.
            unsafe {
                if n == 8 {
                    return _mm256_storeu_ps(p, v);
                }
                let (mut done, mut rest) = (0, _mm256_castps256_ps128(v));
                if n & 4 != 0 {
                    _mm_storeu_ps(p, rest);
                    (done, rest) = (4, _mm256_extractf128_ps::<1>(v));
                }
                if n & 2 != 0 {
                    _mm_storel_epi64(p.add(done).cast(), _mm_castps_si128(rest));
                    (done, rest) = (done + 2, _mm_movehl_ps(rest, rest));
                }
                if n & 1 != 0 {
                    _mm_store_ss(p.add(done), rest);
                }
            }
        }
        #[inline(always)]
        unsafe fn add(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
            unsafe { _mm256_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn if_gt(a: __m256, b: __m256, x: __m256, y: __m256) -> __m256 {
            unsafe { _mm256_blendv_ps(y, x, _mm256_cmp_ps::<_CMP_GT_OQ>(a, b)) }
        }
        #[inline(always)]
        unsafe fn if_eq(a: __m256, b: __m256, x: __m256) -> __m256 {
            unsafe { _mm256_and_ps(x, _mm256_cmp_ps::<_CMP_EQ_OQ>(a, b)) }
        }
        #[inline(always)]
        unsafe fn of_group<const G: usize, const K: usize>(v: __m256) -> __m256 {
            // Two bits a lane: which of its 128 bits' four lanes it gets.
            unsafe {
                match (G, K) {
                    (2, 0) => _mm256_permute_ps::<0b10_10_00_00>(v),
                    (2, _) => _mm256_permute_ps::<0b11_11_01_01>(v),
                    (_, 0) => _mm256_permute_ps::<0b00_00_00_00>(v),
                    (_, 1) => _mm256_permute_ps::<0b01_01_01_01>(v),
                    (_, 2) => _mm256_permute_ps::<0b10_10_10_10>(v),
                    _ => _mm256_permute_ps::<0b11_11_11_11>(v),
                }
            }
        }
        #[inline(always)]
        unsafe fn max(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_max_ps(a, b) }
        }
    }

    #[derive(Clone, Copy)]
    pub(crate) struct Avx512;

    impl Simd for Avx512 {
        type V = __m512;
        const LANES: usize = 16;
        #[inline(always)]
        unsafe fn splat(x: f32) -> __m512 {
            unsafe { _mm512_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load(p: *const f32) -> __m512 {
            unsafe { _mm512_loadu_ps(p) }
        }
        #[inline(always)]
        unsafe fn store(p: *mut f32, v: __m512) {
            unsafe { _mm512_storeu_ps(p, v) }
        }
        #[inline(always)]
        unsafe fn load_partial(p: *const f32, n: usize) -> __m512 {
            debug_assert!(n <= 16);
            unsafe { _mm512_maskz_loadu_ps(((1u32 << n) - 1) as u16, p) }
        }
        #[inline(always)]
        unsafe fn store_partial(p: *mut f32, v: __m512, n: usize) {
            debug_assert!(n <= 16);
            unsafe { _mm512_mask_storeu_ps(p, ((1u32 << n) - 1) as u16, v) }
        }
        #[inline(always)]
        unsafe fn add(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn if_gt(a: __m512, b: __m512, x: __m512, y: __m512) -> __m512 {
            unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), y, x) }
        }
        #[inline(always)]
        unsafe fn if_eq(a: __m512, b: __m512, x: __m512) -> __m512 {
            unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b), x) }
        }
        #[inline(always)]
        unsafe fn of_group<const G: usize, const K: usize>(v: __m512) -> __m512 {
            unsafe {
                match (G, K) {
                    (2, 0) => _mm512_permute_ps::<0b10_10_00_00>(v),
                    (2, _) => _mm512_permute_ps::<0b11_11_01_01>(v),
                    (_, 0) => _mm512_permute_ps::<0b00_00_00_00>(v),
                    (_, 1) => _mm512_permute_ps::<0b01_01_01_01>(v),
                    (_, 2) => _mm512_permute_ps::<0b10_10_10_10>(v),
                    _ => _mm512_permute_ps::<0b11_11_11_11>(v),
                }
            }
        }
        #[inline(always)]
        unsafe fn max(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_max_ps(a, b) }
        }
    }
}

#[cfg(target_arch = "aarch64")]
pub(crate) use arm::Neon;

#[cfg(target_arch = "aarch64")]
mod arm {
    use std::arch::aarch64::*;

    use super::Simd;

    #[derive(Clone, Copy)]
    pub(crate) struct Neon;

    impl Simd for Neon {
        type V = float32x4_t;
        const LANES: usize = 4;
        #[inline(always)]
        unsafe fn splat(x: f32) -> float32x4_t {
            unsafe { vdupq_n_f32(x) }
        }
        #[inline(always)]
        unsafe fn load(p: *const f32) -> float32x4_t {
            unsafe { vld1q_f32(p) }
        }
        #[inline(always)]
        unsafe fn store(p: *mut f32, v: float32x4_t) {
            unsafe { vst1q_f32(p, v) }
        }
        #[inline(always)]
        unsafe fn load_partial(p: *const f32, n: usize) -> float32x4_t {
            let mut t = [0.0f32; 4];
            unsafe {
                std::ptr::copy_nonoverlapping(p, t.as_mut_ptr(), n);
                vld1q_f32(t.as_ptr())
            }
        }
        #[inline(always)]
        unsafe fn store_partial(p: *mut f32, v: float32x4_t, n: usize) {
            let mut t = [0.0f32; 4];
            unsafe {
                vst1q_f32(t.as_mut_ptr(), v);
                std::ptr::copy_nonoverlapping(t.as_ptr(), p, n);
            }
        }
        #[inline(always)]
        unsafe fn add(a: float32x4_t, b: float32x4_t) -> float32x4_t {
            unsafe { vaddq_f32(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: float32x4_t, b: float32x4_t) -> float32x4_t {
            unsafe { vsubq_f32(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: float32x4_t, b: float32x4_t) -> float32x4_t {
            unsafe { vmulq_f32(a, b) }
        }
        #[inline(always)]
        unsafe fn fma(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
            unsafe { vfmaq_f32(c, a, b) }
        }
        #[inline(always)]
        unsafe fn if_gt(a: float32x4_t, b: float32x4_t, x: float32x4_t, y: float32x4_t) -> float32x4_t {
            unsafe { vbslq_f32(vcgtq_f32(a, b), x, y) }
        }
        #[inline(always)]
        unsafe fn if_eq(a: float32x4_t, b: float32x4_t, x: float32x4_t) -> float32x4_t {
            unsafe { vbslq_f32(vceqq_f32(a, b), x, vdupq_n_f32(0.0)) }
        }
        #[inline(always)]
        unsafe fn of_group<const G: usize, const K: usize>(v: float32x4_t) -> float32x4_t {
            unsafe {
                match (G, K) {
                    (2, 0) => vtrn1q_f32(v, v),
                    (2, _) => vtrn2q_f32(v, v),
                    (_, 0) => vdupq_laneq_f32::<0>(v),
                    (_, 1) => vdupq_laneq_f32::<1>(v),
                    (_, 2) => vdupq_laneq_f32::<2>(v),
                    _ => vdupq_laneq_f32::<3>(v),
                }
            }
        }
    }
}

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
