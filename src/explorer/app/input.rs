//! Keys, clicks, pasted text.

use std::io;

use crossterm::event::{Event as Input, KeyEventKind, MouseButton, MouseEventKind};

use super::{App, FLASH};
use crate::clock;
use crate::explorer::action::{Action, Context};
use crate::explorer::keymap::Key;
use crate::explorer::replay::Ask;
use crate::explorer::runs::Row;
use crate::explorer::terminal::Guard;
use crate::explorer::ui::Tab;
use crate::explorer::view;
use crate::run::listing::Table;
use crate::study::results::Measure;

impl App<'_> {
    pub(super) fn input(&mut self, input: Input, guard: &Guard) -> io::Result<()> {
        match input {
            Input::Key(key) if key.kind != KeyEventKind::Release => {
                let context = self.ui.context(&self.state);
                self.ui.flash = None;
                (self.dirty, self.key) = (true, true);
                let key = Key::from(key);
                let action = self.keymap.action(context, key);
                if context == Context::Form && action.is_none() {
                    self.ui.form.key(key);
                }
                if context == Context::Text && action.is_none() {
                    self.ui.retyped(|typed| _ = typed.key(key));
                    self.listed();
                }
                if let Some(action) = action {
                    self.act(action, guard)?;
                }
                self.shorten_flash();
            }
            Input::Mouse(mouse) => {
                let target = self.hits.at(mouse.column, mouse.row);
                let effect = match mouse.kind {
                    MouseEventKind::Down(MouseButton::Left) => self.ui.click(target, &self.state),
                    MouseEventKind::ScrollUp => self.ui.wheel(true, &self.state),
                    MouseEventKind::ScrollDown => self.ui.wheel(false, &self.state),
                    _ => return Ok(()),
                };
                (self.dirty, self.key) = (true, true);
                if let Some(effect) = effect {
                    self.effect(effect, guard)?;
                }
                self.shorten_flash();
            }
            Input::Paste(text) => {
                for c in text.chars() {
                    self.ui.typed(Some(c));
                }
                self.listed();
                (self.dirty, self.key) = (true, true);
            }
            Input::Resize(..) | Input::FocusGained => (self.dirty, self.key) = (true, true),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn act(&mut self, action: Action, guard: &Guard) -> io::Result<()> {
        if self.in_replay(action) {
            return Ok(());
        }
        // What is done to a run of the list needs the list; elsewhere the run that is open is meant.
        let listed = self.ui.tab == Tab::Runs && self.ui.comparing.is_none();
        let of_list = matches!(
            action,
            Action::Open | Action::Replay | Action::Choose | Action::Pin | Action::Delete | Action::Note | Action::Tags
        ) || action == Action::Resume && listed;
        let of_study = matches!(action, Action::Open | Action::Measure | Action::Baseline);
        if of_study && self.ui.tab == Tab::Study && self.ui.overlay.is_none() {
            self.of_study(action);
        } else if of_list && self.ui.overlay.is_none() {
            let line = self.table().lines.get(self.ui.runs).cloned();
            if let Some(effect) = line.and_then(|line| self.ui.of_line(action, &line, &self.runs)) {
                self.effect(effect, guard)?;
            }
        } else if let (Action::SortBack | Action::SortOn, None) = (action, &self.ui.overlay) {
            let columns = view::list_columns(&self.table(), &self.ui);
            self.ui.step_sort(&columns, action == Action::SortOn);
        } else if let Some(effect) = self.ui.update(action, &self.state) {
            self.effect(effect, guard)?;
        }
        self.listed();
        Ok(())
    }

    /// What is done to the study.
    fn of_study(&mut self, action: Action) {
        let Some(Ok(seen)) = &self.seen else { return };
        let (setting, seed) = self.ui.study;
        match action {
            Action::Open => {
                match seen.spots.get(setting).and_then(|s| s.get(seed)).map(|s| (s.run.clone(), s.state.word())) {
                    Some((Some(folder), _)) => self.open_folder(folder),
                    Some((None, word)) => self.say(&format!("this run has no folder yet: it is {word}")),
                    None => {}
                }
            }
            Action::Measure => {
                let all = Measure::ALL;
                let at = all.iter().position(|m| *m == seen.results.measure).unwrap_or(0);
                let has = |m: &&Measure| seen.results.each.iter().any(|one| m.of(one).is_some());
                let next = all.iter().cycle().skip(at + 1).take(all.len()).find(has).copied();
                self.asked.measure = next.or(self.asked.measure);
            }
            _ => self.asked.baseline = seen.results.rows.get(setting).map(|r| r.setting.clone()),
        }
        if let Some(watch) = &self.study {
            watch.ask(self.asked.clone());
        }
    }

    fn shorten_flash(&mut self) {
        if let Some((_, until)) = &mut self.ui.flash {
            *until = until.min(clock::now() + FLASH);
        }
    }

    /// The list as it is asked for.
    pub(super) fn table(&self) -> Table<'_, Row> {
        self.ui.table(&self.runs, clock::now())
    }

    /// The run in a line of the list; none where that is a group.
    pub(super) fn row(&self, line: usize) -> Option<&Row> {
        self.runs.get(self.table().lines.get(line)?.run()?)
    }

    /// The list of runs, or its filter, has changed.
    pub(super) fn listed(&mut self) {
        self.ui.runs_total = self.table().lines.len();
        self.ui.runs = self.ui.runs.min(self.ui.runs_total.saturating_sub(1));
    }

    /// Keys of a replay; false for all others, and where there is none.
    fn in_replay(&mut self, action: Action) -> bool {
        let ask = match action {
            // On a screen where the same key would change something.
            Action::Pause | Action::Toggle => Ask::Pause,
            Action::Faster => Ask::Faster,
            Action::Slower => Ask::Slower,
            Action::Forward => Ask::Forward,
            Action::Back => Ask::Back,
            _ => return false,
        };
        self.feed.as_ref().is_some_and(|f| f.ask(ask))
    }
}
