//! `zonas runs`: which runs there are, as a table of their settings and results.

use std::sync::Arc;

use clap::Args;
use color_eyre::eyre;

use super::exit::{Exit, Usage};
use super::output::Output;
use super::place::Place;
use crate::clock::now;
use crate::run::listing::{self, Cell, Column, Filter, Group, Line, Listed, Query, Sort, Table, Value, parse_columns};
use crate::run::summary::Summary;
use crate::text;

#[derive(Args, Debug)]
pub struct RunsArguments {
    /// Only runs of which all of this holds: words of the name, state, data, tags or note, and `seed:7`, `method:darts`,
    /// `'xi>0.5'` (in quotes, for the shell), `seed:1..5`, `state:done,failed`, `data!=cifar`, `#tag`; a setting's words are
    /// compared whole, `*` stands for anything.
    filter: Vec<String>,
    /// Columns: results and settings by their keys (`zonas runs --keys`), with commas; a part of a key that is clear will do.
    #[arg(long, value_name = "KEYS")]
    columns: Option<String>,
    /// Sort by this column [default: by name]; accuracies the highest first.
    #[arg(long, value_name = "KEY")]
    sort: Option<String>,
    /// Sort the other way round.
    #[arg(long, requires = "sort")]
    reverse: bool,
    /// Runs that differ in nothing but their seed as one line: how many, mean and sample standard deviation over those that
    /// are done.
    #[arg(long)]
    group: bool,
    /// Print JSON: everything `zonas show` tells of each run, or the columns, where those are given or runs are grouped.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV: numbers without units (bytes, seconds, parts of 1).
    #[arg(long)]
    csv: bool,
    /// List the columns that there are.
    #[arg(long, conflicts_with_all = ["filter", "columns", "sort", "group", "csv"])]
    keys: bool,
}

/// Columns without `--columns`, where no lines of before have to stay as they were.
const USUAL: [&str; 8] = ["run", "state", "kept", "epoch", "supernet", "test", "tags", "data"];

pub fn run(place: &Place, a: &RunsArguments) -> eyre::Result<Exit> {
    let mut out = Output::stdout();
    if a.keys {
        if a.json {
            let all = listing::columns().map(|c| serde_json::json!({ "key": c.key(), "meaning": c.meaning() }));
            out.json(&all.collect::<Vec<_>>())?;
            return Ok(Exit::Done);
        }
        for column in listing::columns() {
            out.line(&format!("{:<28} {}", column.key(), column.meaning()))?;
        }
        return Ok(Exit::Done);
    }
    // What is asked for is read first: a slip costs no reading.
    let (filter, wrong) = Filter::parse(&a.filter.join(" "));
    if let Some(wrong) = wrong.first() {
        return Err(Usage(format!("the filter is wrong: {wrong}; `zonas runs --keys` lists all columns")).into());
    }
    let usage = |e: listing::KeyError| Usage(format!("{e}; `zonas runs --keys` lists all columns"));
    let columns = a.columns.as_deref().map(parse_columns).transpose().map_err(usage)?.filter(|c| !c.is_empty());
    let sort = a.sort.as_deref().map(listing::resolve).transpose().map_err(usage)?.map(Sort::by);
    let sort = sort.map(|s| Sort { falling: s.falling != a.reverse, ..s });
    let folder = place.folder()?;
    // A folder that can't be read is told as such.
    let count = crate::run::RunFolder::list(&folder)?.len();
    let mut runs = listing::read(&folder);
    runs.sort_by(|a, b| a.name.cmp(&b.name));
    let query = Query { filter, sort, grouped: a.group, ..Query::default() };
    let table = Table::of(&runs, &query, now());
    if a.json && columns.is_none() && !a.group {
        let shown = table.lines.iter().filter_map(Line::run).map(|i| table.run(i));
        let all: Vec<Summary> = shown.map(|r| Summary::read(&r.folder).summary).collect();
        out.json(&all)?;
        return Ok(Exit::Done);
    }
    let usual = || USUAL.map(Column::result).to_vec();
    if a.json || a.csv {
        return machine(&mut out, &table, &columns.unwrap_or_else(usual), a.csv);
    }
    if count == 0 {
        out.line(&format!(
            "no runs in {}; `zonas` opens the explorer, `zonas run --preset demo --yes` makes one",
            text::sanitize(&folder.display().to_string())
        ))?;
        return Ok(Exit::Done);
    }
    if table.lines.is_empty() {
        out.line(&format!("none of {} is as the filter says", text::counted(count, "run")))?;
        return Ok(Exit::Done);
    }
    match columns {
        None if !a.group => plain(&mut out, &table)?,
        columns => people(&mut out, &table, &columns.unwrap_or_else(usual))?,
    }
    Ok(Exit::Done)
}

type Runs<'a> = Table<'a, Arc<Listed>>;

/// The usual columns, as wide as ever.
fn plain<W: std::io::Write>(out: &mut Output<W>, table: &Runs) -> eyre::Result<()> {
    // Accuracies of a supernet on validation pictures and of a training on test pictures do not compare.
    let heads = ["run", "state", "kept", "epoch", "supernet", "test", "data"];
    let [run, state, kept, epoch, supernet, test, data] = heads;
    out.line(&format!("{run:<24} {state:<22} {kept:>8} {epoch:>7} {supernet:>9} {test:>9}  {data}"))?;
    for r in table.lines.iter().filter_map(Line::run).map(|i| table.run(i)) {
        let kept = r.kept.map_or("—".into(), |k| format!("{k}/{}", r.of.unwrap_or(0)));
        let epoch = r.epochs.map_or("—".into(), |(e, of)| format!("{e}/{of}"));
        let accuracy =
            |of: bool| r.accuracy.filter(|_| of == r.trains).map_or("—".into(), |v| format!("{:.2} %", 100.0 * v));
        let (supernet, test) = (accuracy(false), accuracy(true));
        let data = text::sanitize(if r.data.is_empty() { "—" } else { &r.data });
        // By columns: a name of wide characters takes more of them than it has letters.
        let (name, state) = (text::pad(&text::sanitize(&r.name), 24), text::pad(&text::sanitize(&r.status), 22));
        let tags = r.tags().iter().map(|t| format!("  #{t}")).collect::<String>();
        let note = if r.note().is_empty() { String::new() } else { format!("  {}", r.note()) };
        let beside = text::sanitize(&format!("{tags}{note}"));
        out.line(&format!("{name} {state} {kept:>8} {epoch:>7} {supernet:>9} {test:>9}  {data}{beside}"))?;
    }
    Ok(())
}

/// Any columns, each as wide as what stands in it.
fn people<W: std::io::Write>(out: &mut Output<W>, table: &Runs, columns: &[Column]) -> eyre::Result<()> {
    let cell = |line: &Line, c: &Column| text::sanitize(&table.text(line, *c));
    let width = |c: &Column| {
        let widest = table.lines.iter().map(|l| text::width(&cell(l, c))).max().unwrap_or(0);
        widest.max(text::width(&c.key()))
    };
    let widths: Vec<u16> = columns.iter().map(width).collect();
    let write = |texts: Vec<String>| {
        let mut line = String::new();
        for (i, words) in texts.iter().enumerate() {
            let blank = " ".repeat(usize::from(widths[i].saturating_sub(text::width(words))));
            line += &if columns[i].right() { format!("{blank}{words}  ") } else { format!("{words}{blank}  ") };
        }
        line.trim_end().to_string()
    };
    out.line(&write(columns.iter().map(|c| c.key()).collect()))?;
    for line in &table.lines {
        out.line(&write(columns.iter().map(|c| cell(line, c)).collect()))?;
    }
    Ok(())
}

/// One line for programs: a value, or of a group with its spread.
fn machine<W: std::io::Write>(out: &mut Output<W>, table: &Runs, columns: &[Column], csv: bool) -> eyre::Result<Exit> {
    let grouped = table.lines.iter().any(|l| matches!(l, Line::Group(_)));
    if csv {
        let mut heads: Vec<String> = Vec::new();
        for c in columns {
            heads.push(c.key());
            if grouped && c.averaged() {
                heads.extend([format!("{}_deviation", c.key()), format!("{}_n", c.key())]);
            }
        }
        heads.extend(grouped.then(|| "runs".into()));
        out.line(&heads.join(","))?;
    }
    let mut all = Vec::new();
    for line in &table.lines {
        let mut fields: Vec<(String, serde_json::Value, String)> = Vec::new();
        let mut put = |key: String, value: Value| fields.push((key, value.json(), value.csv()));
        for c in columns {
            let key = c.key();
            let (value, spread) = match line {
                Line::Run(i) | Line::Member(i) => (c.value(table.run(*i), now()), None),
                Line::Group(group) => of_group(table, group, *c),
            };
            put(key.clone(), value.clone());
            if grouped && c.averaged() {
                let (deviation, n) = spread.unwrap_or((None, usize::from(!value.is_missing())));
                put(format!("{key}_deviation"), Value::of(deviation, Value::Number));
                put(format!("{key}_n"), Value::Number(n as f64));
            }
        }
        if grouped {
            let n = if let Line::Group(group) = line { group.runs.len() } else { 1 };
            put("runs".into(), Value::Number(n as f64));
        }
        if csv {
            out.line(&fields.into_iter().map(|f| f.2).collect::<Vec<_>>().join(","))?;
        } else {
            all.push(fields.into_iter().map(|f| (f.0, f.1)).collect::<serde_json::Map<_, _>>());
        }
    }
    if !csv {
        out.json(&all)?;
    }
    Ok(Exit::Done)
}

/// A group's value, and the deviation and number of runs of a mean.
fn of_group(table: &Runs, group: &Group, column: Column) -> (Value, Option<(Option<f64>, usize)>) {
    match table.cell(group, column) {
        Cell::Same(value) if column.averaged() && !value.is_missing() => (value, Some((Some(0.0), group.runs.len()))),
        Cell::Same(value) => (value, None),
        Cell::Words(words) => (Value::words(words), None),
        Cell::Mean(spread, unit) => (unit.with(spread.mean.unwrap_or(f64::NAN)), Some((spread.deviation, spread.n))),
    }
}
