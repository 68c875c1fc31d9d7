//! Checkpoints: named blobs behind a header, with a checksum; the last two are kept, and the older one serves when the newer
//! is damaged.
//!
//! A file is the magic `ZONASCP1`, the header's length (u64, little endian), the header (JSON: a free part and the blobs'
//! names and lengths), the blobs, and the CRC-32 (u32, little endian) of everything before.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::{self, Handle};
use super::folder::{CHECKPOINTS, RunFolder};

const MAGIC: &[u8; 8] = b"ZONASCP1";
/// How many are kept.
const KEPT: usize = 2;
/// Bytes that a checkpoint may have where nobody knows better.
const MOST: u64 = 64 << 30;

/// A state of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// Free part of the header.
    pub meta: serde_json::Value,
    pub blobs: Vec<(String, Vec<u8>)>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    meta: serde_json::Value,
    blobs: Vec<(String, u64)>,
}

/// A checkpoint that can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error("can't {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("{}: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("the checkpoint lacks `{0}`")]
    Missing(String),
}

impl Checkpoint {
    pub fn push_floats(&mut self, name: &str, values: &[f32]) {
        self.blobs.push((name.into(), values.iter().flat_map(|v| v.to_le_bytes()).collect()));
    }

    /// Whether there is a blob of this name.
    pub fn has(&self, name: &str) -> bool {
        self.blobs.iter().any(|(n, _)| n == name)
    }

    /// # Errors
    /// No such blob, or one that is not whole floats.
    pub fn floats(&self, name: &str) -> Result<Vec<f32>, CheckpointError> {
        let blob = self.blobs.iter().find(|(n, _)| n == name);
        let bytes = &blob.ok_or_else(|| CheckpointError::Missing(name.into()))?.1;
        let (words, rest) = bytes.as_chunks::<4>();
        if rest.is_empty() {
            Ok(words.iter().map(|w| f32::from_le_bytes(*w)).collect())
        } else {
            Err(CheckpointError::Missing(name.into()))
        }
    }

    fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let blobs = self.blobs.iter().map(|(n, b)| (n.clone(), b.len() as u64)).collect();
        let header = serde_json::to_vec(&Header { meta: self.meta.clone(), blobs })?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend((header.len() as u64).to_le_bytes());
        bytes.extend(header);
        self.blobs.iter().for_each(|(_, b)| bytes.extend(b));
        bytes.extend(checksum(&bytes).to_le_bytes());
        Ok(bytes)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Checkpoint, String> {
        let (body, sum) = bytes.split_last_chunk::<4>().ok_or("it is too short to be a checkpoint")?;
        if checksum(body) != u32::from_le_bytes(*sum) {
            return Err("its checksum is wrong".into());
        }
        let rest = body.strip_prefix(MAGIC).ok_or("it does not begin like a checkpoint")?;
        let (length, rest) = rest.split_first_chunk::<8>().ok_or("its header is torn")?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|e| e.to_string())?;
        let (header, mut rest) = rest.split_at_checked(length).ok_or("its header is torn")?;
        let header: Header = serde_json::from_slice(header).map_err(|e| format!("its header is unreadable: {e}"))?;
        let mut blobs = Vec::new();
        for (name, length) in header.blobs {
            let length = usize::try_from(length).map_err(|e| e.to_string())?;
            let (blob, others) = rest.split_at_checked(length).ok_or_else(|| format!("`{name}` is torn"))?;
            blobs.push((name, blob.to_vec()));
            rest = others;
        }
        Ok(Checkpoint { meta: header.meta, blobs })
    }

    /// Saves beside the last one; returns the file's size in bytes.
    ///
    /// # Errors
    /// A full disk and the like; older checkpoints are untouched then.
    pub fn save(&self, folder: &RunFolder) -> Result<u64, CheckpointError> {
        let path = folder.file(CHECKPOINTS);
        let fail = |path: &Path| {
            let path = path.to_path_buf();
            |source| CheckpointError::Io { action: "write", path, source }
        };
        // It may have been lost in a copy, as empty folders are.
        let dir = folder.handle().and_then(|f| f.make_inside(CHECKPOINTS)).map_err(fail(&path))?;
        let present = numbered(&dir).map_err(fail(&path))?;
        let next = present.last().map_or(0, |(n, _)| n + 1);
        let name = format!("{next:08}.ckpt");
        let path = path.join(&name);
        let bytes = self.to_bytes().map_err(|e| fail(&path)(e.into()))?;
        dir.replace(&name, &bytes).map_err(fail(&path))?;
        for (_, old) in present.iter().rev().skip(KEPT - 1) {
            let _ = dir.remove(old);
        }
        Ok(bytes.len() as u64)
    }

    /// The newest sound one, with a sentence about each damaged one that was passed over; `None` where there is none.
    ///
    /// # Errors
    /// A folder that can't be read; checkpoints, but none that is whole.
    pub fn load(folder: &RunFolder) -> Result<Option<(Checkpoint, Vec<String>)>, CheckpointError> {
        Checkpoint::load_within(folder, MOST)
    }

    /// The same; one of more than so many bytes is none of this run.
    ///
    /// # Errors
    /// As [`Checkpoint::load`].
    pub fn load_within(folder: &RunFolder, most: u64) -> Result<Option<(Checkpoint, Vec<String>)>, CheckpointError> {
        let mut damaged: Vec<(PathBuf, String)> = Vec::new();
        let path = folder.file(CHECKPOINTS);
        let fail = |source| CheckpointError::Io { action: "read", path: path.clone(), source };
        let dir = match folder.handle().and_then(|f| f.inside(CHECKPOINTS)) {
            Ok(dir) => dir,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(fail(e)),
        };
        for (_, name) in numbered(&dir).map_err(fail)?.into_iter().rev() {
            let path = path.join(&name);
            let read = dir.read(&name).and_then(|file| files::rest(&file, most));
            let read = read.map_err(|e| format!("it can't be read: {e}"));
            match read.and_then(|bytes| Checkpoint::from_bytes(&bytes)) {
                Ok(found) => {
                    let told = damaged.iter().map(|(p, r)| format!("{}: {r}; the one before it is used", p.display()));
                    return Ok(Some((found, told.collect())));
                }
                Err(reason) => damaged.push((path, reason)),
            }
        }
        // The newest is the one to tell of.
        match damaged.into_iter().next() {
            None => Ok(None),
            Some((path, reason)) => Err(CheckpointError::Damaged {
                path,
                reason: format!("{reason}, and no older checkpoint is whole; a new run starts afresh"),
            }),
        }
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Checkpoints of a folder, oldest first.
fn numbered(dir: &Handle) -> io::Result<Vec<(u64, String)>> {
    let number = |name: String| Some((name.strip_suffix(".ckpt")?.parse().ok()?, name));
    let mut found: Vec<(u64, String)> = dir.names()?.into_iter().filter_map(number).collect();
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::run::config::Config;

    fn numbered(folder: &RunFolder) -> Vec<PathBuf> {
        let dir = folder.handle().unwrap().inside(CHECKPOINTS).unwrap();
        let names = super::numbered(&dir).unwrap();
        names.into_iter().map(|(_, name)| folder.file(CHECKPOINTS).join(name)).collect()
    }

    #[test]
    fn the_older_one_serves_when_the_newer_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(dir.path(), Some("r"), "x", &Config::default()).unwrap();
        assert!(Checkpoint::load(&folder).unwrap().is_none());
        let make = |step: u64| {
            let mut c = Checkpoint { meta: serde_json::json!({ "step": step }), ..Checkpoint::default() };
            c.push_floats("weights", &[1.5, f32::NAN, -0.0, step as f32]);
            c
        };
        for step in 0..4 {
            make(step).save(&folder).unwrap();
        }
        let files = numbered(&folder);
        assert_eq!(files.len(), KEPT);
        let (found, passed) = Checkpoint::load(&folder).unwrap().unwrap();
        assert_eq!((found.meta["step"].as_u64(), passed.len()), (Some(3), 0));
        assert_eq!(found.floats("weights").unwrap()[3], 3.0);
        assert!(found.floats("nothing").is_err());
        let newest = &files[1];
        let whole = fs::read(newest).unwrap();
        for bit in (0..whole.len() * 8).step_by(37) {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(newest, bytes).unwrap();
            let (found, passed) = Checkpoint::load(&folder).unwrap().unwrap();
            assert_eq!((found.meta["step"].as_u64(), passed.len()), (Some(2), 1), "bit {bit}");
        }
        for length in (0..whole.len()).step_by(11) {
            fs::write(newest, &whole[..length]).unwrap();
            assert_eq!(Checkpoint::load(&folder).unwrap().unwrap().0.meta["step"].as_u64(), Some(2), "{length} bytes");
        }
        // One that can't be read at all is passed over as well.
        fs::remove_file(newest).unwrap();
        fs::create_dir(newest).unwrap();
        assert_eq!(Checkpoint::load(&folder).unwrap().unwrap().1.len(), 1);
        fs::write(&files[0], "").unwrap();
        let e = Checkpoint::load(&folder).unwrap_err().to_string();
        assert!(e.contains("no older checkpoint is whole"), "{e}");
    }
}
