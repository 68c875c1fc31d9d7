//! Events of a run as they come, read on a thread of their own, so that a file system that hangs never holds up a key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use super::news::News;
use super::replay::{self, Ask};
use crate::run::RunFolder;
use crate::run::journal::Tail;
use crate::run::lock::{Liveness, Pulse};
use crate::run::status::last_words;

/// The reader of one run.
pub struct Feed {
    news: Receiver<News>,
    stop: Arc<AtomicBool>,
    /// To the replay, if it is one.
    asks: Option<Sender<Ask>>,
}

/// The file is looked at this often (a network file system tells nothing by itself), the lock less often.
const POLL: Duration = Duration::from_millis(40);
const POLL_LOCK: Duration = Duration::from_millis(700);

impl Feed {
    /// What is there and what comes; of a very long journal an overview.
    pub fn new(folder: RunFolder) -> Feed {
        Feed::spawn(None, move |sender, stop| read(&folder, sender, stop))
    }

    /// What is there, as it came.
    pub fn replay(folder: RunFolder, speed: f64) -> Feed {
        let (asks, asked) = channel();
        Feed::spawn(Some(asks), move |sender, _| replay::play(&folder, speed, &asked, sender))
    }

    fn spawn(asks: Option<Sender<Ask>>, work: impl FnOnce(&SyncSender<News>, &AtomicBool) + Send + 'static) -> Feed {
        // Bounded: a long journal is read no faster than it is folded.
        let (sender, news) = sync_channel(4);
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        // A failure to make a thread leaves a feed that tells nothing, which the screen shows as such.
        let _ = std::thread::Builder::new().name("tail".into()).spawn(move || work(&sender, &flag));
        Feed { news, stop, asks }
    }

    /// The next piece of news, if there is one.
    pub fn next(&self) -> Option<News> {
        self.news.try_recv().ok()
    }

    /// Asks something of the replay; false if this is none.
    pub fn ask(&self, ask: Ask) -> bool {
        self.asks.as_ref().is_some_and(|asks| asks.send(ask).is_ok())
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn read(folder: &RunFolder, sender: &SyncSender<News>, stop: &AtomicBool) {
    let mut tail = Tail::events(folder).overview();
    let mut pulse = Pulse::default();
    let mut told = None;
    let mut looked: Option<Instant> = None;
    let mut known: Option<Liveness> = None;
    let (mut passed, mut restarts, mut missing) = (0, 0, false);
    while !stop.load(Ordering::Relaxed) {
        let mut events = tail.read();
        let mut engine = None;
        let mut gone = None;
        if events.is_empty() && looked.is_none_or(|t| t.elapsed() > POLL_LOCK) {
            looked = Some(Instant::now());
            gone = Some(is_missing(folder)).filter(|now| *now != missing);
            engine = Some(pulse.look(folder)).filter(|now| known.as_ref().is_none_or(|k| differ(k, now)));
            // An engine that left meanwhile has written its last word before.
            events = tail.read();
        }
        let quiet = events.is_empty();
        let mut all = Vec::new();
        if tail.restarts != restarts {
            (restarts, passed) = (tail.restarts, 0);
            all.push(News::Reset);
        }
        if !quiet {
            told = None;
            all.push(News::Events(events));
        } else if told != Some(tail.skipped) {
            told = Some(tail.skipped);
            all.push(News::CaughtUp { skipped: tail.skipped, passed: tail.passed - passed });
            passed = tail.passed;
        }
        if let Some(now) = gone {
            missing = now;
            all.push(News::Missing(now));
        }
        if let Some(engine) = engine {
            known = Some(engine.clone());
            let words = matches!(engine, Liveness::Gone(_)).then(|| last_words(folder)).flatten();
            all.push(News::Engine(engine, words));
        }
        for news in all {
            if sender.send(news).is_err() {
                return;
            }
        }
        if quiet {
            std::thread::sleep(POLL);
        }
    }
}

/// Whether there is surely no such folder; one that can't be looked at may be there.
fn is_missing(folder: &RunFolder) -> bool {
    std::fs::symlink_metadata(folder.path()).is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound)
}

/// Whether there is more than another beat of the same heart.
fn differ(a: &Liveness, b: &Liveness) -> bool {
    match (a, b) {
        (Liveness::Alive(a), Liveness::Alive(b)) => a.token != b.token || a.waits != b.waits,
        (Liveness::Gone(_), Liveness::Gone(_)) | (Liveness::Unreachable(_), Liveness::Unreachable(_)) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::config::Config;

    #[test]
    fn a_folder_that_goes_and_comes_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(dir.path(), Some("r"), "x", &Config::default()).unwrap();
        let feed = Feed::new(folder.clone());
        let until = |missing: bool| {
            let begun = Instant::now();
            loop {
                match feed.next() {
                    Some(News::Missing(now)) => return assert_eq!(now, missing),
                    _ => std::thread::sleep(Duration::from_millis(5)),
                }
                assert!(begun.elapsed() < Duration::from_secs(30), "nothing was told of the folder");
            }
        };
        std::fs::rename(folder.path(), dir.path().join("elsewhere")).unwrap();
        until(true);
        std::fs::rename(dir.path().join("elsewhere"), folder.path()).unwrap();
        until(false);
    }
}
