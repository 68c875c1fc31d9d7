//! Curves with axes, in characters.

use ratatui::style::Style;

use super::raster::Raster;
use crate::explorer::draw::Pad;
use crate::explorer::state::Bucket;
use crate::explorer::theme::Markers;
use crate::text;

/// One line of a chart.
pub struct Curve<'a> {
    pub points: &'a [Bucket],
    pub style: Style,
    /// What ASCII draws it with.
    pub glyph: char,
    /// Other curves hide it where they meet.
    pub behind: bool,
}

/// What values along x are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steps {
    /// Those at both ends.
    Ends,
    /// Round numbers; whole ones, where there are two of them.
    Whole,
    /// Round times; the far end, too.
    Seconds,
}

/// What lies between two curves.
pub struct Band<'a> {
    /// x, lowest and highest.
    pub points: &'a [(f64, f64, f64)],
    pub style: Style,
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
    /// Drawn sparsely below all else.
    pub bands: &'a [Band<'a>],
    /// Single points: x, y, glyph and style.
    pub marks: &'a [(f64, f64, char, Style)],
    /// Names in the colour of their curve, written to the left of a point of it.
    pub names: &'a [(f64, f64, &'a str, Style)],
    pub steps: Steps,
    /// Columns for the labels of y, so that charts above each other stand in line.
    pub gutter: u16,
    /// Lowest and highest y that must be in view.
    pub include: Option<(f64, f64)>,
    pub log: bool,
    /// Of y: bytes, of which 1024 make the next unit.
    pub binary: bool,
    pub markers: Markers,
    pub y_text: &'a dyn Fn(f64) -> String,
    /// A value of x, and whether it is the last, which may have the unit with it.
    pub x_text: &'a dyn Fn(f64, bool) -> String,
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
            pad.put(gutter, rows, '└', dim);
            for x in left..w {
                pad.put(x, rows, '─', dim);
            }
            self.along(&mut pad.sub(left, rows, columns, 1));
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
        for (band, pair) in self.bands.iter().flat_map(|b| b.points.windows(2).map(move |pair| (b, pair))) {
            let (from, to) = (to_x(pair[0].0), to_x(pair[1].0));
            for x in (from.max(0)..=to.min(dots_x)).filter(|x| x % 2 == 0) {
                let t =
                    if to > from { (f64::from(x) - f64::from(from)) / (f64::from(to) - f64::from(from)) } else { 0.0 };
                let at = |a: f64, b: f64| to_y(a + t * (b - a)).clamp(-1, dots_y);
                for y in (at(pair[0].2, pair[1].2)..=at(pair[0].1, pair[1].1)).filter(|y| (y + x / 2) % 2 == 0) {
                    raster.dot(x, y, band.style, ':');
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
                let mut line = |from, to| match curve.behind {
                    true => raster.faint(from, to, curve.style, curve.glyph),
                    false => raster.line(from, to, curve.style, curve.glyph),
                };
                line((at.0, to_y(b.low)), (at.0, to_y(b.high)));
                line(before.unwrap_or(at), at);
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
        for (x, y, name, style) in self.names {
            let row = u16::try_from(to_y(*y) / per_y.max(1)).ok().filter(|r| *r < rows);
            if let (Some(x), Some(y)) = (column(x.min(self.x.1)), row) {
                // Above its curve, as far as there is room.
                let name = text::fit(name, columns / 2);
                pad.right(left + x + 1, y.saturating_sub(1), &name, *style);
            }
        }
        for (x, y, glyph, style) in self.marks {
            let row = u16::try_from(to_y(*y) / per_y.max(1)).ok().filter(|r| *r < rows);
            if let (Some(x), Some(y)) = (column(*x), row) {
                pad.put(left + x, y, *glyph, *style);
            }
        }
    }

    /// Values below the axis, the last one with its unit.
    fn along(&self, pad: &mut Pad) {
        let (w, dim) = (pad.width(), pad.theme.dim());
        let (from, to) = self.x;
        let ends = |pad: &mut Pad| {
            pad.text(0, 0, &format!("{} ", (self.x_text)(from, false)), dim);
            pad.right(w, 0, &format!(" {}", (self.x_text)(to, true)), dim);
        };
        let wanted = usize::from((w / 9).clamp(1, 10));
        let values = match self.steps {
            Steps::Ends => return ends(pad),
            Steps::Whole => {
                let all = round_steps(from, to, wanted, false);
                let whole: Vec<f64> = all.iter().copied().filter(|v| (v - v.round()).abs() < 1e-9).collect();
                if whole.len() > 1 { whole } else { all }
            }
            Steps::Seconds => round_times(from, to, wanted),
        };
        if values.len() < 2 {
            return ends(pad);
        }
        let span = (to - from).max(f64::MIN_POSITIVE);
        let column = |v: f64| (f64::from(w.saturating_sub(1)) * (v - from) / span).round() as u16;
        let whole = self.steps == Steps::Seconds;
        // From the right: what has the unit comes first.
        let mut free = w;
        let mut values: Vec<f64> = values.into_iter().rev().collect();
        if whole {
            values.insert(0, to);
        }
        for (i, v) in values.into_iter().enumerate() {
            let words = (self.x_text)(v, i == 0);
            let (at, width) = (column(v), text::width(&words));
            let x = if i == 0 && whole {
                w.saturating_sub(width)
            } else {
                at.saturating_sub(width / 2).min(w.saturating_sub(width))
            };
            if x + width + u16::from(i > 0) <= free {
                // Blanks hold it apart from the axis.
                let x = pad.text(x.saturating_sub(1), 0, if x > 0 { " " } else { "" }, dim);
                let end = pad.text(x, 0, &words, dim);
                if end < free.min(w) {
                    pad.put(end, 0, ' ', dim);
                }
                free = x.saturating_sub(1);
            }
        }
    }

    /// Lowest and highest value in view, a little apart.
    fn range(&self) -> Option<(f64, f64)> {
        let shown = |b: &&Bucket| b.to >= self.x.0 && b.from <= self.x.1;
        let values = self.curves.iter().flat_map(|c| c.points.iter().filter(shown)).map(|b| (b.low, b.high));
        let band = self.bands.iter().flat_map(|b| b.points).map(|b| (b.1, b.2));
        let marks = self.marks.iter().map(|m| (m.1, m.1));
        let more = self.levels.iter().map(|(l, _)| (*l, *l)).chain(self.include).chain(band).chain(marks);
        self.curves.iter().find(|c| !c.points.is_empty())?;
        let (low, high) = values.chain(more).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
        let low = if self.log { low.max(high * 1e-6) } else { low };
        let room = if high > low { 0.0 } else { (low.abs() * 0.05).max(1e-9) };
        Some((low - room, high + room))
    }

    /// Rows with a label: round values, about one in three rows; two at least where there are two rows.
    fn ticks(&self, low: f64, high: f64, rows: u16) -> Vec<(u16, String)> {
        let Some(last) = rows.checked_sub(1) else { return Vec::new() };
        if last == 0 {
            return vec![(0, (self.y_text)(high))];
        }
        let wanted = usize::from((rows / 3).clamp(2, 8));
        let values = if self.log && low > 0.0 {
            round_powers(low, high, wanted)
        } else {
            round_steps(low, high, wanted, self.binary)
        };
        let scale = |v: f64| if self.log { v.max(f64::MIN_POSITIVE).ln() } else { v };
        let (bottom, top) = (scale(low), scale(high));
        let row = |v: f64| (f64::from(last) * (1.0 - (scale(v) - bottom) / (top - bottom))).round() as u16;
        let mut ticks: Vec<(u16, String)> = Vec::new();
        for v in values {
            let tick = (row(v).min(last), (self.y_text)(v));
            if ticks.iter().all(|t| t.0 != tick.0 && t.1 != tick.1) {
                ticks.push(tick);
            }
        }
        ticks
    }
}

/// Multiples of a round number (1, 2, 5, 10, …; of bytes a power of two) from low to high: about `wanted`, and two at least.
fn round_steps(low: f64, high: f64, wanted: usize, binary: bool) -> Vec<f64> {
    let span = high - low;
    if !(span > 0.0 && span.is_finite()) {
        return vec![low];
    }
    let raw = span / wanted as f64;
    let nice = if binary {
        let power = 2f64.powf(raw.log2().floor());
        [0.25, 0.5, 1.0, 2.0].map(|m| m * power)
    } else {
        let power = 10f64.powf(raw.log10().floor());
        [1.0, 2.0, 5.0, 10.0].map(|m| m * power)
    };
    let step = nice.into_iter().find(|s| *s >= raw * 0.999).unwrap_or(nice[3]);
    // Where that leaves fewer than two, the next smaller.
    let smaller = nice.into_iter().rev().filter(|s| *s < step).chain([nice[0] / 2.0, nice[0] / 5.0]);
    let values = |step: f64| -> Vec<f64> {
        let first = (low / step - 1e-9).ceil();
        (0..64).map(|i| (first + f64::from(i)) * step).take_while(|v| *v <= high + step * 1e-9).collect()
    };
    std::iter::once(step).chain(smaller).map(values).find(|v| v.len() > 1).unwrap_or_else(|| vec![low, high])
}

/// Multiples of a round time: of 1, 2, 5, 10, 15 or 30 seconds or minutes, of hours or days.
fn round_times(from: f64, to: f64, wanted: usize) -> Vec<f64> {
    const NICE: [f64; 22] = [
        0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0,
        10_800.0, 21_600.0, 43_200.0, 86_400.0, 172_800.0,
    ];
    let raw = (to - from) / wanted.max(1) as f64;
    if !(raw > 0.0 && raw.is_finite()) {
        return vec![from];
    }
    let step = NICE.into_iter().find(|s| *s >= raw).unwrap_or_else(|| (raw / 86_400.0).ceil() * 86_400.0);
    let first = (from / step - 1e-9).ceil();
    (0..64).map(|i| (first + f64::from(i)) * step).take_while(|v| *v <= to * (1.0 + 1e-9)).collect()
}

/// Of 1, 2, 5, 10, … those from low to high; only powers of ten where they are many; plain steps where they are too few.
fn round_powers(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let (from, to) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let all = |parts: &[f64], every: i32| -> Vec<f64> {
        (from..=to)
            .filter(|e| e.rem_euclid(every) == 0)
            .flat_map(|e| parts.iter().map(move |m| m * 10f64.powi(e)))
            .filter(|v| *v >= low * (1.0 - 1e-9) && *v <= high * (1.0 + 1e-9))
            .collect()
    };
    let fine = all(&[1.0, 2.0, 5.0], 1);
    if fine.len() < 2 {
        return round_steps(low, high, wanted, false);
    }
    let coarse = [all(&[1.0], 1), all(&[1.0], 2), all(&[1.0], 4), all(&[1.0], 8)];
    let enough = |v: &Vec<f64>| v.len() <= 2 * wanted;
    std::iter::once(fine).chain(coarse).find(enough).unwrap_or_else(|| vec![low, high])
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
        let curves = [Curve { points: series.buckets(), style: Style::new(), glyph: '*', behind: false }];
        Chart {
            curves: &curves,
            x: series.span().unwrap_or((0.0, 1.0)),
            levels: &[],
            cursor: None,
            bands: &[],
            marks: &[],
            names: &[],
            steps: Steps::Ends,
            gutter: 4,
            include: None,
            log: false,
            binary: false,
            markers,
            y_text: &|v| text::significant(v, 2),
            x_text: &|v, _| format!("{v:.0}"),
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
    fn ticks_are_round() {
        let near =
            |a: &[f64], b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a / b - 1.0).abs() < 1e-9);
        assert!(near(&round_steps(0.761, 2.43, 4, false), &[1.0, 1.5, 2.0]));
        assert!(round_steps(0.52, 0.58, 2, false).len() > 1);
        assert!(round_steps(0.0, 1e-9, 3, false).len() > 1);
        let mib = f64::from(1 << 20);
        let labels = |high: f64, wanted| {
            round_steps(0.0, high * mib, wanted, true).into_iter().map(|v| text::bytes(v as u64)).collect::<Vec<_>>()
        };
        assert_eq!(labels(324.0, 3), ["0 B", "128 MiB", "256 MiB"]);
        assert_eq!(labels(1300.0, 2), ["0 B", "1.00 GiB"]);
        assert!(near(&round_powers(0.4, 2.5, 4), &[0.5, 1.0, 2.0]));
        assert!(near(&round_powers(1e-4, 900.0, 2), &[1e-4, 1e-2, 1.0, 100.0]));
        // Whatever comes: some, and few.
        for (low, high) in [(1e-300, 1e300), (5.0, 5.0), (-3.0, 1e-12), (1.0, 1.0 + 1e-15), (0.0, 1e18)] {
            for wanted in 2..9 {
                for binary in [false, true] {
                    let n = round_steps(low, high, wanted, binary).len();
                    assert!((1..=64).contains(&n), "{low} {high}: {n}");
                }
            }
        }
    }

    #[test]
    fn times_are_round_too() {
        assert_eq!(round_times(0.0, 100.0, 4), [0.0, 30.0, 60.0, 90.0]);
        assert_eq!(round_times(100.0, 4000.0, 4), [1800.0, 3600.0]);
        assert_eq!(round_times(0.0, 0.0, 4), [0.0]);
        assert!(round_times(0.0, 1e12, 5).len() <= 64 && round_times(0.0, f64::INFINITY, 5).len() == 1);
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
