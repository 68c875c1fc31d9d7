//! How a study stands: which of its runs are there, and what each of them is at.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::SystemTime;

use rayon::prelude::*;
use serde::Serialize;

use super::design::{Design, Stage};
use super::plan::{Plan, SCORES, Task, key};
use super::{Study, StudyError, slurm};
use crate::run::config::Config;
use crate::run::status::Status;
use crate::run::summary::{Read, Summary};
use crate::run::{CONFIG, RunFolder};
use crate::space::Genotype;

/// How one run of a study stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "detail", rename_all = "snake_case")]
pub enum State {
    /// Another run has to end before: its name.
    Waits(String),
    /// It can begin.
    Ready,
    /// A scheduler has it: how it stands there.
    Queued(String),
    Running(String),
    /// It was left off, and goes on where it was.
    Stopped(String),
    Done,
    Failed(String),
    /// Nothing was heard of its engine for long.
    Unreachable(String),
}

impl State {
    pub const fn word(&self) -> &'static str {
        match self {
            State::Waits(_) => "waits",
            State::Ready => "ready",
            State::Queued(_) => "queued",
            State::Running(_) => "running",
            State::Stopped(_) => "stopped",
            State::Done => "done",
            State::Failed(_) => "failed",
            State::Unreachable(_) => "unreachable",
        }
    }

    pub fn detail(&self) -> &str {
        match self {
            State::Ready | State::Done => "",
            State::Waits(text)
            | State::Queued(text)
            | State::Running(text)
            | State::Stopped(text)
            | State::Failed(text)
            | State::Unreachable(text) => text,
        }
    }
}

/// The runs of a study's folder, by what they are runs of. Settings are read once, and again when their file changes.
#[derive(Debug, Default)]
pub struct Found {
    known: HashMap<PathBuf, (SystemTime, Option<Config>)>,
    /// Folders by stage and key; of several the first by name.
    by_key: HashMap<(Stage, String), RunFolder>,
    /// Names of all of them.
    names: HashSet<String>,
}

impl Found {
    /// Looks at the folder of runs again.
    ///
    /// # Errors
    /// It can't be read.
    pub fn look(&mut self, study: &Study, design: &Design) -> Result<(), StudyError> {
        let folders = RunFolder::list(&study.runs())?;
        let known = &self.known;
        let read: Vec<_> = folders
            .par_iter()
            .map(|folder| {
                let path = folder.file(CONFIG);
                let time = std::fs::metadata(&path).and_then(|m| m.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
                match known.get(folder.path()).filter(|(before, _)| *before == time) {
                    Some((_, config)) => (folder.clone(), time, config.clone()),
                    // One whose settings can't be read is no run of this study's.
                    None => (folder.clone(), time, folder.config().ok()),
                }
            })
            .collect();
        let keyed: Vec<_> = read
            .par_iter()
            .filter_map(|(folder, _, config)| {
                let config = config.as_ref()?;
                let stage = match () {
                    () if !config.train.genotype.is_empty() => Stage::Train,
                    () if folder.name().starts_with(SCORES) => Stage::Score,
                    () => Stage::Search,
                };
                Some(((stage, key(design, stage, config)), folder.clone()))
            })
            .collect();
        self.by_key.clear();
        for (key, folder) in keyed {
            self.by_key.entry(key).or_insert(folder);
        }
        self.names = read.iter().map(|(folder, ..)| folder.name()).collect();
        self.known =
            read.into_iter().map(|(folder, time, config)| (folder.path().to_path_buf(), (time, config))).collect();
        Ok(())
    }

    /// The run of a task; of a training, of what its search has found.
    pub fn run(&self, design: &Design, task: &Task, found: Option<&Genotype>) -> Option<&RunFolder> {
        let key = match found {
            Some(_) => key(design, task.stage, &task.config_with(found)),
            None => task.key.clone(),
        };
        self.by_key.get(&(task.stage, key))
    }

    /// A name for a new run that nothing has.
    pub fn free(&self, name: &str) -> String {
        let numbered = (1..).map(|n| if n == 1 { name.to_string() } else { format!("{name}-{n}") });
        numbered.into_iter().find(|n| !self.names.contains(n)).unwrap_or_else(|| name.into())
    }

    pub fn count(&self) -> usize {
        self.names.len()
    }
}

/// What is known of one run of a study.
#[derive(Clone, Debug)]
pub struct Known {
    pub state: State,
    pub folder: Option<RunFolder>,
    /// What its journal tells, where there is one.
    pub summary: Option<Box<Summary>>,
}

impl Known {
    /// What it has found, once it is done.
    fn genotype(&self) -> Option<Genotype> {
        self.summary.as_ref().filter(|_| self.state == State::Done)?.genotype.clone()
    }
}

/// All runs of a study, in the order of its plan.
#[derive(Clone, Debug)]
pub struct Standing {
    pub tasks: Vec<Known>,
    /// Runs in the folder that belong to no setting of the design.
    pub others: usize,
}

/// How a run stands by itself.
pub fn state_of(task: &Task, read: &Read) -> State {
    let Read { summary, status } = read;
    // Scores that are there are there, whatever became of the run afterwards.
    if task.until_cut && summary.cut.is_some() && !status.has_engine() {
        return State::Done;
    }
    match status {
        Status::New => State::Ready,
        Status::Done => State::Done,
        Status::Starting | Status::Running(_) | Status::Paused(_) | Status::WaitingForCut => {
            State::Running(status.detail().unwrap_or(status.word()).into())
        }
        Status::Queued(behind) => State::Running(behind.clone()),
        Status::Stopped(why) => match &summary.not_by_scores {
            Some(reason) if summary.stopped_at_cut() => State::Failed(format!("the cut is {reason}")),
            _ => State::Stopped(why.clone()),
        },
        Status::Aborted(why) => State::Stopped(if why.is_empty() { "aborted".into() } else { why.clone() }),
        Status::Failed(why) | Status::Crashed(why) => State::Failed(why.clone()),
        Status::Unreachable(why) => State::Unreachable(why.clone()),
    }
}

impl Standing {
    /// Reads all of them.
    ///
    /// # Errors
    /// A folder that can't be read.
    pub fn of(study: &Study, design: &Design, plan: &Plan) -> Result<Standing, StudyError> {
        let mut found = Found::default();
        found.look(study, design)?;
        Ok(Standing::with(&found, design, plan, |_| None))
    }

    /// The same, of folders that have been looked at; `before` is what is known of a task and still holds.
    pub fn with(
        found: &Found,
        design: &Design,
        plan: &Plan,
        before: impl Fn(usize) -> Option<Known> + Sync,
    ) -> Standing {
        let read = |i: usize, genotype: Option<&Genotype>| {
            if let Some(known) = before(i) {
                return known;
            }
            let task = &plan.tasks[i];
            let nothing = Known { state: State::Ready, folder: None, summary: None };
            if task.stage == Stage::Train && genotype.is_none() {
                return nothing;
            }
            let Some(folder) = found.run(design, task, genotype) else { return nothing };
            let read = Summary::read(folder);
            let state = state_of(task, &read);
            Known { state, folder: Some(folder.clone()), summary: Some(Box::new(read.summary)) }
        };
        let first: Vec<Option<Known>> = (0..plan.tasks.len())
            .into_par_iter()
            .map(|i| (plan.tasks[i].stage != Stage::Train).then(|| read(i, None)))
            .collect();
        let of_search = |i: usize| first[plan.tasks[i].needs?].as_ref()?.genotype();
        let mut tasks: Vec<Known> = (0..plan.tasks.len())
            .into_par_iter()
            .map(|i| first[i].clone().unwrap_or_else(|| read(i, of_search(i).as_ref())))
            .collect();
        for i in 0..tasks.len() {
            if let (State::Ready, Some(needs)) = (&tasks[i].state, plan.tasks[i].needs)
                && tasks[needs].state != State::Done
            {
                tasks[i].state = State::Waits(plan.tasks[needs].name.clone());
            }
        }
        let mut used: Vec<_> = tasks.iter().filter_map(|t| t.folder.as_ref().map(RunFolder::path)).collect();
        used.sort();
        used.dedup();
        let others = found.count().saturating_sub(used.len());
        Standing { tasks, others }
    }

    /// How many stand so.
    pub fn count(&self, word: &str) -> usize {
        self.tasks.iter().filter(|t| t.state.word() == word).count()
    }

    /// What a training trains, where its search has found it.
    pub fn genotype(&self, plan: &Plan, task: usize) -> Option<Genotype> {
        self.tasks[plan.tasks[task].needs.filter(|_| plan.tasks[task].stage == Stage::Train)?].genotype()
    }
}

impl Standing {
    /// Joins what Slurm says: who waits there, and how those ended that left no word. What is to be told if it can't be asked.
    pub fn join_slurm(&mut self, study: &Study, plan: &Plan) -> Option<String> {
        let live = match slurm::jobs(study) {
            Ok(live) => live,
            Err(e) => return Some(format!("{e}; what Slurm has of this study is not known")),
        };
        for job in &live {
            let Some(i) = plan.tasks.iter().position(|t| t.name == job.run) else { continue };
            let state = &mut self.tasks[i].state;
            match state {
                // An engine that is at work says more; what is done is done.
                State::Running(_) | State::Done => {}
                _ if job.state == "RUNNING" => *state = State::Running(job.words()),
                _ => *state = State::Queued(job.words()),
            }
        }
        let unsaid =
            |s: &State| matches!(s, State::Ready | State::Failed(_) | State::Stopped(_) | State::Unreachable(_));
        let lost = |known: &Known| match known.state {
            State::Running(_) => slurm::lost(known.folder.as_ref()?, &live),
            _ => None,
        };
        let gone: Vec<Option<String>> = self.tasks.iter().map(lost).collect();
        if self.tasks.iter().any(|t| unsaid(&t.state)) || gone.iter().any(Option::is_some) {
            let ended = slurm::ended(study);
            for ((known, task), gone) in self.tasks.iter_mut().zip(&plan.tasks).zip(gone) {
                let Some(ending) = ended.get(&task.name).filter(|e| !e.is_good()) else { continue };
                match &mut known.state {
                    // Its heart beat a moment ago, and it was killed since.
                    state @ State::Running(_) if gone.is_some_and(|task| ending.is_of(&task)) => {
                        *state = State::Failed(ending.words());
                    }
                    State::Failed(why) | State::Stopped(why) | State::Unreachable(why) => {
                        why.push_str(&format!("; {}", ending.words()));
                    }
                    // It ended before its first word: nothing but Slurm knows of it.
                    state @ State::Ready if !ending.is_cancelled() => *state = State::Failed(ending.words()),
                    _ => {}
                }
            }
        }
        slurm::told_of_copy(study)
    }
}
