//! Compiled kernels on disk, so that a program starts without compiling. A file holds what it was made from, whole: it is
//! taken only if that is the same to the letter, and if its code is whole.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::source::Source;
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
        is_own(&fs::metadata(&self.folder).ok()?, true).ok()?;
        let bytes = read_own(&self.path(source, key)).ok()?;
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
        is_own(&fs::metadata(&self.folder)?, true)?;
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

/// Most that a compiled kernel's file may have, in bytes.
const MOST: u64 = 64 << 20;

/// Code that is loaded must be this user's: nobody else may have been able to write it.
fn is_own(about: &fs::Metadata, folder: bool) -> io::Result<()> {
    let odd = |what: &str| Err(io::Error::new(io::ErrorKind::PermissionDenied, what.to_string()));
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if about.uid() != rustix::process::geteuid().as_raw() {
            return odd("the folder of compiled kernels, or a file in it, belongs to somebody else");
        }
        if about.mode() & 0o022 != 0 {
            return odd(
                "others may write to the folder of compiled kernels, or to a file in it; take that away (chmod go-w)",
            );
        }
    }
    if about.is_dir() == folder && about.is_file() != folder {
        Ok(())
    } else {
        odd("it is no regular file, or no folder")
    }
}

fn read_own(path: &Path) -> io::Result<Vec<u8>> {
    let mut options = fs::OpenOptions::new();
    options.read(true);
    careful(&mut options);
    let file = options.open(path)?;
    is_own(&file.metadata()?, false)?;
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// No link is followed, and nothing waited for.
fn careful(options: &mut fs::OpenOptions) {
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        std::os::unix::fs::OpenOptionsExt::custom_flags(options, flags as i32);
    }
    #[cfg(not(unix))]
    let _ = options;
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    // Of a program that was killed and had this one's number.
    let _ = fs::remove_file(path);
    options.write(true).create_new(true);
    careful(&mut options);
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

    #[cfg(unix)]
    #[test]
    fn what_others_may_have_written_is_not_loaded() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("kernels"));
        cache.put(&SOURCE, "k", b"code").unwrap();
        let (folder, file) = (cache.folder.clone(), cache.path(&SOURCE, "k"));
        let mode = |p: &Path, mode| fs::set_permissions(p, fs::Permissions::from_mode(mode)).unwrap();
        for (path, loose, tight) in [(&folder, 0o770, 0o700), (&folder, 0o707, 0o700), (&file, 0o660, 0o600)] {
            mode(path, loose);
            assert_eq!(cache.get(&SOURCE, "k"), None, "{} {loose:o}", path.display());
            mode(path, tight);
            assert!(cache.get(&SOURCE, "k").is_some());
        }
        mode(&folder, 0o777);
        assert!(cache.put(&SOURCE, "k", b"code").unwrap_err().to_string().contains("others may write"));
        mode(&folder, 0o700);
        let real = dir.path().join("real");
        fs::rename(&file, &real).unwrap();
        std::os::unix::fs::symlink(&real, &file).unwrap();
        assert_eq!(cache.get(&SOURCE, "k"), None, "a link");
        // Nobody but an administrator can give a file away.
        if rustix::process::geteuid().is_root() {
            fs::remove_file(&file).unwrap();
            cache.put(&SOURCE, "k", b"code").unwrap();
            std::os::unix::fs::chown(&file, Some(65534), None).unwrap();
            assert_eq!(cache.get(&SOURCE, "k"), None, "another's");
        }
    }

    #[test]
    fn a_folder_that_can_not_be_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(Cache::at(dir.path().join("file/kernels")).put(&SOURCE, "k", b"code").is_err());
    }
}
