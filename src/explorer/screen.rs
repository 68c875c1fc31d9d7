//! What is on the terminal, and how the next picture gets there: only the cells that differ, in one synchronized update,
//! and not a byte when nothing differs.

use std::io::{self, Write};

use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// The terminal behind `W`, and the last picture on it.
pub struct Screen<W: Write> {
    backend: CrosstermBackend<W>,
    shown: Buffer,
    next: Buffer,
    /// What is shown is not known: everything is drawn.
    lost: bool,
}

impl<W: Write> Screen<W> {
    pub fn new(out: W) -> Screen<W> {
        Screen { backend: CrosstermBackend::new(out), shown: Buffer::default(), next: Buffer::default(), lost: true }
    }

    /// Everything is drawn next time.
    pub fn forget(&mut self) {
        self.lost = true;
    }

    /// Bytes as they are, past the picture.
    ///
    /// # Errors
    /// A terminal that is gone.
    pub fn write(&mut self, text: &str) -> io::Result<()> {
        self.backend.write_all(text.as_bytes())?;
        io::Write::flush(&mut self.backend)
    }

    /// Draws a picture of `width` x `height`.
    ///
    /// # Errors
    /// A terminal that is gone.
    pub fn draw(&mut self, (width, height): (u16, u16), paint: impl FnOnce(&mut Buffer)) -> io::Result<()> {
        let area = Rect::new(0, 0, width, height);
        if self.next.area != area {
            self.next = Buffer::empty(area);
            self.lost = true;
        }
        paint(&mut self.next);
        if self.lost {
            // A blank screen is known, and asking the terminal nothing can't hang.
            self.shown = Buffer::empty(area);
            queue!(self.backend, BeginSynchronizedUpdate, Clear(ClearType::All))?;
        } else if self.shown == self.next {
            return Ok(());
        } else {
            queue!(self.backend, BeginSynchronizedUpdate)?;
        }
        let changed = self.shown.diff(&self.next);
        if !changed.is_empty() {
            self.backend.draw(changed.into_iter())?;
        }
        queue!(self.backend, EndSynchronizedUpdate)?;
        io::Write::flush(&mut self.backend)?;
        std::mem::swap(&mut self.shown, &mut self.next);
        self.lost = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use ratatui::style::Style;

    use super::*;

    #[derive(Clone, Default)]
    struct Out(Rc<RefCell<Vec<u8>>>);

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_new_is_not_a_byte_and_a_little_new_is_few() {
        let out = Out::default();
        let mut screen = Screen::new(out.clone());
        let mut bytes = |forget: bool, size: (u16, u16), text: &str| {
            let before = out.0.borrow().len();
            if forget {
                screen.forget();
            }
            let paint = |b: &mut Buffer| {
                b.reset();
                b.set_string(0, 0, text, Style::new());
            };
            screen.draw(size, paint).unwrap();
            out.0.borrow().len() - before
        };
        assert!(bytes(false, (80, 24), "zonas 1234567890") > 16);
        assert_eq!(bytes(false, (80, 24), "zonas 1234567890"), 0);
        let one = bytes(false, (80, 24), "zonas 1234567891");
        assert!(one > 0 && one < 60, "{one} bytes");
        // A new size and a forgotten screen are drawn whole.
        assert!(bytes(false, (60, 20), "zonas 1234567891") > 16);
        assert!(bytes(true, (60, 20), "zonas 1234567891") > 16);
        let all = String::from_utf8(out.0.borrow().clone()).unwrap();
        assert_eq!(all.matches("\x1b[?2026h").count(), all.matches("\x1b[?2026l").count());
        assert!(!all.contains("\x1b[6n"), "the terminal is never asked where its cursor is");
    }
}
