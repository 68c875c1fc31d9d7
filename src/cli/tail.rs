//! `zonas tail`: the events of a run as they come.

use clap::Args;
use color_eyre::eyre;

use super::exit::Exit;
use super::output::{Form, Output};
use super::place::Place;
use super::watch::Watching;
use crate::run::RunFolder;
use crate::run::lock::Pulse;
use crate::run::summary::Summary;

#[derive(Args, Debug)]
pub struct TailArguments {
    /// Name of a run, or the path of its folder.
    run: String,
    /// Only what comes from now on.
    #[arg(long)]
    new: bool,
    /// Tell what is there and leave, instead of waiting for more.
    #[arg(long)]
    no_follow: bool,
    /// Lines for people, or the journal's JSON lines.
    #[arg(long, value_enum, default_value = "text")]
    output: Form,
}

/// Follows a run until its engine has left it; the exit code is then the run's.
pub fn run(place: &Place, a: &TailArguments) -> eyre::Result<Exit> {
    let folder = RunFolder::open(&place.folder()?, &a.run)?;
    Summary::readable(&folder)?;
    let mut out = Output::stdout();
    let mut watching =
        if a.new { Watching::from_now(&folder, a.output) } else { Watching::from_start(&folder, a.output) };
    let mut pulse = Pulse::default();
    loop {
        let alive = !a.no_follow && pulse.look(&folder).is_alive();
        while watching.print(&mut out)? {}
        if a.no_follow {
            return Ok(Exit::Done);
        }
        if !alive {
            // Without a last word it has crashed.
            return Ok(watching.outcome().map_or(Exit::Failure, Exit::from));
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}
