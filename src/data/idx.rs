//! The IDX format of the MNIST family: two zero bytes, the type of the values (8: unsigned bytes), the number of
//! dimensions, each dimension as a big-endian u32, then the values.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::memory::{Description, InMemory, Pictures};
use super::source::{MAX_BYTES, open_plain_or_gzip};
use super::split::hold_out;
use super::{DataError, Kind, Place, Split, embedded};

/// Dimensions and values of an IDX array of unsigned bytes.
pub(super) struct Array {
    pub dimensions: Vec<usize>,
    pub values: Vec<u8>,
}

/// Read an array with `rank` dimensions.
pub(super) fn read(place: &Place, reader: &mut dyn Read, rank: u8) -> Result<Array, DataError> {
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
    let mut values = Vec::new();
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
pub(super) fn pair(
    images: (&Place, &mut dyn Read),
    labels: (&Place, &mut dyn Read),
) -> Result<(Pictures, usize, usize), DataError> {
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

/// The path of one of the four files, under any of the names that are in use.
fn find(folder: &Path, split: Split, part: &str) -> Option<PathBuf> {
    let stem = if split == Split::Train { "train" } else { "t10k" };
    let names = ["-idx", ".idx"].map(|joint| {
        let rank = if part == "images" { 3 } else { 1 };
        format!("{stem}-{part}{joint}{rank}-ubyte")
    });
    let names = names.iter().flat_map(|name| [name.clone(), format!("{name}.gz")]);
    names.map(|name| folder.join(name)).find(|path| path.is_file())
}

fn read_split(folder: &Path, split: Split) -> Result<Option<(Pictures, usize, usize)>, DataError> {
    let (images, labels) = match (find(folder, split, "images"), find(folder, split, "labels")) {
        (None, None) => return Ok(None),
        (Some(images), Some(labels)) => (images, labels),
        (Some(there), None) => return Err(alone(&there, "pictures", "labels")),
        (None, Some(there)) => return Err(alone(&there, "labels", "pictures")),
    };
    let (mut image_reader, _) = open_plain_or_gzip(&images)?;
    let (mut label_reader, _) = open_plain_or_gzip(&labels)?;
    pair((&Place::file(images), &mut image_reader), (&Place::file(labels), &mut label_reader)).map(Some)
}

fn alone(there: &Path, what: &str, missing: &str) -> DataError {
    Place::file(there).invalid(format!("these {what} have no {missing} beside them; put both IDX files in one folder"))
}

/// Whether a folder holds IDX files under the names of the MNIST family.
pub(super) fn is_here(folder: &Path) -> bool {
    let parts = [(Split::Train, "images"), (Split::Train, "labels"), (Split::Test, "images"), (Split::Test, "labels")];
    parts.into_iter().any(|(split, part)| find(folder, split, part).is_some())
}

/// The set in a folder. With one split only, a seeded part of it is held out as the test split.
pub(super) fn open(folder: &Path, seed: u64) -> Result<InMemory, DataError> {
    let train = read_split(folder, Split::Train)?;
    let test = read_split(folder, Split::Test)?;
    let mut note = String::new();
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
            note = "there is one split only, a sixth of it is held out as test pictures".into();
            (all.select(&train, height * width), all.select(&test, height * width), height, width)
        }
        (None, None) => return Err(Place::file(folder).invalid("no IDX files here")),
    };
    let classes = train.labels.iter().chain(&test.labels).max().map_or(1, |&label| label as usize + 1);
    let known = embedded::is_fashion_mnist(&train.pixels, height, width, classes);
    let about = Description {
        name: if known { "Fashion-MNIST".into() } else { "IDX set".into() },
        kind: Kind::Idx,
        location: folder.display().to_string(),
        height,
        width,
        channels: 1,
        class_names: if known {
            embedded::class_names()
        } else {
            (0..classes).map(|class| class.to_string()).collect()
        },
        normalisation: known.then(embedded::normalisation),
        note,
    };
    Ok(InMemory::new(about, train, test))
}
