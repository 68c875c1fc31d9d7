//! 64-bit ARM: NEON.

use std::arch::aarch64::*;

use super::Simd;

#[derive(Clone, Copy)]
pub(crate) struct Neon;

impl Simd for Neon {
    type V = float32x4_t;
    const LANES: usize = 4;
    const FAST: bool = true;
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
