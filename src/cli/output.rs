//! Standard output: its two forms, and its end, since its reader may close it, as `| head -1` does.

use std::io::{self, Write};

use clap::ValueEnum;
use color_eyre::eyre;

/// What goes there: lines for people, or JSON.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    #[default]
    Text,
    Json,
}

/// Standard output has been closed by its reader: the end, not an error.
#[derive(Debug, thiserror::Error)]
#[error("the output was closed")]
pub struct Closed;

/// Where a command writes.
pub struct Output<W: Write> {
    to: W,
}

impl Output<io::Stdout> {
    pub fn stdout() -> Output<io::Stdout> {
        Output { to: io::stdout() }
    }
}

impl<W: Write> Output<W> {
    /// # Errors
    /// A closed pipe ends the program quietly; anything else is a failure.
    pub fn write(&mut self, bytes: &[u8]) -> eyre::Result<()> {
        match self.to.write_all(bytes).and_then(|()| self.to.flush()) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(Closed.into()),
            Err(e) => Err(eyre::Report::new(e).wrap_err("can't write to standard output")),
        }
    }

    /// # Errors
    /// As [`Output::write`].
    pub fn line(&mut self, text: &str) -> eyre::Result<()> {
        self.write(format!("{text}\n").as_bytes())
    }

    /// One JSON value, indented.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub fn json<T: serde::Serialize>(&mut self, value: &T) -> eyre::Result<()> {
        self.line(&escape(&serde_json::to_string_pretty(value)?))
    }
}

/// JSON in which strings hold nothing that a terminal would act on: what the encoder leaves as it is (it escapes only the
/// first 32 characters) is escaped too, and means the same.
pub fn escape(json: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        let acts = matches!(c, '\u{7f}'..='\u{9f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{2069}' | '\u{feff}');
        if acts {
            // A String takes all that is written to it.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_json_means_the_same() {
        let value = serde_json::json!({ "name": "a\u{9b}31m\u{7f}\u{1b}[2J\u{202e}é\n\u{1f600}" });
        let text = escape(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.chars().any(|c| c != '\n' && c.is_control() || c == '\u{202e}'), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
