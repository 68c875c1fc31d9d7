//! Events as lines for people.

use crate::run::event::{Body, Event, Level, Outcome, Removal, Stage};
use crate::text;

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

/// Zero or more lines for an event.
pub fn lines(event: &Event) -> Vec<String> {
    match &event.body {
        // The data tells of itself, in a line of the log.
        Body::RunStarted(s) => {
            vec![format!("run {} with seed {} on {}, {}", s.run, s.seed, s.device, text::threads(s.threads))]
        }
        Body::ScoringStarted(s) => vec![format!(
            "scoring by {}: {} in {}, {}, proxy network of {} and {}",
            s.functions.join(" + "),
            text::counted(s.evaluations, "evaluation"),
            text::counted(s.rounds, "round"),
            text::counted(s.draws, "draw"),
            text::counted(s.channels, "channel"),
            text::counted(s.cells.len(), "cell")
        )],
        Body::RoundEnded { round, seconds, removed, .. } => {
            vec![format!(
                "round {}: {} operations go{} ({})",
                round + 1,
                removed.len(),
                doubts(removed),
                text::duration(*seconds)
            )]
        }
        Body::ScoringEnded(s) => {
            let peak = s.peak_bytes.map_or("peak not available".into(), |b| format!("peak {}", text::bytes(b)));
            let undefined = if s.undefined > 0 { format!("; {} undefined values", s.undefined) } else { String::new() };
            vec![format!(
                "scored in {}, {peak}; {} decisions{}{undefined}",
                text::duration(s.seconds),
                s.order.len(),
                doubts(&s.order)
            )]
        }
        Body::CutProposed(c) | Body::CutConfirmed(c) => {
            let word = if matches!(event.body, Body::CutConfirmed(_)) { "confirmed" } else { "proposed" };
            let hand = if c.by_hand.is_empty() { String::new() } else { format!(", {} by hand", c.by_hand.len()) };
            let step = match (c.step_seconds, c.full_step_seconds) {
                (Some(now), Some(full)) => {
                    format!(", a search step {} instead of {}", text::seconds(now), text::seconds(full))
                }
                _ => String::new(),
            };
            let (doubt, told) = match c.not_by_scores() {
                Some(reason) => (format!("{reason}; "), 1),
                None => (String::new(), 0),
            };
            let mut all = vec![format!(
                "cut {word}: {doubt}{} {}{hand}, {} of {} operations kept, predicted memory {} instead of {}{step}",
                text::cut_size(c),
                text::cut_source(c),
                c.mask.count(),
                c.of(),
                text::bytes(c.memory_bytes),
                text::bytes(c.full_memory_bytes)
            )];
            if word == "proposed" {
                all.extend(c.warnings.iter().skip(told).map(|w| format!("  note: {w}")));
            }
            all
        }
        Body::SearchStarted(s) => vec![format!(
            "search of order {}{}: {} of {} with {}, {} training and {} validation pictures, {} weights",
            s.order,
            s.other_parts().iter().map(|p| format!(", {p}")).collect::<String>(),
            text::counted(s.epochs, "epoch"),
            text::counted(s.steps_per_epoch, "step"),
            text::counted(s.batch, "picture"),
            s.train,
            s.valid,
            s.parameters
        )],
        Body::SearchStopped { epoch, reason } => {
            vec![format!("the search stops after epoch {}: {reason}", epoch + 1)]
        }
        Body::TrainingStarted(t) => vec![format!(
            "training from scratch: {}, {}{}, {} weights; {} of {} with {}, {} training and {} test \
             pictures",
            text::counted(t.channels, "channel"),
            text::counted(t.cells, "cell"),
            if t.auxiliary { ", an auxiliary head" } else { "" },
            t.parameters,
            text::counted(t.epochs, "epoch"),
            text::counted(t.steps_per_epoch, "step"),
            text::counted(t.batch, "picture"),
            t.train,
            t.test
        )],
        Body::EpochEnded(e) => {
            let (train, valid) = ((e.train_loss.0, e.train_accuracy), (e.valid_loss.0, e.valid_accuracy));
            vec![epoch(e.epoch, train, "validation", valid, e.seconds)]
        }
        Body::TrainingEpochEnded(e) => {
            let (train, test) = ((e.train_loss.0, e.train_accuracy), (e.test_loss.0, e.test_accuracy));
            vec![epoch(e.epoch, train, "test", test, e.seconds)]
        }
        Body::StageEnded { stage: stage @ (Stage::Search | Stage::Train), seconds, peak_bytes } => {
            let peak = peak_bytes.map_or("peak not available".into(), |b| format!("peak {}", text::bytes(b)));
            let did = if *stage == Stage::Search { "searched" } else { "trained" };
            vec![format!("{did} in {}, {peak}", text::duration(*seconds))]
        }
        Body::CommandRefused { command, reason, .. } => vec![format!("{command} refused: {reason}")],
        Body::Paused => vec!["paused".into()],
        Body::Resumed => vec!["resumed".into()],
        Body::Log { level, text } if *level >= Level::Info => {
            let word = match level {
                Level::Debug | Level::Info => "",
                Level::Warning => "warning: ",
                Level::Error => "error: ",
            };
            vec![format!("{word}{text}")]
        }
        Body::Found { genotype, parameters, macs } => vec![
            format!("{genotype}"),
            format!(
                "as a network of 36 channels and 20 cells: {} parameters, {} multiply-accumulates",
                text::count(*parameters),
                text::count(*macs)
            ),
        ],
        Body::RunEnded { outcome, detail } => {
            let word = match outcome {
                Outcome::Done => "done",
                Outcome::Stopped => "stopped",
                Outcome::Aborted => "aborted",
                // Said as the program's error.
                Outcome::Failed => return Vec::new(),
            };
            vec![if detail.is_empty() { word.to_string() } else { format!("{word}: {detail}") }]
        }
        _ => Vec::new(),
    }
}

/// Loss and accuracy of an epoch on the training pictures, and on those that were held out.
fn epoch(epoch: usize, train: (f64, f64), held_out: &str, other: (f64, f64), seconds: f64) -> String {
    format!(
        "epoch {:>3}  train loss {:.4} accuracy {:5.2} %  {held_out} loss {:.4} accuracy {:5.2} %  {}",
        epoch + 1,
        train.0,
        100.0 * train.1,
        other.0,
        100.0 * other.1,
        text::duration(seconds)
    )
}
