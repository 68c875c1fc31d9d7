//! The hidden sub-command that is the engine of a run, and what runs of the foreground share with it: signals.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use clap::Args;
use color_eyre::eyre;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGXFSZ};
use signal_hook::iterator::Signals;

use super::exit::Exit;
use super::first_word::FirstWord;
use super::launch::{Confirming, How};
use crate::engine::{self, EngineError, Interrupt, Options};
use crate::export::tensorboard::Live;
use crate::run::RunFolder;
use crate::run::event::Level;

#[derive(Args, Debug)]
pub struct EngineArguments {
    /// The run's folder.
    folder: PathBuf,
    #[arg(long, value_enum, default_value = "stop")]
    confirm: Confirming,
    #[arg(long)]
    force: bool,
    #[arg(long)]
    queue: bool,
    #[arg(long)]
    on_end: Option<String>,
}

pub fn run(a: &EngineArguments) -> eyre::Result<Exit> {
    let folder = RunFolder::at(&a.folder)?;
    let mut word = FirstWord::of(&folder);
    let ended = work(&folder, How { confirming: a.confirm, force: a.force, queue: a.queue });
    // A run that was refused did not end.
    if let Some(command) = a.on_end.as_ref().filter(|_| ended.is_ok() || word.has_come()) {
        super::on_end::run(command, &folder, &ended);
    }
    ended
}

/// The latest signal that asked an engine of this process to leave; 0: none.
static ASKED: AtomicI32 = AtomicI32::new(0);

/// The signal by which an engine of this process was asked to leave, if it was.
pub fn asked_by() -> Option<i32> {
    Some(ASKED.load(Ordering::SeqCst)).filter(|s| *s != 0)
}

/// Runs the engine of a run in this process.
pub fn work(folder: &RunFolder, how: How) -> eyre::Result<Exit> {
    let config = folder.config()?;
    let (force, queue) = (how.force, how.queue);
    let options = Options { confirm: how.confirming.confirm(), force, queue, ..Options::default() };
    obey_signals(&options.interrupt, Duration::from_secs(config.run.grace_seconds))?;
    let live = config.run.tensorboard.then(|| Live::begin(folder, options.notices.clone()));
    if let Some(Err(e)) = &live {
        options.notices.tell(Level::Warning, format!("nothing is recorded for TensorBoard: no thread can be had: {e}"));
    }
    let ended = engine::run(folder, &config, &options);
    drop(live);
    match ended {
        Ok(outcome) => Ok(outcome.into()),
        Err(EngineError::LeftWaiting(reason)) => {
            use std::io::Write;
            // Who asked to leave knows; this is for who looks later.
            let _ = writeln!(std::io::stderr(), "stopped while it waited: {}", crate::text::sanitize(&reason));
            Ok(Exit::Stopped)
        }
        Err(e) => Err(e.into()),
    }
}

/// SIGTERM, SIGUSR1 and the first SIGINT: leave after this step with a checkpoint, within the grace period. The second
/// SIGINT: at once. SIGHUP: nothing. SIGXFSZ: nothing, so that a limit on the size of files is an error like a full disk.
fn obey_signals(interrupt: &Interrupt, grace: Duration) -> eyre::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1, SIGHUP, SIGXFSZ])?;
    let interrupt = interrupt.clone();
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        let (mut interrupted, mut graced) = (false, false);
        for signal in signals.forever() {
            if matches!(signal, SIGHUP | SIGXFSZ) {
                continue;
            }
            if signal == SIGINT && std::mem::replace(&mut interrupted, true) {
                last_word("ended at once by a second interrupt", Exit::Interrupted);
            }
            ASKED.store(signal, Ordering::SeqCst);
            interrupt.ask();
            // Whatever was asked before: who sends this waits no longer than that.
            if signal != SIGINT && !std::mem::replace(&mut graced, true) {
                std::thread::spawn(move || {
                    std::thread::sleep(grace);
                    last_word(
                        "the step did not end within run.grace_seconds; the last checkpoint holds",
                        Exit::Stopped,
                    );
                });
            }
        }
    })?;
    Ok(())
}

fn last_word(text: &'static str, exit: Exit) -> ! {
    use std::io::Write;
    // Nobody may read any more: the end does not wait for that.
    let (said, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = writeln!(std::io::stderr(), "{text}");
        let _ = said.send(());
    });
    let _ = heard.recv_timeout(Duration::from_millis(200));
    std::process::exit(i32::from(exit.code()))
}
