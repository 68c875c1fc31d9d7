//! The catalogue of operations: names, letters for tables, and what each computes. A search space takes its candidates
//! from it.

use std::fmt;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::nearest::nearest;

/// What an operation computes, at the stride of its edge. `window` is a side in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compute {
    /// Zeros: as if the edge were not there.
    Zero,
    MaxPool {
        window: usize,
    },
    /// Padding is not counted.
    AveragePool {
        window: usize,
    },
    /// The input; at stride 2 FactorizedReduce (ReLU, two 1x1 convolutions of shifted pixels, norm).
    Identity,
    /// N(0, 1) of the output's shape, drawn anew for every pass; nothing of the input, and no gradient to it.
    Noise,
    /// ReLU, depthwise convolution, 1x1 convolution, norm, `halves` times; the stride is the first half's.
    Separable {
        window: usize,
        dilation: usize,
        halves: usize,
    },
    /// ReLU, dense convolution, norm. Its weights have a bias where the norm has no scale and shift.
    Dense {
        window: usize,
    },
    /// ReLU, dense convolutions of `window` pixels of a row and then of a column, norm; each strides along its window.
    Factorised {
        window: usize,
    },
}

/// A row of the catalogue.
struct Row {
    operation: Operation,
    name: &'static str,
    short: &'static str,
    narrow: &'static str,
    compute: Compute,
}

macro_rules! catalogue {
    ($($(#[$doc:meta])* $variant:ident $name:literal $short:literal $narrow:literal $compute:expr;)*) => {
        /// A candidate operation. Their order is that of the catalogue; which of them stand in which column of the alphas
        /// says the [`Space`](super::Space).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation {
            $($(#[$doc])* $variant,)*
        }

        const CATALOGUE: &[Row] = &[
            $(Row { operation: Operation::$variant, name: $name, short: $short, narrow: $narrow, compute: $compute },)*
        ];
    };
}

catalogue! {
    None        "none"         "none" "non" Compute::Zero;
    MaxPool3x3  "max_pool_3x3" "max3" "max" Compute::MaxPool { window: 3 };
    AvgPool3x3  "avg_pool_3x3" "avg3" "avg" Compute::AveragePool { window: 3 };
    SkipConnect "skip_connect" "skip" "skp" Compute::Identity;
    SepConv3x3  "sep_conv_3x3" "sep3" "sp3" Compute::Separable { window: 3, dilation: 1, halves: 2 };
    SepConv5x5  "sep_conv_5x5" "sep5" "sp5" Compute::Separable { window: 5, dilation: 1, halves: 2 };
    DilConv3x3  "dil_conv_3x3" "dil3" "dl3" Compute::Separable { window: 3, dilation: 2, halves: 1 };
    DilConv5x5  "dil_conv_5x5" "dil5" "dl5" Compute::Separable { window: 5, dilation: 2, halves: 1 };
    Noise       "noise"        "nois" "noi" Compute::Noise;
    NorConv1x1  "nor_conv_1x1" "nor1" "nc1" Compute::Dense { window: 1 };
    NorConv3x3  "nor_conv_3x3" "nor3" "nc3" Compute::Dense { window: 3 };
    SepConv7x7  "sep_conv_7x7" "sep7" "sp7" Compute::Separable { window: 7, dilation: 1, halves: 2 };
    MaxPool5x5  "max_pool_5x5" "max5" "mx5" Compute::MaxPool { window: 5 };
    Conv1x1     "conv_1x1"     "con1" "cn1" Compute::Dense { window: 1 };
    Conv7x1_1x7 "conv_7x1_1x7" "con7" "cn7" Compute::Factorised { window: 7 };
}

impl Operation {
    /// All that are built, in the order of the catalogue.
    pub fn catalogue() -> impl DoubleEndedIterator<Item = Operation> + ExactSizeIterator {
        CATALOGUE.iter().map(|row| row.operation)
    }

    const fn row(self) -> &'static Row {
        &CATALOGUE[self as usize]
    }

    /// The name that published code uses, `sep_conv_3x3` and so on.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// Four letters, for columns of a table.
    pub const fn short(self) -> &'static str {
        self.row().short
    }

    /// Three letters, for narrow columns.
    pub const fn narrow(self) -> &'static str {
        self.row().narrow
    }

    pub const fn compute(self) -> Compute {
        self.row().compute
    }

    /// Whether its name or its four letters hold `part`, whatever the case: `sep`, `sep3`, `3x3`.
    pub fn is_called(self, part: &str) -> bool {
        let part = part.to_lowercase();
        self.name().contains(&part) || self.short().contains(&part)
    }

    /// Width of the (convolution or pooling) window in pixels; `None` where there is no window.
    pub const fn kernel(self) -> Option<usize> {
        match self.compute() {
            Compute::Zero | Compute::Noise | Compute::Identity => None,
            Compute::MaxPool { window }
            | Compute::AveragePool { window }
            | Compute::Separable { window, .. }
            | Compute::Dense { window }
            | Compute::Factorised { window } => Some(window),
        }
    }

    /// Whether the operation has weights at stride 1.
    pub const fn is_convolution(self) -> bool {
        matches!(self.compute(), Compute::Separable { .. } | Compute::Dense { .. } | Compute::Factorised { .. })
    }

    /// Rank by what an operation keeps for its backward pass, then by its arithmetic.
    pub(crate) const fn cost(self) -> usize {
        match self.compute() {
            Compute::Zero => 0,
            Compute::Identity => 1,
            Compute::Noise => 2,
            Compute::AveragePool { window } => 10 + window,
            Compute::MaxPool { window } => 100 + window,
            Compute::Dense { window } | Compute::Factorised { window } => 1000 + 100 * window,
            Compute::Separable { window, halves, .. } => 1000 * halves + window,
        }
    }

    /// Rank by parameters; where there are none, a strided skip connection comes before the pools.
    pub(crate) const fn weight(self) -> usize {
        match self.compute() {
            Compute::Zero | Compute::Noise => 0,
            Compute::AveragePool { .. } => 1,
            Compute::MaxPool { .. } => 2,
            Compute::Identity => 3,
            Compute::Separable { window, halves, .. } => 1000 * halves + window,
            Compute::Dense { window } => 10_000 * window * window,
            Compute::Factorised { window } => 10_000 * 2 * window,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name is none of the catalogue's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no operation `{name}`; the built ones are {}{}", names().collect::<Vec<_>>().join(", "), near.map_or(String::new(), |n| format!("; did you mean `{n}`?")))]
pub struct UnknownOperation {
    pub name: String,
    pub near: Option<&'static str>,
}

fn names() -> impl Iterator<Item = &'static str> {
    CATALOGUE.iter().map(|row| row.name)
}

impl FromStr for Operation {
    type Err = UnknownOperation;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let found = CATALOGUE.iter().find(|row| row.name == s || row.short == s);
        found.map(|row| row.operation).ok_or_else(|| UnknownOperation {
            name: s.chars().filter(|c| !c.is_control()).take(40).collect(),
            near: nearest(s, names()),
        })
    }
}

/// The name.
impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// The name or the four letters.
impl<'de> Deserialize<'de> for Operation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Operation, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        name.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_are_read_in_text_and_in_json() {
        for (i, o) in Operation::catalogue().enumerate() {
            assert_eq!((o as usize, o.short().len(), o.narrow().len()), (i, 4, 3));
            for name in [o.name(), o.short()] {
                assert_eq!(name.parse(), Ok(o));
                assert_eq!(serde_json::from_str::<Operation>(&format!("\"{name}\"")).unwrap(), o);
                assert!(o.is_called(name) && o.is_called(&name.to_uppercase()));
            }
            assert_eq!(serde_json::to_string(&o).unwrap(), format!("\"{}\"", o.name()));
        }
        assert!(Operation::SepConv3x3.is_called("conv_3") && !Operation::SepConv3x3.is_called("sep5"));
        assert!("sep_conv_3x4".parse::<Operation>().unwrap_err().to_string().contains("did you mean `sep_conv_3x3`"));
    }
}
