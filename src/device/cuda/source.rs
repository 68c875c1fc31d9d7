//! The text of kernels, before it is compiled.

/// CUDA C++ as text: no includes, kernels as `extern "C" __global__`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// For messages.
    pub name: &'static str,
    pub text: &'static str,
    /// Names that stand for numbers in the text.
    pub defines: &'static [(&'static str, u32)],
}
