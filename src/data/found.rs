//! What was seen while a set was read, beside its pictures: for `zonas doctor`, and for the notes of a run.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

/// What was seen while a set was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Sizes of the pictures as the files have them; `None` where all have the size of the set.
    pub sizes: Option<Sizes>,
    /// How pixels are stored ("colour, 8 bits", "grey, 16 bits", "palette", …), with the number of pictures.
    pub modes: Vec<(&'static str, usize)>,
    /// What was passed over, by reason.
    pub skipped: Vec<Skipped>,
    /// Why pictures are not in memory, where they are not.
    pub memory: String,
    /// What mean and deviation were computed from.
    pub normalisation: String,
    /// What the fingerprint of the set covers.
    pub fingerprint: &'static str,
}

/// Widths and heights of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Width and height of the picture with the fewest pixels.
    pub smallest: (u32, u32),
    /// Of the one with the most.
    pub largest: (u32, u32),
    /// How many different sizes there are.
    pub different: usize,
}

impl Sizes {
    pub(super) fn of(sizes: impl Iterator<Item = (u32, u32)>) -> Option<Sizes> {
        let mut all: Vec<(u32, u32)> = sizes.collect();
        all.sort_unstable_by_key(|&(width, height)| (u64::from(width) * u64::from(height), width));
        all.dedup();
        Some(Sizes { smallest: *all.first()?, largest: *all.last()?, different: all.len() })
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((w, h), (width, height)) = (self.smallest, self.largest);
        match self.different {
            1 => write!(f, "{w}x{h}"),
            n => write!(f, "{n} sizes from {w}x{h} to {width}x{height}"),
        }
    }
}

/// Files or folders that were passed over for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// "hidden", "neither PNG, JPEG, WebP nor BMP", …
    pub why: &'static str,
    pub count: usize,
    /// The first of them, below the folder of the set.
    pub first: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            1 => write!(f, "1 {} ({})", self.why, self.first),
            n => write!(f, "{n} {} (the first is {})", self.why, self.first),
        }
    }
}

pub(super) const HIDDEN: &str = "hidden";
pub(super) const OF_A_SYSTEM: &str = "made by a system or a tool";
pub(super) const NO_PICTURE: &str = "neither PNG, JPEG, WebP nor BMP";
pub(super) const BACKUP: &str = "a backup or half a download";
pub(super) const NO_CLASS: &str = "in no class folder";
pub(super) const NO_FILE: &str = "neither a file nor a folder";
pub(super) const NO_BATCH: &str = "no batch file of the set";

/// Collects what is passed over below a folder.
#[derive(Debug, Default)]
pub(super) struct Passed {
    list: Vec<Skipped>,
}

impl Passed {
    pub fn add(&mut self, why: &'static str, first: impl FnOnce() -> String) {
        match self.list.iter_mut().find(|skipped| skipped.why == why) {
            Some(skipped) => skipped.count += 1,
            None => self.list.push(Skipped { why, count: 1, first: first() }),
        }
    }

    pub fn add_path(&mut self, why: &'static str, root: &Path, path: &Path) {
        self.add(why, || shown(path.strip_prefix(root).unwrap_or(path).as_os_str()));
    }

    pub fn into_list(self) -> Vec<Skipped> {
        self.list
    }
}

/// One clause about what was passed over; empty if nothing was.
pub(super) fn told(skipped: &[Skipped]) -> String {
    let each: Vec<String> = skipped.iter().map(Skipped::to_string).collect();
    if each.is_empty() { String::new() } else { format!("passed over: {}", each.join(", ")) }
}

/// A name or path as text that no two names share: bytes that are not UTF-8 as `\xNN`, control characters escaped.
pub(super) fn shown(name: &OsStr) -> String {
    let mut text = String::new();
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() { text.extend(c.escape_default()) } else { text.push(c) }
        }
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02X}")));
    }
    text
}

/// Names that systems and tools put beside data, in lower case.
const SYSTEM: [&str; 14] = [
    "@eadir",
    "@recycle",
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    "__macosx",
    "__pycache__",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "icon\r",
    "picasa.ini",
];

/// Why a file or folder of this name is no part of any data set, if so.
pub(super) fn never_data(name: &[u8]) -> Option<&'static str> {
    if name.starts_with(b".") {
        return Some(HIDDEN);
    }
    SYSTEM.iter().any(|system| name.eq_ignore_ascii_case(system.as_bytes())).then_some(OF_A_SYSTEM)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn names_are_told_apart() {
        assert_eq!(shown(OsStr::from_bytes(b"\xc4\xb1\xb9\xb7")), "ı\\xB9\\xB7");
        assert_eq!(shown(OsStr::from_bytes(b"a\nb c ")), "a\\nb c ");
        assert_eq!(never_data(b"@eaDir"), Some(OF_A_SYSTEM));
        assert_eq!(never_data(b"Thumbs.db"), Some(OF_A_SYSTEM));
        assert_eq!(never_data(b".ipynb_checkpoints"), Some(HIDDEN));
        assert_eq!(never_data(b"cat"), None);
    }

    #[test]
    fn what_is_passed_over_is_counted_and_named() {
        let mut passed = Passed::default();
        let root = Path::new("/set");
        passed.add_path(HIDDEN, root, Path::new("/set/a/.x"));
        passed.add_path(NO_PICTURE, root, Path::new("/set/notes.txt"));
        passed.add_path(HIDDEN, root, Path::new("/set/b/.y"));
        let text = told(&passed.into_list());
        assert_eq!(text, "passed over: 2 hidden (the first is a/.x), 1 neither PNG, JPEG, WebP nor BMP (notes.txt)");
        assert_eq!(told(&[]), "");
    }
}
