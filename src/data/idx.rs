//! The IDX format of the MNIST family: two zero bytes, the type of the values (8: unsigned bytes), the number of
//! dimensions, each dimension as a big-endian u32, then the values.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::found::{self, Found, Passed};
use super::memory::{Description, InMemory, Pictures};
use super::source::{MAX_BYTES, Source, check_claim, open_plain_or_gzip};
use super::split::hold_out;
use super::{DataError, Kind, Place, Split, fashion_mnist};

/// Dimensions and values of an IDX array of unsigned bytes.
pub(super) struct Array {
    pub dimensions: Vec<usize>,
    pub values: Vec<u8>,
}

/// Read an array with `rank` dimensions.
pub(super) fn read(place: &Place, source: Source, rank: u8) -> Result<Array, DataError> {
    let mut reader = source.reader;
    let mut header = vec![0u8; 4 + 4 * usize::from(rank)];
    let start = header.len() as u64;
    reader.read_exact(&mut header).map_err(|error| place.reading(error))?;
    match header[..4] {
        [0, 0, 8, found] if found == rank => {}
        [0, 0, 8, found] => {
            let what = if rank == 3 { "pictures" } else { "labels" };
            return Err(place.at(3).invalid(format!("{what} have {rank} dimensions in IDX files, here are {found}")));
        }
        [0, 0, other, _] => {
            return Err(place
                .at(2)
                .invalid(format!("IDX values of type 0x{other:02x}, only unsigned bytes (0x08) are read")));
        }
        _ => return Err(place.at(0).invalid("not an IDX file: it does not begin with two zero bytes")),
    }
    let dimensions: Vec<usize> = header[4..]
        .chunks_exact(4)
        .map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
        .collect();
    let shape = dimensions.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ");
    let size =
        dimensions.iter().try_fold(1u64, |product, &n| product.checked_mul(n as u64)).filter(|&n| n <= MAX_BYTES);
    let Some(size) = size else {
        return Err(place.at(4).invalid(format!("claims {shape} values, more than the {MAX_BYTES} that are read")));
    };
    if size == 0 {
        return Err(place.at(4).invalid(format!("claims {shape} values: there is nothing in it")));
    }
    check_claim(place, source.length, size)?;
    let mut values = Vec::new();
    // Memory is taken when something is written there; growing would take twice as much.
    values.reserve_exact(size as usize + 1);
    reader.take(size + 1).read_to_end(&mut values).map_err(|error| place.reading(error))?;
    let have = values.len() as u64;
    if have < size {
        let claim =
            format!("the file is short: it ends {} bytes before the {shape} values that it claims", size - have);
        return Err(place.at(start + have).invalid(claim));
    }
    if have > size {
        return Err(place
            .at(start + size)
            .invalid(format!("the file goes on after the {shape} values that it claims")));
    }
    Ok(Array { dimensions, values })
}

/// Pictures with their labels, one channel; also their height and width.
pub(super) fn pair(images: (&Place, Source), labels: (&Place, Source)) -> Result<(Pictures, usize, usize), DataError> {
    let pixels = read(images.0, images.1, 3)?;
    let classes = read(labels.0, labels.1, 1)?;
    if pixels.dimensions[0] != classes.dimensions[0] {
        return Err(labels.0.at(4).invalid(format!(
            "{} labels, but {} holds {} pictures",
            classes.dimensions[0], images.0, pixels.dimensions[0]
        )));
    }
    let pictures = Pictures { pixels: pixels.values, labels: classes.values.into_iter().map(u32::from).collect() };
    Ok((pictures, pixels.dimensions[1], pixels.dimensions[2]))
}

/// The files of a set, as far as they are there.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// What stands before `train` and `test` in their names: `emnist-letters`; mostly nothing.
    pub prefix: String,
    train: [Option<PathBuf>; 2],
    test: [Option<PathBuf>; 2],
}

impl Files {
    /// One of them.
    pub fn any(&self) -> Option<&Path> {
        self.train.iter().chain(&self.test).flatten().next().map(PathBuf::as_path)
    }
}

/// Prefix, split and part (0: pictures, 1: labels) of a file, by its name: `train-images-idx3-ubyte.gz`,
/// `t10k-labels.idx1-ubyte`, `emnist-letters-test-images-idx3-ubyte`, …
fn meaning(name: &OsStr) -> Option<(String, Split, usize)> {
    let name = name.to_str()?.to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let tokens: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).filter(|token| !token.is_empty()).collect();
    let at = |wanted: &[&str]| tokens.iter().position(|token| wanted.contains(token));
    let (split, place) = match (at(&["train", "training"]), at(&["t10k", "test", "testing"])) {
        (Some(place), None) => (Split::Train, place),
        (None, Some(place)) => (Split::Test, place),
        _ => return None,
    };
    let (part, rank) = match (at(&["images", "image"]), at(&["labels", "label"])) {
        (Some(_), None) => (0, "idx3"),
        (None, Some(_)) => (1, "idx1"),
        _ => return None,
    };
    (tokens.contains(&rank) || (tokens.contains(&"idx"))).then(|| (tokens[..place].join("-"), split, part))
}

/// The sets of IDX files in a folder, by the names of the MNIST family.
pub(super) fn sets_in(folder: &Path) -> Result<Vec<Files>, DataError> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| DataError::read(folder, error))? {
        paths.push(entry.map_err(|error| DataError::read(folder, error))?.path());
    }
    // An unpacked file comes before the packed one beside it.
    paths.sort();
    let mut sets: Vec<Files> = Vec::new();
    for path in paths {
        let Some((prefix, split, part)) = path.file_name().and_then(meaning).filter(|_| path.is_file()) else {
            continue;
        };
        let known = sets.iter().position(|files| files.prefix == prefix).unwrap_or_else(|| {
            sets.push(Files { prefix, ..Files::default() });
            sets.len() - 1
        });
        let parts = if split == Split::Train { &mut sets[known].train } else { &mut sets[known].test };
        parts[part].get_or_insert(path);
    }
    Ok(sets)
}

/// The set that a file belongs to.
pub(super) fn set_of(file: &Path, sets: Vec<Files>) -> Option<Files> {
    let (prefix, ..) = meaning(file.file_name()?)?;
    sets.into_iter().find(|files| files.prefix == prefix)
}

fn read_split(files: [Option<PathBuf>; 2]) -> Result<Option<(Pictures, usize, usize)>, DataError> {
    let (images, labels) = match files {
        [None, None] => return Ok(None),
        [Some(images), Some(labels)] => (images, labels),
        [Some(there), None] => return Err(alone(&there, "pictures", "labels")),
        [None, Some(there)] => return Err(alone(&there, "labels", "pictures")),
    };
    let (image_source, label_source) = (open_plain_or_gzip(&images)?, open_plain_or_gzip(&labels)?);
    pair((&Place::file(images), image_source), (&Place::file(labels), label_source)).map(Some)
}

fn alone(there: &Path, what: &str, missing: &str) -> DataError {
    Place::file(there).invalid(format!("these {what} have no {missing} beside them; put both IDX files in one folder"))
}

/// What lies beside the files of a set.
fn beside(folder: &Path, files: &Files) -> Result<Passed, DataError> {
    let mut passed = Passed::default();
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| DataError::read(folder, error))? {
        paths.push(entry.map_err(|error| DataError::read(folder, error))?.path());
    }
    paths.sort();
    for path in paths {
        if files.train.iter().chain(&files.test).flatten().any(|taken| *taken == path) {
            continue;
        }
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        passed.add_path(found::never_data(name).unwrap_or(found::NO_BATCH), folder, &path);
    }
    Ok(passed)
}

/// The set in a folder. With one split only, a seeded part of it is held out as the test split.
pub(super) fn open(folder: &Path, files: Files, seed: u64) -> Result<InMemory, DataError> {
    let skipped = beside(folder, &files)?.into_list();
    let train = read_split(files.train)?;
    let test = read_split(files.test)?;
    let mut notes = Vec::new();
    let (train, test, height, width) = match (train, test) {
        (Some((train, height, width)), Some((test, test_height, test_width))) => {
            if (height, width) != (test_height, test_width) {
                return Err(Place::file(folder).invalid(format!(
                    "training pictures are {height}x{width}, test pictures {test_height}x{test_width}"
                )));
            }
            (train, test, height, width)
        }
        (Some(only), None) | (None, Some(only)) => {
            let (all, height, width) = only;
            let (train, test) = hold_out(&all.labels, seed);
            if train.is_empty() || test.is_empty() {
                return Err(Place::file(folder).invalid("too few pictures to hold some out as a test split"));
            }
            notes.push("there is one split only, a sixth of it is held out as test pictures".to_string());
            (all.select(&train, height * width), all.select(&test, height * width), height, width)
        }
        (None, None) => return Err(Place::file(folder).invalid("no IDX files here")),
    };
    let classes = train.labels.iter().chain(&test.labels).max().map_or(1, |&label| label as usize + 1);
    let known = fashion_mnist::is_fashion_mnist(&train.pixels, height, width, classes);
    notes.extend(Some(found::told(&skipped)).filter(|told| !told.is_empty()));
    let about = Description {
        name: if known { "Fashion-MNIST".into() } else { "IDX set".into() },
        kind: Kind::Idx,
        location: folder.display().to_string(),
        height,
        width,
        channels: 1,
        class_names: if known {
            fashion_mnist::class_names()
        } else {
            (0..classes).map(|class| class.to_string()).collect()
        },
        normalisation: known.then(fashion_mnist::normalisation),
        note: notes.join("; "),
        found: Found { skipped, ..Found::default() },
    };
    Ok(InMemory::new(about, train, test))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_use() {
        let told = |name: &str| meaning(OsStr::new(name));
        for (name, prefix, split, part) in [
            ("train-images-idx3-ubyte", "", Split::Train, 0),
            ("train-images.idx3-ubyte", "", Split::Train, 0),
            ("t10k-labels-idx1-ubyte.gz", "", Split::Test, 1),
            ("Train_Labels.IDX1-UBYTE", "", Split::Train, 1),
            ("emnist-letters-test-images-idx3-ubyte.gz", "emnist-letters", Split::Test, 0),
            ("train-images.idx", "", Split::Train, 0),
        ] {
            assert_eq!(told(name), Some((prefix.to_string(), split, part)), "{name}");
        }
        for name in [
            "train-images",
            "images-idx3-ubyte",
            "train-labels-idx3-ubyte",
            "train.png",
            "qmnist-train-labels-idx2-int",
        ] {
            assert_eq!(told(name), None, "{name}");
        }
    }
}
