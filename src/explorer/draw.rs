//! A rectangle of the screen to write into. Everything is clipped to it, so no size of terminal can cause a fault.

use std::borrow::Cow;

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use unicode_width::UnicodeWidthChar;

use super::text;
use super::theme::Theme;

/// A shorter part of a panel's note tells nothing.
const LEAST_NOTE: u16 = 9;

/// Writes into `area` of the buffer, with coordinates from its upper left corner.
pub struct Pad<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
    pub theme: &'a Theme,
}

impl<'a> Pad<'a> {
    pub fn new(buffer: &'a mut Buffer, area: Rect, theme: &'a Theme) -> Pad<'a> {
        let area = area.intersection(buffer.area);
        Pad { buffer, area, theme }
    }

    pub fn width(&self) -> u16 {
        self.area.width
    }

    pub fn height(&self) -> u16 {
        self.area.height
    }

    /// Where a part of this pad lies on the screen.
    pub fn area_of(&self, x: u16, y: u16, width: u16, height: u16) -> Rect {
        let (left, top) = (self.area.x.saturating_add(x), self.area.y.saturating_add(y));
        Rect { x: left, y: top, width, height }.intersection(self.area)
    }

    /// A part of this pad; whatever lies outside is cut off.
    pub fn sub(&mut self, x: u16, y: u16, width: u16, height: u16) -> Pad<'_> {
        let part = Rect {
            x: self.area.x.saturating_add(x),
            y: self.area.y.saturating_add(y),
            width: width.min(self.area.width.saturating_sub(x)),
            height: height.min(self.area.height.saturating_sub(y)),
        };
        let area = part.intersection(self.area);
        Pad { buffer: self.buffer, area, theme: self.theme }
    }

    /// One character; wide ones and those outside are left out.
    pub fn put(&mut self, x: u16, y: u16, glyph: char, style: Style) {
        if x >= self.area.width || y >= self.area.height || glyph.width() != Some(1) {
            return;
        }
        if let Some(cell) = self.buffer.cell_mut((self.area.x + x, self.area.y + y)) {
            cell.set_char(glyph).set_style(Style::reset().patch(style));
        }
    }

    /// Text from column `x`, cut with `…` where it does not fit; returns the column after it.
    pub fn text(&mut self, x: u16, y: u16, text: &str, style: Style) -> u16 {
        let text = &*self.spelled(text);
        if x >= self.area.width || y >= self.area.height {
            return x;
        }
        let room = self.area.width - x;
        // What is cut off is seen to be.
        let cut = (text::width(text.trim_end()) > room).then(|| text::fit(text, room));
        let text = cut.as_deref().unwrap_or(text);
        let room = usize::from(room);
        // Whatever was written below leaves nothing of its style behind.
        let style = Style::reset().patch(style);
        let (end, _) = self.buffer.set_stringn(self.area.x + x, self.area.y + y, text, room, style);
        end - self.area.x
    }

    /// Text from column `x` in at most `columns` columns, cut with `…`.
    pub fn fitted(&mut self, x: u16, y: u16, columns: u16, text: &str, style: Style) -> u16 {
        let columns = columns.min(self.area.width.saturating_sub(x));
        let text = text::fit(&self.spelled(text), columns);
        self.text(x, y, &text, style)
    }

    /// Text that ends before column `end`; returns the column where it begins.
    pub fn right(&mut self, end: u16, y: u16, text: &str, style: Style) -> u16 {
        let text = self.spelled(text);
        let x = end.min(self.area.width).saturating_sub(text::width(&text));
        self.text(x, y, &text, style);
        x
    }

    /// Signs that ASCII needs more than one letter for.
    fn spelled<'t>(&self, text: &'t str) -> Cow<'t, str> {
        const SIGNS: [(char, &str); 4] = [('±', "+/-"), ('≥', ">="), ('≤', "<="), ('≠', "!=")];
        if !self.theme.ascii || !text.contains(SIGNS.map(|s| s.0)) {
            return Cow::Borrowed(text);
        }
        Cow::Owned(SIGNS.iter().fold(text.to_string(), |t, (sign, words)| t.replace(*sign, words)))
    }

    /// Several pieces of text one after the other.
    pub fn spans(&mut self, x: u16, y: u16, spans: &[(&str, Style)]) -> u16 {
        spans.iter().fold(x, |x, (text, style)| self.text(x, y, text, *style))
    }

    pub fn style(&mut self, x: u16, y: u16, width: u16, height: u16, style: Style) {
        let sub = self.sub(x, y, width, height);
        sub.buffer.set_style(sub.area, style);
    }

    /// Blank, in the terminal's own colours: for what lies above something else.
    pub fn clear(&mut self) {
        for y in 0..self.area.height {
            for x in 0..self.area.width {
                if let Some(cell) = self.buffer.cell_mut((self.area.x + x, self.area.y + y)) {
                    cell.reset();
                }
            }
        }
    }

    /// A horizontal rule over the whole width.
    pub fn rule(&mut self, y: u16) {
        let style = self.theme.dim();
        for x in 0..self.area.width {
            self.put(x, y, '─', style);
        }
    }

    /// `── title ──────── note ──` on the first line; returns what is below. `active`: this is where keys go.
    pub fn panel(&mut self, title: &str, whole: &str, active: bool) -> Pad<'_> {
        self.rule(0);
        let style = if active { self.theme.accent().add_modifier(Modifier::BOLD) } else { self.theme.strong() };
        let room = self.area.width.saturating_sub(4);
        let end = self.text(1, 0, &format!(" {} ", text::fit(title, room)), style);
        // What it shows is said as far as there is room.
        let note = text::fit(whole, self.area.width.saturating_sub(end + 4));
        if text::width(&note) >= LEAST_NOTE.min(text::width(whole)) && !note.is_empty() {
            let style = self.theme.dim();
            self.right(self.area.width - 1, 0, &format!(" {note} "), style);
        }
        let (w, h) = (self.area.width, self.area.height);
        self.sub(0, 1, w, h.saturating_sub(1))
    }

    /// Lines of prose from the top, in a quiet voice: what will be here and how to get it.
    pub fn prose(&mut self, text: &str) {
        let style = self.theme.dim();
        for (y, line) in self.broken(text).iter().enumerate() {
            self.text(1, u16::try_from(y).unwrap_or(u16::MAX), line, style);
        }
    }

    /// The same, or nothing where there is no room for all of it.
    pub fn prose_whole(&mut self, text: &str) {
        if self.broken(text).len() <= usize::from(self.area.height) {
            self.prose(text);
        }
    }

    fn broken(&self, text: &str) -> Vec<String> {
        text::wrap(text, self.area.width.saturating_sub(2).min(76))
    }
}

/// A line of the screen as it is seen: each character with its first column and the columns that it takes. Behind a wide
/// one the buffer holds a cell that no terminal shows.
pub fn characters(buffer: &Buffer, y: u16) -> Vec<(u16, &Cell, u16)> {
    let mut out = Vec::with_capacity(usize::from(buffer.area.width));
    let mut x = 0;
    while let Some(cell) = buffer.cell((x, y)) {
        let columns = text::width(cell.symbol()).clamp(1, (buffer.area.width - x).max(1));
        out.push((x, cell, columns));
        x += columns;
    }
    out
}

/// After everything is drawn: only ASCII stays, if that is what the terminal reads.
pub fn finish(buffer: &mut Buffer, theme: &Theme) {
    if !theme.ascii {
        return;
    }
    for cell in &mut buffer.content {
        let mut chars = cell.symbol().chars();
        let (first, rest) = (chars.next(), chars.next());
        match first {
            Some(c) if c.is_ascii() && rest.is_none() => {}
            Some(c) => {
                let c = super::theme::ascii(c);
                cell.set_char(c);
            }
            None => {}
        }
    }
}
