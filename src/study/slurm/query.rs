//! What Slurm has of a study: `squeue` for what waits and runs, `sacct`, where there is accounting, for how the others ended.

use std::collections::HashMap;
use std::path::Path;

use super::super::{Study, StudyError};
use super::SLURM;
use super::command::call;
use super::identity::Jobs;
use crate::run::RunFolder;
use crate::run::lock::{self, Liveness};

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
}

/// States of Slurm's in which a task is over. One that is queued anew is `REQUEUED`, `COMPLETING` or `PENDING`.
fn is_over(state: &str) -> bool {
    matches!(
        state,
        "COMPLETED"
            | "CANCELLED"
            | "FAILED"
            | "TIMEOUT"
            | "NODE_FAIL"
            | "BOOT_FAIL"
            | "OUT_OF_MEMORY"
            | "DEADLINE"
            | "PREEMPTED"
            | "REVOKED"
    )
}

/// How a task of an array ended, by Slurm's accounting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    array: u64,
    task: usize,
    list: String,
    /// `OUT_OF_MEMORY`, `CANCELLED by 1000`, …
    state: String,
    /// `0:9`: exit code and signal.
    code: String,
}

impl Ending {
    /// A line of `sacct --parsable2 --allocations --format=JobID,JobName,State,ExitCode`, where it is of a task of this study's that is
    /// over: those that wait, run or are queued anew have not ended, and those that wait in an array together have no task.
    fn of(line: &str, prefix: &str) -> Option<Ending> {
        let fields: Vec<&str> = line.trim_end().split('|').collect();
        let [id, name, state, code] = fields[..] else { return None };
        let list = name.strip_prefix(prefix)?.to_string();
        let (array, task) = id.split_once('_')?;
        let (array, task) = (array.parse().ok()?, task.parse().ok()?);
        // Who cancelled it stands behind the word; `+` where it was cut off.
        let word = state.split_whitespace().next()?.trim_end_matches('+');
        is_over(word).then(|| Ending { array, task, list, state: state.trim().into(), code: code.trim().into() })
    }

    /// Whether it did what it was to do, as far as Slurm knows.
    pub fn is_good(&self) -> bool {
        self.state == "COMPLETED"
    }

    /// Whether somebody took it back.
    pub fn is_cancelled(&self) -> bool {
        self.state.starts_with("CANCELLED")
    }

    /// Whether it was this task, as an engine calls itself.
    pub fn is_of(&self, task: &str) -> bool {
        lock::of_slurm(&format!("{}_{}", self.array, self.task)) == task
    }

    /// `Slurm 12_3: OUT_OF_MEMORY, exit code 0:125; …`, with what helps.
    pub fn words(&self) -> String {
        let help = match self.state.as_str() {
            "OUT_OF_MEMORY" => "; it needs more than it asked for: give --sbatch \"--mem=…\", or lower limits.threads",
            "TIMEOUT" | "DEADLINE" => {
                "; its time was over before it could say so: run the study again, with a longer --time"
            }
            "NODE_FAIL" | "BOOT_FAIL" => "; its node failed: run the study again",
            "PREEMPTED" => "; others were preferred, and it was not queued again: run the study again",
            "FAILED" if !self.code.ends_with(":0") => "; it was killed",
            _ => "",
        };
        format!("Slurm {}_{}: {}, exit code {}{help}", self.array, self.task, self.state, self.code)
    }
}

/// The tasks that wait or run; empty where nothing was ever submitted.
///
/// # Errors
/// `squeue` is missing or fails.
pub fn jobs(study: &Study) -> Result<Vec<Job>, StudyError> {
    let Jobs::Own(prefix) = Jobs::of(study)? else { return Ok(Vec::new()) };
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
    found.retain(|job: &Job| !is_over(&job.state));
    Ok(found)
}

/// The task that seems to be at work on a run, where Slurm has it no more: its heart may have beaten a moment ago, but it was killed.
pub fn lost(folder: &RunFolder, live: &[Job]) -> Option<String> {
    let (Liveness::Alive(holder) | Liveness::Unreachable(holder)) = Liveness::of(folder) else { return None };
    holder.job.filter(|own| live.iter().all(|j| lock::of_slurm(&j.id()) != *own))
}

/// Runs of a list, by the numbers of their tasks.
pub fn read_list(study: &Path, list: &str) -> Vec<String> {
    let path = study.join(SLURM).join(format!("{list}.txt"));
    std::fs::read_to_string(path).map_or_else(|_| Vec::new(), |t| t.lines().map(str::to_string).collect())
}

/// How the tasks ended that Slurm has no more, by run: what its accounting says of the latest. Empty where there is none.
pub fn ended(study: &Study) -> HashMap<String, Ending> {
    let Ok(Jobs::Own(prefix)) = Jobs::of(study) else { return HashMap::new() };
    let asked = [
        "--noheader",
        "--parsable2",
        "--allocations",
        "--starttime=now-30days",
        "--format=JobID,JobName,State,ExitCode",
    ];
    let Ok(out) = call("sacct", &asked) else { return HashMap::new() };
    let mut lists: HashMap<String, Vec<String>> = HashMap::new();
    let mut all: HashMap<String, Ending> = HashMap::new();
    for ending in out.lines().filter_map(|line| Ending::of(line, &prefix)) {
        let runs = lists.entry(ending.list.clone()).or_insert_with(|| read_list(study.path(), &ending.list));
        let Some(run) = runs.get(ending.task) else { continue };
        // A run that was submitted again has a later array; one line of a task follows another in the order of time.
        if all.get(run).is_none_or(|known| known.array <= ending.array) {
            all.insert(run.clone(), ending);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_told_from_what_goes_on() {
        let of = |line: &str| Ending::of(line, "zonas-0a1b2c3d-");
        let at = |state: &str| of(&format!("12_3|zonas-0a1b2c3d-search-1|{state}|0:0"));
        for state in [
            "COMPLETED",
            "FAILED",
            "CANCELLED",
            "CANCELLED by 1000",
            "TIMEOUT",
            "OUT_OF_MEMORY",
            "NODE_FAIL",
            "BOOT_FAIL",
            "PREEMPTED",
            "DEADLINE",
            "REVOKED",
        ] {
            let ending = at(state).unwrap();
            assert_eq!((ending.array, ending.task, ending.list.as_str()), (12, 3, "search-1"));
            assert!(ending.words().starts_with(&format!("Slurm 12_3: {state}, exit code 0:0")), "{}", ending.words());
            assert_eq!((ending.is_good(), ending.is_cancelled()), (state == "COMPLETED", state.starts_with("CANC")));
        }
        for state in ["PENDING", "RUNNING", "REQUEUED", "COMPLETING", "SUSPENDED", "RESIZING", "CONFIGURING", ""] {
            assert_eq!(at(state), None, "{state}");
        }
        // Tasks that wait together, jobs of others, steps, a line of another form.
        for line in [
            "12_[4-11%3]|zonas-0a1b2c3d-search-1|CANCELLED by 0|0:0",
            "12|zonas-0a1b2c3d-search-1|FAILED|1:0",
            "12_3|zonas-ffffffff-search-1|FAILED|1:0",
            "12_3.batch|batch|FAILED|1:0",
            "12_3|zonas-0a1b2c3d-search-1|FAILED",
            "sacct: error: Problem talking to the database: Connection refused",
            "",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
        assert!(at("OUT_OF_MEMORY").unwrap().words().contains("--mem"));
        let killed = of("5_0|zonas-0a1b2c3d-search-1|FAILED|0:9").unwrap();
        assert_eq!(killed.words(), "Slurm 5_0: FAILED, exit code 0:9; it was killed");
        assert!(killed.is_of("slurm 5_0") && !killed.is_of("slurm 5_1"));
    }

    #[test]
    fn a_task_that_is_queued_anew_is_not_over() {
        for state in ["PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "SUSPENDED"] {
            assert!(!is_over(state), "{state}");
        }
    }
}
