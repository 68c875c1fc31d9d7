//! How things look: how many colours there are, which glyphs, and the few styles that the screens are made of.
//!
//! Text keeps the terminal's own foreground and background, so that light and dark terminals both work. Only heat maps
//! paint a background, with a map that is even to the eye and safe for the colour-blind, and with black or white on it.

mod ascii;
mod detect;

pub use ascii::ascii;
use detect::is_light;
pub use detect::{ColorDepth, locale_is_utf8};

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;

use super::color::{self, Rgb};

/// A choice of colours and glyphs, to be taken by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Name {
    /// For dark backgrounds.
    Dark,
    /// For light ones: the same hues, darker.
    Light,
    /// Told apart without red and green.
    ColourBlind,
    /// No colours at all.
    Monochrome,
    /// No colours, and only ASCII glyphs.
    Ascii,
}

impl Name {
    pub const ALL: [Name; 5] = [Name::Dark, Name::Light, Name::ColourBlind, Name::Monochrome, Name::Ascii];

    pub const fn title(self) -> &'static str {
        match self {
            Name::Dark => "dark",
            Name::Light => "light",
            Name::ColourBlind => "colour-blind",
            Name::Monochrome => "monochrome",
            Name::Ascii => "ASCII",
        }
    }

    #[must_use]
    pub fn next(self) -> Name {
        let at = Name::ALL.iter().position(|n| *n == self).unwrap_or(0);
        Name::ALL[(at + 1) % Name::ALL.len()]
    }
}

/// What lines in charts are drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Markers {
    /// 2 x 4 dots a character.
    Braille,
    /// 1 x 2 blocks a character.
    HalfBlock,
    /// One character a point.
    Ascii,
}

/// Depth, glyphs and markers of one terminal.
#[derive(Clone, Debug)]
pub struct Theme {
    pub depth: ColorDepth,
    /// Only ASCII goes to the terminal.
    pub ascii: bool,
    pub markers: Markers,
    pub name: Name,
}

impl Theme {
    /// From the environment; `ascii` and `depth` from flags go first.
    pub fn detect(env: impl Fn(&str) -> Option<String>, ascii: bool, depth: Option<ColorDepth>) -> Theme {
        let ascii = ascii || !locale_is_utf8(&env) || env("TERM").is_some_and(|t| t == "dumb");
        let markers = if ascii {
            Markers::Ascii
        } else if env("TERM").is_some_and(|t| t == "linux") {
            Markers::HalfBlock
        } else {
            Markers::Braille
        };
        let name = if is_light(&env) { Name::Light } else { Name::Dark };
        Theme { depth: depth.unwrap_or_else(|| ColorDepth::detect(env)), ascii, markers, name }
    }

    /// This terminal with another choice of colours; never more than it can show.
    #[must_use]
    pub fn named_as(&self, name: Name) -> Theme {
        let mut theme = Theme { name, ..self.clone() };
        if matches!(name, Name::Monochrome | Name::Ascii) {
            theme.depth = ColorDepth::Mono;
        }
        if name == Name::Ascii {
            (theme.ascii, theme.markers) = (true, Markers::Ascii);
        }
        theme
    }

    pub fn plain(&self) -> Style {
        Style::new()
    }

    /// Said quietly: rules, units, what is not yet.
    pub fn dim(&self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub fn strong(&self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Where the cursor is: the terminal's own colours the other way round, visible on any background.
    pub fn cursor(&self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD)
    }

    /// Something runs or was reached.
    pub fn good(&self) -> Style {
        match self.name {
            Name::ColourBlind => self.exact(color::SERIES[0], Color::Blue),
            _ => self.exact(color::GOOD, Color::Green),
        }
    }

    pub fn warning(&self) -> Style {
        self.exact(color::WARNING, Color::Yellow).add_modifier(Modifier::BOLD)
    }

    pub fn bad(&self) -> Style {
        match self.name {
            // Vermilion, and underlined: not told by hue alone.
            Name::ColourBlind => {
                self.exact(color::VERMILION, Color::Magenta).add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
            }
            _ => self.exact(color::BAD, Color::Red).add_modifier(Modifier::BOLD),
        }
    }

    /// Keys, and the person's own marks.
    pub fn accent(&self) -> Style {
        match self.depth {
            ColorDepth::Mono => self.strong(),
            ColorDepth::Ansi16 => Style::new().fg(Color::Cyan),
            _ => Style::new().fg(self.color(color::ACCENT)),
        }
    }

    /// Line `i` of a chart: blue, orange, then green; told apart by the colour-blind and on light and dark alike.
    pub fn series(&self, i: usize) -> Style {
        match self.depth {
            ColorDepth::Mono => {
                if i == 0 {
                    self.strong()
                } else {
                    Style::new()
                }
            }
            ColorDepth::Ansi16 => Style::new().fg([Color::Cyan, Color::Magenta, Color::Green][i % 3]),
            _ => Style::new().fg(self.color(color::SERIES[i % color::SERIES.len()])),
        }
    }

    /// A place on the heat map, 0 lowest to 1 highest. Without colours the style says nothing; [`Theme::shade`] does.
    pub fn heat(&self, t: f64) -> Style {
        let t = if t.is_finite() { t.clamp(0.0, 1.0) } else { 0.0 };
        match self.depth {
            ColorDepth::Mono => Style::new(),
            ColorDepth::Ansi16 => {
                const STEPS: [(Color, Color); 4] = [
                    (Color::Blue, Color::White),
                    (Color::Cyan, Color::Black),
                    (Color::Green, Color::Black),
                    (Color::LightYellow, Color::Black),
                ];
                let (bg, fg) = STEPS[((t * STEPS.len() as f64) as usize).min(STEPS.len() - 1)];
                Style::new().bg(bg).fg(fg)
            }
            _ => {
                let step = color::heat_step(t);
                let on = if color::is_light(step.0) { Rgb(0, 0, 0) } else { Rgb(255, 255, 255) };
                match self.depth {
                    ColorDepth::Ansi256 => Style::new().bg(Color::Indexed(step.1)).fg(self.shown(on)),
                    _ => Style::new().bg(self.shown(step.0)).fg(self.shown(on)),
                }
            }
        }
    }

    /// The same as a glyph, for terminals without colours.
    pub fn shade(&self, t: f64) -> Option<char> {
        (self.depth == ColorDepth::Mono).then(|| {
            let t = if t.is_finite() { t.clamp(0.0, 1.0) } else { 0.0 };
            [' ', '░', '▒', '▓', '█'][((t * 5.0) as usize).min(4)]
        })
    }

    /// A colour of ours where there are enough, else one of the terminal's sixteen.
    fn exact(&self, rgb: Rgb, named: Color) -> Style {
        match self.depth {
            ColorDepth::Mono => Style::new(),
            ColorDepth::Ansi16 => Style::new().fg(named),
            _ => Style::new().fg(self.color(rgb)),
        }
    }

    fn color(&self, rgb: Rgb) -> Color {
        self.shown(if self.name == Name::Light { color::darker(rgb) } else { rgb })
    }

    fn shown(&self, rgb: Rgb) -> Color {
        match self.depth {
            ColorDepth::True => Color::Rgb(rgb.0, rgb.1, rgb.2),
            ColorDepth::Ansi256 => Color::Indexed(color::nearest_256(rgb)),
            ColorDepth::Ansi16 | ColorDepth::Mono => Color::Reset,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heat_is_a_background_or_a_shade_but_never_lost() {
        for depth in [ColorDepth::Ansi16, ColorDepth::Ansi256, ColorDepth::True] {
            let theme = Theme { depth, ascii: false, markers: Markers::Braille, name: Name::Dark };
            assert_ne!(theme.heat(0.0).bg, theme.heat(1.0).bg);
            assert!(theme.heat(0.5).bg.is_some() && theme.heat(0.5).fg.is_some());
            assert_eq!(theme.shade(0.5), None);
        }
        let mono = Theme { depth: ColorDepth::Mono, ascii: false, markers: Markers::Braille, name: Name::Dark };
        assert_eq!(mono.heat(0.7), Style::new());
        assert_ne!(mono.shade(0.1), mono.shade(0.9));
        assert_eq!(mono.good().fg, None);
    }
}
