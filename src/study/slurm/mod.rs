//! Studies on Slurm: a job array for each stage, one task a run. Slurm itself is the queue; what it has is asked of it by
//! the names of jobs, so nothing is kept that could differ from it.

mod command;
mod identity;
mod query;
mod script;
mod submit;

pub use identity::told_of_copy;
pub use query::{Job, ended, jobs, lost};
pub use script::Ask;
pub use submit::{Submitted, share, submit};

use super::{Study, StudyError};
use crate::run::lock::slurm_task;
use command::call;

/// Folder inside a study, for scripts, lists of runs, and what the jobs print.
pub const SLURM: &str = "slurm";

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

    pub use super::super::need::Estimate;
    pub use super::script::Predicted;
    use super::script::{Array, script};
    use super::*;
    use crate::study::Stage;

    /// The script of an array of searches, for the tests of it.
    pub fn script_of(study: &Path, ask: &Ask, runs: usize, predicted: Predicted) -> String {
        let job = "zonas-1-search-1".into();
        let array = Array { list: "search-1", job, stage: Stage::Search, runs, at_once: 3, cpus: 4, predicted };
        script(study, &study.join(SLURM), Path::new("/bin/zonas"), ask, &array)
    }
}
