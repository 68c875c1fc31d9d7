//! `zonas study run`: on this machine, or on a cluster.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::{Args, ValueEnum};
use color_eyre::eyre;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use super::Which;
use crate::cli::exit::{Exit, Usage};
use crate::cli::on_end;
use crate::cli::output::{Closed, Output};
use crate::study::{News, Runner, State, Study, slurm};
use crate::text;

/// Between two looks at the engines.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Args, Debug)]
pub struct RunArguments {
    #[command(flatten)]
    which: Which,
    /// Where: on this machine, or as job arrays of Slurm.
    #[arg(long, value_enum, default_value = "here", value_name = "WHERE")]
    on: Where,
    /// Run this in a shell when the runner has ended; ZONAS_STUDY, ZONAS_FOLDER, ZONAS_STATE (done, failed, stopped) and ZONAS_DETAIL tell
    /// of it.
    #[arg(long, value_name = "COMMAND")]
    on_end: Option<String>,
    /// With --on slurm: the partition.
    #[arg(long, value_name = "NAME")]
    partition: Option<String>,
    /// With --on slurm: GPUs of each run.
    #[arg(long, value_name = "N", default_value_t = 0)]
    gpus: usize,
    /// With --on slurm: time of each run, as in 8:00:00; a run whose time is over goes on in the next one [default: predicted on
    /// CPUs, the partition's on GPUs].
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
    /// With --on slurm: options of sbatch, as in --sbatch "--account=vision --qos=low"; may be given again.
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true)]
    sbatch: Vec<String>,
}

/// Where the runs of a study run.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Here,
    Slurm,
}

pub fn run(a: &RunArguments) -> eyre::Result<Exit> {
    let study = a.which.open()?;
    if a.on == Where::Slurm {
        if a.on_end.is_some() {
            let words = "--on-end is for a study that runs here; on Slurm, --sbatch \"--mail-type=END\" tells of it";
            return Err(Usage(words.into()).into());
        }
        return on_slurm(a, &study);
    }
    let given = [
        (a.partition.is_some(), "--partition"),
        (a.gpus > 0, "--gpus"),
        (a.time.is_some(), "--time"),
        (!a.sbatch.is_empty(), "--sbatch"),
    ];
    if let Some((_, flag)) = given.into_iter().find(|(given, _)| *given) {
        return Err(Usage(format!("{flag} is for --on slurm")).into());
    }
    let ended = here(&study, &a.which.word());
    if let Some(command) = &a.on_end {
        on_end::of_study(command, &study, &ended);
    }
    ended
}

/// Runs it on this machine; `word` is what a person types for it.
pub fn here(study: &Study, word: &str) -> eyre::Result<Exit> {
    let asked = signals()?;
    let mut out = Voice(Some(Output::stdout()));
    if let Some(words) = slurm::told_of_copy(study) {
        out.line(&format!("note: {words}"));
    }
    let elsewhere = match slurm::jobs(study) {
        Ok(jobs) => jobs.into_iter().map(|j| (j.run.clone(), j.words())).collect(),
        Err(e) => {
            out.line(&format!("note: {e}; runs that Slurm may have are not known"));
            HashMap::new()
        }
    };
    if !elsewhere.is_empty() {
        out.line(&format!(
            "note: Slurm has {} of this study, which are left to it",
            text::counted(elsewhere.len(), "run")
        ));
    }
    let mut runner = Runner::new(study, elsewhere)?;
    for note in &runner.design().notes {
        out.line(&format!("note: {note}"));
    }
    let done = runner.standing().count("done");
    let all = runner.plan().tasks.len();
    out.line(&format!("{}, {done} of them done; {}", text::counted(all, "run"), runner.room()));
    let mut stopped = 0;
    loop {
        let mut news = Vec::new();
        let on = runner.turn(&mut |n| news.push(n))?;
        for n in news {
            let told = told(&n, &runner);
            out.line(&told);
        }
        if !on {
            break;
        }
        let now = asked.load(Ordering::SeqCst);
        if now > stopped {
            stopped = now;
            runner.stop(now > 1);
            let how = if now > 1 { "at once" } else { "with checkpoints; again: at once" };
            out.line(&format!("stops all runs {how}"));
        }
        std::thread::sleep(LOOK);
    }
    let standing = runner.standing();
    let (done, failed) = (standing.count("done"), runner.given_up());
    let all = runner.plan().tasks.len();
    if done == all {
        out.line(&format!(
            "{} done: `zonas study show {word}`",
            if all == 1 { "the run is".to_string() } else { format!("all {all} runs are") }
        ));
        return Ok(Exit::Done);
    }
    out.line(&format!("{done} of {all} runs are done; `zonas study run {}` goes on", word));
    if stopped > 0 {
        return Ok(Exit::Stopped);
    }
    for (name, why) in failed.iter().take(20) {
        out.line(&format!("  {name}: {why}"));
    }
    Ok(if !failed.is_empty() { Exit::Failure } else { Exit::Stopped })
}

/// Submits what is still to be done.
fn on_slurm(a: &RunArguments, study: &Study) -> eyre::Result<Exit> {
    if a.sbatch.iter().any(|o| o.contains(['\n', '\r'])) {
        return Err(Usage("--sbatch: options stand in one line of the script; give it again for others".into()).into());
    }
    let options = a.sbatch.clone();
    let ask = slurm::Ask { partition: a.partition.clone(), gpus: a.gpus, time: a.time.clone(), options };
    let mut out = Output::stdout();
    if let Some(words) = slurm::told_of_copy(study) {
        out.line(&text::sanitize(&format!("note: {words}")))?;
    }
    let mut lines = Vec::new();
    let submitted = slurm::submit(study, &ask, &mut |s| {
        let after = if s.after.is_empty() { String::new() } else { format!(", after {}", s.after.join(", ")) };
        let runs = text::counted(s.runs, "run");
        lines.push(format!("{}: array {} of {runs}{after}: {}", s.stage.name(), s.id, s.script.display()));
        for missing in s.missing.iter().map(|words| format!("note: {words}")) {
            if !lines.contains(&missing) {
                lines.push(missing);
            }
        }
    });
    lines.iter().try_for_each(|line| out.line(&text::sanitize(line)))?;
    let word = a.which.word();
    match submitted? {
        0 => out.line(&format!(
            "nothing to submit: each run is done, at work, or with Slurm; `zonas study status {word}` says which"
        ))?,
        n => out.line(&format!(
            "{} submitted; `zonas study status {word}` shows how they stand",
            text::counted(n, "run")
        ))?,
    }
    Ok(Exit::Done)
}

/// Standard output, until its reader is gone: the study goes on without.
struct Voice(Option<Output<std::io::Stdout>>);

impl Voice {
    fn line(&mut self, words: &str) {
        let said = self.0.as_mut().map_or(Ok(()), |out| out.line(&text::sanitize(words)));
        if said.is_err_and(|e| e.downcast_ref::<Closed>().is_some() || e.downcast_ref::<std::io::Error>().is_some()) {
            self.0 = None;
        }
    }
}

fn told(news: &News, runner: &Runner) -> String {
    match news {
        News::Note(words) => format!("note: {words}"),
        News::Began { name, what, threads, resumed } => {
            let how = if *resumed { "goes on" } else { "begins" };
            format!("{name}: {what} {how} on {}", text::threads(*threads))
        }
        News::Ended { name, what, state, words, seconds } => {
            let took = if *seconds > 0.0 { format!(" in {}", text::duration(*seconds)) } else { String::new() };
            let words = if words.is_empty() { String::new() } else { format!(": {words}") };
            let mut line = format!("{name}: {what} {}{took}{words}", state.word());
            if *state == State::Done {
                let (done, all) = (runner.standing().count("done"), runner.plan().tasks.len());
                let left = runner.seconds_left().filter(|s| *s > 0.0);
                let left = left.map_or_else(String::new, |s| format!(", about {} left", text::duration(s)));
                line.push_str(&format!(" ({done} of {all}{left})"));
            }
            line
        }
    }
}

/// How often this process was asked to stop. A terminal that is closed does not ask.
fn signals() -> eyre::Result<Arc<AtomicUsize>> {
    let asked = Arc::new(AtomicUsize::new(0));
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1, SIGHUP])?;
    let count = Arc::clone(&asked);
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            if signal != SIGHUP {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    })?;
    Ok(asked)
}
