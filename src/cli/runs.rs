//! `zonas runs`: which runs there are.

use clap::Args;
use color_eyre::eyre;

use super::exit::Exit;
use super::output::Output;
use super::place::Place;
use crate::run::RunFolder;
use crate::run::summary::Summary;
use crate::text;

#[derive(Args, Debug)]
pub struct RunsArguments {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(place: &Place, a: &RunsArguments) -> eyre::Result<Exit> {
    let runs = place.folder()?;
    let mut out = Output::stdout();
    let found = RunFolder::list(&runs)?;
    if a.json {
        let all: Vec<Summary> = found.iter().map(|f| Summary::read(f).summary).collect();
        out.json(&all)?;
        return Ok(Exit::Done);
    }
    if found.is_empty() {
        out.line(&format!(
            "no runs in {}; `zonas` opens the explorer, `zonas run --preset demo --yes` makes one",
            text::sanitize(&runs.display().to_string())
        ))?;
        return Ok(Exit::Done);
    }
    // Accuracies of a supernet on validation pictures and of a training on test pictures do not compare.
    let heads = ["run", "state", "kept", "epoch", "supernet", "test", "data"];
    let [run, state, kept, epoch, supernet, test, data] = heads;
    out.line(&format!("{run:<24} {state:<22} {kept:>8} {epoch:>7} {supernet:>9} {test:>9}  {data}"))?;
    for folder in &found {
        let r = Summary::read(folder).summary;
        // What it is at is short; why it ended may be long.
        let state = r.detail.as_deref().filter(|_| r.state == "running").unwrap_or(r.state);
        let state = if r.stopped_at_cut() { "stopped at its cut" } else { state };
        let kept = r.kept.map_or("—".into(), |k| format!("{k}/{}", r.cut.as_ref().map_or(0, |c| c.of())));
        let epoch = r.epoch.map_or("—".into(), |e| format!("{e}/{}", r.epochs.unwrap_or(0)));
        let trains = r.trains == Some(true);
        let accuracy = |of: bool| {
            r.best_valid_accuracy.filter(|_| of == trains).map_or("—".into(), |v| format!("{:.2} %", 100.0 * v))
        };
        let (supernet, test) = (accuracy(false), accuracy(true));
        let data = text::sanitize(r.data.as_deref().unwrap_or("—"));
        // By columns: a name of wide characters takes more of them than it has letters.
        let (name, state) = (text::pad(&text::sanitize(&r.run), 24), text::pad(&text::sanitize(state), 22));
        out.line(&format!("{name} {state} {kept:>8} {epoch:>7} {supernet:>9} {test:>9}  {data}"))?;
    }
    Ok(Exit::Done)
}
