//! Studies on Slurm: a job array for each stage, one task a run. Slurm itself is the queue; what it has is asked of it by
//! the names of jobs, so nothing is kept that could differ from it.

mod command;
mod query;
mod script;
mod submit;

use std::io;

pub use query::{Job, ended, jobs};
pub use script::Ask;
pub use submit::{Submitted, share, submit};

use super::{Study, StudyError};
use crate::run::lock::slurm_task;
use command::call;

/// Folder inside a study, for scripts, lists of runs, and what the jobs print.
pub const SLURM: &str = "slurm";
/// What tells the jobs of this study from all others.
const IDENTITY: &str = "identity";

/// The beginning of the names of a study's jobs; `None` where nothing was submitted yet.
///
/// # Errors
/// A file that can't be read.
fn identity(study: &Study) -> Result<Option<String>, StudyError> {
    let path = study.path().join(SLURM).join(IDENTITY);
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let word: String = text.trim().chars().filter(char::is_ascii_alphanumeric).take(16).collect();
            Ok((!word.is_empty()).then(|| format!("zonas-{word}-")))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(super::io_error("read", &path)(e)),
    }
}

/// Has Slurm queue the task of a job again that this process is; `None` outside of Slurm.
///
/// # Errors
/// Slurm refuses, as where jobs may not be queued again.
pub fn requeue() -> Result<Option<String>, StudyError> {
    let Some(id) = slurm_task() else { return Ok(None) };
    call("scontrol", &["requeue", &id])?;
    Ok(Some(id))
}

/// Cancels all jobs of a study that Slurm has; how many tasks that were.
///
/// # Errors
/// Slurm can't be asked, or refuses.
pub fn cancel(study: &Study) -> Result<usize, StudyError> {
    let live = jobs(study)?;
    let mut arrays: Vec<&str> = live.iter().map(|j| j.array.as_str()).collect();
    arrays.sort_unstable();
    arrays.dedup();
    if !arrays.is_empty() {
        call("scancel", &arrays)?;
    }
    Ok(live.len())
}

#[cfg(test)]
pub mod tests {
    use std::path::Path;

    use super::script::{Array, script};
    use super::*;
    use crate::study::Stage;

    /// The script of an array of searches, for the tests of it.
    pub fn script_of(study: &Path, ask: &Ask, runs: usize, memory_bytes: Option<u64>, seconds: Option<f64>) -> String {
        let job = "zonas-1-search-1".into();
        let array =
            Array { list: "search-1", job, stage: Stage::Search, runs, at_once: 3, cpus: 4, memory_bytes, seconds };
        script(study, &study.join(SLURM), Path::new("/bin/zonas"), ask, &array)
    }
}
