//! Tar archives, plain or gzipped, read front to back. Nothing is ever unpacked to disk.

use std::io::{self, Read};
use std::path::Path;

use tar::EntryType;

use super::source::{MAX_BYTES, open_plain_or_gzip, read_at_most};
use super::{DataError, Place};

/// Go through the regular files of an archive: `visit` gets the name and content of those whose name is `wanted`.
///
/// # Errors
/// An archive that is torn or damaged, that unpacks to more than [`MAX_BYTES`], or that holds links, devices, or names
/// that lead out of it, which no data set needs.
pub(super) fn visit(
    path: &Path,
    wanted: impl Fn(&str) -> bool,
    mut visit: impl FnMut(Place, Vec<u8>) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let archive_place = Place::file(path);
    let mut archive = tar::Archive::new(Bounded { inner: open_plain_or_gzip(path)?.0, left: MAX_BYTES });
    // Raw: extended headers (long names, times) are passed over like files; the library would read them into memory
    // whole, whatever their size.
    for entry in archive.entries().map_err(|error| archive_place.reading(error))?.raw(true) {
        let mut entry = entry.map_err(|error| archive_place.reading(error))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let place = Place::entry(path, name.as_str());
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => {}
            EntryType::Directory => {}
            EntryType::GNULongName | EntryType::GNULongLink | EntryType::XHeader | EntryType::XGlobalHeader => continue,
            EntryType::Symlink | EntryType::Link => {
                return Err(place.invalid("a link; archives with links are refused, they may be hostile"));
            }
            other => {
                let reason = format!("neither a file nor a folder (type {:?}), so the archive is refused", other);
                return Err(place.invalid(reason));
            }
        }
        if leads_out(&name) {
            return Err(place.invalid("a name that leads out of the archive, so it is refused: it may be hostile"));
        }
        if entry.header().entry_type() == EntryType::Directory || !wanted(&name) {
            continue;
        }
        let size = entry.size();
        let bytes = read_at_most(&place, &mut entry, size)?;
        if (bytes.len() as u64) < size {
            return Err(place
                .at(bytes.len() as u64)
                .invalid(format!("the archive is torn: the entry has {size} bytes")));
        }
        visit(place, bytes)?;
    }
    // To the end, where gzip keeps the checksum of it all.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(|error| archive_place.reading(error))?;
    Ok(())
}

fn leads_out(name: &str) -> bool {
    let drive = name.as_bytes().get(1) == Some(&b':');
    name.starts_with(['/', '\\']) || drive || name.split(['/', '\\']).any(|part| part == "..")
}

/// Fails after so many bytes.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            let reason = format!("unpacks to more than the {MAX_BYTES} bytes that are read of an archive");
            io::Error::new(io::ErrorKind::FileTooLarge, reason)
        })?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_that_never_ends_is_given_up() {
        let mut endless = Bounded { inner: io::repeat(0), left: 100_000 };
        let error = io::copy(&mut endless, &mut io::sink()).unwrap_err();
        let error = Place::file("bomb.tar.gz").reading(error).to_string();
        assert!(error.starts_with("bomb.tar.gz: unpacks to more than"), "{error}");
        let error = read_at_most(&Place::entry("a", "b"), &mut io::repeat(0), 1000).unwrap_err().to_string();
        assert!(error.starts_with("a, entry b, byte 1000: more than the 1000 bytes"), "{error}");
    }
}
