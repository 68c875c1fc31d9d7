//! Zonas (Zero-One-shot NAS): score every operation of a DARTS supernet without training, cut the search space, and run a
//! one-shot search on what is left. After *Half Search Space is All You Need* (arXiv 2505.13586).
//!
//! The floors, lowest first; a module uses only those below it:
//! [`random`], [`space`], [`statistics`] → [`data`], [`device`], [`kernels`], [`truth`] → [`nn`] → [`proxies`], [`oneshot`], [`run`] →
//! [`engine`] → [`study`] → [`explorer`] → [`export`] → [`cli`].

pub mod cli;
mod clock;
mod complaint;
pub mod data;
pub mod device;
pub mod engine;
pub mod explorer;
pub mod export;
pub mod kernels;
mod nearest;
pub mod nn;
pub mod oneshot;
pub mod proxies;
pub mod random;
pub mod run;
pub mod space;
pub mod statistics;
pub mod study;
pub mod text;
pub mod truth;
mod words;
