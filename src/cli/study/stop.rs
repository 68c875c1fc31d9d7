//! `zonas study stop`: everything of a study that is at work, wherever it is.

use clap::Args;
use color_eyre::eyre;

use super::Which;
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use crate::run::command::Body as Order;
use crate::run::journal::send;
use crate::run::lock::Liveness;
use crate::run::{RunFolder, process};
use crate::study::slurm;
use crate::text;

#[derive(Args, Debug)]
pub struct StopArguments {
    #[command(flatten)]
    which: Which,
}

pub fn run(a: &StopArguments) -> eyre::Result<Exit> {
    let study = a.which.open()?;
    let mut out = Output::stdout();
    if let Some(words) = slurm::told_of_copy(&study) {
        out.line(&text::sanitize(&format!("note: {words}")))?;
    }
    // First what would begin others.
    let cancelled = match slurm::cancel(&study) {
        Ok(n) => n,
        Err(e) => {
            out.line(&text::sanitize(&format!("note: {e}; what Slurm has of this study goes on")))?;
            0
        }
    };
    if cancelled > 0 {
        out.line(&format!("Slurm: {} cancelled", text::counted(cancelled, "run")))?;
    }
    let mut runner = false;
    if let Liveness::Alive(holder) = Liveness::of(&study.folder()) {
        #[cfg(unix)]
        let told = holder.is_here() && process::signal(holder.pid, rustix::process::Signal::TERM);
        #[cfg(not(unix))]
        let told = false;
        runner = told;
        let who = text::sanitize(&holder.who());
        out.line(&match told {
            true => format!("the runner ({who}) stops its runs with checkpoints"),
            false => format!("the runner ({who}) can't be told from here: stop it there, or it begins other runs"),
        })?;
    }
    let mut asked = 0;
    for folder in RunFolder::list(&study.runs())? {
        let Liveness::Alive(holder) = Liveness::of(&folder) else { continue };
        // Also the runner's own: to be told twice does no harm, and others may have begun some. Slurm's are told by Slurm.
        if cancelled == 0 || holder.job.is_none() {
            send(&folder, Order::Stop)?;
            asked += 1;
        }
    }
    if asked > 0 {
        out.line(&format!("{} asked to stop after this epoch or round", text::counted(asked, "run")))?;
    }
    if asked == 0 && cancelled == 0 && !runner {
        out.line("nothing of this study is at work")?;
    }
    Ok(Exit::Done)
}
