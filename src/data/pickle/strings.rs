//! Strings as protocol 0 writes them: as text with escapes.

/// The bytes of a string of Python 2, `'...'` or `"..."`; `None` if it is none.
pub(super) fn quoted(line: &[u8]) -> Option<Vec<u8>> {
    let (quote, rest) = line.trim_ascii_end().split_first()?;
    let (last, inside) = rest.split_last()?;
    if !matches!(quote, b'\'' | b'"') || last != quote {
        return None;
    }
    let mut out = Vec::with_capacity(inside.len());
    let mut bytes = inside.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match bytes.next()? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'a' => 7,
            b'b' => 8,
            b'f' => 12,
            b'v' => 11,
            b'x' => u8::try_from(number(&mut bytes, 2)?).ok()?,
            digit @ b'0'..=b'7' => {
                // Up to three octal digits; Python writes none of these any more.
                let (second, third) = (bytes.next()?, bytes.next()?);
                let octal = |byte: u8| u32::from(byte).checked_sub(48).filter(|value| *value < 8);
                u8::try_from(octal(digit)? * 64 + octal(second)? * 8 + octal(third)?).ok()?
            }
            other @ (b'\\' | b'\'' | b'"') => other,
            _ => return None,
        });
    }
    Some(out)
}

/// A Unicode string: bytes are the first 256 characters, others are written `\uXXXX` or `\UXXXXXXXX`.
pub(super) fn raw_unicode(line: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(line.len());
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(char::from(byte));
            continue;
        }
        match bytes.next() {
            Some(b'u') => out.push(char::from_u32(number(&mut bytes, 4)?)?),
            Some(b'U') => out.push(char::from_u32(number(&mut bytes, 8)?)?),
            Some(other) => out.extend(['\\', char::from(other)]),
            None => out.push('\\'),
        }
    }
    Some(out)
}

fn number(bytes: &mut impl Iterator<Item = u8>, digits: usize) -> Option<u32> {
    (0..digits).try_fold(0u32, |value, _| {
        let digit = char::from(bytes.next()?).to_digit(16)?;
        value.checked_mul(16)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        assert_eq!(quoted(br"'a\n\x00\xff\\\'\101'").unwrap(), b"a\n\0\xff\\'A");
        assert_eq!(quoted(b"\"it's\"").unwrap(), b"it's");
        for broken in [&b"abc"[..], b"'abc", b"'", b"'a\"", br"'\x0'", br"'\xgg'", br"'\q'", br"'\'"] {
            assert_eq!(quoted(broken), None, "{}", broken.escape_ascii());
        }
        assert_eq!(raw_unicode(b"a\xe4\\u20ac\\U0001f600\\n\\").unwrap(), "aä€😀\\n\\");
        assert_eq!(raw_unicode(br"\u20a"), None);
        assert_eq!(raw_unicode(br"\ud800"), None);
    }
}
