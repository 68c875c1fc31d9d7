//! Locks of engines that live, died, or are elsewhere.

use std::path::Path;

use super::*;
use crate::run::config::Config;

fn folder(runs: &Path) -> RunFolder {
    RunFolder::create(runs, Some("r"), "x", &Config::default()).unwrap()
}

/// As another engine would have left it.
fn left(folder: &RunFolder, change: impl FnOnce(&mut Holder)) {
    drop(RunLock::take(folder).unwrap());
    let mut file = File::options().read(true).write(true).open(folder.file(LOCK)).unwrap();
    let mut holder = read(&mut file).unwrap();
    assert!(holder.left);
    holder.left = false;
    change(&mut holder);
    Inner { file, folder: folder.clone(), holder, lost: false, over: false }.write().unwrap();
}

#[test]
fn one_engine_at_a_time_and_watchers_do_not_count() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(dir.path());
    assert_eq!(Liveness::of(&folder), Liveness::Gone(None));
    let lock = RunLock::take(&folder).unwrap();
    assert!(Liveness::of(&folder).is_alive());
    let e = RunLock::take(&folder).unwrap_err().to_string();
    assert!(e.contains(&format!("pid {}", std::process::id())), "{e}");
    lock.waits(Some("no room"));
    let Liveness::Alive(holder) = Liveness::of(&folder) else { panic!("it is alive") };
    assert_eq!(holder.waits.as_deref(), Some("no room"));
    drop(lock);
    assert!(matches!(Liveness::of(&folder), Liveness::Gone(Some(Holder { left: true, .. }))));
    // A watcher is looking just now.
    let watcher = File::open(folder.file(LOCK)).unwrap();
    watcher.try_lock_shared().unwrap();
    let engine = std::thread::spawn(move || RunLock::take(&folder).map(drop));
    std::thread::sleep(LOOK);
    drop(watcher);
    engine.join().unwrap().unwrap();
}

#[test]
fn a_stale_lock_is_known_and_a_live_one_is_not_stolen() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(dir.path());
    // Its process is gone; its machine was started again; its number is another's now.
    let gone: [fn(&mut Holder); 3] = [|h| h.pid = u32::MAX - 7, |h| h.boot = "another".into(), |h| h.born ^= 1];
    for change in gone {
        left(&folder, change);
        assert!(matches!(Liveness::of(&folder), Liveness::Gone(Some(_))));
        let lock = RunLock::take(&folder).unwrap();
        assert!(lock.before.is_some());
    }
    // It is there, though the lock does not tell.
    left(&folder, |_| ());
    assert!(Liveness::of(&folder).is_alive());
    assert!(matches!(RunLock::take(&folder), Err(FolderError::Locked { .. })));
    // On another machine: by its heartbeat.
    left_on(&folder, now());
    assert!(Liveness::of(&folder).is_alive());
    left_on(&folder, now() - 3600.0);
    assert!(matches!(Liveness::of(&folder), Liveness::Unreachable(_)));
    // A clock that was set back is no sign of life either.
    left_on(&folder, now() + 3600.0);
    assert!(matches!(Liveness::of(&folder), Liveness::Unreachable(_)));
    let mut pulse = Pulse::default();
    assert!(matches!(pulse.look(&folder), Liveness::Unreachable(_)));
    left_on(&folder, now() + 3600.0);
    assert!(pulse.look(&folder).is_alive(), "it beats");
    // A copy of the folder: whatever stands there is of another.
    let copy = RunFolder::create(dir.path(), Some("copy"), "x", &Config::default()).unwrap();
    fs::copy(folder.file(LOCK), copy.file(LOCK)).unwrap();
    assert_eq!(Liveness::of(&copy), Liveness::Gone(None));
    RunLock::take(&copy).unwrap();
}

/// A line of an engine on another machine whose clock says `time`.
fn left_on(folder: &RunFolder, time: f64) {
    let mut file = File::options().read(true).write(true).open(folder.file(LOCK)).unwrap();
    let mut holder = read(&mut file).unwrap();
    (holder.host, holder.left) = ("another".into(), false);
    let mut inner = Inner { file, folder: folder.clone(), holder, lost: false, over: false };
    inner.write().unwrap();
    inner.holder.time = time;
    let line = serde_json::to_vec(&inner.holder).unwrap();
    fs::write(folder.file(LOCK), line).unwrap();
}

#[test]
fn an_engine_that_was_overtaken_learns_it() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(dir.path());
    let lock = RunLock::take(&folder).unwrap();
    let mut inner = lock.shared.lock();
    inner.check();
    assert!(!inner.lost);
    let mut other = inner.holder.clone();
    other.token = "other".into();
    fs::write(folder.file(LOCK), serde_json::to_vec(&other).unwrap()).unwrap();
    inner.check();
    assert!(inner.lost);
    drop(inner);
    drop(lock);
    // It leaves the other's line alone.
    assert_eq!(read(&mut File::open(folder.file(LOCK)).unwrap()).unwrap().token, "other");
}

#[test]
fn nonsense_in_the_lock_file_is_no_engine() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(dir.path());
    for text in [&b"pid 1 on old\n"[..], b"", b"{", b"\xff\xfe", b"[1,2]", &[b'9'; 10_000]] {
        fs::write(folder.file(LOCK), text).unwrap();
        assert_eq!(Liveness::of(&folder), Liveness::Gone(None));
        drop(RunLock::take(&folder).unwrap());
    }
}
