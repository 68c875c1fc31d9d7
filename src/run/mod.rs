//! The run folder, the one thing that the engine and those who watch it share: its layout, the journal of events that the
//! engine appends to, the file of commands that anyone may append to, checkpoints, configuration.

pub mod checkpoint;
pub mod command;
pub mod config;
pub mod event;
mod folder;
pub mod journal;
pub mod number;
mod preset;
mod settings;

pub use folder::{
    CHECKPOINTS, COMMANDS, CONFIG, EVENTS, FolderError, GENOTYPE_JSON, GENOTYPE_PYTHON, RunFolder, RunLock,
    check_writable, runs_folder,
};
pub use preset::{PRESETS, preset};
