//! How a data set is to be read, and what is said where there is none.

use std::path::{Path, PathBuf};

use super::DataError;
use super::statistics::Normalisation;

/// How to read what is found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenOptions {
    /// For sets without a test split: which pictures are held out (stream `hold_out`).
    pub seed: u64,
    /// For folders of pictures: `Some(side)` scales each picture's shorter side to `side` and takes the middle square;
    /// `None` refuses pictures that are not all of one size.
    pub size: Option<u32>,
    /// Mean and deviation of the pixels by channel, from 0 to 1, whatever those of the pictures are; empty: those of the set.
    pub mean: Vec<f32>,
    pub deviation: Vec<f32>,
    /// For folders of pictures: one that takes more bytes decoded stays in its files. `None`: 512 MiB.
    pub memory: Option<u64>,
    /// For folders of pictures: whether one is read into memory, whatever it takes, as it was another time.
    pub kept: Option<bool>,
    /// Where to keep what was found out about large folders of pictures, so that it need not be found out again.
    pub cache: Option<PathBuf>,
    /// Bytes that decoded pictures of all sets together may take there.
    pub decoded: u64,
}

impl OpenOptions {
    /// Refuses a mean or deviation that was given by hand and is not of so many channels.
    ///
    /// # Errors
    /// It is not.
    pub(super) fn check_normalisation(&self, channels: usize) -> Result<(), DataError> {
        for (name, values) in [("data.mean", &self.mean), ("data.deviation", &self.deviation)] {
            let sound = |v: &f32| v.is_finite() && (name == "data.mean" || *v > 0.0);
            if !values.is_empty() && (values.len() != channels || !values.iter().all(sound)) {
                let are = if channels == 1 { "grey, with 1 channel" } else { "colour, with 3 channels" };
                let reason = format!("the pictures are {are}: give as many finite numbers, deviations above 0");
                return Err(DataError::Setting { name, value: format!("{values:?}"), reason });
            }
        }
        Ok(())
    }

    /// Mean and deviation, where both were given by hand.
    pub(super) fn normalisation(&self) -> Option<Normalisation> {
        let both = !self.mean.is_empty() && !self.deviation.is_empty();
        both.then(|| Normalisation { mean: self.mean.clone(), std: self.deviation.clone() })
    }
}

pub(super) const READ: &str = "IDX files (MNIST family), CIFAR-10 or CIFAR-100 (binary or python version), ImageNet16-120, \
                    and folders with one folder of PNG, JPEG, WebP or BMP pictures per class are read";

pub(super) fn nothing_found(folder: &Path) -> DataError {
    unrecognised(folder, format!("no data set was found in this folder; {READ}"))
}

pub(super) fn unrecognised(path: &Path, found: String) -> DataError {
    DataError::Unrecognised { path: path.to_owned(), found }
}
