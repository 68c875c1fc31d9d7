use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use color_eyre::eyre;

use super::{Exit, Output, Place, Usage};
use crate::explorer::{self, figure::What};
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
    let folder = RunFolder::open(&place.folder()?, &a.run)?;
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
                return Err(Usage(format!("{name} has no logits; they come with the end of a training (`zonas train`)")).into());
            };
            return write(a, &logits);
        }
        Form::Python | Form::Json | Form::Dot => {}
    }
    let Some(genotype) = Report::read(&folder).report.genotype else {
        return Err(Usage(format!("{} has no genotype yet; its search has not ended an epoch", folder.name())).into());
    };
    let text = render(&genotype, a.form)?;
    write(a, text.as_bytes())
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

fn render(genotype: &Genotype, form: Form) -> eyre::Result<String> {
    Ok(match form {
        Form::Python => format!("{genotype}\n"),
        Form::Json => format!("{}\n", serde_json::to_string_pretty(genotype)?),
        Form::Dot => dot(genotype),
        // Not of the genotype alone.
        Form::Svg | Form::Png | Form::Safetensors | Form::Logits => String::new(),
    })
}
