//! What happens to a text on its way from a terminal, a chat, a web page or a PDF, undone: byte order marks, colour codes,
//! curly quotes, unusual spaces, escapes, quoted lines. Where every byte was is kept, so that errors name the true place.

/// A text without what transport does to it.
pub(super) struct Clean<'a> {
    pub text: String,
    original: &'a str,
    /// From this byte of `text` on, this byte of `original`; in order.
    shifts: Vec<(u32, u32)>,
}

impl<'a> Clean<'a> {
    /// `original` has less than 2^32 bytes.
    pub fn new(original: &'a str) -> Clean<'a> {
        let mut clean = Clean { text: String::with_capacity(original.len()), original, shifts: Vec::new() };
        let mut at = 0;
        while let Some(rest) = original.get(at..).filter(|r| !r.is_empty()) {
            let line_starts = clean.text.is_empty() || clean.text.ends_with(['\n', '\r']);
            let used = match quoted(rest).filter(|_| line_starts) {
                Some(marks) => marks,
                None => {
                    let plain = rest.find(is_special).unwrap_or(rest.len());
                    // Up to the end of the line, since the next may begin with marks.
                    let plain = rest[..plain].find(['\n', '\r']).map_or(plain, |end| end + 1);
                    if plain > 0 {
                        clean.text.push_str(&rest[..plain]);
                        at += plain;
                        continue;
                    }
                    let (meant, used) = special(rest);
                    clean.text.extend(meant);
                    used
                }
            };
            at += used;
            clean.shifts.push((clean.text.len() as u32, at as u32));
        }
        clean
    }

    /// Line and column, both from 1, of a byte of the clean text in the original; the column counts characters.
    pub fn place(&self, at: usize) -> (usize, usize) {
        let i = self.shifts.partition_point(|s| s.0 as usize <= at);
        let (from, to) = i.checked_sub(1).map_or((0, 0), |i| self.shifts[i]);
        let at = (to as usize + at - from as usize).min(self.original.len());
        let at = (0..=at).rev().find(|i| self.original.is_char_boundary(*i)).unwrap_or(0);
        let before = &self.original[..at];
        let before = before.strip_prefix('\u{feff}').unwrap_or(before);
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        (line, before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1)
    }
}

/// What [`special`] looks at.
fn is_special(c: char) -> bool {
    matches!(c, '\\' | '&') || !c.is_ascii() || (c.is_ascii_control() && !matches!(c, '\n' | '\r' | '\t'))
}

/// The marks before a quoted line (`> `) or a line of a Python session (`>>> `, `... `), in bytes.
fn quoted(line: &str) -> Option<usize> {
    let marks = line.len() - line.trim_start_matches(['>', ' ']).len();
    if line.starts_with('>') {
        return Some(marks);
    }
    line.starts_with("... ").then_some(4)
}

/// What a special character, with what belongs to it, stands for, and how many bytes that are.
fn special(rest: &str) -> (Option<char>, usize) {
    let Some(c) = rest.chars().next() else { return (None, rest.len()) };
    let len = c.len_utf8();
    match c {
        '\\' => escape(rest),
        '&' => entity(rest),
        '\u{1b}' => (None, control_sequence(rest)),
        '\u{9b}' => (None, len + parameters(&rest[len..])),
        c if c.is_ascii_control() => (None, len),
        c => (meant(c), len),
    }
}

/// The ASCII character that a look-alike stands for; none for what has no width.
fn meant(c: char) -> Option<char> {
    Some(match c {
        '\u{feff}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{80}'..='\u{9f}' => return None,
        '‘' | '’' | '‚' | '‛' | '′' | '´' | 'ʹ' | 'ʼ' => '\'',
        '“' | '”' | '„' | '‟' | '″' | '«' | '»' => '"',
        '‐'..='―' | '−' => '-',
        '×' => 'x',
        // Full-width forms, as Chinese and Japanese keyboards write them.
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        c if c.is_whitespace() => ' ',
        c => c,
    })
}

/// Backslashes and what they escape: `\'`, `\_` (Markdown, LaTeX), `\n`, `\u0027`, also escaped twice.
fn escape(rest: &str) -> (Option<char>, usize) {
    let slashes = rest.len() - rest.trim_start_matches('\\').len();
    let after = &rest[slashes..];
    let hex = |from: usize, digits: usize| {
        let digits = after.get(from..from + digits).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
        char::from_u32(u32::from_str_radix(digits, 16).ok()?)
    };
    match after.as_bytes().first() {
        Some(b'u') if hex(1, 4).is_some() => (hex(1, 4).and_then(meant), slashes + 5),
        Some(b'x') if hex(1, 2).is_some() => (hex(1, 2).and_then(meant), slashes + 3),
        Some(b'n' | b'r' | b't') => (Some(' '), slashes + 1),
        // The mark that it escapes is left as it is, and so is the end of a line that it continues.
        Some(b) if b.is_ascii_punctuation() => (None, slashes),
        _ => (Some(' '), slashes),
    }
}

/// Entities of HTML.
fn entity(rest: &str) -> (Option<char>, usize) {
    const ENTITIES: [(&str, char); 9] = [
        ("&#39;", '\''),
        ("&#x27;", '\''),
        ("&apos;", '\''),
        ("&quot;", '"'),
        ("&#34;", '"'),
        ("&nbsp;", ' '),
        ("&gt;", '>'),
        ("&lt;", '<'),
        ("&amp;", '&'),
    ];
    let found = ENTITIES.iter().find(|(name, _)| rest.starts_with(name));
    found.map_or((Some('&'), 1), |(name, c)| (Some(*c), name.len()))
}

/// Bytes of a terminal's control sequence, its escape among them.
fn control_sequence(rest: &str) -> usize {
    match rest.as_bytes().get(1) {
        Some(b'[') => 2 + parameters(&rest[2..]),
        // A title or a link, which soon ends with a bell or an escape and a backslash.
        Some(b']') => {
            let near = &rest.as_bytes()[..rest.len().min(512)];
            let bell = near.iter().position(|b| *b == 0x7).map(|i| i + 1);
            let slash = near[1..].windows(2).position(|w| w == b"\x1b\\").map(|i| i + 3);
            bell.into_iter().chain(slash).min().unwrap_or(2)
        }
        _ => 1,
    }
}

/// Parameters of a control sequence and the letter that ends it.
fn parameters(rest: &str) -> usize {
    let length = rest.bytes().take(32).take_while(|b| (0x20..0x40).contains(b)).count();
    length + usize::from(rest.as_bytes().get(length).is_some_and(|b| (0x40..0x7f).contains(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_transport_does_is_undone_and_places_stay_true() {
        for (text, expected) in [
            ("\u{feff}a\u{a0}= ‘b’ “c”", "a = 'b' \"c\""),
            ("\u{1b}[1;32mgreen\u{1b}[0m \u{1b}]8;;http://x\u{7}link", "green link"),
            ("sep\\_conv\\_3×3", "sep_conv_3x3"),
            ("\\u0027a\\x27 \\\\\"b\\\" \\n c", "'a' \"b\"   c"),
            ("&#39;a&#39; & b", "'a' & b"),
            ("> a\n>> b\n>>> c\n... d", "a\nb\nc\nd"),
            ("（１）", "(1)"),
            ("a\u{0}b\u{200b}c", "abc"),
        ] {
            assert_eq!(Clean::new(text).text, expected, "{text:?}");
        }
        let clean = Clean::new("\u{feff}x\r\n> \u{1b}[31m‘é’ y");
        assert_eq!(clean.text, "x\r\n'é' y");
        let at = |c: char| clean.place(clean.text.find(c).unwrap());
        assert_eq!((at('x'), at('é'), at('y')), ((1, 1), (2, 9), (2, 12)));
    }
}
