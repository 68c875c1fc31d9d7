//! Where runs are kept, and what a person types to mean one.

use std::path::PathBuf;

use clap::Args;

use crate::run::{FolderError, RunFolder};

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

    /// What a person types in a shell to mean this run: its name, or its path where runs are kept elsewhere.
    pub fn word(&self, folder: &RunFolder) -> String {
        let word = match &self.runs {
            None => folder.name(),
            Some(_) => folder.path().display().to_string(),
        };
        crate::text::shell_word(&word)
    }
}
