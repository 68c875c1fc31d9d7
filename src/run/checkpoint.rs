//! Checkpoints: named blobs behind a header, with a checksum; the last two are kept, and the older one serves when the newer
//! is damaged.
//!
//! A file is the magic `ZONASCP1`, the header's length (u64, little endian), the header (JSON: a free part and the blobs'
//! names and lengths), the blobs, and the CRC-32 (u32, little endian) of everything before.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::folder::{CHECKPOINTS, RunFolder, write_atomic};

const MAGIC: &[u8; 8] = b"ZONASCP1";
/// How many are kept.
const KEPT: usize = 2;

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
        let dir = folder.file(CHECKPOINTS);
        let present = numbered(&dir)?;
        let next = present.last().map_or(0, |(n, _)| n + 1);
        let path = dir.join(format!("{next:08}.ckpt"));
        let fail = |source| CheckpointError::Io { action: "write", path: path.clone(), source };
        let bytes = self.to_bytes().map_err(|e| fail(e.into()))?;
        write_atomic(&path, &bytes).map_err(fail)?;
        for (_, old) in present.iter().rev().skip(KEPT - 1) {
            let _ = fs::remove_file(old);
        }
        Ok(bytes.len() as u64)
    }

    /// The newest sound one, with a sentence about each damaged one that was passed over; `None` where there is none.
    ///
    /// # Errors
    /// A folder that can't be read; checkpoints, but none that is whole.
    pub fn load(folder: &RunFolder) -> Result<Option<(Checkpoint, Vec<String>)>, CheckpointError> {
        let mut damaged: Vec<(PathBuf, String)> = Vec::new();
        for (_, path) in numbered(&folder.file(CHECKPOINTS))?.into_iter().rev() {
            let read = fs::read(&path).map_err(|e| format!("it can't be read: {e}"));
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
fn numbered(dir: &Path) -> Result<Vec<(u64, PathBuf)>, CheckpointError> {
    let entries = match fs::read_dir(dir) {
        Ok(e) => e,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(CheckpointError::Io { action: "read", path: dir.into(), source }),
    };
    let mut found: Vec<(u64, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter_map(|e| {
            let number = e.file_name().to_str()?.strip_suffix(".ckpt")?.parse().ok()?;
            Some((number, e.path()))
        })
        .collect();
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::config::Config;

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
        let files = numbered(&folder.file(CHECKPOINTS)).unwrap();
        assert_eq!(files.len(), KEPT);
        let (found, passed) = Checkpoint::load(&folder).unwrap().unwrap();
        assert_eq!((found.meta["step"].as_u64(), passed.len()), (Some(3), 0));
        assert_eq!(found.floats("weights").unwrap()[3], 3.0);
        assert!(found.floats("nothing").is_err());
        let newest = &files[1].1;
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
        fs::write(&files[0].1, "").unwrap();
        let e = Checkpoint::load(&folder).unwrap_err().to_string();
        assert!(e.contains("no older checkpoint is whole"), "{e}");
    }
}
