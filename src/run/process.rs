//! Starting an engine as a process of its own: it has no terminal and its own process group, so that nothing that happens
//! to a window or a connection reaches it; what it prints goes to the run's log.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::process::{Child, Command, ExitStatus, Stdio};

use super::folder::{FolderError, LOG, RunFolder, io_error};
use super::status::BEGUN;

/// An engine that this process has started.
#[derive(Debug)]
pub struct Engine {
    child: Child,
    /// The run's log, by its handle: the folder may be moved meanwhile.
    log: File,
    /// Where its own part of the log begins.
    from: u64,
}

/// Bytes of what an engine printed that are read at most.
const TOLD: u64 = 64 * 1024;

/// The hidden sub-command that runs an engine.
pub const COMMAND: &str = "engine";

/// Starts this program's own engine on a run; `arguments` are those after the folder.
///
/// # Errors
/// A log that can't be written, a process that can't be started.
pub fn start(folder: &RunFolder, arguments: &[&str]) -> Result<Engine, FolderError> {
    spawn(folder, &[COMMAND], arguments)
}

/// Starts the runner of a study in this folder, as an engine is started.
///
/// # Errors
/// As [`start`].
pub fn start_study(folder: &RunFolder) -> Result<Engine, FolderError> {
    spawn(folder, &["study", "run"], &[])
}

fn spawn(folder: &RunFolder, before: &[&str], arguments: &[&str]) -> Result<Engine, FolderError> {
    let path = std::path::absolute(folder.path()).map_err(io_error("find", folder.path()))?;
    let log = path.join(LOG);
    let opened = folder.handle().and_then(|folder| folder.append(LOG));
    let mut file = opened.map_err(io_error("write", &log))?;
    writeln!(file, "{BEGUN}, zonas {}", env!("CARGO_PKG_VERSION")).map_err(io_error("write", &log))?;
    let from = file.metadata().map_or(0, |about| about.len());
    let errors = file.try_clone().map_err(io_error("write", &log))?;
    let own = file.try_clone().map_err(io_error("write", &log))?;
    let program = std::env::current_exe().map_err(io_error("find the program", &path))?;
    let mut command = Command::new(&program);
    command.args(before).arg(&path).args(arguments);
    command.stdin(Stdio::null()).stdout(file).stderr(errors);
    // A folder that is not the caller's, which may be unmounted or removed.
    command.current_dir("/");
    detach(&mut command);
    let child = command.spawn().map_err(io_error("start", &program))?;
    stay_nice(child.id());
    Ok(Engine { child, log: own, from })
}

/// Linux shares processors among sessions, and the niceness of this process does not count in one of its own: it is given to the
/// whole session.
fn stay_nice(pid: u32) {
    #[cfg(target_os = "linux")]
    if let Ok(nice @ 1..) = rustix::process::getpriority_process(None) {
        // Where sessions are not told apart, there is no such file, and nothing is lost.
        let _ = std::fs::write(format!("/proc/{pid}/autogroup"), nice.to_string());
    }
    #[cfg(not(target_os = "linux"))]
    let _ = pid;
}

/// A session of its own: no terminal, no signals from one.
fn detach(command: &mut Command) {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        let session = || rustix::process::setsid().map(drop).map_err(std::io::Error::from);
        // SAFETY: between fork and exec it makes one system call and touches no memory of this process.
        unsafe { command.pre_exec(session) };
    }
    #[cfg(not(unix))]
    let _ = command;
}

impl Engine {
    /// Number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().ok().flatten()?;
        self.note(status);
        Some(status)
    }

    /// What it printed: nothing, if all is well.
    pub fn said(&self) -> String {
        let mut bytes = Vec::new();
        // A log that can't be read tells nothing.
        let mut file = &self.log;
        let _ = file.seek(SeekFrom::Start(self.from)).and_then(|_| file.take(TOLD).read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Buries it when it ends, on a thread of its own; for those who go on with something else.
    pub fn forget(mut self) {
        let waiting = std::thread::Builder::new().name("child".into()).spawn(move || {
            if let Ok(status) = self.child.wait() {
                self.note(status);
            }
        });
        // Without a thread nothing is lost but a line in the log.
        drop(waiting);
    }

    /// An end that the engine could not tell of itself.
    fn note(&self, status: ExitStatus) {
        #[cfg(unix)]
        if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
            let name = signal_hook::low_level::signal_name(signal).unwrap_or("signal");
            let hint = if signal == 9 { "; by a person, a job scheduler, or for want of memory" } else { "" };
            let _ = writeln!(&self.log, "the engine was ended by signal {signal} ({name}){hint}");
        }
        let _ = (&self.log, status);
    }
}

/// Sends a signal to the engine.
#[cfg(unix)]
pub fn signal(pid: u32, signal: rustix::process::Signal) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::kill_process(pid, signal).is_ok())
}
