//! The stages of a run, and the loop that runs them, emits events and obeys commands. An engine reads and writes nothing
//! but the run's folder (and the data), so it does not know who watches.

mod cell;
mod control;
mod cut;
mod error;
mod past;
mod saved;
pub mod score;
mod scoring;
mod search;
mod setup;

pub use crate::run::event::Outcome;
pub use cut::change_of;
pub use error::EngineError;

use control::Control;
use past::Past;
use setup::Setup;

use crate::device;
use crate::run::RunFolder;
use crate::run::config::Config;
use crate::run::event::{Body, Level};

/// What to do with the automatic cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Confirm {
    /// Take it and go on.
    Automatic,
    /// Wait for commands that change and confirm it.
    #[default]
    Wait,
    /// End the run there, with [`Outcome::Stopped`], unless it is confirmed already.
    Stop,
}

/// How to run a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub confirm: Confirm,
}

/// Whether a run with these settings could begin: the ranking functions are known, the data is there and suits the batch.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(config: &Config) -> Result<(), EngineError> {
    Setup::new(config, device::threads(config.device.threads)).map(drop)
}

/// Runs the stages of a run: score, cut, search, cell. A run that an earlier engine left off is taken up where its journal
/// and its checkpoint end: after the last whole scoring round, at the cut, at the saved step; the result is the same as
/// without the interruption.
///
/// Everything goes through the folder: events and checkpoints out, commands in. The genotype is in `genotype.json` and
/// `genotype.py` when the outcome is [`Outcome::Done`]. The last event is `RunEnded`, also after an error.
///
/// # Errors
/// Settings or data that make no sense, a folder that can't be written or that another engine has, a loss that is not
/// finite.
pub fn run(folder: &RunFolder, config: &Config, options: &Options) -> Result<Outcome, EngineError> {
    let _lock = folder.lock()?;
    let mut past = Past::read(folder);
    if past.done {
        return Err(EngineError::Finished(folder.file(crate::run::GENOTYPE_JSON)));
    }
    let mut control = Control::open(folder, &past)?;
    let threads = device::threads(config.device.threads);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|i| format!("engine-{i}"))
        .build()
        .map_err(|e| EngineError::Threads(threads, e));
    let ended = pool.and_then(|pool| {
        pool.install(|| {
            let setup = Setup::new(config, threads)?;
            stages(&mut control, &setup, folder, &mut past, options)
        })
    });
    match ended {
        Ok((outcome, detail)) => {
            control.close(Body::RunEnded { outcome, detail })?;
            Ok(outcome)
        }
        Err(e) => {
            // The first error is the one to tell of; a journal that can't be written would only hide it.
            let text = e.to_string();
            let _ = control.log(Level::Error, text.clone());
            let _ = control.close(Body::RunEnded { outcome: Outcome::Failed, detail: text });
            Err(e)
        }
    }
}

/// The outcome, and what to say of it.
fn stages(
    control: &mut Control,
    setup: &Setup,
    folder: &RunFolder,
    past: &mut Past,
    options: &Options,
) -> Result<(Outcome, String), EngineError> {
    control.emit(Body::RunStarted(setup.started(folder.name())))?;
    control.log(Level::Info, setup.dataset.summary().to_string())?;
    let early = |control: &Control, detail: &str| {
        let outcome = if control.aborts() { Outcome::Aborted } else { Outcome::Stopped };
        Ok((outcome, detail.to_string()))
    };
    let Some(order) = scoring::run(control, setup, past)? else {
        return early(control, "while scoring; whole rounds are kept in the journal");
    };
    let mask = match cut::run(control, setup, past, &order, options.confirm)? {
        cut::Decision::Confirmed(mask) => mask,
        cut::Decision::Unconfirmed => return early(control, "the cut waits to be confirmed"),
        cut::Decision::Stopped => return early(control, "before the cut was confirmed"),
    };
    let genotype = match search::run(control, setup, folder, mask)? {
        search::Found::Genotype(g) => g,
        search::Found::Stopped | search::Found::Aborted => {
            return early(control, "while searching; the checkpoint holds the state");
        }
    };
    cell::run(control, setup, folder, &genotype)?;
    Ok((Outcome::Done, format!("the genotype is in {}", folder.file(crate::run::GENOTYPE_JSON).display())))
}
