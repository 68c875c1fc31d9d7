//! Beginning one run of a study: its folder, scores that are there already, and what its engine may take.

use super::design::{Design, Stage};
use super::plan::Plan;
use super::standing::{Found, Standing, State};
use super::{Study, StudyError};
use crate::engine;
use crate::run::RunFolder;
use crate::run::config::Config;

/// What an engine may take of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// 0: as the settings say.
    pub threads: usize,
    /// What is kept for it.
    pub memory_bytes: Option<u64>,
    /// It is less than it would like, so it has to be told.
    pub tight: bool,
    /// Its pictures stay in their files: there is no room for them.
    pub files: bool,
    /// A GPU by its number.
    pub gpu: Option<usize>,
}

impl Share {
    /// The settings with it; results do not depend on it.
    fn over(&self, mut config: Config) -> Config {
        if self.threads > 0 {
            config.device.threads = self.threads;
        }
        if let Some(bytes) = self.memory_bytes.filter(|_| self.tight) {
            config.device.memory_budget = bytes.to_string();
        }
        if self.files {
            config.data.memory = "1".into();
        }
        if let Some(gpu) = self.gpu {
            config.device.kind = crate::device::Choice::Cuda { ordinal: Some(gpu) };
        }
        config
    }
}

/// A run whose folder is ready for an engine.
#[derive(Debug)]
pub struct Began {
    pub folder: RunFolder,
    /// The folder was made for it.
    pub new: bool,
}

/// Makes the folder of a task, or finds it; what it needs has to be there.
///
/// # Errors
/// A folder that can't be made or written, another engine that has it, something it needs that is not there.
pub fn begin(
    study: &Study,
    design: &Design,
    plan: &Plan,
    standing: &Standing,
    found: &mut Found,
    number: usize,
    share: &Share,
) -> Result<Began, StudyError> {
    let task = &plan.tasks[number];
    if let Some(needs) = task.needs.filter(|n| standing.tasks[*n].state != State::Done) {
        let name = &plan.tasks[needs].name;
        let state = standing.tasks[needs].state.word();
        return Err(StudyError::Refused(format!("{} needs {name}, which is {state}", task.name)));
    }
    let genotype = standing.genotype(plan, number);
    if task.stage == Stage::Train && genotype.is_none() {
        return Err(StudyError::Refused(format!("{}: its search has found no genotype", task.name)));
    }
    let config = task.config_with(genotype.as_ref());
    found.look(study, design)?;
    if let Some(folder) = found.run(design, task, genotype.as_ref()) {
        let folder = folder.clone();
        let own = folder.config()?;
        let mut asked = own.clone();
        // What it was told when there was less room holds no longer.
        asked.device.memory_budget.clone_from(&config.device.memory_budget);
        asked.data.memory.clone_from(&config.data.memory);
        let shared = share.over(asked);
        if shared != own {
            folder.change(&shared)?;
        }
        return Ok(Began { folder, new: false });
    }
    let config = share.over(config);
    let folder = RunFolder::create(&study.runs(), Some(&found.free(&task.name)), "", &config)?;
    if let Some(needs) = task.needs.filter(|_| task.stage == Stage::Search) {
        let taken = match &standing.tasks[needs].folder {
            Some(from) => engine::inherit(from, &folder, &config).map_err(|e| e.to_string()),
            None => Ok(false),
        };
        if taken != Ok(true) {
            // A run that could not begin leaves nothing behind.
            let _ = folder.remove();
            let why = taken.err().unwrap_or_else(|| "there are no whole scores that it could take over".into());
            return Err(StudyError::Refused(format!("{}: {why}", task.name)));
        }
    }
    Ok(Began { folder, new: true })
}
