//! The folder of a run: how it is named, made, found and listed, and its files by their names.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::config::Config;
use super::files::{self, Handle};

/// Names inside a run folder.
pub const CONFIG: &str = "config.toml";
pub const EVENTS: &str = "events.jsonl";
pub const COMMANDS: &str = "commands.jsonl";
pub const CHECKPOINTS: &str = "checkpoint";
pub const GENOTYPE_JSON: &str = "genotype.json";
pub const GENOTYPE_PYTHON: &str = "genotype.py";
/// Weights of a genotype that was trained from scratch, by their published names.
pub const WEIGHTS: &str = "weights.safetensors";
/// What a trained network answers to the test pictures.
pub const LOGITS: &str = "logits.safetensors";
pub const LOCK: &str = "lock";
pub const LOG: &str = "log.txt";
pub const NOTES: &str = "notes.toml";

/// What can go wrong with a run folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error(
        "`{0}` is not a valid run name: use letters, digits, `-`, `_` and `.`, at most 64, and start with a letter or digit"
    )]
    Name(String),
    #[error("a run named `{name}` exists in {}; choose another name, or open it with `zonas open {name}`", runs.display())]
    Exists { name: String, runs: PathBuf },
    #[error("there is no run `{name}` in {}; `zonas runs` lists what is there", runs.display())]
    Missing { name: String, runs: PathBuf },
    #[error("`{name}` stands for several runs in {}: {}; type more of the name", runs.display(), some(found))]
    Several { name: String, runs: PathBuf, found: Vec<String> },
    #[error("{} is no run folder: it has no {CONFIG}", .0.display())]
    NotARun(PathBuf),
    #[error("can't {action} {}: {source}; {}", path.display(), hint(source))]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("no home folder to keep runs in; name one with --runs DIR")]
    NoHome,
    #[error(transparent)]
    Config(#[from] super::config::ConfigError),
    #[error("another engine is at work on {}{}", .path.display(), .holder)]
    Locked { path: PathBuf, holder: String },
}

/// The first few of many names.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 6;
    let more = names.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", names[..names.len().min(SHOWN)].join(", "))
}

fn hint(e: &io::Error) -> &'static str {
    match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room and try again",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "choose a folder that you may write to with --runs DIR"
        }
        io::ErrorKind::InvalidInput => "put it away and try again",
        _ => "look at the path, or choose another folder with --runs DIR",
    }
}

pub(super) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_path_buf();
    move |source| FolderError::Io { action, path, source }
}

/// Files of one run. Folders are made 0700 and files 0600, whatever the umask.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// Set where the folder is held: its files are then those of this folder, whatever becomes of the path.
    held: Option<Handle>,
}

impl PartialEq for RunFolder {
    fn eq(&self, other: &RunFolder) -> bool {
        self.path == other.path
    }
}

impl Eq for RunFolder {}

/// The folder of all runs: `dir`, or `zonas/runs` in the user's data folder.
///
/// # Errors
/// No home folder.
pub fn runs_folder(dir: Option<&Path>) -> Result<PathBuf, FolderError> {
    use etcetera::BaseStrategy;
    match dir {
        Some(d) => Ok(d.to_path_buf()),
        None => {
            let base = etcetera::choose_base_strategy().map_err(|_| FolderError::NoHome)?;
            Ok(base.data_dir().join("zonas").join("runs"))
        }
    }
}

/// # Errors
/// It is no name of a run.
pub fn check_name(name: &str) -> Result<(), FolderError> {
    let ok = (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if ok { Ok(()) } else { Err(FolderError::Name(name.chars().filter(|c| !c.is_control()).take(80).collect())) }
}

/// Makes a folder that only its owner may enter, from its first moment on.
fn make_folder(path: &Path) -> io::Result<()> {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "only Unix has a mode"))]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
        builder.mode(0o700).create(path)?;
        // The umask may have taken something away.
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
    }
    #[cfg(not(unix))]
    builder.create(path)
}

/// Makes a folder and those above it that are missing.
fn make_folders(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        make_folders(above)?;
    }
    match make_folder(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}

/// Whether there is no such thing, as opposed to one that can't be looked at.
fn is_missing(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether a folder is that of a run.
fn is_run(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path.join(CONFIG)) {
        Ok(_) => Ok(true),
        Err(e) if is_missing(&e) => Ok(false),
        Err(e) => Err(e),
    }
}

impl RunFolder {
    /// A new run in `runs`, with its configuration. Without a name one is made from `stem` and the time.
    ///
    /// # Errors
    /// A bad name, one that exists, a folder that can't be written, a configuration that makes no sense.
    pub fn create(runs: &Path, name: Option<&str>, stem: &str, config: &Config) -> Result<RunFolder, FolderError> {
        // One that can't be written as text would come back as another.
        config.check()?;
        name.map_or(Ok(()), check_name)?;
        make_folders(runs).map_err(io_error("make", runs))?;
        let path = match name {
            Some(name) => {
                let path = runs.join(name);
                match make_folder(&path) {
                    Ok(()) => path,
                    Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                        return Err(FolderError::Exists { name: name.into(), runs: runs.into() });
                    }
                    Err(e) => return Err(io_error("make", &path)(e)),
                }
            }
            None => fresh(runs, stem)?,
        };
        let folder = RunFolder::by(path);
        let made = folder.write_atomic(CONFIG, config.to_toml().as_bytes()).and_then(|()| {
            let checkpoints = folder.file(CHECKPOINTS);
            make_folder(&checkpoints).map_err(io_error("make", &checkpoints))
        });
        if let Err(e) = made {
            // A run that could not begin leaves nothing behind.
            let _ = fs::remove_dir_all(&folder.path);
            return Err(e);
        }
        Ok(folder)
    }

    fn by(path: PathBuf) -> RunFolder {
        RunFolder { path, held: None }
    }

    /// A folder that is no run and keeps files in the same way, with a lock: that of a study.
    pub fn plain(path: &Path) -> RunFolder {
        RunFolder::by(path.to_path_buf())
    }

    /// A run by its name in `runs`, or by its path. A word without a separator is a name first: a folder of that name here
    /// stands for a run only where `runs` has none.
    ///
    /// # Errors
    /// No such run, or one that can't be looked at.
    pub fn open(runs: &Path, name: &str) -> Result<RunFolder, FolderError> {
        let (direct, named) = (Path::new(name), runs.join(name));
        let word = !name.contains(std::path::MAIN_SEPARATOR) && !matches!(name, "." | "..");
        let here = !word || fs::symlink_metadata(&named).is_err() && is_run(direct).unwrap_or(false);
        let path = if here { direct.to_path_buf() } else { named };
        match fs::metadata(&path) {
            Ok(about) if about.is_dir() => RunFolder::at(&path),
            Err(e) if !is_missing(&e) => Err(io_error("open", &path)(e)),
            _ => {
                let name = name.chars().filter(|c| !c.is_control()).take(80).collect();
                Err(FolderError::Missing { name, runs: runs.into() })
            }
        }
    }

    /// As [`RunFolder::open`]; where no run has the name, the one whose name begins with it.
    ///
    /// # Errors
    /// No such run, several, or one that can't be looked at.
    pub fn find(runs: &Path, name: &str) -> Result<RunFolder, FolderError> {
        let missing = match RunFolder::open(runs, name) {
            Err(e @ FolderError::Missing { .. }) if check_name(name).is_ok() => e,
            opened => return opened,
        };
        let mut found = RunFolder::list(runs)?;
        found.retain(|run| run.name().starts_with(name));
        match found.len() {
            0 => Err(missing),
            1 => Ok(found.remove(0)),
            _ => {
                let found = found.iter().map(RunFolder::name).collect();
                Err(FolderError::Several { name: name.into(), runs: runs.into(), found })
            }
        }
    }

    /// A run by the path of its folder.
    ///
    /// # Errors
    /// No such run, or one that can't be looked at.
    pub fn at(path: &Path) -> Result<RunFolder, FolderError> {
        match is_run(path) {
            Ok(true) => Ok(RunFolder::by(path.to_path_buf())),
            Ok(false) => Err(FolderError::NotARun(path.to_path_buf())),
            Err(e) => Err(io_error("open", path)(e)),
        }
    }

    /// The same run, held: from now on its files are those of the folder that is there now, even if it is moved and another
    /// comes in its place. For engines, which write for hours.
    ///
    /// # Errors
    /// A folder that can't be opened.
    pub fn hold(&self) -> Result<RunFolder, FolderError> {
        let held = self.handle().map_err(io_error("open", &self.path))?;
        Ok(RunFolder { path: self.path.clone(), held: Some(held) })
    }

    pub(crate) fn handle(&self) -> io::Result<Handle> {
        match &self.held {
            Some(held) => Ok(held.clone()),
            None => Handle::open(&self.path),
        }
    }

    /// Opens one of the run's files for reading.
    ///
    /// # Errors
    /// It is not there, may not be read, or is no regular file of this folder: a link, a pipe, a device.
    pub fn open_file(&self, name: &str) -> io::Result<File> {
        self.handle()?.read(name)
    }

    /// All runs in `runs`, by name; none if there is no such folder.
    ///
    /// # Errors
    /// A folder that can't be read.
    pub fn list(runs: &Path) -> Result<Vec<RunFolder>, FolderError> {
        let entries = match fs::read_dir(runs) {
            Ok(e) => e,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(io_error("read", runs)(e)),
        };
        let mut found: Vec<RunFolder> = entries
            .filter_map(Result::ok)
            // What begins with a dot is no name of a run.
            .filter(|e| !e.file_name().as_encoded_bytes().starts_with(b"."))
            .map(|e| RunFolder::by(e.path()))
            // One that can't be looked at is listed, so that nobody takes it for gone.
            .filter(|f| is_run(&f.path).unwrap_or(true))
            .collect();
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Last part of the path.
    pub fn name(&self) -> String {
        self.path.file_name().map_or_else(|| self.path.display().to_string(), |n| n.to_string_lossy().into_owned())
    }

    /// # Errors
    /// A configuration that is missing, unreadable or wrong.
    pub fn config(&self) -> Result<Config, FolderError> {
        let path = self.file(CONFIG);
        let read = self.open_file(CONFIG).and_then(|file| files::utf8(files::rest(&file, files::SETTINGS)?));
        let text = read.map_err(io_error("read", &path))?;
        Ok(Config::parse(&text, &path.display().to_string())?)
    }

    /// Replaces a file of the run as a whole: written beside, synced, renamed.
    ///
    /// # Errors
    /// A full disk, a folder that can't be written; the old file stays then.
    pub fn write_atomic(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        let written = self.handle().and_then(|folder| folder.replace(name, bytes));
        written.map_err(io_error("write", &self.file(name)))
    }
}

/// Whether runs could be made in `runs`; nothing is left behind, and a folder that is missing stays so.
///
/// # Errors
/// Why not.
pub fn check_writable(runs: &Path) -> Result<(), FolderError> {
    let there = runs.ancestors().find(|p| p.exists()).unwrap_or(Path::new("."));
    let probe = there.join(format!(".zonas-probe-{}", std::process::id()));
    make_folder(&probe).and_then(|()| fs::remove_dir(&probe)).map_err(io_error("make a folder in", there))
}

/// A new folder named after `stem`.
fn fresh(runs: &Path, stem: &str) -> Result<PathBuf, FolderError> {
    let stem: String = stem.chars().filter(char::is_ascii_alphanumeric).take(16).collect::<String>().to_lowercase();
    let stem = if stem.is_empty() { "run".to_string() } else { stem };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
    for attempt in 0..1000u64 {
        let hash = crate::random::fnv1a(&(now.wrapping_add(attempt) ^ u64::from(std::process::id())).to_le_bytes());
        let name = format!("{stem}-{:04x}", hash & 0xffff);
        let path = runs.join(&name);
        match make_folder(&path) {
            Ok(()) => return Ok(path),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(io_error("make", &path)(e)),
        }
    }
    Err(FolderError::Exists { name: stem, runs: runs.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(runs: &Path, name: Option<&str>) -> Result<RunFolder, FolderError> {
        RunFolder::create(runs, name, "CIFAR-10", &Config::default())
    }

    #[test]
    fn names_are_words_and_are_given_once() {
        let dir = tempfile::tempdir().unwrap();
        let runs = dir.path().join("deep/er");
        for bad in ["", ".", "..", ".hidden", "-x", "a/b", "a b", "a\n", "é", &"x".repeat(65)] {
            assert!(matches!(create(&runs, Some(bad)), Err(FolderError::Name(_))), "{bad:?}");
        }
        assert!(!runs.exists(), "a refused name left a folder");
        let made = create(&runs, Some("mine.1")).unwrap();
        assert!(matches!(create(&runs, Some("mine.1")), Err(FolderError::Exists { .. })));
        assert_eq!(RunFolder::open(&runs, "mine.1").unwrap(), made);
        assert_eq!(made.config().unwrap(), Config::default());
        let named = create(&runs, None).unwrap().name();
        assert!(named.starts_with("cifar10-") && named.len() == "cifar10-".len() + 4, "{named}");
        assert!(matches!(RunFolder::open(&runs, "other"), Err(FolderError::Missing { .. })));
        assert_eq!(RunFolder::find(&runs, "mine").unwrap(), made);
        assert_eq!(RunFolder::find(&runs, "mi").unwrap(), made);
        assert!(matches!(RunFolder::find(&runs, "minee"), Err(FolderError::Missing { .. })));
        assert!(matches!(RunFolder::find(&runs, "../mi"), Err(FolderError::Missing { .. })));
        fs::create_dir(runs.join("empty")).unwrap();
        fs::write(runs.join("file"), "").unwrap();
        assert!(matches!(RunFolder::open(&runs, "empty"), Err(FolderError::NotARun(_))));
        assert_eq!(RunFolder::list(&runs).unwrap().len(), 2);
        assert!(RunFolder::list(&dir.path().join("nowhere")).unwrap().is_empty());
    }

    #[test]
    fn a_configuration_that_cannot_be_kept_makes_no_run() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { seed: u64::MAX, ..Config::default() };
        assert!(matches!(RunFolder::create(dir.path(), Some("r"), "x", &config), Err(FolderError::Config(_))));
        assert!(!dir.path().join("r").exists());
    }

    #[test]
    fn a_run_is_removed_unless_an_engine_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = create(dir.path(), Some("r")).unwrap();
        let lock = crate::run::lock::RunLock::take(&folder).unwrap();
        assert!(matches!(folder.remove(), Err(FolderError::Locked { .. })));
        assert_eq!(RunFolder::list(dir.path()).unwrap().len(), 1);
        drop(lock);
        folder.remove().unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let folder = create(dir.path(), Some("r")).unwrap();
        folder.write_atomic("a", b"one").unwrap();
        folder.write_atomic("a", b"two").unwrap();
        assert_eq!(fs::read(folder.file("a")).unwrap(), b"two");
        assert!(!folder.file("a.new").exists());
        assert!(folder.write_atomic("no/such/folder", b"x").is_err());
    }

    #[test]
    fn looking_whether_runs_can_be_made_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        check_writable(&dir.path().join("a/b")).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(check_writable(&file.join("runs")).is_err());
    }
}
