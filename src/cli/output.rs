//! Standard output that may be closed by its reader, as `| head -1` does.

use std::io::{self, Write};

use color_eyre::eyre;

use super::Closed;

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
        self.line(&serde_json::to_string_pretty(value)?)
    }
}
