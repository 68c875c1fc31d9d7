use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use clap::{Args, ValueEnum};
use color_eyre::eyre;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::{Exit, Output, Place, Usage, config, output};
use crate::engine::{self, Confirm, EngineError};
use crate::explorer::text;
use crate::run::RunFolder;
use crate::run::command;
use crate::run::config::Config;
use crate::run::event::{Event, Outcome};
use crate::run::journal::{Tail, send};

mod lines;
mod progress;

#[derive(Args, Debug, Default)]
pub struct RunArguments {
    /// Start from a preset: `darts` (the published search) or `demo`.
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Read settings from a TOML file; `zonas config` prints one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one key, as in search.batch=32; may be given again.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Pictures: `embedded`, or a path.
    #[arg(long, value_name = "embedded|PATH")]
    data: Option<String>,
    /// Pruning level, above 0 and below 1.
    #[arg(long, value_name = "XI", allow_negative_numbers = true)]
    xi: Option<f64>,
    #[arg(long)]
    seed: Option<u64>,
    /// Threads; 0 takes one per core. Results do not depend on it.
    #[arg(long)]
    threads: Option<usize>,
    /// Name of the run; else one is made up.
    #[arg(long)]
    name: Option<String>,
    /// Take the automatic cut without asking.
    #[arg(long)]
    yes: bool,
    /// Go on with a run that was stopped, or that waits for its cut.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["preset", "config", "set", "data", "xi", "seed", "threads", "name"])]
    resume: Option<String>,
    /// What goes to standard output: lines for people, or the journal's JSON lines.
    #[arg(long, value_enum, default_value = "text")]
    output: Form,
}

#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Form {
    #[default]
    Text,
    Json,
}

impl RunArguments {
    /// The demo, with the automatic cut.
    pub fn demo() -> RunArguments {
        RunArguments { preset: Some("demo".into()), yes: true, ..RunArguments::default() }
    }

    fn settings(&self) -> eyre::Result<Config> {
        let mut c = match &self.preset {
            Some(name) => config::named(name)?,
            None => Config::default(),
        };
        if let Some(path) = &self.config {
            let text = std::fs::read_to_string(path)
                .map_err(|e| Usage(format!("can't read the configuration {}: {e}", path.display())))?;
            c = c.overlay(&text, &path.display().to_string())?;
        }
        for assignment in &self.set {
            c = c.set(assignment)?;
        }
        if let Some(data) = &self.data {
            c.data.source.clone_from(data);
        }
        if let Some(xi) = self.xi {
            c.cut.xi = xi;
        }
        if c.data.source != "embedded" {
            // The run may be taken up from another folder.
            c.data.source = match std::path::absolute(&c.data.source) {
                Ok(path) => path.to_string_lossy().into_owned(),
                Err(e) => return Err(Usage(format!("`{}` is no path: {e}", c.data.source)).into()),
            };
        }
        c.seed = self.seed.unwrap_or(c.seed);
        c.device.threads = self.threads.unwrap_or(c.device.threads);
        c.check()?;
        Ok(c)
    }
}

/// Word for the names of runs on this data: the last part of a path without its endings, or the embedded set's name.
pub(super) fn stem(config: &Config) -> String {
    if config.data.source == "embedded" {
        return "fashion".into();
    }
    let path = PathBuf::from(&config.data.source);
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    name.split('.').next().unwrap_or_default().to_string()
}

/// Starts an engine of this process on a run.
pub(super) fn launch(folder: &RunFolder, confirm: Confirm) -> eyre::Result<JoinHandle<Result<Outcome, EngineError>>> {
    let folder = folder.clone();
    let config = folder.config()?;
    let options = engine::Options { confirm };
    Ok(std::thread::Builder::new().name("engine".into()).spawn(move || engine::run(&folder, &config, &options))?)
}

pub fn run(place: &Place, a: &RunArguments) -> eyre::Result<Exit> {
    let runs = place.folder()?;
    let folder = match &a.resume {
        Some(name) => RunFolder::open(&runs, name)?,
        None => {
            let config = a.settings()?;
            engine::check(&config)?;
            RunFolder::create(&runs, a.name.as_deref(), &stem(&config), &config)?
        }
    };
    let mut tail = Tail::events(&folder);
    if a.resume.is_some() {
        // What was told before is not told again.
        while !tail.read().is_empty() {}
    }
    let signalled = Arc::new(AtomicBool::new(false));
    watch_signals(&folder, &signalled)?;
    let engine = launch(&folder, if a.yes { Confirm::Automatic } else { Confirm::Stop })?;
    let mut out = Output::stdout();
    let mut progress = progress::Progress::new();
    let mut printed = Ok(());
    loop {
        // Looked at before reading, so that the last lines are not missed.
        let over = engine.is_finished();
        let events = tail.read();
        for e in &events {
            progress.take(e);
            if printed.is_ok() {
                printed = progress.hidden(|| print(&mut out, e, a.output));
            }
        }
        if printed.is_err() && !over {
            // Nobody reads any more; the run goes on to a good end.
            send(&folder, command::Body::Stop)?;
            break;
        }
        if events.is_empty() {
            if over {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    progress.finish();
    let outcome = engine
        .join()
        .map_err(|_| eyre::eyre!("the engine broke down; what it wrote is in {}", folder.path().display()))?;
    printed?;
    let exit = match outcome? {
        Outcome::Done => Exit::Done,
        Outcome::Failed => Exit::Failure,
        Outcome::Aborted => Exit::Interrupted,
        Outcome::Stopped => Exit::Stopped,
    };
    if a.output == Form::Text {
        match exit {
            Exit::Done => out.line(&format!(
                "look at it: `zonas open {0}`; take it home: `zonas export {0} --as python`",
                text::sanitize(&folder.name())
            ))?,
            Exit::Stopped => out.line(&format!(
                "go on with `zonas run --resume {0} --yes`, or open it with `zonas open {0}`",
                text::sanitize(&folder.name())
            ))?,
            _ => {}
        }
    }
    Ok(exit)
}

fn print(out: &mut Output<std::io::Stdout>, e: &Event, form: Form) -> eyre::Result<()> {
    match form {
        Form::Json => out.line(&output::escape(&serde_json::to_string(e)?)),
        Form::Text => lines::lines(e).iter().try_for_each(|l| out.line(&text::sanitize(l))),
    }
}

/// The first interrupt asks for a stop with a checkpoint, the second ends the program at once; a termination asks too.
fn watch_signals(folder: &RunFolder, signalled: &Arc<AtomicBool>) -> eyre::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let (folder, signalled) = (folder.clone(), signalled.clone());
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            if signal == SIGINT && signalled.swap(true, Ordering::Relaxed) {
                std::process::exit(i32::from(Exit::Interrupted.code()));
            }
            // If it can't be written, the second interrupt still ends the program.
            let _ = send(&folder, command::Body::Stop);
        }
    })?;
    Ok(())
}
