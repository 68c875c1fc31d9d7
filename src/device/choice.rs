//! Which device a run asks for.

use std::fmt;
use std::str::FromStr;

/// `auto`, `cpu`, `cuda` or `cuda:N`, where N counts the GPUs that `CUDA_VISIBLE_DEVICES` leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// A GPU where this build can use one and there is one, else the CPU.
    #[default]
    Auto,
    Cpu,
    /// This GPU, or the one with most free memory. Where it can't be used, that is an error.
    Cuda {
        ordinal: Option<usize>,
    },
}

/// More GPUs than a machine has.
const MOST: usize = 1024;

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Choice, String> {
        match text {
            "auto" => Ok(Choice::Auto),
            "cpu" => Ok(Choice::Cpu),
            "cuda" => Ok(Choice::Cuda { ordinal: None }),
            _ => match text.strip_prefix("cuda:").map(str::parse::<usize>) {
                Some(Ok(n)) if n < MOST => Ok(Choice::Cuda { ordinal: Some(n) }),
                _ => Err("give it as auto, cpu, cuda or cuda:N, as in cuda:0".into()),
            },
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Auto => f.write_str("auto"),
            Choice::Cpu => f.write_str("cpu"),
            Choice::Cuda { ordinal: None } => f.write_str("cuda"),
            Choice::Cuda { ordinal: Some(n) } => write!(f, "cuda:{n}"),
        }
    }
}

crate::words::by_text!(Choice);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for text in ["auto", "cpu", "cuda", "cuda:0", "cuda:15"] {
            assert_eq!(text.parse::<Choice>().unwrap().to_string(), text);
        }
        for bad in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "cuda:99999999999999999999", "CUDA", "cuda:1024"] {
            assert!(bad.parse::<Choice>().unwrap_err().contains("cuda:0"), "{bad}");
        }
    }
}
