//! Files of JSON lines that one side appends to and any number of others read: the journal of events, and the commands.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use serde::Serialize;

use super::command::{self, Command};
use super::event::{Body, Event, VERSION};
use super::files;
use super::folder::{COMMANDS, EVENTS, RunFolder};
use super::old_training::Trains;
use crate::clock::now;

/// Longest line that a reader takes; a longer one is skipped and counted.
const LONGEST: usize = 4 << 20;
/// Bytes that a reader takes in at once.
const CHUNK: u64 = 1 << 20;

/// A journal that can't be written.
#[derive(Debug, thiserror::Error)]
#[error("can't write {}: {source}", path.display())]
pub struct WriteError {
    pub path: PathBuf,
    pub source: io::Error,
}

/// A file of lines that only grows: what stands in it is never taken back, because readers may have passed it.
#[derive(Debug)]
struct Lines {
    file: File,
    path: PathBuf,
    /// The last line lacks its end, so the next one must begin with an end of line, or both would be lost.
    torn: bool,
}

impl Lines {
    fn open(folder: &RunFolder, name: &str) -> Result<Lines, WriteError> {
        let path = folder.file(name);
        let opened = folder.handle().and_then(|folder| folder.append(name)).and_then(|mut file| {
            let mut last = [b'\n'];
            if file.metadata()?.len() > 0 {
                file.seek(SeekFrom::End(-1))?;
                file.read_exact(&mut last)?;
            }
            Ok((file, last != [b'\n']))
        });
        match opened {
            Ok((file, torn)) => Ok(Lines { file, path, torn }),
            Err(source) => Err(WriteError { path, source }),
        }
    }

    /// Ends a torn last line.
    fn end(&mut self) -> Result<(), WriteError> {
        if self.torn { self.write(Vec::new()) } else { Ok(()) }
    }

    /// Appends a line in one write, so that lines of several writers don't mix.
    fn append<T: Serialize>(&mut self, line: &T) -> Result<(), WriteError> {
        let mut bytes = Vec::new();
        serde_json::to_writer(&mut bytes, line)
            .map_err(|e| WriteError { path: self.path.clone(), source: e.into() })?;
        bytes.push(b'\n');
        self.write(bytes)
    }

    fn write(&mut self, mut bytes: Vec<u8>) -> Result<(), WriteError> {
        if self.torn {
            bytes.insert(0, b'\n');
        }
        let written = self.file.write_all(&bytes);
        // Of a line that failed, a part may be there.
        self.torn = written.is_err();
        written.map_err(|source| WriteError { path: self.path.clone(), source })
    }
}

/// The engine's side of the journal.
#[derive(Debug)]
pub struct Writer {
    lines: Lines,
    seq: u64,
}

impl Writer {
    /// Opens the journal of a run, after what is there.
    ///
    /// # Errors
    /// A file that can't be opened.
    pub fn open(folder: &RunFolder) -> Result<Writer, WriteError> {
        // First, so that a line that lacks only its end counts.
        let mut lines = Lines::open(folder, EVENTS)?;
        lines.end()?;
        let mut tail = Tail::events(folder);
        let mut seq = 0;
        loop {
            let events = tail.read();
            if events.is_empty() {
                break;
            }
            seq = events.iter().map(|e| e.seq.saturating_add(1)).fold(seq, u64::max);
        }
        Ok(Writer { lines, seq })
    }

    /// Makes sure that what was written survives a power cut.
    ///
    /// # Errors
    /// As [`Writer::emit`].
    pub fn sync(&self) -> Result<(), WriteError> {
        self.lines.file.sync_data().map_err(|source| WriteError { path: self.lines.path.clone(), source })
    }

    /// Appends one event.
    ///
    /// # Errors
    /// A full disk and the like. A part of the line may be there then, which readers skip; the next event does not suffer
    /// from it, and has the number that this one would have had.
    pub fn emit(&mut self, body: Body) -> Result<Event, WriteError> {
        let event = Event { v: VERSION, seq: self.seq, time: now(), body };
        self.lines.append(&event)?;
        self.seq = self.seq.saturating_add(1);
        Ok(event)
    }
}

/// Appends a command to a run, and returns its id.
///
/// # Errors
/// A file that can't be written.
pub fn send(folder: &RunFolder, body: command::Body) -> Result<String, WriteError> {
    static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let id = format!("{}-{:x}-{count}", std::process::id(), (now() * 1e6) as u64);
    Lines::open(folder, COMMANDS)?.append(&Command { id: id.clone(), body })?;
    Ok(id)
}

thread_local! {
    static BUFFER: std::cell::Cell<Vec<u8>> = const { std::cell::Cell::new(Vec::new()) };
}

/// A reader of JSON lines that keeps up with a growing file.
#[derive(Debug)]
pub struct Tail<T: Line> {
    path: PathBuf,
    /// Where it is a file of a run: that run, and the file's name.
    of: Option<(RunFolder, &'static str)>,
    /// Why the file can't be read, though it is there; `None` where it can, or is not there yet.
    pub fault: Option<String>,
    at: u64,
    /// The beginning of a line whose end is not there yet.
    partial: Vec<u8>,
    /// Lines that were torn, unreadable, too long, or of a newer version.
    pub skipped: u64,
    /// Inside a line that is too long to keep.
    dropping: bool,
    /// How often the file turned out to be another one, or shorter than before, and was begun again from its start: what
    /// was made of earlier lines no longer holds.
    pub restarts: u64,
    /// Which file it was.
    identity: Option<(u64, u64)>,
    thin: Option<Thin>,
    /// Lines that were left out as too many.
    pub passed: u64,
    /// What the lines so far say of those to come.
    so_far: T::SoFar,
}

impl<T: Line> Tail<T> {
    pub fn new(path: PathBuf) -> Tail<T> {
        Tail {
            path,
            of: None,
            fault: None,
            at: 0,
            partial: Vec::new(),
            skipped: 0,
            dropping: false,
            restarts: 0,
            identity: None,
            thin: None,
            passed: 0,
            so_far: T::SoFar::default(),
        }
    }

    fn of(folder: &RunFolder, name: &'static str) -> Tail<T> {
        Tail { of: Some((folder.clone(), name)), ..Tail::new(folder.file(name)) }
    }

    /// Of a run's journal.
    pub(super) fn of_events(folder: &RunFolder) -> Tail<T> {
        Tail::of(folder, EVENTS)
    }

    /// Without the events of these names: their lines are passed over unread.
    pub(super) fn without(mut self, names: &'static [&'static [u8]]) -> Tail<T> {
        self.thin = Some(Thin { until: u64::MAX, names, ..Thin::default() });
        self
    }

    /// The time of the latest line that was left out as one of many, seconds since 1970.
    pub fn last_passed(&self) -> Option<f64> {
        super::brief::time_of(&self.thin.as_ref()?.last)
    }

    /// A device or a pipe might never end, or never begin: only a regular file is opened.
    fn open(&self) -> io::Result<(File, std::fs::Metadata)> {
        let file = match &self.of {
            Some((folder, name)) => folder.open_file(name)?,
            None => files::open(&self.path)?,
        };
        let about = file.metadata()?;
        Ok((file, about))
    }

    /// Whole lines that have come since; at most about a megabyte at a time, so call again until it is empty. A file that
    /// is not there yet, or that can't be read now, has no lines; [`Tail::fault`] tells the two apart.
    pub fn read(&mut self) -> Vec<T> {
        loop {
            let (mut file, about) = match self.open() {
                Ok(opened) => opened,
                Err(e) => {
                    self.fault = (e.kind() != io::ErrorKind::NotFound).then(|| e.to_string());
                    return Vec::new();
                }
            };
            self.fault = None;
            let identity = identity(&about);
            if about.len() < self.at || self.identity.is_some_and(|known| Some(known) != identity) {
                (self.at, self.skipped, self.passed, self.dropping) = (0, 0, 0, false);
                // What was thin because it was long may be short now; what is never told stays so.
                self.thin = self.thin.take().filter(|t| t.until == u64::MAX).map(|t| Thin {
                    names: t.names,
                    until: t.until,
                    ..Thin::default()
                });
                self.so_far = T::SoFar::default();
                self.partial.clear();
                self.restarts += 1;
            }
            self.identity = identity;
            // Of a thread that reads many, one after the other.
            let mut bytes = BUFFER.take();
            bytes.clear();
            bytes.reserve(about.len().saturating_sub(self.at).min(CHUNK) as usize + 1);
            let read = file.seek(SeekFrom::Start(self.at)).and_then(|_| file.take(CHUNK).read_to_end(&mut bytes));
            let count = match read {
                Ok(0) => return Vec::new(),
                Ok(count) => count,
                Err(e) => {
                    self.fault = Some(e.to_string());
                    return Vec::new();
                }
            };
            self.at += count as u64;
            let found = self.take(&bytes);
            BUFFER.set(bytes);
            if !found.is_empty() {
                return found;
            }
        }
    }

    /// All that was written so far.
    pub fn rest(&mut self) -> Vec<T> {
        let mut all = Vec::new();
        loop {
            let more = self.read();
            if more.is_empty() {
                return all;
            }
            all.extend(more);
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Vec<T> {
        let mut found = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest);
            let (piece, others) = rest.split_at(end.map_or(rest.len(), |i| i + 1));
            rest = others;
            if self.partial.len() + piece.len() > LONGEST {
                self.dropping = true;
                self.partial.clear();
            }
            if end.is_some() && self.partial.is_empty() && !self.dropping {
                self.line(piece, &mut found);
                continue;
            }
            if !self.dropping {
                self.partial.extend_from_slice(piece);
            }
            if end.is_none() {
                continue;
            }
            if std::mem::take(&mut self.dropping) {
                self.skipped += 1;
                continue;
            }
            let whole = std::mem::take(&mut self.partial);
            self.line(&whole, &mut found);
        }
        found
    }

    fn line(&mut self, line: &[u8], found: &mut Vec<T>) {
        let length = line.len() as u64;
        let line = line.trim_ascii();
        if line.is_empty() {
            return;
        }
        if self.thin.as_mut().is_some_and(|t| t.passes(line, length)) {
            self.passed += 1;
            return;
        }
        match T::read(line) {
            Some(v) if v.known() => found.push(v.after(&mut self.so_far)),
            _ => self.skipped += 1,
        }
    }
}

/// Events that come in great numbers, by name.
const DENSE: [&[u8]; 8] =
    [b"score", b"scoring", b"baseline", b"step", b"training_step", b"alphas", b"memory", b"device"];
/// Bytes of such lines that are read of a long journal.
const DENSE_BYTES: u64 = 16 << 20;
/// Its end is read line by line.
const END: u64 = 1 << 20;

/// Leaves out of the dense events all but one in so many, without reading them.
#[derive(Clone, Debug)]
struct Thin {
    /// Which events.
    names: &'static [&'static [u8]],
    /// 0: all go.
    every: u64,
    /// Up to this byte.
    until: u64,
    /// Bytes of lines so far.
    at: u64,
    counts: Vec<u64>,
    /// How the last line begins that was left out.
    last: Vec<u8>,
}

impl Default for Thin {
    fn default() -> Thin {
        Thin { names: &DENSE, every: 0, until: 0, at: 0, counts: Vec::new(), last: Vec::new() }
    }
}

impl Thin {
    fn passes(&mut self, line: &[u8], length: u64) -> bool {
        self.at += length;
        if self.at > self.until {
            return false;
        }
        let Some(kind) = named(line).and_then(|name| self.names.iter().position(|d| *d == name)) else { return false };
        self.counts.resize(self.names.len(), 0);
        let count = &mut self.counts[kind];
        let kept = self.every > 0 && count.is_multiple_of(self.every);
        *count += 1;
        if !kept {
            self.last.clear();
            self.last.extend_from_slice(&line[..line.len().min(HEAD)]);
        }
        !kept
    }
}

/// Bytes of a line in which its event is named.
const HEAD: usize = 112;

/// The event that a line is of, as far as its beginning tells.
pub(super) fn named(line: &[u8]) -> Option<&[u8]> {
    const KEY: &[u8] = b"\"event\":\"";
    static FINDER: std::sync::LazyLock<memchr::memmem::Finder<'static>> =
        std::sync::LazyLock::new(|| memchr::memmem::Finder::new(KEY));
    let head = &line[..line.len().min(HEAD)];
    let name = &head[FINDER.find(head)? + KEY.len()..];
    Some(&name[..memchr::memchr(b'"', name)?])
}

/// What tells one file from another of the same name; `None` where the system has no such thing.
fn identity(about: &std::fs::Metadata) -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Some((about.dev(), about.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = about;
        None
    }
}

/// A kind of line, of a version that this program knows.
pub trait Line: Sized {
    /// What earlier lines of a file say of later ones.
    type SoFar: Default + std::fmt::Debug;

    /// One line; none where it is no such thing.
    fn read(line: &[u8]) -> Option<Self>;

    fn known(&self) -> bool {
        true
    }

    /// The line as this version writes it.
    #[must_use]
    fn after(self, _: &mut Self::SoFar) -> Self {
        self
    }
}

impl Line for Event {
    type SoFar = Trains;

    fn read(line: &[u8]) -> Option<Event> {
        serde_json::from_slice(line).ok()
    }

    fn known(&self) -> bool {
        self.v <= VERSION
    }

    fn after(self, trains: &mut Trains) -> Event {
        Event { body: trains.renewed(self.body), ..self }
    }
}

impl Line for Command {
    type SoFar = ();

    fn read(line: &[u8]) -> Option<Command> {
        serde_json::from_slice(line).ok()
    }
}

impl Tail<Event> {
    /// Of a run's journal.
    pub fn events(folder: &RunFolder) -> Tail<Event> {
        Tail::of(folder, EVENTS)
    }

    /// From the next line that comes.
    #[must_use]
    pub fn at_end(mut self) -> Tail<Event> {
        if let Ok((_, about)) = self.open() {
            (self.at, self.identity) = (about.len(), identity(&about));
        }
        self
    }

    /// Without the events that come in great numbers: single scores, steps, mixing weights, samples of the memory.
    #[must_use]
    pub fn without_dense(self) -> Tail<Event> {
        self.without(&DENSE)
    }

    /// Of a long journal a picture of bounded size, fast: of those events only one in so many, but for the last ones. Of
    /// a journal of usual length, and of what comes later, everything.
    #[must_use]
    pub fn overview(mut self) -> Tail<Event> {
        let length = self.open().map_or(0, |(_, about)| about.len());
        let every = length.div_ceil(DENSE_BYTES);
        self.thin = (every > 1).then(|| Thin { every, until: length.saturating_sub(END), ..Thin::default() });
        self
    }
}

impl Tail<Command> {
    /// Of a run's commands.
    pub fn commands(folder: &RunFolder) -> Tail<Command> {
        Tail::of(folder, COMMANDS)
    }
}

#[cfg(test)]
mod tests;
