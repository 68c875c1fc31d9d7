//! A study as it stands: its design, the runs of it and how each is, read in one go.

use super::design::Design;
use super::plan::Plan;
use super::results::{Measure, Results, gather};
use super::standing::Standing;
use super::{Study, StudyError};

/// What a look at a study has found.
#[derive(Clone, Debug)]
pub struct Reading {
    pub design: Design,
    pub plan: Plan,
    pub standing: Standing,
    /// What is to be known beside: what could not be asked.
    pub notes: Vec<String>,
}

impl Reading {
    /// Reads design and runs.
    ///
    /// # Errors
    /// A design that makes no sense, a folder that can't be read.
    pub fn of(study: &Study) -> Result<Reading, StudyError> {
        let design = study.design()?;
        let plan = Plan::of(&design);
        let standing = Standing::of(study, &design, &plan)?;
        Ok(Reading { design, plan, standing, notes: Vec::new() })
    }

    /// The same, with what Slurm says of the runs.
    ///
    /// # Errors
    /// A design that makes no sense, a folder that can't be read.
    pub fn with_slurm(study: &Study) -> Result<Reading, StudyError> {
        let mut read = Reading::of(study)?;
        read.notes.extend(read.standing.join_slurm(study, &read.plan));
        Ok(read)
    }

    /// What follows, by this measure or the strongest that is there.
    pub fn results(&self, measure: Option<Measure>) -> Results {
        let (each, mut notes) = gather(&self.design, &self.plan, &self.standing);
        notes.extend(self.notes.iter().cloned());
        Results::of(&self.design, each, measure, notes)
    }
}
