//! Disks without room, and folders that can't be written.

use std::path::Path;

use rustix::process::{Pid, Resource, Rlimit, Signal};
use zonas::run::EVENTS;
use zonas::run::event::Stage;
use zonas::run::status::Status;

use super::*;

/// What an engine waits for, as watchers are told.
fn waits(folder: &RunFolder, words: &str) -> bool {
    matches!(report(folder).status, Status::Paused(Some(reason)) if reason.contains(words))
}

/// A limit on the size of files stops the engine in the middle of a line; when it is taken away the run goes on.
pub fn limited(runs: &Path, whole: &Essence) -> Told {
    let folder = create(runs, "limited", &config());
    let mut engine = Engine::start(&folder);
    wait_for(&folder, &mut engine, is_step);
    let pid = Pid::from_child(&engine.0);
    let limit = |bytes| {
        let limit = Rlimit { current: bytes, maximum: None };
        rustix::process::prlimit(Some(pid), Resource::Fsize, limit).map(drop).map_err(|e| e.to_string())
    };
    limit(Some(4096))?;
    until("the pause", || engine.is_over() || waits(&folder, "can't write"));
    if engine.is_over() {
        return Err(format!("the engine did not wait: {:?}", report(&folder).status));
    }
    limit(None)?;
    if engine.wait().code() != Some(0) {
        return Err(format!("{:?}", report(&folder).status));
    }
    compare("limited", whole, &essence(&folder)).map(|()| "waited with a reason, went on, the run equal".into())
}

/// Folders that may not be written any more, in the middle of a run, and later may again. `None` where an administrator
/// can't be kept from writing.
pub fn forbidden(runs: &Path, whole: &Essence) -> Option<Told> {
    use std::os::unix::fs::PermissionsExt;
    // Nothing is forbidden to an administrator, but what is taken from the engine's own powers.
    let weak: &[&str] = match rustix::process::geteuid().is_root() {
        true => &["setpriv", "--bounding-set=-dac_override,-dac_read_search"],
        false => &[],
    };
    if !weak.is_empty() && !Command::new(weak[0]).args([weak[1], "true"]).status().is_ok_and(|s| s.success()) {
        return None;
    }
    let folder = create(runs, "forbidden", &config());
    let mut engine = Engine::by(weak, &folder, &["--confirm", "automatic"]);
    wait_for(&folder, &mut engine, is_step);
    let allow = |mode| {
        for path in [folder.file(zonas::run::CHECKPOINTS), folder.path().to_path_buf()] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    allow(0o500);
    until("the pause", || engine.is_over() || waits(&folder, "Permission denied"));
    let early = engine.is_over();
    let good = Checkpoint::load(&folder);
    allow(0o700);
    if early {
        return Some(Err(format!("the engine did not wait: {:?}", report(&folder).status)));
    }
    if !matches!(good, Ok(Some(_))) {
        return Some(Err("no good state was kept".into()));
    }
    if engine.wait().code() != Some(0) {
        return Some(Err(format!("{:?}", report(&folder).status)));
    }
    let told = "waited with a reason, went on when it was allowed again, the run equal";
    Some(compare("forbidden", whole, &essence(&folder)).map(|()| told.into()))
}

/// A file system of its own, in memory; needs a machine's administrator.
pub struct Small(std::path::PathBuf);

impl Small {
    pub fn mount(at: &Path, bytes: usize) -> Option<Small> {
        std::fs::create_dir_all(at).ok()?;
        let size = format!("size={bytes}");
        let status =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(at).stderr(Stdio::null()).status();
        status.is_ok_and(|s| s.success()).then(|| Small(at.to_path_buf()))
    }

    pub fn remount(&self, option: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{option}")]).arg(&self.0).status().unwrap();
        assert!(status.success());
    }

    /// Takes all the room that is left, until the result is removed.
    fn fill(&self) -> std::path::PathBuf {
        use std::io::Write;
        let path = self.0.join("filler");
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
        for size in [65536, 4096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        path
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// A full disk while the journal, a checkpoint or the result is being written. `None` where nothing can be mounted.
pub fn full(at: &Path, whole: &Essence) -> Option<Told> {
    let disk = Small::mount(at, 8 << 20)?;
    let mut cases = 0;
    for (name, moment) in [
        ("journal", (|b: &Body| matches!(b, Body::Score { .. })) as fn(&Body) -> bool),
        ("checkpoint", is_step),
        ("result", |b: &Body| matches!(b, Body::StageEnded { stage: Stage::Search, .. })),
    ] {
        let folder = create(at, name, &config());
        let mut engine = Engine::start(&folder);
        wait_for(&folder, &mut engine, moment);
        // Still, so that it can't be faster.
        engine.signal(Signal::STOP);
        let mut filler = disk.fill();
        engine.signal(Signal::CONT);
        until("the pause", || {
            if engine.is_over() {
                return true;
            }
            filler = disk.fill();
            waits(&folder, "No space left")
        });
        let early = engine.is_over();
        let good = Checkpoint::load(&folder);
        if name != "journal" && !matches!(good, Ok(Some(_))) {
            return Some(Err(format!("{name}: no good state was kept")));
        }
        std::fs::remove_file(&filler).unwrap();
        let code = engine.wait().code();
        if code != Some(0) {
            return Some(Err(format!("{name}: ended with {code:?}: {:?}", report(&folder).status)));
        }
        if let Err(e) = compare(name, whole, &essence(&folder)) {
            return Some(Err(e));
        }
        cases += usize::from(!early);
        std::fs::remove_dir_all(folder.path()).unwrap();
    }
    Some(Ok(format!("{cases} of 3 waited with a reason and went on; 3 of 3 runs equal")))
}

/// A disk that has become read-only when a run is to be resumed. `None` where nothing can be mounted.
pub fn read_only(at: &Path, whole: &Essence) -> Option<Told> {
    let disk = Small::mount(at, 8 << 20)?;
    let folder = create(at, "ro", &config());
    let mut engine = Engine::start(&folder);
    wait_for(&folder, &mut engine, is_step);
    engine.signal(Signal::TERM);
    let stopped = engine.wait().code();
    disk.remount("ro");
    let before = std::fs::read(folder.file(EVENTS)).unwrap();
    let program = env!("CARGO_BIN_EXE_zonas");
    let out = Command::new(program).arg("--runs").arg(at).args(["run", "--resume", "ro", "--yes"]).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    let same = std::fs::read(folder.file(EVENTS)).unwrap() == before;
    disk.remount("rw");
    if stopped != Some(75) || out.status.code() != Some(1) || !said.contains("Read-only file system") || !same {
        return Some(Err(format!("{stopped:?}, then {:?}: {said}", out.status.code())));
    }
    if finish(&folder) != 0 {
        return Some(Err(format!("{:?}", report(&folder).status)));
    }
    let told = "refused with a sentence and exit code 1; writable again, the run equal";
    Some(compare("read-only", whole, &essence(&folder)).map(|()| told.into()))
}
