//! `zonas study open`: the explorer on a study.

use std::path::PathBuf;

use clap::Args;
use color_eyre::eyre;

use super::Which;
use crate::cli::engines::Processes;
use crate::cli::exit::{Exit, Usage};
use crate::cli::open::{Look, ended, has_terminal, size};
use crate::explorer::{self, Options, Tab};

#[derive(Args, Debug)]
pub struct OpenArguments {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    look: Look,
    /// Write the screen as an SVG picture, readable as your umask says, instead of opening it.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Columns and rows of the picture.
    #[arg(long, value_name = "WxH", default_value = "120x40", value_parser = size)]
    size: (u16, u16),
    /// A light picture.
    #[arg(long)]
    light: bool,
}

pub fn run(a: &OpenArguments) -> eyre::Result<Exit> {
    let study = a.which.open()?;
    study.design()?;
    let options = Options { tab: Some(Tab::Study), study: Some(study.clone()), ..a.look.options(study.runs())? };
    if let Some(path) = &a.svg {
        explorer::study_picture(&study, &options, a.size, a.light, path)?;
        return Ok(Exit::Done);
    }
    if !has_terminal() {
        let word = a.which.word();
        let words =
            format!("the explorer needs a terminal; `zonas study status {word}` and `show` tell about it without one");
        return Err(Usage(words).into());
    }
    let engines = Box::new(Processes { runs: options.runs.clone() });
    Ok(ended(explorer::start(&options, engines)?))
}
