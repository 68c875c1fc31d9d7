//! Scoring from Python: the engine's own stage, in this process.

use std::path::PathBuf;
use std::time::Duration;

use pyo3::prelude::*;
use zonas::engine::{self, Confirm, Interrupt, Options};
use zonas::proxies;
use zonas::run::RunFolder;
use zonas::run::config::Config;
use zonas::run::preset;

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
    let base = match base {
        None => Config::default(),
        Some(name) => preset(name).ok_or_else(|| told(format!("there is no preset `{name}`")))?,
    };
    let mut config = base.assign(&assignments).map_err(told)?;
    config.check().map_err(told)?;
    if let Some(e) = config.score.functions.iter().find_map(|name| proxies::by_name(name).err()) {
        return Err(told(e));
    }
    config.space = config.space.embedded().map_err(told)?;
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
