//! Folders of pictures: one folder per class, below `train` and `test` (or `val`), or directly.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::memory::{Description, InMemory, Pictures, fingerprint_start};
use super::picture::{self, Shape};
use super::split::hold_out;
use super::statistics::Histogram;
use super::{DataError, Dataset, Kind, OpenOptions, Place, Split, Summary};
use crate::random::fnv1a_from;

/// Sets that take at most so many bytes as pixels are decoded when they are opened, larger ones picture by picture when
/// they are used.
const MAX_DECODED: usize = 512 << 20;
/// Training pictures that mean and deviation of a larger set are computed from, evenly spaced.
const SAMPLE: usize = 1024;
/// Folders inside a class folder; more means a link that leads back.
const MAX_DEPTH: usize = 8;

const TRAIN: [&str; 2] = ["train", "training"];
const TEST: [&str; 5] = ["test", "testing", "val", "valid", "validation"];
/// Formats that are decoded, by the ends of file names.
const READ: [&str; 3] = ["png", "jpg", "jpeg"];
/// Pictures that would be missed silently.
const NOT_READ: [&str; 9] = ["ppm", "bmp", "pgm", "tif", "tiff", "webp", "gif", "avif", "heic"];

/// Files of one split, class by class in order.
#[derive(Default)]
struct Files {
    paths: Vec<PathBuf>,
    labels: Vec<u32>,
}

impl Files {
    fn select(&self, indices: &[usize]) -> Files {
        Files {
            paths: indices.iter().map(|&index| self.paths[index].clone()).collect(),
            labels: indices.iter().map(|&index| self.labels[index]).collect(),
        }
    }
}

/// Folders (or links to folders) directly inside `folder`, in order of their names, without hidden ones.
pub(super) fn subfolders(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    Ok(children(folder)?.into_iter().filter(|path| path.is_dir()).collect())
}

fn children(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| DataError::read(folder, error))? {
        let entry = entry.map_err(|error| DataError::read(folder, error))?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn has_extension(path: &Path, among: &[&str]) -> bool {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or("").to_ascii_lowercase();
    among.contains(&extension.as_str())
}

/// Whether the name is that of a picture.
pub(super) fn is_picture(path: &Path) -> bool {
    has_extension(path, &READ) || has_extension(path, &NOT_READ)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Pictures below a folder, in order of their paths.
fn pictures_below(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), DataError> {
    if depth > MAX_DEPTH {
        let reason = format!("more than {MAX_DEPTH} folders inside each other; does a link lead back?");
        return Err(Place::file(folder).invalid(reason));
    }
    for path in children(folder)? {
        if path.is_dir() {
            pictures_below(&path, depth + 1, found)?;
        } else if has_extension(&path, &READ) {
            found.push(path);
        } else if has_extension(&path, &NOT_READ) {
            let reason = "pictures of this format are not read; convert it to PNG or JPEG, or move it away";
            return Err(Place::file(path).invalid(reason));
        }
    }
    Ok(())
}

/// Class folders with their pictures. A folder in which no class has any is no set at all.
fn classes_in(folder: &Path) -> Result<BTreeMap<String, Vec<PathBuf>>, DataError> {
    let mut classes = BTreeMap::new();
    let mut empty = None;
    for class in subfolders(folder)? {
        let mut pictures = Vec::new();
        pictures_below(&class, 0, &mut pictures)?;
        if pictures.is_empty() {
            empty.get_or_insert(class);
        } else {
            classes.insert(name(&class), pictures);
        }
    }
    match empty {
        _ if classes.is_empty() => Err(super::open::nothing_found(folder)),
        Some(folder) => Err(DataError::EmptyClass { folder }),
        None => Ok(classes),
    }
}

fn number(classes: BTreeMap<String, Vec<PathBuf>>) -> Files {
    let mut files = Files::default();
    for (label, pictures) in (0u32..).zip(classes.into_values()) {
        files.labels.extend(std::iter::repeat_n(label, pictures.len()));
        files.paths.extend(pictures);
    }
    files
}

/// The folders of the two splits, if the subfolders of a set are splits and not classes.
fn splits(subfolders: &[PathBuf]) -> Option<(&Path, Option<&Path>)> {
    let find = |names: &[&str]| {
        names.iter().find_map(|wanted| subfolders.iter().find(|path| path.file_name() == Some(OsStr::new(wanted))))
    };
    let (train, test) = (find(&TRAIN)?, find(&TEST));
    // A class may be called `train` as well.
    (test.is_some() || subfolders.len() == 1).then_some((train, test.map(PathBuf::as_path)))
}

/// The set in a folder.
pub(super) fn open(folder: &Path, options: &OpenOptions) -> Result<Box<dyn Dataset>, DataError> {
    open_within(folder, options, MAX_DECODED)
}

fn open_within(folder: &Path, options: &OpenOptions, max_decoded: usize) -> Result<Box<dyn Dataset>, DataError> {
    let place = Place::file(folder);
    if options.size.is_some_and(|size| size == 0 || size > 4096) {
        let value = options.size.unwrap_or_default().to_string();
        return Err(DataError::Setting { name: "data.size", value, reason: "it must be from 1 to 4096".into() });
    }
    let inside = subfolders(folder)?;
    let (train_folder, test_folder) = splits(&inside).unwrap_or((folder, None));
    let classes = classes_in(train_folder)?;
    let class_names: Vec<String> = classes.keys().cloned().collect();
    if class_names.len() < 2 {
        let reason = "fewer than two class folders: there is nothing to classify; is the data one folder deeper?";
        return Err(Place::file(train_folder).invalid(reason));
    }
    let all = number(classes);
    let mut notes = Vec::new();
    let (train, test) = match test_folder {
        Some(test_folder) => {
            let classes = classes_in(test_folder)?;
            if let Some(odd) = class_names.iter().find(|name| !classes.contains_key(*name)) {
                return Err(Place::file(test_folder)
                    .invalid(format!("has no class folder `{odd}`, which the training part has")));
            }
            if let Some(odd) = classes.keys().find(|name| class_names.binary_search(name).is_err()) {
                return Err(
                    Place::file(train_folder).invalid(format!("has no class folder `{odd}`, which the test part has"))
                );
            }
            (all, number(classes))
        }
        None => {
            let (train, test) = hold_out(&all.labels, options.seed);
            if test.len() < class_names.len() {
                let reason = "a class has only one picture, so none can be held out as a test picture";
                return Err(place.invalid(reason));
            }
            notes.push("there is one split only, a sixth of each class is held out as test pictures".to_string());
            (all.select(&train), all.select(&test))
        }
    };
    let shape = shape_of(&train, &test, options)?;
    if shape.resize {
        notes.push(format!("pictures are scaled to {0}x{0}", shape.width));
    }
    let about = Description {
        name: Some(name(folder)).filter(|name| !name.is_empty()).unwrap_or_else(|| "pictures".into()),
        kind: Kind::ImageFolder,
        location: folder.display().to_string(),
        height: shape.height as usize,
        width: shape.width as usize,
        channels: shape.channels,
        class_names,
        normalisation: None,
        note: notes.join("; "),
    };
    let bytes = about.height * about.width * about.channels;
    if bytes.saturating_mul(train.paths.len() + test.paths.len()) <= max_decoded {
        let (train, test) = (decode_all(train, shape, bytes)?, decode_all(test, shape, bytes)?);
        Ok(Box::new(InMemory::new(about, train, test)))
    } else {
        Ok(Box::new(OnDisk::new(folder, about, train, test, shape)?))
    }
}

/// The first error in the order of the pictures, whichever thread was first.
fn in_order<T>(results: Vec<Result<T, DataError>>) -> Result<Vec<T>, DataError> {
    results.into_iter().collect()
}

/// Without a size to bring them to, all pictures must have that of the first. They are grey if all are; where they are
/// scaled (and may be very many), if the first of every class is.
fn shape_of(train: &Files, test: &Files, options: &OpenOptions) -> Result<Shape, DataError> {
    if let Some(size) = options.size {
        let firsts: Vec<&PathBuf> = (0..train.paths.len())
            .filter(|&i| i == 0 || train.labels[i] != train.labels[i - 1])
            .map(|i| &train.paths[i])
            .collect();
        let headers = in_order(firsts.par_iter().map(|path| picture::header(path)).collect())?;
        let channels = if headers.iter().all(|header| header.grey) { 1 } else { 3 };
        return Ok(Shape { height: size, width: size, channels, resize: true });
    }
    let paths: Vec<&PathBuf> = train.paths.iter().chain(&test.paths).collect();
    let headers = in_order(paths.par_iter().map(|path| picture::header(path)).collect())?;
    let Some(&first) = headers.first() else {
        return Ok(Shape { height: 1, width: 1, channels: 1, resize: false });
    };
    let same = |header: &picture::Header| (header.width, header.height) == (first.width, first.height);
    if let Some(odd) = headers.iter().position(|header| !same(header)) {
        return Err(picture::wrong_size(paths[odd], headers[odd], first.width, first.height));
    }
    let channels = if headers.iter().all(|header| header.grey) { 1 } else { 3 };
    Ok(Shape { height: first.height, width: first.width, channels, resize: false })
}

fn decode_all(files: Files, shape: Shape, picture_bytes: usize) -> Result<Pictures, DataError> {
    let mut pixels = vec![0; picture_bytes * files.paths.len()];
    let decode =
        |(out, path): (&mut [u8], &PathBuf)| picture::decode(path, shape).map(|picture| out.copy_from_slice(&picture));
    in_order(pixels.par_chunks_exact_mut(picture_bytes).zip(&files.paths).map(decode).collect())?;
    Ok(Pictures { pixels, labels: files.labels })
}

/// A set that is too large to be held in memory decoded.
struct OnDisk {
    root: PathBuf,
    summary: Summary,
    shape: Shape,
    train: Files,
    test: Files,
}

impl OnDisk {
    fn new(root: &Path, about: Description, train: Files, test: Files, shape: Shape) -> Result<Self, DataError> {
        let stride = train.paths.len().div_ceil(SAMPLE).max(1);
        let sample: Vec<&PathBuf> = train.paths.iter().step_by(stride).collect();
        let mut histogram = Histogram::new(about.channels);
        for picture in in_order(sample.par_iter().map(|path| picture::decode(path, shape)).collect())? {
            histogram.add(&picture);
        }
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
        };
        Ok(OnDisk { root: root.to_owned(), summary, shape, train, test })
    }

    fn part(&self, split: Split) -> &Files {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
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
        *out = picture::decode(path, self.shape)?;
        Ok(())
    }

    fn label(&self, split: Split, index: usize) -> usize {
        self.part(split).labels[index] as usize
    }

    /// Of the names of all files below the folder of the set: reading pictures would not be cheap.
    fn fingerprint(&self) -> String {
        let mut hash = fingerprint_start(&self.summary);
        for split in [Split::Train, Split::Test] {
            let files = self.part(split);
            for (path, label) in files.paths.iter().zip(&files.labels) {
                let name = path.strip_prefix(&self.root).unwrap_or(path).as_os_str().as_encoded_bytes();
                hash = fnv1a_from(fnv1a_from(hash, name), &label.to_le_bytes());
            }
        }
        format!("{hash:016x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage};

    #[test]
    fn a_set_read_when_used_is_the_set_read_at_once() {
        let folder = tempfile::tempdir().unwrap();
        for class in ["a", "b"] {
            std::fs::create_dir(folder.path().join(class)).unwrap();
            for index in 0..12u8 {
                let picture = RgbImage::from_pixel(3, 2, Rgb([index, 20 * index, class.as_bytes()[0]]));
                picture.save(folder.path().join(class).join(format!("{index}.png"))).unwrap();
            }
        }
        let options = OpenOptions::default();
        let memory = open(folder.path(), &options).unwrap();
        let disk = open_within(folder.path(), &options, 0).unwrap();
        assert_eq!(memory.summary(), disk.summary());
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for split in [Split::Train, Split::Test] {
            for index in 0..memory.len(split) {
                memory.pixels(split, index, &mut a).unwrap();
                disk.pixels(split, index, &mut b).unwrap();
                assert_eq!(a, b);
                assert_eq!(memory.label(split, index), disk.label(split, index));
            }
        }
        let fingerprint = disk.fingerprint();
        assert_eq!(open_within(folder.path(), &options, 0).unwrap().fingerprint(), fingerprint);
        // A file that goes bad after opening is an error when it is used, with its name.
        std::fs::write(folder.path().join("b/7.png"), b"\x89PNG\r\n\x1a\n").unwrap();
        let errors: Vec<String> = [Split::Train, Split::Test]
            .into_iter()
            .flat_map(|split| (0..disk.len(split)).map(move |index| (split, index)))
            .filter_map(|(split, index)| disk.pixels(split, index, &mut a).err())
            .map(|error| error.to_string())
            .collect();
        assert!(errors.len() == 1 && errors[0].contains("b/7.png"), "{errors:?}");
        std::fs::rename(folder.path().join("b/7.png"), folder.path().join("b/7.txt")).unwrap();
        assert_ne!(open_within(folder.path(), &options, 0).unwrap().fingerprint(), fingerprint);
    }
}
