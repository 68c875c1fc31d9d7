//! The headers of a BMP file: what is in the picture, and where its pixels have to end.

use std::io::{self, Read};

/// What stands before the pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub width: u32,
    pub height: u32,
    /// Bits of a pixel, or of an index into the palette.
    pub bits: u16,
    /// There is a palette, and all its colours are grey: BMP has no other grey.
    pub grey: bool,
    /// There is a mask for transparency.
    pub transparent: bool,
    /// Bytes that the file has at least, where its pixels are not packed.
    pub length: u64,
}

/// Bytes of the headers that there are: from OS/2, and versions 1 to 5 of Windows.
const CORE: u32 = 12;
const WINDOWS: [u32; 5] = [40, 52, 56, 108, 124];
/// Ways to store pixels: as they are, or in fields that masks tell.
const PLAIN: u32 = 0;
const FIELDS: u32 = 3;

fn short(bytes: &[u8]) -> u32 {
    bytes.iter().take(2).rev().fold(0, |value, &byte| (value << 8) | u32::from(byte))
}

fn long(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).rev().fold(0, |value, &byte| (value << 8) | u32::from(byte))
}

/// Reads headers and palette, from the beginning of the file. `None` if that is no BMP that is known.
pub(super) fn head(reader: &mut impl Read) -> io::Result<Option<Head>> {
    let mut file = [0; 14];
    reader.read_exact(&mut file)?;
    let pixels_at = u64::from(long(&file[10..]));
    let mut size = [0; 4];
    reader.read_exact(&mut size)?;
    let size = long(&size);
    if size != CORE && !WINDOWS.contains(&size) {
        return Ok(None);
    }
    let mut header = vec![0; size as usize - 4];
    reader.read_exact(&mut header)?;
    let (width, height, bits, packing, colours) = if size == CORE {
        (short(&header), short(&header[2..]), short(&header[6..]), PLAIN, 0)
    } else {
        // A negative height says that rows stand from the top. A negative width is no picture; it is refused as too large.
        let height = (long(&header[4..]) as i32).unsigned_abs();
        (long(&header), height, short(&header[10..]), long(&header[12..]), long(&header[28..]))
    };
    let mut grey = false;
    if bits <= 8 {
        let (most, bytes) = (1u32 << bits, if size == CORE { 3 } else { 4 });
        let colours = if colours == 0 { most } else { colours };
        if colours > most {
            return Ok(None);
        }
        let mut palette = vec![0; colours as usize * bytes];
        reader.read_exact(&mut palette)?;
        grey = palette.chunks_exact(bytes).all(|colour| colour[0] == colour[1] && colour[1] == colour[2]);
    }
    let row = (u64::from(width) * u64::from(bits)).div_ceil(32) * 4;
    let packed = packing != PLAIN && packing != FIELDS;
    Ok(Some(Head {
        width,
        height,
        bits: bits as u16,
        grey,
        transparent: packing == FIELDS && size >= WINDOWS[2] && long(&header[48..]) != 0,
        length: if packed { pixels_at } else { pixels_at.saturating_add(row.saturating_mul(u64::from(height))) },
    }))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{GrayImage, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};

    use super::*;

    fn told(bytes: &[u8]) -> Option<Head> {
        head(&mut Cursor::new(bytes)).unwrap()
    }

    fn written(picture: impl Into<image::DynamicImage>) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.into().write_to(&mut bytes, ImageFormat::Bmp).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn heads() {
        let colour = written(RgbImage::from_pixel(5, 3, Rgb([1, 2, 3])));
        let length = colour.len() as u64;
        let expected = Head { width: 5, height: 3, bits: 24, grey: false, transparent: false, length };
        assert_eq!(told(&colour), Some(expected));
        let grey = written(GrayImage::from_pixel(5, 3, Luma([7])));
        let length = grey.len() as u64;
        assert_eq!(told(&grey), Some(Head { bits: 8, grey: true, length, ..expected }));
        let clear = written(RgbaImage::from_pixel(5, 3, Rgba([1, 2, 3, 4])));
        let length = clear.len() as u64;
        assert_eq!(told(&clear), Some(Head { bits: 32, transparent: true, length, ..expected }));
        // Rows from the top.
        let mut turned = colour.clone();
        turned[22..26].copy_from_slice(&(-3i32).to_le_bytes());
        assert_eq!(told(&turned), Some(expected));
        // One colour of the palette is not grey.
        let mut palette = grey.clone();
        palette[54 + 4 * 200] = 9;
        assert!(!told(&palette).unwrap().grey);
        assert!(head(&mut Cursor::new(&grey[..300])).is_err());
        let mut unknown = colour;
        unknown[14] = 41;
        assert_eq!(told(&unknown), None);
    }
}
