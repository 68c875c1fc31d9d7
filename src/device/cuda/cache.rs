//! Compiled kernels on disk, so that a program starts without compiling. A file holds what it was made from, whole: it is
//! taken only if that is the same to the letter, and if its code is whole.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::Source;
use crate::random::{fnv1a, fnv1a_from};

/// First line of a file; another format has another.
const MARK: &[u8] = b"zonas kernel 1\n";

/// A folder of compiled kernels.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    pub fn at(folder: impl Into<PathBuf>) -> Cache {
        Cache { folder: folder.into() }
    }

    /// `zonas/kernels` in the user's cache folder (`XDG_CACHE_HOME`); `None` where a user has no home.
    pub fn of_user() -> Option<Cache> {
        use etcetera::BaseStrategy;
        let base = etcetera::choose_base_strategy().ok()?;
        Some(Cache::at(base.cache_dir().join("zonas/kernels")))
    }

    fn path(&self, source: &Source, key: &str) -> PathBuf {
        let hash = fnv1a_from(fnv1a_from(fnv1a(source.name.as_bytes()), key.as_bytes()), source.text.as_bytes());
        self.folder.join(format!("{}-{hash:016x}", source.name.replace(|c: char| !c.is_ascii_alphanumeric(), "_")))
    }

    /// The code that was kept for this source and key; `None` if there is none or it is not whole.
    pub fn get(&self, source: &Source, key: &str) -> Option<Vec<u8>> {
        let bytes = fs::read(self.path(source, key)).ok()?;
        let rest = bytes.strip_prefix(MARK)?;
        let (same_key, rest) = part(rest)?;
        let (same_text, rest) = part(rest)?;
        let (image, rest) = part(rest)?;
        let whole = rest == fnv1a(image).to_le_bytes();
        (whole && same_key == key.as_bytes() && same_text == source.text.as_bytes()).then(|| image.to_vec())
    }

    /// Keeps code, readable for its owner only. It appears whole or not at all, whoever else writes at the same time.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn put(&self, source: &Source, key: &str, image: &[u8]) -> io::Result<()> {
        make_private(&self.folder)?;
        let mut bytes = MARK.to_vec();
        for part in [key.as_bytes(), source.text.as_bytes(), image] {
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(part);
        }
        bytes.extend(fnv1a(image).to_le_bytes());
        let path = self.path(source, key);
        let aside = path.with_extension(format!("{}.part", std::process::id()));
        let written = write_private(&aside, &bytes).and_then(|()| fs::rename(&aside, &path));
        if written.is_err() {
            let _ = fs::remove_file(&aside);
        }
        written
    }
}

/// A length and so many bytes.
fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)
}

fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: Source = Source { name: "some/kernel.cu", text: "extern \"C\" __global__ void f() {}", defines: &[] };

    #[test]
    fn what_was_kept_is_found_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("a/b"));
        assert_eq!(cache.get(&SOURCE, "k"), None);
        cache.put(&SOURCE, "k", b"code").unwrap();
        assert_eq!(cache.get(&SOURCE, "k").as_deref(), Some(&b"code"[..]));
        assert_eq!(cache.get(&SOURCE, "other"), None);
        assert_eq!(cache.get(&Source { text: "x", ..SOURCE }, "k"), None);
        cache.put(&SOURCE, "k", b"newer").unwrap();
        assert_eq!(cache.get(&SOURCE, "k").as_deref(), Some(&b"newer"[..]));
        assert_eq!(fs::read_dir(dir.path().join("a/b")).unwrap().count(), 1, "nothing is left aside");
    }

    #[test]
    fn a_torn_or_changed_file_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path());
        cache.put(&SOURCE, "k", b"code").unwrap();
        let path = cache.path(&SOURCE, "k");
        let whole = fs::read(&path).unwrap();
        for end in 0..whole.len() {
            fs::write(&path, &whole[..end]).unwrap();
            assert_eq!(cache.get(&SOURCE, "k"), None, "{end} bytes of {}", whole.len());
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            fs::write(&path, &changed).unwrap();
            assert_eq!(cache.get(&SOURCE, "k"), None, "byte {at}");
        }
        cache.put(&SOURCE, "k", b"code").unwrap();
        assert!(cache.get(&SOURCE, "k").is_some(), "rebuilt");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("kernels"));
        cache.put(&SOURCE, "k", b"code").unwrap();
        let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&cache.folder), mode(&cache.path(&SOURCE, "k"))), (0o700, 0o600));
    }

    #[test]
    fn a_folder_that_can_not_be_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(Cache::at(dir.path().join("file/kernels")).put(&SOURCE, "k", b"code").is_err());
    }
}
