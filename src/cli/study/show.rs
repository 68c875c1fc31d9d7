//! `zonas study show`: what follows from a study.

use clap::Args;
use color_eyre::eyre;

use super::Which;
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use crate::study::results::{Measure, Results, gather, words};
use crate::study::{Plan, Standing, Study};
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
}

/// What follows from a study.
pub fn results(study: &Study, measure: Option<Measure>, baseline: Option<&str>) -> eyre::Result<Results> {
    let mut design = study.design()?;
    if let Some(name) = baseline {
        design.set_baseline(name)?;
    }
    let plan = Plan::of(&design);
    let standing = Standing::of(study, &design, &plan)?;
    let (each, notes) = gather(&design, &plan, &standing);
    Ok(Results::of(&design, each, measure, notes))
}

pub fn run(a: &ShowArguments) -> eyre::Result<Exit> {
    let study = a.which.open()?;
    let r = results(&study, a.measure, a.baseline.as_deref())?;
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
        say(&format!("{}\n", words::about(&r)))?;
        settings.markdown().lines().try_for_each(&mut say)?;
        say("")?;
        say(&format!("{}\n", words::about_beside(&r)))?;
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
