//! Runs that follow one another: an engine that waits for its turn begins when no other run in its folder of runs is at
//! work that came before. There is no list that could be lost: who waits says so in its lock file, which dies with it.
//!
//! A run that waits for a person to confirm its cut is in nobody's way, whether it came by the queue or not. When it is
//! answered it takes its place again: behind who is at work by then, before those who came later.

use std::path::Path;
use std::time::Duration;

use super::control::Control;
use super::error::EngineError;
use crate::run::RunFolder;
use crate::run::event::Level;
use crate::run::lock::{Holder, Liveness};

/// Between two looks at the commands; the other runs are looked at less often.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: u32 = 8;

/// Waits for this run's turn; false if it was asked to leave before. A run that was not begun to follow others waits only
/// for those that were, and have had the turn that it gave up. `release` gives up what others may need meanwhile: it is called
/// where there is somebody to wait for, maybe more than once.
pub(super) fn wait(control: &mut Control, folder: &RunFolder, mut release: impl FnMut()) -> Result<bool, EngineError> {
    let mut said = None;
    // From here on others see that this run wants its turn.
    let yielded = control.lock().holder().yields;
    if yielded {
        control.lock().queued(Some("its turn"));
    }
    loop {
        if before(folder.path(), &control.lock().holder()).is_none() {
            control.lock().queued(None);
            // Another may have taken its turn again in the same moment; it came first, so this one goes back.
            if before(folder.path(), &control.lock().holder()).is_none() {
                return Ok(true);
            }
        }
        if let Some(other) = before(folder.path(), &control.lock().holder()) {
            release();
            let words = format!("behind {other}");
            control.lock().queued(Some(&words));
            if said.as_ref() != Some(&other) {
                control.log(Level::Info, format!("waits for its turn, {words}"))?;
                said = Some(other);
            }
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
        Liveness::Alive(h) if goes_first(&h, own) => Some(f.name()),
        _ => None,
    })
}

fn goes_first(other: &Holder, own: &Holder) -> bool {
    match (other.yields, other.queued) {
        (true, _) => false,
        (false, false) => own.follows || other.follows,
        (false, true) => own.follows && comes_before(other, own),
    }
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
        for lock in [&came_first, &came_second] {
            lock.follows(true);
            lock.queued(Some("x"));
        }
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

    #[test]
    fn who_waits_for_a_person_is_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str| RunFolder::create(dir.path(), Some(name), "x", &Config::default()).unwrap();
        let (asks, next) = (make("asks"), make("next"));
        let behind = |f: &RunFolder, l: &RunLock| before(f.path(), &l.holder());
        for follows in [true, false] {
            let (asking, waiting) = (RunLock::take(&asks).unwrap(), RunLock::take(&next).unwrap());
            asking.follows(follows);
            waiting.follows(true);
            waiting.queued(Some("x"));
            assert_eq!(behind(&next, &waiting), Some("asks".into()));
            asking.yields(true);
            assert_eq!(behind(&next, &waiting), None);
            // Answered before the other had its turn: it came first.
            asking.queued(Some("x"));
            assert_eq!(behind(&asks, &asking), None);
            assert!(behind(&next, &waiting).is_some());
            // Answered when the other is at work.
            waiting.queued(None);
            assert_eq!(behind(&asks, &asking), Some("next".into()));
            drop(waiting);
            assert_eq!(behind(&asks, &asking), None);
        }
        // Two that were begun side by side stay so.
        let (one, other) = (RunLock::take(&asks).unwrap(), RunLock::take(&next).unwrap());
        one.queued(Some("x"));
        assert_eq!(behind(&asks, &one), None);
        drop(other);
    }
}
