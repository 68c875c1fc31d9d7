//! Why there is no GPU to work on, as a sentence with what to do.

use std::fmt::Write;

/// The oldest CUDA whose driver has all that is called: pools of memory that tell their peak, and the identity of a slice.
pub const LEAST_DRIVER: Version = Version { major: 11, minor: 4 };

/// The oldest compute capability that the kernels are compiled for.
pub const LEAST_CAPABILITY: Version = Version { major: 7, minor: 0 };

/// Of CUDA, or of a GPU's abilities (its compute capability).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoGpu {
    #[error("this build has no CUDA; `cargo build --release --features cuda` makes one that has")]
    NotBuilt,
    #[error("NVIDIA's driver is not installed here, or not to be found: {0}")]
    NoDriver(String),
    #[error("NVIDIA's driver is too old: {0}; {LEAST_DRIVER} or newer is needed")]
    OldDriver(String),
    #[error("NVIDIA's driver does not start: {0}")]
    NotStarted(String),
    #[error("NVIDIA's driver shows no GPU{}", seen_through(.0.as_deref()))]
    NoDevice(Option<String>),
    #[error("there is no cuda:{ordinal}: {} to be seen{}", gpus(*.count), seen_through(.visible.as_deref()))]
    NoSuch { ordinal: usize, count: usize, visible: Option<String> },
    #[error("{name} has compute capability {capability}; {LEAST_CAPABILITY} or newer is needed (Volta, 2017)")]
    OldDevice { name: String, capability: Version },
    #[error(
        "{name} is in use by another program that has it for itself (its compute mode is exclusive, or prohibited)"
    )]
    Busy { name: String },
    #[error("{name} can't be used: {reason}")]
    Unusable { name: String, reason: String },
    #[error("none of the {} GPUs can be used: {}", .0.len(), each(.0))]
    NoneUsable(Vec<NoGpu>),
}

fn seen_through(set: Option<&str>) -> String {
    set.map_or(String::new(), |v| format!(" (CUDA_VISIBLE_DEVICES is `{v}`)"))
}

fn gpus(n: usize) -> String {
    if n == 1 { "one GPU is".into() } else { format!("{n} GPUs are") }
}

fn each(all: &[NoGpu]) -> String {
    all.iter().enumerate().fold(String::new(), |mut told, (i, e)| {
        let _ = write!(told, "{}cuda:{i}: {e}", if i > 0 { "; " } else { "" });
        told
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_a_sentence() {
        let old = |name: &str| NoGpu::OldDevice { name: name.into(), capability: Version { major: 6, minor: 1 } };
        let text = NoGpu::NoSuch { ordinal: 3, count: 1, visible: Some("2".into()) }.to_string();
        assert_eq!(text, "there is no cuda:3: one GPU is to be seen (CUDA_VISIBLE_DEVICES is `2`)");
        let text = NoGpu::NoneUsable(vec![old("A"), NoGpu::Busy { name: "B".into() }]).to_string();
        assert!(
            text.starts_with("none of the 2 GPUs can be used: cuda:0: A has compute capability 6.1; 7.0"),
            "{text}"
        );
        assert!(text.contains("cuda:1: B is in use"), "{text}");
        assert_eq!(NoGpu::NoDevice(None).to_string(), "NVIDIA's driver shows no GPU");
    }
}
