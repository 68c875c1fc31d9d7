//! A run as it was: its events again at their own pace, faster or slower, with pause and seek.

use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use super::news::News;
use super::text;
use crate::run::RunFolder;
use crate::run::event::Event;
use crate::run::journal::Tail;

/// What the person asks of a replay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ask {
    Pause,
    /// Twice as fast, or half as fast.
    Faster,
    Slower,
    /// A twentieth of the run.
    Forward,
    Back,
}

/// Between two looks at the clock.
const TICK: Duration = Duration::from_millis(40);
/// Where nothing happened for long, the next event comes after so many seconds of the person's time.
const WAIT: f64 = 2.0;
/// Parts of the whole that a seek goes.
const SEEK: f64 = 20.0;
/// Slowest and fastest.
pub const SPEEDS: (f64, f64) = (0.1, 100_000.0);

struct Replay<'a> {
    folder: &'a RunFolder,
    tail: Tail<Event>,
    /// Events that were read and whose time has not come, earliest last.
    ahead: Vec<Event>,
    /// Time of the latest event that was read; a clock that was set back is not followed.
    read: f64,
    begin: f64,
    end: f64,
    now: f64,
    speed: f64,
    paused: bool,
    news: &'a SyncSender<News>,
}

/// Nobody listens any more.
struct Gone;

/// Until the listener is gone.
pub fn play(folder: &RunFolder, speed: f64, asks: &Receiver<Ask>, news: &SyncSender<News>) {
    let (begin, end) = span(folder);
    let mut replay = Replay {
        folder,
        tail: Tail::events(folder),
        ahead: Vec::new(),
        read: f64::NEG_INFINITY,
        begin,
        end,
        now: begin,
        speed: speed.clamp(SPEEDS.0, SPEEDS.1),
        paused: false,
        news,
    };
    let mut last = Instant::now();
    let mut told = String::new();
    loop {
        let passed = last.elapsed().as_secs_f64();
        last = Instant::now();
        let played = asks.try_iter().try_for_each(|ask| replay.obey(ask)).and_then(|()| replay.advance(passed));
        if played.is_err() {
            return;
        }
        let words = replay.words();
        if words != told {
            told.clone_from(&words);
            if news.send(News::Replay(replay.now, words)).is_err() {
                return;
            }
        }
        std::thread::sleep(TICK);
    }
}

/// Times of the first and of the latest event.
fn span(folder: &RunFolder) -> (f64, f64) {
    let mut tail = Tail::events(folder).overview();
    let mut span: Option<(f64, f64)> = None;
    loop {
        let events = tail.read();
        if events.is_empty() {
            return span.unwrap_or((0.0, 0.0));
        }
        for e in events.iter().filter(|e| e.time.is_finite()) {
            let (from, to) = span.unwrap_or((e.time, e.time));
            span = Some((from, to.max(e.time)));
        }
    }
}

impl Replay<'_> {
    /// The next event without taking it, with the time at which it comes.
    fn next(&mut self) -> Option<f64> {
        if self.ahead.is_empty() {
            self.ahead = self.tail.read();
            self.ahead.reverse();
        }
        let time = self.ahead.last()?.time;
        Some(if time.is_finite() { time.max(self.read) } else { self.read.max(self.begin) })
    }

    fn advance(&mut self, passed: f64) -> Result<(), Gone> {
        // A run that is still at work gets longer.
        self.end = self.end.max(self.read);
        if self.paused {
            return Ok(());
        }
        let step = passed.min(1.0) * self.speed;
        self.now += step;
        if let Some(time) = self.next() {
            self.now = self.now.max(time - WAIT * self.speed);
        } else {
            self.now = self.now.min(self.end.max(self.read));
        }
        self.send()
    }

    /// Tells all whose time has come.
    fn send(&mut self) -> Result<(), Gone> {
        let mut events = Vec::new();
        while let Some(time) = self.next().filter(|t| *t <= self.now) {
            self.read = time;
            events.extend(self.ahead.pop());
            if events.len() == 512 {
                self.news.send(News::Events(std::mem::take(&mut events))).map_err(|_| Gone)?;
            }
        }
        if events.is_empty() { Ok(()) } else { self.news.send(News::Events(events)).map_err(|_| Gone) }
    }

    fn obey(&mut self, ask: Ask) -> Result<(), Gone> {
        let part = (self.end - self.begin) / SEEK;
        match ask {
            Ask::Pause => self.paused = !self.paused,
            Ask::Faster => self.speed = (self.speed * 2.0).min(SPEEDS.1),
            Ask::Slower => self.speed = (self.speed / 2.0).max(SPEEDS.0),
            Ask::Forward => {
                self.now = (self.now + part).min(self.end);
                self.send()?;
            }
            Ask::Back => {
                // From the beginning: what a screen shows is a fold, which can't be undone.
                self.now = (self.now - part).max(self.begin);
                (self.tail, self.read) = (Tail::events(self.folder), f64::NEG_INFINITY);
                self.ahead.clear();
                self.news.send(News::Reset).map_err(|_| Gone)?;
                self.send()?;
            }
        }
        Ok(())
    }

    fn words(&self) -> String {
        let at = |t: f64| text::duration((t - self.begin).max(0.0));
        let state = if self.paused { "paused" } else { "replay" };
        let speed = text::significant(self.speed, 3);
        format!("{state} {speed}x  {} of {}", at(self.now), at(self.end))
    }
}
