//! Files that may not be what their names say. A run folder may be shared, or have come from somebody else: what is opened
//! in it is a regular file of that folder and nothing else (no link, no pipe, no device), and is read no further than such
//! a file may be long. Paths that a person names may lead through links.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

/// What a settings file may have, in bytes: a run's, one that is named with `--config`, and the explorer's own.
pub const SETTINGS: u64 = 1 << 20;

/// Of every file: not inherited, not waited for, no terminal of ours.
const CAREFUL: OFlags = OFlags::CLOEXEC.union(OFlags::NONBLOCK).union(OFlags::NOCTTY);
/// Of files in a run's folder.
const OWN: OFlags = CAREFUL.union(OFlags::NOFOLLOW);
/// Of new files: only their owner reads them.
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

/// A folder by its handle: what is done in it is done there, wherever the folder is moved to and whatever comes in its place.
#[derive(Clone, Debug)]
pub(crate) struct Handle(Arc<OwnedFd>);

fn odd(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what.to_string())
}

/// What a file that is not regular is.
fn kind(of: FileType) -> Option<&'static str> {
    match of {
        FileType::RegularFile => None,
        FileType::Symlink => Some("it is a link, where a regular file of the run's own must be"),
        FileType::Fifo => Some("it is a pipe, not a regular file"),
        FileType::Socket => Some("it is a socket, not a regular file"),
        FileType::Directory => Some("it is a folder, not a file"),
        FileType::CharacterDevice | FileType::BlockDevice => Some("it is a device, not a regular file"),
        FileType::Unknown => Some("it is not a regular file"),
    }
}

/// Lets only a regular file pass.
fn regular(fd: OwnedFd) -> io::Result<File> {
    let about = rustix::fs::fstat(&fd)?;
    match kind(FileType::from_raw_mode(about.st_mode)) {
        None => Ok(File::from(fd)),
        Some(what) => Err(odd(what)),
    }
}

/// Opens a file that a person has named, for reading; a link is followed.
///
/// # Errors
/// It is not there, may not be read, or is no regular file: nothing that could be waited for, or never ends.
pub fn open(path: &Path) -> io::Result<File> {
    // Looked at first: to open a device may do something.
    let about = std::fs::metadata(path)?;
    match kind(FileType::from_raw_mode(about.mode())) {
        None => regular(retry_on_intr(|| rustix::fs::openat(CWD, path, OFlags::RDONLY | CAREFUL, Mode::empty()))?),
        Some(what) => Err(odd(what)),
    }
}

/// All of a file, which may have at most so many bytes.
///
/// # Errors
/// It has more, or can't be read.
pub fn rest(file: &File, most: u64) -> io::Result<Vec<u8>> {
    let long = |bytes: u64| odd(&format!("it has {bytes} bytes, and such a file has at most {most}"));
    let length = file.metadata()?.len();
    if length > most {
        return Err(long(length));
    }
    let mut bytes = Vec::new();
    // It may grow meanwhile, and some files do not tell their length.
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(long(bytes.len() as u64)) } else { Ok(bytes) }
}

/// The first bytes of a file, at most so many; the file is at its start again then.
///
/// # Errors
/// It can't be read.
pub fn beginning(mut file: &File, most: u64) -> io::Result<Vec<u8>> {
    use std::io::Seek;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    file.rewind()?;
    Ok(bytes)
}

/// The text of a file that a person has named, of at most so many bytes.
///
/// # Errors
/// As [`open`] and [`rest`]; no UTF-8.
pub fn text(path: &Path, most: u64) -> io::Result<String> {
    utf8(rest(&open(path)?, most)?)
}

pub(super) fn utf8(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not text (UTF-8)"))
}

impl Handle {
    /// # Errors
    /// There is no such folder, or it may not be read.
    pub fn open(path: &Path) -> io::Result<Handle> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Handle(Arc::new(retry_on_intr(|| rustix::fs::openat(CWD, path, flags, Mode::empty()))?)))
    }

    /// A folder in this one, which must be one itself and not a link to one.
    ///
    /// # Errors
    /// As [`Handle::open`].
    pub fn inside(&self, name: &str) -> io::Result<Handle> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        match retry_on_intr(|| rustix::fs::openat(&*self.0, name, flags, Mode::empty())) {
            Ok(fd) => Ok(Handle(Arc::new(fd))),
            Err(Errno::NOTDIR | Errno::LOOP | Errno::MLINK) => {
                Err(odd("it is a link or a file, where a folder of the run's own must be"))
            }
            Err(e) => Err(e.into()),
        }
    }

    /// The same; made, for its owner only, if it is missing.
    ///
    /// # Errors
    /// As [`Handle::open`], or it can't be made.
    pub fn make_inside(&self, name: &str) -> io::Result<Handle> {
        match rustix::fs::mkdirat(&*self.0, name, Mode::RWXU) {
            Ok(()) => {
                let made = self.inside(name)?;
                // The umask may have taken something away.
                if !Mode::from_raw_mode(rustix::fs::fstat(&*made.0)?.st_mode).contains(Mode::RWXU) {
                    rustix::fs::fchmod(&*made.0, Mode::RWXU)?;
                }
                Ok(made)
            }
            Err(Errno::EXIST) => self.inside(name),
            Err(e) => Err(e.into()),
        }
    }

    fn open_own(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let about = retry_on_intr(|| rustix::fs::statat(&*self.0, name, AtFlags::SYMLINK_NOFOLLOW))?;
        if let Some(what) = kind(FileType::from_raw_mode(about.st_mode)) {
            return Err(odd(what));
        }
        match retry_on_intr(|| rustix::fs::openat(&*self.0, name, flags | OWN, Mode::empty())) {
            Ok(fd) => regular(fd),
            Err(Errno::LOOP | Errno::MLINK) => Err(odd("it is a link, where a regular file of the run's own must be")),
            Err(e) => Err(e.into()),
        }
    }

    /// Opens a file of this folder for reading.
    ///
    /// # Errors
    /// It is not there, may not be read, or is not a regular file of this folder.
    pub fn read(&self, name: &str) -> io::Result<File> {
        self.open_own(name, OFlags::RDONLY)
    }

    /// A new file; nothing of that name may be there.
    fn create(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let flags = flags | OWN | OFlags::CREATE | OFlags::EXCL;
        let file = File::from(retry_on_intr(|| rustix::fs::openat(&*self.0, name, flags, PRIVATE))?);
        // Its owner may read and write it again later, whatever the umask has taken away. (Not every file system has modes.)
        if !Mode::from_raw_mode(rustix::fs::fstat(&file)?.st_mode).contains(PRIVATE) {
            rustix::fs::fchmod(&file, PRIVATE)?;
        }
        Ok(file)
    }

    /// Opens a file of this folder to be written in place, made if it is missing.
    fn write(&self, name: &str, flags: OFlags) -> io::Result<File> {
        for _ in 0..8 {
            match self.create(name, flags) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made,
            }
            match self.open_own(name, flags) {
                // Removed between the two.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Ok(file) if file.metadata()?.nlink() > 1 => {
                    return Err(odd(
                        "it has a second name (a hard link), and what is written here would stand there too; \
                                    resume a copy of the run's folder, made with `cp -r`",
                    ));
                }
                opened => return opened,
            }
        }
        Err(odd("it comes and goes"))
    }

    /// To read and to write, beginning with what is there.
    ///
    /// # Errors
    /// It can't be opened or made, or is not a regular file of this folder, or has another name elsewhere.
    pub fn update(&self, name: &str) -> io::Result<File> {
        self.write(name, OFlags::RDWR)
    }

    /// To read and to write at the end.
    ///
    /// # Errors
    /// As [`Handle::update`].
    pub fn append(&self, name: &str) -> io::Result<File> {
        self.write(name, OFlags::RDWR | OFlags::APPEND)
    }

    /// Replaces a file as a whole: written beside, synced, renamed; the folder is synced too, so that the new name survives
    /// a power cut. What stood under the name is not written to, whatever it is.
    ///
    /// # Errors
    /// A full disk and the like; the old file stays then.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let beside = format!("{name}.new");
        // Of a writer that was killed.
        let _ = rustix::fs::unlinkat(&*self.0, &beside, AtFlags::empty());
        let written = self.create(&beside, OFlags::WRONLY).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        if let Err(e) = written.and_then(|()| Ok(rustix::fs::renameat(&*self.0, &beside, &*self.0, name)?)) {
            let _ = self.remove(&beside);
            return Err(e);
        }
        // Not every file system can sync a folder; the file is in place either way.
        let _ = rustix::fs::fsync(&*self.0);
        Ok(())
    }

    /// # Errors
    /// It can't be removed.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&*self.0, name, AtFlags::empty())?)
    }

    /// Names of what is in the folder, as far as they are text.
    ///
    /// # Errors
    /// It can't be read.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let entries = Dir::read_from(&*self.0)?;
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry?.file_name().to_str().ok().map(str::to_string));
        }
        names.retain(|name| name != "." && name != "..");
        Ok(names)
    }

    /// Whether the file system takes nothing any more.
    pub fn is_read_only(&self) -> bool {
        rustix::fs::fstatvfs(&*self.0).is_ok_and(|f| f.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn said<T>(result: io::Result<T>) -> String {
        result.err().map_or("no error".into(), |e| e.to_string())
    }

    #[test]
    fn only_regular_files_of_the_folder_are_opened() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let folder = Handle::open(dir.path()).unwrap();
        fs::write(at("theirs"), "theirs").unwrap();
        symlink(at("theirs"), at("link")).unwrap();
        symlink(at("nothing"), at("dangling")).unwrap();
        rustix::fs::mknodat(CWD, at("pipe"), FileType::Fifo, PRIVATE, 0).unwrap();
        fs::create_dir(at("folder")).unwrap();
        fs::hard_link(at("theirs"), at("second")).unwrap();
        for (name, word) in [("link", "a link"), ("dangling", "a link"), ("pipe", "a pipe"), ("folder", "a folder")] {
            assert!(said(folder.read(name)).contains(word), "{name}");
            assert!(said(folder.update(name)).contains(word), "{name}");
            assert!(said(folder.append(name)).contains(word), "{name}");
        }
        assert!(said(folder.append("second")).contains("a second name"));
        assert!(folder.read("second").is_ok());
        assert!(!at("nothing").exists());
        // What a person names may be a link, but not a pipe.
        assert_eq!(text(&at("link"), 6).unwrap(), "theirs");
        assert!(said(text(&at("pipe"), 6)).contains("a pipe"));
        assert!(said(text(Path::new("/dev/zero"), 6)).contains("a device"));
        assert!(said(text(&at("theirs"), 5)).contains("it has 6 bytes, and such a file has at most 5"));
    }

    #[test]
    fn what_is_replaced_is_not_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let folder = Handle::open(dir.path()).unwrap();
        fs::write(at("theirs"), "theirs").unwrap();
        for name in ["a", "a.new"] {
            symlink(at("theirs"), at(name)).unwrap();
        }
        folder.replace("a", b"ours").unwrap();
        assert_eq!(fs::read(at("theirs")).unwrap(), b"theirs");
        assert_eq!(fs::read(at("a")).unwrap(), b"ours");
        assert!(at("a").symlink_metadata().unwrap().is_file() && !at("a.new").exists());
        assert_eq!(at("a").metadata().unwrap().permissions().mode() & 0o777, 0o600);
        symlink(dir.path(), at("away")).unwrap();
        assert!(said(folder.make_inside("away")).contains("a link"));
    }

    #[test]
    fn a_file_that_is_there_keeps_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Handle::open(dir.path()).unwrap();
        let path = dir.path().join("kept");
        fs::write(&path, "x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        // Nothing is forbidden to an administrator.
        let _ = folder.append("kept");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o444);
    }

    #[test]
    fn a_handle_stays_with_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        let (before, after) = (dir.path().join("before"), dir.path().join("after"));
        fs::create_dir(&before).unwrap();
        let folder = Handle::open(&before).unwrap();
        fs::rename(&before, &after).unwrap();
        fs::create_dir(&before).unwrap();
        folder.replace("a", b"a").unwrap();
        folder.make_inside("b").unwrap().replace("c", b"c").unwrap();
        assert!(after.join("a").exists() && after.join("b/c").exists());
        assert_eq!(fs::read_dir(&before).unwrap().count(), 0);
        assert_eq!(folder.names().unwrap().len(), 2);
    }
}
