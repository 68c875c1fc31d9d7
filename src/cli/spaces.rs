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
}

pub fn run(a: &SpacesArguments) -> eyre::Result<Exit> {
    let mut out = Output::stdout();
    match &a.name {
        Some(name) => {
            let space = config::Space { name: name.clone(), ..config::Space::default() }.find()?;
            match space.text() {
                None => out.write(space.to_toml().as_bytes())?,
                Some(_) => out.line(&summary(space, name))?,
            }
        }
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
