//! Where runs are kept, and what a person types to mean one.

use std::path::PathBuf;

use clap::Args;

use super::genotype;
use crate::run::{FolderError, RunFolder};
use crate::space::published;

/// Where runs are kept.
#[derive(Args, Debug, Clone, Default)]
pub struct Place {
    /// Folder of all runs [default: `zonas/runs` in your data folder].
    #[arg(long, global = true, value_name = "DIR")]
    runs: Option<PathBuf>,
}

impl Place {
    /// # Errors
    /// No home folder.
    pub fn folder(&self) -> Result<PathBuf, FolderError> {
        crate::run::runs_folder(self.runs.as_deref())
    }

    /// The run that a word means: its name, the beginning of no other's name, or its path. Which one a beginning means is said
    /// on standard error.
    ///
    /// # Errors
    /// No such run, or several.
    pub fn run(&self, word: &str) -> Result<RunFolder, FolderError> {
        use std::io::Write;
        let folder = RunFolder::find(&self.folder()?, word)?;
        let name = folder.name();
        if name != word && name.starts_with(word) && !std::path::Path::new(word).exists() {
            let _ = writeln!(std::io::stderr(), "note: `{word}` is the run {name}");
        }
        Ok(folder)
    }

    /// The same, of a word that may name a genotype instead: a run of that name, or else no genotype. Of a number, which is an
    /// index of NAS-Bench-201, none with which the name of a run begins.
    ///
    /// # Errors
    /// No such run, or several, or it names a genotype.
    pub fn run_or_genotype(&self, word: &str) -> Result<RunFolder, FolderError> {
        match RunFolder::open(&self.folder()?, word) {
            Err(no_run) if !genotype::is_number(word) && (genotype::is_text(word) || published::find(word).is_ok()) => {
                Err(no_run)
            }
            _ => self.run(word),
        }
    }

    /// What a person types in a shell to mean this run: its name, or its path where runs are kept elsewhere.
    pub fn word(&self, folder: &RunFolder) -> String {
        let word = match &self.runs {
            None => folder.name(),
            Some(_) => folder.path().display().to_string(),
        };
        crate::text::shell_word(&word)
    }
}
