//! Why an engine could not go on, as sentences.

use std::path::PathBuf;

use crate::data::DataError;
use crate::device::{Choice, NoGpu};
use crate::nn::NnError;
use crate::proxies::UnknownFunction;
use crate::run::FolderError;
use crate::run::checkpoint::CheckpointError;
use crate::run::config::ConfigError;
use crate::run::journal::WriteError;

/// Why an engine could not go on. Each is a sentence for a person.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("setting `score.functions`: {0}")]
    Function(#[from] UnknownFunction),
    #[error("device.kind = \"{asked}\": {reason}")]
    NoGpu { asked: Choice, reason: NoGpu },
    #[error(
        "device.precision = \"bf16\" is for a GPU, and this search would run on the CPU{}; set it to `float32`, or \
         device.kind to a GPU",
        .0.as_ref().map_or(String::new(), |why| format!(" ({why})"))
    )]
    NoPrecision(Option<NoGpu>),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Network(#[from] NnError),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Journal(#[from] WriteError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("the run is done; what it gave is in {}", .0.display())]
    Finished(PathBuf),
    #[error("the genotype can't be trained at this size: {0}")]
    Training(String),
    #[error("{0}")]
    TooLittle(String),
    #[error("the cut can't be searched: {0}")]
    Cut(String),
    /// The last good checkpoint is left as it was.
    #[error(
        "{what} is not finite in epoch {epoch}, step {step}, so the run stops; {} holds the last good checkpoint \
         (epoch {good_epoch}, step {good_step}); a lower {section}.learning_rate or {section}.clip may help",
        folder.display()
    )]
    NotFinite {
        what: &'static str,
        epoch: usize,
        step: usize,
        good_epoch: usize,
        good_step: usize,
        section: &'static str,
        folder: PathBuf,
    },
    #[error("the checkpoint in {} can't be used: {reason}", folder.display())]
    Resume { folder: PathBuf, reason: String },
    #[error(
        "the run can't go on as it began: {}; put that back, or go on regardless with --force (the result is then not \
         that of one run)",
        .0.join("; ")
    )]
    Changed(Vec<String>),
    #[error("another engine has taken over {}, because this one stood still for too long", .0.display())]
    Overtaken(PathBuf),
    /// While it waited for room on the disk.
    #[error("asked to leave while it waited: {0}")]
    LeftWaiting(String),
    #[error("the engine broke down: {0}; please report it")]
    Panic(String),
    #[error("{0} threads can't be started: {1}")]
    Threads(usize, rayon::ThreadPoolBuildError),
}

impl EngineError {
    /// Whether what was asked for is at fault (settings, data), not the machine or the program.
    pub fn is_bad_input(&self) -> bool {
        match self {
            EngineError::Config(_)
            | EngineError::Function(_)
            | EngineError::Data(_)
            | EngineError::Finished(_)
            | EngineError::Cut(_)
            | EngineError::Training(_)
            | EngineError::NoPrecision(_)
            | EngineError::Changed(_)
            | EngineError::Network(NnError::Config(_))
            | EngineError::NoGpu { reason: NoGpu::NotBuilt | NoGpu::NoSuch { .. }, .. } => true,
            EngineError::Folder(e) => !matches!(e, FolderError::Io { .. }),
            _ => false,
        }
    }
}

impl EngineError {
    /// What failed, if it was a file that may be written later: the disk may get room again, a network file system may
    /// come back.
    pub(super) fn passing(&self) -> Option<String> {
        use std::io::ErrorKind as Kind;
        let source = match self {
            EngineError::Journal(e) => &e.source,
            EngineError::Folder(FolderError::Io { source, .. })
            | EngineError::Checkpoint(CheckpointError::Io { source, .. }) => source,
            _ => return None,
        };
        let passes = matches!(
            source.kind(),
            Kind::StorageFull
                | Kind::QuotaExceeded
                | Kind::FileTooLarge
                | Kind::ReadOnlyFilesystem
                | Kind::PermissionDenied
                | Kind::StaleNetworkFileHandle
                | Kind::TimedOut
                | Kind::HostUnreachable
                | Kind::NetworkUnreachable
                | Kind::NetworkDown
        );
        passes.then(|| self.to_string())
    }
}

impl From<candle_core::Error> for EngineError {
    fn from(e: candle_core::Error) -> Self {
        EngineError::Network(e.into())
    }
}
