//! Calling Slurm's own commands.

use std::io;
use std::process::{Command, Stdio};

use super::super::StudyError;

/// What a command printed.
///
/// # Errors
/// It is not there, or it refuses: its own words.
pub fn call<A: AsRef<std::ffi::OsStr>>(program: &str, arguments: &[A]) -> Result<String, StudyError> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    // Formats and times as they are written here, whatever the user has set.
    for name in [
        "SQUEUE_FORMAT",
        "SQUEUE_FORMAT2",
        "SQUEUE_SORT",
        "SQUEUE_STATES",
        "SQUEUE_ALL",
        "SLURM_TIME_FORMAT",
        "SACCT_FORMAT",
    ] {
        command.env_remove(name);
    }
    let out = command.output().map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => StudyError::Refused(format!(
            "there is no `{program}` here: Slurm's commands are missing from PATH; run this where jobs are submitted, or \
             without --on slurm"
        )),
        _ => StudyError::Refused(format!("can't start `{program}`: {e}")),
    })?;
    if out.status.success() {
        return Ok(String::from_utf8_lossy(&out.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&out.stderr);
    let said = said.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("; ");
    let said = if said.is_empty() { out.status.to_string() } else { said };
    Err(StudyError::Refused(format!("`{program}` failed: {said}")))
}
