//! Arithmetic of the supernet on the CPU: serial routines over one image, channels last, written once over a small vector
//! trait and compiled for each instruction set that the processor may have. Networks, threads and memory are the business of
//! [`crate::nn`].
//!
//! All maps are `[H, W, C]`, depthwise weights `[k·k, C]`, pointwise weights `[C_in, C_out]`, dense weights `[k·k, C_in, C_out]`.

// Sizes, strides and buffers of a kernel are what they are.
#![allow(clippy::too_many_arguments)]

pub mod copy;
pub mod dense;
pub mod depthwise;
pub mod gpu;
pub mod matrix;
pub mod norm;
pub mod pool;
pub mod relu;
pub mod sgd;
mod simd;

pub use simd::{Level, level, set_level};
