//! What Slurm has of a study: `squeue` for what waits and runs, `sacct`, where there is accounting, for how the others ended.

use std::collections::HashMap;
use std::path::Path;

use super::super::{Study, StudyError};
use super::command::call;
use super::{SLURM, identity};

/// A task of an array that Slurm has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Number of the array.
    pub array: String,
    pub task: usize,
    /// The list of runs that it belongs to.
    pub list: String,
    /// The run.
    pub run: String,
    /// `PENDING`, `RUNNING`, …
    pub state: String,
    /// Why it waits, or where it runs.
    pub detail: String,
}

impl Job {
    /// `12_3`.
    pub fn id(&self) -> String {
        format!("{}_{}", self.array, self.task)
    }

    /// `Slurm 12_3: PENDING (Priority)`.
    pub fn words(&self) -> String {
        let detail = if self.detail.is_empty() { String::new() } else { format!(" ({})", self.detail) };
        let stuck = if self.is_stuck() {
            "; it won't begin by itself: `zonas study stop`, and run the study again"
        } else {
            ""
        };
        format!("Slurm {}: {}{detail}{stuck}", self.id(), self.state)
    }

    /// Whether it waits for what does not come.
    fn is_stuck(&self) -> bool {
        let never = [
            "DependencyNeverSatisfied",
            "launch failed requeued held",
            "JobHeldUser",
            "JobHeldAdmin",
            "BadConstraints",
            "PartitionTimeLimit",
            "PartitionNodeLimit",
        ];
        self.state == "PENDING" && never.contains(&self.detail.as_str())
    }

    /// Whether it waits or runs, or may do so again: one that is queued anew is completing for a while before.
    fn is_live(&self) -> bool {
        !matches!(
            self.state.as_str(),
            "COMPLETED" | "CANCELLED" | "FAILED" | "TIMEOUT" | "NODE_FAIL" | "BOOT_FAIL" | "OUT_OF_MEMORY" | "DEADLINE"
        )
    }
}

/// The tasks that wait or run; empty where nothing was ever submitted.
///
/// # Errors
/// `squeue` is missing or fails.
pub fn jobs(study: &Study) -> Result<Vec<Job>, StudyError> {
    let Some(prefix) = identity(study)? else { return Ok(Vec::new()) };
    // Array, task, state, nodes, name and reason; a line for each task.
    let out = call("squeue", &["--noheader", "--array", "--me", "--format=%F|%K|%T|%N|%j|%r"])?;
    let mut lists: HashMap<String, Vec<String>> = HashMap::new();
    let mut found = Vec::new();
    for line in out.lines() {
        let fields: Vec<&str> = line.splitn(6, '|').map(str::trim).collect();
        let [array, task, state, nodes, name, reason] = fields[..] else { continue };
        let (Some(list), Ok(task)) = (name.strip_prefix(&prefix), task.parse::<usize>()) else { continue };
        let runs = lists.entry(list.to_string()).or_insert_with(|| read_list(study.path(), list));
        let Some(run) = runs.get(task) else { continue };
        let detail = if nodes.is_empty() { reason } else { nodes };
        found.push(Job {
            array: array.into(),
            task,
            list: list.into(),
            run: run.clone(),
            state: state.into(),
            detail: detail.trim_matches(|c| c == '(' || c == ')').replace("None", ""),
        });
    }
    found.retain(Job::is_live);
    Ok(found)
}

/// Runs of a list, by the numbers of their tasks.
pub fn read_list(study: &Path, list: &str) -> Vec<String> {
    let path = study.join(SLURM).join(format!("{list}.txt"));
    std::fs::read_to_string(path).map_or_else(|_| Vec::new(), |t| t.lines().map(str::to_string).collect())
}

/// How the tasks ended that Slurm has no more, by run: the last word of its accounting. Empty where there is none.
pub fn ended(study: &Study) -> HashMap<String, String> {
    let Ok(Some(prefix)) = identity(study) else { return HashMap::new() };
    let asked = [
        "--noheader",
        "--parsable2",
        "--allocations",
        "--starttime=now-30days",
        "--format=JobID,JobName,State,ExitCode",
    ];
    let Ok(out) = call("sacct", &asked) else { return HashMap::new() };
    let mut all = HashMap::new();
    for line in out.lines() {
        let fields: Vec<&str> = line.split('|').collect();
        let [id, name, state, code] = fields[..] else { continue };
        let (Some(list), Some((_, task))) = (name.strip_prefix(&prefix), id.split_once('_')) else { continue };
        let Ok(task) = task.parse::<usize>() else { continue };
        if let Some(run) = read_list(study.path(), list).get(task) {
            all.insert(run.clone(), format!("Slurm {id}: {state}, exit code {code}"));
        }
    }
    all
}
