//! The same beside a run that goes on: a thread that reads the journal as any watcher does, and writes to `tensorboard/` in the
//! run's folder. Whatever becomes of it, the run goes on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::board::Board;
use super::record::{self, Records};
use super::{file_name, proto};
use crate::engine::Notices;
use crate::run::RunFolder;
use crate::run::event::{Event, Level};
use crate::run::journal::Tail;

/// The folder in that of the run.
const FOLDER: &str = "tensorboard";
/// Between two looks at the journal.
const LOOK: Duration = Duration::from_millis(500);
/// Files of one run, at most.
const FILES: usize = 10_000;

/// A thread that records a run; it ends with the value.
pub struct Live {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Live {
    /// Begins. What can't be written is said once, by `notices`.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn begin(folder: &RunFolder, notices: Notices) -> io::Result<Live> {
        let (folder, over) = (folder.clone(), Arc::new(AtomicBool::new(false)));
        let ends = over.clone();
        let thread = std::thread::Builder::new().name("tensorboard".into()).spawn(move || {
            if let Err(e) = follow(&folder, &ends, &notices) {
                let text = format!(
                    "nothing more is recorded for TensorBoard: {e}; `zonas export --as tensorboard` makes it up"
                );
                notices.tell(Level::Warning, text);
            }
        })?;
        Ok(Live { over, thread: Some(thread) })
    }
}

impl Drop for Live {
    /// What the journal has by now is written first.
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// Files of before, in their order; a record that is torn ends one.
fn last_time(folder: &crate::run::files::Handle, names: &[String]) -> io::Result<Option<f64>> {
    for name in names.iter().rev() {
        if let Some(time) = record::last_time(&folder.read(name)?)? {
            return Ok(Some(time));
        }
    }
    Ok(None)
}

fn follow(folder: &RunFolder, over: &AtomicBool, notices: &Notices) -> io::Result<()> {
    let to = folder.handle()?.make_inside(FOLDER)?;
    let mut names: Vec<String> = to.names()?.into_iter().filter(|n| n.contains(".tfevents.")).collect();
    names.sort();
    // A run that is resumed begins a new file, behind what the last one has.
    let mut behind = last_time(&to, &names)?;
    let (mut board, mut tail) = (Board::default(), Tail::events(folder));
    let mut records: Option<Records> = None;
    let mut told = false;
    loop {
        // Asked before the journal is read, so that nothing is left.
        let ends = over.load(Ordering::SeqCst);
        let events = if behind.is_some() { tail.rest() } else { tail.read() };
        let mut new = &events[..];
        if let Some(time) = behind.take() {
            let seen = events.iter().rposition(|e| e.time.to_bits() == time.to_bits()).map_or(0, |at| at + 1);
            events[..seen].iter().for_each(|e| drop(board.take(e, false)));
            new = &events[seen..];
        }
        let found: Vec<proto::Event> = new.iter().flat_map(|e| board.take(e, true)).collect();
        if let (Some(why), false) = (&board.no_picture, told) {
            notices.tell(Level::Info, format!("no pictures of cells for TensorBoard: {why}"));
            told = true;
        }
        if !found.is_empty() {
            if records.is_none() {
                records = Some(begin(&to, folder, &names, &found[0], new)?);
            }
            if let Some(records) = &mut records {
                records.add(&found)?;
            }
        }
        if events.is_empty() {
            if ends {
                return Ok(());
            }
            std::thread::park_timeout(LOOK);
        }
    }
}

/// A file behind those that there are.
fn begin(
    to: &crate::run::files::Handle,
    folder: &RunFolder,
    names: &[String],
    first: &proto::Event,
    new: &[Event],
) -> io::Result<Records> {
    let time = new.first().map_or(first.wall_time, |e| e.time);
    for number in names.len()..FILES {
        let name = file_name(time, &folder.name(), number);
        // A clock may have been set back.
        if names.last().is_some_and(|last| *last >= name) {
            let last = names.last().and_then(|n| n.split('.').nth(3)).and_then(|n| n.parse::<u64>().ok());
            let name = file_name(last.unwrap_or(0) as f64 + 1.0, &folder.name(), number);
            return Records::begin(to.append(&name)?, time);
        }
        if !names.contains(&name) {
            return Records::begin(to.append(&name)?, time);
        }
    }
    Err(io::Error::other("there are too many files of events"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explorer::fixture::{Until, journal};
    use crate::run::config::Config;

    fn recorded(folder: &RunFolder) -> Vec<(String, Option<f64>)> {
        let to = folder.handle().unwrap().inside(FOLDER).unwrap();
        let mut names = to.names().unwrap();
        names.sort();
        names.into_iter().map(|n| (n.clone(), record::last_time(&to.read(&n).unwrap()).unwrap())).collect()
    }

    fn write(folder: &RunFolder, events: &[Event]) {
        let lines: Vec<String> = events.iter().map(|e| serde_json::to_string(e).unwrap() + "\n").collect();
        std::fs::write(folder.file(crate::run::EVENTS), lines.concat()).unwrap();
    }

    #[test]
    fn a_resumed_run_goes_on_in_a_new_file_behind_a_torn_one() {
        let dir = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(dir.path(), Some("r"), "x", &Config::default()).unwrap();
        let mut events = journal(Until::Done, 1);
        // No two events of an engine have the same time.
        events.iter_mut().enumerate().for_each(|(i, e)| e.time += 1e-3 * i as f64);
        let half = events.len() - 40;
        write(&folder, &events[..half]);
        drop(Live::begin(&folder, Notices::default()).unwrap());
        let first = recorded(&folder);
        assert_eq!(first.len(), 1);
        let path = folder.file(FOLDER).join(&first[0].0);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        let torn = recorded(&folder)[0].1.unwrap();
        assert!(torn < first[0].1.unwrap());
        write(&folder, &events);
        drop(Live::begin(&folder, Notices::default()).unwrap());
        let both = recorded(&folder);
        assert_eq!((both.len(), both[0].1), (2, Some(torn)), "{both:?}");
        assert!(both[1].1.unwrap() > first[0].1.unwrap());
        // Nothing is new, and nothing is written.
        drop(Live::begin(&folder, Notices::default()).unwrap());
        assert_eq!(recorded(&folder), both);
    }

    #[test]
    fn what_can_t_be_written_is_said_once() {
        let dir = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(dir.path(), Some("r"), "x", &Config::default()).unwrap();
        std::fs::write(folder.file(FOLDER), "theirs").unwrap();
        let notices = Notices::default();
        drop(Live::begin(&folder, notices.clone()).unwrap());
        let told = notices.take();
        assert!(told.len() == 1 && told[0].0 == Level::Warning && told[0].1.contains("TensorBoard"), "{told:?}");
        assert_eq!(std::fs::read(folder.file(FOLDER)).unwrap(), b"theirs");
    }
}
