//! Tar archives, plain or gzipped, read front to back. Nothing is ever unpacked to disk.
//!
//! Headers are read one by one here, since names of any length and sizes come in headers of their own (of GNU's and of
//! POSIX's kind), which a reader of whole entries would take into memory whatever they claim.

use std::io::{self, Read};
use std::path::Path;

use tar::{EntryType, Header, PaxExtensions};

use super::found::{self, Passed};
use super::source::{MAX_BYTES, check_claim, fill, open_plain_or_gzip, read_at_most};
use super::{DataError, Place};

const BLOCK: usize = 512;
/// Names and attributes of an entry are no longer.
const MAX_EXTENSION: u64 = 1 << 20;

/// Whether a file begins like a tar archive of any kind.
pub(super) fn begins_like_one(start: &[u8]) -> bool {
    start.get(..BLOCK).is_some_and(|block| start[0] != 0 && fits(block))
}

/// Whether the sum in a header is that of its bytes, added up as unsigned or, by old programs, as signed numbers.
fn fits(block: &[u8]) -> bool {
    let sum = |value: fn(u8) -> i64| -> i64 {
        let at = |(i, &byte): (usize, &u8)| if (148..156).contains(&i) { 32 } else { value(byte) };
        block.iter().enumerate().map(at).sum()
    };
    let told = Header::from_byte_slice(block).cksum().ok().map(i64::from);
    told == Some(sum(i64::from)) || told == Some(sum(|byte| i64::from(byte as i8)))
}

/// What headers before an entry say about it.
#[derive(Default)]
struct Extension {
    name: Option<Vec<u8>>,
    size: Option<u64>,
}

/// Go through the regular files of an archive: `visit` gets the name and content of those whose name is `wanted`, as a
/// reader with so many bytes. Returns what was passed over.
///
/// # Errors
/// An archive that is torn or damaged, that unpacks to too much, or that holds links, devices, or names that lead out of
/// it, which no data set needs.
pub(super) fn visit(
    path: &Path,
    wanted: impl Fn(&str) -> bool,
    mut visit: impl FnMut(Place, &mut dyn Read, u64) -> Result<(), DataError>,
) -> Result<Passed, DataError> {
    let archive = Place::file(path);
    let source = open_plain_or_gzip(path)?;
    let packed = source.length;
    let mut reader = Bounded { inner: source.reader, left: MAX_BYTES };
    let mut passed = Passed::default();
    let mut extension = Extension::default();
    let mut claimed = 0u64;
    loop {
        let mut block = [0u8; BLOCK];
        let have = fill(&mut reader, &mut block).map_err(|error| archive.reading(error))?;
        // Two blocks of zeros are the end, one (or none) is what careless programs write.
        if have == 0 || block.iter().all(|&byte| byte == 0) {
            break;
        }
        if have < BLOCK || !fits(&block) {
            return Err(
                archive.invalid("the archive is torn or damaged: the checksum of a header is wrong; fetch it again")
            );
        }
        let header = Header::from_byte_slice(&block);
        let told = header.entry_size().map_err(|error| archive.reading(error))?;
        let kind = header.entry_type();
        let entry_name = extension.name.clone().unwrap_or_else(|| header.path_bytes().into_owned());
        let name = String::from_utf8_lossy(&entry_name).into_owned();
        let place = Place::entry(path, name.as_str());
        if matches!(
            kind,
            EntryType::GNULongName | EntryType::GNULongLink | EntryType::XHeader | EntryType::XGlobalHeader
        ) {
            if told > MAX_EXTENSION {
                let reason = format!("{told} bytes of names and attributes; an entry may have {MAX_EXTENSION}");
                return Err(place.invalid(reason));
            }
            let bytes = entry_bytes(&place, &mut reader, told)?;
            match kind {
                EntryType::GNULongName => {
                    extension.name = Some(bytes.split(|&byte| byte == 0).next().unwrap_or_default().to_vec());
                }
                EntryType::XHeader => attributes(&place, &bytes, &mut extension)?,
                _ => {}
            }
            skip(&mut reader, padding(told)).map_err(|error| archive.reading(error))?;
            continue;
        }
        let size = std::mem::take(&mut extension).size.unwrap_or(told);
        match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::Directory => {}
            EntryType::Symlink | EntryType::Link => {
                return Err(place.invalid("a link; archives with links are refused, they may be hostile"));
            }
            other => {
                let reason = format!("neither a file nor a folder (type {other:?}), so the archive is refused");
                return Err(place.invalid(reason));
            }
        }
        if leads_out(&name) {
            return Err(place.invalid("a name that leads out of the archive, so it is refused: it may be hostile"));
        }
        // An old archive has folders as files whose names end like this.
        let folder = kind == EntryType::Directory || (size == 0 && name.ends_with('/'));
        claimed = claimed.saturating_add(size);
        check_claim(&place, packed, claimed)?;
        let mut content = (&mut reader).take(size);
        if !folder {
            let never = name.split('/').filter(|part| *part != ".").find_map(|part| found::never_data(part.as_bytes()));
            match never {
                None if wanted(&name) => visit(place.clone(), &mut content, size)?,
                why => passed.add(why.unwrap_or(found::NO_BATCH), || name.escape_debug().to_string()),
            }
        }
        io::copy(&mut content, &mut io::sink()).map_err(|error| archive.reading(error))?;
        if content.limit() > 0 {
            let have = size - content.limit();
            return Err(place.at(have).invalid(format!("the archive is torn: the entry has {size} bytes")));
        }
        skip(&mut reader, padding(size)).map_err(|error| archive.reading(error))?;
    }
    // To the end, where gzip keeps the checksum of it all.
    io::copy(&mut reader, &mut io::sink()).map_err(|error| archive.reading(error))?;
    Ok(passed)
}

fn entry_bytes(place: &Place, reader: &mut dyn Read, size: u64) -> Result<Vec<u8>, DataError> {
    let bytes = read_at_most(place, &mut reader.take(size), size)?;
    if (bytes.len() as u64) < size {
        return Err(place.at(bytes.len() as u64).invalid(format!("the archive is torn: the entry has {size} bytes")));
    }
    Ok(bytes)
}

/// POSIX's attributes of the entry that follows.
fn attributes(place: &Place, bytes: &[u8], extension: &mut Extension) -> Result<(), DataError> {
    for attribute in PaxExtensions::new(bytes) {
        let attribute = attribute.map_err(|error| place.reading(error))?;
        match attribute.key_bytes() {
            b"path" => extension.name = Some(attribute.value_bytes().to_vec()),
            b"size" => {
                let size = attribute.value().ok().and_then(|text| text.parse().ok());
                extension.size =
                    Some(size.ok_or_else(|| place.invalid("a size that is no number; fetch the archive again"))?);
            }
            key if key.starts_with(b"GNU.sparse") => {
                return Err(place.invalid("a file with holes, which is not read; pack the archive without --sparse"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Bytes that fill an entry up to a whole block.
fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK as u64) - size
}

fn skip(reader: &mut dyn Read, count: u64) -> io::Result<()> {
    io::copy(&mut reader.take(count), &mut io::sink()).map(|_| ())
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
