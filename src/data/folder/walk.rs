//! Through folders of pictures: what is a picture, what is passed over, and links that lead nowhere or back.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::FileType;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::paths::Paths;
use crate::data::found::{self, Passed};
use crate::data::source::open_regular;
use crate::data::{DataError, Place};

/// Folders inside a class folder; more means a link that leads back.
const MAX_DEPTH: usize = 8;

/// Pictures that are read, by the ends of their names.
const READ: [&str; 13] =
    ["png", "apng", "jpg", "jpeg", "jpe", "jfif", "jif", "jfi", "pjpeg", "pjp", "webp", "bmp", "dib"];
/// Pictures that would be missed silently.
const NOT_READ: [&str; 13] =
    ["ppm", "pgm", "pbm", "pnm", "tif", "tiff", "gif", "avif", "heic", "heif", "jp2", "jxl", "tga"];
/// Copies and beginnings of files.
const BACKUPS: [&str; 9] = ["bak", "old", "orig", "tmp", "part", "partial", "crdownload", "download", "swp"];

/// What is directly in a folder, in order of the names.
#[derive(Default)]
pub(in crate::data) struct Listing {
    pub folders: Vec<PathBuf>,
    pub files: Vec<PathBuf>,
    /// What is no part of any set, with the reason.
    pub passed: Vec<(&'static str, PathBuf)>,
}

/// What is directly in a folder.
///
/// # Errors
/// The folder cannot be read; a link that leads nowhere, which may have been a class or a picture.
pub(in crate::data) fn list(folder: &Path) -> Result<Listing, DataError> {
    let mut listing = Listing::default();
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| DataError::read(folder, error))? {
        let entry = entry.map_err(|error| DataError::read(folder, error))?;
        let kind = entry.file_type().map_err(|error| DataError::read(&entry.path(), error))?;
        entries.push((entry.file_name(), entry.path(), kind));
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, path, kind) in entries {
        if let Some(why) = found::never_data(name.as_encoded_bytes()) {
            listing.passed.push((why, path));
            continue;
        }
        let kind = if kind.is_symlink() { behind(&path)? } else { kind };
        if kind.is_dir() {
            listing.folders.push(path);
        } else if kind.is_file() || is_picture(&path) {
            listing.files.push(path);
        } else {
            listing.passed.push((found::NO_FILE, path));
        }
    }
    Ok(listing)
}

/// What a link leads to.
fn behind(link: &Path) -> Result<FileType, DataError> {
    match std::fs::metadata(link) {
        Ok(about) => Ok(about.file_type()),
        Err(error) => {
            let target = std::fs::read_link(link).unwrap_or_default();
            let target = found::shown(target.as_os_str());
            let reason = match error.kind() {
                std::io::ErrorKind::NotFound => {
                    format!("a link to `{target}`, which does not exist; put it there, or remove the link")
                }
                _ => format!("a link to `{target}`, which cannot be followed ({error}); put it right or remove it"),
            };
            Err(Place::file(link).invalid(reason))
        }
    }
}

fn has_extension(path: &Path, among: &[&str]) -> bool {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or("").to_ascii_lowercase();
    among.contains(&extension.as_str())
}

/// Whether the name is that of a picture.
pub(in crate::data) fn is_picture(path: &Path) -> bool {
    has_extension(path, &READ) || has_extension(path, &NOT_READ)
}

/// What the first bytes of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Read,
    /// A picture of a format that is not read.
    NotRead,
    Other,
}

/// The content of a regular file, by its first bytes.
fn content(path: &Path) -> Result<Content, DataError> {
    let mut start = Vec::new();
    open_regular(path)?.take(16).read_to_end(&mut start).map_err(|error| DataError::read(path, error))?;
    Ok(match start[..] {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] | [0xff, 0xd8, 0xff, ..] => Content::Read,
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Content::NotRead,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Content::Read,
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Content::NotRead,
        [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', b'f', ..] => Content::NotRead,
        [_, _, _, _, b'f', b't', b'y', b'p', b'h' | b'm', b'e' | b'i', b'i' | b'f', _, ..] => Content::NotRead,
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Content::Read,
        _ => Content::Other,
    })
}

/// Class folders with their pictures.
#[derive(Default)]
pub(super) struct Part {
    /// By the bytes of their names: two names that look alike are two classes.
    pub classes: BTreeMap<OsString, Paths>,
    /// Class folders without pictures.
    pub empty: Vec<PathBuf>,
    /// Pictures beside the class folders.
    pub loose: Vec<PathBuf>,
}

/// Goes through the folders of a set.
pub(super) struct Walker<'a> {
    /// The folder of the set.
    root: &'a Path,
    pub passed: Passed,
    /// Pictures whose names do not say that they are.
    pub by_content: Vec<PathBuf>,
    /// Folders of the part that is being read, by device and number: links may lead to one of them again.
    seen: HashMap<(u64, u64), PathBuf>,
}

impl<'a> Walker<'a> {
    pub fn new(root: &'a Path) -> Self {
        Walker { root, passed: Passed::default(), by_content: Vec::new(), seen: HashMap::new() }
    }

    /// The classes directly below a folder.
    pub fn part(&mut self, folder: &Path) -> Result<Part, DataError> {
        self.seen.clear();
        self.enter(folder)?;
        let listing = self.listing(folder)?;
        let mut part = Part::default();
        for class in listing.folders {
            let mut pictures = Paths::default();
            self.below(&class, 0, &mut pictures)?;
            if pictures.is_empty() {
                part.empty.push(class);
            } else {
                part.classes.insert(class.file_name().unwrap_or_default().to_owned(), pictures);
            }
        }
        for file in listing.files {
            if is_picture(&file) || content(&file)? != Content::Other {
                part.loose.push(file);
            } else {
                self.passed.add_path(found::NO_PICTURE, self.root, &file);
            }
        }
        Ok(part)
    }

    /// Remember what was passed over in a folder that is not walked.
    pub fn listing(&mut self, folder: &Path) -> Result<Listing, DataError> {
        let listing = list(folder)?;
        listing.passed.iter().for_each(|(why, path)| self.passed.add_path(why, self.root, path));
        Ok(listing)
    }

    fn enter(&mut self, folder: &Path) -> Result<(), DataError> {
        let about = std::fs::metadata(folder).map_err(|error| DataError::read(folder, error))?;
        match self.seen.insert((about.dev(), about.ino()), folder.to_owned()) {
            None => Ok(()),
            Some(before) if folder.starts_with(&before) => {
                let reason = format!("a link that leads back to {}; remove it", before.display());
                Err(Place::file(folder).invalid(reason))
            }
            Some(before) => Err(Place::file(folder).invalid(format!(
                "the same folder as {}, by a link; its pictures would be taken twice: remove one of the two",
                before.display()
            ))),
        }
    }

    /// Pictures below a folder, in order of their paths.
    fn below(&mut self, folder: &Path, depth: usize, pictures: &mut Paths) -> Result<(), DataError> {
        if depth > MAX_DEPTH {
            let reason = format!("more than {MAX_DEPTH} folders inside each other; does a link lead back?");
            return Err(Place::file(folder).invalid(reason));
        }
        self.enter(folder)?;
        let listing = self.listing(folder)?;
        let mut folders = listing.folders.into_iter().peekable();
        for file in listing.files {
            while let Some(inner) = folders.next_if(|inner| *inner < file) {
                self.below(&inner, depth + 1, pictures)?;
            }
            self.file(file, pictures)?;
        }
        folders.try_for_each(|inner| self.below(&inner, depth + 1, pictures))
    }

    /// A file: kept if it is a picture, by its name or else by its content.
    fn file(&mut self, path: PathBuf, pictures: &mut Paths) -> Result<(), DataError> {
        if has_extension(&path, &READ) {
            pictures.push(&path);
            return Ok(());
        }
        let backup = path.as_os_str().as_encoded_bytes().ends_with(b"~") || has_extension(&path, &BACKUPS);
        if backup {
            self.passed.add_path(found::BACKUP, self.root, &path);
            return Ok(());
        }
        match content(&path)? {
            Content::Read => {
                pictures.push(&path);
                self.by_content.push(path);
                Ok(())
            }
            Content::Other if !has_extension(&path, &NOT_READ) => {
                self.passed.add_path(found::NO_PICTURE, self.root, &path);
                Ok(())
            }
            _ => {
                let reason =
                    "pictures of this format are not read; convert it to PNG, JPEG, WebP or BMP, or move it away";
                Err(Place::file(path).invalid(reason))
            }
        }
    }
}

/// The name of a file or folder for messages and lists of classes.
pub(super) fn name(path: &Path) -> String {
    found::shown(path.file_name().unwrap_or_default())
}
