//! Reads all runs of a folder, and again only what has changed since: those whose journal was written last come first, and
//! each is told of as soon as it is read.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::live::{Heart, Plan};
use super::run::{Listed, Settings};
use crate::run::brief::Brief;
use crate::run::config::Config;
use crate::run::event::Body;
use crate::run::files;
use crate::run::journal::Tail;
use crate::run::lock::{Liveness, Pulse};
use crate::run::notes::Notes;
use crate::run::summary::Summary;
use crate::run::{CONFIG, EVENTS, LOCK, LOG, NOTES, RunFolder};

/// What tells whether a file has changed: its bytes, its time, and which file it is.
type Stamp = Option<(u64, Option<SystemTime>, u64)>;

fn stamp(folder: &RunFolder, name: &str) -> Stamp {
    let about = std::fs::symlink_metadata(folder.file(name)).ok()?;
    Some((about.len(), about.modified().ok(), inode(&about)))
}

fn inode(about: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(about)
}

/// A run that has been read, and where reading goes on.
struct Known {
    tail: Tail<Brief>,
    restarts: u64,
    summary: Summary,
    plan: Plan,
    pulse: Pulse,
    heart: Option<Heart>,
    stamps: [Stamp; 5],
    settings: Result<Arc<Settings>, String>,
    notes: Result<Notes, String>,
    listed: Arc<Listed>,
    fresh: bool,
}

/// Files that a line of the list is made of.
const FILES: [&str; 5] = [EVENTS, CONFIG, NOTES, LOCK, LOG];

impl Known {
    fn of(folder: RunFolder) -> Known {
        Known {
            tail: Tail::briefs(&folder),
            restarts: 0,
            summary: Summary::default(),
            plan: Plan::default(),
            pulse: Pulse::default(),
            heart: None,
            stamps: Default::default(),
            settings: Err(String::new()),
            notes: Ok(Notes::default()),
            listed: Arc::new(Listed::unread(folder)),
            fresh: true,
        }
    }

    /// Reads what has changed.
    fn look(&mut self, configs: &Configs) -> Arc<Listed> {
        let folder = self.listed.folder.clone();
        let now = FILES.map(|name| stamp(&folder, name));
        let changed = |i: usize| self.fresh || now[i] != self.stamps[i];
        // An engine's heart beats in its lock; where nothing beats and nothing was written, nothing has changed. One that
        // has engine may be gone without a word, so it is looked at each time.
        if !self.fresh && now == self.stamps && !self.listed.has_engine {
            return Arc::clone(&self.listed);
        }
        if changed(1) {
            self.settings = configs.of(&folder);
        }
        if changed(2) {
            self.notes = Notes::read(&folder).map_err(|e| e.to_string());
        }
        // Before the journal: an engine that ends meanwhile has written its last word.
        let liveness: Liveness = self.pulse.look(&folder);
        self.fold();
        self.summary.unreadable = self.tail.fault.clone();
        let last = self.tail.last_passed().unwrap_or(0.0).max(self.summary.progress.last);
        self.summary.last = (last > 0.0).then_some(last);
        let status = self.summary.progress.status(&liveness, &folder);
        let live = status.has_engine().then(|| {
            self.plan.stage = self.summary.progress.stage;
            self.heart.get_or_insert_with(|| Heart::of(&folder)).look(self.plan)
        });
        if live.is_none() {
            self.heart = None;
        }
        let (settings, notes) = (self.settings.clone(), self.notes.clone());
        let listed = Listed { settings, notes, live, ..Listed::unread(folder) }.told(&self.summary, status);
        (self.stamps, self.fresh) = (now, false);
        self.listed = Arc::new(listed);
        Arc::clone(&self.listed)
    }

    fn fold(&mut self) {
        loop {
            let events = self.tail.read();
            if self.tail.restarts != self.restarts {
                (self.restarts, self.summary, self.plan) = (self.tail.restarts, Summary::default(), Plan::default());
            }
            if events.is_empty() {
                return;
            }
            for Brief(event) in &events {
                match &event.body {
                    Body::SearchStarted(s) => {
                        (self.plan.steps_per_epoch, self.plan.epochs) = (s.steps_per_epoch, s.epochs);
                    }
                    Body::TrainingStarted(t) => {
                        (self.plan.steps_per_epoch, self.plan.epochs) = (t.steps_per_epoch, t.epochs);
                    }
                    Body::ScoringStarted(s) => {
                        (self.plan.evaluations, self.plan.at_most) = (s.evaluations, s.until_decided);
                    }
                    _ => {}
                }
                self.summary.apply(event);
            }
        }
    }
}

/// Settings by their text: most runs of a folder share theirs but for a few words, and many share all.
#[derive(Default)]
struct Configs(Mutex<HashMap<String, Result<Arc<Settings>, String>>>);

impl Configs {
    fn of(&self, folder: &RunFolder) -> Result<Arc<Settings>, String> {
        let read = folder.open_file(CONFIG).and_then(|file| files::utf8(files::rest(&file, files::SETTINGS)?));
        let text = read.map_err(|e| e.to_string())?;
        let known = |all: &Mutex<HashMap<_, _>>| {
            all.lock().unwrap_or_else(PoisonError::into_inner).get(&text).cloned()
                as Option<Result<Arc<Settings>, String>>
        };
        if let Some(known) = known(&self.0) {
            return known;
        }
        let parsed = Config::parse(&text, CONFIG).map(|c| Arc::new(Settings::of(&c))).map_err(|e| e.to_string());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(text, parsed.clone());
        parsed
    }
}

/// Threads that read at once.
const READERS: usize = 4;

/// Reads the runs of a folder again and again.
#[derive(Default)]
pub struct Reader {
    known: HashMap<PathBuf, Known>,
    configs: Configs,
}

impl Reader {
    /// All runs, the newest first; each is told as it is read, with the number of all. None where there is no such folder,
    /// or it can't be read.
    pub fn read(&mut self, runs: &Path, mut tell: impl FnMut(&Arc<Listed>, usize)) -> Vec<Arc<Listed>> {
        let mut folders = RunFolder::list(runs).unwrap_or_default();
        let written = |f: &RunFolder| stamp(f, EVENTS).and_then(|s| s.1);
        folders.sort_by_cached_key(|f| std::cmp::Reverse(written(f)));
        let of = folders.len();
        let mut before = std::mem::take(&mut self.known);
        let known = |f: RunFolder| before.remove(f.path()).unwrap_or_else(|| Known::of(f));
        let all: Vec<Mutex<Known>> = folders.into_iter().map(known).map(Mutex::new).collect();
        let mut read = Vec::with_capacity(of);
        let (next, configs) = (AtomicUsize::new(0), &self.configs);
        std::thread::scope(|scope| {
            let (sender, receiver) = sync_channel(64);
            let threads = std::thread::available_parallelism().map_or(1, usize::from).min(READERS);
            for _ in 0..threads {
                let (sender, next, all) = (sender.clone(), &next, &all);
                scope.spawn(move || {
                    while let Some(run) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let listed = run.lock().unwrap_or_else(PoisonError::into_inner).look(configs);
                        if sender.send(listed).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            for listed in receiver {
                tell(&listed, of);
                read.push(listed);
            }
        });
        let kept = all.into_iter().map(|k| k.into_inner().unwrap_or_else(PoisonError::into_inner));
        self.known = kept.map(|k| (k.listed.folder.path().to_path_buf(), k)).collect();
        read.sort_by(|a, b| b.last.total_cmp(&a.last).then_with(|| a.name.cmp(&b.name)));
        read
    }
}

/// All runs once, the newest first.
pub fn read(runs: &Path) -> Vec<Arc<Listed>> {
    Reader::default().read(runs, |_, _| {})
}
