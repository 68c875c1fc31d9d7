//! A person's own command, run when an engine has ended: a mail, a message, the next job.

use std::process::{Command, ExitStatus};

use color_eyre::eyre;

use super::exit::Exit;
use crate::run::RunFolder;
use crate::run::event::Outcome;
use crate::run::summary::Summary;
use crate::study::Study;

/// Runs the command in a shell, with `ZONAS_RUN`, `ZONAS_FOLDER`, `ZONAS_STATE` and `ZONAS_DETAIL` set, and where there are such
/// things `ZONAS_GENOTYPE` (as Python text) and `ZONAS_ACCURACY` (the best of an epoch, 0 to 1: of the supernet on the
/// validation pictures, of a training on the test pictures); what goes wrong with it is said on standard error and changes
/// nothing about the run.
pub fn run(command: &str, folder: &RunFolder, ended: &eyre::Result<Exit>) {
    let report = Summary::read(folder).summary;
    // What another run's command was told is not this one's.
    let genotype = report.genotype.as_ref().map(ToString::to_string);
    let accuracy = report.best_valid_accuracy.filter(|a| a.is_finite()).map(|a| a.to_string());
    let (state, detail) = match ended {
        // Before its lock is gone, the folder may still tell of an engine at work.
        Err(e) => ("failed".to_string(), super::sentence(e)),
        Ok(Exit::Done) => ("done".into(), String::new()),
        // The journal's last word, where there is one.
        Ok(_) => match report.outcome {
            Some(Outcome::Aborted) => ("aborted".into(), report.detail.unwrap_or_default()),
            Some(Outcome::Stopped) => ("stopped".into(), report.detail.unwrap_or_default()),
            _ => (report.state.to_string(), report.detail.unwrap_or_default()),
        },
    };
    let mut made = shell(command);
    for (key, value) in [("ZONAS_GENOTYPE", genotype), ("ZONAS_ACCURACY", accuracy)] {
        match value {
            Some(value) => made.env(key, value),
            None => made.env_remove(key),
        };
    }
    let told = made
        .env("ZONAS_RUN", folder.name())
        .env("ZONAS_FOLDER", folder.path())
        .env("ZONAS_STATE", state)
        .env("ZONAS_DETAIL", detail.replace('\0', ""))
        .status();
    complain(told);
}

/// Says what went wrong with the command, if anything did.
fn complain(told: std::io::Result<ExitStatus>) {
    let wrong = match told {
        Ok(status) if status.success() => return,
        Ok(status) => described(status),
        Err(e) => e.to_string(),
    };
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "the command of --on-end failed: {wrong}");
}

/// The same when the runner of a study has ended: `ZONAS_STUDY`, `ZONAS_FOLDER`, `ZONAS_STATE` and `ZONAS_DETAIL`.
pub fn of_study(command: &str, study: &Study, ended: &eyre::Result<Exit>) {
    let (state, detail) = match ended {
        Err(e) => ("failed", super::sentence(e)),
        Ok(Exit::Done) => ("done", String::new()),
        Ok(Exit::Failure) => ("failed", "some runs failed".into()),
        Ok(_) => ("stopped", String::new()),
    };
    let told = shell(command)
        .env("ZONAS_STUDY", study.name())
        .env("ZONAS_FOLDER", study.path())
        .env("ZONAS_STATE", state)
        .env("ZONAS_DETAIL", detail.replace('\0', ""))
        .status();
    complain(told);
}

fn described(status: ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| format!("exit code {code}"))
}

fn shell(command: &str) -> Command {
    let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("/bin/sh", "-c") };
    let mut made = Command::new(shell);
    made.arg(flag).arg(command);
    made
}
