//! What the beginnings of all pictures of a set say together, read some thousands at a time.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Files, in_order};
use crate::data::found::Sizes;
use crate::data::picture::{self, Header, MODES, Shape};
use crate::data::{DataError, OpenOptions, Place};

/// Headers that are in memory together.
const PART: usize = 1 << 14;

/// How many pictures have something, and the first of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counted {
    pub count: usize,
    pub first: Option<usize>,
}

impl Counted {
    fn add(&mut self, index: usize, has: bool) {
        if has {
            self.count += 1;
            self.first.get_or_insert(index);
        }
    }
}

/// Of all pictures, those of the training part first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Headers {
    pub count: usize,
    pub grey: Counted,
    pub turned: Counted,
    pub transparent: Counted,
    /// How pixels are stored, by number in [`MODES`].
    modes: Vec<(usize, usize)>,
    sizes: BTreeSet<(u32, u32)>,
    /// Size of the first picture.
    size: Option<(u32, u32)>,
    /// The first picture of another size.
    odd: Option<(usize, (u32, u32))>,
}

impl Headers {
    /// Reads the beginnings of all files.
    ///
    /// # Errors
    /// The first one, in the order of the pictures, that is none.
    pub fn read(train: &Files, test: &Files) -> Result<Headers, DataError> {
        let count = train.paths.len() + test.paths.len();
        let path = |index: usize| path(train, test, index);
        let mut all = Headers::default();
        for start in (0..count).step_by(PART) {
            let part = (start..count.min(start + PART)).into_par_iter();
            let part = part.map(|index| picture::header(&path(index))).collect();
            in_order(part)?.into_iter().for_each(|header| all.add(header));
        }
        Ok(all)
    }

    fn add(&mut self, header: Header) {
        let (index, size) = (self.count, (header.width, header.height));
        self.count += 1;
        self.grey.add(index, header.grey);
        self.turned.add(index, header.turned);
        self.transparent.add(index, header.transparent);
        let mode = MODES.iter().position(|mode| *mode == header.mode).unwrap_or(0);
        match self.modes.iter_mut().find(|(known, _)| *known == mode) {
            Some((_, count)) => *count += 1,
            None => self.modes.push((mode, 1)),
        }
        self.sizes.insert(size);
        if *self.size.get_or_insert(size) != size {
            self.odd.get_or_insert((index, size));
        }
    }

    pub fn sizes(&self) -> Option<Sizes> {
        Sizes::of(self.sizes.iter().copied())
    }

    pub fn modes(&self) -> Vec<(&'static str, usize)> {
        self.modes.iter().filter_map(|&(mode, count)| Some((*MODES.get(mode)?, count))).collect()
    }

    /// Without a size to bring them to, all pictures must have that of the first. They are grey if all are.
    ///
    /// # Errors
    /// They are of several sizes.
    pub fn shape(&self, options: &OpenOptions, path: impl Fn(usize) -> PathBuf) -> Result<Shape, DataError> {
        let channels = if self.grey.count == self.count { 1 } else { 3 };
        if let Some(size) = options.size {
            return Ok(Shape { height: size, width: size, channels, resize: true });
        }
        let Some((width, height)) = self.size else {
            return Ok(Shape { height: 1, width: 1, channels: 1, resize: false });
        };
        if let Some((index, (w, h))) = self.odd {
            let sizes = self.sizes().map_or(String::new(), |sizes| format!(" (there are {sizes})"));
            return Err(Place::file(path(index)).invalid(format!(
                "the picture is {w}x{h}, the first one of the set {width}x{height}{sizes}; set `data.size` to bring all to \
                 one size"
            )));
        }
        Ok(Shape { height, width, channels, resize: false })
    }

    /// What is in the files but not taken from them.
    pub fn notes(&self, channels: usize, name: impl Fn(usize) -> String) -> Vec<String> {
        let told = |counted: Counted, what: &str| {
            let first = name(counted.first?);
            Some(format!("{} {what} (the first is {first})", counted.count))
        };
        let mut notes = Vec::new();
        notes.extend(told(self.turned, "pictures are to be turned or mirrored by EXIF, which is not done"));
        notes.extend(told(self.transparent, "pictures have transparency, which is ignored"));
        notes.extend(told(self.grey, "grey pictures are taken as colour").filter(|_| channels == 3));
        notes
    }
}

/// The path of a picture, those of the training part first.
pub(super) fn path(train: &Files, test: &Files, index: usize) -> PathBuf {
    let found = train.paths.get(index).or_else(|| test.paths.get(index - train.paths.len()));
    found.unwrap_or_default()
}
