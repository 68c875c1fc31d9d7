//! Engines in processes of their own, for the explorer.

use std::path::PathBuf;

use super::begin::{Made, begin, heard};
use super::launch::{Confirming, How};
use super::run::stem;
use crate::engine;
use crate::explorer::Engines;
use crate::run::config::Config;
use crate::run::lock::Liveness;
use crate::run::{RunFolder, preset, process};
use crate::study::{self, Seeds, Stage, Study};

/// This name, and others like it.
fn names(name: &str) -> impl Iterator<Item = String> {
    (1..100).map(move |n| if n == 1 { name.to_string() } else { format!("{name}-{n}") })
}

fn free(name: &str, is_free: impl Fn(&String) -> bool) -> Result<String, String> {
    names(name).find(is_free).ok_or_else(|| format!("there are a hundred runs named {name} already"))
}

/// Starts the runner of a study and waits until it has taken the study.
fn run_study(study: &Study) -> Result<(), String> {
    let folder = study.folder();
    let runner = process::start_study(&folder).map_err(|e| e.to_string())?;
    match heard(runner, &folder, || matches!(Liveness::of(&folder), Liveness::Alive(_))) {
        Err((status, words)) if !status.success() => Err(words),
        _ => Ok(()),
    }
}

/// Starts engines; new runs are made in this folder.
pub struct Processes {
    pub runs: PathBuf,
}

impl Engines for Processes {
    fn demo(&mut self) -> Result<RunFolder, String> {
        let config = preset("demo").ok_or("this program has no demo")?;
        self.begin(None, &config)
    }

    fn begin(&mut self, name: Option<&str>, config: &Config) -> Result<RunFolder, String> {
        let folder = RunFolder::create(&self.runs, name, &stem(config), config).map_err(|e| e.to_string())?;
        begin(&folder, Confirming::Wait.into(), Made::Run)?;
        Ok(folder)
    }

    fn several(&mut self, name: Option<&str>, config: &Config, seeds: &Seeds) -> Result<Study, String> {
        let runs = std::path::absolute(&self.runs).map_err(|e| e.to_string())?;
        let stages = [Stage::Score, Stage::Search];
        let name = match name {
            Some(name) => name.to_string(),
            None => free(&format!("{}-seeds", stem(config)), |name| !runs.join(name).exists())?,
        };
        let study =
            Study::create(&runs.join(name), &study::of_one(config, seeds, &stages)).map_err(|e| e.to_string())?;
        match run_study(&study) {
            Ok(()) => Ok(study),
            Err(e) => {
                // A study that could not begin leaves nothing behind.
                if !study.runs().exists() {
                    let _ = std::fs::remove_dir_all(study.path());
                }
                Err(e)
            }
        }
    }

    fn resume(&mut self, folder: &RunFolder) -> Result<(), String> {
        begin(folder, Confirming::Wait.into(), Made::Nothing)
    }

    fn queue(&mut self, like: &RunFolder, name: &str, config: &Config) -> Result<RunFolder, String> {
        let folder = names(name)
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
