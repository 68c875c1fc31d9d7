//! The tests that choose the instruction set of the kernels, which is the process's: a program of their own, one such test
//! at a time.

mod dense;
mod gpu;
mod kernels;
mod proxies;
mod reference;

use std::sync::{Mutex, PoisonError};

use zonas::kernels::{Level, set_level};

/// Runs a test at those of these instruction sets that this processor has; the best stays chosen.
fn at_levels(levels: &[Level], test: impl Fn()) {
    static ONE: Mutex<()> = Mutex::new(());
    let _held = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    for level in Level::available().into_iter().filter(|l| levels.contains(l)) {
        assert!(set_level(level));
        println!("{}", level.name());
        test();
    }
}
