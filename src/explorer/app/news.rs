//! What comes by itself: events, engines, lists, answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::App;
use crate::explorer::errands::{Begun, Done, Errand};
use crate::explorer::feed::Feed;
use crate::explorer::forecast::Basis;
use crate::explorer::news::News;
use crate::explorer::runs::{Found, Row};
use crate::explorer::state::State;
use crate::explorer::study::Watch;
use crate::explorer::ui::{Overlay, Tab};
use crate::run::RunFolder;
use crate::run::listing::Line;
use crate::run::lock::Liveness;
use crate::run::status::Status;

/// A slow file system is told of after so many seconds.
const SLOW: u64 = 2;
/// The list of runs is read again after so long, while it is on the screen.
const AGAIN: Duration = Duration::from_secs(3);
/// Later, while it is not: so that what becomes of runs at work is told.
const AWAY: Duration = Duration::from_secs(12);
/// Commands without an answer that are remembered.
const WAITING: usize = 64;

impl App<'_> {
    /// Takes in what has come.
    pub(super) fn news(&mut self) {
        while let Some(done) = self.errands.next() {
            self.done(done);
        }
        let slow = self.errands.waits().filter(|s| *s >= SLOW);
        if slow != self.ui.slow {
            (self.ui.slow, self.dirty) = (slow, true);
        }
        self.form();
        self.list();
        if let Some(compared) = self.reading.as_ref().and_then(|r| r.try_recv().ok()) {
            (self.compared, self.reading, self.dirty) = (compared, None, true);
        }
        if let Some(pinned) = self.pinning.as_ref().and_then(|r| r.try_recv().ok()) {
            (self.pinned, self.pinning, self.dirty) = (pinned, None, true);
            // Others may have been pinned meanwhile.
            self.read_pins();
        }
        if let Some(seen) = self.study.as_ref().and_then(Watch::news) {
            if let Ok(seen) = &seen {
                self.ui.study_size = (seen.spots.len(), seen.seeds.len());
                self.ui.study.0 = self.ui.study.0.min(seen.spots.len().saturating_sub(1));
                self.ui.study.1 = self.ui.study.1.min(seen.seeds.len().saturating_sub(1));
            }
            match seen {
                // What was seen stays; the design may be in the middle of an edit.
                Err(why) if matches!(self.seen, Some(Ok(_))) => self.say(&why),
                seen => (self.seen, self.dirty) = (Some(seen), true),
            }
        }
        while let Some(forecast) = self.counting.as_ref().and_then(|r| r.try_recv().ok()) {
            (self.forecast, self.dirty) = (Some(forecast), true);
        }
        let unscored = self.state.cut.cut.as_ref().is_some_and(|c| c.unscored);
        if self.forecast.is_none() && self.counting.is_none() && (self.state.score.ended.is_some() || unscored) {
            self.counting = Basis::of(&self.state).map(Basis::on_a_thread);
        }
        // A long journal is folded in slices, so that keys are heard in between.
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(25) {
            let Some(news) = self.feed.as_ref().and_then(Feed::next) else { break };
            match news {
                News::Events(events) => {
                    for event in &events {
                        self.state.apply(event);
                    }
                    self.answers();
                    self.dirty = true;
                }
                News::CaughtUp { skipped, passed } => {
                    if !self.caught_up {
                        (self.wants, self.caught_up) = (self.wanted(), true);
                    }
                    self.ui.skipped = skipped;
                    // They were left out on purpose.
                    self.state.missing = self.state.missing.saturating_sub(passed);
                    self.dirty = true;
                }
                News::Engine(liveness, last_words) => self.engine(&liveness, last_words),
                News::Missing(missing) => {
                    (self.ui.missing, self.dirty) = (missing, true);
                    if missing {
                        self.ui.engine_alive = false;
                        self.state.halt(true);
                        self.say(
                            "this run's folder is gone: it was deleted or moved; what was read of it stays in view",
                        );
                    }
                }
                News::Reset => {
                    self.state = State::default();
                    (self.sizes, self.forecast, self.counting) = (None, None, None);
                    self.dirty = true;
                }
                News::Replay(time, words) => {
                    self.replayed = Some(time);
                    self.ui.replay = Some(words);
                    self.dirty = true;
                }
            }
        }
        if self.judge.ask(&self.state, self.options.accuracies.as_ref()) {
            self.dirty = true;
        }
        if self.dirty {
            self.ui.follow(&self.state);
            self.notice();
        }
    }

    /// A new run: what is typed is looked at, and started when that was asked for.
    fn form(&mut self) {
        if !matches!(self.ui.overlay, Some(Overlay::Form)) {
            return;
        }
        if let Some(question) = self.ui.form.question() {
            self.desk.ask(question);
        }
        while let Some(reply) = self.desk.next() {
            self.ui.form.take(reply);
            self.dirty = true;
        }
        if let Some(wanted) = self.ui.form.ready() {
            self.dirty = true;
            self.ask(Errand::Begin(wanted));
        }
    }

    /// The list of runs, which is read again while it is looked at, and less often while it is not.
    fn list(&mut self) {
        let mut all = None;
        while let Some(found) = self.scan.next() {
            match found {
                // The first time the list fills as it is read; later it is replaced as a whole.
                Found::One(row, of) => {
                    self.runs.push(row);
                    self.ui.reading = Some((self.runs.len(), of));
                }
                Found::All(rows) => {
                    all = Some(rows);
                    continue;
                }
            }
            self.dirty = true;
        }
        if let Some(rows) = all {
            let first = self.ui.reading.take().is_some();
            self.dirty |= first;
            if !first {
                self.notice_list(&rows);
            }
            self.replace_list(rows);
            if first && self.ui.runs == 0 {
                self.point_at_open();
            }
            // Where reading takes long it is done less often.
            self.rescan = Instant::now() + AGAIN.max(10 * self.scanned.elapsed());
        } else if self.dirty && self.ui.reading.is_some() {
            self.listed();
        }
        let more = if self.ui.tab == Tab::Runs { Duration::ZERO } else { AWAY };
        if !self.scan.busy && self.ui.reading.is_none() && Instant::now() >= self.rescan + more {
            self.read_list();
        }
    }

    /// Another reading of the list: the cursor stays on its line.
    fn replace_list(&mut self, rows: Vec<Row>) {
        let name = |line: &Line, rows: &[Row]| match line {
            Line::Run(i) | Line::Member(i) => rows.get(*i).map(|r| r.name.clone()),
            Line::Group(group) => Some(group.key.clone()),
        };
        let same = self.runs.len() == rows.len() && self.runs.iter().zip(&rows).all(|(a, b)| Arc::ptr_eq(a, b));
        if same && self.ui.tab != Tab::Runs {
            return;
        }
        let under = self.table().lines.get(self.ui.runs).and_then(|line| name(line, &self.runs));
        self.runs = rows;
        if let Some(under) = under {
            let table = self.table();
            let at = table.lines.iter().position(|line| name(line, &self.runs).as_ref() == Some(&under));
            self.ui.runs = at.unwrap_or(self.ui.runs);
        }
        self.listed();
        self.read_pins();
        self.dirty = true;
    }

    /// Reads the list of runs, on a thread.
    pub(super) fn read_list(&mut self) {
        self.scanned = Instant::now();
        self.scan.ask();
    }

    /// An engine came, left, or waits.
    fn engine(&mut self, liveness: &Liveness, last_words: Option<String>) {
        self.dirty = true;
        self.ui.engine_alive = liveness.is_alive();
        self.seen_at_work |= liveness.is_alive();
        self.ui.standing = None;
        self.state.halt(!liveness.is_alive());
        self.ui.stands = Some(self.state.progress.judge(liveness, || last_words.clone()));
        if self.state.ended.is_some() && !liveness.is_alive() {
            return;
        }
        let standing = self.state.progress.judge(liveness, || last_words);
        if let Status::Crashed(detail)
        | Status::Unreachable(detail)
        | Status::Paused(Some(detail))
        | Status::Queued(detail) = &standing
        {
            self.ui.standing = Some(standing.word());
            let words = format!("{}: {detail}", standing.word());
            self.say(&words);
        }
        if !self.ui.engine_alive && self.last.is_some() {
            // Nobody will answer.
            self.leave = true;
        }
    }

    /// Refusals are said in the footer.
    fn answers(&mut self) {
        let answers = &self.state.answers;
        let mut said = None;
        let last = self.last.as_ref();
        let mut leave = false;
        self.waiting.retain(|id| match answers.iter().find(|a| a.id == *id) {
            Some(answer) => {
                said = answer.refused.clone().or(said.take());
                leave |= answer.refused.is_none() && last == Some(id);
                false
            }
            None => true,
        });
        self.leave |= leave;
        if said.is_some() {
            self.last = None;
            self.ui.leaving = false;
        }
        if self.state.ended.is_some() {
            (self.ui.standing, self.ui.stands) = (None, None);
            self.leave |= self.last.is_some();
        }
        if let Some(reason) = said {
            self.say(&reason);
        }
    }

    /// What came of an errand.
    fn done(&mut self, done: Done) {
        self.dirty = true;
        match done {
            Done::Sent { id, leave } => {
                self.last = leave.then(|| id.clone()).or(self.last.take());
                self.waiting.push(id);
                if self.waiting.len() > WAITING {
                    self.waiting.remove(0);
                }
                // The engine may have been faster than the thread that sent it.
                self.answers();
            }
            Done::Begun(folder) => {
                self.attach(folder);
                self.ui.engine_alive = true;
                self.read_list();
            }
            Done::Refused(words) => {
                self.ui.form.started(Err(words.clone()));
                self.say(&words);
            }
            Done::Started(begun) => {
                self.ui.form.started(Ok(()));
                self.ui.overlay = self.ui.overlay.take().filter(|o| *o != Overlay::Form);
                match begun {
                    Begun::Run(folder) => self.done(Done::Begun(folder)),
                    Begun::Study(study) => {
                        self.say(&format!("started: {}; `zonas study stop` stops it", study.path().display()));
                        self.study = Some(Watch::new(study));
                        (self.seen, self.ui.study, self.ui.tab) = (None, (0, 0), Tab::Study);
                        self.ui.follow_stage = false;
                    }
                }
                self.read_list();
            }
            Done::Removed(folder) => {
                let name = folder.name();
                self.ui.chosen.retain(|n| *n != name);
                if self.folder.as_ref() == Some(&folder) {
                    self.detach();
                }
                self.read_list();
                self.say(&format!("{name} is deleted"));
            }
            Done::Said(words) => {
                self.ui.leaving = self.last.is_some();
                self.say(&words);
            }
            Done::Listed(words) => {
                self.read_list();
                self.say(&words);
            }
        }
    }

    /// Another run is to be seen.
    pub(super) fn attach(&mut self, folder: RunFolder) {
        self.detach();
        self.feed = Some(Feed::new(folder.clone()));
        self.ui.opened = Some(crate::text::sanitize(&folder.name()));
        self.folder = Some(folder);
        self.ui.tab = Tab::Score;
        self.ui.follow_stage = true;
    }

    /// No run is to be seen.
    fn detach(&mut self) {
        self.state = State::default();
        (self.sizes, self.forecast, self.counting, self.frozen) = (None, None, None, None);
        self.waiting.clear();
        (self.last, self.replayed) = (None, None);
        (self.wants, self.caught_up, self.seen_at_work) = (None, false, false);
        (self.feed, self.folder) = (None, None);
        (self.ui.leaving, self.ui.replay, self.ui.standing) = (false, None, None);
        (self.ui.opened, self.ui.stands, self.ui.missing) = (None, None, false);
        (self.ui.inspect, self.ui.frozen, self.ui.zoom) = (None, false, 0);
        self.ui.marks.clear();
        self.ui.engine_alive = false;
        self.dirty = true;
    }
}
