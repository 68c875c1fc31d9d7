//! Reading files within bounds, whatever they claim to be.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::{DataError, Place};

/// No file, entry of an archive, or whole decompressed archive that is larger than this is read: the largest real one
/// (ImageNet at 16x16, all classes) unpacks to 1 GiB, a malicious one to any size.
pub(super) const MAX_BYTES: u64 = 2 << 30;

/// The two bytes that every gzip file begins with.
pub(super) const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Open a regular file, through gzip if its first bytes say so; `true` if they do.
pub(super) fn open_plain_or_gzip(path: &Path) -> Result<(Box<dyn Read>, bool), DataError> {
    let mut file = BufReader::with_capacity(1 << 16, open_regular(path)?);
    let start = io::BufRead::fill_buf(&mut file).map_err(|error| DataError::read(path, error))?;
    if start.starts_with(&GZIP) { Ok((Box::new(MultiGzDecoder::new(file)), true)) } else { Ok((Box::new(file), false)) }
}

/// Open a file, but not a pipe or a device, which may never end or never begin.
pub(super) fn open_regular(path: &Path) -> Result<File, DataError> {
    let about = std::fs::metadata(path).map_err(|error| DataError::read(path, error))?;
    if !about.is_file() {
        return Err(Place::file(path).invalid("not a regular file"));
    }
    File::open(path).map_err(|error| DataError::read(path, error))
}

/// The whole of a regular file.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, DataError> {
    let file = open_regular(path)?;
    read_at_most(&Place::file(path), &mut { file }, MAX_BYTES)
}

/// Everything that is left, refused if it is more than `limit` bytes. Memory grows with what really arrives, never with
/// what a header claims.
pub(super) fn read_at_most(place: &Place, reader: &mut dyn Read, limit: u64) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    reader.take(limit + 1).read_to_end(&mut bytes).map_err(|error| place.reading(error))?;
    if bytes.len() as u64 > limit {
        return Err(place.at(limit).invalid(format!("more than the {limit} bytes that are read of one file")));
    }
    Ok(bytes)
}
