//! `zonas spaces`: the search spaces that are built in.

use clap::Args;
use color_eyre::eyre;

use super::{Exit, Output};
use crate::space::{Space, listed};

#[derive(Args, Debug)]
pub struct SpacesArguments {
    /// Print this one: the candidates of every edge, as TOML.
    name: Option<String>,
}

pub fn run(a: &SpacesArguments) -> eyre::Result<Exit> {
    let mut out = Output::stdout();
    match &a.name {
        Some(name) => out.write(Space::find(name)?.to_toml().as_bytes())?,
        None => {
            for (name, about) in listed() {
                out.line(&format!("{name:<10} {about}"))?;
            }
        }
    }
    Ok(Exit::Done)
}
