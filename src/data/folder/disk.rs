//! A set of pictures that is too large to be held in memory decoded: each is read when it is used.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rayon::prelude::*;

use super::known::Known;
use super::{Files, in_order};
use crate::data::fingerprint::{self, Hash};
use crate::data::memory::{Description, fingerprint_start, unbalanced};
use crate::data::picture::{self, Shape};
use crate::data::source::{open_regular, read_start};
use crate::data::statistics::{Histogram, Normalisation};
use crate::data::{DataError, Dataset, Split, Summary};
use crate::random::{fnv1a, fnv1a_from};

/// Pictures that are decoded together for mean and deviation.
const PART: usize = 512;
/// Pictures of each split whose files go into the fingerprint, evenly spaced, and how much of each.
const FINGERPRINT_SAMPLE: usize = 256;
const FINGERPRINT_BYTES: u64 = 1 << 20;

/// The files of a set.
pub(super) struct Listed {
    root: PathBuf,
    pub train: Files,
    pub test: Files,
    hashes: OnceLock<[Hash; 3]>,
}

impl Listed {
    pub fn new(root: &Path, train: Files, test: Files) -> Listed {
        Listed { root: root.to_owned(), train, test, hashes: OnceLock::new() }
    }

    /// Of sizes and times of all files, and the contents of some: to read all would not be cheap. A file that cannot be read
    /// counts as an empty one; it is an error when it is used. Looked at once.
    fn hashes(&self) -> &[Hash; 3] {
        self.hashes.get_or_init(|| {
            let [mut sizes, mut times, mut contents] = [Hash::new(), Hash::new(), Hash::new()];
            for Files { paths, .. } in [&self.train, &self.test] {
                let about = |index| match paths.get(index).map(std::fs::metadata) {
                    Some(Ok(about)) => (about.len(), about.mtime(), about.mtime_nsec()),
                    _ => (0, 0, 0),
                };
                let about: Vec<(u64, i64, i64)> = (0..paths.len()).into_par_iter().map(about).collect();
                for (size, seconds, nanoseconds) in about {
                    sizes.update(&size.to_le_bytes());
                    times.update(&seconds.to_le_bytes());
                    times.update(&nanoseconds.to_le_bytes());
                }
                let stride = paths.len().div_ceil(FINGERPRINT_SAMPLE).max(1);
                for path in (0..paths.len()).step_by(stride).filter_map(|index| paths.get(index)) {
                    let start = open_regular(&path).and_then(|file| read_start(&path, file, FINGERPRINT_BYTES));
                    contents.update(&start.unwrap_or_default());
                    contents.update(&[0]);
                }
            }
            [sizes, times, contents]
        })
    }

    /// Names, below the folder of the set, and labels of all files.
    fn of_names(&self, start: u64) -> u64 {
        let mut hash = start;
        for files in [&self.train, &self.test] {
            for (path, label) in files.paths.iter().zip(&files.labels) {
                let name = path.strip_prefix(&self.root).unwrap_or(&path).as_os_str().as_encoded_bytes();
                hash = fnv1a_from(fnv1a_from(hash, name), &label.to_le_bytes());
            }
        }
        hash
    }

    fn fingerprint(&self, start: u64) -> String {
        let [sizes, times, contents] = self.hashes();
        fingerprint::of_files(self.of_names(start), sizes, times, contents)
    }

    /// What tells these files from others, before anything is known of the pictures in them.
    pub fn key(&self) -> String {
        self.fingerprint(fnv1a(b"files"))
    }
}

/// A set that is too large to be held in memory decoded.
pub(super) struct OnDisk {
    summary: Summary,
    shape: Shape,
    files: Listed,
    fingerprint: OnceLock<String>,
    /// Mean and deviation are those of the pictures.
    pub counted: bool,
}

/// Mean and deviation of pictures, each decoded once and none kept.
fn counted(files: &Files, shape: Shape) -> Result<Normalisation, DataError> {
    let mut histogram = Histogram::new(shape.channels);
    // Only the counts of each picture are kept: the pictures themselves may be large.
    let counts = |index| {
        let mut histogram = Histogram::new(shape.channels);
        histogram.add(&picture::decode(&files.paths.get(index).unwrap_or_default(), shape)?);
        Ok(histogram)
    };
    let count = files.paths.len();
    for start in (0..count).step_by(PART) {
        let part = (start..count.min(start + PART)).into_par_iter().map(counts).collect();
        in_order(part)?.iter().for_each(|counts| histogram.merge(counts));
    }
    Ok(histogram.normalisation())
}

impl OnDisk {
    /// `bytes`: what the set would take decoded, and what it may.
    pub fn new(
        files: Listed,
        about: Description,
        shape: Shape,
        known: Option<&Known>,
        bytes: (u64, u64),
    ) -> Result<Self, DataError> {
        let counts = about.normalisation.is_none();
        let mut found = about.found;
        found.normalisation = "of all training pictures".into();
        found.fingerprint = "names, sizes and times of all files, and the contents of up to 256 a split";
        found.memory = format!(
            "they stay in their files, and are decoded when they are used: they would take {} MiB, and data.memory allows {}",
            bytes.0.div_ceil(1 << 20),
            bytes.1 >> 20
        );
        let normalisation = match (about.normalisation, known) {
            (Some(given), _) => given,
            (None, Some(known)) if known.mean.len() == about.channels => {
                Normalisation { mean: known.mean.clone(), std: known.deviation.clone() }
            }
            _ => counted(&files.train, shape)?,
        };
        let mut notes: Vec<String> = Some(about.note).filter(|note| !note.is_empty()).into_iter().collect();
        notes.extend(unbalanced(&files.train.labels, &about.class_names));
        let summary = Summary {
            name: about.name,
            kind: about.kind,
            location: about.location,
            height: about.height,
            width: about.width,
            channels: about.channels,
            class_names: about.class_names,
            train: files.train.paths.len(),
            test: files.test.paths.len(),
            mean: normalisation.mean,
            std: normalisation.std,
            note: notes.join("; "),
            found,
        };
        Ok(OnDisk { summary, shape, files, fingerprint: OnceLock::new(), counted: counts })
    }

    fn part(&self, split: Split) -> &Files {
        match split {
            Split::Train => &self.files.train,
            Split::Test => &self.files.test,
        }
    }
}

impl Dataset for OnDisk {
    fn summary(&self) -> &Summary {
        &self.summary
    }

    fn pixels(&self, split: Split, index: usize, out: &mut Vec<u8>) -> Result<(), DataError> {
        let paths = &self.part(split).paths;
        let path = paths.get(index).ok_or(DataError::OutOfRange { split, index, len: paths.len() })?;
        *out = picture::decode(&path, self.shape)?;
        Ok(())
    }

    fn label(&self, split: Split, index: usize) -> usize {
        self.part(split).labels[index] as usize
    }

    fn is_slow(&self) -> bool {
        true
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.get_or_init(|| self.files.fingerprint(fingerprint_start(&self.summary))).clone()
    }
}
