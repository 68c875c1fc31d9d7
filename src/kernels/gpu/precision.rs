//! How kept maps lie in a GPU's memory: float32 or bfloat16.

/// How the maps between a cell's operations, which a backward pass needs again, lie in a GPU's memory. Arithmetic, nodes,
/// statistics, weights and their gradients are float32 whatever it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    #[default]
    Float32,
    /// The nearest bfloat16 to each number: eight bits of it instead of 24.
    Bf16,
}

impl Precision {
    pub const ALL: [Precision; 2] = [Precision::Float32, Precision::Bf16];

    /// Of a number.
    pub const fn bytes(self) -> usize {
        match self {
            Precision::Float32 => 4,
            Precision::Bf16 => 2,
        }
    }

    /// As settings have it.
    pub const fn name(self) -> &'static str {
        match self {
            Precision::Float32 => "float32",
            Precision::Bf16 => "bf16",
        }
    }

    /// What kernels are told.
    pub(super) fn narrow(self) -> i32 {
        i32::from(self == Precision::Bf16)
    }
}

crate::words::words!(Precision);
