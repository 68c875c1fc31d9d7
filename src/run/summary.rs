//! A run in a few numbers: the one fold over a journal for all who read it without a screen.

use serde::Serialize;

use super::assessed::Assessed;
use super::event::{Body, Cut, Event, Level, Outcome, PlaceSummary, Stage, TrainingStarted};
use super::folder::{EVENTS, FolderError, RunFolder, io_error};
use super::journal::Tail;
use super::lock::Liveness;
use super::notes::Notes;
use super::number::Number;
use super::status::{Progress, Status};
use crate::space::cut::Scope;
use crate::space::{By, Genotype, Place, Stem};

/// What `zonas runs` and `zonas show` tell. What is not known yet is absent.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    pub run: String,
    pub folder: String,
    /// `new`, `running`, `paused`, `queued`, `waiting for a cut`, `done`, `stopped`, `aborted`, `failed`, `crashed`, `unreachable`, `unreadable`.
    pub state: &'static str,
    /// What it is at, or why it is so.
    pub detail: Option<String>,
    /// Time of the latest event, seconds since 1970.
    pub last: Option<f64>,
    pub data: Option<String>,
    /// What pictures are normalised with, by channel, of pixels from 0 to 1, and where that comes from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mean: Vec<f32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deviation: Vec<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalisation: Option<String>,
    #[serde(skip)]
    pub pixels: Option<String>,
    pub device: Option<String>,
    pub threads: Option<usize>,
    pub seed: Option<u64>,
    pub functions: Vec<String>,
    pub scoring_seconds: Option<f64>,
    pub scoring_peak_bytes: Option<u64>,
    pub ties: Option<usize>,
    pub removals: Option<usize>,
    /// Removals that no ranking function had a score for.
    pub at_random: Option<usize>,
    pub undefined: Option<usize>,
    pub xi: Option<f64>,
    pub kept: Option<usize>,
    pub by_hand: Option<usize>,
    pub source: Option<String>,
    /// The budget of a cut that keeps what fits into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_bytes: Option<u64>,
    /// Operations that each edge keeps by the settings, where that is not the same everywhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept_per_edge: Vec<usize>,
    /// Over what the level of the cut is a share.
    #[serde(skip_serializing_if = "Scope::is_edge")]
    pub scope: Scope,
    /// Why a cut by scores is not by scores, if that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_by_scores: Option<String>,
    /// Nothing was scored: the settings ask for a control.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unscored: bool,
    /// Of a cut by scores, which of their functions, and how they are put together, where that is not as the settings say.
    #[serde(flatten)]
    pub cut_by: By,
    /// Whether the cut is any good, as far as that can be told without training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Assessed>,
    /// What the table of the settings says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_the_table: Option<String>,
    #[serde(skip)]
    pub cut: Option<Cut>,
    pub predicted_bytes: Option<u64>,
    pub full_bytes: Option<u64>,
    /// Set where the run trains a genotype from scratch: accuracies and losses besides the training ones are then those on the
    /// test pictures, and the seconds and bytes of the search are those of the training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trains: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trained_size: Option<TrainedSize>,
    /// Epochs that have ended, and those that are planned.
    pub epoch: Option<usize>,
    pub epochs: Option<usize>,
    /// Why the search ended before its last epoch, by a rule of its method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_early: Option<String>,
    pub search_seconds: Option<f64>,
    pub search_peak_bytes: Option<u64>,
    pub train_loss: Option<Number>,
    pub train_accuracy: Option<f64>,
    pub valid_loss: Option<Number>,
    pub valid_accuracy: Option<f64>,
    /// Mean over the classes: the share of each one's pictures that was classified rightly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_balanced_accuracy: Option<f64>,
    pub best_valid_accuracy: Option<f64>,
    pub genotype: Option<Genotype>,
    pub parameters: Option<u64>,
    pub macs: Option<u64>,
    /// What stands before the cells, where it is not the plain one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stem: Option<Stem>,
    pub warnings: usize,
    /// What a person wrote beside the run.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Lines of the journal that could not be read.
    pub skipped_lines: u64,
    /// Cuts that were proposed so far.
    #[serde(skip)]
    pub proposals: usize,
    /// Whether the last cut is confirmed.
    #[serde(skip)]
    pub confirmed: bool,
    /// What scoring removed, first to last.
    #[serde(skip)]
    pub order: Vec<Place>,
    /// What the first round of scoring found, in which every operation took part.
    #[serde(skip)]
    pub first_round: Vec<PlaceSummary>,
    /// How an engine ended, where that was its last word.
    #[serde(skip)]
    pub outcome: Option<Outcome>,
    /// It failed by what was asked for.
    #[serde(skip)]
    pub bad_input: bool,
    /// How it stands, as far as the journal tells.
    #[serde(skip)]
    pub progress: Progress,
    /// Why nothing is known of the run: its journal can't be read.
    #[serde(skip)]
    pub unreadable: Option<String>,
}

/// The network of a training: the auxiliary head's parameters among them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrainedSize {
    pub channels: usize,
    pub cells: usize,
    pub parameters: u64,
}

/// What `zonas show` tells of a run, and how it stands.
#[derive(Clone, Debug)]
pub struct Read {
    pub summary: Summary,
    pub status: Status,
}

impl Summary {
    pub fn read(folder: &RunFolder) -> Read {
        let mut summary =
            Summary { run: folder.name(), folder: folder.path().display().to_string(), ..Summary::default() };
        // Before the journal: an engine that ends meanwhile has written its last word.
        let liveness = Liveness::of(folder);
        let mut tail = Tail::events(folder).without_dense();
        loop {
            let events = tail.read();
            if events.is_empty() {
                break;
            }
            events.iter().for_each(|e| summary.apply(e));
        }
        summary.unreadable = tail.fault.take();
        // What is wrong with it is its text: the run can be told of all the same.
        match Notes::read(folder) {
            Ok(notes) => (summary.note, summary.tags) = (notes.note, notes.tags),
            Err(e) => summary.note = e.to_string(),
        }
        summary.skipped_lines = tail.skipped;
        summary.last = (summary.progress.last > 0.0).then_some(summary.progress.last);
        let status = summary.progress.status(&liveness, folder);
        (summary.state, summary.detail) = match &summary.unreadable {
            Some(why) => ("unreadable", Some(why.clone())),
            None => (status.word(), status.detail().map(str::to_string)),
        };
        Read { summary, status }
    }

    /// The same, of a run whose journal can be read, or is not there yet.
    ///
    /// # Errors
    /// It is there and can't be read, so nothing can be told of the run.
    pub fn readable(folder: &RunFolder) -> Result<Read, FolderError> {
        let read = Summary::read(folder);
        match &read.summary.unreadable {
            Some(why) => Err(io_error("read", &folder.file(EVENTS))(std::io::Error::other(why.clone()))),
            None => Ok(read),
        }
    }

    /// Whether the run was left off with a cut that a person has to confirm.
    pub fn stopped_at_cut(&self) -> bool {
        self.state == "stopped" && self.kept.is_some() && self.epoch.is_none() && self.genotype.is_none()
    }

    fn cut(&mut self, cut: &Cut) {
        self.xi = Some(cut.xi);
        self.kept = Some(cut.mask.count());
        self.by_hand = Some(cut.by_hand.len());
        self.source = Some(cut.source.clone());
        self.budget_bytes = cut.budget_bytes;
        self.kept_per_edge.clone_from(&cut.kept_per_edge);
        self.scope = cut.scope;
        self.not_by_scores = cut.not_by_scores();
        self.unscored = cut.unscored;
        self.cut_by.clone_from(&cut.by);
        self.verdict.clone_from(&cut.verdict);
        self.cut = Some(cut.clone());
        (self.predicted_bytes, self.full_bytes) = (Some(cut.memory_bytes), Some(cut.full_memory_bytes));
    }

    /// Takes the next event in.
    pub fn apply(&mut self, event: &Event) {
        self.progress.apply(event);
        self.outcome = None;
        match &event.body {
            Body::RunStarted(s) => {
                self.data = Some(s.data.name.clone());
                (self.mean, self.deviation) = (s.data.mean.clone(), s.data.deviation.clone());
                self.pixels = s.data.pixels();
                self.normalisation = self.pixels.is_some().then(|| s.data.normalisation.clone());
                self.device = Some(s.device.clone());
                (self.threads, self.seed) = (Some(s.threads), Some(s.seed));
                self.stem = Some(s.stem).filter(|stem| *stem != Stem::default());
            }
            Body::TrainingStarted(t) => {
                (self.trains, self.epochs) = (Some(true), Some(t.epochs));
                let TrainingStarted { channels, cells, parameters, .. } = *t;
                self.trained_size = Some(TrainedSize { channels, cells, parameters });
                self.epoch.get_or_insert(0);
                self.predicted_bytes = Some(t.predicted_bytes);
            }
            Body::StageEnded { stage: Stage::Search | Stage::Train, seconds, peak_bytes } => {
                (self.search_seconds, self.search_peak_bytes) = (Some(*seconds), *peak_bytes);
            }
            Body::ScoringStarted(s) => self.functions.clone_from(&s.functions),
            Body::RoundEnded { round: 0, summaries, .. } => self.first_round.clone_from(summaries),
            Body::ScoringEnded(s) => {
                (self.scoring_seconds, self.scoring_peak_bytes) = (Some(s.seconds), s.peak_bytes);
                let unscored = s.order.iter().filter(|r| r.undefined).count();
                let ties = s.order.iter().filter(|r| r.tie && !r.undefined).count();
                (self.ties, self.removals, self.undefined) = (Some(ties), Some(s.order.len()), Some(s.undefined));
                self.at_random = Some(unscored);
                self.order = s.order.iter().map(|r| r.place).collect();
            }
            Body::CutProposed(c) => {
                self.proposals += 1;
                self.confirmed = false;
                self.cut(c);
            }
            Body::CutConfirmed(c) => {
                self.confirmed = true;
                self.cut(c);
            }
            Body::RunEnded { outcome, bad_input, .. } => (self.outcome, self.bad_input) = (Some(*outcome), *bad_input),
            Body::SearchStarted(s) => {
                self.epochs = Some(s.epochs);
                self.epoch.get_or_insert(0);
            }
            Body::EpochEnded(e) => {
                self.epoch = Some(e.epoch + 1);
                (self.train_loss, self.train_accuracy) = (Some(e.train_loss), Some(e.train_accuracy));
                (self.valid_loss, self.valid_accuracy) = (Some(e.valid_loss), Some(e.valid_accuracy));
                self.valid_balanced_accuracy = e.valid_balanced_accuracy;
                let best = self.best_valid_accuracy.unwrap_or(0.0);
                self.best_valid_accuracy = Some(best.max(e.valid_accuracy));
                self.genotype = Some(e.genotype.clone());
            }
            Body::TrainingEpochEnded(e) => {
                self.epoch = Some(e.epoch + 1);
                (self.train_loss, self.train_accuracy) = (Some(e.train_loss), Some(e.train_accuracy));
                (self.valid_loss, self.valid_accuracy) = (Some(e.test_loss), Some(e.test_accuracy));
                self.valid_balanced_accuracy = e.test_balanced_accuracy;
                let best = self.best_valid_accuracy.unwrap_or(0.0);
                self.best_valid_accuracy = Some(best.max(e.test_accuracy));
            }
            Body::SearchStopped { reason, .. } => self.stopped_early = Some(reason.clone()),
            Body::Found { genotype, parameters, macs, .. } => {
                self.genotype = Some(genotype.clone());
                (self.parameters, self.macs) = (*parameters, *macs);
            }
            Body::Log { level, .. } if *level >= Level::Warning => self.warnings += 1,
            _ => {}
        }
    }
}
