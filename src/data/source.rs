//! Reading files within bounds, whatever they claim to be.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;

use super::{DataError, Place};

/// No set takes more memory than this: the largest real ones (EMNIST, ImageNet16-120) take half of it.
pub(super) const MAX_BYTES: u64 = 1 << 30;

/// No file is larger that has to be in memory as a whole, beside the pictures read from it: a pickle.
pub(super) const MAX_FILE: u64 = 512 << 20;

/// Pictures hardly ever pack this well; what does is made to fill memory. What is small may.
const MAX_RATIO: u64 = 100;
const SMALL: u64 = 64 << 20;

/// Refuse what claims to unpack from `packed` bytes of a file to `bytes`, if that is too much of anything.
pub(super) fn check_claim(place: &Place, packed: u64, bytes: u64) -> Result<(), DataError> {
    if bytes > MAX_BYTES {
        let (have, limit) = (bytes >> 20, MAX_BYTES >> 20);
        return Err(place.invalid(format!("holds {have} MiB unpacked, more than the {limit} MiB that a set may take")));
    }
    if bytes > SMALL && bytes / MAX_RATIO > packed {
        return Err(place.invalid(format!(
            "{packed} bytes claim to unpack to {} MiB, which no pictures do: refused, it may be made to fill the memory",
            bytes >> 20
        )));
    }
    Ok(())
}

/// The two bytes that every gzip file begins with.
pub(super) const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A file that is read, through gzip if its first bytes say so.
pub(super) struct Source {
    pub reader: Box<dyn Read>,
    pub gzip: bool,
    /// Bytes of the file itself.
    pub length: u64,
}

/// Open a regular file, through gzip if its first bytes say so.
pub(super) fn open_plain_or_gzip(path: &Path) -> Result<Source, DataError> {
    let file = open_regular(path)?;
    let length = file.metadata().map_err(|error| DataError::read(path, error))?.len();
    let mut file = BufReader::with_capacity(1 << 16, file);
    let gzip = file.fill_buf().map_err(|error| DataError::read(path, error))?.starts_with(&GZIP);
    let reader: Box<dyn Read> = if gzip { Box::new(Gzip::new(file)) } else { Box::new(file) };
    Ok(Source { reader, gzip, length })
}

/// The members of a gzip file, one after the other. Zeros between and behind them are filling, as tapes and some tools
/// leave it.
pub(super) struct Gzip<R> {
    state: State<R>,
}

enum State<R> {
    Member(GzDecoder<R>),
    Between(R),
    Done,
}

impl<R: BufRead> Gzip<R> {
    pub fn new(inner: R) -> Self {
        Gzip { state: State::Member(GzDecoder::new(inner)) }
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.state, State::Done) {
                State::Member(mut member) => {
                    let read = member.read(buffer);
                    if !matches!(read, Ok(0)) {
                        self.state = State::Member(member);
                        return read;
                    }
                    self.state = State::Between(member.into_inner());
                }
                State::Between(mut inner) => {
                    let known;
                    let zeros = match inner.fill_buf() {
                        Ok(ahead) => {
                            let zeros = ahead.iter().position(|&byte| byte != 0);
                            known = zeros.is_none_or(|at| ahead[at] == GZIP[0]);
                            zeros.ok_or(ahead.len())
                        }
                        Err(error) => {
                            self.state = State::Between(inner);
                            return Err(error);
                        }
                    };
                    match zeros {
                        Ok(_) if !known => {
                            let reason = "something that is no gzip follows after the end of the data";
                            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
                        }
                        Ok(zeros) => {
                            inner.consume(zeros);
                            self.state = State::Member(GzDecoder::new(inner));
                        }
                        Err(0) => return Ok(0),
                        Err(zeros) => {
                            inner.consume(zeros);
                            self.state = State::Between(inner);
                        }
                    }
                }
                State::Done => return Ok(0),
            }
        }
    }
}

/// Open a file, but not a pipe or a device, which may never end or never begin.
pub(super) fn open_regular(path: &Path) -> Result<File, DataError> {
    let about = std::fs::metadata(path).map_err(|error| DataError::read(path, error))?;
    if !about.is_file() {
        return Err(Place::file(path).invalid("not a regular file"));
    }
    File::open(path).map_err(|error| DataError::read(path, error))
}

/// The first `count` bytes of a file, or all of it.
pub(super) fn read_start(path: &Path, file: File, count: u64) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    file.take(count).read_to_end(&mut bytes).map_err(|error| DataError::read(path, error))?;
    Ok(bytes)
}

/// Fills a buffer as far as there is something; how far.
pub(super) fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut have = 0;
    while have < buffer.len() {
        match reader.read(&mut buffer[have..]) {
            Ok(0) => break,
            Ok(count) => have += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(have)
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
