//! Scoring from Python: the engine's own stage, in this process.

use std::path::PathBuf;
use std::time::Duration;

use pyo3::prelude::*;
use zonas::engine::{self, Confirm, Interrupt, Options};
use zonas::run::config::Config;
use zonas::run::{RunFolder, named_preset};

use super::{Error, told};

/// Between two looks at whether Python was interrupted.
const LOOK: Duration = Duration::from_millis(50);

/// Scores a space and proposes a cut, as `zonas score` does; the path of the run's folder.
#[pyfunction]
#[pyo3(signature = (runs, name, base, assignments))]
pub fn score(
    py: Python<'_>,
    runs: PathBuf,
    name: Option<&str>,
    base: Option<&str>,
    assignments: Vec<String>,
) -> PyResult<PathBuf> {
    let base = base.map_or_else(|| Ok(Config::default()), named_preset).map_err(told)?;
    let config = base.assign(&assignments).and_then(Config::settled).map_err(told)?;
    let folder = RunFolder::create(&runs, name, "score", &config).map_err(told)?;
    let interrupt = Interrupt::default();
    let options = Options { confirm: Confirm::Stop, interrupt: interrupt.clone(), ..Options::default() };
    let of = folder.clone();
    let engine = std::thread::Builder::new()
        .name("engine".into())
        .spawn(move || engine::run(&of, &config, &options))
        .map_err(told)?;
    let mut interrupted = None;
    while !engine.is_finished() {
        py.detach(|| std::thread::sleep(LOOK));
        if interrupted.is_none()
            && let Err(e) = py.check_signals()
        {
            interrupt.ask();
            interrupted = Some(e);
        }
    }
    let ended = engine.join().map_err(|_| Error::new_err("the engine broke down; this is a fault of Zonas"))?;
    if let Some(e) = interrupted {
        return Err(e);
    }
    ended.map_err(told)?;
    Ok(folder.path().to_path_buf())
}
