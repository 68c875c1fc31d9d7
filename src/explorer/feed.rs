//! Events of a run as they come, read on a thread of their own, so that a file system that hangs never holds up a key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use crate::run::RunFolder;
use crate::run::event::Event;
use crate::run::journal::Tail;

/// What the reader tells.
pub enum News {
    Events(Vec<Event>),
    /// All that was written so far has been told; lines that were skipped.
    CaughtUp(u64),
    /// Whether an engine holds the run.
    Alive(bool),
}

/// The reader of one run.
pub struct Feed {
    news: Receiver<News>,
    stop: Arc<AtomicBool>,
}

/// The file is looked at this often (a network file system tells nothing by itself), the lock less often.
const POLL: Duration = Duration::from_millis(40);
const POLL_LOCK: Duration = Duration::from_millis(700);

impl Feed {
    pub fn new(folder: RunFolder) -> Feed {
        // Bounded: a long journal is read no faster than it is folded.
        let (sender, news) = sync_channel(4);
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        // A failure to make a thread leaves a feed that tells nothing, which the screen shows as such.
        let _ = std::thread::Builder::new().name("tail".into()).spawn(move || read(&folder, &sender, &flag));
        Feed { news, stop }
    }

    /// The next piece of news, if there is one.
    pub fn next(&self) -> Option<News> {
        self.news.try_recv().ok()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn read(folder: &RunFolder, sender: &SyncSender<News>, stop: &AtomicBool) {
    let mut tail = Tail::events(folder);
    let mut told = None;
    let mut looked: Option<Instant> = None;
    let mut alive = None;
    while !stop.load(Ordering::Relaxed) {
        let events = tail.read();
        let quiet = events.is_empty();
        let sent = if !quiet {
            told = None;
            sender.send(News::Events(events))
        } else if told != Some(tail.skipped) {
            told = Some(tail.skipped);
            sender.send(News::CaughtUp(tail.skipped))
        } else {
            Ok(())
        };
        if sent.is_err() {
            return;
        }
        if quiet && looked.is_none_or(|t| t.elapsed() > POLL_LOCK) {
            looked = Some(Instant::now());
            let now = folder.is_locked();
            if alive != Some(now) {
                alive = Some(now);
                if sender.send(News::Alive(now)).is_err() {
                    return;
                }
            }
        }
        if quiet {
            std::thread::sleep(POLL);
        }
    }
}
