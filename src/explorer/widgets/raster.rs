use ratatui::style::Style;

use crate::explorer::draw::Pad;
use crate::explorer::theme::Markers;

/// Dots on a grid finer than the characters.
pub struct Raster {
    columns: u16,
    rows: u16,
    markers: Markers,
    cells: Vec<(u8, Style, char)>,
}

impl Raster {
    /// Of `columns` x `rows` characters.
    pub fn new(columns: u16, rows: u16, markers: Markers) -> Raster {
        let count = usize::from(columns) * usize::from(rows);
        Raster { columns, rows, markers, cells: vec![(0, Style::new(), ' '); count] }
    }

    const fn fine(markers: Markers) -> (i32, i32) {
        match markers {
            Markers::Braille => (2, 4),
            Markers::HalfBlock => (1, 2),
            Markers::Ascii => (1, 1),
        }
    }

    /// Dots across and down.
    pub fn size(&self) -> (i32, i32) {
        let (x, y) = Raster::fine(self.markers);
        (i32::from(self.columns) * x, i32::from(self.rows) * y)
    }

    /// One dot; those outside are left out. `glyph` is what ASCII shows.
    pub fn dot(&mut self, x: i32, y: i32, style: Style, glyph: char) {
        let (fine_x, fine_y) = Raster::fine(self.markers);
        let (width, height) = self.size();
        if !(0..width).contains(&x) || !(0..height).contains(&y) {
            return;
        }
        let index = (y / fine_y) * i32::from(self.columns) + x / fine_x;
        let Some(cell) = usize::try_from(index).ok().and_then(|i| self.cells.get_mut(i)) else { return };
        let (dx, dy) = (x % fine_x, y % fine_y);
        let bit = match self.markers {
            Markers::Braille => match (dx, dy) {
                (0, 3) => 0x40,
                (1, 3) => 0x80,
                (0, y) => 1 << y,
                (_, y) => 8 << y,
            },
            Markers::HalfBlock => 1 << dy,
            Markers::Ascii => 1,
        };
        cell.0 |= bit;
        cell.1 = style;
        cell.2 = glyph;
    }

    /// A straight line between two dots.
    pub fn line(&mut self, from: (i32, i32), to: (i32, i32), style: Style, glyph: char) {
        let (dx, dy) = ((to.0 - from.0).abs(), (to.1 - from.1).abs());
        let steps = dx.max(dy);
        for i in 0..=steps {
            let at = |a: i32, b: i32| a + (f64::from(b - a) * f64::from(i) / f64::from(steps.max(1))).round() as i32;
            self.dot(at(from.0, to.0), at(from.1, to.1), style, glyph);
        }
    }

    /// Puts the dots down.
    pub fn draw(&self, pad: &mut Pad, x: u16, y: u16) {
        for (i, (bits, style, glyph)) in self.cells.iter().enumerate() {
            if *bits == 0 {
                continue;
            }
            let c = match self.markers {
                Markers::Braille => char::from_u32(0x2800 + u32::from(*bits)).unwrap_or(*glyph),
                Markers::HalfBlock => [' ', '▀', '▄', '█'][usize::from(bits & 3)],
                Markers::Ascii => *glyph,
            };
            let i = u16::try_from(i).unwrap_or(u16::MAX);
            let columns = self.columns.max(1);
            pad.put(x + i % columns, y + i / columns, c, *style);
        }
    }
}
