//! A disk that is full for a while, alone in its process: a limit on the size of files makes writes stop in the middle of a
//! line, as a full disk does, and can be taken away again.
#![cfg(target_os = "linux")]

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use zonas::run::checkpoint::Checkpoint;
use zonas::run::config::Config;
use zonas::run::event::{Body, Level};
use zonas::run::journal::{Tail, Writer};
use zonas::run::{EVENTS, RunFolder};

/// Files may have so many bytes, until this is dropped.
struct Limit(Rlimit);

impl Limit {
    fn of(bytes: u64) -> Limit {
        let before = getrlimit(Resource::Fsize);
        setrlimit(Resource::Fsize, Rlimit { current: Some(bytes), maximum: before.maximum }).unwrap();
        Limit(before)
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        let _ = setrlimit(Resource::Fsize, self.0);
    }
}

fn events(folder: &RunFolder) -> (Vec<u64>, u64) {
    let mut tail = Tail::events(folder);
    let mut all = Vec::new();
    loop {
        let new = tail.read();
        if new.is_empty() {
            return (all, tail.skipped);
        }
        all.extend(new.iter().map(|e| e.seq));
    }
}

#[test]
fn a_run_survives_a_full_disk() {
    // Without this the system ends the process.
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::new(AtomicBool::new(false))).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(dir.path(), Some("r"), "x", &Config::default()).unwrap();
    let mut checkpoint = Checkpoint { meta: serde_json::json!({ "step": 1 }), ..Checkpoint::default() };
    checkpoint.push_floats("weights", &[1.0; 1000]);
    checkpoint.save(&folder).unwrap();
    folder.write_atomic("whole", b"as it was").unwrap();
    let mut writer = Writer::open(&folder).unwrap();
    let line = || Body::Log { level: Level::Info, text: "x".repeat(100) };

    let limit = Limit::of(1000);
    let mut written = 0;
    let error = loop {
        match writer.emit(line()) {
            Ok(_) => written += 1,
            Err(e) => break e,
        }
    };
    let again = writer.emit(line());
    let saved = checkpoint.save(&folder);
    let replaced = folder.write_atomic("whole", &[0; 5000]);
    let torn = std::fs::read(folder.file(EVENTS)).unwrap();
    drop(limit);

    assert!(written > 0 && error.to_string().contains("events.jsonl"), "{error}");
    assert!(again.is_err() && saved.is_err() && replaced.is_err());
    assert!(torn.last() != Some(&b'\n'), "the limit did not cut a line");
    assert_eq!(events(&folder), ((0..written).collect(), 0));
    assert_eq!(std::fs::read(folder.file("whole")).unwrap(), b"as it was");
    assert_eq!(Checkpoint::load(&folder).unwrap().unwrap(), (checkpoint, Vec::new()));

    // There is room again: the torn line is the only one lost, and no number is left out.
    writer.emit(Body::Paused).unwrap();
    writer.emit(Body::Resumed).unwrap();
    assert_eq!(events(&folder), ((0..written + 2).collect(), 1));
    let mut later = Writer::open(&folder).unwrap();
    assert_eq!(later.emit(Body::Paused).unwrap().seq, written + 2);
}
