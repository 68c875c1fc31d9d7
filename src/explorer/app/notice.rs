//! Word to a person who is looking elsewhere: the terminal's bell, and a notification where it has such a thing, when a run that
//! was seen at work has ended or waits for them.

use std::collections::HashMap;

use super::App;
use crate::explorer::runs::Row;
use crate::run::status::Status;
use crate::text;

impl App<'_> {
    /// What the run that is open wants of the person now.
    pub(super) fn wanted(&self) -> Option<String> {
        let state = &self.state;
        let word = match &self.ui.stands {
            _ if state.ended.is_some() => state.status(),
            Some(Status::Crashed(_)) if state.is_halted() => "crashed".into(),
            _ if state.cut.is_open() && state.is_live() => "waits for your cut".into(),
            _ => return None,
        };
        Some(format!("{} {word}", self.ui.opened.as_deref().unwrap_or("the run")))
    }

    /// Rings when that has changed; what was so when the run was opened is no news.
    pub(super) fn notice(&mut self) {
        if !self.caught_up || self.ui.replay.is_some() {
            return;
        }
        let now = self.wanted();
        if now == self.wants {
            return;
        }
        self.wants.clone_from(&now);
        // One that was over before tells nothing new, however late that was found out.
        if let Some(words) = now.filter(|_| self.seen_at_work) {
            self.ring(&words);
        }
    }

    /// Rings for runs of the list that were at work when it was read before.
    pub(super) fn notice_list(&mut self, rows: &[Row]) {
        let open = self.folder.as_ref().filter(|_| self.ui.replay.is_none());
        let news = become_of(&self.runs, rows);
        // Of the run that is open its own journal tells, and at once.
        let others: Vec<String> = news.into_iter().filter(|(row, _)| Some(&row.folder) != open).map(|n| n.1).collect();
        match &others[..] {
            [] => {}
            [one] => self.ring(one),
            [one, rest @ ..] => self.ring(&format!("{one}, and {} more", rest.len())),
        }
    }

    pub(super) fn ring(&mut self, words: &str) {
        if self.bell {
            // A terminal that is gone is noticed by the next picture.
            let _ = self.screen.write(&ring(words, |key| std::env::var(key).ok()));
        }
    }
}

/// What has become of runs that an engine had when they were read before: those that have ended, and those that wait for a
/// person now.
fn become_of<'a>(before: &[Row], now: &'a [Row]) -> Vec<(&'a Row, String)> {
    let known: HashMap<&str, &Row> = before.iter().map(|r| (r.name.as_str(), r)).collect();
    let told = |row: &&'a Row| -> Option<(&'a Row, String)> {
        let was = known.get(row.name.as_str()).filter(|r| r.has_engine)?;
        let word = match row.word {
            "waiting for a cut" if was.word != row.word => "waits for your cut",
            "stopped" if row.status != "stopped" => &row.status,
            "done" | "stopped" | "aborted" | "failed" | "crashed" => row.word,
            _ => return None,
        };
        Some((row, format!("{} {word}", row.name)))
    };
    now.iter().filter_map(|row| told(&row)).collect()
}

/// The bell, after a notification (OSC 9) where the terminal is not known to have none. tmux hands on what is wrapped for it
/// where its `allow-passthrough` is on, and drops it elsewhere.
fn ring(words: &str, env: impl Fn(&str) -> Option<String>) -> String {
    let set = |key: &str| env(key).filter(|v| !v.is_empty());
    let term = set("TERM").unwrap_or_default();
    let told = format!("\x1b]9;zonas: {}\x1b\\", text::sanitize(words));
    if set("TMUX").is_some() {
        return format!("\x1bPtmux;{}\x1b\\\x07", told.replace('\x1b', "\x1b\x1b"));
    }
    let plain = ["linux", "dumb", "vt", "screen", "tmux"].iter().any(|t| term.starts_with(t));
    if plain || term.is_empty() {
        return "\x07".into();
    }
    format!("{told}\x07")
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::run::RunFolder;
    use crate::run::listing::Listed;

    #[test]
    fn a_bell_everywhere_and_words_where_they_are_read() {
        let env = |term: &'static str, tmux: bool| {
            move |key: &str| match key {
                "TERM" => Some(term.to_string()),
                "TMUX" => tmux.then(|| "/tmp/tmux-0/default,1,0".to_string()),
                _ => None,
            }
        };
        assert_eq!(ring("a done", env("xterm-256color", false)), "\x1b]9;zonas: a done\x1b\\\x07");
        for (term, tmux) in [("linux", false), ("vt100", false), ("tmux-256color", false), ("", false)] {
            assert_eq!(ring("a done", env(term, tmux)), "\x07");
        }
        // Inside tmux wrapped for it, every escape twice; the bell is tmux's own.
        for term in ["tmux-256color", "xterm-256color"] {
            let wrapped = "\x1bPtmux;\x1b\x1b]9;zonas: a done\x1b\x1b\\\x1b\\\x07";
            assert_eq!(ring("a done", env(term, true)), wrapped);
        }
        for tmux in [false, true] {
            let rung = ring("a\x1b]0;x\x07\u{9c}", env("xterm", tmux));
            assert!(!rung.contains("]0;x\x07") && !rung.contains('\u{9c}'), "{rung:?}");
            assert_eq!(rung.matches('\x07').count(), 1);
        }
    }

    #[test]
    fn only_what_becomes_of_runs_at_work_is_told() {
        let row = |name: &str, word: &'static str, status: &str| -> Row {
            let has_engine = ["running", "paused", "queued", "waiting for a cut"].contains(&word);
            let unread = Listed::unread(RunFolder::plain(Path::new("")));
            Arc::new(Listed { name: name.into(), word, status: status.into(), has_engine, ..unread })
        };
        let before = [
            row("a", "running", "epoch 1 of 2"),
            row("b", "done", "done"),
            row("c", "running", "scoring"),
            row("d", "running", "scoring"),
            row("e", "waiting for a cut", "waiting for a cut"),
            row("f", "queued", "queued"),
            row("g", "running", "scoring"),
        ];
        let now = [
            row("a", "done", "done"),
            row("b", "done", "done"),
            row("c", "waiting for a cut", "waiting for a cut"),
            row("d", "stopped", "stopped at its cut"),
            row("e", "waiting for a cut", "waiting for a cut"),
            row("f", "running", "scoring"),
            row("g", "failed", "failed"),
            // Never seen at work.
            row("h", "failed", "failed"),
        ];
        let told: Vec<String> = become_of(&before, &now).into_iter().map(|n| n.1).collect();
        assert_eq!(told, ["a done", "c waits for your cut", "d stopped at its cut", "g failed"]);
    }
}
