//! `zonas config`: every setting with its default and meaning, as TOML.

use clap::Args;
use color_eyre::eyre;

use super::{Exit, Output, Usage};
use crate::run::config::nearest;
use crate::run::{PRESETS, preset};

#[derive(Args, Debug)]
pub struct ConfigArguments {
    /// Values of a preset instead of the defaults: `darts` or `demo`.
    #[arg(long, default_value = "darts")]
    preset: String,
}

pub fn run(a: &ConfigArguments) -> eyre::Result<Exit> {
    Output::stdout().write(named(&a.preset)?.template().as_bytes())?;
    Ok(Exit::Done)
}

/// A preset, or a sentence with the nearest name.
pub fn named(name: &str) -> eyre::Result<crate::run::config::Config> {
    preset(name).ok_or_else(|| {
        let names: Vec<&str> = PRESETS.iter().map(|p| p.0).collect();
        let hint = nearest(name, names.iter().copied()).map_or(String::new(), |n| format!("; did you mean `{n}`?"));
        Usage(format!("there is no preset `{name}`, only {}{hint}", names.join(" and "))).into()
    })
}
