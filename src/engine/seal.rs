//! What ties a checkpoint to the run that saved it.

use super::past::Past;
use crate::run::event::Origin;

/// Whose a checkpoint is: only the run that saved it goes on from it, with the settings and the data of before.
#[derive(Clone, Debug, Default)]
pub(super) struct Seal {
    /// Tells the run from every other.
    pub run: String,
    /// No engine was here before: whatever lies there is not the run's.
    pub fresh: bool,
    /// The journal has told who the run is before this engine came.
    pub known: bool,
    /// Fingerprint of the data.
    pub data: String,
    /// Every setting, as TOML.
    pub config: String,
    /// Go on though something has changed.
    pub force: bool,
}

impl Seal {
    /// `now`: what the run comes from.
    pub fn of(past: &Past, now: Origin, force: bool) -> Seal {
        let known = past.origin.as_ref().is_some_and(|o| !o.run.is_empty());
        Seal { run: now.run, fresh: !past.started, known, data: now.data, config: now.config, force }
    }
}
