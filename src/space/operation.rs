//! The eight candidate operations.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How many candidate operations a mixed operation has.
pub const OPERATIONS: usize = 8;

/// One of the eight candidate operations of the DARTS space, in the order of the published code: the discriminant is the
/// column of the alpha tables and the index inside `_ops` of published checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    None = 0,
    #[serde(rename = "max_pool_3x3", alias = "max3")]
    MaxPool3x3 = 1,
    #[serde(rename = "avg_pool_3x3", alias = "avg3")]
    AvgPool3x3 = 2,
    #[serde(alias = "skip")]
    SkipConnect = 3,
    #[serde(rename = "sep_conv_3x3", alias = "sep3")]
    SepConv3x3 = 4,
    #[serde(rename = "sep_conv_5x5", alias = "sep5")]
    SepConv5x5 = 5,
    #[serde(rename = "dil_conv_3x3", alias = "dil3")]
    DilConv3x3 = 6,
    #[serde(rename = "dil_conv_5x5", alias = "dil5")]
    DilConv5x5 = 7,
}

impl Operation {
    pub const ALL: [Operation; OPERATIONS] = [
        Operation::None,
        Operation::MaxPool3x3,
        Operation::AvgPool3x3,
        Operation::SkipConnect,
        Operation::SepConv3x3,
        Operation::SepConv5x5,
        Operation::DilConv3x3,
        Operation::DilConv5x5,
    ];

    /// Column of the alpha tables.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name that published code uses, `sep_conv_3x3` and so on.
    pub const fn name(self) -> &'static str {
        match self {
            Operation::None => "none",
            Operation::MaxPool3x3 => "max_pool_3x3",
            Operation::AvgPool3x3 => "avg_pool_3x3",
            Operation::SkipConnect => "skip_connect",
            Operation::SepConv3x3 => "sep_conv_3x3",
            Operation::SepConv5x5 => "sep_conv_5x5",
            Operation::DilConv3x3 => "dil_conv_3x3",
            Operation::DilConv5x5 => "dil_conv_5x5",
        }
    }

    /// Four letters, for columns of a table.
    pub const fn short(self) -> &'static str {
        match self {
            Operation::None => "none",
            Operation::MaxPool3x3 => "max3",
            Operation::AvgPool3x3 => "avg3",
            Operation::SkipConnect => "skip",
            Operation::SepConv3x3 => "sep3",
            Operation::SepConv5x5 => "sep5",
            Operation::DilConv3x3 => "dil3",
            Operation::DilConv5x5 => "dil5",
        }
    }

    /// Whether its name or its four letters hold `part`, whatever the case: `sep`, `sep3`, `3x3`.
    pub fn is_called(self, part: &str) -> bool {
        let part = part.to_lowercase();
        self.name().contains(&part) || self.short().contains(&part)
    }

    /// Width of the (depthwise or pooling) window in pixels; `None` where there is no window.
    pub const fn kernel(self) -> Option<usize> {
        match self {
            Operation::None | Operation::SkipConnect => None,
            Operation::SepConv5x5 | Operation::DilConv5x5 => Some(5),
            _ => Some(3),
        }
    }

    /// Whether the operation has weights at stride 1.
    pub const fn is_convolution(self) -> bool {
        matches!(self, Operation::SepConv3x3 | Operation::SepConv5x5 | Operation::DilConv3x3 | Operation::DilConv5x5)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name is none of the eight.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a DARTS operation; the eight are {}", Operation::ALL.map(Operation::name).join(", "))]
pub struct UnknownOperation {
    pub name: String,
}

impl FromStr for Operation {
    type Err = UnknownOperation;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Operation::ALL
            .into_iter()
            .find(|o| o.name() == s || o.short() == s)
            .ok_or_else(|| UnknownOperation { name: s.chars().take(40).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_are_read_in_text_and_in_json() {
        for o in Operation::ALL {
            for name in [o.name(), o.short()] {
                assert_eq!(name.parse(), Ok(o));
                assert_eq!(serde_json::from_str::<Operation>(&format!("\"{name}\"")).unwrap(), o);
                assert!(o.is_called(name) && o.is_called(&name.to_uppercase()));
            }
            assert_eq!(serde_json::to_string(&o).unwrap(), format!("\"{}\"", o.name()));
        }
        assert!(Operation::SepConv3x3.is_called("conv_3") && !Operation::SepConv3x3.is_called("sep5"));
    }
}
