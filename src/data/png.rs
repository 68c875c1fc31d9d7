//! The chunks of a PNG file: what is in the picture, and what of the file a decoder needs. Packed texts and profiles are
//! not needed, and may unpack to anything.

use std::io::{self, BufRead, Seek};

use image::metadata::Orientation;

pub(super) const SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];

/// What stands before the pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub width: u32,
    pub height: u32,
    /// Bits of a channel, or of an index into the palette.
    pub bits: u8,
    /// 0: grey; 2: colour; 3: palette; 4: grey and alpha; 6: colour and alpha.
    pub color: u8,
    /// There is a chunk that makes some of it transparent.
    pub transparent: bool,
    /// The picture is stored turned or mirrored, and EXIF tells how.
    pub turned: bool,
}

fn big_endian(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).fold(0, |value, &byte| (value << 8) | u32::from(byte))
}

/// Reads up to the pixels, behind the signature. `None` if that is no PNG.
pub(super) fn head(reader: &mut (impl BufRead + Seek)) -> io::Result<Option<Head>> {
    let mut start = [0; 8 + 13 + 4];
    reader.read_exact(&mut start)?;
    if start[4..8] != *b"IHDR" {
        return Ok(None);
    }
    let mut head = Head {
        width: big_endian(&start[8..]),
        height: big_endian(&start[12..]),
        bits: start[16],
        color: start[17],
        ..Head::default()
    };
    loop {
        let mut chunk = [0; 8];
        reader.read_exact(&mut chunk)?;
        let length = big_endian(&chunk);
        match &chunk[4..] {
            b"IDAT" | b"IEND" => return Ok(Some(head)),
            b"tRNS" => head.transparent = true,
            b"eXIf" if length <= 1 << 16 => {
                let mut exif = vec![0; length as usize];
                reader.read_exact(&mut exif)?;
                let found = Orientation::from_exif_chunk(&exif);
                head.turned |= found.is_some_and(|orientation| orientation != Orientation::NoTransforms);
                reader.seek_relative(4)?;
                continue;
            }
            _ => {}
        }
        reader.seek_relative(i64::from(length) + 4)?;
    }
}

/// The file with only the chunks that its pixels are made from, and nothing behind its end.
pub(super) fn bare(mut bytes: Vec<u8>) -> Vec<u8> {
    let (mut from, mut to) = (SIGNATURE.len(), SIGNATURE.len());
    while let Some(chunk) = bytes.get(from..from + 8) {
        let (length, kind) = (big_endian(chunk) as usize, [chunk[4], chunk[5], chunk[6], chunk[7]]);
        let end = from.saturating_add(12).saturating_add(length).min(bytes.len());
        if matches!(&kind, b"IHDR" | b"PLTE" | b"tRNS" | b"IDAT" | b"IEND") {
            bytes.copy_within(from..end, to);
            to += end - from;
        }
        from = end;
        if &kind == b"IEND" {
            break;
        }
    }
    bytes.truncate(to);
    bytes
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{GrayAlphaImage, ImageFormat, LumaA};

    use super::*;

    fn png() -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        GrayAlphaImage::from_pixel(5, 3, LumaA([7, 9])).write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    fn chunk(kind: &[u8], content: &[u8]) -> Vec<u8> {
        // The sum is wrong: nobody looks.
        [&(content.len() as u32).to_be_bytes()[..], kind, content, &[0; 4]].concat()
    }

    #[test]
    fn heads() {
        let plain = png();
        let told = |bytes: &[u8]| head(&mut Cursor::new(&bytes[8..])).unwrap();
        let expected = Head { width: 5, height: 3, bits: 8, color: 4, transparent: false, turned: false };
        assert_eq!(told(&plain), Some(expected));
        let exif = chunk(b"eXIf", b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x03\0\0\0\0\0\0\0");
        let with = [&plain[..33], &chunk(b"tEXt", &[b'x'; 70000]), &exif, &plain[33..]].concat();
        assert_eq!(told(&with), Some(Head { turned: true, ..expected }));
    }

    #[test]
    fn only_what_pixels_need_is_kept() {
        let plain = png();
        assert_eq!(bare(plain.clone()), plain);
        let extra = [chunk(b"zTXt", b"a bomb"), chunk(b"iCCP", b"another")].concat();
        let end = plain.len() - 12;
        let with = [&plain[..33], &extra, &plain[33..end], &extra, &plain[end..], b"behind the end"].concat();
        assert_eq!(bare(with), plain);
        // What is torn stays torn.
        for length in 8..plain.len() {
            assert!(bare(plain[..length].to_vec()).len() < plain.len());
        }
    }
}
