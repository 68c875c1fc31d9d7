//! Word to a person who is looking elsewhere: the terminal's bell, and a notification where it has such a thing, when the run
//! has ended or waits for them.

use super::App;
use crate::run::status::Status;
use crate::text;

impl App<'_> {
    /// What the run wants of the person now.
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
        if let Some(words) = now.filter(|_| self.options.settings.bell.unwrap_or(true)) {
            // A terminal that is gone is noticed by the next picture.
            let _ = self.screen.write(&ring(&words, |key| std::env::var(key).ok()));
        }
    }
}

/// The bell, after a notification (OSC 9) where the terminal is not known to have none.
fn ring(words: &str, env: impl Fn(&str) -> Option<String>) -> String {
    let term = env("TERM").unwrap_or_default();
    let plain = ["linux", "dumb", "vt", "screen", "tmux"].iter().any(|t| term.starts_with(t));
    if plain || term.is_empty() || env("TMUX").is_some() {
        return "\x07".into();
    }
    format!("\x1b]9;zonas: {}\x1b\\\x07", text::sanitize(words))
}

#[cfg(test)]
mod tests {
    use super::ring;

    #[test]
    fn a_bell_everywhere_and_words_where_they_are_read() {
        let env = |term: &'static str, tmux: bool| {
            move |key: &str| match key {
                "TERM" => Some(term.to_string()),
                "TMUX" => tmux.then(String::new),
                _ => None,
            }
        };
        assert_eq!(ring("a done", env("xterm-256color", false)), "\x1b]9;zonas: a done\x1b\\\x07");
        for (term, tmux) in
            [("linux", false), ("vt100", false), ("tmux-256color", false), ("xterm-256color", true), ("", false)]
        {
            assert_eq!(ring("a done", env(term, tmux)), "\x07");
        }
        assert!(!ring("a\x1b]0;x\x07", env("xterm", false)).contains("]0;x\x07\x1b"));
    }
}
