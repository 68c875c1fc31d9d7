//! Engines in processes of their own, for the explorer.

use std::path::PathBuf;

use super::engine::{Confirming, How};
use super::run::{launch, stem};
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
        launch(&folder, Confirming::Wait.into()).map_err(|e| e.to_string())?.forget();
        Ok(folder)
    }

    fn resume(&mut self, folder: &RunFolder) -> Result<(), String> {
        let config = folder.config().map_err(|e| e.to_string())?;
        engine::check_resume(folder, &config, false).map_err(|e| e.to_string())?;
        launch(folder, Confirming::Wait.into()).map_err(|e| e.to_string())?.forget();
        Ok(())
    }

    fn queue(&mut self, like: &RunFolder, name: &str, config: &Config) -> Result<RunFolder, String> {
        // Its turn may come in hours: what can be known to be wrong is said now.
        engine::check(config).map_err(|e| e.to_string())?;
        let folder = (1..100)
            .map(|n| if n == 1 { name.to_string() } else { format!("{name}-{n}") })
            .map(|name| RunFolder::create(&self.runs, Some(&name), "", config))
            .find(|made| !matches!(made, Err(crate::run::FolderError::Exists { .. })))
            .ok_or_else(|| format!("there are a hundred runs named {name} already"))?
            .map_err(|e| e.to_string())?;
        let begun = engine::inherit(like, &folder, config).map_err(|e| e.to_string()).and_then(|_| {
            let how = How { confirming: Confirming::Automatic, force: false, queue: true };
            launch(&folder, how).map_err(|e| e.to_string())
        });
        match begun {
            Ok(engine) => {
                engine.forget();
                Ok(folder)
            }
            Err(e) => {
                // A run that could not begin leaves nothing behind.
                let _ = folder.remove();
                Err(e)
            }
        }
    }
}
