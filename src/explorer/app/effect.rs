//! What keys ask for outside of the screen.

use std::io;

use super::App;
use crate::explorer::action::Action;
use crate::explorer::clipboard::Way;
use crate::explorer::compare;
use crate::explorer::errands::Errand;
use crate::explorer::feed::Feed;
use crate::explorer::runs::Row;
use crate::explorer::terminal::Guard;
use crate::explorer::ui::Effect;
use crate::run::RunFolder;
use crate::run::command::Body;
use crate::run::listing::Line;

/// How many times as fast a replay from the list is.
const REPLAY: f64 = 20.0;

impl App<'_> {
    pub(super) fn effect(&mut self, effect: Effect, guard: &Guard) -> io::Result<()> {
        match effect {
            Effect::Send(body) => self.send(body, false),
            Effect::Leave => self.leave = true,
            Effect::LeaveAtOnce => (self.leave, self.at_once) = (true, true),
            Effect::LeaveAfter(body) => {
                self.ui.leaving = true;
                self.send(body, true);
            }
            Effect::Suspend => self.suspend(guard)?,
            Effect::Redraw => self.screen.forget(),
            Effect::Run(action) => self.act(action, guard)?,
            Effect::Compare => self.compare(),
            Effect::Pins => self.read_pins(),
            Effect::Freeze(on) => self.frozen = on.then(|| self.state.clone()),
            Effect::Theme => {
                let next = self.ui.theme.unwrap_or(self.theme.name).next();
                self.ui.theme = Some(next);
                self.say(&format!("theme: {}", next.title()));
            }
            Effect::Mouse => {
                self.mouse = !self.mouse;
                guard.set_mouse(self.mouse)?;
                self.say(if self.mouse {
                    "the mouse is heard"
                } else {
                    "the mouse is the terminal's: text can be selected"
                });
            }
            Effect::Bell => {
                self.bell = !self.bell;
                self.say(if self.bell {
                    "the bell rings when a run has ended or waits for you"
                } else {
                    "the bell is quiet"
                });
            }
            Effect::Copy => {
                if let Some(genotype) = self.state.genotype() {
                    let python = genotype.to_string();
                    self.copy(python)?;
                    if let (Some(of), Some((said, _))) = (self.state.passing(), &mut self.ui.flash) {
                        *said += &format!("; the genotype is {of}");
                    }
                }
            }
            Effect::Export => {
                if let Some(folder) = self.folder.clone() {
                    self.ask(Errand::Export(folder, Box::new(self.state.clone())));
                }
            }
            Effect::Open(row) => self.open(row),
            Effect::Replay(row) => {
                if let Some(folder) = self.row(row).map(|r| r.folder.clone()) {
                    self.attach(folder.clone());
                    self.feed = Some(Feed::replay(folder, REPLAY));
                }
            }
            Effect::StartDemo => self.ask(Errand::Demo),
            Effect::Resume(row) => {
                if let Some(folder) = self.row(row).map(|r| r.folder.clone()) {
                    self.ask(Errand::Resume(folder));
                }
            }
            Effect::ResumeOpen => {
                if let Some(folder) = self.folder.clone() {
                    self.ask(Errand::Resume(folder));
                }
            }
            Effect::Remove(name) => {
                // By name: the list may have changed while the person thought.
                if let Some(folder) = self.named(&name) {
                    self.ask(Errand::Remove(folder));
                }
            }
            Effect::Complete { field, text, back } => self.desk.complete(field, text, back),
            Effect::Note { name, note } => {
                if let Some(folder) = self.named(&name) {
                    self.ask(Errand::Note(folder, note));
                }
            }
            Effect::Tags { name, tags } => {
                if let Some(folder) = self.named(&name) {
                    self.ask(Errand::Tags(folder, tags));
                }
            }
            Effect::Queue { sources, beside } => {
                if let Some(folder) = self.folder.clone() {
                    self.ask(Errand::Queue { folder, sources, beside });
                }
            }
            Effect::Train(preset) => {
                if let (Some(folder), Some(genotype)) = (self.folder.clone(), self.state.genotype().cloned()) {
                    self.ask(Errand::Train { folder, genotype: Box::new(genotype), preset });
                }
            }
            Effect::Scan => {
                self.point_at_open();
                self.read_list();
            }
        }
        Ok(())
    }

    /// Puts the cursor of the list on the run that is open.
    pub(super) fn point_at_open(&mut self) {
        let Some(open) = &self.folder else { return };
        let table = self.table();
        let is_open = |r: &Row| r.folder.path() == open.path() || r.name == open.name();
        let at = table.lines.iter().position(|l| match l {
            Line::Run(i) | Line::Member(i) => self.runs.get(*i).is_some_and(is_open),
            Line::Group(group) => !group.open && group.runs.iter().any(|i| self.runs.get(*i).is_some_and(is_open)),
        });
        self.ui.runs = at.unwrap_or(self.ui.runs);
    }

    /// A run of the list by its name.
    fn named(&self, name: &str) -> Option<RunFolder> {
        self.runs.iter().find(|r| r.name == name).map(|r| r.folder.clone())
    }

    /// Onto the clipboard, or the reason why not.
    fn copy(&mut self, text: String) -> io::Result<()> {
        let files = format!("{} writes it into files", self.keymap.of(Action::Export));
        match self.clipboard {
            Way::Cannot(reason) => self.say(&format!("{reason}; {files}")),
            Way::Tmux => self.ask(Errand::Copy(text)),
            way => {
                self.screen.write(&way.bytes(&text).unwrap_or_default())?;
                self.say(match way {
                    Way::Wrapped => "copied, if tmux or screen hands it on and the terminal takes OSC 52",
                    _ => "copied, if this terminal takes OSC 52 (most do)",
                });
            }
        }
        Ok(())
    }

    pub(super) fn ask(&mut self, errand: Errand) {
        let begins = matches!(errand, Errand::Begin(_));
        if !self.errands.ask(errand) {
            let words = "this can't be done: the system gives no more threads";
            self.say(words);
            if begins {
                self.ui.form.started(Err(words.into()));
            }
        }
    }

    fn send(&mut self, body: Body, leave: bool) {
        if let Some(folder) = self.folder.clone() {
            self.ask(Errand::Send { folder, body, leave });
        }
    }

    fn compare(&mut self) {
        let mut names = self.ui.chosen.clone();
        // One alone is compared with the run that is open, or with the one under the cursor.
        let open = self.folder.as_ref().map(RunFolder::name);
        for name in open.into_iter().chain(self.row(self.ui.runs).map(|r| r.name.clone())) {
            if names.len() < 2 && !names.contains(&name) {
                names.insert(0, name);
            }
        }
        let folders: Vec<RunFolder> =
            names.iter().filter_map(|n| self.runs.iter().find(|r| r.name == *n)).map(|r| r.folder.clone()).collect();
        if folders.len() < 2 {
            self.say("choose two runs or more with space, then compare");
            return;
        }
        self.compared = Default::default();
        self.reading = Some(compare::load(folders));
        (self.ui.comparing, self.ui.compared_from) = (Some(0), 0);
    }

    /// Reads the runs that are pinned, on a thread, where they have gone on since.
    pub(super) fn read_pins(&mut self) {
        let rows = || self.ui.pinned.iter().filter_map(|n| self.runs.iter().find(|r| r.name == *n));
        let now: Vec<f64> = rows().map(|r| r.last).collect();
        let read: Vec<&String> = self.pinned.iter().map(|s| &s.name).collect();
        if self.pinning.is_some() || now == self.pinned_at && read.into_iter().eq(rows().map(|r| &r.name)) {
            return;
        }
        self.pinning = Some(compare::load_sides(rows().map(|r| r.folder.clone()).collect()));
        self.pinned_at = now;
    }

    fn open(&mut self, row: usize) {
        let Some(folder) = self.row(row).map(|r| r.folder.clone()) else { return };
        self.open_folder(folder);
    }

    pub(super) fn open_folder(&mut self, folder: RunFolder) {
        if self.folder.as_ref() != Some(&folder) {
            self.attach(folder);
        }
        self.ui.follow_stage = true;
        self.ui.follow(&self.state);
    }
}
