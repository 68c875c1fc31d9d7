//! Starting an engine: how it is to run, and a process of its own for it.

use clap::ValueEnum;
use color_eyre::eyre;

use crate::engine::Confirm;
use crate::run::{RunFolder, process};

/// How an engine is to run.
#[derive(Clone, Copy, Debug)]
pub struct How {
    pub confirming: Confirming,
    pub force: bool,
    pub queue: bool,
}

impl From<Confirming> for How {
    fn from(confirming: Confirming) -> How {
        How { confirming, force: false, queue: false }
    }
}

/// What becomes of the automatic cut.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirming {
    /// It is taken.
    Automatic,
    /// The engine waits for a confirmation.
    Wait,
    /// The run stops there.
    Stop,
}

impl Confirming {
    pub const fn word(self) -> &'static str {
        match self {
            Confirming::Automatic => "automatic",
            Confirming::Wait => "wait",
            Confirming::Stop => "stop",
        }
    }

    pub const fn confirm(self) -> Confirm {
        match self {
            Confirming::Automatic => Confirm::Automatic,
            Confirming::Wait => Confirm::Wait,
            Confirming::Stop => Confirm::Stop,
        }
    }
}

/// Starts an engine in a process of its own.
pub fn launch(folder: &RunFolder, how: How) -> eyre::Result<process::Engine> {
    launch_telling(folder, how, None)
}

/// The same, with a command for its end.
pub fn launch_telling(folder: &RunFolder, how: How, on_end: Option<&str>) -> eyre::Result<process::Engine> {
    let mut arguments = vec!["--confirm", how.confirming.word()];
    if let Some(command) = on_end {
        arguments.extend(["--on-end", command]);
    }
    arguments.extend(how.force.then_some("--force"));
    arguments.extend(how.queue.then_some("--queue"));
    Ok(process::start(folder, &arguments)?)
}
