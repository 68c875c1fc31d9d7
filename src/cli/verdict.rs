//! The verdict on a run's cut, for commands that print it: of journals of before it is made here.

use color_eyre::eyre;

use super::output::Output;
use crate::engine::stored::Stored;
use crate::engine::verdict::{self, Assessed};
use crate::run::RunFolder;
use crate::run::event::{Body, Cut};
use crate::run::journal::Tail;
use crate::text;

/// What is to be said of a cut: the engine's word, or the same from the journal.
pub(super) fn of(folder: &RunFolder, cut: &Cut) -> Option<Assessed> {
    if cut.verdict.is_some() {
        return cut.verdict.clone();
    }
    let config = folder.config().ok()?;
    let (mut run, mut own) = (None, Vec::new());
    for event in Tail::events(folder).without_dense().rest() {
        match event.body {
            Body::RunStarted(started) => run = Some(started),
            Body::ScoringEnded(ended) => own = ended.order,
            _ => {}
        }
    }
    let run = run?;
    let stored = if own.is_empty() { None } else { Stored::of(folder) };
    verdict::afterwards(cut, &run, &config, stored.as_ref(), &own)
}

/// What the table of the settings says of a cut, or why it says nothing; none where they name none.
pub(super) fn by_the_table(folder: &RunFolder, cut: &Cut) -> Option<String> {
    let config = folder.config().ok()?;
    let judged = verdict::truth::judged(&config, &cut.mask, None)?;
    Some(match judged {
        Ok(audit) => verdict::truth::line(&audit).long,
        Err(e) => format!("no judgement by the table: {e}"),
    })
}

/// The same as a line.
pub(super) fn tell_truth<W: std::io::Write>(out: &mut Output<W>, folder: &RunFolder, cut: &Cut) -> eyre::Result<()> {
    match by_the_table(folder, cut) {
        Some(words) => Ok(out.line(&text::sanitize(&format!("  verdict: {words}")))?),
        None => Ok(()),
    }
}
