//! Text for people: numbers with their units, durations, bytes as people type them, and words from files made harmless.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Text from a file, a run's name or an error, with everything taken out that a terminal would act on: control
/// characters (escape sequences begin with one) and marks that turn the direction of writing round.
pub fn sanitize(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' | '\n' | '\r' => out.push(' '),
            c if c.is_control() => out.push('\u{fffd}'),
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => {}
            c => out.push(c),
        }
    }
    out
}

/// Whether a text has the words in it that were typed, in any order and case.
pub fn contains(text: &str, typed: &str) -> bool {
    let text = text.to_lowercase();
    typed.split_whitespace().all(|word| text.contains(&word.to_lowercase()))
}

/// A word as one types it in a shell: quoted where the shell would take it apart.
pub fn shell_word(text: &str) -> String {
    let text = sanitize(text);
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+:@%=".contains(c)) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Bytes as people type them: `1.5 GiB`, `800M`, `2gb` (all in binary units); none where it is no amount above 0.
pub fn parse_bytes(typed: &str) -> Option<u64> {
    let typed = typed.trim();
    let end = typed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(typed.len());
    let number: f64 = typed[..end].parse().ok()?;
    let power = match typed[end..].trim().to_lowercase().as_str() {
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        "b" => 0,
        _ => return None,
    };
    let bytes = number * 1024f64.powi(power);
    (bytes >= 1.0 && bytes < 2f64.powi(60)).then_some(bytes as u64)
}

/// The same, or a whole number of bytes without a unit: for settings and arguments.
pub fn parse_amount(given: &str) -> Option<u64> {
    let plain = given.trim().parse().ok().filter(|n| (1..1 << 60).contains(n));
    plain.or_else(|| parse_bytes(given))
}

/// Columns that a text takes.
pub fn width(text: &str) -> u16 {
    u16::try_from(text.width()).unwrap_or(u16::MAX)
}

/// The text in at most `columns` columns; what was cut off is marked by `…`.
pub fn fit(text: &str, columns: u16) -> String {
    if width(text) <= columns {
        return text.to_string();
    }
    let Some(room) = columns.checked_sub(1) else { return String::new() };
    format!("{}…", &text[..end_of(text, room)])
}

/// The end of a text in at most `columns` columns, as where one types; what was cut off is marked by `…`.
pub fn fit_end(text: &str, columns: u16) -> String {
    if width(text) <= columns {
        return text.to_string();
    }
    let Some(room) = columns.checked_sub(1) else { return String::new() };
    let mut used = 0u16;
    let mut begin = text.len();
    for (i, part) in text.grapheme_indices(true).rev() {
        used = used.saturating_add(width(part));
        if used > room {
            break;
        }
        begin = i;
    }
    format!("…{}", &text[begin..])
}

/// Where the part of a text ends that takes at most so many columns: between two characters as people see them, so that
/// an accent stays with its letter and no wide one is halved.
fn end_of(text: &str, columns: u16) -> usize {
    let mut used = 0u16;
    for (i, part) in text.grapheme_indices(true) {
        used = used.saturating_add(width(part));
        if used > columns {
            return i;
        }
    }
    text.len()
}

/// The text and as many blanks as fill `columns`; a longer one is left whole.
pub fn pad(text: &str, columns: u16) -> String {
    format!("{text}{}", " ".repeat(usize::from(columns.saturating_sub(width(text)))))
}

/// Takes away the last character as people see it, with its accents.
pub fn pop(text: &mut String) {
    let end = text.grapheme_indices(true).next_back().map_or(0, |(i, _)| i);
    text.truncate(end);
}

/// Takes away the last word, and the blanks after it.
pub fn pop_word(text: &mut String) {
    let words = text.trim_end();
    let end = words.rfind(char::is_whitespace).map_or(0, |i| i + words[i..].chars().next().map_or(1, char::len_utf8));
    text.truncate(end);
}

/// Words laid into lines of at most `columns` columns; a longer word is broken.
pub fn wrap(text: &str, columns: u16) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut word = word.to_string();
        while let Some(line) = lines.last_mut() {
            let gap = u16::from(!line.is_empty());
            if width(line) + gap + width(&word) <= columns {
                if gap == 1 {
                    line.push(' ');
                }
                line.push_str(&word);
                break;
            }
            if line.is_empty() {
                // One character at least, however wide.
                let one = word.graphemes(true).next().map_or(word.len(), str::len);
                let cut = end_of(&word, columns).max(one);
                line.push_str(&word[..cut]);
                word = word[cut..].to_string();
                if word.is_empty() {
                    break;
                }
            }
            lines.push(String::new());
        }
    }
    lines
}

/// `38.2 MiB`: bytes in binary units, three digits.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{n} B") } else { format!("{} {}", three(value), UNITS[unit]) }
}

/// `1.93 M`: a count in thousands, millions, milliards.
pub fn count(n: u64) -> String {
    const UNITS: [&str; 5] = ["", " k", " M", " G", " T"];
    if n < 10_000 {
        return n.to_string();
    }
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{}{}", three(value), UNITS[unit])
}

/// `1 thread`, `2 threads`.
pub fn threads(n: usize) -> String {
    counted(n, "thread")
}

/// `2,000`, up to 999,999.
pub fn thousands(n: usize) -> String {
    if n < 1000 { n.to_string() } else { format!("{},{:03}", n / 1000, n % 1000) }
}

/// A count that may be very large: whole up to a million, then with a power of ten.
pub fn many(count: f64) -> String {
    if count < 1e6 { thousands(count as usize) } else { format!("{count:.2e}") }
}

/// As [`count`]; words for a count that there is none of.
pub fn count_or_more(n: Option<u64>) -> String {
    n.map_or_else(|| "too many to count".into(), count)
}

/// `1 epoch`, `2 epochs`: of words that take an s.
pub fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Three significant digits of a number from 0 to 1024, without an exponent.
fn three(value: f64) -> String {
    if value >= 99.95 {
        format!("{value:.0}")
    } else if value >= 9.995 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// `2.7 s`, `4:05`, `1:02:03`, `2 d 3:04:05`; `—` where it is not a number.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "—".to_string();
    }
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    if seconds < 59.5 {
        return format!("{seconds:.0} s");
    }
    let s = seconds.round() as u64;
    let (d, h, m, s) = (s / 86_400, s / 3600 % 24, s / 60 % 60, s % 60);
    match (d, h) {
        (0, 0) => format!("{m}:{s:02}"),
        (0, _) => format!("{h}:{m:02}:{s:02}"),
        _ => format!("{d} d {h}:{m:02}:{s:02}"),
    }
}

/// A short time with three digits: `2.87 s`, `12.4 ms`; a long one as [`duration`] has it.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        s if (0.0..0.9995).contains(&s) => format!("{} ms", three(1000.0 * s)),
        s if (0.0..59.5).contains(&s) => format!("{} s", three(s)),
        s => duration(s),
    }
}

/// How long ago: `now`, `5 min ago`, `3 h ago`, `12 d ago`.
pub fn age(seconds: f64) -> String {
    match seconds {
        s if !s.is_finite() => "—".to_string(),
        s if s < 60.0 => "now".to_string(),
        s if s < 3600.0 => format!("{:.0} min ago", (s / 60.0).floor()),
        s if s < 86_400.0 => format!("{:.0} h ago", (s / 3600.0).floor()),
        s => format!("{:.0} d ago", (s / 86_400.0).floor()),
    }
}

/// When in a search, of epochs and steps that are done: `after epoch 8`, `in epoch 9, step 12`.
pub fn moment(epochs: usize, steps: usize) -> String {
    match (epochs, steps) {
        (0, 0) => "before the first step".into(),
        (e, 0) => format!("after epoch {e}"),
        (e, s) => format!("in epoch {}, step {s}", e + 1),
    }
}

/// `14:03:59` in the reader's zone, of seconds since 1970.
pub fn clock(time: f64) -> String {
    let zoned = jiff::Timestamp::from_millisecond((time * 1000.0) as i64)
        .map(|t| t.to_zoned_datetime(jiff::tz::TimeZone::system()));
    zoned.map_or_else(|_| "--:--:--".to_string(), |z| z.strftime("%H:%M:%S").to_string())
}

/// A signed number in few columns, with a true minus: `−2.1`, `12`, `.31`; `nan` and `inf` are written out.
pub fn compact(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_string();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf".to_string() } else { "−inf".to_string() };
    }
    let a = value.abs();
    let digits = if a >= 999.5 {
        format!("{a:.0e}")
    } else if a >= 9.95 {
        format!("{a:.0}")
    } else if a >= 0.995 {
        format!("{a:.1}")
    } else {
        let two = format!("{a:.2}");
        match two.strip_prefix('0') {
            Some(".00") => "0".to_string(),
            Some(rest) => rest.to_string(),
            None => two,
        }
    };
    if value < 0.0 && digits != "0" { format!("−{digits}") } else { digits }
}

/// A number with `digits` significant digits, with a true minus.
pub fn significant(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return compact(value);
    }
    let a = value.abs();
    let text = if a == 0.0 {
        "0".to_string()
    } else {
        let exponent = a.log10().floor() as i32;
        if !(-4..7).contains(&exponent) {
            format!("{a:.*e}", digits.saturating_sub(1))
        } else {
            let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
            format!("{a:.decimals$}")
        }
    };
    if value < 0.0 { format!("−{text}") } else { text }
}

/// A round number without zeros at its end, as it stands at an axis: `0.5`, `1`, `20`, `1e7`.
pub fn tick(value: f64) -> String {
    if !value.is_finite() {
        return compact(value);
    }
    let a = value.abs();
    let text = if a > 0.0 && !(1e-3..1e6).contains(&a) {
        format!("{value:.2e}").replace(".00e", "e").replace("0e", "e")
    } else {
        let text = format!("{value:.5}");
        text.trim_end_matches('0').trim_end_matches('.').to_string()
    };
    let text = text.replace('-', "−");
    if text == "−0" { "0".into() } else { text }
}

/// A power of ten as people write it: `10^18`.
///
/// Where only `ascii` can be shown, as `10^18`.
pub fn power_of_ten(log10: f64, ascii: bool) -> String {
    if !log10.is_finite() {
        return "0".to_string();
    }
    match log10.round() as i64 {
        _ if log10 < 6.0 => format!("{:.0}", 10f64.powf(log10)),
        power if ascii => format!("10^{power}"),
        power => format!("10{}", superscript(power)),
    }
}

/// Digits set high.
pub fn superscript(n: i64) -> String {
    n.to_string()
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '0' => '⁰',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            '4' => '⁴',
            '5' => '⁵',
            '6' => '⁶',
            '7' => '⁷',
            '8' => '⁸',
            _ => '⁹',
        })
        .collect()
}

/// `−81 %`: the change from one number to another; `—` where there is nothing to compare with.
pub fn change(from: f64, to: f64) -> String {
    if !(from.is_finite() && to.is_finite()) || from == 0.0 {
        return "—".to_string();
    }
    let percent = (to / from - 1.0) * 100.0;
    if percent.abs() < 0.5 {
        "±0 %".to_string()
    } else if percent < 0.0 {
        format!("−{:.0} %", -percent)
    } else {
        format!("+{percent:.0} %")
    }
}

/// The last `width` values as a row of small columns, scaled to their own range; `?` where a value is not finite.
pub fn spark(values: &[f64], width: usize) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown = &values[values.len().saturating_sub(width)..];
    let finite = || shown.iter().copied().filter(|v| v.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    shown
        .iter()
        .map(|v| {
            if !v.is_finite() {
                '?'
            } else if high > low {
                LEVELS[(((v - low) / (high - low) * 7.0).round() as usize).min(7)]
            } else {
                LEVELS[3]
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_times_have_three_digits() {
        let words = [2.8712, 0.0124, 0.9999, 12.04, 59.4, 75.0].map(seconds);
        assert_eq!(words, ["2.87 s", "12.4 ms", "1.00 s", "12.0 s", "59.4 s", "1:15"]);
        assert_eq!(seconds(f64::NAN), "—");
    }

    #[test]
    fn nothing_that_a_terminal_obeys_comes_through() {
        let hostile = "a\u{1b}[2J\u{9b}31m\u{202e}b\u{7}\tc\u{200b}";
        let text = sanitize(hostile);
        assert!(text.chars().all(|c| !c.is_control()), "{text:?}");
        assert!(!text.contains('\u{202e}'));
        assert_eq!(text, "a\u{fffd}[2J\u{fffd}31mb\u{fffd} c");
    }

    #[test]
    fn fits_by_columns_not_by_characters() {
        assert_eq!(fit("日本語", 6), "日本語");
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(fit("日本語", 4), "日…");
        assert_eq!(fit("abc", 0), "");
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("数据集合 x", 5), ["数据", "集合", "x"]);
        assert_eq!(wrap("数", 1), ["数"]);
        // Accents stay with their letters, flags and hearts are whole and two columns wide.
        assert_eq!(fit("cafe\u{301}s noirs", 6), "cafe\u{301}s…");
        assert_eq!(fit("cafe\u{301}s", 4), "caf…");
        assert_eq!(fit("\u{1f1e9}\u{1f1ea}ab", 3), "\u{1f1e9}\u{1f1ea}…");
        assert_eq!(fit("\u{2764}\u{fe0f}ab", 3), "\u{2764}\u{fe0f}…");
        assert_eq!(fit("\u{2764}\u{fe0f}ab", 2), "…");
        assert_eq!((fit_end("数据集", 5).as_str(), fit_end("数据集", 6).as_str()), ("…据集", "数据集"));
        assert_eq!((fit_end("abcdef", 4).as_str(), fit_end("abc", 0).as_str()), ("…def", ""));
        for text in ["数据集", "e\u{301}e\u{301}e\u{301}", "\u{1f600}\u{1f600}", "a\u{fe0f}b", "한국어 데이터"]
        {
            for columns in 0..12 {
                assert!(width(&fit(text, columns)) <= columns, "{text} in {columns}");
                assert_eq!(width(&pad(&fit(text, columns), columns)), columns);
            }
        }
    }

    #[test]
    fn what_is_typed_is_taken_back_as_it_is_seen() {
        let after = |text: &str, f: fn(&mut String)| {
            let mut text = text.to_string();
            f(&mut text);
            text
        };
        assert_eq!(after("ae\u{301}", pop), "a");
        assert_eq!(after("数", pop), "");
        assert_eq!(after("", pop), "");
        assert_eq!(after("1.5 GiB", pop_word), "1.5 ");
        assert_eq!(after("seed:7 数据  ", pop_word), "seed:7 ");
        assert_eq!((after("one", pop_word).as_str(), after("", pop_word).as_str()), ("", ""));
        let ticks = [0.5, 1.0, 2.0, 20.0, 0.0, -1.5, 1e7, 2.5e-4].map(tick);
        assert_eq!(ticks, ["0.5", "1", "2", "20", "0", "−1.5", "1e7", "2.5e−4"]);
    }

    #[test]
    fn amounts_are_read_with_their_unit() {
        assert_eq!(parse_bytes("1.5 GiB"), Some(3 << 29));
        assert_eq!(parse_bytes(" 800m "), Some(800 << 20));
        assert_eq!(parse_bytes("12 B"), Some(12));
        for bad in ["", "GiB", "1.5", "-1 GiB", "1e9 GiB", "0 B", "1..2 G", "nan G", "99999999999 T"] {
            assert_eq!(parse_bytes(bad), None, "{bad}");
        }
        assert!(contains("normal 0▸2 sep_conv_3x3", "SEP nor") && !contains("normal", "sep"));
    }

    #[test]
    fn numbers_say_their_unit() {
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(7_660_000_000), "7.13 GiB");
        assert_eq!(bytes(1023 * 1024), "1.00 MiB");
        assert_eq!(count(1_930_000), "1.93 M");
        assert_eq!(count(999), "999");
        assert_eq!(duration(2.71), "2.7 s");
        assert_eq!(duration(245.0), "4:05");
        assert_eq!(duration(59.7), "1:00");
        assert_eq!(duration(90_061.0), "1 d 1:01:01");
        assert_eq!(duration(f64::NAN), "—");
        assert_eq!(change(7.66, 1.42), "−81 %");
        assert_eq!((power_of_ten(18.03, false).as_str(), power_of_ten(18.03, true).as_str()), ("10¹⁸", "10^18"));
    }

    #[test]
    fn compact_numbers_take_at_most_four_columns() {
        for (value, text) in [
            (0.31, ".31"),
            (-0.314, "−.31"),
            (1.0, "1.0"),
            (-12.4, "−12"),
            (999.0, "999"),
            (-0.001, "0"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "−inf"),
            (0.999, "1.0"),
        ] {
            assert_eq!(compact(value), text);
            assert!(width(&compact(value)) <= 4);
        }
    }

    #[test]
    fn a_sparkline_spans_its_own_range() {
        assert_eq!(spark(&[0.0, 7.0, 3.0, f64::NAN], 10), "▁█▄?");
        assert_eq!(spark(&[1.0, 2.0, 3.0], 2), "▁█");
        assert_eq!(spark(&[5.0, 5.0], 2), "▄▄");
        assert_eq!(spark(&[], 2), "");
    }
}
