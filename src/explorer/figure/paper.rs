//! SVG on white: lines, texts and axes of the figures.

use std::fmt::Write;

use crate::explorer::color::Rgb;
use crate::text;

/// Where a text is held.
#[derive(Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// A white sheet, in points.
pub struct Paper {
    out: String,
}

pub const INK: &str = "#1f2328";
pub const QUIET: &str = "#6e7781";
pub const LINE: &str = "#d0d7de";

/// Width of a letter as a share of the text's size, with something to spare.
pub const LETTER: f64 = 0.56;

pub fn css(Rgb(r, g, b): Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Colour of line `i`, dark enough for paper.
pub fn series(i: usize) -> String {
    use crate::explorer::color::{SERIES, darker};
    css(darker(SERIES[i % SERIES.len()]))
}

impl Paper {
    pub fn new(width: f64, height: f64) -> Paper {
        let mut out = String::new();
        let _ = writeln!(
            out,
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}" font-family="Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif">"##
        );
        let _ = writeln!(out, r##"<rect width="100%" height="100%" fill="#ffffff"/>"##);
        Paper { out }
    }

    /// A sheet that is printed in its size, so many points of a 72nd of an inch.
    pub fn printed(width: f64, height: f64) -> Paper {
        let mut out = String::new();
        let _ = writeln!(
            out,
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.2} {height:.2}" width="{width:.2}pt" height="{height:.2}pt" stroke-width="0.5" font-family="Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif">"##
        );
        let _ = writeln!(out, r##"<rect width="100%" height="100%" fill="#ffffff"/>"##);
        Paper { out }
    }

    /// How wide a text is, with something to spare.
    pub fn wide(words: &str, size: f64) -> f64 {
        LETTER * size * f64::from(text::width(words))
    }

    pub fn text(&mut self, x: f64, y: f64, size: f64, color: &str, anchor: Anchor, words: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let words = escaped(words);
        let _ = writeln!(
            self.out,
            r#"<text x="{x:.1}" y="{y:.1}" font-size="{size}" fill="{color}" text-anchor="{anchor}">{words}</text>"#
        );
    }

    /// Lines of a text from `x`, `y` on that end within `width`, 1.4 sizes apart; returns how many there are.
    pub fn lines(&mut self, (x, y): (f64, f64), width: f64, size: f64, color: &str, words: &str) -> usize {
        let lines = text::wrap(words, Paper::letters(width, size));
        for (i, line) in lines.iter().enumerate() {
            self.text(x, y + 1.4 * size * i as f64, size, color, Anchor::Start, line);
        }
        lines.len()
    }

    /// How many lines [`Paper::lines`] would write.
    pub fn count(words: &str, width: f64, size: f64) -> usize {
        text::wrap(words, Paper::letters(width, size)).len()
    }

    fn letters(width: f64, size: f64) -> u16 {
        (width / (LETTER * size)).max(1.0) as u16
    }

    /// Text that runs upwards, for the axis at the left.
    pub fn upright(&mut self, x: f64, y: f64, size: f64, words: &str) {
        let words = escaped(words);
        let _ = writeln!(
            self.out,
            r#"<text transform="translate({x:.1} {y:.1}) rotate(-90)" font-size="{size}" fill="{INK}" text-anchor="middle">{words}</text>"#
        );
    }

    pub fn rect(&mut self, x: f64, y: f64, w: f64, h: f64, fill: &str, stroke: &str) {
        let _ = writeln!(
            self.out,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{w:.1}" height="{h:.1}" fill="{fill}" stroke="{stroke}"/>"#
        );
    }

    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), color: &str, dashes: &str) {
        let _ = writeln!(
            self.out,
            r#"<path d="M{:.1} {:.1}L{:.1} {:.1}" fill="none" stroke="{color}" stroke-dasharray="{dashes}"/>"#,
            from.0, from.1, to.0, to.1
        );
    }

    pub fn path(&mut self, d: &str, fill: &str, stroke: &str, width: f64) {
        let _ = writeln!(
            self.out,
            r#"<path d="{d}" fill="{fill}" stroke="{stroke}" stroke-width="{width}" stroke-linejoin="round"/>"#
        );
    }

    /// An area that others show through.
    pub fn band(&mut self, d: &str, fill: &str) {
        let _ = writeln!(self.out, r#"<path d="{d}" fill="{fill}" fill-opacity="0.14" stroke="none"/>"#);
    }

    pub fn circle(&mut self, x: f64, y: f64, r: f64, fill: &str) {
        let _ = writeln!(self.out, r#"<circle cx="{x:.1}" cy="{y:.1}" r="{r}" fill="{fill}"/>"#);
    }

    pub fn done(mut self) -> String {
        self.out.push_str("</svg>\n");
        self.out
    }
}

fn escaped(words: &str) -> String {
    text::sanitize(words).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Sizes of what stands at axes.
pub struct AxisStyle {
    tick: f64,
    label: f64,
    /// From the frame: to the numbers at the left, to those below, to the words below and at the left.
    left: f64,
    below: f64,
    under: f64,
    aside: f64,
}

/// Of figures for a page of their own.
pub const SCREEN: AxisStyle = AxisStyle { tick: 10.0, label: 11.0, left: 6.0, below: 15.0, under: 31.0, aside: 52.0 };
/// Of figures that are printed in their size.
pub const PRINT: AxisStyle = AxisStyle { tick: 7.0, label: 8.0, left: 3.0, below: 9.0, under: 19.0, aside: 25.0 };

/// A frame with two axes.
pub struct Axes {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
    pub x: (f64, f64),
    pub y: (f64, f64),
}

impl Axes {
    pub fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let share = |v: f64, (low, high): (f64, f64)| if high > low { (v - low) / (high - low) } else { 0.5 };
        (self.left + self.width * share(x, self.x), self.top + self.height * (1.0 - share(y, self.y)))
    }

    /// Frame, ticks, grid, and what the axes are.
    pub fn draw(
        &self,
        paper: &mut Paper,
        labels: (&str, &str),
        ticks: (&dyn Fn(f64) -> String, &dyn Fn(f64) -> String),
    ) {
        self.draw_as(&SCREEN, paper, labels, ticks);
    }

    /// The same in other sizes.
    pub fn draw_as(
        &self,
        style: &AxisStyle,
        paper: &mut Paper,
        labels: (&str, &str),
        ticks: (&dyn Fn(f64) -> String, &dyn Fn(f64) -> String),
    ) {
        for v in round_steps(self.y) {
            let (_, y) = self.at(self.x.0, v);
            paper.line((self.left, y), (self.left + self.width, y), LINE, "none");
            paper.text(self.left - style.left, y + 0.35 * style.tick, style.tick, QUIET, Anchor::End, &ticks.1(v));
        }
        for v in round_steps(self.x) {
            let (x, _) = self.at(v, self.y.0);
            let bottom = self.top + self.height;
            paper.line((x, bottom), (x, bottom + 0.4 * style.tick), INK, "none");
            paper.text(x, bottom + style.below, style.tick, QUIET, Anchor::Middle, &ticks.0(v));
        }
        paper.rect(self.left, self.top, self.width, self.height, "none", INK);
        let (middle, below) = (self.left + self.width / 2.0, self.top + self.height + style.under);
        paper.text(middle, below, style.label, INK, Anchor::Middle, labels.0);
        paper.upright(self.left - style.aside, self.top + self.height / 2.0, style.label, labels.1);
    }

    pub fn curve(&self, points: &[(f64, f64)]) -> String {
        let mut d = String::new();
        for (i, (x, y)) in points.iter().enumerate() {
            let (x, y) = self.at(*x, *y);
            let _ = write!(d, "{}{x:.1} {y:.1}", if i == 0 { 'M' } else { 'L' });
        }
        d
    }
}

/// A tick's number, without zeros at its end.
pub fn tick(v: f64) -> String {
    let words = format!("{:.4}", if v.abs() < 1e-9 { 0.0 } else { v });
    words.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// About five round numbers from low to high.
pub fn round_steps((low, high): (f64, f64)) -> Vec<f64> {
    let span = high - low;
    if !(span > 0.0 && span.is_finite()) {
        return vec![low];
    }
    let raw = span / 5.0;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= raw * 0.999).unwrap_or(power * 10.0);
    let first = (low / step - 1e-9).ceil() as i64;
    (first..).map(|i| i as f64 * step).take_while(|v| *v <= high + step * 1e-9).take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let near = |a: &[f64], b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9);
        assert!(near(&round_steps((0.0, 1.0)), &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]));
        assert!(near(&round_steps((0.37, 2.5)), &[0.5, 1.0, 1.5, 2.0, 2.5]));
        assert_eq!(round_steps((3.0, 3.0)), [3.0]);
        assert_eq!([0.2, 100.0, -0.0, 2.5, 1e-12].map(tick), ["0.2", "100", "0", "2.5", "0"]);
        assert_eq!(escaped("a<b&\u{1b}"), "a&lt;b&amp;\u{fffd}");
    }
}
