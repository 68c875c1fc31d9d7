//! `zonas study task`: one run of a study, in this process. The batch scripts of a cluster call it.

use clap::Args;
use color_eyre::eyre;
use signal_hook::consts::SIGUSR1;

use super::Which;
use crate::cli::engine;
use crate::cli::exit::{Exit, Usage};
use crate::cli::launch::{Confirming, How};
use crate::cli::output::{Form, Output};
use crate::cli::watch::Watching;
use crate::nearest::nearest;
use crate::study::{Found, Known, Plan, Standing, State, begin, slurm};
use crate::text;

#[derive(Args, Debug)]
pub struct TaskArguments {
    #[command(flatten)]
    which: Which,
    /// Name of the run, as `zonas study status` shows it.
    #[arg(value_name = "RUN")]
    run: String,
}

/// Exit codes are those of a run, but that 75 says: stopped by SIGUSR1, so that it is to be begun again. In a job of Slurm it is
/// queued again for that; after SIGTERM never, since a job that was cancelled would come back.
pub fn run(a: &TaskArguments) -> eyre::Result<Exit> {
    let study = a.which.open()?;
    let design = study.design()?;
    let plan = Plan::of(&design);
    let number = plan.tasks.iter().position(|t| t.name == a.run).ok_or_else(|| {
        let near = nearest(&a.run, plan.tasks.iter().map(|t| t.name.as_str()));
        let hint = near.map_or_else(|| "was study.toml edited?".into(), |n| format!("did you mean `{n}`?"));
        Usage(text::sanitize(&format!("there is no run `{}` in this study; {hint}", a.run)))
    })?;
    let mut found = Found::default();
    found.look(&study, &design)?;
    // Those that it needs count, and no others.
    let mut chain = vec![number];
    while let Some(needs) = chain.last().and_then(|n| plan.tasks[*n].needs) {
        chain.push(needs);
    }
    let others = Known { state: State::Ready, folder: None, summary: None };
    let standing = Standing::with(&found, &design, &plan, |i| (!chain.contains(&i)).then(|| others.clone()));
    let task = &plan.tasks[number];
    let mut out = Output::stdout();
    if standing.tasks[number].state == State::Done {
        out.line(&format!("{} is done already", task.name))?;
        return Ok(Exit::Done);
    }
    let began = begin(&study, &design, &plan, &standing, &mut found, number, &slurm::share())?;
    let what = if began.new { "begins" } else { "goes on" };
    out.line(&text::sanitize(&format!("{}: {} {what} in {}", task.name, task.what(), began.folder.path().display())))?;
    let confirming = if task.until_cut { Confirming::Stop } else { Confirming::Automatic };
    let watching = Watching::from_now(&began.folder, Form::Text);
    let own = began.folder.clone();
    let work = move || engine::work(&own, How { confirming, force: false, queue: false });
    let worker = std::thread::Builder::new().name("engine".into()).spawn(work)?;
    let ended = watching.thread(&mut out, worker)?;
    let by_request = engine::asked_by();
    Ok(match ended {
        Exit::Stopped if by_request == Some(SIGUSR1) => {
            out.line(&match slurm::requeue() {
                Ok(Some(id)) => {
                    format!("{}: its time is over; Slurm has {id} queued again, and it goes on there", task.name)
                }
                Ok(None) => format!("{}: stopped with a checkpoint; it goes on where it was", task.name),
                Err(e) => {
                    text::sanitize(&format!("{}: stopped with a checkpoint; {e}; submit the study again", task.name))
                }
            })?;
            Exit::Stopped
        }
        Exit::Stopped if task.until_cut && by_request.is_none() => Exit::Done,
        // Asked to leave by someone who does not want it to go on by itself.
        Exit::Stopped if by_request.is_some() => Exit::Interrupted,
        Exit::Stopped => Exit::Failure,
        other => other,
    })
}
