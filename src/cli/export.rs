use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use color_eyre::eyre;

use super::genotype::{self, WhichArguments};
use super::{Exit, Output, Place, Usage};
use crate::explorer::{self, figure::What};
use crate::run::report::Report;
use crate::run::{FolderError, RunFolder};
use crate::space::{Genotype, dot, published};

#[derive(Args, Debug)]
pub struct ExportArguments {
    /// Name of a run, or the path of its folder; or a genotype in any form that `zonas count` takes, to be written as Python,
    /// JSON or DOT.
    run: String,
    #[command(flatten)]
    which: WhichArguments,
    /// Form of the text.
    #[arg(long = "as", value_enum, default_value = "python")]
    form: Form,
    /// What a figure shows.
    #[arg(long, value_enum, default_value = "cell")]
    what: Figure,
    /// File to write instead of standard output; an existing one is replaced.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Form {
    Python,
    Json,
    Dot,
    /// A figure for a paper or a page.
    Svg,
    /// The same as PNG, 2.5 dots a point.
    Png,
    /// The raw alphas of the latest epoch; of a run that trains, the weights when it is done, under the names of the
    /// published code. The header's metadata say how to use them.
    Safetensors,
    /// Of a run that has trained: the logits for every test picture and the labels, as safetensors.
    Logits,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Figure {
    /// Importance of every operation.
    Scores,
    /// What is kept, and memory against pruning level.
    Cut,
    /// Losses and accuracies.
    Search,
    /// Both cells as graphs.
    Cell,
}

impl Figure {
    fn what(self) -> What {
        match self {
            Figure::Scores => What::Scores,
            Figure::Cut => What::Cut,
            Figure::Search => What::Search,
            Figure::Cell => What::Cell,
        }
    }
}

pub fn run(place: &Place, a: &ExportArguments) -> eyre::Result<Exit> {
    let folder = match RunFolder::open(&place.folder()?, &a.run) {
        Ok(folder) => folder,
        Err(no_run) => return convert(a, no_run),
    };
    match a.form {
        Form::Svg | Form::Png => {
            let what = a.what.what();
            let Some(svg) = explorer::figure::svg(&explorer::state_of(&folder), what) else {
                return Err(Usage(format!("{} has nothing to draw as `{}` yet", folder.name(), what.name())).into());
            };
            if matches!(a.form, Form::Png) {
                return write(a, &explorer::figure::png(&svg)?);
            }
            return write(a, svg.as_bytes());
        }
        Form::Safetensors => {
            if let Ok(weights) = std::fs::read(folder.file(crate::run::WEIGHTS)) {
                return write(a, &weights);
            }
            let Some(bytes) = explorer::alphas(&explorer::state_of(&folder)) else {
                return Err(
                    Usage(format!("{} has neither alphas nor trained weights yet; they come with the end of an epoch, or of a training", folder.name())).into()
                );
            };
            return write(a, &bytes);
        }
        Form::Logits => {
            let Ok(logits) = std::fs::read(folder.file(crate::run::LOGITS)) else {
                let name = folder.name();
                return Err(Usage(format!(
                    "{name} has no logits; they come with the end of a training (`zonas train`)"
                ))
                .into());
            };
            return write(a, &logits);
        }
        Form::Python | Form::Json | Form::Dot => {}
    }
    let report = Report::read(&folder).report;
    let Some(genotype) = report.genotype.clone() else {
        return Err(Usage(format!("{} has no genotype yet; its search has not ended an epoch", folder.name())).into());
    };
    let text = render(&genotype, a.form, Some(&report))?;
    write(a, text.as_bytes())
}

/// A genotype that is no run's, in another form.
fn convert(a: &ExportArguments, no_run: FolderError) -> eyre::Result<Exit> {
    let known = genotype::is_text(&a.run) || published::find(&a.run).is_ok();
    if !known || !matches!(a.form, Form::Python | Form::Json | Form::Dot) {
        return Err(no_run.into());
    }
    let genotype = genotype::find(&a.run, &a.which)?.genotype;
    write(a, render(&genotype, a.form, None)?.as_bytes())
}

fn write(a: &ExportArguments, bytes: &[u8]) -> eyre::Result<Exit> {
    match &a.out {
        None if matches!(a.form, Form::Png | Form::Safetensors | Form::Logits) && std::io::stdout().is_terminal() => {
            return Err(Usage("this is no text for a terminal: name a file with --out, or send it on".into()).into());
        }
        None => Output::stdout().write(bytes)?,
        Some(path) => std::fs::write(path, bytes)
            .map_err(|e| eyre::eyre!("can't write {}: {e}; choose another file with --out", path.display()))?,
    }
    Ok(Exit::Done)
}

/// Where a genotype comes from, as entries that a reader may pass over.
fn origin(report: &Report) -> serde_json::Map<String, serde_json::Value> {
    let program = concat!("zonas ", env!("CARGO_PKG_VERSION"));
    let all = serde_json::json!({
        "program": program, "run": report.run, "data": report.data, "seed": report.seed, "xi": report.xi, "kept": report.kept,
    });
    let serde_json::Value::Object(mut entries) = all else { return serde_json::Map::new() };
    entries.retain(|_, value| !value.is_null());
    entries
}

fn render(genotype: &Genotype, form: Form, report: Option<&Report>) -> eyre::Result<String> {
    let origin = report.map(origin).unwrap_or_default();
    Ok(match form {
        Form::Python => {
            // A comment, which Python passes over; JSON's escapes keep it on its line.
            let comment = if origin.is_empty() { String::new() } else { format!("# {}\n", serde_json::json!(origin)) };
            format!("{comment}{genotype}\n")
        }
        Form::Json => {
            let mut whole = serde_json::to_value(genotype)?;
            if let (Some(entries), false) = (whole.as_object_mut(), origin.is_empty()) {
                entries.insert("origin".into(), origin.into());
            }
            format!("{}\n", serde_json::to_string_pretty(&whole)?)
        }
        Form::Dot => dot(genotype),
        // Not of the genotype alone.
        Form::Svg | Form::Png | Form::Safetensors | Form::Logits => String::new(),
    })
}
