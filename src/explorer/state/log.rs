//! What the engine said, and what happened, as lines.

use std::collections::VecDeque;

use super::Epoch;
use crate::run::event::{Body, Event, Level, Outcome};
use crate::text;

/// One line of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Seconds since 1970.
    pub time: f64,
    pub level: Level,
    pub text: String,
}

/// What the engine said, and what happened, as text; bounded.
#[derive(Clone, Debug, Default)]
pub struct Log {
    pub lines: VecDeque<Line>,
    /// Lines that made room for later ones.
    pub dropped: u64,
}

/// Lines kept.
const CAPACITY: usize = 5000;

impl Log {
    pub(super) fn note(&mut self, event: &Event) {
        if let Some((level, text)) = describe(&event.body) {
            if self.lines.len() == CAPACITY {
                self.lines.pop_front();
                self.dropped += 1;
            }
            self.lines.push_back(Line { time: event.time, level, text: text::sanitize(&text) });
        }
    }
}

/// The line of an event; the many small ones have none.
fn describe(body: &Body) -> Option<(Level, String)> {
    let info = |text: String| Some((Level::Info, text));
    match body {
        Body::RunStarted(run) => info(format!(
            "run {} on {} ({}), seed {}, {}: {} pictures of {}x{}x{}",
            run.run,
            run.device,
            text::threads(run.threads),
            run.seed,
            run.data.name,
            run.data.train,
            run.data.height,
            run.data.width,
            run.data.channels
        )),
        Body::StageStarted { stage } => info(format!("{} begins", stage.name())),
        Body::StageEnded { stage, seconds, peak_bytes } => info(format!(
            "{} took {}{}",
            stage.name(),
            text::duration(*seconds),
            peak_bytes.map_or(String::new(), |b| format!(", peak {}", text::bytes(b)))
        )),
        Body::RoundEnded { round, seconds, removed, .. } => info(format!(
            "round {}: {} operations go ({} within noise), {}",
            round + 1,
            removed.len(),
            removed.iter().filter(|r| r.tie).count(),
            text::duration(*seconds)
        )),
        Body::CutProposed(cut) => info(format!(
            "cut proposed: {} of {} kept, {} {}, {} by hand",
            cut.mask.count(),
            cut.of(),
            text::cut_size(cut),
            text::cut_source(cut),
            cut.by_hand.len()
        )),
        Body::CutConfirmed(cut) => info(format!("cut confirmed: {} of {} kept", cut.mask.count(), cut.of())),
        Body::EpochEnded(e) => info(epoch(&e.into(), "valid", e.seconds)),
        Body::TrainingEpochEnded(e) => info(epoch(&e.into(), "test", e.seconds)),
        Body::SearchStopped { epoch, reason } => info(format!("the search stops after epoch {}: {reason}", epoch + 1)),
        Body::CheckpointSaved { epoch, step, bytes } => {
            info(format!("checkpoint {}, {}", text::moment(*epoch, *step), text::bytes(*bytes)))
        }
        Body::CommandAccepted { command, .. } => Some((Level::Debug, format!("{command}: accepted"))),
        Body::CommandRefused { command, reason, .. } => Some((Level::Warning, format!("{command}: refused: {reason}"))),
        Body::Paused => info("paused".into()),
        Body::Resumed => info("goes on".into()),
        Body::Log { level, text } => Some((*level, text.clone())),
        Body::RunEnded { outcome, detail } => {
            let (level, word) = match outcome {
                Outcome::Done => (Level::Info, "done"),
                Outcome::Stopped => (Level::Info, "stopped"),
                Outcome::Aborted => (Level::Warning, "aborted"),
                Outcome::Failed => (Level::Error, "failed"),
            };
            Some((level, if detail.is_empty() { word.into() } else { format!("{word}: {detail}") }))
        }
        _ => None,
    }
}

fn epoch(e: &Epoch, held_out: &str, seconds: f64) -> String {
    format!(
        "epoch {}: loss {} train, {} {held_out}; accuracy {:.1} %, {:.1} %; {}",
        e.epoch + 1,
        text::significant(e.train_loss, 4),
        text::significant(e.held_out_loss, 4),
        e.train_accuracy * 100.0,
        e.held_out_accuracy * 100.0,
        text::duration(seconds)
    )
}
