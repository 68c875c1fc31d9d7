//! The run folder, the one thing that the engine and those who watch it share: its layout, the journal of events that the
//! engine appends to, the file of commands that anyone may append to, checkpoints, configuration.

pub mod command;
pub mod config;
pub mod event;
pub mod number;
