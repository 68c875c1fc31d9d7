//! How many colours a terminal shows, what it reads, and whether it is light: from the environment.

/// How many colours the terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColorDepth {
    Mono,
    Ansi16,
    Ansi256,
    True,
}

/// Parts of a TERM name and what such a terminal can do. COLORTERM is not forwarded over SSH, so terminals that are known
/// to show 24 bits are named here. The first that matches counts.
const TERMS: [(&str, ColorDepth); 21] = [
    ("dumb", ColorDepth::Mono),
    ("vt1", ColorDepth::Mono),
    ("vt2", ColorDepth::Mono),
    ("-m", ColorDepth::Mono),
    ("direct", ColorDepth::True),
    ("truecolor", ColorDepth::True),
    ("24bit", ColorDepth::True),
    ("kitty", ColorDepth::True),
    ("alacritty", ColorDepth::True),
    ("ghostty", ColorDepth::True),
    ("foot", ColorDepth::True),
    ("wezterm", ColorDepth::True),
    ("iterm", ColorDepth::True),
    ("contour", ColorDepth::True),
    ("rio", ColorDepth::True),
    ("256", ColorDepth::Ansi256),
    ("linux", ColorDepth::Ansi16),
    ("screen", ColorDepth::Ansi16),
    ("xterm", ColorDepth::Ansi16),
    ("rxvt", ColorDepth::Ansi16),
    ("", ColorDepth::Ansi16),
];

impl ColorDepth {
    /// From the environment: a non-empty NO_COLOR, then COLORTERM, then TERM.
    pub fn detect(env: impl Fn(&str) -> Option<String>) -> ColorDepth {
        if env("NO_COLOR").is_some_and(|v| !v.is_empty()) {
            return ColorDepth::Mono;
        }
        let term = env("TERM").unwrap_or_default().to_ascii_lowercase();
        if term.is_empty() || term == "dumb" {
            return ColorDepth::Mono;
        }
        if env("COLORTERM").is_some_and(|v| matches!(v.to_ascii_lowercase().as_str(), "truecolor" | "24bit")) {
            return ColorDepth::True;
        }
        TERMS.iter().find(|(part, _)| term.contains(part)).map_or(ColorDepth::Ansi16, |(_, depth)| *depth)
    }
}

/// Whether the locale says that the terminal reads UTF-8. No locale at all counts as UTF-8: that is what a bare container
/// has, and what today's terminals read.
pub fn locale_is_utf8(env: impl Fn(&str) -> Option<String>) -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(env).find(|v| !v.is_empty());
    set.is_none_or(|v| {
        let v = v.to_ascii_lowercase();
        v.contains("utf-8") || v.contains("utf8")
    })
}

/// Whether the terminal says that its background is light (`COLORFGBG`, set by rxvt, Konsole and others).
pub(super) fn is_light(env: impl Fn(&str) -> Option<String>) -> bool {
    let background = env("COLORFGBG").and_then(|v| v.rsplit(';').next()?.parse::<u8>().ok());
    background.is_some_and(|b| b == 7 || b == 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |key| pairs.iter().find(|(k, _)| *k == key).map(|(_, v)| (*v).to_string())
    }

    #[test]
    fn depth_of_known_terminals() {
        use ColorDepth::*;
        let cases: &[(&[(&str, &str)], ColorDepth)] = &[
            (&[], Mono),
            (&[("TERM", "dumb"), ("COLORTERM", "truecolor")], Mono),
            (&[("TERM", "xterm-256color"), ("NO_COLOR", "1"), ("COLORTERM", "truecolor")], Mono),
            (&[("TERM", "xterm-256color"), ("NO_COLOR", "")], Ansi256),
            (&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")], True),
            (&[("TERM", "xterm"), ("COLORTERM", "24bit")], True),
            (&[("TERM", "xterm")], Ansi16),
            (&[("TERM", "xterm-kitty")], True),
            (&[("TERM", "alacritty")], True),
            (&[("TERM", "xterm-ghostty")], True),
            (&[("TERM", "foot")], True),
            (&[("TERM", "wezterm")], True),
            (&[("TERM", "xterm-direct")], True),
            (&[("TERM", "tmux-256color")], Ansi256),
            (&[("TERM", "screen-256color")], Ansi256),
            (&[("TERM", "screen")], Ansi16),
            (&[("TERM", "linux")], Ansi16),
            (&[("TERM", "vt100")], Mono),
            (&[("TERM", "vt220")], Mono),
            (&[("TERM", "linux-m")], Mono),
        ];
        for (pairs, depth) in cases {
            assert_eq!(ColorDepth::detect(env(pairs)), *depth, "{pairs:?}");
        }
    }

    #[test]
    fn utf8_by_locale() {
        assert!(locale_is_utf8(env(&[])));
        assert!(locale_is_utf8(env(&[("LANG", "de_DE.UTF-8")])));
        assert!(!locale_is_utf8(env(&[("LANG", "C")])));
        assert!(!locale_is_utf8(env(&[("LANG", "en_GB.UTF-8"), ("LC_ALL", "POSIX")])));
        assert!(locale_is_utf8(env(&[("LANG", "C"), ("LC_CTYPE", "C.utf8")])));
    }
}
