//! The stages of a run, and the loop that runs them, emits events and obeys commands. An engine reads and writes nothing
//! but the run's folder (and the data, and what is known of large ones below the user's cache folder), so it does not know who
//! watches.

mod accuracies;
mod budget;
mod cell;
mod control;
mod cut;
mod epochs;
mod error;
pub mod front;
pub mod heaviest;
mod inherit;
mod options;
mod orders;
mod origin;
mod past;
pub mod plan;
pub mod quality;
mod queue;
pub mod sampled;
mod saved;
pub mod score;
mod scoring;
pub mod scoring_memory;
mod seal;
mod search;
pub mod searchable;
pub mod seconds;
mod setup;
pub mod stored;
mod train;
pub mod training_memory;
pub mod unequal;
pub mod verdict;

pub use crate::run::event::Outcome;
pub(crate) use accuracies::check as check_table;
pub use cut::change_of;
pub use error::EngineError;
pub use inherit::{inherit, of_scoring};
pub use options::{Confirm, Interrupt, Notices, Options};
pub use saved::{Searched, searched};
pub use setup::suits;

use control::Control;
use past::Past;
use seal::Seal;
use setup::Setup;

use crate::device::{self, NoGpu};
use crate::run::RunFolder;
use crate::run::config::Config;
use crate::run::event::{Body, Level};
use crate::run::journal::Tail;
use crate::run::lock::RunLock;

/// Whether a run with these settings could begin: the ranking functions are known, the data is there and suits the batch.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(config: &Config) -> Result<(), EngineError> {
    prepared(config, &Past::default()).map(drop)?;
    Ok(check_table(config)?)
}

/// Threads, and a configuration made real on them: all that can be known to be wrong is found here, before any work is done.
fn prepared<'a>(config: &'a Config, past: &Past) -> Result<(rayon::ThreadPool, Setup<'a>), EngineError> {
    let threads = device::threads(config.device.threads);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|i| format!("engine-{i}"))
        .build()
        .map_err(|e| EngineError::Threads(threads, e))?;
    let before = past.origin.as_ref().map(|origin| origin.data.as_str());
    let setup = guarded(|| pool.install(|| Setup::new(config, threads, before, past.stem)))?;
    if let Some(was) = past.space.filter(|was| *was != setup.space.space()) {
        // Not to be forced: its masks have other rows and columns.
        let (was, is) = (was.name(), setup.space.space().name());
        return Err(EngineError::Changed(vec![format!(
            "its journal is of the search space `{was}`, and its settings of `{is}`"
        )]));
    }
    if let Some(was) = past.stem.filter(|was| *was != setup.stem) {
        // Nor this: its checkpoint is of a network with other weights.
        let (is, key) = (setup.stem, if setup.trained.is_some() { "train.stem" } else { "search.stem" });
        return Err(EngineError::Changed(vec![format!(
            "its networks have the stem `{was}`, and {key} asks for `{is}`"
        )]));
    }
    let scores = setup.trained.is_none() && config.scores();
    if scores && !past.started && past.scored.is_none() {
        scoring_memory::room(&setup)?;
    }
    Ok((pool, setup))
}

/// Runs the stages of a run: score, cut, search, cell; or, where the settings name a genotype to train, cell and train.
///
/// A run that an earlier engine left off is resumed where its journal
/// and its checkpoint end: after the last score, at the cut, at the saved step; the result is the same as without the
/// interruption.
///
/// A run that can't begin is refused before anything else: of a new one the journal then holds nothing but the end and its
/// reason, that of one that would be resumed stays as it was. What was found out for this is what the run then works with; only
/// where it has to wait for its turn it is let go meanwhile, and found out anew.
///
/// Everything goes through the folder: events and checkpoints out, commands in. The genotype is in `genotype.json` and
/// `genotype.py` when the outcome is [`Outcome::Done`]. The last event is `RunEnded`, also after an error, unless the run
/// was refused. Where the disk has no room the engine waits until there is.
///
/// # Errors
/// Settings or data that make no sense or have changed, a folder that can't be written or that another engine has, a loss
/// that is not finite.
pub fn run(folder: &RunFolder, config: &Config, options: &Options) -> Result<Outcome, EngineError> {
    // By its handle: an engine works for hours, and the folder may be moved meanwhile and another come in its place.
    let folder = &folder.hold()?;
    let lock = RunLock::take(folder)?;
    // From here on watchers see that somebody listens: what was sent before is refused, what comes now is obeyed.
    let mut commands = Tail::commands(folder);
    let old = commands.rest();
    let mut past = Past::read(folder);
    past.unfinished(folder)?;
    lock.follows(options.queue);
    if options.queue {
        // What is looked at first takes a moment, in which it is in nobody's way.
        lock.queued(Some("its turn"));
    }
    let compared = |setup: &Setup| origin::compare(past.origin.as_ref(), &origin::of(setup, ""), options.force);
    let ready = prepared(config, &past).and_then(|ready| {
        // A run that goes on needs no table for what it does.
        if !past.started {
            accuracies::check(config)?;
        }
        Ok((compared(&ready.1)?, ready))
    });
    let (mut origin, ready) = match ready {
        Ok((origin, ready)) => (origin, Ok(ready)),
        Err(e) if past.started || matches!(e, EngineError::Changed(_)) => return Err(e),
        Err(e) => (Vec::new(), Err(e)),
    };
    let mut control = Control::open(folder, lock, commands, options)?;
    let mut ready = match ready {
        Ok(ready) => Some(ready),
        Err(e) => {
            let _ = control.close(failed(&e));
            return Err(e);
        }
    };
    if options.queue && !queue::wait(&mut control, folder, || ready = None)? {
        let outcome = if control.aborts() { Outcome::Aborted } else { Outcome::Stopped };
        control.close(ended(outcome, "while it waited for its turn".into()))?;
        return Ok(outcome);
    }
    let ready = match ready {
        Some(ready) => Ok(ready),
        None => {
            let again = prepared(config, &past);
            if let Ok((_, setup)) = &again {
                origin = compared(setup)?;
            }
            again
        }
    };
    let open: Vec<_> = old.into_iter().filter(|c| !past.answered.contains(&c.id)).collect();
    for (id, command) in std::mem::take(&mut past.owed) {
        control.emit(Body::CommandAccepted { id, command: command.into() })?;
    }
    if past.started {
        control.refuse_old(open.iter())?;
    } else {
        control.take(open);
    }
    let came = ready.and_then(|(pool, setup)| {
        guarded(|| {
            pool.install(|| {
                control.device = setup.device.clone();
                let now = origin::of(&setup, &origin::identity(&past, &control));
                control.seal = Seal::of(&past, now, options.force);
                control.emit(Body::RunStarted(setup.started(folder.name())))?;
                origin::tell(&mut control, &past, &setup, &origin)?;
                stages(&mut control, &setup, folder, &mut past, options)
            })
        })
    });
    match came {
        Ok((outcome, detail)) => {
            control.close(ended(outcome, detail))?;
            Ok(outcome)
        }
        // Nothing can be written, or another engine writes.
        Err(e @ (EngineError::LeftWaiting(_) | EngineError::Overtaken(_))) => Err(e),
        Err(e) => {
            // The first error is the one to tell of; a journal that can't be written would only hide it.
            let _ = control.log(Level::Error, e.to_string());
            let _ = control.close(failed(&e));
            Err(e)
        }
    }
}

fn ended(outcome: Outcome, detail: String) -> Body {
    Body::RunEnded { outcome, detail, bad_input: false }
}

fn failed(e: &EngineError) -> Body {
    Body::RunEnded { outcome: Outcome::Failed, detail: e.to_string(), bad_input: e.is_bad_input() }
}

/// A panic becomes an error, so that watchers learn of it.
fn guarded<T>(work: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
    // What was half done is only read to say so.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no reason given".into());
        Err(EngineError::Panic(text))
    })
}

/// The outcome, and what to say of it.
fn stages(
    control: &mut Control,
    setup: &Setup,
    folder: &RunFolder,
    past: &mut Past,
    options: &Options,
) -> Result<(Outcome, String), EngineError> {
    control.log(Level::Info, setup.dataset.summary().to_string())?;
    if let Some(why) = setup.no_gpu.as_ref().filter(|why| **why != NoGpu::NotBuilt) {
        control.log(Level::Info, format!("on the CPU: {why}"))?;
    }
    let early = |control: &Control, detail: &str| {
        let outcome = if control.aborts() { Outcome::Aborted } else { Outcome::Stopped };
        Ok((outcome, detail.to_string()))
    };
    for text in [setup.bounded_threads(), setup.uneven_stages()].into_iter().flatten() {
        control.log(Level::Info, text)?;
    }
    if let Some(genotype) = &setup.trained {
        cell::run(control, setup, folder, genotype)?;
        return match train::run(control, setup, folder, genotype)? {
            Some(accuracy) => {
                Ok((Outcome::Done, format!("{:.2} % of the test pictures are classified rightly", accuracy * 100.0)))
            }
            None => early(control, "while training; the checkpoint holds the state"),
        };
    }
    let Some(order) = scoring::run(control, setup, past)? else {
        return early(control, "while scoring; the journal holds the scores");
    };
    let mask = match cut::run(control, setup, folder, past, &order, options)? {
        cut::Decision::Confirmed(mask) => mask,
        cut::Decision::NotByScores(reason) => {
            let name = folder.name();
            return early(
                control,
                &format!("the cut is {reason}; `zonas run --resume {name} --yes --force` takes it as it is"),
            );
        }
        cut::Decision::StoppedInQueue => return early(control, "while it waited for its turn; the cut is confirmed"),
        cut::Decision::Unconfirmed => return early(control, "the cut waits to be confirmed"),
        cut::Decision::Stopped => return early(control, "before the cut was confirmed"),
    };
    let Some(search::Found { genotype, stopped }) = search::run(control, setup, folder, mask)? else {
        return early(control, "while searching; the checkpoint holds the state");
    };
    cell::run(control, setup, folder, &genotype)?;
    let why = stopped.map_or(String::new(), |reason| format!("; the search stopped early: {reason}"));
    Ok((Outcome::Done, format!("the genotype is in {}{why}", folder.file(crate::run::GENOTYPE_JSON).display())))
}
