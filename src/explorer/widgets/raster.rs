//! Dots on a grid finer than the characters.

use ratatui::style::Style;

use crate::explorer::draw::Pad;
use crate::explorer::theme::Markers;

/// Dots on a grid finer than the characters.
pub struct Raster {
    columns: u16,
    rows: u16,
    markers: Markers,
    cells: Vec<Cell>,
}

/// What has been drawn into one character.
#[derive(Clone, Copy)]
struct Cell {
    bits: u8,
    style: Style,
    glyph: char,
    /// What runs here; lines of other looks share the character.
    kind: Kind,
}

/// What a dot belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Dot,
    /// A line that any other takes the place of.
    Faint,
    Line,
}

impl Raster {
    /// Of `columns` x `rows` characters.
    pub fn new(columns: u16, rows: u16, markers: Markers) -> Raster {
        let count = usize::from(columns) * usize::from(rows);
        Raster {
            columns,
            rows,
            markers,
            cells: vec![Cell { bits: 0, style: Style::new(), glyph: ' ', kind: Kind::Dot }; count],
        }
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
        self.put(x, y, style, glyph, Kind::Dot);
    }

    fn put(&mut self, x: i32, y: i32, style: Style, glyph: char, kind: Kind) {
        let (fine_x, fine_y) = Raster::fine(self.markers);
        let (width, height) = self.size();
        if !(0..width).contains(&x) || !(0..height).contains(&y) {
            return;
        }
        let column = x / fine_x;
        let index = (y / fine_y) * i32::from(self.columns) + column;
        let Some(cell) = usize::try_from(index).ok().and_then(|i| self.cells.get_mut(i)) else { return };
        match (cell.kind, kind) {
            // It would thicken the line that is there.
            (Kind::Line, Kind::Faint) => return,
            (Kind::Faint, Kind::Line) => cell.bits = 0,
            _ => {}
        }
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
        // Where two lines run through the same characters they take turns, so that neither hides the other.
        let shared = cell.kind == kind && kind != Kind::Dot && (cell.style, cell.glyph) != (style, glyph);
        if !(shared && column % 2 == 0) {
            (cell.style, cell.glyph) = (style, glyph);
        }
        cell.bits |= bit;
        if kind != Kind::Dot {
            cell.kind = kind;
        }
    }

    /// A line that any other hides where they meet.
    pub fn faint(&mut self, from: (i32, i32), to: (i32, i32), style: Style, glyph: char) {
        self.draw_line(from, to, style, glyph, Kind::Faint);
    }

    pub fn line(&mut self, from: (i32, i32), to: (i32, i32), style: Style, glyph: char) {
        self.draw_line(from, to, style, glyph, Kind::Line);
    }

    /// A straight line between two dots, of which only the part in view is gone along, however far off its ends are.
    fn draw_line(&mut self, from: (i32, i32), to: (i32, i32), style: Style, glyph: char, kind: Kind) {
        let (width, height) = self.size();
        let (dx, dy) = (i64::from(to.0) - i64::from(from.0), i64::from(to.1) - i64::from(from.1));
        let steps = dx.abs().max(dy.abs());
        let (along, down) = (within(from.0, dx, steps, width), within(from.1, dy, steps, height));
        for i in along.0.max(down.0)..=along.1.min(down.1) {
            let at = |a: i32, d: i64| i64::from(a) + (d as f64 * i as f64 / steps.max(1) as f64).round() as i64;
            if let (Ok(x), Ok(y)) = (i32::try_from(at(from.0, dx)), i32::try_from(at(from.1, dy))) {
                self.put(x, y, style, glyph, kind);
            }
        }
    }

    /// Puts the dots down.
    pub fn draw(&self, pad: &mut Pad, x: u16, y: u16) {
        for (i, Cell { bits, style, glyph, .. }) in self.cells.iter().enumerate() {
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

/// Steps, of so many that go from `start` by `d` in all, between which 0..`size` may be reached: one more at either end.
fn within(start: i32, d: i64, steps: i64, size: i32) -> (i64, i64) {
    if d == 0 {
        return if (0..size).contains(&start) { (0, steps) } else { (1, 0) };
    }
    let step_at = |edge: i64| (edge - i64::from(start)) as f64 * steps as f64 / d as f64;
    let (a, b) = (step_at(-1), step_at(i64::from(size)));
    let (low, high) = (a.min(b).floor() as i64, a.max(b).ceil() as i64);
    (low.saturating_sub(1).max(0), high.saturating_add(1).min(steps))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dots(raster: &Raster) -> Vec<u8> {
        raster.cells.iter().map(|c| c.bits).collect()
    }

    #[test]
    fn a_line_is_clipped_to_what_is_seen() {
        // As it was drawn before, dot by dot.
        let whole = |raster: &mut Raster, from: (i32, i32), to: (i32, i32)| {
            let steps = (to.0 - from.0).abs().max((to.1 - from.1).abs());
            for i in 0..=steps {
                let at =
                    |a: i32, b: i32| a + (f64::from(b - a) * f64::from(i) / f64::from(steps.max(1))).round() as i32;
                raster.dot(at(from.0, to.0), at(from.1, to.1), Style::new(), '*');
            }
        };
        let mut ends = Vec::new();
        for x in [-70, -1, 0, 7, 19, 20, 90] {
            for y in [-50, -2, 0, 9, 39, 40, 300] {
                ends.push((x, y));
            }
        }
        for from in &ends {
            for to in &ends {
                let (mut a, mut b) = (Raster::new(10, 10, Markers::Braille), Raster::new(10, 10, Markers::Braille));
                a.line(*from, *to, Style::new(), '*');
                whole(&mut b, *from, *to);
                assert_eq!(dots(&a), dots(&b), "{from:?} to {to:?}");
            }
        }
    }

    #[test]
    fn two_lines_through_the_same_characters_are_both_seen() {
        for markers in [Markers::Braille, Markers::HalfBlock, Markers::Ascii] {
            let mut raster = Raster::new(10, 1, markers);
            let (one, two) = (Style::new().bold(), Style::new().italic());
            let end = raster.size().0 - 1;
            raster.line((0, 0), (end, 0), one, '*');
            raster.line((0, 0), (end, 0), two, 'o');
            let count = |style, glyph| raster.cells.iter().filter(|c| (c.style, c.glyph) == (style, glyph)).count();
            assert_eq!((count(one, '*'), count(two, 'o')), (5, 5), "{markers:?}");
        }
    }

    #[test]
    fn a_line_to_the_end_of_numbers_takes_no_time() {
        let begun = std::time::Instant::now();
        let mut raster = Raster::new(100, 20, Markers::Braille);
        for far in [i32::MIN, i32::MAX] {
            for _ in 0..1000 {
                raster.line((far, 3), (50, 4), Style::new(), '*');
                raster.line((10, far), (far, 7), Style::new(), '*');
                raster.line((i32::MIN, far), (i32::MAX, 9), Style::new(), '*');
            }
        }
        assert!(begun.elapsed().as_secs_f64() < 5.0, "{:?}", begun.elapsed());
        assert!(dots(&raster).iter().any(|d| *d != 0));
    }
}
