//! Data sets whose pixels are all in memory.

use std::sync::OnceLock;

use super::fingerprint::{self, Hash};
use super::found::Found;
use super::statistics::{Histogram, Normalisation};
use super::{DataError, Dataset, Kind, Split, Summary};
use crate::random::{fnv1a, fnv1a_from};

/// Pictures of one split, `[N, H, W, C]`, with their classes.
#[derive(Clone, Debug, Default)]
pub(super) struct Pictures {
    pub pixels: Vec<u8>,
    pub labels: Vec<u32>,
}

impl Pictures {
    pub fn append(&mut self, mut other: Pictures) {
        self.pixels.append(&mut other.pixels);
        self.labels.append(&mut other.labels);
    }

    /// The pictures at `indices`, in that order.
    pub fn select(&self, indices: &[usize], picture_bytes: usize) -> Pictures {
        let mut chosen = Pictures::default();
        for &index in indices {
            chosen.pixels.extend_from_slice(&self.pixels[index * picture_bytes..(index + 1) * picture_bytes]);
            chosen.labels.push(self.labels[index]);
        }
        chosen
    }
}

/// What a reader knows of a set beside its pictures.
pub(super) struct Description {
    pub name: String,
    pub kind: Kind,
    pub location: String,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub class_names: Vec<String>,
    /// `None`: computed from the training pictures.
    pub normalisation: Option<Normalisation>,
    pub note: String,
    pub found: Found,
}

/// A data set whose pixels are all in memory, as bytes.
pub(super) struct InMemory {
    summary: Summary,
    train: Pictures,
    test: Pictures,
    fingerprint: OnceLock<String>,
}

impl InMemory {
    /// Both parts must hold at least one picture of the described size, with labels below the number of classes:
    /// readers check that, where they can say which file is wrong.
    pub fn new(about: Description, train: Pictures, test: Pictures) -> Self {
        let mut found = about.found;
        found.fingerprint = "all pixels and labels";
        found.normalisation = match &about.normalisation {
            Some(_) => "as published for this set".into(),
            None => "of all training pictures".into(),
        };
        let mut notes: Vec<String> = Some(about.note).filter(|note| !note.is_empty()).into_iter().collect();
        notes.extend(gaps(&train.labels, &test.labels, &about.class_names));
        notes.extend(unbalanced(&train.labels, &about.class_names));
        let normalisation = about.normalisation.unwrap_or_else(|| {
            let mut histogram = Histogram::new(about.channels);
            histogram.add(&train.pixels);
            histogram.normalisation()
        });
        let summary = Summary {
            name: about.name,
            kind: about.kind,
            location: about.location,
            height: about.height,
            width: about.width,
            channels: about.channels,
            class_names: about.class_names,
            train: train.labels.len(),
            test: test.labels.len(),
            mean: normalisation.mean,
            std: normalisation.std,
            note: notes.join("; "),
            found,
        };
        InMemory { summary, train, test, fingerprint: OnceLock::new() }
    }

    fn part(&self, split: Split) -> &Pictures {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        }
    }

    fn slice(&self, split: Split, index: usize) -> Option<&[u8]> {
        let bytes = self.summary.picture_bytes();
        self.part(split).pixels.get(index.checked_mul(bytes)?..index.checked_add(1)?.checked_mul(bytes)?)
    }
}

impl InMemory {
    /// All labels and some of the pixels: what fingerprints were of before they had more parts.
    fn of_some(&self) -> u64 {
        let mut hash = fingerprint_start(&self.summary);
        for split in [Split::Train, Split::Test] {
            for label in &self.part(split).labels {
                hash = fnv1a_from(hash, &label.to_le_bytes());
            }
            let stride = self.summary.len(split).div_ceil(FINGERPRINT_SAMPLE).max(1);
            for index in (0..self.summary.len(split)).step_by(stride) {
                hash = fnv1a_from(hash, self.slice(split, index).unwrap_or(&[]));
            }
        }
        hash
    }

    fn of_all(&self) -> Hash {
        let mut hash = Hash::new();
        for part in [&self.train, &self.test] {
            part.labels.iter().for_each(|label| hash.update(&label.to_le_bytes()));
            hash.update(&part.pixels);
        }
        hash
    }
}

impl Dataset for InMemory {
    fn summary(&self) -> &Summary {
        &self.summary
    }

    fn pixels(&self, split: Split, index: usize, out: &mut Vec<u8>) -> Result<(), DataError> {
        let pixels =
            self.slice(split, index).ok_or(DataError::OutOfRange { split, index, len: self.summary.len(split) })?;
        out.clear();
        out.extend_from_slice(pixels);
        Ok(())
    }

    fn label(&self, split: Split, index: usize) -> usize {
        self.part(split).labels[index] as usize
    }

    fn fingerprint(&self) -> String {
        let make = || fingerprint::in_memory(self.of_some(), &self.of_all());
        self.fingerprint.get_or_init(make).clone()
    }
}

/// Classes are told to be unbalanced where the largest has more than so many times the pictures of the smallest.
const UNBALANCED: f64 = 1.5;

/// A clause about classes of which there are many more pictures than of others, if there are any.
pub(super) fn unbalanced(labels: &[u32], names: &[String]) -> Option<String> {
    let mut counts = vec![0usize; names.len()];
    labels.iter().for_each(|&label| counts[label as usize] += 1);
    let there = || counts.iter().copied().enumerate().filter(|(_, n)| *n > 0);
    // Of those that have as many, the first.
    let (least, few) = there().min_by_key(|(_, n)| *n)?;
    let (most, many) = there().rev().max_by_key(|(_, n)| *n)?;
    (many as f64 > UNBALANCED * few as f64).then(|| {
        format!(
            "the classes are unbalanced, from {few} training pictures (`{}`) to {many} (`{}`): see search.class_weights and \
             balanced accuracy",
            names[least], names[most]
        )
    })
}

/// A sentence about classes without pictures, if there are any.
fn gaps(train: &[u32], test: &[u32], names: &[String]) -> Option<String> {
    let missing = |labels: &[u32]| -> Vec<usize> {
        let mut there = vec![false; names.len()];
        labels.iter().for_each(|&label| there[label as usize] = true);
        (0..names.len()).filter(|&class| !there[class]).collect()
    };
    let (untaught, untested) = (missing(train), missing(test));
    let listed = |classes: &[usize]| {
        let mut names: Vec<&str> = classes.iter().take(5).map(|&class| names[class].as_str()).collect();
        if classes.len() > 5 {
            names.push("…");
        }
        names.join(", ")
    };
    match (untaught.as_slice(), untested.as_slice()) {
        ([], []) => None,
        ([], untested) => {
            Some(format!("{} of {} classes without test pictures: {}", untested.len(), names.len(), listed(untested)))
        }
        (untaught, _) => Some(format!(
            "{} of {} classes without training pictures, so nothing can learn {}: {}",
            untaught.len(),
            names.len(),
            if untaught.len() == 1 { "it" } else { "them" },
            listed(untaught)
        )),
    }
}

/// Pictures of each split whose pixels go into the first part of a fingerprint.
const FINGERPRINT_SAMPLE: usize = 512;

/// Shape and class names: what every fingerprint begins with.
pub(super) fn fingerprint_start(summary: &Summary) -> u64 {
    let shape = [summary.height, summary.width, summary.channels, summary.train, summary.test];
    let mut hash = fnv1a(b"zonas data 1");
    for number in shape {
        hash = fnv1a_from(hash, &(number as u64).to_le_bytes());
    }
    for name in &summary.class_names {
        hash = fnv1a_from(fnv1a_from(hash, name.as_bytes()), &[0]);
    }
    hash
}
