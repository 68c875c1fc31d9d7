//! What may happen to a run, and what must come of it; used with small counts by `tests/durability.rs` and with all by
//! `benches/faults.rs`.
#![allow(dead_code, reason = "each user takes a part")]

pub mod disk;
pub mod files;
pub mod kills;
pub mod queue;

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use zonas::run::checkpoint::Checkpoint;
use zonas::run::config::Config;
use zonas::run::event::{Body, Event};
use zonas::run::journal::Tail;
use zonas::run::summary::{Read, Summary};
use zonas::run::{GENOTYPE_JSON, RunFolder};

/// As small as a run can be that still does everything, with a checkpoint every other step.
pub fn config() -> Config {
    let mut c = Config { seed: 7, ..Config::default() };
    c.data.limit = 160;
    c.data.crop_padding = 2;
    c.device.threads = 2;
    c.score.draws = 2.into();
    c.score.batch = 4;
    c.score.channels = 1;
    c.score.remove_per_round = 3;
    c.search.channels = 2;
    c.search.cells = 3;
    c.search.batch = 16;
    c.search.epochs = 3;
    c.run.checkpoint_steps = 2;
    c
}

/// A run that trains a published genotype from scratch, as small.
pub fn training() -> Config {
    let mut c = config();
    c.train.genotype = "DARTS_V2".into();
    c.train.channels = 2;
    c.train.cells = 3;
    c.train.batch = 24;
    c.train.epochs = 3;
    c.train.cutout = 6;
    c
}

/// One that takes as long as it is let.
pub fn endless() -> Config {
    let mut c = config();
    c.search.epochs = 100_000;
    c
}

pub fn create(runs: &Path, name: &str, config: &Config) -> RunFolder {
    RunFolder::create(runs, Some(name), "x", config).unwrap()
}

/// The engine of a run, as a process that is killed when this is dropped.
pub struct Engine(pub Child);

impl Engine {
    pub fn start(folder: &RunFolder) -> Engine {
        Engine::with(folder, &["--confirm", "automatic"])
    }

    pub fn with(folder: &RunFolder, arguments: &[&str]) -> Engine {
        Engine::by(&[], folder, arguments)
    }

    /// Started by another program, which takes the command as its last arguments.
    pub fn by(starter: &[&str], folder: &RunFolder, arguments: &[&str]) -> Engine {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.file(zonas::run::LOG)).unwrap();
        let mut words = starter.iter().copied().chain([env!("CARGO_BIN_EXE_zonas"), "engine"]);
        let child = Command::new(words.next().unwrap())
            .args(words)
            .arg(folder.path())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Engine(child)
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.0), signal).unwrap();
    }

    pub fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    pub fn wait(&mut self) -> ExitStatus {
        self.0.wait().unwrap()
    }

    pub fn is_over(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs an engine to its end.
pub fn finish(folder: &RunFolder) -> i32 {
    Engine::start(folder).wait().code().unwrap_or(-1)
}

pub fn events(folder: &RunFolder) -> Vec<Event> {
    Tail::events(folder).rest()
}

pub fn report(folder: &RunFolder) -> Read {
    Summary::read(folder)
}

/// Waits for an event; false if the engine ends before.
pub fn wait_for(folder: &RunFolder, engine: &mut Engine, found: impl Fn(&Body) -> bool) -> bool {
    let mut tail = Tail::events(folder);
    loop {
        let over = engine.is_over();
        let new = tail.read();
        if new.iter().any(|e| found(&e.body)) {
            return true;
        }
        if new.is_empty() {
            if over {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Waits until something is so; a test that would wait forever fails.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what} did not come");
}

pub fn is_step(body: &Body) -> bool {
    matches!(body, Body::Step(_) | Body::TrainingStep(_))
}

/// All that a run must end with, whatever happened to it: the genotype's bytes, the final weights, alphas and optimisers,
/// and every event that tells a result, without times and without repetition.
#[derive(PartialEq)]
pub struct Essence {
    pub genotype: Vec<u8>,
    pub blobs: Vec<(String, Vec<u8>)>,
    pub told: Vec<String>,
}

pub fn essence(folder: &RunFolder) -> Essence {
    let (checkpoint, _) = Checkpoint::load(folder).unwrap().unwrap();
    let timeless = |body: &Body| match body {
        Body::Score { .. } | Body::Alphas { .. } | Body::Found { .. } => serde_json::to_string(body).ok(),
        // Its prediction of memory counts the buffers of the threads, whose number may change.
        Body::CutConfirmed(c) => serde_json::to_string(&(c.mask, c.xi, &c.source, &c.by_hand)).ok(),
        Body::RoundEnded { round, removed, summaries, .. } => serde_json::to_string(&(round, removed, summaries)).ok(),
        Body::EpochEnded(e) => {
            let mut e = e.clone();
            (e.seconds, e.waiting_seconds) = (0.0, None);
            serde_json::to_string(&e).ok()
        }
        Body::TrainingEpochEnded(e) => {
            let mut e = e.clone();
            (e.seconds, e.waiting_seconds) = (0.0, None);
            serde_json::to_string(&e).ok()
        }
        _ => None,
    };
    let mut told: Vec<String> = events(folder).iter().filter_map(|e| timeless(&e.body)).collect();
    told.sort();
    told.dedup();
    Essence { genotype: std::fs::read(folder.file(GENOTYPE_JSON)).unwrap_or_default(), blobs: checkpoint.blobs, told }
}

/// What differs, in words.
pub fn compare(name: &str, whole: &Essence, parts: &Essence) -> Result<(), String> {
    if whole.genotype != parts.genotype || parts.genotype.is_empty() {
        return Err(format!("{name}: the genotype differs"));
    }
    if whole.blobs != parts.blobs {
        return Err(format!("{name}: weights, alphas or optimisers differ"));
    }
    if whole.told != parts.told {
        let other = parts.told.iter().find(|t| !whole.told.contains(t));
        let lacks = whole.told.iter().filter(|t| !parts.told.contains(t)).count();
        return Err(format!("{name}: events differ: {other:.300?}, {lacks} are missing"));
    }
    Ok(())
}

/// A run that was never interrupted.
pub fn whole(runs: &Path) -> (RunFolder, Essence) {
    let folder = create(runs, "whole", &config());
    assert_eq!(finish(&folder), 0, "{:?}", report(&folder).status);
    let essence = essence(&folder);
    (folder, essence)
}

/// A folder and what is in it, as `cp -r` would make it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// How a fault went.
pub type Told = Result<String, String>;
