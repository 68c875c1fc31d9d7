//! `zonas spaces`: the search spaces that are built in, and a look at one.

use std::path::Path;

use clap::Args;
use color_eyre::eyre;

use super::exit::Exit;
use super::output::Output;
use crate::run::config;
use crate::space::{Space, built_in};
use crate::text;

#[derive(Args, Debug)]
pub struct SpacesArguments {
    /// Print this one as TOML, as a start for one of your own; or check a file of yours.
    #[arg(value_name = "NAME|FILE")]
    name: Option<String>,
    /// Print JSON: of all, what they are; of one, its kinds of cell, edges and operations.
    #[arg(long)]
    json: bool,
}

/// What there is to a space, for programs.
fn told(space: Space) -> serde_json::Value {
    let cells = space.graphs().iter().map(|g| {
        let edges: Vec<_> = g.edges.iter().map(|e| format!("{}>{}", e.source(), e.target())).collect();
        serde_json::json!({"kind": g.kind.to_string(), "inputs": g.inputs(), "nodes": g.nodes, "edges": edges})
    });
    let operations: Vec<&str> = space.operations().iter().map(|o| o.name()).collect();
    serde_json::json!({
        "name": space.name(), "about": space.about(), "operations": operations, "cells": cells.collect::<Vec<_>>(),
        "candidates": space.full().count(),
    })
}

pub fn run(a: &SpacesArguments) -> eyre::Result<Exit> {
    let mut out = Output::stdout();
    match &a.name {
        Some(name) => {
            let space = config::Space { name: name.clone(), ..config::Space::default() }.find()?;
            if a.json {
                out.json(&told(space))?;
                return Ok(Exit::Done);
            }
            match space.text() {
                None => out.write(space.to_toml().as_bytes())?,
                Some(_) => out.line(&summary(space, name))?,
            }
        }
        None if a.json => out.json(&built_in().map(told).collect::<Vec<_>>())?,
        None => {
            for space in built_in() {
                out.line(&format!("{:<10} {}", space.name(), space.about()))?;
            }
        }
    }
    Ok(Exit::Done)
}

/// What a file holds, in a line.
fn summary(space: Space, file: &str) -> String {
    let cells = space.graphs().iter().map(|g| {
        let (inputs, nodes) = (text::counted(g.inputs(), "input"), text::counted(g.nodes, "node"));
        format!("{} cells of {inputs}, {nodes} and {}", g.kind, text::counted(g.edges.len(), "edge"))
    });
    let file = Path::new(file).display();
    let (count, cells) = (space.full().count(), cells.collect::<Vec<_>>().join(", "));
    format!("{file}: the search space `{}`, {cells}, {count} operations on all edges", space.name())
}
