//! `zonas study new`: a folder with a `study.toml` to edit.

use std::path::PathBuf;

use clap::Args;
use color_eyre::eyre;

use super::Which;
use crate::cli::exit::{Exit, Usage};
use crate::cli::output::Output;
use crate::run::files;
use crate::study::{DESIGN, Plan, Seeds, Study};
use crate::text;

#[derive(Args, Debug)]
pub struct NewArguments {
    #[command(flatten)]
    which: Which,
    /// Preset that all settings start from, as in `zonas run`.
    #[arg(long, value_name = "NAME", default_value = "darts")]
    preset: String,
    /// Seeds, as in 1..5 (one to five) or 1,2,7.
    #[arg(long, default_value = "1..5")]
    seeds: String,
    /// Pictures: `embedded`, or a path.
    #[arg(long, value_name = "embedded|PATH", default_value = "embedded")]
    data: String,
    /// Take this file as its `study.toml` instead.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["preset", "seeds", "data"])]
    from: Option<PathBuf>,
}

pub fn run(a: &NewArguments) -> eyre::Result<Exit> {
    let text = match &a.from {
        Some(path) => files::text(path, files::SETTINGS)
            .map_err(|e| Usage(format!("can't read the design {}: {e}", path.display())))?,
        None => {
            a.seeds.parse::<Seeds>().map_err(|e| Usage(format!("--seeds: {e}")))?;
            crate::cli::config::named(&a.preset)?;
            let data = match a.data.as_str() {
                "embedded" => a.data.clone(),
                path => std::path::absolute(path)?.to_string_lossy().into_owned(),
            };
            let quoted = |text: &str| toml::Value::String(text.into()).to_string();
            TEMPLATE
                .replace("{preset}", &quoted(&a.preset))
                .replace("{seeds}", &quoted(&a.seeds))
                .replace("{data}", &quoted(&data))
        }
    };
    let study = Study::create(&a.which.folder, &text)?;
    let design = study.design()?;
    let runs = text::counted(Plan::of(&design).tasks.len(), "run");
    let mut out = Output::stdout();
    let (settings, seeds) =
        (text::counted(design.settings.len(), "setting"), text::counted(design.seeds.len(), "seed"));
    out.line(&text::sanitize(&format!(
        "{}: {settings} by {seeds}, {runs}; edit it, then `zonas study run {}`",
        study.path().join(DESIGN).display(),
        a.which.word()
    )))?;
    for note in &design.notes {
        out.line(&text::sanitize(&format!("note: {note}")))?;
    }
    Ok(Exit::Done)
}

/// What a study begins with: the paper's claim, tested.
const TEMPLATE: &str = include_str!("template.toml");
