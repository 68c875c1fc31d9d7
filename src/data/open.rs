use std::path::Path;
use std::sync::Arc;

use super::source::open_plain_or_gzip;
use super::{DataError, Dataset, Place, batches, embedded, folder, idx};

/// How to read what is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// For sets without a test split: which pictures are held out (stream `hold_out`).
    pub seed: u64,
    /// For folders of pictures: `Some(side)` scales each picture's shorter side to `side` and takes the middle square;
    /// `None` refuses pictures that are not all of one size.
    pub size: Option<u32>,
}

const READ: &str = "IDX files (MNIST family), CIFAR-10 or CIFAR-100 (binary or python version), ImageNet16-120, \
                    and folders with one folder of PNG or JPEG pictures per class are read";

/// Open `embedded`, or whatever is at a path; the kind is found out from the content. `summary()` of the result, when
/// printed, is a sentence that says what was found.
///
/// # Errors
/// Nothing there, nothing that can be read, or something wrong with it: see [`DataError`].
pub fn open(source: &str, options: &OpenOptions) -> Result<Arc<dyn Dataset>, DataError> {
    if source == "embedded" {
        return Ok(Arc::new(embedded::open()?));
    }
    let path = Path::new(source);
    let about = std::fs::metadata(path).map_err(|error| DataError::read(path, error))?;
    if about.is_dir() { open_folder(path, options) } else { open_file(path, options) }
}

fn open_folder(path: &Path, options: &OpenOptions) -> Result<Arc<dyn Dataset>, DataError> {
    if idx::is_here(path) {
        return Ok(Arc::new(idx::open(path, options.seed)?));
    }
    // Batch files here, or in a folder of their own as the archives have them.
    let subfolders = folder::subfolders(path)?;
    let mut sets = Vec::new();
    for place in std::iter::once(path).chain(subfolders.iter().map(|path| path.as_path())) {
        let files = batches::files_in(place)?;
        if batches::hold_pictures(&files) {
            sets.push((place, files));
        }
    }
    match sets.len() {
        0 => {}
        1 => {
            if let Some((place, files)) = sets.pop() {
                return Ok(Arc::new(batches::open_folder(place, files)?));
            }
        }
        _ => {
            let names: Vec<String> = sets.iter().map(|(place, _)| place.display().to_string()).collect();
            let found = format!("several data sets are here, give one of them: {}", names.join(", "));
            return Err(unrecognised(path, found));
        }
    }
    if !subfolders.is_empty() {
        return Ok(Arc::from(folder::open(path, options)?));
    }
    let mut files = std::fs::read_dir(path).map_err(|error| DataError::read(path, error))?.flatten();
    let pictures = files.any(|file| folder::is_picture(&file.path()));
    if !pictures {
        return Err(nothing_found(path));
    }
    let found = "pictures that lie directly in a folder have no class; give each class a folder of its own in it";
    Err(unrecognised(path, found.into()))
}

pub(super) fn nothing_found(folder: &Path) -> DataError {
    unrecognised(folder, format!("no data set was found in this folder; {READ}"))
}

fn open_file(path: &Path, options: &OpenOptions) -> Result<Arc<dyn Dataset>, DataError> {
    let (mut reader, gzip) = open_plain_or_gzip(path)?;
    let mut start = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(&mut reader, 512), &mut start)
        .map_err(|error| Place::file(path).reading(error))?;
    if start.get(257..262) == Some(b"ustar") {
        return Ok(Arc::new(batches::open_archive(path)?));
    }
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if matches!(start[..], [0, 0, 8, 1 | 3, ..]) && idx::is_here(folder) {
        return Ok(Arc::new(idx::open(folder, options.seed)?));
    }
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
    if batches::role(name).is_some() {
        return Ok(Arc::new(batches::open_folder(folder, batches::files_in(folder)?)?));
    }
    let found = match start[..] {
        [] => "the file is empty".into(),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "an xz archive; unpack it and give the folder".into(),
        [b'P', b'K', 3, 4, ..] => "a zip archive; unpack it and give the folder".into(),
        [b'B', b'Z', b'h', ..] => "a bzip2 archive; unpack it and give the folder".into(),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "a zstd archive; unpack it and give the folder".into(),
        [0x89, b'P', b'N', b'G', ..] | [0xff, 0xd8, 0xff, ..] => {
            "one picture; give the folder that holds one folder of pictures per class".into()
        }
        [0, 0, 8, 1 | 3, ..] => {
            "an IDX file under another name; files are found as train-images-idx3-ubyte, train-labels-idx1-ubyte, \
             t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, each with or without .gz"
                .into()
        }
        _ if gzip => format!("a gzip file with something unknown in it; {READ}"),
        _ => format!("not a data set; {READ}"),
    };
    Err(unrecognised(path, found))
}

fn unrecognised(path: &Path, found: String) -> DataError {
    DataError::Unrecognised { path: path.to_owned(), found }
}
