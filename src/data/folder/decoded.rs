//! Pictures of a folder as they were decoded, kept below the user's cache folder so that the next run need not decode them again.
//! A file holds one set: a line that says what it is of, a checksum, and the pixels of both splits, `[N, H, W, C]`.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use xxhash_rust::xxh3::xxh3_64;

use super::known::{VERSION, file, private_folder};

/// What such files are called.
const ENDING: &str = "pixels";
/// What such files are called while they are written.
const PART: &str = "part";
/// Nobody writes for so long.
const ABANDONED: Duration = Duration::from_secs(3600);
/// Lines that are read of a file that may be anything.
const LINE: u64 = 4096;

/// Where decoded pictures are kept.
pub(super) struct Store<'a> {
    pub folder: &'a Path,
    /// Bytes that all sets together may take there.
    pub most: u64,
}

impl Store<'_> {
    /// Pixels of the training and of the test pictures that a key tells, of so many bytes each; nothing where they are not there,
    /// torn, or of something else.
    pub fn read(&self, key: &str, bytes: [usize; 2]) -> Option<[Vec<u8>; 2]> {
        if self.most == 0 {
            return None;
        }
        let place = self.place(key);
        let opened = File::open(&place).ok()?;
        let length = opened.metadata().ok()?.len();
        let mut reader = BufReader::with_capacity(1 << 20, opened);
        let mut line = Vec::new();
        (&mut reader).take(LINE).read_until(b'\n', &mut line).ok()?;
        let (wanted, all) = (first_line(key), bytes[0].checked_add(bytes[1])?);
        if line != wanted.as_bytes() || length != (line.len() + 8 + all) as u64 {
            return None;
        }
        let mut sum = [0; 8];
        reader.read_exact(&mut sum).ok()?;
        let mut parts = [vec![0; bytes[0]], vec![0; bytes[1]]];
        parts.iter_mut().try_for_each(|part| reader.read_exact(part)).ok()?;
        if u64::from_le_bytes(sum) != checksum([&parts[0], &parts[1]]) {
            return None;
        }
        // The oldest go first, by when they were last of use.
        let _ = File::options().append(true).open(&place).and_then(|f| f.set_modified(SystemTime::now()));
        Some(parts)
    }

    /// Keeps pixels for the next time, if there is room among what may be kept. Where that can't be done, they are decoded again
    /// then, and that is all.
    pub fn keep(&self, key: &str, parts: [&[u8]; 2]) {
        let size = parts.iter().map(|part| part.len() as u64).sum::<u64>() + LINE;
        if size > self.most {
            return;
        }
        let place = self.place(key);
        let half = place.with_extension(format!("{ENDING}.{PART}"));
        let begun = private_folder(self.folder).and_then(|()| {
            self.others(&half, size)?;
            // One process writes a set; others, which decode it at the same time, leave it to that one.
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&half)
        });
        let Ok(file) = begun else { return };
        let written = write(file, key, parts)
            // What was kept goes when there is something in its place.
            .and_then(|()| self.make_room(size, &place))
            .and_then(|()| std::fs::rename(&half, &place));
        if written.is_err() {
            let _ = std::fs::remove_file(&half);
        }
    }

    /// Bytes that are being written beside `half`; those whose writer is gone are removed.
    ///
    /// # Errors
    /// With `size` they would be more than may be kept.
    fn others(&self, half: &Path, size: u64) -> io::Result<u64> {
        let mut taken = 0;
        for (modified, bytes, path) in self.files(PART)? {
            match modified.elapsed() {
                Ok(since) if since > ABANDONED => remove(&path)?,
                _ if path != half => taken += bytes,
                _ => {}
            }
        }
        if taken + size > self.most { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
    }

    fn place(&self, key: &str) -> PathBuf {
        file(self.folder, key, ENDING)
    }

    /// Files with an ending: when they were last of use, their bytes, the one that was not for longest first.
    fn files(&self, ending: &str) -> io::Result<Vec<(SystemTime, u64, PathBuf)>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == ending)
                && let Ok(about) = path.symlink_metadata()
            {
                found.push((about.modified()?, about.len(), path));
            }
        }
        found.sort();
        Ok(found)
    }

    /// Removes the sets that were not of use for longest, until another has room at its place.
    fn make_room(&self, size: u64, place: &Path) -> io::Result<()> {
        let mut kept = self.files(ENDING)?;
        kept.retain(|(_, _, path)| path != place);
        let mut taken: u64 = kept.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in kept {
            if taken + size <= self.most {
                break;
            }
            remove(&path)?;
            taken -= bytes;
        }
        Ok(())
    }
}

/// Also where another process was sooner.
fn remove(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path).or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
}

/// What a file is of, as its first line.
fn first_line(key: &str) -> String {
    format!("{VERSION}, {key}\n")
}

fn checksum(parts: [&[u8]; 2]) -> u64 {
    xxh3_64(parts[0]) ^ xxh3_64(parts[1]).rotate_left(1)
}

fn write(mut file: File, key: &str, parts: [&[u8]; 2]) -> io::Result<()> {
    file.write_all(first_line(key).as_bytes())?;
    file.write_all(&checksum(parts).to_le_bytes())?;
    parts.iter().try_for_each(|part| file.write_all(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const PARTS: [&[u8]; 2] = [&[1, 2, 3, 4, 5, 6], &[7, 8, 9]];

    #[test]
    fn only_what_is_whole_and_of_the_same_set_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let deeper = folder.path().join("deeper");
        let store = Store { folder: &deeper, most: 1 << 20 };
        assert_eq!(store.read("a", [6, 3]), None);
        store.keep("a", PARTS);
        assert_eq!(store.read("a", [6, 3]).unwrap(), PARTS.map(<[u8]>::to_vec));
        for (key, bytes) in [("b", [6, 3]), ("a", [3, 6]), ("a", [6, 4]), ("a", [6, 2]), ("a", [usize::MAX, 1])] {
            // The same bytes in other parts are another set.
            assert_eq!(store.read(key, bytes), None, "{key} {bytes:?}");
        }
        let place = store.place("a");
        let whole = std::fs::read(&place).unwrap();
        for at in 0..whole.len() {
            let mut wrong = whole.clone();
            wrong[at] ^= 4;
            std::fs::write(&place, &wrong).unwrap();
            assert_eq!(store.read("a", [6, 3]), None, "byte {at}");
            std::fs::write(&place, &whole[..at]).unwrap();
            assert_eq!(store.read("a", [6, 3]), None, "{at} bytes");
        }
        // Nowhere to write is no error.
        Store { folder: Path::new("/proc/nothing/here"), most: 1 << 20 }.keep("a", PARTS);
    }

    #[test]
    fn they_are_private_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let deeper = folder.path().join("deeper");
        let store = Store { folder: &deeper, most: 3 * LINE };
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        for (i, key) in ["a", "b"].into_iter().enumerate() {
            store.keep(key, PARTS);
            let when = SystemTime::now() - Duration::from_secs(1000 - i as u64);
            File::options().append(true).open(store.place(key)).unwrap().set_modified(when).unwrap();
        }
        assert_eq!((mode(&deeper), mode(&store.place("a"))), (0o700, 0o600));
        // Of use again: `b` is now the one that was not for longest.
        assert!(store.read("a", [6, 3]).is_some());
        let one = store.place("a").metadata().unwrap().len();
        let large = vec![0; (store.most - LINE - one) as usize];
        store.keep("c", [&large, &[]]);
        assert!(store.read("a", [6, 3]).is_some() && store.read("b", [6, 3]).is_none());
        assert!(store.read("c", [large.len(), 0]).is_some());
        // What has no room at all sends nothing away.
        store.keep("d", [&vec![0; 3 * LINE as usize], &[]]);
        assert!(store.read("a", [6, 3]).is_some() && store.read("d", [3 * LINE as usize, 0]).is_none());
        // Beside one that is being written there is no room for another, nor for the same; one that was left goes.
        let half = store.place("e").with_extension("pixels.part");
        std::fs::write(&half, vec![0; 2 * LINE as usize]).unwrap();
        store.keep("f", [&vec![0; LINE as usize], &[]]);
        store.keep("e", PARTS);
        assert!(store.read("f", [LINE as usize, 0]).is_none() && store.read("e", [6, 3]).is_none() && half.exists());
        let long_ago = SystemTime::now() - 2 * ABANDONED;
        File::options().append(true).open(&half).unwrap().set_modified(long_ago).unwrap();
        store.keep("e", PARTS);
        assert!(store.read("e", [6, 3]).is_some() && !half.exists());
        assert!(Store { most: 0, ..store }.read("e", [6, 3]).is_none());
    }
}
