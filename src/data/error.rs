//! What can be wrong with data, as sentences that say where and what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::Split;

/// What is wrong with data, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("no such data: {} does not exist; give `embedded`, or the path of a file or folder", .path.display())]
    NotFound { path: PathBuf },

    #[error("cannot read {}: {source}", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },

    /// Nothing that Zonas knows how to read; `found` says what is there instead, and what to do.
    #[error("{}: {found}", .path.display())]
    Unrecognised { path: PathBuf, found: String },

    /// A file that is torn, short, mislabelled or hostile.
    #[error("{place}: {reason}")]
    Invalid { place: Place, reason: String },

    #[error(
        "{}: a class folder without pictures; put PNG, JPEG, WebP or BMP pictures there or remove the folder",
        .folder.display()
    )]
    EmptyClass { folder: PathBuf },

    /// Fewer pictures than a batch.
    #[error(
        "{what}: {have} pictures are fewer than a batch of {need}; make it smaller ({setting}) or take more pictures"
    )]
    TooFew { what: String, setting: &'static str, have: usize, need: usize },

    /// A setting that makes no sense for this data.
    #[error("{name} = {value}: {reason}")]
    Setting { name: &'static str, value: String, reason: String },

    #[error("there is no picture {index} among the {len} of the {split} split")]
    OutOfRange { split: Split, index: usize, len: usize },

    /// The thread that makes batches could not be started, or died.
    #[error("the thread that makes batches ahead {reason}")]
    Worker { reason: String },
}

impl DataError {
    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound => DataError::NotFound { path: path.to_owned() },
            _ => DataError::Read { path: path.to_owned(), source },
        }
    }
}

/// Where in a data set something is: a file, an entry of an archive, a byte offset in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: PathBuf,
    /// Name inside the archive `file`.
    pub entry: Option<String>,
    /// Bytes from the beginning of the (uncompressed) file or entry.
    pub offset: Option<u64>,
}

impl Place {
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Place { file: path.into(), entry: None, offset: None }
    }

    pub fn entry(path: impl Into<PathBuf>, entry: impl Into<String>) -> Self {
        Place { file: path.into(), entry: Some(entry.into()), offset: None }
    }

    /// The same file or entry, at a byte offset.
    pub fn at(&self, offset: u64) -> Self {
        Place { offset: Some(offset), ..self.clone() }
    }

    pub(super) fn invalid(&self, reason: impl Into<String>) -> DataError {
        DataError::Invalid { place: self.clone(), reason: reason.into() }
    }

    /// An error while reading: what a decompressor finds wrong is the file's fault, the rest is the system's.
    pub(super) fn reading(&self, source: io::Error) -> DataError {
        use io::ErrorKind::{FileTooLarge, InvalidData, InvalidInput, Other, UnexpectedEof};
        match source.kind() {
            UnexpectedEof => self.invalid("the file is torn: it ends in the middle of its data; fetch it again"),
            FileTooLarge => self.invalid(source.to_string()),
            InvalidData | InvalidInput | Other => {
                self.invalid(format!("damaged data ({source}); fetch the file again"))
            }
            _ => DataError::read(&self.file, source),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(entry) = &self.entry {
            // The name comes from a file that may be hostile: escape control characters.
            write!(f, ", entry {}", entry.escape_debug())?;
        }
        if let Some(offset) = self.offset {
            write!(f, ", byte {offset}")?;
        }
        Ok(())
    }
}
