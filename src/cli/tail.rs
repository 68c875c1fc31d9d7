//! `zonas tail`: the events of a run as they come.

use clap::Args;
use color_eyre::eyre;

use super::exit::{Exit, Usage};
use super::output::{Form, Output};
use super::place::Place;
use super::watch::Watching;
use crate::run::RunFolder;
use crate::run::event::Outcome;
use crate::run::lock::Pulse;
use crate::run::status::Status;
use crate::run::summary::{Read, Summary};

#[derive(Args, Debug)]
pub struct TailArguments {
    /// Name of a run, or the path of its folder.
    run: String,
    /// Only what comes from now on.
    #[arg(long)]
    new: bool,
    /// Tell what is there and leave, instead of waiting for more; while an engine is at work the exit code is then 0.
    #[arg(long)]
    no_follow: bool,
    /// Lines for people, or the journal's JSON lines.
    #[arg(long, value_enum, default_value = "text")]
    output: Form,
}

/// Follows a run until its engine has left it; the exit code is then the run's.
pub fn run(place: &Place, a: &TailArguments) -> eyre::Result<Exit> {
    let folder = place.run(&a.run)?;
    Summary::readable(&folder)?;
    let mut out = Output::stdout();
    let mut watching =
        if a.new { Watching::from_now(&folder, a.output) } else { Watching::from_start(&folder, a.output) };
    let mut pulse = Pulse::default();
    loop {
        let alive = pulse.look(&folder).is_alive();
        while watching.print(&mut out)? {}
        if alive && a.no_follow {
            return Ok(Exit::Done);
        }
        if !alive {
            watching.finish(&mut out)?;
            return ended(&folder, a.no_follow);
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

/// The exit code of a run that no engine works on: as `zonas run` had it, with the same error.
fn ended(folder: &RunFolder, no_follow: bool) -> eyre::Result<Exit> {
    // All of the journal: it may have ended before what was followed.
    let Read { summary, status } = Summary::read(folder);
    match (summary.outcome, &status) {
        (Some(Outcome::Failed), _) => {
            let why = status.detail().unwrap_or("the run has failed").to_string();
            Err(if summary.bad_input { Usage(why).into() } else { eyre::eyre!("{why}") })
        }
        (Some(outcome), _) => Ok(outcome.into()),
        // It waited for room on its disk, and could not say so.
        (None, Status::Stopped(_)) => Ok(Exit::Stopped),
        (None, Status::New) if no_follow => Ok(Exit::Done),
        (None, _) => {
            let why = status.detail().map_or_else(String::new, |detail| format!(": {detail}"));
            Err(eyre::eyre!("the run is {}{why}", status.word()))
        }
    }
}
