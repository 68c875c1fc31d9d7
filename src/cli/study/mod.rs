//! `zonas study`: one file per word.

mod new;
mod open;
mod run;
mod show;
mod status;
mod stop;
mod task;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use color_eyre::eyre;

use super::exit::Exit;
use crate::study::Study;

pub use run::here;

#[derive(Subcommand, Debug)]
pub enum StudyCommand {
    /// Make a study: a folder with a `study.toml` to edit.
    New(new::NewArguments),
    /// Run what is still to be done; what is there and sound is not run again.
    ///
    /// The first interrupt stops all runs with a checkpoint, the second at once; closing the terminal does neither.
    Run(run::RunArguments),
    /// How each run stands.
    Status(status::StatusArguments),
    /// Watch it in the explorer: settings by seeds, what follows, accuracy against memory; its runs are there too.
    Open(open::OpenArguments),
    /// What follows: each setting over its seeds, and beside the baseline.
    Show(show::ShowArguments),
    /// Stop all of its runs with a checkpoint, here, elsewhere and on Slurm; `zonas study run` goes on.
    Stop(stop::StopArguments),
    /// Do one run of a study, in this process: what the jobs of a cluster call.
    Task(task::TaskArguments),
}

/// Which study.
#[derive(Args, Debug, Clone)]
pub struct Which {
    /// Folder of the study.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Which {
    fn open(&self) -> eyre::Result<Study> {
        Ok(Study::open(&self.folder)?)
    }

    /// As a person types it.
    fn word(&self) -> String {
        crate::text::shell_word(&self.folder.display().to_string())
    }
}

pub fn run(command: &StudyCommand) -> eyre::Result<Exit> {
    match command {
        StudyCommand::New(a) => new::run(a),
        StudyCommand::Run(a) => run::run(a),
        StudyCommand::Status(a) => status::run(a),
        StudyCommand::Open(a) => open::run(a),
        StudyCommand::Show(a) => show::run(a),
        StudyCommand::Stop(a) => stop::run(a),
        StudyCommand::Task(a) => task::run(a),
    }
}
