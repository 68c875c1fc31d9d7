//! The list of runs: one row each, folded from its journal.

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

use crate::run::status::Status;
use crate::run::summary::{self, Summary};
use crate::run::{EVENTS, RunFolder};

/// One run in the list.
#[derive(Clone, Debug)]
pub struct Row {
    pub folder: RunFolder,
    pub name: String,
    pub status: String,
    /// An engine is at work on it.
    pub has_engine: bool,
    /// It can be resumed.
    pub can_go_on: bool,
    pub data: String,
    pub seed: Option<u64>,
    /// Pruning level and source of its cut.
    pub cut: Option<(f64, String)>,
    /// Operations that its cut keeps.
    pub kept: Option<usize>,
    /// Predicted bytes of its search or training.
    pub memory: Option<u64>,
    /// Epochs that have ended, and those that are planned.
    pub epochs: Option<(usize, usize)>,
    /// It trains a genotype from scratch.
    pub trains: bool,
    /// Best accuracy of an epoch: of the supernet on the validation pictures, of a training on the test pictures.
    pub accuracy: Option<f64>,
    /// Time of the latest event, seconds since 1970.
    pub last: f64,
}

impl Row {
    fn read(folder: RunFolder) -> Row {
        let summary::Read { summary, status: state } = Summary::read(&folder);
        let (has_engine, can_go_on) = (state.has_engine(), state.can_go_on());
        let status = match state {
            Status::Running(doing) => doing,
            Status::Starting => "starting".into(),
            // It waits for a person, though no engine waits with it.
            Status::Stopped(_) if summary.stopped_at_cut() => "stopped at its cut".into(),
            other => other.word().into(),
        };
        Row {
            name: folder.name(),
            folder,
            status,
            has_engine,
            can_go_on,
            data: summary.data.unwrap_or_default(),
            seed: summary.seed,
            cut: summary.xi.zip(summary.source),
            kept: summary.kept,
            memory: summary.predicted_bytes,
            epochs: summary.epoch.zip(summary.epochs),
            trains: summary.trains == Some(true),
            accuracy: summary.best_valid_accuracy,
            last: summary.last.unwrap_or(0.0),
        }
    }
}

/// What a scan tells.
pub enum Found {
    /// One more run, and of how many.
    One(Box<Row>, usize),
    /// All of them, the newest first; nothing comes after it.
    All(Vec<Row>),
}

/// Reads all runs on a thread, and tells of each as it is read: those whose journal was written last come first.
pub fn scan(runs: &Path) -> Receiver<Found> {
    let (sender, receiver) = channel();
    let runs = runs.to_path_buf();
    let _ = std::thread::Builder::new().name("runs".into()).spawn(move || {
        // Nobody may be listening any more.
        let _ = sender.send(Found::All(read_each(&runs, |row, of| {
            let _ = sender.send(Found::One(Box::new(row.clone()), of));
        })));
    });
    receiver
}

/// All runs, the newest first; none where there is no such folder, or it can't be read.
pub fn read(runs: &Path) -> Vec<Row> {
    read_each(runs, |_, _| {})
}

fn read_each(runs: &Path, mut tell: impl FnMut(&Row, usize)) -> Vec<Row> {
    let mut folders = RunFolder::list(runs).unwrap_or_default();
    let written = |f: &RunFolder| std::fs::metadata(f.file(EVENTS)).and_then(|m| m.modified()).ok();
    folders.sort_by_cached_key(|f| std::cmp::Reverse(written(f)));
    let of = folders.len();
    let mut rows = Vec::with_capacity(of);
    for folder in folders {
        let row = Row::read(folder);
        tell(&row, of);
        rows.push(row);
    }
    sort(&mut rows);
    rows
}

/// The newest first.
pub fn sort(rows: &mut [Row]) {
    rows.sort_by(|a, b| b.last.total_cmp(&a.last).then_with(|| a.name.cmp(&b.name)));
}
