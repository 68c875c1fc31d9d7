use std::path::PathBuf;

use clap::{Args, ValueEnum};
use color_eyre::eyre;

use super::{Exit, Output, Place, Usage};
use crate::run::RunFolder;
use crate::run::report::Report;
use crate::space::{Genotype, dot};

#[derive(Args, Debug)]
pub struct ExportArguments {
    /// Name of a run, or the path of its folder.
    run: String,
    /// Form of the text.
    #[arg(long = "as", value_enum, default_value = "python")]
    form: Form,
    /// File to write instead of standard output; an existing one is replaced.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Form {
    Python,
    Json,
    Dot,
}

pub fn run(place: &Place, a: &ExportArguments) -> eyre::Result<Exit> {
    let folder = RunFolder::open(&place.folder()?, &a.run)?;
    let Some(genotype) = Report::read(&folder).report.genotype else {
        return Err(Usage(format!("{} has no genotype yet; its search has not ended an epoch", folder.name())).into());
    };
    let text = render(&genotype, a.form)?;
    match &a.out {
        None => Output::stdout().write(text.as_bytes())?,
        Some(path) => std::fs::write(path, text)
            .map_err(|e| eyre::eyre!("can't write {}: {e}; choose another file with --out", path.display()))?,
    }
    Ok(Exit::Done)
}

fn render(genotype: &Genotype, form: Form) -> eyre::Result<String> {
    Ok(match form {
        Form::Python => format!("{genotype}\n"),
        Form::Json => format!("{}\n", serde_json::to_string_pretty(genotype)?),
        Form::Dot => dot(genotype),
    })
}
