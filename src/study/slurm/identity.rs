//! Whose jobs are whose: the jobs of a study have a word in their names, and a copy of its folder has not got them with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::{DESIGN, Study, StudyError, io_error};
use super::SLURM;
use crate::run::RunFolder;
use crate::run::lock::inode;

/// File that tells it.
const IDENTITY: &str = "identity";

/// What was written when the study was submitted first.
#[derive(Debug, Serialize, Deserialize)]
struct Identity {
    /// In the names of its jobs.
    word: String,
    /// Where the study was then, and the numbers that the file system had for its folder and its `slurm` folder: a study that was
    /// moved has the same numbers, and one that is reached by another path too; a copy has others.
    path: PathBuf,
    folders: [u64; 2],
}

/// What the names of jobs tell of a study.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Jobs {
    /// Nothing was submitted yet.
    None,
    /// The beginning of their names.
    Own(String),
    /// They are those of this study, of which this one is a copy.
    Original(PathBuf),
}

impl Jobs {
    /// Those of a study.
    ///
    /// # Errors
    /// A file that can't be read, or that makes no sense.
    pub fn of(study: &Study) -> Result<Jobs, StudyError> {
        let file = study.path().join(SLURM).join(IDENTITY);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Jobs::None),
            Err(e) => return Err(io_error("read", &file)(e)),
        };
        let known: Identity = match serde_json::from_str(&text) {
            Ok(known) => known,
            // Before it told more, the word stood alone.
            Err(_) if text.trim().len() == 8 && text.trim().chars().all(|c| c.is_ascii_hexdigit()) => {
                return Ok(Jobs::Own(format!("zonas-{}-", text.trim())));
            }
            Err(e) => return Err(io_error("read", &file)(io::Error::other(e.to_string()))),
        };
        let word: String = known.word.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
        let here = known.path == whole(study.path()) || known.folders == folders(study.path());
        // Where the first one is gone, this one has taken its place.
        let looked = || fs::symlink_metadata(known.path.join(DESIGN));
        let gone = || looked().is_err_and(|e| e.kind() == io::ErrorKind::NotFound);
        Ok(if here || gone() { Jobs::Own(format!("zonas-{word}-")) } else { Jobs::Original(known.path) })
    }

    /// The beginning of the names of a study's own jobs, which it gets here if it has none.
    ///
    /// # Errors
    /// A file that can't be read or written.
    pub fn own(study: &Study) -> Result<String, StudyError> {
        if let Jobs::Own(prefix) = Jobs::of(study)? {
            return Ok(prefix);
        }
        let path = whole(study.path());
        let seed = format!("{} {} {}", path.display(), std::process::id(), crate::clock::now());
        let word = format!("{:08x}", crate::random::fnv1a(seed.as_bytes()) as u32);
        let prefix = format!("zonas-{word}-");
        let text = serde_json::json!(Identity { word, path, folders: folders(study.path()) }).to_string() + "\n";
        RunFolder::plain(&study.path().join(SLURM)).write_atomic(IDENTITY, text.as_bytes())?;
        Ok(prefix)
    }

    /// Of a study of which nothing was submitted after all. Where that can't be done, Slurm is asked for what it has not got.
    pub fn forget(study: &Study) {
        let _ = fs::remove_file(study.path().join(SLURM).join(IDENTITY));
    }
}

/// What is to be told of a study that is a copy of one that was submitted.
pub fn told_of_copy(study: &Study) -> Option<String> {
    let Ok(Jobs::Original(of)) = Jobs::of(study) else { return None };
    Some(format!(
        "this study is a copy of {}: what Slurm has of that one is left to it, and is not counted here",
        of.display()
    ))
}

fn whole(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

fn folders(study: &Path) -> [u64; 2] {
    [study.to_path_buf(), study.join(SLURM)].map(|path| fs::metadata(path).map_or(0, |about| inode(&about)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_no_jobs_and_a_move_keeps_them() {
        let dir = tempfile::tempdir().unwrap();
        let text = "version = 1\nseeds = [1]\npreset = \"demo\"\n";
        let at = |name: &str| dir.path().join(name);
        let first = Study::create(&at("first"), text).unwrap();
        assert_eq!(Jobs::of(&first).unwrap(), Jobs::None);
        fs::create_dir(at("first").join(SLURM)).unwrap();
        let own = Jobs::own(&first).unwrap();
        assert_eq!((Jobs::of(&first).unwrap(), Jobs::own(&first).unwrap()), (Jobs::Own(own.clone()), own.clone()));
        // By another path it is the same.
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(at("first"), at("link")).unwrap();
            assert_eq!(Jobs::of(&Study::open(&at("link")).unwrap()).unwrap(), Jobs::Own(own.clone()));
        }
        let copy = |from: &str, to: &str| {
            fs::create_dir_all(at(to).join(SLURM)).unwrap();
            for file in [DESIGN.to_string(), format!("{SLURM}/{IDENTITY}")] {
                fs::copy(at(from).join(&file), at(to).join(&file)).unwrap();
            }
            Study::open(&at(to)).unwrap()
        };
        let second = copy("first", "second");
        assert_eq!(Jobs::of(&second).unwrap(), Jobs::Original(whole(&at("first"))));
        let said = told_of_copy(&second).unwrap();
        assert!(said.contains("is a copy of") && said.contains("first"), "{said}");
        // Once submitted, it has jobs of its own.
        let other = Jobs::own(&second).unwrap();
        assert!(other != own && told_of_copy(&second).is_none());
        assert_eq!(Jobs::of(&second).unwrap(), Jobs::Own(other));
        fs::rename(at("first"), at("moved")).unwrap();
        assert_eq!(Jobs::of(&Study::open(&at("moved")).unwrap()).unwrap(), Jobs::Own(own.clone()));
        // Moved to another file system, which is a copy whose original is gone.
        let third = copy("moved", "third");
        assert_eq!(Jobs::of(&third).unwrap(), Jobs::Own(own));
    }
}
