use ratatui::style::Style;

use super::raster::Raster;
use crate::explorer::draw::Pad;
use crate::explorer::state::Bucket;
use crate::explorer::text;
use crate::explorer::theme::Markers;

/// One line of a chart.
pub struct Curve<'a> {
    pub points: &'a [Bucket],
    pub style: Style,
    /// What ASCII draws it with.
    pub glyph: char,
}

/// Curves over one x axis, with labelled axes.
pub struct Chart<'a> {
    pub curves: &'a [Curve<'a>],
    /// First and last x.
    pub x: (f64, f64),
    /// Levels marked by dashed lines, in the unit of y.
    pub levels: &'a [(f64, Style)],
    /// Where the time cursor is, in the unit of x.
    pub cursor: Option<f64>,
    /// Between two curves, drawn sparsely below all else: x, lowest and highest.
    pub band: &'a [(f64, f64, f64)],
    /// Single points: x, y, glyph and style.
    pub marks: &'a [(f64, f64, char, Style)],
    /// Columns for the labels of y, so that charts above each other stand in line.
    pub gutter: u16,
    /// Lowest and highest y that must be in view.
    pub include: Option<(f64, f64)>,
    pub log: bool,
    pub markers: Markers,
    pub y_text: &'a dyn Fn(f64) -> String,
    pub x_text: &'a dyn Fn(f64) -> String,
}

impl Chart<'_> {
    /// Draws over the whole pad: y labels at the left, x labels in the last line where there are four lines or more.
    pub fn draw(&self, pad: &mut Pad) {
        let (w, h) = (pad.width(), pad.height());
        let Some((low, high)) = self.range() else {
            let style = pad.theme.dim();
            pad.text(1, 0, "no points yet", style);
            return;
        };
        let rows = if h >= 4 { h - 1 } else { h };
        let ticks = self.ticks(low, high, rows);
        let gutter = ticks.iter().map(|t| text::width(&t.1)).max().unwrap_or(0).max(self.gutter);
        if w < gutter + 4 || rows == 0 {
            return;
        }
        let (left, columns) = (gutter + 1, w - gutter - 1);
        let dim = pad.theme.dim();
        for y in 0..rows {
            pad.put(gutter, y, '│', dim);
        }
        for (row, label) in &ticks {
            pad.right(gutter, *row, label, dim);
            pad.put(gutter, *row, '┤', dim);
        }
        if rows < h {
            let (from, to) = ((self.x_text)(self.x.0), (self.x_text)(self.x.1));
            pad.put(gutter, rows, '└', dim);
            for x in left..w {
                pad.put(x, rows, '─', dim);
            }
            pad.text(left, rows, &format!("{from} "), dim);
            pad.right(w, rows, &format!(" {to}"), dim);
        }
        let mut raster = Raster::new(columns, rows, self.markers);
        let (dots_x, dots_y) = raster.size();
        let scale = |v: f64| if self.log { v.max(f64::MIN_POSITIVE).ln() } else { v };
        let (bottom, top) = (scale(low), scale(high));
        let to_y = |v: f64| {
            let share = (scale(v) - bottom) / (top - bottom);
            (f64::from(dots_y - 1) * (1.0 - share)).round() as i32
        };
        let span = (self.x.1 - self.x.0).max(f64::MIN_POSITIVE);
        let to_x = |v: f64| (f64::from(dots_x - 1) * (v - self.x.0) / span).round() as i32;
        for pair in self.band.windows(2) {
            let (from, to) = (to_x(pair[0].0), to_x(pair[1].0));
            for x in (from..=to).filter(|x| x % 2 == 0) {
                let t = if to > from { f64::from(x - from) / f64::from(to - from) } else { 0.0 };
                let at = |a: f64, b: f64| to_y(a + t * (b - a));
                for y in (at(pair[0].2, pair[1].2)..=at(pair[0].1, pair[1].1)).filter(|y| (y + x / 2) % 2 == 0) {
                    raster.dot(x, y, dim, ':');
                }
            }
        }
        for (level, style) in self.levels {
            for x in (0..dots_x).filter(|x| x % 4 < 2) {
                raster.dot(x, to_y(*level), *style, '-');
            }
        }
        for curve in self.curves {
            let mut before: Option<(i32, i32)> = None;
            // The point before the first in view leads the line in.
            let first = curve.points.partition_point(|b| b.to < self.x.0).saturating_sub(1);
            for b in &curve.points[first.min(curve.points.len())..] {
                let at = (to_x(b.middle()), to_y(b.mean()));
                raster.line((at.0, to_y(b.low)), (at.0, to_y(b.high)), curve.style, curve.glyph);
                raster.line(before.unwrap_or(at), at, curve.style, curve.glyph);
                before = Some(at);
            }
        }
        raster.draw(pad, left, 0);
        let (per_x, per_y) = (dots_x / i32::from(columns.max(1)), dots_y / i32::from(rows.max(1)));
        let column = |x: f64| u16::try_from(to_x(x) / per_x.max(1)).ok().filter(|c| *c < columns);
        if let Some(x) = self.cursor.and_then(column) {
            let style = pad.theme.accent();
            for y in 0..rows {
                pad.put(left + x, y, '┆', style);
            }
        }
        for (x, y, glyph, style) in self.marks {
            let row = u16::try_from(to_y(*y) / per_y.max(1)).ok().filter(|r| *r < rows);
            if let (Some(x), Some(y)) = (column(*x), row) {
                pad.put(left + x, y, *glyph, *style);
            }
        }
    }

    /// Lowest and highest value in view, a little apart.
    fn range(&self) -> Option<(f64, f64)> {
        let shown = |b: &&Bucket| b.to >= self.x.0 && b.from <= self.x.1;
        let values = self.curves.iter().flat_map(|c| c.points.iter().filter(shown)).map(|b| (b.low, b.high));
        let band = self.band.iter().map(|b| (b.1, b.2));
        let marks = self.marks.iter().map(|m| (m.1, m.1));
        let more = self.levels.iter().map(|(l, _)| (*l, *l)).chain(self.include).chain(band).chain(marks);
        self.curves.iter().find(|c| !c.points.is_empty())?;
        let (low, high) = values.chain(more).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
        let low = if self.log { low.max(high * 1e-6) } else { low };
        let room = if high > low { 0.0 } else { (low.abs() * 0.05).max(1e-9) };
        Some((low - room, high + room))
    }

    /// Rows with a label: bottom, top, and between where there is room.
    fn ticks(&self, low: f64, high: f64, rows: u16) -> Vec<(u16, String)> {
        let last = rows.saturating_sub(1);
        let steps = match last {
            0 => return vec![(0, (self.y_text)(high))],
            1..=3 => 1,
            4..=11 => 2,
            _ => 4,
        };
        let mut ticks: Vec<(u16, String)> = Vec::new();
        for i in 0..=steps {
            let row = (f64::from(last) * f64::from(i) / f64::from(steps)).round();
            let share = 1.0 - row / f64::from(last);
            let value =
                if self.log { (low.ln() + share * (high.ln() - low.ln())).exp() } else { low + share * (high - low) };
            ticks.push((row as u16, (self.y_text)(value)));
        }
        ticks
    }
}

#[cfg(test)]
mod tests {
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;

    use super::*;
    use crate::explorer::state::Series;
    use crate::explorer::theme::{ColorDepth, Theme};

    fn drawn(markers: Markers, series: &Series, width: u16, height: u16) -> Vec<String> {
        let theme = Theme { depth: ColorDepth::Mono, ascii: false, markers, name: crate::explorer::theme::Name::Dark };
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        let curves = [Curve { points: series.buckets(), style: Style::new(), glyph: '*' }];
        Chart {
            curves: &curves,
            x: series.span().unwrap_or((0.0, 1.0)),
            levels: &[],
            cursor: None,
            band: &[],
            marks: &[],
            gutter: 4,
            include: None,
            log: false,
            markers,
            y_text: &|v| text::significant(v, 2),
            x_text: &|v| format!("{v:.0}"),
        }
        .draw(&mut Pad::new(&mut buffer, Rect::new(0, 0, width, height), &theme));
        (0..height).map(|y| (0..width).map(|x| buffer[(x, y)].symbol().to_string()).collect()).collect()
    }

    #[test]
    fn a_rising_line_rises_in_every_marker() {
        let mut series = Series::default();
        for i in 0..=9 {
            series.push(f64::from(i), f64::from(i));
        }
        let rows = drawn(Markers::Ascii, &series, 15, 11);
        for (y, row) in rows.iter().take(10).enumerate() {
            assert_eq!(row.chars().position(|c| c == '*'), Some(5 + 9 - y), "{rows:#?}");
        }
        for markers in [Markers::Braille, Markers::HalfBlock] {
            let rows = drawn(markers, &series, 15, 11);
            assert!(rows[0].trim_end().len() > rows[0].trim_end_matches(|c: char| !c.is_ascii()).len());
        }
    }

    #[test]
    fn one_point_no_point_and_no_room_are_drawn() {
        let mut series = Series::default();
        assert!(drawn(Markers::Braille, &series, 20, 5)[0].contains("no points yet"));
        series.push(0.0, 3.0);
        assert!(drawn(Markers::Braille, &series, 20, 5).iter().any(|r| r.contains('3')));
        for (w, h) in [(1, 1), (8, 2), (9, 3), (0, 0)] {
            drawn(Markers::Braille, &series, w, h);
        }
    }
}
