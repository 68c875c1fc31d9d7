//! Runs that follow one another: an engine that waits for its turn begins when no other run in its folder of runs is at
//! work that came before. There is no list that could be lost: who waits says so in its lock file, which dies with it.

use std::path::Path;
use std::time::Duration;

use super::EngineError;
use super::control::Control;
use crate::run::RunFolder;
use crate::run::event::Level;
use crate::run::lock::{Holder, Liveness};

/// Between two looks at the commands; the other runs are looked at less often.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: u32 = 8;

/// Waits for this run's turn; false if it was asked to leave before.
pub(super) fn wait(control: &mut Control, folder: &RunFolder) -> Result<bool, EngineError> {
    let own = control.lock().holder();
    let mut said = None;
    loop {
        let Some(other) = before(folder.path(), &own) else {
            control.lock().queued(None);
            return Ok(true);
        };
        if said.as_ref() != Some(&other) {
            let words = format!("behind {other}");
            control.lock().queued(Some(&words));
            control.log(Level::Info, format!("waits for its turn, {words}"))?;
            said = Some(other);
        }
        for _ in 0..LOOKS {
            control.listen()?;
            if control.stops() || control.aborts() || control.leaves() {
                control.lock().queued(None);
                return Ok(false);
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// A run beside this one whose turn is now or comes before: it is at work, or has waited for longer.
fn before(path: &Path, own: &Holder) -> Option<String> {
    // A folder of runs that can't be read for a moment is looked at again only if somebody waits; alone is alone.
    let beside = RunFolder::list(path.parent()?).unwrap_or_default();
    beside.into_iter().filter(|f| f.path() != path).find_map(|f| match Liveness::of(&f) {
        Liveness::Alive(h) if !h.queued || comes_before(&h, own) => Some(f.name()),
        _ => None,
    })
}

/// Of two who wait: the one that came first; of two at the same moment, the one with the lesser token.
fn comes_before(a: &Holder, b: &Holder) -> bool {
    a.since.total_cmp(&b.since).then_with(|| a.token.cmp(&b.token)).is_lt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::config::Config;
    use crate::run::lock::RunLock;

    #[test]
    fn the_turn_goes_to_who_works_then_to_who_came_first() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str| RunFolder::create(dir.path(), Some(name), "x", &Config::default()).unwrap();
        let (works, first, second) = (make("works"), make("first"), make("second"));
        let at_work = RunLock::take(&works).unwrap();
        let came_first = RunLock::take(&first).unwrap();
        let came_second = RunLock::take(&second).unwrap();
        came_first.queued(Some("x"));
        came_second.queued(Some("x"));
        let behind = |f: &RunFolder, l: &RunLock| before(f.path(), &l.holder());
        assert_eq!(behind(&first, &came_first), Some("works".into()));
        // The folder is read by name: whoever is found, it is one that comes before.
        assert!(behind(&second, &came_second).is_some());
        drop(at_work);
        assert_eq!(behind(&first, &came_first), None);
        assert_eq!(behind(&second, &came_second), Some("first".into()));
        came_first.queued(None);
        assert_eq!(behind(&second, &came_second), Some("first".into()));
        drop(came_first);
        assert_eq!(behind(&second, &came_second), None);
    }
}
