//! A run in a few numbers: a fold over its journal.

use serde::Serialize;

use crate::run::RunFolder;
use crate::run::event::{Body, Cut, Event, Outcome, Stage};
use crate::run::journal::Tail;
use crate::run::number::Number;
use crate::space::Genotype;

/// What `zonas runs` and `zonas show` tell. What is not known yet is absent.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub run: String,
    pub folder: String,
    /// `scoring`, `waiting for a cut`, `searching`, `done`, `stopped`, `aborted`, `failed`, `crashed`, `new`.
    pub state: String,
    pub detail: Option<String>,
    pub data: Option<String>,
    pub device: Option<String>,
    pub threads: Option<usize>,
    pub seed: Option<u64>,
    pub functions: Vec<String>,
    pub scoring_seconds: Option<f64>,
    pub scoring_peak_bytes: Option<u64>,
    pub ties: Option<usize>,
    pub removals: Option<usize>,
    pub undefined: Option<usize>,
    pub xi: Option<f64>,
    pub kept: Option<usize>,
    pub by_hand: Option<usize>,
    pub source: Option<String>,
    pub predicted_bytes: Option<u64>,
    pub full_bytes: Option<u64>,
    /// Epochs that have ended, and those that are planned.
    pub epoch: Option<usize>,
    pub epochs: Option<usize>,
    pub search_seconds: Option<f64>,
    pub search_peak_bytes: Option<u64>,
    pub train_loss: Option<Number>,
    pub train_accuracy: Option<f64>,
    pub valid_loss: Option<Number>,
    pub valid_accuracy: Option<f64>,
    pub best_valid_accuracy: Option<f64>,
    pub genotype: Option<Genotype>,
    pub parameters: Option<u64>,
    pub macs: Option<u64>,
    pub warnings: usize,
    /// Lines of the journal that could not be read.
    pub skipped_lines: u64,
}

impl Report {
    pub fn read(folder: &RunFolder) -> Report {
        let mut report = Report {
            run: folder.name(),
            folder: folder.path().display().to_string(),
            state: "new".into(),
            ..Report::default()
        };
        let mut tail = Tail::events(folder);
        let (mut stage, mut ended) = (None, false);
        loop {
            let events = tail.read();
            if events.is_empty() {
                break;
            }
            for e in &events {
                report.fold(e, &mut stage, &mut ended);
            }
        }
        report.skipped_lines = tail.skipped;
        if !ended && stage.is_some() && !folder.is_locked() {
            // Its engine is gone without a word.
            report.state = "crashed".into();
        }
        report
    }

    fn cut(&mut self, cut: &Cut) {
        self.xi = Some(cut.xi);
        self.kept = Some(cut.mask.count());
        self.by_hand = Some(cut.by_hand.len());
        self.source = Some(cut.source.clone());
        (self.predicted_bytes, self.full_bytes) = (Some(cut.memory_bytes), Some(cut.full_memory_bytes));
    }

    fn fold(&mut self, event: &Event, stage: &mut Option<Stage>, ended: &mut bool) {
        match &event.body {
            Body::RunStarted(s) => {
                *ended = false;
                self.state = "started".into();
                self.data = Some(s.data.name.clone());
                self.device = Some(s.device.clone());
                (self.threads, self.seed) = (Some(s.threads), Some(s.seed));
            }
            Body::StageStarted { stage: s } => {
                *stage = Some(*s);
                self.state = match s {
                    Stage::Score => "scoring",
                    Stage::Cut => "waiting for a cut",
                    Stage::Search => "searching",
                    Stage::Cell => "deriving the cell",
                }
                .into();
            }
            Body::StageEnded { stage: Stage::Search, seconds, peak_bytes } => {
                (self.search_seconds, self.search_peak_bytes) = (Some(*seconds), *peak_bytes);
            }
            Body::ScoringStarted(s) => self.functions.clone_from(&s.functions),
            Body::ScoringEnded(s) => {
                (self.scoring_seconds, self.scoring_peak_bytes) = (Some(s.seconds), s.peak_bytes);
                (self.ties, self.removals, self.undefined) = (Some(s.ties), Some(s.order.len()), Some(s.undefined));
            }
            Body::CutProposed(c) | Body::CutConfirmed(c) => self.cut(c),
            Body::SearchStarted(s) => {
                self.epochs = Some(s.epochs);
                self.epoch.get_or_insert(0);
            }
            Body::EpochEnded(e) => {
                self.epoch = Some(e.epoch + 1);
                (self.train_loss, self.train_accuracy) = (Some(e.train_loss), Some(e.train_accuracy));
                (self.valid_loss, self.valid_accuracy) = (Some(e.valid_loss), Some(e.valid_accuracy));
                let best = self.best_valid_accuracy.unwrap_or(0.0);
                self.best_valid_accuracy = Some(best.max(e.valid_accuracy));
                self.genotype = Some(e.genotype.clone());
            }
            Body::Found { genotype, parameters, macs } => {
                self.genotype = Some(genotype.clone());
                (self.parameters, self.macs) = (Some(*parameters), Some(*macs));
            }
            Body::Paused => self.state = "paused".into(),
            Body::Resumed => {
                self.state = if *stage == Some(Stage::Search) { "searching" } else { "scoring" }.into();
            }
            Body::Log { level, .. } if *level >= crate::run::event::Level::Warning => self.warnings += 1,
            Body::RunEnded { outcome, detail } => {
                *ended = true;
                self.detail = Some(detail.clone());
                self.state = match outcome {
                    Outcome::Done => "done",
                    Outcome::Stopped => "stopped",
                    Outcome::Aborted => "aborted",
                    Outcome::Failed => "failed",
                }
                .into();
            }
            _ => {}
        }
    }
}
