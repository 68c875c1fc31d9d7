//! `zonas study status`: how each run stands.

use clap::Args;
use color_eyre::eyre;
use serde::Serialize;

use super::Which;
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use crate::study::{Reading, Stage, State, words};
use crate::text;

#[derive(Args, Debug)]
pub struct StatusArguments {
    #[command(flatten)]
    which: Which,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row<'a> {
    run: &'a str,
    folder: Option<String>,
    stage: Stage,
    setting: &'a str,
    seed: u64,
    #[serde(flatten)]
    state: &'a State,
    result: String,
}

pub fn run(a: &StatusArguments) -> eyre::Result<Exit> {
    let study = a.which.open()?;
    let Reading { design, plan, standing, notes: said } = Reading::with_slurm(&study)?;
    let notes = [design.notes.clone(), said].concat();
    let rows: Vec<Row> = plan
        .tasks
        .iter()
        .zip(&standing.tasks)
        .map(|(task, known)| Row {
            run: &task.name,
            folder: known.folder.as_ref().map(|f| f.path().display().to_string()),
            stage: task.stage,
            setting: &design.settings[task.setting].name,
            seed: task.seed,
            state: &known.state,
            result: words::of(known),
        })
        .collect();
    let mut out = Output::stdout();
    if a.json {
        out.json(&serde_json::json!({"runs": rows, "notes": notes, "others": standing.others}))?;
        return Ok(Exit::Done);
    }
    for note in &notes {
        out.line(&text::sanitize(&format!("note: {note}")))?;
    }
    let width = rows.iter().map(|r| text::width(r.run)).max().unwrap_or(0).clamp(12, 48);
    for r in &rows {
        let detail = if r.state.detail().is_empty() { &r.result } else { r.state.detail() };
        let line = format!("{}  {:<11} {detail}", text::pad(&text::sanitize(r.run), width), r.state.word());
        out.line(text::sanitize(&line).trim_end())?;
    }
    let words = ["done", "running", "queued", "ready", "waits", "stopped", "failed", "unreachable"];
    let counts = words.iter().map(|w| (w, standing.count(w))).filter(|(_, n)| *n > 0);
    let counts: Vec<String> = counts.map(|(w, n)| format!("{n} {w}")).collect();
    out.line(&format!("{}: {}", text::counted(rows.len(), "run"), counts.join(", ")))?;
    if standing.others > 0 {
        let others = text::counted(standing.others, "run");
        out.line(&format!("{others} in its folder belong to no setting of study.toml; they are kept"))?;
    }
    Ok(Exit::Done)
}
