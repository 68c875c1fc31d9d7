//! One engine per run. The file `lock` is locked by the engine, which dies with its process, and holds one line that says
//! who the engine is and beats: for those on other machines, and for file systems whose locks cannot be trusted.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::folder::{FolderError, LOCK, RunFolder, io_error};
use crate::clock::now;

/// Between two beats.
const BEAT: Duration = Duration::from_secs(2);
/// A heart that has not beaten for so long stands still, as far as another machine can tell.
const STALE: Duration = Duration::from_secs(20);
/// After so long a beat is missing that should have come.
const MISSED: Duration = Duration::from_secs(6);
/// The line is padded to this length, so that it is replaced in place by one write, for which even a full disk has room.
const LINE: usize = 512;
/// Letters of the reason for waiting that fit in the line.
const REASON: usize = 160;
/// Those who look whether an engine is alive hold the lock for a moment: an engine that finds it taken tries again so
/// often, after so long.
const LOOKS: usize = 20;
const LOOK: Duration = Duration::from_millis(10);

/// The engine that has or had a run, as its lock file tells.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Holder {
    pub pid: u32,
    pub host: String,
    /// The start of the machine that it runs on.
    pub boot: String,
    /// When the process began, in the system's own count: tells it from a later one of the same number.
    pub born: u64,
    /// The file that this line was written to: in a copied folder it is another.
    pub file: u64,
    /// One for each engine.
    pub token: String,
    pub beat: u64,
    /// Wall clock of the beat, seconds since 1970.
    pub time: f64,
    /// What the engine waits for, where it can't say so in the journal: a full disk, for example.
    pub waits: Option<String>,
    /// Wall clock of its coming, seconds since 1970: who waits for a turn is told by it who came first.
    pub since: f64,
    /// It waits for its turn, which is what `waits` tells of then.
    pub queued: bool,
    /// It was begun to follow other runs.
    pub follows: bool,
    /// It waits for a person, and has given up its turn: others need not wait for it.
    pub yields: bool,
    /// The task of a scheduler that it is, and how often that was begun anew: of two engines of the same task the scheduler has
    /// given up the earlier one.
    pub job: Option<String>,
    pub restarts: u64,
    /// It has left the run in good order.
    pub left: bool,
    /// It could not have said that it leaves: nothing can be written there. Found by who looks.
    #[serde(skip)]
    pub mute: bool,
}

impl Holder {
    /// `pid 7 on there`.
    pub fn who(&self) -> String {
        let host: String = self.host.chars().filter(|c| !c.is_control()).take(60).collect();
        if host.is_empty() { format!("pid {}", self.pid) } else { format!("pid {} on {host}", self.pid) }
    }

    /// Whether it is of this machine.
    pub fn is_here(&self) -> bool {
        self.host == host() && self.boot == boot()
    }

    fn is_of(&self, about: &fs::Metadata) -> bool {
        self.file == inode(about)
    }

    /// Whether this one is of the same task of a scheduler as another, and was begun later.
    fn succeeds(&self, other: &Holder) -> bool {
        self.job.is_some() && self.job == other.job && self.restarts > other.restarts
    }

    /// Whether its process is there; `None` if that is another machine's to know.
    fn process(&self) -> Option<bool> {
        if self.host != host() {
            return None;
        }
        // Another start of the machine: no process outlives that.
        Some(self.boot == boot() && born(self.pid).is_some_and(|b| b == self.born))
    }

    /// Adds what an engine that is there can't say itself: its heart beats every two seconds, so one that does not can't
    /// write, or stands still. Of another machine the clock is not known.
    fn seen(mut self, folder: &RunFolder) -> Holder {
        let silent = (now() - self.time).abs();
        if self.waits.is_some() || self.time == 0.0 || self.host != host() || silent < MISSED.as_secs_f64() {
            return self;
        }
        if is_read_only(folder) {
            self.waits = Some("its disk is read-only now, so nothing can be written".into());
        } else if silent > STALE.as_secs_f64() {
            let who = self.who();
            self.waits = Some(format!(
                "it has written nothing for more than {} s: its process ({who}) is stopped, or its disk takes nothing",
                STALE.as_secs()
            ));
        }
        self
    }
}

/// Whether an engine is at work on a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Liveness {
    Alive(Holder),
    /// There is none; the last one, if there was any.
    Gone(Option<Holder>),
    /// It is on another machine, and its heartbeat is old.
    Unreachable(Holder),
}

impl Liveness {
    /// Looks once.
    pub fn of(folder: &RunFolder) -> Liveness {
        let Ok(mut file) = folder.open_file(LOCK) else { return Liveness::Gone(None) };
        let held = matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock));
        let holder = file.metadata().ok().and_then(|about| read(&mut file).filter(|h| held || h.is_of(&about)));
        match holder {
            holder if held => Liveness::Alive(holder.unwrap_or_default().seen(folder)),
            Some(h) if !h.left => match h.process() {
                Some(true) => Liveness::Alive(h.seen(folder)),
                Some(false) => Liveness::Gone(Some(Holder { mute: is_read_only(folder), ..h })),
                None if (now() - h.time).abs() < STALE.as_secs_f64() => Liveness::Alive(h),
                None => Liveness::Unreachable(h),
            },
            holder => Liveness::Gone(holder),
        }
    }

    pub fn is_alive(&self) -> bool {
        matches!(self, Liveness::Alive(_))
    }
}

/// For a watcher that stays: a heart that beats is alive, whatever the clocks of two machines say.
#[derive(Debug, Default)]
pub struct Pulse {
    last: Option<(String, u64, Instant)>,
}

impl Pulse {
    pub fn look(&mut self, folder: &RunFolder) -> Liveness {
        let found = Liveness::of(folder);
        let (Liveness::Alive(h) | Liveness::Unreachable(h)) = &found else {
            self.last = None;
            return found;
        };
        if h.host == host() {
            return found;
        }
        match &self.last {
            Some((token, beat, since)) if *token == h.token && *beat == h.beat => {
                if since.elapsed() > STALE {
                    Liveness::Unreachable(h.clone())
                } else {
                    found
                }
            }
            before => {
                let moved = before.is_some();
                self.last = Some((h.token.clone(), h.beat, Instant::now()));
                if moved { Liveness::Alive(h.clone()) } else { found }
            }
        }
    }
}

/// Held by the engine of a run; dies with the process.
#[derive(Debug)]
pub struct RunLock {
    shared: Arc<Shared>,
    heart: Option<JoinHandle<()>>,
    /// What is to be said of the engine before: it has left without a word.
    pub before: Option<Holder>,
}

#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    over: Condvar,
}

#[derive(Debug)]
struct Inner {
    file: File,
    folder: RunFolder,
    holder: Holder,
    /// Another engine has the run.
    lost: bool,
    over: bool,
}

impl RunLock {
    /// Takes the run for this process, until the result is dropped.
    ///
    /// # Errors
    /// Another engine has it, or a lock file that can't be written.
    pub fn take(folder: &RunFolder) -> Result<RunLock, FolderError> {
        let path = folder.file(LOCK);
        let opened = folder.handle().and_then(|folder| folder.update(LOCK));
        let mut file = opened.map_err(io_error("open", &path))?;
        let token = format!("{}-{:x}", std::process::id(), (now() * 1e6) as u64);
        let holder = Holder {
            pid: std::process::id(),
            host: host(),
            boot: boot(),
            born: born(std::process::id()).unwrap_or(0),
            token,
            job: slurm_task().map(|task| of_slurm(&task)),
            restarts: told("SLURM_RESTART_COUNT").and_then(|n| n.parse().ok()).unwrap_or(0),
            since: now(),
            ..Holder::default()
        };
        let mut taken = file.try_lock();
        if matches!(taken, Err(fs::TryLockError::WouldBlock)) && read(&mut file).is_some_and(|h| holder.succeeds(&h)) {
            taken = succeed(folder, &mut file, &holder);
        }
        for _ in 0..LOOKS {
            if !matches!(taken, Err(fs::TryLockError::WouldBlock)) {
                break;
            }
            std::thread::sleep(LOOK);
            taken = file.try_lock();
        }
        let locked = |holder: Option<Holder>| FolderError::Locked {
            path: folder.path().to_path_buf(),
            holder: holder.map_or(String::new(), |h| format!(" ({})", h.who())),
        };
        let trusted = match taken {
            Ok(()) => true,
            Err(fs::TryLockError::WouldBlock) => return Err(locked(read(&mut file))),
            // A file system without locks: the heartbeat has to do.
            Err(fs::TryLockError::Error(e)) if has_no_locks(&e) => false,
            Err(fs::TryLockError::Error(e)) => return Err(io_error("lock", &path)(e)),
        };
        let about = file.metadata().map_err(io_error("read", &path))?;
        // Not what it has written itself, to take the run over.
        let before = read(&mut file).filter(|h| !h.left && h.is_of(&about) && h.token != holder.token);
        if let Some(h) = &before
            && !holder.succeeds(h)
            && h.process().unwrap_or_else(|| beats(folder, h))
        {
            return Err(locked(before));
        }
        let holder = Holder { file: inode(&about), ..holder };
        let mut inner = Inner { file, folder: folder.clone(), holder, lost: false, over: false };
        inner.write().map_err(io_error("write", &path))?;
        if !trusted {
            // Of two that came at once, the one that wrote last has it.
            std::thread::sleep(2 * BEAT);
            if let Some(other) = read(&mut inner.file).filter(|h| h.token != inner.holder.token) {
                return Err(locked(Some(other)));
            }
        }
        let shared = Arc::new(Shared { inner: Mutex::new(inner), over: Condvar::new() });
        let beating = Arc::clone(&shared);
        // Without the thread the lock holds, only the heart stands still.
        let heart = std::thread::Builder::new().name("heart".into()).spawn(move || beating.beat()).ok();
        Ok(RunLock { shared, heart, before })
    }

    /// Says what the engine waits for, where the journal can't; `None`: nothing any more.
    pub fn waits(&self, reason: Option<&str>) {
        let mut inner = self.shared.lock();
        inner.holder.waits = reason.map(|r| r.chars().filter(|c| !c.is_control()).take(REASON).collect());
        let _ = inner.write();
    }

    /// Says that the engine waits for its turn, and behind whom; `None`: its turn has come.
    pub fn queued(&self, behind: Option<&str>) {
        {
            let mut inner = self.shared.lock();
            inner.holder.queued = behind.is_some();
            inner.holder.yields = false;
        }
        self.waits(behind);
    }

    /// Says whether the engine was begun to follow other runs.
    pub fn follows(&self, follows: bool) {
        let mut inner = self.shared.lock();
        inner.holder.follows = follows;
        let _ = inner.write();
    }

    /// Says whether the engine waits for a person, so that others may have its turn.
    pub fn yields(&self, yields: bool) {
        let mut inner = self.shared.lock();
        inner.holder.yields = yields;
        let _ = inner.write();
    }

    /// What the lock file says of this engine.
    pub fn holder(&self) -> Holder {
        self.shared.lock().holder.clone()
    }

    /// Whether another engine has taken the run, because this one stood still for too long: it must not write any more.
    pub fn is_lost(&self) -> bool {
        self.shared.lock().lost
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        {
            let mut inner = self.shared.lock();
            inner.over = true;
            if !inner.lost {
                inner.holder.left = true;
                let _ = inner.write();
            }
        }
        self.shared.over.notify_all();
        let _ = self.heart.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn beat(&self) {
        let mut inner = self.lock();
        while !inner.over && !inner.lost {
            inner = self.over.wait_timeout(inner, BEAT).unwrap_or_else(PoisonError::into_inner).0;
            if !inner.over {
                inner.check();
            }
        }
    }
}

impl Inner {
    /// Beats once, unless the run is another's now. A disk that fails for a moment makes the heart miss a beat, no more.
    fn check(&mut self) {
        let there = self.folder.open_file(LOCK).and_then(|f| f.metadata()).map(|about| self.holder.is_of(&about));
        let own = read(&mut self.file).is_none_or(|h| h.token == self.holder.token);
        if !own || matches!(there, Ok(false)) {
            self.lost = true;
            return;
        }
        let _ = self.write();
    }

    fn write(&mut self) -> io::Result<()> {
        self.holder.beat += 1;
        self.holder.time = now();
        let line = padded(&self.holder)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&line)?;
        // What an older program left there may be longer.
        self.file.set_len(line.len() as u64)
    }
}

/// A number that Slurm tells the processes of its jobs.
fn told(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty() && v.bytes().all(|b| b.is_ascii_digit()))
}

/// The task of Slurm that this process is, as Slurm's commands take it: `12_3`, or `12` where it is no array. The number of the
/// job alone may be that of the whole array.
pub fn slurm_task() -> Option<String> {
    match (told("SLURM_ARRAY_JOB_ID"), told("SLURM_ARRAY_TASK_ID")) {
        (Some(array), Some(task)) => Some(format!("{array}_{task}")),
        _ => told("SLURM_JOB_ID"),
    }
}

/// [`Holder::job`] of such a task.
pub fn of_slurm(task: &str) -> String {
    format!("slurm {task}")
}

/// Takes a run over from an engine of the same task that its scheduler has lost: the line says whose it is now, and an engine
/// that reads it there leaves.
fn succeed(folder: &RunFolder, file: &mut File, holder: &Holder) -> Result<(), fs::TryLockError> {
    let line = file.metadata().map(|about| Holder { file: inode(&about), time: now(), ..holder.clone() });
    let written = line.and_then(|h| padded(&h)).and_then(|line| {
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&line)
    });
    written.map_err(fs::TryLockError::Error)?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Err(fs::TryLockError::WouldBlock) if begun.elapsed() < 2 * STALE => std::thread::sleep(BEAT / 4),
            taken => return taken,
        }
        // Another may have come meanwhile.
        let own = folder.open_file(LOCK).ok().and_then(|mut f| read(&mut f)).is_some_and(|h| h.token == holder.token);
        if !own {
            return file.try_lock();
        }
    }
}

/// A line of the lock file.
fn padded(holder: &Holder) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(holder)?;
    line.resize(LINE.max(line.len() + 1) - 1, b' ');
    line.push(b'\n');
    Ok(line)
}

/// Whether the heart of an engine on another machine beats; takes as long as a heart may stand still.
fn beats(folder: &RunFolder, before: &Holder) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < STALE {
        std::thread::sleep(BEAT);
        // Opened anew: only then does a network file system ask again.
        let now = folder.open_file(LOCK).ok().and_then(|mut f| read(&mut f));
        if now.is_some_and(|h| h.token != before.token || h.beat != before.beat) {
            return true;
        }
    }
    false
}

fn read(file: &mut File) -> Option<Holder> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(8 * LINE as u64).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(bytes.trim_ascii()).ok()
}

fn is_read_only(folder: &RunFolder) -> bool {
    folder.handle().is_ok_and(|handle| handle.is_read_only())
}

fn has_no_locks(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::Unsupported || matches!(e.raw_os_error(), Some(37 | 38))
}

/// The number that the file system has for a file or a folder: a copy has another. 0 where there is none.
pub fn inode(about: &fs::Metadata) -> u64 {
    #[cfg(unix)]
    {
        std::os::unix::fs::MetadataExt::ino(about)
    }
    #[cfg(not(unix))]
    {
        let _ = about;
        0
    }
}

/// Name of this machine; empty where there is none to be had.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    name.map_or(String::new(), |n| n.trim().chars().take(64).collect())
}

/// This start of this machine; empty where there is no such thing.
fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map_or(String::new(), |id| id.trim().to_string())
}

/// When a process began, in clock ticks since the machine started; `None` if there is no such process, or it has ended
/// and only waits to be buried.
#[cfg(target_os = "linux")]
fn born(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may hold anything; what comes after does not.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    if matches!(fields.first(), Some(&("Z" | "X"))) {
        return None;
    }
    fields.get(19)?.parse().ok()
}

#[cfg(not(target_os = "linux"))]
fn born(pid: u32) -> Option<u64> {
    #[cfg(unix)]
    {
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).ok()?)?;
        rustix::process::test_kill_process(pid).ok().map(|()| 0)
    }
    #[cfg(not(unix))]
    {
        let _ = pid;
        None
    }
}

#[cfg(test)]
mod tests;
