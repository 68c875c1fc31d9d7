//! Runs: which there are, and what one has found.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use serde::Serialize;
use serde_json::Value;
use zonas::cli::show;
use zonas::explorer::state_of;
use zonas::run::config::Config;
use zonas::run::event::Cut;
use zonas::run::journal::Tail;
use zonas::run::summary::Summary;
use zonas::run::{RunFolder, runs_folder};

use super::tables::{self, Rows};
use super::{chain, told};

/// A run as text. Written as it is and not by way of `Value`, which would turn each float32 into the float64 beside it.
#[derive(Serialize)]
struct Loaded<'a> {
    folder: &'a Path,
    summary: &'a Summary,
    settings: Option<Config>,
    /// Why there are none.
    settings_fault: Option<String>,
    cut: &'a Option<Cut>,
    kept: Value,
    scores: Rows,
    alphas: Rows,
    losses: Rows,
    steps: Rows,
}

fn open(run: &str, folder: Option<PathBuf>) -> PyResult<RunFolder> {
    let all = runs_folder(folder.as_deref()).map_err(told)?;
    RunFolder::find(&all, run).map_err(told)
}

/// The folder of all runs.
#[pyfunction]
#[pyo3(signature = (folder=None))]
pub fn folder(folder: Option<PathBuf>) -> PyResult<PathBuf> {
    runs_folder(folder.as_deref()).map_err(told)
}

/// What `zonas runs --json` prints: a list.
#[pyfunction]
#[pyo3(signature = (folder=None))]
pub fn runs(py: Python<'_>, folder: Option<PathBuf>) -> PyResult<String> {
    py.detach(|| {
        let all = runs_folder(folder.as_deref()).map_err(told)?;
        let mut folders = RunFolder::list(&all).map_err(told)?;
        folders.sort_by_key(RunFolder::name);
        let summaries: Vec<Summary> = folders.iter().map(|f| Summary::read(f).summary).collect();
        serde_json::to_string(&summaries).map_err(told)
    })
}

/// Everything of one run: what `zonas show --json` prints, and its series as tables.
#[pyfunction]
#[pyo3(signature = (run, folder=None))]
pub fn load(py: Python<'_>, run: &str, folder: Option<PathBuf>) -> PyResult<String> {
    py.detach(|| {
        let folder = open(run, folder)?;
        let summary = show::summary(&folder).map_err(chain)?;
        let state = state_of(&folder);
        // What was found does not depend on whether they can be read any more.
        let (settings, settings_fault) = match folder.config() {
            Ok(config) => (Some(config), None),
            Err(e) => (None, Some(e.to_string())),
        };
        let (losses, steps) = tables::curves(&folder);
        let loaded = Loaded {
            folder: folder.path(),
            cut: &summary.cut,
            summary: &summary,
            settings,
            settings_fault,
            kept: tables::kept(&state),
            scores: tables::scores(&state),
            alphas: tables::alphas(&state),
            losses,
            steps,
        };
        serde_json::to_string(&loaded).map_err(told)
    })
}

/// The journal's events, each as a line of JSON; a torn end is left out.
#[pyfunction]
#[pyo3(signature = (run, folder=None))]
pub fn events(py: Python<'_>, run: &str, folder: Option<PathBuf>) -> PyResult<Vec<String>> {
    py.detach(|| {
        let mut tail = Tail::events(&open(run, folder)?);
        let lines: Result<Vec<String>, _> = tail.rest().iter().map(serde_json::to_string).collect();
        match tail.fault.take() {
            Some(why) => Err(told(why)),
            None => lines.map_err(told),
        }
    })
}
