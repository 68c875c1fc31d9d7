//! Finds out what is at a path.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::given::Given;
use super::options::{OpenOptions, READ, nothing_found, unrecognised};
use super::source::{Source, open_plain_or_gzip};
use super::{DataError, Dataset, Place, archive, batches, embedded, folder, idx, role};

/// Open `embedded`, or whatever is at a path; the kind is found out from the content. `summary()` of the result, when
/// printed, is a sentence that says what was found.
///
/// # Errors
/// Nothing there, nothing that can be read, or something wrong with it: see [`DataError`].
pub fn open(source: &str, options: &OpenOptions) -> Result<Arc<dyn Dataset>, DataError> {
    let set = found(source, options)?;
    options.check_normalisation(set.summary().channels)?;
    let given = !options.mean.is_empty() || !options.deviation.is_empty();
    Ok(if given { Arc::new(Given::new(set, options)) } else { set })
}

fn found(source: &str, options: &OpenOptions) -> Result<Arc<dyn Dataset>, DataError> {
    if source == "embedded" {
        return Ok(Arc::new(embedded::open()?));
    }
    let path = Path::new(source);
    let about = std::fs::metadata(path).map_err(|error| DataError::read(path, error))?;
    if about.is_dir() { open_folder(path, options) } else { open_file(path, options) }
}

/// A set in files of its own format.
enum Files {
    Idx(idx::Files),
    Batches(Vec<(role::Role, PathBuf)>),
}

/// Folders deep that a set may be below the one that is given.
const MAX_CHAIN: usize = 4;

/// The sets that lie directly in a folder, with that folder.
fn sets_in(folder: &Path) -> Result<Vec<(PathBuf, Files)>, DataError> {
    let idx = idx::sets_in(folder)?.into_iter().map(Files::Idx);
    let batches = Some(batches::files_in(folder)?).filter(|files| batches::hold_pictures(files)).map(Files::Batches);
    Ok(idx.chain(batches).map(|files| (folder.to_owned(), files)).collect())
}

/// Folders in which a set may be: those directly inside (as archives unpack), `raw` in them (as torchvision has it), and
/// the same again as long as each folder holds only one.
fn places(inside: &[PathBuf]) -> Result<Vec<PathBuf>, DataError> {
    let mut places = Vec::new();
    let mut inside = inside.to_vec();
    for _ in 0..MAX_CHAIN {
        for place in &inside {
            places.push(place.clone());
            places.push(place.join("raw"));
        }
        let [only] = inside.as_slice() else { break };
        inside = folder::list(only)?.folders;
    }
    places.sort();
    places.dedup();
    places.retain(|place| place.is_dir());
    Ok(places)
}

fn open_folder(path: &Path, options: &OpenOptions) -> Result<Arc<dyn Dataset>, DataError> {
    let listing = folder::list(path)?;
    let mut sets = sets_in(path)?;
    if sets.is_empty() {
        for place in places(&listing.folders)? {
            sets.extend(sets_in(&place)?);
        }
    }
    if sets.len() > 1 {
        let names: Vec<String> = sets
            .iter()
            .map(|(place, files)| match files {
                Files::Idx(files) => files.any().unwrap_or(place).display().to_string(),
                Files::Batches(_) => place.display().to_string(),
            })
            .collect();
        let found = format!("several data sets are here, give one of them: {}", names.join(", "));
        return Err(unrecognised(path, found));
    }
    match sets.pop() {
        Some((place, Files::Idx(files))) => return Ok(Arc::new(idx::open(&place, files, options.seed)?)),
        Some((place, Files::Batches(files))) => return Ok(Arc::new(batches::open_folder(&place, files)?)),
        None => {}
    }
    let pictures = if listing.folders.is_empty() {
        if listing.files.iter().any(|file| folder::is_picture(file)) {
            let found =
                "pictures that lie directly in a folder have no class; give each class a folder of its own in it";
            return Err(unrecognised(path, found.into()));
        }
        Err(nothing_found(path))
    } else {
        folder::open(path, options)
    };
    match pictures {
        // Perhaps it was only fetched yet.
        Err(DataError::Unrecognised { .. }) => open_packed(path, &listing.files),
        other => Ok(Arc::from(other?)),
    }
}

/// The set in a folder that holds nothing but an archive.
fn open_packed(folder: &Path, files: &[PathBuf]) -> Result<Arc<dyn Dataset>, DataError> {
    let mut archives = Vec::new();
    let mut other = Vec::new();
    for file in files {
        let mut start = Vec::new();
        let reader = open_plain_or_gzip(file)?.reader;
        // What cannot be unpacked is none.
        let whole = std::io::Read::read_to_end(&mut std::io::Read::take(reader, 512), &mut start).is_ok();
        if whole && archive::begins_like_one(&start) {
            archives.push(file);
        } else if whole && packed(&start).is_some() {
            other.push(file);
        }
    }
    match (archives.as_slice(), other.first()) {
        ([only], _) => Ok(Arc::new(batches::open_archive(only)?)),
        ([], None) => Err(nothing_found(folder)),
        ([], Some(first)) => {
            Err(unrecognised(first, "an archive of a kind that is not read; unpack it and give the folder".into()))
        }
        (several, _) => {
            let names: Vec<String> = several.iter().map(|path| path.display().to_string()).collect();
            Err(unrecognised(folder, format!("several archives are here, give one of them: {}", names.join(", "))))
        }
    }
}

/// What kind of archive that is not read a file begins like.
fn packed(start: &[u8]) -> Option<&'static str> {
    match start {
        [0xfd, b'7', b'z', b'X', b'Z', ..] => Some("an xz archive"),
        [b'7', b'z', 0xbc, 0xaf, ..] => Some("a 7z archive"),
        [b'P', b'K', 3, 4, ..] => Some("a zip archive"),
        [b'B', b'Z', b'h', ..] => Some("a bzip2 archive"),
        [b'R', b'a', b'r', b'!', ..] => Some("a rar archive"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("a zstd archive"),
        _ => None,
    }
}

fn open_file(path: &Path, options: &OpenOptions) -> Result<Arc<dyn Dataset>, DataError> {
    let Source { reader, gzip, .. } = open_plain_or_gzip(path)?;
    let mut start = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(reader, 512), &mut start)
        .map_err(|error| Place::file(path).reading(error))?;
    if archive::begins_like_one(&start) {
        return Ok(Arc::new(batches::open_archive(path)?));
    }
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if matches!(start[..], [0, 0, 8, 1 | 3, ..])
        && let Some(files) = idx::set_of(path, idx::sets_in(folder)?)
    {
        return Ok(Arc::new(idx::open(folder, files, options.seed)?));
    }
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
    if role::role(name).is_some() {
        return Ok(Arc::new(batches::open_folder(folder, batches::files_in(folder)?)?));
    }
    let found = match start[..] {
        [] => "the file is empty".into(),
        [0x89, b'P', b'N', b'G', ..]
        | [0xff, 0xd8, 0xff, ..]
        | [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..]
        | [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => {
            "one picture; give the folder that holds one folder of pictures per class".into()
        }
        [0, 0, 8, 1 | 3, ..] => {
            "an IDX file under another name; files are found as train-images-idx3-ubyte, train-labels-idx1-ubyte, \
             t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, each with or without .gz"
                .into()
        }
        _ => match packed(&start) {
            Some(kind) => format!("{kind}; unpack it and give the folder"),
            None if gzip => format!("a gzip file with something unknown in it; {READ}"),
            None => format!("not a data set; {READ}"),
        },
    };
    Err(unrecognised(path, found))
}
