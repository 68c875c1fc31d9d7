//! `zonas predict`: memory and time of searches, by level and way of cutting, before one runs.

use crate::run::summary::Summary;
use clap::Args;
use color_eyre::eyre;
use serde::Serialize;

use super::exit::{Exit, Usage};
use super::output::Output;
use super::patience;
use super::place::Place;
use super::settings::SettingArguments;
use crate::engine::front::{Basis, Point};
use crate::engine::plan::{Plan, Planner};
use crate::engine::stored::Stored;
use crate::run::RunFolder;
use crate::run::config::Config;
use crate::space::cut::{Cutter, Source, level_text};
use crate::space::{Mask, Stem};
use crate::text;

#[derive(Args, Debug)]
pub struct PredictArguments {
    /// Take the cut and the removal order of this run, and its settings.
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Of this cut beside the others: a mask as `zonas mask` prints it.
    #[arg(long, value_name = "FILE")]
    mask: Option<std::path::PathBuf>,
    /// What bytes buy instead: for budgets from the least to all, the best cut that fits by the scores of the run, beside controls
    /// of the same bytes. Takes seconds.
    #[arg(long, requires = "run", conflicts_with = "mask")]
    front: bool,
    #[command(flatten)]
    settings: SettingArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// One mask that could be searched.
#[derive(Serialize)]
struct Row {
    what: String,
    xi: Option<f64>,
    kept: usize,
    keep_bytes: u64,
    recompute_bytes: u64,
    /// What would be done under the budget.
    policy: String,
    bytes: u64,
    /// Of a search step under that policy; absent where its parts were not timed.
    step_seconds: Option<f64>,
    fits: bool,
}

fn row(planner: &Planner, what: &str, xi: Option<f64>, mask: Mask) -> Row {
    let Plan { policy, step_seconds, bytes, fits } = planner.plan(mask);
    let of = planner.by_policy(mask);
    Row {
        what: what.into(),
        xi,
        kept: mask.count(),
        keep_bytes: of(crate::nn::Policy::Keep),
        recompute_bytes: of(crate::nn::Policy::Recompute),
        policy: policy.to_string(),
        bytes,
        step_seconds,
        fits,
    }
}

/// What a run that trains a genotype needs.
fn training(config: &Config, json: bool) -> eyre::Result<Exit> {
    let (bytes, budget) =
        patience::reading(&config.data.source, || crate::engine::training_memory::training_bytes(config))?;
    let mut out = Output::stdout();
    if json {
        out.json(&serde_json::json!({"budget_bytes": budget, "training_bytes": bytes}))?;
    } else {
        let budget = budget.map_or_else(|| "not known".into(), text::bytes);
        out.line(&format!("a training step of this genotype needs about {} (budget {budget})", text::bytes(bytes)))?;
    }
    Ok(Exit::Done)
}

/// A run, what is known of it, and its settings with those that were given over them: of the space that it scored.
fn of_run(place: &Place, name: &str, a: &PredictArguments) -> eyre::Result<(RunFolder, Summary, Config)> {
    let folder = place.run(name)?;
    let known = Summary::readable(&folder)?.summary;
    let own = folder.config()?;
    let space = own.space().space();
    let config = a.settings.over(own)?;
    if config.space().space() != space {
        return Err(Usage(format!(
            "{} is of the space {}, and says nothing of {}: leave --space out, or --run",
            place.word(&folder),
            space.name(),
            config.space().space().name()
        ))
        .into());
    }
    Ok((folder, known, config))
}

/// Quality against bytes.
fn front(place: &Place, name: &str, a: &PredictArguments) -> eyre::Result<Exit> {
    let (folder, known, config) = of_run(place, name, a)?;
    let planner = patience::reading(&config.data.source, || crate::engine::plan::of_settings(&config))?;
    let basis = Stored::of(&folder).and_then(|stored| Basis::of(&stored, known.order, &config, planner)).ok_or_else(|| {
        Usage(format!(
            "{} has no whole round of scores of sampled cells, which quality is estimated by (score.estimator = \"cells\")",
            place.word(&folder)
        ))
    })?;
    let mut out = Output::stdout();
    if a.json {
        out.json(&basis.points().collect::<Vec<Point>>())?;
        return Ok(Exit::Done);
    }
    out.line("the best cut of each budget by the scores: share of random cells (%) that are worse than the cut's cells are in the mean")?;
    out.line(
        "(in brackets: nine of ten times when the draws are drawn again), and the same of controls of as many bytes",
    )?;
    out.line(&format!(
        "{:>10} {:>10} {:>5} {:>6} {:>15} {:>15} {:>9} {:>11}",
        "budget", "needs", "kept", "better", "", "random", "cheapest", "parameters"
    ))?;
    let percent = |v: f64| if v.is_finite() { text::significant(v, 3) } else { "n/a".into() };
    for p in basis.points() {
        let within = p.estimate.interval.map_or(String::new(), |(l, h)| format!("({} to {})", percent(l), percent(h)));
        out.line(&format!(
            "{:>10} {:>10} {:>5} {:>6} {:>15} {:>15} {:>9} {:>11}",
            text::bytes(p.budget_bytes),
            text::bytes(p.bytes),
            p.kept,
            percent(p.estimate.percent),
            within,
            format!("{} to {}", percent(p.random.0), percent(p.random.1)),
            percent(p.cheapest),
            percent(p.most_parameters),
        ))?;
    }
    Ok(Exit::Done)
}

pub fn run(place: &Place, a: &PredictArguments) -> eyre::Result<Exit> {
    if let (Some(name), true) = (&a.run, a.front) {
        return front(place, name, a);
    }
    let (config, order, confirmed) = match &a.run {
        Some(name) => {
            let (_, known, config) = of_run(place, name, a)?;
            let mask = known.cut.filter(|_| known.confirmed).map(|c| c.mask);
            (config, known.order, mask)
        }
        None => (a.settings.config()?, Vec::new(), None),
    };
    if config.trained()?.is_some() {
        return training(&config, a.json);
    }
    let planner = patience::reading(&config.data.source, || crate::engine::plan::of_settings(&config))?;
    let threads = crate::device::threads(config.device.threads);
    let planner = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?.install(|| planner.timed())?;
    let cutter = Cutter { space: config.space(), order, seed: config.seed };
    let mut rows = vec![row(&planner, "full space", None, config.full())];
    if let Some(file) = &a.mask {
        let mask = super::mask::of_space(file, config.space().space())?;
        rows.push(row(&planner, "the mask", None, mask));
    }
    if let Some(mask) = confirmed {
        rows.push(row(&planner, "the run's cut", None, mask));
    }
    let scored = !cutter.order.is_empty();
    for xi in cutter.levels() {
        for source in Source::ALL.into_iter().filter(|s| scored || *s != Source::Scores) {
            rows.push(row(&planner, source.name(), Some(xi), cutter.automatic(source, xi)));
        }
    }
    let mut out = Output::stdout();
    if a.json {
        out.json(&serde_json::json!({"budget_bytes": planner.budget(), "stem": planner.stem(), "rows": rows}))?;
        return Ok(Exit::Done);
    }
    let budget = planner.budget().map_or("not known".into(), text::bytes);
    out.line(&format!(
        "predicted peak of the search over the idle process (budget {budget}), and time of a step on {threads} {}{}",
        if threads == 1 { "thread" } else { "threads" },
        if planner.stem() == Stem::Cifar { "" } else { ", with the stem for ImageNet" }
    ))?;
    if let Some(busy) = planner.busy() {
        out.line(&format!("note: {busy}"))?;
    }
    out.line(&format!(
        "{:<16} {:>6} {:>5} {:>10} {:>10} {:>9}  memory policy",
        "cut", "ξ", "kept", "keep", "recompute", "a step"
    ))?;
    for r in &rows {
        let xi = r.xi.map_or(String::new(), level_text);
        let (keep, recompute) = (text::bytes(r.keep_bytes), text::bytes(r.recompute_bytes));
        let done = if r.fits { format!("{}, {}", r.policy, text::bytes(r.bytes)) } else { "does not fit".into() };
        let step = r.step_seconds.map_or("n/a".into(), text::seconds);
        out.line(&format!("{:<16} {xi:>6} {:>5} {keep:>10} {recompute:>10} {step:>9}  {done}", r.what, r.kept))?;
    }
    if !scored && confirmed.is_none() {
        out.line("cuts by scores need a run that has scored: --run RUN")?;
    }
    Ok(Exit::Done)
}
