//! A line of text that is typed, with a cursor in it, and the keys that change it.

use crossterm::event::KeyCode;
use unicode_segmentation::UnicodeSegmentation;

use crate::explorer::keymap::Key;
use crate::text;

/// Most characters that are typed.
const LONGEST: usize = 400;

/// Keys while text is typed, as in a shell, and what they do: for the help.
pub const KEYS: [(&str, &str); 6] = [
    ("← → home end", "Move in the text; ctrl-a and ctrl-e as home and end."),
    ("alt-b alt-f", "One word back, one word on; ctrl-left and ctrl-right, too."),
    ("backspace", "Delete the character before the cursor; delete or ctrl-d: the one under it."),
    ("ctrl-w", "Delete the word before the cursor."),
    ("ctrl-u", "Delete everything before the cursor."),
    ("ctrl-k", "Delete everything from the cursor on."),
];

/// A line of text and where the next character goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Typed {
    text: String,
    /// In bytes, between two characters as people see them.
    at: usize,
}

impl From<&str> for Typed {
    /// With the cursor at its end.
    fn from(text: &str) -> Typed {
        Typed { text: text.into(), at: text.len() }
    }
}

impl From<String> for Typed {
    fn from(text: String) -> Typed {
        let at = text.len();
        Typed { text, at }
    }
}

impl std::ops::Deref for Typed {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl Typed {
    /// Another text, with the cursor at its end.
    pub fn set(&mut self, text: &str) {
        *self = Typed::from(text);
    }

    /// What lies before the cursor, and from it on.
    pub fn parts(&self) -> (&str, &str) {
        self.text.split_at(self.at)
    }

    pub fn insert(&mut self, c: char) {
        if c.is_control() || self.text.chars().count() >= LONGEST {
            return;
        }
        self.text.insert(self.at, c);
        self.at += c.len_utf8();
        // What joins the character before stays with it.
        self.at = self.text.len() - self.rest_from(self.at).len();
    }

    /// What follows the end of the character in which, or after which, this byte lies.
    fn rest_from(&self, byte: usize) -> &str {
        let end = self.text.grapheme_indices(true).map(|(i, g)| i + g.len()).find(|end| *end >= byte);
        &self.text[end.unwrap_or(self.text.len())..]
    }

    /// Where the last character before the cursor begins.
    fn before(&self) -> usize {
        self.text[..self.at].grapheme_indices(true).next_back().map_or(0, |(i, _)| i)
    }

    fn after(&self) -> usize {
        self.at + self.text[self.at..].graphemes(true).next().map_or(0, str::len)
    }

    fn word_before(&self) -> usize {
        let mut before = self.text[..self.at].to_string();
        text::pop_word(&mut before);
        before.len()
    }

    fn word_after(&self) -> usize {
        let rest = &self.text[self.at..];
        let word = rest.len() - rest.trim_start().len();
        let end = rest[word..].find(char::is_whitespace).map_or(rest.len(), |i| word + i);
        self.at + end
    }

    pub fn backspace(&mut self) {
        self.cut(self.before(), self.at);
    }

    fn cut(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.at = from;
    }

    /// What a key does to the text; false where it means nothing here.
    pub fn key(&mut self, key: Key) -> bool {
        use KeyCode::{Backspace, Char, Delete, End, Home, Left, Right};
        match (key.code, key.ctrl, key.alt) {
            (Char(c), false, false) => self.insert(c),
            (Backspace, false, false) | (Char('h'), true, false) => self.backspace(),
            (Delete, ..) | (Char('d'), true, false) => self.cut(self.at, self.after()),
            (Char('w'), true, false) | (Backspace, ..) => self.cut(self.word_before(), self.at),
            (Char('d'), false, true) => self.cut(self.at, self.word_after()),
            (Char('u'), true, false) => self.cut(0, self.at),
            (Char('k'), true, false) => self.cut(self.at, self.text.len()),
            (Left, false, false) | (Char('b'), true, false) => self.at = self.before(),
            (Right, false, false) | (Char('f'), true, false) => self.at = self.after(),
            (Left, ..) | (Char('b'), false, true) => self.at = self.word_before(),
            (Right, ..) | (Char('f'), false, true) => self.at = self.word_after(),
            (Home, ..) | (Char('a'), true, false) => self.at = 0,
            (End, ..) | (Char('e'), true, false) => self.at = self.text.len(),
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text after these keys, `|` where the cursor is.
    fn after(text: &str, keys: &[&str]) -> String {
        let mut typed = Typed::from(text);
        for key in keys {
            assert!(typed.key(key.parse().unwrap()), "{key}");
        }
        let (before, rest) = typed.parts();
        format!("{before}|{rest}")
    }

    #[test]
    fn keys_are_those_of_a_shell() {
        assert_eq!(after("seed:7 done", &["ctrl-w"]), "seed:7 |");
        assert_eq!(after("seed:7 done", &["ctrl-a", "delete", "x"]), "x|eed:7 done");
        assert_eq!(after("seed:7 done", &["alt-b", "ctrl-u"]), "|done");
        assert_eq!(after("seed:7 done", &["home", "alt-f", "ctrl-k"]), "seed:7|");
        assert_eq!(after("abc", &["left", "left", "X", "end", "Y"]), "aXbcY|");
        assert_eq!(after("abc", &["left", "backspace", "right", "right"]), "ac|");
        assert_eq!(after("", &["left", "backspace", "delete", "ctrl-w", "ctrl-d", "ctrl-u"]), "|");
        assert!(!Typed::default().key("f1".parse().unwrap()));
        assert!(!Typed::default().key("ctrl-x".parse().unwrap()));
    }

    #[test]
    fn accents_stay_with_their_letters() {
        assert_eq!(after("cafe\u{301}s", &["left", "backspace"]), "caf|s");
        assert_eq!(after("日本", &["left", "delete", "a"]), "日a|");
        let mut typed = Typed::from("es");
        assert!(typed.key("left".parse().unwrap()));
        typed.insert('\u{301}');
        typed.insert('\u{7}');
        assert_eq!(typed.parts(), ("e\u{301}", "s"));
        for _ in 0..500 {
            typed.insert('x');
        }
        assert_eq!(typed.chars().count(), 400);
    }
}
