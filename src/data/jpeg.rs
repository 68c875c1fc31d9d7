//! The segments of a JPEG file: what is in the picture, and where it ends. The decoder fills what is missing of a torn
//! file with grey and says nothing, and phones put films and depth maps behind the end.

use std::io::{self, BufRead, Read, Seek};

use image::metadata::Orientation;

/// What stands before the first scan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub width: u32,
    pub height: u32,
    /// 1: grey; 3: colour; 4: CMYK.
    pub components: u8,
    /// Bits of a component.
    pub bits: u8,
    /// The picture is stored turned or mirrored, and EXIF tells how.
    pub turned: bool,
}

const END: u8 = 0xd9;
const SCAN: u8 = 0xda;
const APP1: u8 = 0xe1;

fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

/// Markers that no segment follows.
fn stands_alone(marker: u8) -> bool {
    matches!(marker, 0x01 | 0xd0..=0xd8)
}

fn byte(reader: &mut impl Read) -> io::Result<u8> {
    let mut byte = [0];
    reader.read_exact(&mut byte)?;
    Ok(byte[0])
}

/// Reads up to the frame header. `None` if there is none before the picture begins or ends.
pub(super) fn head(reader: &mut (impl BufRead + Seek)) -> io::Result<Option<Head>> {
    let mut turned = false;
    loop {
        while byte(reader)? != 0xff {}
        let mut marker = byte(reader)?;
        while marker == 0xff {
            marker = byte(reader)?;
        }
        if stands_alone(marker) || marker == 0 {
            continue;
        }
        if marker == SCAN || marker == END {
            return Ok(None);
        }
        let length = u16::from_be_bytes([byte(reader)?, byte(reader)?]).saturating_sub(2);
        if is_frame(marker) {
            let mut frame = [0; 6];
            reader.read_exact(&mut frame)?;
            let [bits, h, eight, w, idth, components] = frame;
            let (height, width) = (u16::from_be_bytes([h, eight]).into(), u16::from_be_bytes([w, idth]).into());
            return Ok(Some(Head { width, height, components, bits, turned }));
        }
        if marker == APP1 {
            let mut segment = vec![0; usize::from(length)];
            reader.read_exact(&mut segment)?;
            let found = segment.strip_prefix(b"Exif\0\0").and_then(Orientation::from_exif_chunk);
            turned |= found.is_some_and(|orientation| orientation != Orientation::NoTransforms);
        } else {
            reader.seek_relative(length.into())?;
        }
    }
}

/// Where the picture ends: just behind its end marker, whatever follows. `None` if it is torn.
pub(super) fn end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        // To the next marker. In the data of a scan, 0xff is followed by 0 or by a restart, or it is one.
        at += memchr::memchr(0xff, bytes.get(at..)?)?;
        while bytes.get(at) == Some(&0xff) {
            at += 1;
        }
        let marker = *bytes.get(at)?;
        at += 1;
        if marker == END {
            return Some(at);
        }
        if marker != 0 && !stands_alone(marker) {
            at += usize::from(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]).max(2));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::codecs::jpeg::JpegEncoder;
    use image::{ExtendedColorType, ImageEncoder};

    use super::*;

    fn jpeg() -> Vec<u8> {
        let mut bytes = Vec::new();
        let pixels: Vec<u8> = (0..20 * 10 * 3).map(|i| (i * 7 % 251) as u8).collect();
        JpegEncoder::new_with_quality(&mut bytes, 90).write_image(&pixels, 20, 10, ExtendedColorType::Rgb8).unwrap();
        bytes
    }

    /// An APP1 segment with nothing but the orientation.
    fn exif(orientation: u8) -> Vec<u8> {
        let tiff =
            [&b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"[..], &[orientation], b"\0\0\0\0\0\0"].concat();
        [&[0xff, APP1, 0, tiff.len() as u8 + 2][..], &tiff].concat()
    }

    #[test]
    fn the_head_is_read_through_other_segments() {
        let plain = jpeg();
        let told = |bytes: Vec<u8>| head(&mut Cursor::new(bytes)).unwrap();
        let expected = Head { width: 20, height: 10, components: 3, bits: 8, turned: false };
        assert_eq!(told(plain.clone()), Some(expected));
        for (orientation, turned) in [(1, false), (6, true)] {
            let with = [&plain[..2], &exif(orientation), &plain[2..]].concat();
            assert_eq!(told(with), Some(Head { turned, ..expected }));
        }
        assert_eq!(told(vec![0xff, 0xd8, 0xff, 0xff, 0xd9]), None);
        assert!(head(&mut Cursor::new(&plain[..12])).is_err());
    }

    #[test]
    fn the_end_is_that_of_the_picture() {
        let plain = jpeg();
        assert_eq!(end(&plain), Some(plain.len()));
        // Behind it: nothing, zeros, a whole picture, half a picture.
        for trailer in [&[][..], &[0; 100], &plain, &plain[..200]] {
            assert_eq!(end(&[&plain[..], trailer].concat()), Some(plain.len()));
        }
        // A whole picture inside a segment, as thumbnails are.
        let thumbnail = [&[0xff, 0xe2][..], &(plain.len() as u16 + 2).to_be_bytes(), &plain].concat();
        let with = [&plain[..2], &thumbnail, &plain[2..]].concat();
        assert_eq!(end(&with), Some(with.len()));
        for length in 0..plain.len() {
            assert_eq!(end(&plain[..length]), None, "{length}");
        }
    }
}
