//! Events in words: the one wording of `zonas tail`, of text output and of the explorer's log.

use super::event::{Body, Cut, DrawsEnd, Event, Level, Outcome, Removal, Stage};
use crate::space::count::Network;
use crate::space::cut::{Scope, Source, level_text};
use crate::space::{Genotype, Stem};
use crate::text;

/// What is to be said of an event, each a line of its own; nothing of the many small ones. It may hold words from files.
pub fn describe(event: &Event) -> Vec<(Level, String)> {
    let mut all = Vec::new();
    let mut say = |level: Level, text: String| all.push((level, text));
    let info = Level::Info;
    match &event.body {
        // The data tells of itself, in a line of the log.
        Body::RunStarted(s) => {
            let stem = if s.stem == Stem::Cifar { String::new() } else { format!(", stem `{}`", s.stem) };
            let threads = text::threads(s.threads);
            say(info, format!("run {} with seed {} on {}, {threads}{stem}", s.run, s.seed, s.device));
            if let Some(pixels) = s.data.pixels() {
                say(info, format!("pixels: {pixels}"));
            }
        }
        Body::StageStarted { stage } => say(Level::Debug, format!("{} begins", stage.name())),
        Body::StageEnded { stage: stage @ (Stage::Search | Stage::Train), seconds, peak_bytes } => {
            let did = if *stage == Stage::Search { "searched" } else { "trained" };
            say(info, format!("{did} in {}, {}", text::duration(*seconds), peak(*peak_bytes)));
        }
        Body::ScoringStarted(s) => say(
            info,
            format!(
                "scoring by {}: {}{} in {}, {}, proxy network of {} and {}",
                s.functions.join(" + "),
                if s.until_decided { "at most " } else { "" },
                text::counted(s.evaluations, "evaluation"),
                text::counted(s.rounds, "round"),
                if s.until_decided { "draws until decided".into() } else { text::counted(s.draws, "draw") },
                text::counted(s.channels, "channel"),
                text::counted(s.cells.len(), "cell")
            ),
        ),
        Body::Drawn(d) => match d.end {
            None => say(Level::Debug, d.words()),
            Some(end) => {
                let words = format!("{}, {}: {}", d.words(), text::counted(d.evaluations, "evaluation"), end.words());
                // Another run need not come to the same.
                say(if end == DrawsEnd::Seconds { Level::Warning } else { info }, words);
            }
        },
        Body::RoundEnded { round, seconds, removed, .. } => {
            let (number, took) = (round + 1, text::duration(*seconds));
            say(info, format!("round {number}: {} operations go{} ({took})", removed.len(), doubts(removed)));
        }
        Body::ScoringEnded(s) => {
            let undefined = if s.undefined > 0 { format!("; {} undefined values", s.undefined) } else { String::new() };
            let (took, peak) = (text::duration(s.seconds), peak(s.peak_bytes));
            let (count, doubts) = (s.order.len(), doubts(&s.order));
            say(info, format!("scored in {took}, {peak}; {count} decisions{doubts}{undefined}"));
        }
        Body::CutProposed(c) => {
            say(info, cut("proposed", c));
            // The first of them is said already.
            let told = usize::from(c.not_by_scores().is_some());
            c.warnings.iter().skip(told).for_each(|w| say(info, format!("  note: {w}")));
            let words = c.verdict.iter().flat_map(|v| &v.words);
            words.for_each(|w| say(info, format!("  verdict: {w}")));
        }
        Body::CutConfirmed(c) => say(info, cut("confirmed", c)),
        Body::SearchStarted(s) => say(
            info,
            format!(
                "search of order {}{}: {} of {} with {}, {} training and {} validation pictures, {} weights",
                s.order,
                s.other_parts().iter().map(|p| format!(", {p}")).collect::<String>(),
                text::counted(s.epochs, "epoch"),
                text::counted(s.steps_per_epoch, "step"),
                text::counted(s.batch, "picture"),
                s.train,
                s.valid,
                s.parameters
            ),
        ),
        Body::SearchStopped { epoch, reason } => {
            say(info, format!("the search stops after epoch {}: {reason}", epoch + 1));
        }
        Body::TrainingStarted(t) => say(
            info,
            format!(
                "training from scratch: {}, {}{}, {} weights; {} of {} with {}, {} training and {} test pictures",
                text::counted(t.channels, "channel"),
                text::counted(t.cells, "cell"),
                if t.auxiliary { ", an auxiliary head" } else { "" },
                t.parameters,
                text::counted(t.epochs, "epoch"),
                text::counted(t.steps_per_epoch, "step"),
                text::counted(t.batch, "picture"),
                t.train,
                t.test
            ),
        ),
        Body::EpochEnded(e) => {
            let (train, valid) = ((e.train_loss.0, e.train_accuracy), (e.valid_loss.0, e.valid_accuracy));
            let words = epoch(e.epoch, train, "valid", (valid, e.valid_balanced_accuracy), e.seconds);
            say(info, words + &waiting(e.waiting_seconds, e.seconds));
        }
        Body::TrainingEpochEnded(e) => {
            let (train, test) = ((e.train_loss.0, e.train_accuracy), (e.test_loss.0, e.test_accuracy));
            let words = epoch(e.epoch, train, "test", (test, e.test_balanced_accuracy), e.seconds);
            say(info, words + &waiting(e.waiting_seconds, e.seconds));
        }
        Body::CheckpointSaved { epoch, step, bytes } => {
            say(Level::Debug, format!("checkpoint {}, {}", text::moment(*epoch, *step), text::bytes(*bytes)));
        }
        Body::CommandAccepted { command, .. } => say(Level::Debug, format!("{command}: accepted")),
        Body::CommandRefused { command, reason, .. } => {
            say(Level::Warning, format!("{command}: refused: {reason}"));
        }
        Body::Paused => say(info, "paused".into()),
        Body::Resumed => say(info, "resumed".into()),
        Body::Log { level, text } => say(*level, text.clone()),
        Body::Found { genotype, parameters, macs, stem } => {
            let (parameters, macs) = (text::count_or_more(*parameters), text::count_or_more(*macs));
            let size = published_size(genotype, *stem);
            say(info, genotype.to_string());
            say(info, format!("as a network of {size}: {parameters} parameters, {macs} multiply-accumulates"));
        }
        Body::RunEnded { outcome, detail, .. } => {
            let (level, word) = match outcome {
                Outcome::Done => (info, "done"),
                Outcome::Stopped => (info, "stopped"),
                Outcome::Aborted => (Level::Warning, "aborted"),
                Outcome::Failed => (Level::Error, "failed"),
            };
            say(level, if detail.is_empty() { word.into() } else { format!("{word}: {detail}") });
        }
        _ => {}
    }
    all
}

fn peak(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "peak not available".into(), |b| format!("peak {}", text::bytes(b)))
}

/// How many removals were within noise, and how many had no score at all.
fn doubts(removed: &[Removal]) -> String {
    let undefined = removed.iter().filter(|r| r.undefined).count();
    let ties = removed.iter().filter(|r| r.tie && !r.undefined).count();
    let mut words = String::new();
    if ties > 0 || undefined == 0 {
        words += &format!(", {ties} of them within noise");
    }
    if undefined > 0 {
        words += &format!(", {undefined} at random, without a score");
    }
    words
}

/// A cut that was proposed or confirmed.
fn cut(word: &str, c: &Cut) -> String {
    let hand = if c.by_hand.is_empty() { String::new() } else { format!(", {} by hand", c.by_hand.len()) };
    let step = match (c.step_seconds, c.full_step_seconds) {
        (Some(now), Some(full)) => {
            format!(", a search step {} instead of {}", text::seconds(now), text::seconds(full))
        }
        _ => String::new(),
    };
    let doubt = c.not_by_scores().map_or_else(String::new, |reason| format!("{reason}; "));
    format!(
        "cut {word}: {doubt}{} {}{hand}, {} of {} operations kept, predicted memory {} instead of {}{step}",
        cut_size(c),
        cut_source(c),
        c.mask.count(),
        c.of(),
        text::bytes(c.memory_bytes),
        text::bytes(c.full_memory_bytes)
    )
}

/// Loss and accuracy of an epoch on the training pictures, and on those that were held out.
fn epoch(
    epoch: usize,
    train: (f64, f64),
    held_out: &str,
    (other, classes): ((f64, f64), Option<f64>),
    seconds: f64,
) -> String {
    format!(
        "epoch {}: loss {:.4} train, {:.4} {held_out}; accuracy {:.2} %, {:.2} %{}; {}",
        epoch + 1,
        train.0,
        other.0,
        100.0 * train.1,
        100.0 * other.1,
        balanced(other.1, classes),
        text::duration(seconds)
    )
}

/// The mean accuracy over classes, behind the accuracy, where that is another number.
pub fn balanced(accuracy: f64, over_classes: Option<f64>) -> String {
    apart(accuracy, over_classes).map_or_else(String::new, |a| format!(", balanced {:.2} %", 100.0 * a))
}

/// The mean accuracy over classes, where it is another number than the accuracy.
pub fn apart(accuracy: f64, over_classes: Option<f64>) -> Option<f64> {
    over_classes.filter(|a| (a - accuracy).abs() >= 5e-5)
}

/// That steps waited for pictures, where it is worth telling.
fn waiting(waited: Option<f64>, seconds: f64) -> String {
    let share = waited.map(|w| w / seconds).filter(|share| *share >= 0.05);
    share.map_or_else(String::new, |s| format!("; {:.0} % of it waiting for pictures", 100.0 * s))
}

/// The size of the evaluation network that a found genotype is counted as, in words.
pub fn published_size(genotype: &Genotype, stem: Stem) -> String {
    Network::published(genotype.stacking, stem).size(genotype.stacking)
}

/// How much the automatic part of a cut keeps: `ξ 0.5`, `within 150 MiB`, or that each edge has a count of its own.
pub fn cut_size(cut: &Cut) -> String {
    match cut.budget_bytes {
        Some(budget) => format!("within {}", text::bytes(budget)),
        None if !cut.kept_per_edge.is_empty() => format!("a count for each edge (ξ {})", level_text(cut.xi)),
        None if cut.scope == Scope::Global => format!("ξ {} global", level_text(cut.xi)),
        None => format!("ξ {}", level_text(cut.xi)),
    }
}

/// What decided a cut: `by scores`, `not by scores`, `by naswot`, `by random`, …
pub fn cut_source(cut: &Cut) -> String {
    if cut.mask.count() == cut.of() {
        return "(the whole space)".into();
    }
    let word = if cut.not_by_scores().is_some() { "not by" } else { "by" };
    let source = if cut.source == Source::Scores.name() { cut.by.words() } else { cut.source.replace('_', " ") };
    format!("{word} {}", text::sanitize(&source))
}
