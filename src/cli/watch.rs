//! Watching a run from the shell: its events as they come, as lines for people or as JSON.

mod progress;

use crate::run::summary::Summary;
use std::io;
use std::process::ExitStatus;
use std::thread::JoinHandle;
use std::time::Duration;

use color_eyre::eyre;
use rustix::process::Signal;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use super::exit::{Exit, Usage};
use super::first_word::FirstWord;
use super::output::{self, Closed, Form, Output};
use super::patience::Patience;
use crate::run::describe::describe;
use crate::run::event::{Body, Event, Level, Outcome};
use crate::run::journal::Tail;
use crate::run::lock::Liveness;
use crate::run::{RunFolder, process};
use crate::text;

/// Between two looks at the journal.
const LOOK: Duration = Duration::from_millis(30);

/// How watching came to its end.
pub enum Watched {
    /// The run has ended so.
    Ended(Exit),
    /// Standard output was closed by its reader.
    Closed,
}

/// Prints what comes.
pub struct Watching {
    folder: RunFolder,
    tail: Tail<Event>,
    form: Form,
    progress: progress::Progress,
    known: Summary,
    /// The error that the run may end with, as a line: the program tells it when that is the end.
    last: Option<String>,
    /// For the first word of a run that begins.
    patience: Option<Patience>,
}

impl Watching {
    /// From what is written from now on: what was told before is not told again.
    pub fn from_now(folder: &RunFolder, form: Form) -> Watching {
        let mut watching = Watching::from_start(folder, form);
        watching.tail = Tail::events(folder).at_end();
        watching
    }

    pub fn from_start(folder: &RunFolder, form: Form) -> Watching {
        Watching {
            folder: folder.clone(),
            tail: Tail::events(folder),
            form,
            progress: progress::Progress::new(),
            known: Summary::default(),
            last: None,
            patience: None,
        }
    }

    /// Of a run that begins now: if nothing is heard of it for a while, that is said.
    pub fn starting(mut self) -> Watching {
        let name = self.folder.name();
        let words = "is starting: it reads its data, which takes a while of a large folder, the first time; or it makes sure that no other engine has it";
        self.patience = Some(Patience::new(format!("{name} {words}")));
        self
    }

    fn wait(&mut self, quiet: bool) {
        match &mut self.patience {
            Some(patience) if quiet => patience.look(),
            waiting => *waiting = None,
        }
    }

    /// Prints what has come since; true if there was something.
    pub fn print(&mut self, out: &mut Output<io::Stdout>) -> eyre::Result<bool> {
        let events = self.tail.read();
        self.wait(events.is_empty());
        for e in &events {
            self.known.apply(e);
            self.progress.take(e);
            let mut lines = match self.form {
                Form::Json => vec![output::escape(&serde_json::to_string(e)?)],
                Form::Text => self.lines(e),
            };
            self.progress.hidden(|| lines.drain(..).try_for_each(|line| out.line(&line)))?;
        }
        Ok(!events.is_empty())
    }

    /// An event in lines. Of a failure nothing is said before it is known that the run went on after it: else it is the
    /// program's error, and that is said once.
    fn lines(&mut self, e: &Event) -> Vec<String> {
        let told = describe(e).into_iter().filter(|(level, _)| *level >= Level::Info);
        let told: Vec<String> = told.map(|(level, line)| text::sanitize(&prefixed(e, level, line))).collect();
        match &e.body {
            Body::Log { level: Level::Error, .. } | Body::RunEnded { outcome: Outcome::Failed, .. } => {
                let before = std::mem::replace(&mut self.last, told.first().cloned());
                // The error comes in a line of the log, and again as the reason of the end.
                let same = |a: &str, b: &str| a.split_once(": ").map(|a| a.1) == b.split_once(": ").map(|b| b.1);
                before.filter(|before| !self.last.as_ref().is_some_and(|now| same(before, now))).into_iter().collect()
            }
            Body::RunStarted(_) => self.last.take().into_iter().chain(told).collect(),
            _ => told,
        }
    }

    /// The last lines, of a run that has ended: an error that did not end it is told.
    pub fn finish(&mut self, out: &mut Output<io::Stdout>) -> eyre::Result<()> {
        self.progress.finish();
        match self.last.take().filter(|_| self.known.outcome != Some(Outcome::Failed)) {
            Some(line) => out.line(&line),
            None => Ok(()),
        }
    }

    /// Until the engine of this process ends. A closed output does not end it.
    pub fn thread(
        mut self,
        out: &mut Output<io::Stdout>,
        engine: JoinHandle<eyre::Result<Exit>>,
    ) -> eyre::Result<Exit> {
        let mut open = true;
        loop {
            // Looked at before reading, so that the last lines are not missed.
            let over = engine.is_finished();
            let quiet = match open.then(|| self.print(out)) {
                None => true,
                Some(Ok(more)) => !more,
                // A reader that left, a terminal that is gone: the run is worth more than its lines.
                Some(Err(_)) => {
                    open = false;
                    true
                }
            };
            if quiet {
                if over {
                    break;
                }
                std::thread::sleep(LOOK);
            }
        }
        self.progress.finish();
        engine.join().map_err(|_| eyre::eyre!("the engine broke down; what it wrote is in {}", self.shown()))?
    }

    /// Until the engine in its own process ends. Interrupts and terminations are handed on to it; a hang-up ends only the
    /// watching.
    pub fn process(mut self, out: &mut Output<io::Stdout>, mut engine: process::Engine) -> eyre::Result<Watched> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1])?;
        loop {
            hand_on(&mut signals, engine.id());
            let over = engine.ended();
            match self.print(out) {
                Ok(true) => {}
                Ok(false) => match over {
                    Some(status) => return self.ended(status, &engine),
                    None => std::thread::sleep(LOOK),
                },
                Err(e) if e.is::<Closed>() => {
                    self.progress.finish();
                    engine.forget();
                    return Ok(Watched::Closed);
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// Until the engine in its own process has said its first word, or has ended before.
    pub fn beginning(
        mut self,
        out: &mut Output<io::Stdout>,
        mut engine: process::Engine,
        name: &str,
    ) -> eyre::Result<Watched> {
        loop {
            let over = engine.ended();
            if self.tail.read().iter().any(FirstWord::is) {
                engine.forget();
                let queued = matches!(Liveness::of(&self.folder), Liveness::Alive(h) if h.queued);
                let word = if queued { "queued" } else { "started" };
                let line = format!("{name} {word}; watch it with `zonas attach {name}` or `zonas tail {name}`");
                out.line(&line)?;
                return Ok(Watched::Ended(Exit::Done));
            }
            self.wait(true);
            match over {
                Some(status) => return self.ended(status, &engine),
                None => std::thread::sleep(LOOK),
            }
        }
    }

    fn ended(self, status: ExitStatus, engine: &process::Engine) -> eyre::Result<Watched> {
        self.progress.finish();
        if let Some(outcome) = self.known.outcome.filter(|o| *o != Outcome::Failed) {
            return Ok(Watched::Ended(outcome.into()));
        }
        let code = status.code().unwrap_or(1);
        let exit = [Exit::BadInput, Exit::Stopped, Exit::Interrupted].into_iter().find(|e| i32::from(e.code()) == code);
        let said = engine.said();
        let words = last_line(&said);
        match exit {
            Some(exit @ (Exit::Stopped | Exit::Interrupted)) => {
                if !words.is_empty() {
                    use io::Write;
                    let _ = writeln!(io::stderr(), "{}", text::sanitize(words));
                }
                Ok(Watched::Ended(exit))
            }
            Some(Exit::BadInput) if !words.is_empty() => Err(Usage(words.to_string()).into()),
            _ => Err(eyre::eyre!("{}", last_words(engine, status, &self.folder))),
        }
    }

    fn shown(&self) -> String {
        self.folder.path().display().to_string()
    }
}

fn last_line(said: &str) -> &str {
    let last = said.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or("").trim();
    last.strip_prefix("error: ").unwrap_or(last)
}

/// Why an engine has ended.
pub fn last_words(engine: &process::Engine, status: ExitStatus, folder: &RunFolder) -> String {
    match last_line(&engine.said()) {
        "" => format!("the engine ended ({status}) and said nothing; see {}", folder.path().display()),
        words => words.to_string(),
    }
}

/// What the engine warns of says so; of other events their words say what they are.
fn prefixed(e: &Event, level: Level, line: String) -> String {
    match (&e.body, level) {
        (Body::Log { .. }, Level::Warning) => format!("warning: {line}"),
        (Body::Log { .. }, Level::Error) => format!("error: {line}"),
        _ => line,
    }
}

/// Signals that are the engine's to obey, handed on by the watcher.
fn hand_on(signals: &mut Signals, engine: u32) {
    for signal in signals.pending() {
        let known = [(SIGINT, Signal::INT), (SIGTERM, Signal::TERM), (SIGUSR1, Signal::USR1)];
        if let Some((_, signal)) = known.iter().find(|(number, _)| *number == signal) {
            process::signal(engine, *signal);
        }
    }
}
