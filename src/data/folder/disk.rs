//! A set of pictures that is too large to be held in memory decoded: each is read when it is used.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{Files, in_order};
use crate::data::fingerprint::{self, Hash};
use crate::data::memory::{Description, fingerprint_start};
use crate::data::picture::{self, Shape};
use crate::data::source::{open_regular, read_start};
use crate::data::statistics::Histogram;
use crate::data::{DataError, Dataset, Split, Summary};
use crate::random::fnv1a_from;

/// Training pictures that mean and deviation are computed from, evenly spaced.
const SAMPLE: usize = 1024;
/// Pictures of each split whose files go into the fingerprint, evenly spaced, and how much of each.
const FINGERPRINT_SAMPLE: usize = 256;
const FINGERPRINT_BYTES: u64 = 1 << 20;

/// A set that is too large to be held in memory decoded.
pub(super) struct OnDisk {
    root: PathBuf,
    summary: Summary,
    shape: Shape,
    train: Files,
    test: Files,
}

impl OnDisk {
    pub fn new(root: &Path, about: Description, train: Files, test: Files, shape: Shape) -> Result<Self, DataError> {
        let stride = train.paths.len().div_ceil(SAMPLE).max(1);
        let sample: Vec<&PathBuf> = train.paths.iter().step_by(stride).collect();
        // Only the counts of each picture are kept: the pictures themselves may be large.
        let counts = |path: &&PathBuf| {
            let mut histogram = Histogram::new(about.channels);
            histogram.add(&picture::decode(path, shape)?);
            Ok(histogram)
        };
        let mut histogram = Histogram::new(about.channels);
        for part in sample.chunks(64) {
            in_order(part.par_iter().map(counts).collect())?.iter().for_each(|counts| histogram.merge(counts));
        }
        let mut found = about.found;
        found.normalisation = match sample.len() {
            n if n == train.paths.len() => "of all training pictures".into(),
            n => format!("of {n} training pictures, evenly spaced"),
        };
        found.fingerprint = "names, sizes and times of all files, and the contents of up to 256 a split";
        let normalisation = histogram.normalisation();
        let summary = Summary {
            name: about.name,
            kind: about.kind,
            location: about.location,
            height: about.height,
            width: about.width,
            channels: about.channels,
            class_names: about.class_names,
            train: train.paths.len(),
            test: test.paths.len(),
            mean: normalisation.mean,
            std: normalisation.std,
            note: about.note,
            found,
        };
        Ok(OnDisk { root: root.to_owned(), summary, shape, train, test })
    }

    fn part(&self, split: Split) -> &Files {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        }
    }

    /// Names and labels of all files: what fingerprints were of before they had more parts.
    fn of_names(&self) -> u64 {
        let mut hash = fingerprint_start(&self.summary);
        for split in [Split::Train, Split::Test] {
            let files = self.part(split);
            for (path, label) in files.paths.iter().zip(&files.labels) {
                let name = path.strip_prefix(&self.root).unwrap_or(path).as_os_str().as_encoded_bytes();
                hash = fnv1a_from(fnv1a_from(hash, name), &label.to_le_bytes());
            }
        }
        hash
    }
}

impl Dataset for OnDisk {
    fn summary(&self) -> &Summary {
        &self.summary
    }

    fn pixels(&self, split: Split, index: usize, out: &mut Vec<u8>) -> Result<(), DataError> {
        let paths = &self.part(split).paths;
        let path = paths.get(index).ok_or(DataError::OutOfRange { split, index, len: paths.len() })?;
        *out = picture::decode(path, self.shape)?;
        Ok(())
    }

    fn label(&self, split: Split, index: usize) -> usize {
        self.part(split).labels[index] as usize
    }

    /// Of names, sizes and times of all files, and the contents of some: to read all would not be cheap. A file that
    /// cannot be read counts as an empty one; it is an error when it is used.
    fn fingerprint(&self) -> String {
        let (mut sizes, mut times, mut contents) = (Hash::new(), Hash::new(), Hash::new());
        for split in [Split::Train, Split::Test] {
            let paths = &self.part(split).paths;
            let about: Vec<(u64, i64, i64)> = paths
                .par_iter()
                .map(|path| std::fs::metadata(path).map_or((0, 0, 0), |a| (a.len(), a.mtime(), a.mtime_nsec())))
                .collect();
            for (size, seconds, nanoseconds) in about {
                sizes.update(&size.to_le_bytes());
                times.update(&seconds.to_le_bytes());
                times.update(&nanoseconds.to_le_bytes());
            }
            let stride = paths.len().div_ceil(FINGERPRINT_SAMPLE).max(1);
            for path in paths.iter().step_by(stride) {
                let start = open_regular(path).and_then(|file| read_start(path, file, FINGERPRINT_BYTES));
                contents.update(&start.unwrap_or_default());
                contents.update(&[0]);
            }
        }
        fingerprint::of_files(self.of_names(), sizes, times, contents)
    }
}
