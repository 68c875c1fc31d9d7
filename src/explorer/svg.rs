//! A screen as an SVG picture. Blocks, braille dots and box lines are drawn as shapes, so that the picture is the same
//! with any font.

use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

use super::color::{Rgb, of_256};
use super::draw;

/// Pixels of one character.
const W: f64 = 8.4;
const H: f64 = 18.0;
/// Around the screen.
const MARGIN: f64 = 12.0;

/// The picture of a screen, dark or light.
pub fn render(buffer: &Buffer, light: bool) -> String {
    let (background, foreground) = if light { ("#ffffff", "#24292f") } else { ("#101418", "#d6dbe1") };
    let (width, height) = (f64::from(buffer.area.width) * W, f64::from(buffer.area.height) * H);
    let mut out = String::new();
    let _ = writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {:.1} {:.1}" width="{:.0}" height="{:.0}">"#,
        width + 2.0 * MARGIN,
        height + 2.0 * MARGIN,
        width + 2.0 * MARGIN,
        height + 2.0 * MARGIN
    );
    let _ = writeln!(out, r#"<rect width="100%" height="100%" rx="8" fill="{background}"/>"#);
    let _ = writeln!(
        out,
        r#"<g transform="translate({MARGIN} {MARGIN})" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14">"#
    );
    for y in 0..buffer.area.height {
        // Behind a wide character stands its own look again, and no letter.
        let mut row: Row = Vec::with_capacity(usize::from(buffer.area.width));
        for (_, cell, columns) in draw::characters(buffer, y) {
            row.push((cell, columns));
            row.extend((1..columns).map(|_| (cell, 0)));
        }
        backgrounds(&mut out, &row, y, background, foreground);
        glyphs(&mut out, &row, y, background, foreground);
    }
    out.push_str("</g>\n</svg>\n");
    out
}

/// A line of the screen: in each column its cell, and the columns that its character takes; 0 behind a wide one.
type Row<'a> = Vec<(&'a Cell, u16)>;

/// Foreground and background as CSS colours.
fn colors(cell: &Cell, background: &str, foreground: &str) -> (String, String) {
    let css = |color: Color, reset: &str| match rgb(color) {
        Some(Rgb(r, g, b)) => format!("#{r:02x}{g:02x}{b:02x}"),
        None => reset.to_string(),
    };
    let (fg, bg) = (css(cell.fg, foreground), css(cell.bg, background));
    if cell.modifier.contains(Modifier::REVERSED) { (bg, fg) } else { (fg, bg) }
}

fn rgb(color: Color) -> Option<Rgb> {
    let index = match color {
        Color::Rgb(r, g, b) => return Some(Rgb(r, g, b)),
        Color::Indexed(i) => i,
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        Color::White => 15,
        Color::Reset => return None,
    };
    Some(of_256(index))
}

fn backgrounds(out: &mut String, row: &Row, y: u16, background: &str, foreground: &str) {
    let mut x = 0;
    while x < row.len() {
        let bg = colors(row[x].0, background, foreground).1;
        let end = (x..row.len()).find(|i| colors(row[*i].0, background, foreground).1 != bg).unwrap_or(row.len());
        if bg != background {
            let (left, top, width) = (x as f64 * W, f64::from(y) * H, (end - x) as f64 * W);
            let _ = writeln!(out, r#"<rect x="{left:.1}" y="{top:.1}" width="{width:.1}" height="{H}" fill="{bg}"/>"#);
        }
        x = end;
    }
}

/// What a run of text must share.
fn look(cell: &Cell, background: &str, foreground: &str) -> (String, Modifier) {
    let shown = Modifier::BOLD | Modifier::DIM | Modifier::UNDERLINED;
    (colors(cell, background, foreground).0, cell.modifier & shown)
}

fn glyphs(out: &mut String, row: &Row, y: u16, background: &str, foreground: &str) {
    let top = f64::from(y) * H;
    let letter = |x: usize| row[x].0.symbol().chars().next().unwrap_or(' ');
    let mut x = 0;
    while x < row.len() {
        let first = letter(x);
        let (fg, modifier) = look(row[x].0, background, foreground);
        let opacity = if modifier.contains(Modifier::DIM) { r#" opacity="0.55""# } else { "" };
        if row[x].1 == 0 || first == ' ' && !modifier.contains(Modifier::UNDERLINED) {
            x += 1;
            continue;
        }
        if let Some(shape) = shape(first, x as f64 * W, top) {
            // One path for neighbours of one colour.
            let mut path = shape;
            x += 1;
            while x < row.len() && look(row[x].0, background, foreground) == (fg.clone(), modifier) {
                let Some(more) = self::shape(letter(x), x as f64 * W, top) else { break };
                path += &more;
                x += 1;
            }
            let _ = writeln!(out, r#"<path d="{path}" fill="{fg}"{opacity}/>"#);
            continue;
        }
        let mut text = String::new();
        let begin = x;
        while x < row.len() {
            let c = letter(x);
            if look(row[x].0, background, foreground) != (fg.clone(), modifier) || shape(c, 0.0, 0.0).is_some() {
                break;
            }
            // Two blanks end a run: the rest is placed anew, so that no font can push it out of its column. A wide
            // character has a place of its own for the same reason.
            let next_blank = row.get(x + 1).is_none_or(|n| n.0.symbol() == " ");
            let wide = row[x].1 > 1;
            if c == ' ' && next_blank || wide && x > begin {
                break;
            }
            // With its accents.
            text += &row[x].0.symbol().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            x += usize::from(row[x].1.max(1));
            if wide {
                break;
            }
        }
        if x == begin {
            x += 1;
            continue;
        }
        let weight = if modifier.contains(Modifier::BOLD) { r#" font-weight="bold""# } else { "" };
        let line = if modifier.contains(Modifier::UNDERLINED) { r#" text-decoration="underline""# } else { "" };
        let _ = writeln!(
            out,
            r#"<text x="{:.1}" y="{:.1}" textLength="{:.1}" lengthAdjust="spacingAndGlyphs" xml:space="preserve" fill="{fg}"{weight}{line}{opacity}>{text}</text>"#,
            begin as f64 * W,
            top + H * 0.74,
            (x - begin) as f64 * W
        );
    }
}

/// The path of a glyph that is drawn as a shape, in a character with its upper left corner at `x`, `y`.
fn shape(glyph: char, x: f64, y: f64) -> Option<String> {
    let rect = |l: f64, t: f64, w: f64, h: f64| format!("M{:.2} {:.2}h{w:.2}v{h:.2}h{:.2}z", x + l, y + t, -w);
    let lower = |share: f64| Some(rect(0.0, H * (1.0 - share), W, H * share));
    let left = |share: f64| Some(rect(0.0, 0.0, W * share, H));
    match glyph {
        '█' => lower(1.0),
        '▁'..='▇' => lower(f64::from(glyph as u32 - 0x2580) / 8.0),
        '▀' => Some(rect(0.0, 0.0, W, H / 2.0)),
        '▉'..='▏' => left(f64::from(0x2590 - glyph as u32) / 8.0),
        '━' => Some(rect(0.0, H * 0.5 - 2.0, W, 4.0)),
        '╸' => Some(rect(0.0, H * 0.5 - 2.0, W / 2.0, 4.0)),
        '\u{2801}'..='\u{28ff}' => {
            let bits = glyph as u32 - 0x2800;
            let places = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)];
            let dots = places.iter().enumerate().filter(|(i, _)| bits & (1 << i) != 0);
            Some(
                dots.map(|(_, (dx, dy))| {
                    let (cx, cy) = (W * (0.25 + 0.5 * f64::from(*dx)), H * (0.125 + 0.25 * f64::from(*dy)));
                    let r = 1.25;
                    format!(
                        "M{:.2} {:.2}a{r} {r} 0 1 0 {:.2} 0a{r} {r} 0 1 0 {:.2} 0z",
                        x + cx - r,
                        y + cy,
                        2.0 * r,
                        -2.0 * r
                    )
                })
                .collect(),
            )
        }
        _ => {
            let (up, down, to_left, to_right) = match glyph {
                '─' => (false, false, true, true),
                '│' => (true, true, false, false),
                '┌' | '╭' => (false, true, false, true),
                '┐' | '╮' => (false, true, true, false),
                '└' | '╰' => (true, false, false, true),
                '┘' | '╯' => (true, false, true, false),
                '├' => (true, true, false, true),
                '┤' => (true, true, true, false),
                '┬' => (false, true, true, true),
                '┴' => (true, false, true, true),
                '┼' => (true, true, true, true),
                _ => return None,
            };
            let (cx, cy, t) = (W / 2.0, H / 2.0, 0.6);
            let mut path = String::new();
            if up || down {
                let (from, to) = (if up { 0.0 } else { cy - t }, if down { H } else { cy + t });
                path += &rect(cx - t, from, 2.0 * t, to - from);
            }
            if to_left || to_right {
                let (from, to) = (if to_left { 0.0 } else { cx - t }, if to_right { W } else { cx + t });
                path += &rect(from, cy - t, to - from, 2.0 * t);
            }
            Some(path)
        }
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::{Color, Style};

    use super::*;

    #[test]
    fn wide_letters_and_accents_keep_their_columns() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 20, 2));
        buffer.set_string(0, 0, "数据 e\u{301}t|", Style::new());
        buffer.set_string(0, 1, "<\u{1f1e9}\u{1f1ea}>", Style::new().bg(Color::Rgb(1, 2, 3)));
        let svg = render(&buffer, false);
        let at = |text: &str, x: f64, columns: f64| {
            let (x, length) = (format!("<text x=\"{:.1}\"", x * W), format!("textLength=\"{:.1}\"", columns * W));
            let found = svg.lines().find(|l| l.contains(&format!(">{text}</text>")));
            let line = found.unwrap_or_else(|| panic!("`{text}` is not in\n{svg}"));
            assert!(line.starts_with(&x) && line.contains(&length), "{line}");
        };
        at("数", 0.0, 2.0);
        at("据", 2.0, 2.0);
        at("e\u{301}t|", 5.0, 3.0);
        at("&lt;", 0.0, 1.0);
        at("\u{1f1e9}\u{1f1ea}", 1.0, 2.0);
        at("&gt;", 3.0, 1.0);
        let background = format!(r#"width="{:.1}" height="{H}" fill="HASH010203""#, 4.0 * W).replace("HASH", "#");
        assert!(svg.contains(&background), "{svg}");
        let text: String = draw::characters(&buffer, 0).iter().map(|c| c.1.symbol()).collect();
        assert_eq!(text.trim_end(), "数据 e\u{301}t|");
    }
}
