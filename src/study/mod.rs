//! Studies: many runs with one design. Which settings vary, over which seeds, what is asked of them, and what follows. A
//! study is a folder with `study.toml` and ordinary run folders under `runs`; nothing else is kept that could be lost.

mod begin;
mod design;
mod local;
mod need;
mod plan;
mod reading;
pub mod results;
mod seeds;
pub mod slurm;
mod standing;
pub mod words;

use std::path::{Path, PathBuf};

pub use begin::{Began, Share, begin};
pub use design::{Compare, Design, Factor, Limits, Setting, Stage};
pub use local::{News, Runner};
pub use plan::{Plan, Task};
pub use reading::Reading;
pub use seeds::Seeds;
pub use standing::{Found, Known, Standing, State};

use crate::run::config::{Config, KEYS, Key};
use crate::run::lock::RunLock;
use crate::run::{FolderError, RunFolder, files};

/// Names inside a study.
pub const DESIGN: &str = "study.toml";
pub const RUNS: &str = "runs";

/// What can be wrong with a study.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    #[error("{} is no study: it has no {DESIGN}; `zonas study new {}` makes one", .0.display(), .0.display())]
    NotAStudy(PathBuf),
    #[error("{} is there already; edit it, or name another folder", .0.display())]
    Exists(PathBuf),
    #[error("{file}: {reason}")]
    Design { file: String, reason: String },
    #[error("can't {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("{0}")]
    Refused(String),
}

impl StudyError {
    /// Whether it is a mistake in what was asked for.
    pub fn is_bad_input(&self) -> bool {
        match self {
            StudyError::Io { .. } => false,
            StudyError::Folder(e) => !matches!(e, FolderError::Io { .. }),
            _ => true,
        }
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StudyError {
    let path = path.to_path_buf();
    move |source| StudyError::Io { action, path, source }
}

/// The text of a study of one setting.
pub fn of_one(config: &Config, seeds: &Seeds, stages: &[Stage]) -> String {
    let usual = Config::default();
    let mut base = toml::Table::new();
    for key in KEYS.iter().map(Key::path).filter(|k| k != "seed" && k != "version") {
        let (Some(value), before) = (config.value(&key), usual.value(&key)) else { continue };
        let (Some((section, name)), true) = (key.split_once('.'), Some(&value) != before.as_ref()) else { continue };
        let section = base.entry(section).or_insert_with(|| toml::Table::new().into());
        if let (Some(section), Ok(value)) = (section.as_table_mut(), format!("v = {value}").parse::<toml::Table>()) {
            section.extend(value.into_iter().map(|(_, v)| (name.to_string(), v)));
        }
    }
    let stages: Vec<&str> = stages.iter().map(|s| s.name()).collect();
    let mut all = toml::Table::new();
    all.insert("version".into(), i64::from(design::VERSION).into());
    all.insert("seeds".into(), seeds.to_string().into());
    all.insert("stages".into(), stages.into());
    all.insert("base".into(), base.into());
    toml::to_string(&all).unwrap_or_default()
}

/// A study on the disk.
#[derive(Clone, Debug)]
pub struct Study {
    path: PathBuf,
}

impl Study {
    /// The study in this folder.
    ///
    /// # Errors
    /// It has no `study.toml`.
    pub fn open(path: &Path) -> Result<Study, StudyError> {
        match std::fs::symlink_metadata(path.join(DESIGN)) {
            Ok(_) => Ok(Study { path: std::path::absolute(path).map_err(io_error("find", path))? }),
            Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                Err(StudyError::NotAStudy(path.to_path_buf()))
            }
            Err(e) => Err(io_error("open", path)(e)),
        }
    }

    /// A new study with this text of its `study.toml`, which is read first.
    ///
    /// # Errors
    /// A text that makes no sense, a folder that has one already or that can't be written.
    pub fn create(path: &Path, text: &str) -> Result<Study, StudyError> {
        let file = path.join(DESIGN);
        let whole = std::path::absolute(path).map_err(io_error("find", path))?;
        Design::read(text, &file.display().to_string(), &whole)?;
        if std::fs::symlink_metadata(&file).is_ok() {
            return Err(StudyError::Exists(file));
        }
        std::fs::create_dir_all(path).map_err(io_error("make", path))?;
        RunFolder::plain(&whole).write_atomic(DESIGN, text.as_bytes())?;
        Ok(Study { path: whole })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn name(&self) -> String {
        self.path.file_name().map_or_else(|| self.path.display().to_string(), |n| n.to_string_lossy().into_owned())
    }

    /// Where its runs are.
    pub fn runs(&self) -> PathBuf {
        self.path.join(RUNS)
    }

    /// Its folder, for files and a lock of its own.
    pub fn folder(&self) -> RunFolder {
        RunFolder::plain(&self.path)
    }

    /// Takes the study for this process: one at a time begins or submits its runs.
    ///
    /// # Errors
    /// Another has it, a lock that can't be written.
    fn take(&self) -> Result<RunLock, StudyError> {
        RunLock::take(&self.folder()).map_err(|e| match e {
            FolderError::Locked { holder, .. } => StudyError::Refused(format!(
                "{} is being run already{holder}; `zonas study status` shows how it stands, `zonas study stop` stops it",
                self.path.display()
            )),
            other => other.into(),
        })
    }

    /// What it is to do, as `study.toml` says now.
    ///
    /// # Errors
    /// A file that can't be read, or makes no sense.
    pub fn design(&self) -> Result<Design, StudyError> {
        let file = self.path.join(DESIGN);
        let text = files::text(&file, files::SETTINGS).map_err(io_error("read", &file))?;
        Design::read(&text, &file.display().to_string(), &self.path)
    }
}

#[cfg(test)]
mod tests;
