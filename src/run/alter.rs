//! What may be done to a run only while no engine is at work on it: to change its settings, and to remove it.

use std::fs;

use super::config::Config;
use super::folder::{CONFIG, FolderError, RunFolder, io_error};
use super::lock::RunLock;

impl RunFolder {
    /// Removes the run and everything in its folder, unless an engine is at work on it.
    ///
    /// # Errors
    /// An engine has it; files that can't be removed.
    pub fn remove(&self) -> Result<(), FolderError> {
        // Held until it is gone, so that no engine begins meanwhile.
        let lock = RunLock::take(self)?;
        // First out of sight, so that what is left of a removal that fails is no run.
        let name = format!(".{}.removed-{}", self.name(), std::process::id());
        let hidden = self.path().with_file_name(name);
        fs::rename(self.path(), &hidden).map_err(io_error("remove", self.path()))?;
        drop(lock);
        fs::remove_dir_all(&hidden).map_err(io_error("remove", &hidden))
    }

    /// Gives the run other settings, unless an engine is at work on it.
    ///
    /// # Errors
    /// An engine has it; a folder that can't be written.
    pub fn change(&self, config: &Config) -> Result<(), FolderError> {
        let _lock = RunLock::take(self)?;
        self.write_atomic(CONFIG, config.to_toml().as_bytes())
    }
}
