//! `zonas show`: what a run has found.

use crate::run::describe;
use clap::Args;
use color_eyre::eyre;

use super::exit::Exit;
use super::output::Output;
use super::place::Place;
use crate::run::RunFolder;
use crate::run::summary::Summary;
use crate::text;

#[derive(Args, Debug)]
pub struct ShowArguments {
    /// Name of a run, or the path of its folder.
    run: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What a run has found, with what is to be said of its cut.
///
/// # Errors
/// Its journal can't be read.
pub fn summary(folder: &RunFolder) -> eyre::Result<Summary> {
    let mut r = Summary::readable(folder)?.summary;
    if let Some(cut) = &r.cut {
        r.verdict = super::verdict::of(folder, cut);
        r.by_the_table = super::verdict::by_the_table(folder, cut);
    }
    Ok(r)
}

pub fn run(place: &Place, a: &ShowArguments) -> eyre::Result<Exit> {
    let folder = place.run(&a.run)?;
    let r = summary(&folder)?;
    let mut out = Output::stdout();
    if a.json {
        out.json(&r)?;
        return Ok(Exit::Done);
    }
    let mut line = |key: &str, value: String| out.line(&format!("{key:<12} {}", text::sanitize(&value)));
    line("run", r.run.clone())?;
    line("folder", r.folder.clone())?;
    let detail = r.detail.as_deref().filter(|d| !d.is_empty()).map_or(String::new(), |d| format!(": {d}"));
    line("state", format!("{}{detail}", r.state))?;
    if !r.tags.is_empty() {
        line("tags", r.tags.join(", "))?;
    }
    if !r.note.is_empty() {
        line("note", r.note.clone())?;
    }
    if let Some(data) = &r.data {
        line("data", data.clone())?;
    }
    if let Some(pixels) = &r.pixels {
        line("pixels", pixels.clone())?;
    }
    if let (Some(device), Some(threads), Some(seed)) = (&r.device, r.threads, r.seed) {
        line("device", format!("{device}, {}, seed {seed}", text::threads(threads)))?;
    }
    if let (Some(seconds), Some(ties), Some(removals)) = (r.scoring_seconds, r.ties, r.removals) {
        let peak = r.scoring_peak_bytes.map_or("peak not available".into(), |b| format!("peak {}", text::bytes(b)));
        line(
            "scoring",
            format!(
                "{} in {}, {peak}; {ties} of {removals} decisions within noise{}",
                r.functions.join(" + "),
                text::duration(seconds),
                match r.at_random {
                    Some(n) if n > 0 => format!(", {n} at random, without a score"),
                    _ => String::new(),
                }
            ),
        )?;
    }
    if r.unscored {
        line("scoring", "none: the cut is a control, which needs no scores".into())?;
    }
    if let Some(cut) = &r.cut {
        let hand = if cut.by_hand.is_empty() { String::new() } else { format!(", {} by hand", cut.by_hand.len()) };
        line(
            "cut",
            format!(
                "{} {}: {} of {} kept{hand}; predicted {} of {}",
                describe::cut_size(cut),
                describe::cut_source(cut),
                cut.mask.count(),
                cut.of(),
                text::bytes(cut.memory_bytes),
                text::bytes(cut.full_memory_bytes)
            ),
        )?;
    }
    if let Some(reason) = &r.not_by_scores {
        line("warning", format!("the cut is {reason}"))?;
    }
    let words = r.verdict.iter().flat_map(|v| v.words.iter().cloned()).chain(r.by_the_table.clone());
    for (i, words) in words.enumerate() {
        line(if i == 0 { "verdict" } else { "" }, words)?;
    }
    let trains = r.trains == Some(true);
    if let (Some(epoch), Some(epochs)) = (r.epoch, r.epochs) {
        let took = r.search_seconds.map_or(String::new(), |s| format!(" in {}", text::duration(s)));
        let peak = r.search_peak_bytes.map_or(String::new(), |b| format!(", peak {}", text::bytes(b)));
        let predicted =
            r.predicted_bytes.filter(|_| trains).map_or(String::new(), |b| format!(" (predicted {})", text::bytes(b)));
        let why = r.stopped_early.as_ref().map_or(String::new(), |reason| format!("; stopped early: {reason}"));
        line(
            if trains { "trained" } else { "search" },
            format!("{epoch} of {epochs} epochs{took}{peak}{predicted}{why}"),
        )?;
    }
    if let (Some(loss), Some(accuracy)) = (r.train_loss, r.train_accuracy) {
        line("training", format!("loss {:.4}, accuracy {:.2} %", loss.0, 100.0 * accuracy))?;
    }
    if let (Some(loss), Some(accuracy)) = (r.valid_loss, r.valid_accuracy) {
        line(
            if trains { "test" } else { "validation" },
            format!(
                "loss {:.4}, accuracy {:.2} %{}",
                loss.0,
                100.0 * accuracy,
                describe::balanced(accuracy, r.valid_balanced_accuracy)
            ),
        )?;
    }
    if let Some(g) = &r.genotype {
        line("genotype", g.to_string())?;
    }
    if let Some(stem) = r.stem {
        line("stem", stem.to_string())?;
    }
    if let Some(size) = &r.trained_size {
        line(
            "network",
            format!("{} channels, {} cells: {} parameters", size.channels, size.cells, text::count(size.parameters)),
        )?;
    }
    if let (Some(p), Some(m)) = (r.parameters, r.macs) {
        let size = r.genotype.as_ref().map_or(String::new(), |g| {
            format!(" (network of {})", describe::published_size(g, r.stem.unwrap_or_default()))
        });
        line("evaluation", format!("{} parameters, {} multiply-accumulates{size}", text::count(p), text::count(m)))?;
    }
    if r.skipped_lines > 0 {
        line("journal", format!("{} lines could not be read", r.skipped_lines))?;
    }
    Ok(Exit::Done)
}
