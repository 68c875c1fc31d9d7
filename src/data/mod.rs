//! Image data sets: one trait for all, the formats they come in, augmentation, seeded splits, and batches made ahead of
//! use on another thread.
//!
//! Everything random here is drawn from streams of [`crate::random`] keyed by what it is for and by picture, so results
//! depend neither on threads nor on how far ahead batches are made.

mod archive;
mod augment;
mod batch;
mod batches;
mod bmp;
mod cifar;
mod decoders;
mod embedded;
mod error;
mod fashion_mnist;
mod fingerprint;
mod folder;
mod found;
mod given;
mod idx;
mod imagenet16;
mod jpeg;
mod loader;
mod memory;
mod open;
mod options;
mod pickle;
mod picture;
mod png;
mod role;
mod source;
mod split;
mod statistics;
mod webp;

use std::fmt;

pub use augment::Augment;
pub use batch::{Batch, ScoringBatch, scoring_batch};
pub use error::{DataError, Place};
pub use fingerprint::{difference, was_in_memory};
pub use found::{Found, Sizes, Skipped};
pub use loader::{Loader, Plan};
pub use open::open;
pub use options::OpenOptions;
pub use split::{Halves, Shares, check_batch, halves, limited};

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    Train,
    Test,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Split::Train => "train",
            Split::Test => "test",
        })
    }
}

/// The format that a data set was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// In the program itself.
    Embedded,
    Idx,
    Cifar10Binary,
    Cifar10Python,
    Cifar100Binary,
    Cifar100Python,
    ImageNet16,
    /// One folder of PNG, JPEG, WebP or BMP pictures per class.
    ImageFolder,
}

impl Kind {
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Embedded => "embedded",
            Kind::Idx => "IDX files",
            Kind::Cifar10Binary => "CIFAR-10, binary version",
            Kind::Cifar10Python => "CIFAR-10, python version",
            Kind::Cifar100Binary => "CIFAR-100, binary version",
            Kind::Cifar100Python => "CIFAR-100, python version",
            Kind::ImageNet16 => "ImageNet16-120, pickles",
            Kind::ImageFolder => "folder of pictures",
        }
    }
}

/// What a data set is.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// "Fashion-MNIST subset (embedded)", "CIFAR-10", …
    pub name: String,
    pub kind: Kind,
    /// Path it was found at; "the program" for the embedded set.
    pub location: String,
    pub height: usize,
    pub width: usize,
    /// 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// In the order of the labels.
    pub class_names: Vec<String>,
    /// Number of pictures.
    pub train: usize,
    pub test: usize,
    /// Mean of the training pixels by channel, with pixels scaled to 0..=1.
    pub mean: Vec<f32>,
    /// Their standard deviation; never 0.
    pub std: Vec<f32>,
    /// Anything else worth knowing about how the set was read, as clauses with `; ` between them; empty if there is
    /// nothing.
    pub note: String,
    /// What was seen while it was read, in detail.
    pub found: Found,
}

impl Summary {
    pub fn classes(&self) -> usize {
        self.class_names.len()
    }

    pub fn len(&self, split: Split) -> usize {
        match split {
            Split::Train => self.train,
            Split::Test => self.test,
        }
    }

    /// Bytes of one picture, height x width x channels.
    pub fn picture_bytes(&self) -> usize {
        self.height * self.width * self.channels
    }
}

/// One sentence that says what was found.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        if self.kind != Kind::Embedded {
            // "CIFAR-10 (binary version in …)", not the name twice.
            let kind = self.kind.name();
            let kind = kind.strip_prefix(&self.name).map_or(kind, |rest| rest.trim_start_matches(", "));
            write!(f, " ({kind} in {})", self.location)?;
        }
        write!(
            f,
            ": {} training and {} test pictures of {}x{}, {}, {} classes",
            self.train,
            self.test,
            self.height,
            self.width,
            if self.channels == 1 { "grey" } else { "colour" },
            self.classes(),
        )?;
        [&self.note, &self.found.memory]
            .into_iter()
            .filter(|text| !text.is_empty())
            .try_for_each(|text| write!(f, "; {text}"))
    }
}

/// A labelled set of pictures of one size, with a training and a test part.
pub trait Dataset: Send + Sync {
    fn summary(&self) -> &Summary;

    /// Number of pictures of a split.
    fn len(&self, split: Split) -> usize {
        self.summary().len(split)
    }

    /// Replace `out` by the pixels of a picture, `[H, W, C]`.
    ///
    /// # Errors
    /// An index out of range; a picture of a folder that cannot be decoded.
    fn pixels(&self, split: Split, index: usize, out: &mut Vec<u8>) -> Result<(), DataError>;

    /// Class of a picture, below `summary().classes()`.
    ///
    /// # Panics
    /// If `index` is not below `len(split)`.
    fn label(&self, split: Split, index: usize) -> usize;

    /// Whether pictures are decoded while they are used, so that several threads should do it.
    fn is_slow(&self) -> bool {
        false
    }

    /// Some digits that tell whether this is the same data as another time, whatever place and format it came from; to be
    /// compared by [`difference`]. Every pixel and label of a set in memory; of sets too large for that, names, sizes and
    /// times of the files and some of their contents, since to read all would not be cheap.
    fn fingerprint(&self) -> String;
}
