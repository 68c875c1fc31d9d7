//! How an engine begins: it checks the run itself, so that data, device and machine are looked at once. Whoever begins it waits
//! for its first word, and undoes what was made for a run that can't be.

use std::process::ExitStatus;
use std::time::Duration;

use color_eyre::eyre;

use super::first_word::FirstWord;
use super::launch::{How, launch};
use super::watch;
use crate::run::config::Config;
use crate::run::{FolderError, RunFolder, process};

/// Between two looks at the journal.
const LOOK: Duration = Duration::from_millis(20);

/// What was done to a folder for an engine, in case that it refuses to begin.
pub enum Made {
    /// The folder is new.
    Run,
    /// These were the settings before they were changed.
    Change(Box<Config>),
    Nothing,
}

impl Made {
    pub fn undo(self, folder: &RunFolder) -> Result<(), FolderError> {
        match self {
            Made::Run => folder.remove(),
            Made::Change(config) => folder.change(&config),
            Made::Nothing => Ok(()),
        }
    }
}

/// Waits until a process that works on a folder has been heard of, and lets go of it.
///
/// # Errors
/// It ended before: how, and its last words.
pub fn heard(
    mut process: process::Engine,
    folder: &RunFolder,
    mut has_come: impl FnMut() -> bool,
) -> Result<(), (ExitStatus, String)> {
    loop {
        // Looked at first, so that its last word is not missed.
        let over = process.ended();
        if has_come() {
            process.forget();
            return Ok(());
        }
        match over {
            Some(status) => return Err((status, watch::last_words(&process, status, folder))),
            None => std::thread::sleep(LOOK),
        }
    }
}

/// Starts an engine in a process of its own and waits until it has begun, or has queued.
///
/// # Errors
/// Why it can't; then what was made is undone.
pub fn begin(folder: &RunFolder, how: How, made: Made) -> Result<(), String> {
    let mut word = FirstWord::of(folder);
    let begun = launch(folder, how)
        .and_then(|engine| heard(engine, folder, || word.has_come()).map_err(|(_, words)| eyre::eyre!("{words}")));
    begun.map_err(|e| {
        // The reason is worth more than what may go wrong with this.
        let _ = made.undo(folder);
        e.to_string()
    })
}
