//! The list of runs, read on a thread of its own again and again; what is in it is `run::listing`'s.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::run::listing::{Listed, Reader};

/// One run in the list.
pub type Row = Arc<Listed>;

/// What a scan tells.
pub enum Found {
    /// One more run, and of how many.
    One(Row, usize),
    /// All of them, the newest first; nothing comes after it.
    All(Vec<Row>),
}

/// The thread that reads, which remembers what it has read.
pub struct Scanner {
    asks: Sender<()>,
    found: Receiver<Found>,
    /// A scan is under way.
    pub busy: bool,
}

impl Scanner {
    pub fn new(runs: &Path) -> Scanner {
        let (asks, asked) = channel();
        let (tell, found) = channel();
        let runs = runs.to_path_buf();
        // Without a thread the list stays empty.
        let _ = std::thread::Builder::new().name("runs".into()).spawn(move || {
            let mut reader = Reader::default();
            let mut first = true;
            for () in asked {
                // Later all come at once: the list is replaced as a whole then.
                let all = reader.read(&runs, |row, of| {
                    if first {
                        let _ = tell.send(Found::One(Arc::clone(row), of));
                    }
                });
                first = false;
                // Nobody may be listening any more.
                if tell.send(Found::All(all)).is_err() {
                    return;
                }
            }
        });
        Scanner { asks, found, busy: false }
    }

    /// Asks for another scan, unless one is under way.
    pub fn ask(&mut self) {
        self.busy = self.busy || self.asks.send(()).is_ok();
    }

    pub fn next(&mut self) -> Option<Found> {
        let found = self.found.try_recv().ok()?;
        self.busy &= !matches!(found, Found::All(_));
        Some(found)
    }
}
