//! Engines in processes of their own, for the explorer.

use std::path::PathBuf;

use super::begin::{Made, begin};
use super::launch::{Confirming, How};
use super::run::stem;
use crate::engine;
use crate::explorer::Engines;
use crate::run::config::Config;
use crate::run::{RunFolder, preset};

/// Starts engines; new runs are made in this folder.
pub struct Processes {
    pub runs: PathBuf,
}

impl Engines for Processes {
    fn demo(&mut self) -> Result<RunFolder, String> {
        let config = preset("demo").ok_or("this program has no demo")?;
        let folder = RunFolder::create(&self.runs, None, &stem(&config), &config).map_err(|e| e.to_string())?;
        begin(&folder, Confirming::Wait.into(), Made::Run)?;
        Ok(folder)
    }

    fn resume(&mut self, folder: &RunFolder) -> Result<(), String> {
        begin(folder, Confirming::Wait.into(), Made::Nothing)
    }

    fn queue(&mut self, like: &RunFolder, name: &str, config: &Config) -> Result<RunFolder, String> {
        let folder = (1..100)
            .map(|n| if n == 1 { name.to_string() } else { format!("{name}-{n}") })
            .map(|name| RunFolder::create(&self.runs, Some(&name), "", config))
            .find(|made| !matches!(made, Err(crate::run::FolderError::Exists { .. })))
            .ok_or_else(|| format!("there are a hundred runs named {name} already"))?
            .map_err(|e| e.to_string())?;
        if let Err(e) = engine::inherit(like, &folder, config) {
            // A run that could not begin leaves nothing behind.
            let _ = folder.remove();
            return Err(e.to_string());
        }
        // Its turn may come in hours: what can be known to be wrong is said now.
        let how = How { confirming: Confirming::Automatic, force: false, queue: true };
        begin(&folder, how, Made::Run)?;
        Ok(folder)
    }
}
