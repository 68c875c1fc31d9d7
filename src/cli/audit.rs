//! `zonas audit`: how good a run's cut is, by a table of accuracies.

use std::path::PathBuf;

use clap::Args;
use color_eyre::eyre;

use super::exit::{Exit, Usage};
use super::mask::of_file;
use super::output::Output;
use super::place::Place;
use crate::engine;
use crate::proxies::{self, Direction, RankingFunction};
use crate::run::config;
use crate::run::summary::Summary;
use crate::space::{Genotype, Mask};
use crate::text;
use crate::truth::words::{called, columns, found, number, percentiles, quantiles, row, signed};
use crate::truth::{Audit, Cells, Correlation, Sampled, Scores, Table, audit, read, sample};

#[derive(Args, Debug)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["run", "mask"])))]
pub struct AuditArguments {
    /// Name of a run, or the path of its folder: its latest cut is judged, and the cell that it found.
    run: Option<String>,
    /// Judge this cut: a mask as JSON, as journals hold it.
    #[arg(long, value_name = "FILE")]
    mask: Option<PathBuf>,
    /// The search space of the mask, where that is a file of yours.
    #[arg(long, value_name = "NAME|FILE", requires = "mask")]
    space: Option<String>,
    /// Accuracies of cells: tab-separated text, also as .xz or .gz, with a column `genotype` or two, `normal` and `reduce`; of
    /// NAS-Bench-201 also `ops` (six digits) or `nb201_index`.
    #[arg(long, value_name = "FILE")]
    table: PathBuf,
    /// The column of accuracies [default: the only one that is called like one].
    #[arg(long, value_name = "NAME")]
    column: Option<String>,
    /// Seed of what is drawn at random: parts of the table that are held back, random cuts, random cells.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Compute the ranking functions on so many cells of the table, each in a network of its own at the size of the run's
    /// proxy network, and say how they order them.
    #[arg(long, value_name = "CELLS", conflicts_with = "mask", value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    sample: Option<u32>,
    /// The ranking functions of --sample [default: the run's own, and params].
    #[arg(long, value_name = "NAMES", value_delimiter = ',', requires = "sample")]
    functions: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What is to be judged.
struct Given {
    mask: Mask,
    found: Option<Genotype>,
    scores: Scores,
    config: Option<config::Config>,
}

pub fn run(place: &Place, a: &AuditArguments) -> eyre::Result<Exit> {
    let given = match (&a.run, &a.mask) {
        (Some(run), _) => of_run(place, run)?,
        (None, Some(file)) => {
            Given { mask: of_file(file, a.space.as_deref())?, found: None, scores: Scores::default(), config: None }
        }
        (None, None) => return Err(Usage("name a run, or a mask by --mask".into()).into()),
    };
    let (cells, table, truth) = read(&a.table, a.column.as_deref(), given.mask.space(), a.seed)?;
    let mut audit = audit(&cells, &table, &truth, &given.mask, given.found.as_ref(), &given.scores, a.seed)?;
    if let (Some(count), Some(config)) = (a.sample, &given.config) {
        audit.sampled = Some(sampled(a, count as usize, config, &cells, &table)?);
    }
    let mut out = Output::stdout();
    match a.json {
        true => out.json(&audit)?,
        false => words(&audit).iter().try_for_each(|line| out.line(line))?,
    }
    Ok(Exit::Done)
}

fn of_run(place: &Place, name: &str) -> eyre::Result<Given> {
    let folder = place.run(name)?;
    let known = Summary::readable(&folder)?.summary;
    if known.trains.is_some() {
        let reason = format!("{name} trains a genotype and cuts nothing; audit the run that found it");
        return Err(Usage(reason).into());
    }
    let Some(cut) = known.cut else {
        return Err(Usage(format!("{name} has no cut yet: it is {}; audit it after scoring", known.state)).into());
    };
    let numbers =
        |s: &crate::run::event::PlaceSummary| (s.place, s.by_function.iter().map(|n| n.0).collect(), s.mean.0);
    let scores = match known.first_round.is_empty() {
        true => Scores::default(),
        false => Scores::with_sum(known.functions, known.first_round.iter().map(numbers)),
    };
    Ok(Given { mask: cut.mask, found: known.genotype, scores, config: Some(folder.config()?) })
}

/// Ranking functions on cells of the table.
fn sampled(
    a: &AuditArguments,
    count: usize,
    config: &config::Config,
    cells: &Cells,
    table: &Table,
) -> eyre::Result<Sampled> {
    let mut names = if a.functions.is_empty() { config.score.functions.clone() } else { a.functions.clone() };
    if a.functions.is_empty() && !names.iter().any(|n| n == "params") {
        names.push("params".into());
    }
    let functions =
        names.iter().map(|n| proxies::by_name(n)).collect::<Result<Vec<_>, _>>().map_err(|e| Usage(e.to_string()))?;
    let rows = sample(table, count, a.seed);
    let masks: Option<Vec<Mask>> = rows.iter().map(|r| cells.mask(&r.cell)).collect();
    let masks = masks.ok_or_else(|| {
        Usage(format!(
            "--sample needs the operation `none` in the search space {}: cells leave edges out",
            cells.space().name()
        ))
    })?;
    let draws = config.score.draws.fixed().unwrap_or(crate::run::config::Draws::USUAL);
    let values = engine::sampled::values(config, &functions, &masks, draws)?;
    let accuracies: Vec<f64> = rows.iter().map(|r| r.accuracy).collect();
    let of = |(i, f): (usize, &&'static dyn RankingFunction)| {
        let turn = if f.direction() == Direction::LowerIsBetter { -1.0 } else { 1.0 };
        let own: Vec<f64> = values.iter().map(|v| turn * v[i]).collect();
        Correlation::of(f.name(), &own, &accuracies)
    };
    let functions = functions.iter().enumerate().map(of).collect();
    Ok(Sampled { cells: rows.len(), draws, functions })
}

/// Columns of the text.
const COLUMNS: u16 = 80;
/// Of them those of the keys.
const KEY: usize = 12;

/// Lines under a key, wrapped.
fn say(lines: &mut Vec<String>, key: &str, all: &[String]) {
    let wrapped = all.iter().flat_map(|t| text::wrap(&text::sanitize(t), COLUMNS - KEY as u16));
    for (i, line) in wrapped.enumerate() {
        lines.push(format!("{:<KEY$}{line}", if i == 0 { key } else { "" }));
    }
}

/// An audit in words.
fn words(a: &Audit) -> Vec<String> {
    let mut lines = Vec::new();
    say(&mut lines, "table", &table(a));
    say(&mut lines, "judged by", &judge(a));
    let shape = match (a.kept_per_edge.iter().min(), a.kept_per_edge.iter().max()) {
        (Some(least), Some(most)) if least == most => format!("{least} on every edge"),
        (Some(least), Some(most)) => format!("{least} to {most} an edge"),
        _ => "no edge".into(),
    };
    let none = match a.none_kept {
        0 => String::new(),
        n => format!("; `none`, kept on {}, counts for nothing: no cell takes it", text::counted(n, "edge")),
    };
    let beside = if a.without_none { " beside `none`" } else { "" };
    let (left, of) = (text::many(a.cells), text::many(a.of_cells));
    say(
        &mut lines,
        "cut",
        &[format!("{} of {} operations{beside}, {shape}; {left} of {of} cells{none}", a.kept, a.candidates)],
    );
    lines.push(String::new());
    lines.extend(rows(a));
    lines.push(String::new());
    say(&mut lines, "percentile", &[percentiles(a)]);
    say(&mut lines, "quantiles", &quantiles(a).into_iter().collect::<Vec<_>>());
    if let Some(f) = &a.found {
        say(&mut lines, "found cell", &[found(a, f)]);
    }
    if !a.functions.is_empty() {
        let tau = |t: Option<f64>| t.map_or("tells nothing".into(), |t| signed(t, 2));
        let all: Vec<String> = a.functions.iter().map(|f| format!("{} {}", f.name, tau(f.tau))).collect();
        let what =
            "Kendall's tau between first-round scores and what operations on the same edge are worth by the table";
        say(&mut lines, "functions", &[format!("{what}: {}", all.join(", "))]);
    }
    if let Some(sampled) = &a.sampled {
        let told = |r: Option<f64>| r.map_or("tells nothing".into(), |r| signed(r, 3));
        let one = |c: &Correlation| {
            let left_out = match c.undefined {
                0 => String::new(),
                n => format!(" (undefined for {n})"),
            };
            format!("{} {} / {}{left_out}", c.name, told(c.tau), told(c.spearman))
        };
        let all: Vec<String> = sampled.functions.iter().map(one).collect();
        let of = format!(
            "{} cells of the table, {} each",
            text::thousands(sampled.cells),
            text::counted(sampled.draws, "draw")
        );
        say(&mut lines, "sample", &[format!("Kendall's tau / Spearman over {of}: {}", all.join(", "))]);
    }
    lines
}

/// What the table is.
fn table(a: &Audit) -> Vec<String> {
    let t = &a.table;
    let mut all = vec![format!("{}: {} of {} of {}", t.file, t.column, text::counted(t.rows, "cell"), a.space)];
    if let Some(other) = &t.first_other {
        let rows = text::counted(t.other_rows, "row");
        all.push(format!("{rows} not of this space left out; the first, {other}"));
    }
    all.extend(t.comment.iter().map(|c| format!("\"{}\"", text::fit(&text::sanitize(c), 2 * COLUMNS))));
    if t.surrogate {
        all.push("These are predictions of a surrogate, not accuracies of trained networks.".into());
    }
    all
}

/// By what, and how far to trust it.
fn judge(a: &Audit) -> Vec<String> {
    let Some(m) = &a.model else {
        return vec!["the table itself, which has every cell of the space: these numbers are exact".into()];
    };
    let mut all = vec![format!(
        "a linear model of which operation sits on which edge (ridge, penalty {}); on rows held back ({} folds, seed {}): \
         Spearman {}, R² {}",
        m.penalty,
        m.folds,
        a.seed,
        signed(m.spearman, 2),
        signed(m.r_squared, 2)
    )];
    all.push("Below three operations an edge it extrapolates and is not to be trusted.".into());
    if m.few_edges > 0 {
        let (few, of) = (m.few_edges, a.kept_per_edge.len());
        all.push(format!("THIS CUT keeps fewer than three on {few} of {of} edges: do not rely on what follows."));
    }
    if a.cut.best > a.table.highest {
        let highest = number(a.table.highest);
        all.push(format!(
            "No row has more than {highest}: what it predicts for best cells lies beyond them, and is likely too high."
        ));
    }
    if m.unseen > 0 {
        all.push(format!(
            "{} of {} operations on edges stand in no row, and count as average.",
            m.unseen, a.candidates
        ));
    }
    all
}

/// The cut beside others of its shape.
fn rows(a: &Audit) -> Vec<String> {
    // As wide as the names of their columns ask for.
    let line = |name: &str, values: &[String]| {
        let widths = if a.model.is_none() { &[10, 10, 10, 11, 12][..] } else { &[10, 10, 8] };
        let values: String = values.iter().zip(widths).map(|(v, width)| format!("{v:>width$}")).collect();
        format!("{name:<20}{values}")
    };
    let names: Vec<String> = columns(a).iter().map(ToString::to_string).collect();
    let cuts = [&a.cut, &a.random].into_iter().chain(&a.controls);
    std::iter::once(line("", &names)).chain(cuts.map(|c| line(called(c.name), &row(a, c)))).collect()
}
