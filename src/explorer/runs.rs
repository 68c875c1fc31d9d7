//! The list of runs: one row each, folded from its journal.

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

use crate::run::RunFolder;
use crate::run::report::{self, Report};
use crate::run::standing::Standing;

/// One run in the list.
#[derive(Clone, Debug)]
pub struct Row {
    pub folder: RunFolder,
    pub name: String,
    pub status: String,
    /// An engine is at work on it.
    pub has_engine: bool,
    /// It can be taken up again.
    pub can_go_on: bool,
    pub data: String,
    /// Operations that its cut keeps.
    pub kept: Option<usize>,
    /// Best accuracy of an epoch: of the supernet on the validation pictures, of a training on the test pictures.
    pub accuracy: Option<f64>,
    /// Time of the latest event, seconds since 1970.
    pub last: f64,
}

impl Row {
    fn read(folder: RunFolder) -> Row {
        let report::Read { report, standing } = Report::read(&folder);
        let (has_engine, can_go_on) = (standing.has_engine(), standing.can_go_on());
        let status = match standing {
            Standing::Running(doing) => doing,
            Standing::Starting => "starting".into(),
            other => other.word().into(),
        };
        Row {
            name: folder.name(),
            folder,
            status,
            has_engine,
            can_go_on,
            data: report.data.unwrap_or_default(),
            kept: report.kept,
            accuracy: report.best_valid_accuracy,
            last: report.last.unwrap_or(0.0),
        }
    }
}

/// Reads all runs on a thread; the newest comes first in what arrives.
pub fn scan(runs: &Path) -> Receiver<Vec<Row>> {
    let (sender, receiver) = channel();
    let runs = runs.to_path_buf();
    let _ = std::thread::Builder::new().name("runs".into()).spawn(move || {
        // Nobody may be listening any more.
        let _ = sender.send(read(&runs));
    });
    receiver
}

/// All runs, the newest first; none where there is no such folder, or it can't be read.
pub fn read(runs: &Path) -> Vec<Row> {
    let folders = RunFolder::list(runs).unwrap_or_default();
    let mut rows: Vec<Row> = folders.into_iter().map(Row::read).collect();
    rows.sort_by(|a, b| b.last.total_cmp(&a.last).then_with(|| a.name.cmp(&b.name)));
    rows
}
