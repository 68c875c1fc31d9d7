//! How a data set is to be read, and what is said where there is none.

use std::path::Path;

use super::DataError;

/// How to read what is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// For sets without a test split: which pictures are held out (stream `hold_out`).
    pub seed: u64,
    /// For folders of pictures: `Some(side)` scales each picture's shorter side to `side` and takes the middle square;
    /// `None` refuses pictures that are not all of one size.
    pub size: Option<u32>,
}

pub(super) const READ: &str = "IDX files (MNIST family), CIFAR-10 or CIFAR-100 (binary or python version), ImageNet16-120, \
                    and folders with one folder of PNG or JPEG pictures per class are read";

pub(super) fn nothing_found(folder: &Path) -> DataError {
    unrecognised(folder, format!("no data set was found in this folder; {READ}"))
}

pub(super) fn unrecognised(path: &Path, found: String) -> DataError {
    DataError::Unrecognised { path: path.to_owned(), found }
}
