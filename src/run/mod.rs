//! The run folder, the one thing that the engine and those who watch it share: its layout, the journal of events that the
//! engine appends to, the file of commands that anyone may append to, checkpoints, configuration; the lock that makes the
//! engine one, how it is started, and how a run stands.

mod alter;
pub mod assessed;
pub mod brief;
pub mod checkpoint;
pub mod command;
pub mod config;
pub mod describe;
pub mod event;
pub mod files;
mod folder;
pub mod journal;
pub mod listing;
pub mod lock;
pub mod notes;
pub mod number;
mod old_training;
mod preset;
pub mod process;
mod settings;
pub mod status;
pub mod summary;
pub mod take_home;

pub use folder::{
    CHECKPOINTS, COMMANDS, CONFIG, EVENTS, FolderError, GENOTYPE_JSON, GENOTYPE_PYTHON, LOCK, LOG, LOGITS, NOTES,
    RunFolder, WEIGHTS, check_name, check_writable, runs_folder,
};
pub use preset::{PRESETS, named as named_preset, preset};
