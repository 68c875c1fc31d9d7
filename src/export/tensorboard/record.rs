//! Files of events: records, each with its length and two checksums (TFRecord).

use std::fs::File;
use std::io::{self, Write};

use prost::Message;

use super::proto::{Event, What};

/// Bytes of a file of events that are read back at most.
const MOST: u64 = 1 << 30;

fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// A record: length, its checksum, the event, its checksum.
fn record(event: &Event) -> Vec<u8> {
    let data = event.encode_to_vec();
    let length = (data.len() as u64).to_le_bytes();
    [&length, &masked(&length).to_le_bytes()[..], &data, &masked(&data).to_le_bytes()].concat()
}

/// A file of events that is written: whole records, at once.
pub struct Records(File);

impl Records {
    /// Begins the file, which is empty.
    ///
    /// # Errors
    /// It can't be written.
    pub fn begin(file: File, time: f64) -> io::Result<Records> {
        let version = Event { wall_time: time, step: 0, what: Some(What::FileVersion("brain.Event:2".into())) };
        let mut records = Records(file);
        records.add(&[version])?;
        Ok(records)
    }

    /// # Errors
    /// It can't be written.
    pub fn add(&mut self, events: &[Event]) -> io::Result<()> {
        let bytes: Vec<u8> = events.iter().flat_map(record).collect();
        self.0.write_all(&bytes)
    }
}

/// When the last whole record of a file was made; a torn one at its end is passed over.
///
/// # Errors
/// It can't be read.
pub fn last_time(file: &File) -> io::Result<Option<f64>> {
    let bytes = crate::run::files::rest(file, MOST)?;
    let (mut rest, mut last) = (&bytes[..], None);
    while let Some((event, behind)) = first(rest) {
        // The first only says what the file is.
        if !matches!(event.what, Some(What::FileVersion(_))) {
            last = Some(event.wall_time);
        }
        rest = behind;
    }
    Ok(last)
}

/// The first record, and what is behind it.
fn first(bytes: &[u8]) -> Option<(Event, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    if masked(length) != u32::from_le_bytes(*sum) {
        return None;
    }
    let (data, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    if masked(data) != u32::from_le_bytes(*sum) {
        return None;
    }
    Some((Event::decode(data).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_record_at_the_end_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        let mut records = Records::begin(File::create(&path).unwrap(), 1.0).unwrap();
        let event = |time: f64| Event {
            wall_time: time,
            step: 3,
            what: Some(What::Summary(super::super::proto::Summary::default())),
        };
        assert_eq!(last_time(&File::open(&path).unwrap()).unwrap(), None);
        records.add(&[event(2.5), event(3.5)]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(last_time(&File::open(&path).unwrap()).unwrap(), Some(3.5));
        let one = record(&event(3.5)).len();
        for torn in 1..=one {
            std::fs::write(&path, &whole[..whole.len() - torn]).unwrap();
            assert_eq!(last_time(&File::open(&path).unwrap()).unwrap(), Some(2.5), "{torn}");
        }
        // The checksum of the format's own description: of 32 zero bytes, unmasked 0x8a9136aa.
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
    }
}
