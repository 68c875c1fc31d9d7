//! The extension module of the Python package `zonas`: each function hands over JSON text, of which `python/zonas` makes
//! objects. What it tells is what the `zonas` command tells.

mod runs;
mod score;
mod tables;

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use zonas::cli::genotype::{Given, find};
use zonas::space::Stem;
use zonas::space::count::{Network, evaluation};
use zonas::space::dot;

create_exception!(_zonas, Error, PyException, "What Zonas can't do, in a sentence that says why and what to do.");

/// An error of Rust's as the package's own.
fn told(e: impl std::fmt::Display) -> PyErr {
    Error::new_err(e.to_string())
}

/// A chain of causes in one sentence.
fn chain(e: color_eyre::Report) -> PyErr {
    Error::new_err(format!("{e:#}"))
}

/// A genotype as text, file or name, with everything that is known of it.
#[pyfunction]
#[pyo3(signature = (given, which=None))]
fn genotype(py: Python<'_>, given: &str, which: Option<&str>) -> PyResult<String> {
    let Given { name, genotype, note } = py.detach(|| find(given, which)).map_err(chain)?;
    let value = serde_json::json!({
        "name": name, "note": note, "text": genotype.to_string(), "python": genotype.python(), "dot": dot(&genotype),
        "json": genotype, "stacking": genotype.stacking,
    });
    Ok(value.to_string())
}

/// Parameters and multiply-accumulates of a genotype's evaluation network.
#[pyfunction]
#[pyo3(signature = (text, channels, cells, classes, input_channels, height, width, auxiliary))]
#[expect(clippy::too_many_arguments, reason = "the sizes of a network, by name on the side of Python")]
fn count(
    text: &str,
    channels: Option<usize>,
    cells: Option<usize>,
    classes: usize,
    input_channels: usize,
    height: usize,
    width: usize,
    auxiliary: bool,
) -> PyResult<String> {
    let genotype = find(text, None).map_err(chain)?.genotype;
    let stem = Stem::automatic(genotype.stacking, height, width);
    let published = Network::published(genotype.stacking, stem);
    let network = Network {
        channels: channels.unwrap_or(published.channels),
        cells: cells.unwrap_or(published.cells),
        classes,
        input_channels,
        height,
        width,
        auxiliary,
        stem,
    };
    let count = evaluation(&genotype, &network).map_err(told)?;
    let value = serde_json::json!({
        "channels": network.channels, "cells": network.cells, "classes": classes, "parameters": count.parameters,
        "macs": count.macs, "classifier_macs": count.classifier_macs, "auxiliary": auxiliary,
        "stem": stem,
    });
    Ok(value.to_string())
}

#[pymodule]
fn _zonas(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    m.add("Error", m.py().get_type::<Error>())?;
    m.add_function(wrap_pyfunction!(genotype, m)?)?;
    m.add_function(wrap_pyfunction!(count, m)?)?;
    m.add_function(wrap_pyfunction!(runs::folder, m)?)?;
    m.add_function(wrap_pyfunction!(runs::runs, m)?)?;
    m.add_function(wrap_pyfunction!(runs::load, m)?)?;
    m.add_function(wrap_pyfunction!(runs::events, m)?)?;
    m.add_function(wrap_pyfunction!(score::score, m)?)
}
