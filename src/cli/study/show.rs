//! `zonas study show`: what follows from a study.

use std::path::{Path, PathBuf};

use clap::Args;
use color_eyre::eyre;

use super::Which;
use crate::cli::exit::{Exit, Usage};
use crate::cli::output::Output;
use crate::explorer::figure;
use crate::study::results::{Measure, Results, words};
use crate::study::{Reading, Study};
use crate::text;

#[derive(Args, Debug)]
#[group(id = "form", multiple = false, args = ["json", "csv", "markdown"])]
pub struct ShowArguments {
    #[command(flatten)]
    which: Which,
    /// What is compared [default: the table's accuracy where there is one, else that of trained cells, else the supernet's].
    #[arg(long, value_enum)]
    measure: Option<Measure>,
    /// Setting that the others are compared with [default: that of study.toml].
    #[arg(long, value_name = "SETTING")]
    baseline: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Print every run with every number as CSV.
    #[arg(long)]
    csv: bool,
    /// Print Markdown, for a paper.
    #[arg(long)]
    markdown: bool,
    /// Write the picture, accuracy against memory, to this file: .svg, .png or .pdf.
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
}

/// Writes the picture.
fn picture(r: &Results, study: &Study, path: &Path) -> eyre::Result<()> {
    let form = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    if !["svg", "png", "pdf"].contains(&form.as_str()) {
        let words = format!("--picture {}: a picture is .svg, .png or .pdf", path.display());
        return Err(Usage(text::sanitize(&words)).into());
    }
    let title = r.title.clone().unwrap_or_else(|| study.name());
    let Some(svg) = figure::study::draw(r, &title) else {
        return Err(Usage("there is nothing to draw yet: no run has an accuracy and a memory".into()).into());
    };
    let bytes = match form.as_str() {
        "png" => figure::png(&svg)?,
        "pdf" => figure::pdf(&svg)?,
        _ => svg.into_bytes(),
    };
    std::fs::write(path, bytes).map_err(|e| eyre::eyre!("can't write {}: {e}", path.display()))
}

pub fn run(a: &ShowArguments) -> eyre::Result<Exit> {
    let study = a.which.open()?;
    let mut read = Reading::of(&study)?;
    if let Some(name) = &a.baseline {
        read.design.set_baseline(name)?;
    }
    let r = read.results(a.measure);
    if let Some(path) = &a.picture {
        picture(&r, &study, path)?;
    }
    let mut out = Output::stdout();
    if a.json {
        out.json(&r)?;
        return Ok(Exit::Done);
    }
    if a.csv {
        out.write(words::csv(&r).as_bytes())?;
        return Ok(Exit::Done);
    }
    let (settings, beside) = (words::settings(&r), words::beside(&r));
    let mut say = |line: &str| out.line(&text::sanitize(line));
    if a.markdown {
        say(&words::about(&r))?;
        say("")?;
        settings.markdown().lines().try_for_each(&mut say)?;
        say("")?;
        say(&words::about_beside(&r))?;
        say("")?;
        beside.markdown().lines().try_for_each(&mut say)?;
        say("")?;
    } else {
        say(&words::about(&r))?;
        settings.lines().iter().try_for_each(|l| say(l))?;
        say("")?;
        say(&words::about_beside(&r))?;
        beside.lines().iter().try_for_each(|l| say(l))?;
        say("")?;
    }
    words::concluded(&r).iter().try_for_each(|l| say(l))?;
    r.notes.iter().try_for_each(|l| say(&format!("note: {l}")))?;
    Ok(Exit::Done)
}
