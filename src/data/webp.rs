//! The chunks of a WebP file: what is in the picture, and where it ends.

use std::io::{self, BufRead, Read, Seek};

use image::metadata::Orientation;

/// What stands before and behind the pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub width: u32,
    pub height: u32,
    pub lossless: bool,
    pub transparent: bool,
    /// There are several pictures, to be shown one after the other.
    pub animated: bool,
    /// The picture is stored turned or mirrored, and EXIF tells how.
    pub turned: bool,
}

/// Flags of an extended file.
const ANIMATED: u8 = 0x02;
const EXIF: u8 = 0x08;
const ALPHA: u8 = 0x10;
/// Chunks that are gone through at most, and the longest EXIF that is read.
const MOST_CHUNKS: usize = 256;
const MOST_EXIF: u32 = 1 << 16;

/// Whether a file begins like one.
pub(super) fn begins(start: &[u8]) -> bool {
    matches!(start, [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..])
}

fn little(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |value, &byte| (value << 8) | u32::from(byte))
}

/// Reads the chunks behind the signature's twelve bytes, as far as they tell anything. `None` if that is no WebP.
pub(super) fn head(reader: &mut (impl BufRead + Seek)) -> io::Result<Option<Head>> {
    let mut head = Head::default();
    let mut extended = false;
    for number in 0..MOST_CHUNKS {
        let mut chunk = [0; 8];
        reader.read_exact(&mut chunk)?;
        let length = little(&chunk[4..]);
        let mut taken = 0;
        match &chunk[..4] {
            b"VP8X" if number == 0 => {
                let mut start = [0; 10];
                reader.read_exact(&mut start)?;
                taken = 10;
                extended = true;
                (head.width, head.height) = (little(&start[4..7]) + 1, little(&start[7..]) + 1);
                head.transparent = start[0] & ALPHA != 0;
                head.animated = start[0] & ANIMATED != 0;
                head.turned = start[0] & EXIF != 0;
                if head.animated {
                    return Ok(Some(head));
                }
            }
            kind @ (b"VP8 " | b"VP8L") => {
                head.lossless = kind == b"VP8L";
                let Some((width, height, alpha)) = stream(reader, head.lossless)? else { return Ok(None) };
                taken = if head.lossless { 5 } else { 10 };
                if !extended {
                    return Ok(Some(Head { width, height, transparent: alpha, ..head }));
                }
                if !head.turned {
                    return Ok(Some(head));
                }
            }
            b"EXIF" if extended && length <= MOST_EXIF => {
                let mut exif = vec![0; length as usize];
                reader.read_exact(&mut exif)?;
                let tiff = exif.strip_prefix(b"Exif\0\0").unwrap_or(&exif);
                let found = Orientation::from_exif_chunk(tiff);
                head.turned = found.is_some_and(|orientation| orientation != Orientation::NoTransforms);
                return Ok(Some(head));
            }
            _ if !extended => return Ok(None),
            _ => {}
        }
        // Chunks begin at even places.
        reader.seek_relative(i64::from(length) + i64::from(length % 2) - taken)?;
    }
    Ok(None)
}

/// Width, height and whether there is alpha, from the beginning of the pixels' own stream.
fn stream(reader: &mut impl Read, lossless: bool) -> io::Result<Option<(u32, u32, bool)>> {
    if lossless {
        let mut start = [0; 5];
        reader.read_exact(&mut start)?;
        let bits = little(&start[1..]);
        return Ok((start[0] == 0x2f).then_some((
            (bits & 0x3fff) + 1,
            ((bits >> 14) & 0x3fff) + 1,
            bits >> 28 & 1 == 1,
        )));
    }
    let mut start = [0; 10];
    reader.read_exact(&mut start)?;
    let size = |bytes: &[u8]| little(bytes) & 0x3fff;
    Ok((start[3..6] == [0x9d, 0x01, 0x2a]).then_some((size(&start[6..8]), size(&start[8..]), false)))
}

/// Where the picture ends, whatever follows. `None` if it is torn.
pub(super) fn end(bytes: &[u8]) -> Option<usize> {
    let end = 8 + usize::try_from(little(bytes.get(4..8)?)).ok()?;
    (end <= bytes.len()).then_some(end)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::codecs::webp::WebPEncoder;
    use image::{ExtendedColorType, ImageEncoder};

    use super::*;

    fn webp(kind: ExtendedColorType, channels: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let pixels: Vec<u8> = (0..20 * 10 * channels).map(|i| (i * 7 % 251) as u8).collect();
        WebPEncoder::new_lossless(&mut bytes).write_image(&pixels, 20, 10, kind).unwrap();
        bytes
    }

    fn chunk(kind: &[u8], content: &[u8]) -> Vec<u8> {
        let pad: &[u8] = if content.len() % 2 == 1 { &[0] } else { &[] };
        [kind, &(content.len() as u32).to_le_bytes(), content, pad].concat()
    }

    /// An extended file with the pixels of a plain one.
    fn extended(flags: u8, plain: &[u8], behind: &[u8]) -> Vec<u8> {
        let start = chunk(b"VP8X", &[flags, 0, 0, 0, 19, 0, 0, 9, 0, 0]);
        [&start, &chunk(b"ICCP", b"abc"), &plain[12..], behind].concat()
    }

    #[test]
    fn heads() {
        let plain = webp(ExtendedColorType::Rgb8, 3);
        let told = |bytes: &[u8]| head(&mut Cursor::new(bytes)).unwrap();
        let expected =
            Head { width: 20, height: 10, lossless: true, transparent: false, animated: false, turned: false };
        assert_eq!(told(&plain[12..]), Some(expected));
        let clear = webp(ExtendedColorType::Rgba8, 4);
        assert_eq!(told(&clear[12..]), Some(Head { transparent: true, ..expected }));
        let exif =
            |turn: u8| [&b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"[..], &[turn], b"\0\0\0\0\0\0\0"].concat();
        for (turn, turned) in [(1, false), (6, true)] {
            let with = extended(EXIF, &plain, &chunk(b"EXIF", &exif(turn)));
            assert_eq!(told(&with), Some(Head { turned, ..expected }));
        }
        assert_eq!(told(&extended(0, &plain, b"")), Some(expected));
        assert!(told(&extended(ANIMATED, &plain, b"")).unwrap().animated);
        assert_eq!(told(&chunk(b"JUNK", b"")), None);
        assert!(head(&mut Cursor::new(&plain[12..22])).is_err());
    }

    #[test]
    fn the_end_is_told_by_the_file() {
        let plain = webp(ExtendedColorType::Rgb8, 3);
        assert_eq!(end(&plain), Some(plain.len()));
        assert_eq!(end(&[&plain[..], b"behind the end"].concat()), Some(plain.len()));
        for length in 0..plain.len() {
            assert_eq!(end(&plain[..length]), None);
        }
    }
}
