//! `zonas export`: genotypes, alphas, weights, logits and figures of a run, as files.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use color_eyre::eyre;

use super::exit::{Exit, Usage};
use super::genotype::{self, WhichArguments};
use super::output::Output;
use super::place::Place;
use crate::engine;
use crate::explorer;
use crate::explorer::figure::{self, What as Figure};
use crate::export::csv::{self, Series};
use crate::export::{Trained, onnx, script, supernet, tensorboard};
use crate::run::journal::Tail;
use crate::run::summary::Summary;
use crate::run::{FolderError, RunFolder, files};
use crate::space::{Genotype, dot, published};

/// Longest head of a file of weights, in bytes.
const HEAD: u64 = 16 << 20;

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
    /// What a figure shows: scores, cut, search, cell [default: cell]; or a table: losses, alphas, scores, memory, cut.
    #[arg(long, value_enum, hide_possible_values = true)]
    what: Option<What>,
    /// Width of a figure in print, `85mm`, also in cm, in or pt: it is laid out for that, with letters of 7 to 9 points.
    #[arg(long, value_name = "WIDTH")]
    width: Option<String>,
    /// File to write instead of standard output, readable as your umask says; an existing one is replaced.
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
    /// The same as PDF, with its fonts in it.
    Pdf,
    /// The raw alphas of the latest epoch; of a run that trains, the weights when it is done, under the names of the
    /// published code. The header's metadata say how to use them.
    Safetensors,
    /// Of a run that has trained: the logits for every test picture and the labels, as safetensors.
    Logits,
    /// Of a run that has trained: the network as ONNX, from normalised pictures to logits, for any number of pictures at once.
    Onnx,
    /// Of a search: the supernet of its latest checkpoint as safetensors: weights, running statistics, alphas and the cut, under
    /// the names of the published search code.
    Supernet,
    /// For TensorBoard: losses, accuracies, learning rate, memory, mixing weights, cells and settings, as a file of events in the
    /// folder that --out names.
    Tensorboard,
    /// A series of the run as a table; --what says which.
    Csv,
    /// Of a run that has trained: one file of Python (PyTorch) with the network, the loading of its weights and its evaluation.
    Script,
}

impl Form {
    /// Whether it is no text.
    const fn is_binary(self) -> bool {
        !matches!(self, Form::Python | Form::Json | Form::Dot | Form::Svg | Form::Csv | Form::Script)
    }
}

/// What a figure or a table shows.
#[derive(ValueEnum, Clone, Copy, Debug)]
enum What {
    /// Importance of every operation; as a table, round by round.
    Scores,
    /// What is kept, and memory against pruning level; as a table, what is kept.
    Cut,
    /// A figure of losses and accuracies.
    Search,
    /// A figure of both cells as graphs.
    Cell,
    /// A table of losses and accuracies by step and epoch.
    Losses,
    /// A table of mixing weights and alphas.
    Alphas,
    /// A table of memory over time.
    Memory,
}

impl What {
    /// The figure, where there is one.
    const fn figure(self) -> Option<Figure> {
        match self {
            What::Scores => Some(Figure::Scores),
            What::Cut => Some(Figure::Cut),
            What::Search => Some(Figure::Search),
            What::Cell => Some(Figure::Cell),
            What::Losses | What::Alphas | What::Memory => None,
        }
    }

    /// The table, where there is one.
    const fn series(self) -> Option<Series> {
        match self {
            What::Scores => Some(Series::Scores),
            What::Cut => Some(Series::Cut),
            What::Losses => Some(Series::Losses),
            What::Alphas => Some(Series::Alphas),
            What::Memory => Some(Series::Memory),
            What::Search | What::Cell => None,
        }
    }
}

pub fn run(place: &Place, a: &ExportArguments) -> eyre::Result<Exit> {
    let figures = matches!(a.form, Form::Svg | Form::Png | Form::Pdf);
    match a.what {
        Some(_) if !figures && !matches!(a.form, Form::Csv) => {
            return Err(Usage(
                "--what says which figure to draw, or which table to write: it goes with --as svg, png, pdf or csv"
                    .into(),
            )
            .into());
        }
        Some(what) if figures && what.figure().is_none() => {
            return Err(Usage("there is no such figure: --what takes scores, cut, search or cell".into()).into());
        }
        _ => {}
    }
    if a.width.is_some() && !figures {
        return Err(Usage("--width is that of a figure: it goes with --as svg, png or pdf".into()).into());
    }
    let folder = match place.run_or_genotype(&a.run) {
        Ok(folder) => folder,
        Err(no_run) => return convert(a, no_run),
    };
    let report = Summary::readable(&folder)?.summary;
    match a.form {
        Form::Svg | Form::Png | Form::Pdf => {
            let what = a.what.and_then(What::figure).unwrap_or(Figure::Cell);
            let (state, width) = (explorer::state_of(&folder), a.width.as_deref().map(points).transpose()?);
            let drawn = match width {
                Some(width) => figure::printed(&state, what, width),
                None => figure::svg(&state, what),
            };
            let Some(svg) = drawn else {
                let (name, figure, what) = (folder.name(), what, what.name());
                let never = report.trains == Some(true) && matches!(figure, Figure::Scores | Figure::Cut);
                let why = if never {
                    format!("{name} trains a genotype from scratch: it has no {what} and will have none")
                } else {
                    format!("{name} has nothing to draw as `{what}` yet")
                };
                return Err(Usage(why).into());
            };
            return match a.form {
                Form::Png if width.is_some() => write(a, &figure::png_printed(&svg)?),
                Form::Png => write(a, &figure::png(&svg)?),
                Form::Pdf => write(a, &figure::pdf(&svg)?),
                _ => write(a, svg.as_bytes()),
            };
        }
        Form::Safetensors => {
            if let Some(weights) = tensors(&folder, crate::run::WEIGHTS)? {
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
            let Some(logits) = tensors(&folder, crate::run::LOGITS)? else {
                let name = folder.name();
                return Err(Usage(format!(
                    "{name} has no logits; they come with the end of a training (`zonas train`)"
                ))
                .into());
            };
            return write(a, &logits);
        }
        Form::Csv => return table(a, &folder, &report),
        Form::Script => return write(a, script::file(&trained(&folder, &report, "a script")?)?.as_bytes()),
        Form::Tensorboard => return board(a, &folder),
        Form::Supernet => return write(a, &searched(&folder, &report)?),
        Form::Onnx => return write(a, &onnx::file(&trained(&folder, &report, "an ONNX model")?)?),
        Form::Python | Form::Json | Form::Dot => {}
    }
    let Some(genotype) = report.genotype.clone() else {
        return Err(Usage(format!("{} has no genotype yet; its search has not ended an epoch", folder.name())).into());
    };
    // A genotype that is not the last is not handed out as if it were; it stays what a pipe reads.
    if let Some(of) = explorer::state_of(&folder).passing() {
        use std::io::Write;
        let _ = writeln!(
            std::io::stderr(),
            "note: the genotype is {of}: the search of {} goes on or was stopped",
            folder.name()
        );
    }
    let text = render(&genotype, a.form, Some(&report))?;
    write(a, text.as_bytes())
}

/// A width in points, as `85mm` says it.
fn points(text: &str) -> eyre::Result<f64> {
    let units = [("mm", 72.0 / 25.4), ("cm", 720.0 / 25.4), ("in", 72.0), ("pt", 1.0)];
    let found = units.iter().find_map(|(unit, points)| {
        let number: f64 = text.trim().strip_suffix(unit)?.trim_end().parse().ok()?;
        Some(number * points)
    });
    let wrong = |why: &str| Usage(format!("--width takes a width in print such as 85mm, 3.3in, 8.5cm or 240pt; {why}"));
    match found {
        None => Err(wrong("this is none").into()),
        Some(width) if !figure::WIDTHS.contains(&width) => Err(wrong("it may be from 60 to 400 mm").into()),
        Some(width) => Ok(width),
    }
}

/// Where a tensor lies in a file, as its head says; what else stands there does not matter here.
#[derive(serde::Deserialize)]
struct Tensor {
    #[serde(default)]
    data_offsets: (u64, u64),
}

/// A file of tensors of the run, if it has it; whole, as safetensors are, and no longer than they say.
fn tensors(folder: &RunFolder, name: &str) -> eyre::Result<Option<Vec<u8>>> {
    let path = folder.file(name);
    let fail = |e: &dyn std::fmt::Display| eyre::eyre!("can't read {}: {e}", path.display());
    let file = match folder.open_file(name) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|e| fail(&e))?,
    };
    // A file may be any length and hold nothing: its head is read first, and says how much there should be.
    let head = files::beginning(&file, 8).map_err(|e| fail(&e))?;
    let length = head.try_into().map_or(u64::MAX, u64::from_le_bytes);
    if length > HEAD {
        return Err(fail(&"it is no safetensors file"));
    }
    let head = files::beginning(&file, 8 + length).map_err(|e| fail(&e))?;
    let about: HashMap<String, Tensor> =
        serde_json::from_slice(head.get(8..).unwrap_or_default()).map_err(|e| fail(&e))?;
    let end = about.values().map(|t| t.data_offsets.1).max().unwrap_or(0);
    let whole = files::rest(&file, 8 + length.saturating_add(end)).map_err(|e| fail(&e))?;
    safetensors::SafeTensors::deserialize(&whole).map_err(|e| fail(&e))?;
    Ok(Some(whole))
}

/// A series of the run.
fn table(a: &ExportArguments, folder: &RunFolder, report: &Summary) -> eyre::Result<Exit> {
    let (name, trains) = (folder.name(), report.trains == Some(true));
    let events = Tail::events(folder).rest();
    let Some(series) = a.what.and_then(What::series) else {
        let there: Vec<&str> =
            Series::of(trains).filter(|s| csv::table(&events, *s).is_some()).map(Series::name).collect();
        let there = if there.is_empty() { "none yet".into() } else { there.join(", ") };
        return Err(Usage(format!("a table is of one series: say which with --what; {name} has {there}")).into());
    };
    if !Series::of(trains).any(|s| s == series) {
        return Err(Usage(format!(
            "{name} trains a genotype from scratch: it has no {series} and will have none; --what takes losses or memory"
        ))
        .into());
    }
    match csv::table(&events, series) {
        Some(text) => write(a, text.as_bytes()),
        None => Err(Usage(format!("{name} has told nothing of its {series} yet")).into()),
    }
}

/// The run for TensorBoard, into a folder.
fn board(a: &ExportArguments, folder: &RunFolder) -> eyre::Result<Exit> {
    use std::io::Write;
    let Some(to) = &a.out else {
        return Err(Usage("TensorBoard reads a folder: name one with --out DIR".into()).into());
    };
    let (path, records, no_picture) = tensorboard::write(folder, to)
        .map_err(|e| eyre::eyre!("can't write into {}: {e}; choose another folder with --out", to.display()))?;
    if records == 0 {
        return Err(Usage(format!("{} has told nothing yet that TensorBoard could show", folder.name())).into());
    }
    let mut err = std::io::stderr();
    if let Some(why) = no_picture {
        let _ = writeln!(err, "note: no pictures of cells: {why}");
    }
    let _ =
        writeln!(err, "{records} records in {}; `tensorboard --logdir {}` shows them", path.display(), to.display());
    Ok(Exit::Done)
}

/// The supernet of the latest checkpoint.
fn searched(folder: &RunFolder, report: &Summary) -> eyre::Result<Vec<u8>> {
    let name = folder.name();
    if report.trains == Some(true) {
        return Err(Usage(format!(
            "{name} trains a genotype from scratch: it has no supernet; its weights are there with --as safetensors"
        ))
        .into());
    }
    // First: it makes the space known that masks are of.
    let state = explorer::state_of(folder);
    let Some(found) = engine::searched(folder)? else {
        return Err(Usage(format!(
            "{name} has no checkpoint of a search yet; the first comes in the first epoch (`zonas checkpoint {name}` asks for one)"
        ))
        .into());
    };
    {
        use std::io::Write;
        for text in &found.passed {
            let _ = writeln!(std::io::stderr(), "note: {text}");
        }
    }
    Ok(supernet::file(&state, &found)?)
}

/// The network that a run has trained, to be made `into` something.
fn trained(folder: &RunFolder, report: &Summary, into: &str) -> eyre::Result<Trained> {
    let name = folder.name();
    if report.trains != Some(true) {
        return Err(Usage(format!(
            "{name} searches, and {into} is made of trained weights: train what it finds with `zonas train {name}`, and export that run"
        ))
        .into());
    }
    let Some(weights) = tensors(folder, crate::run::WEIGHTS)? else {
        return Err(Usage(format!(
            "{name} has no trained weights yet; they come with the end of its training (`zonas run --resume {name}` goes on)"
        ))
        .into());
    };
    Ok(Trained::read(&weights)?)
}

/// A genotype that is no run's, in another form.
fn convert(a: &ExportArguments, no_run: FolderError) -> eyre::Result<Exit> {
    let known = genotype::is_text(&a.run) || published::find(&a.run).is_ok();
    let several = matches!(no_run, FolderError::Several { .. });
    if several || !known || !matches!(a.form, Form::Python | Form::Json | Form::Dot) {
        return Err(no_run.into());
    }
    let genotype = a.which.find(&a.run)?.genotype;
    write(a, render(&genotype, a.form, None)?.as_bytes())
}

fn write(a: &ExportArguments, bytes: &[u8]) -> eyre::Result<Exit> {
    match &a.out {
        None if a.form.is_binary() && std::io::stdout().is_terminal() => {
            return Err(Usage("this is no text for a terminal: name a file with --out, or send it on".into()).into());
        }
        None => Output::stdout().write(bytes)?,
        Some(path) => std::fs::write(path, bytes)
            .map_err(|e| eyre::eyre!("can't write {}: {e}; choose another file with --out", path.display()))?,
    }
    Ok(Exit::Done)
}

/// Where a genotype comes from, as entries that a reader may pass over.
fn origin(report: &Summary) -> serde_json::Map<String, serde_json::Value> {
    let program = concat!("zonas ", env!("CARGO_PKG_VERSION"));
    let all = serde_json::json!({
        "program": program, "run": report.run, "data": report.data, "seed": report.seed, "xi": report.xi, "kept": report.kept,
    });
    let serde_json::Value::Object(mut entries) = all else { return serde_json::Map::new() };
    entries.retain(|_, value| !value.is_null());
    entries
}

fn render(genotype: &Genotype, form: Form, report: Option<&Summary>) -> eyre::Result<String> {
    let origin = report.map(origin).unwrap_or_default();
    Ok(match form {
        Form::Python => {
            // A comment, which Python passes over; JSON's escapes keep it on its line.
            let comment = if origin.is_empty() { String::new() } else { format!("# {}\n", serde_json::json!(origin)) };
            format!("{comment}{}\n", genotype.python())
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
        _ => String::new(),
    })
}
