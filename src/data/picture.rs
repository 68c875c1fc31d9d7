//! One PNG or JPEG file.

use std::io::Cursor;
use std::path::Path;

use image::imageops::FilterType;
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::source::{open_regular, read_at_most};
use super::{DataError, Place};

/// Larger files are not pictures for this purpose.
const MAX_FILE: u64 = 256 << 20;
/// Nor are pictures with more pixels in all or on one side: a small file can claim any number.
const MAX_PIXELS: u64 = 1 << 26;
const MAX_SIDE: u32 = 1 << 14;

/// What the beginning of a file says about the picture in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub width: u32,
    pub height: u32,
    pub grey: bool,
}

fn decoder<'a>(place: &Place, bytes: &'a [u8]) -> Result<(Header, impl ImageDecoder + 'a), DataError> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|error| place.reading(error))?;
    match reader.format() {
        Some(ImageFormat::Png) => {}
        Some(ImageFormat::Jpeg) if jpeg_ends(bytes) => {}
        Some(ImageFormat::Jpeg) => return Err(place.invalid("the picture is torn: a JPEG file without its end")),
        _ => return Err(place.invalid("neither a PNG nor a JPEG picture, whatever its name says")),
    }
    // The decoder refuses a PNG that is too large as well, but does not say what it claims.
    if let Some(b"IHDR") = bytes.get(12..16)
        && let (Some(width), Some(height)) = (big_endian(bytes, 16), big_endian(bytes, 20))
    {
        check_size(place, width, height)?;
    }
    let mut decoder = reader.into_decoder().map_err(|error| broken(place, &error))?;
    let (width, height) = decoder.dimensions();
    check_size(place, width, height)?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    decoder.set_limits(limits).map_err(|error| broken(place, &error))?;
    let grey = matches!(decoder.color_type(), ColorType::L8 | ColorType::La8 | ColorType::L16 | ColorType::La16);
    Ok((Header { width, height, grey }, decoder))
}

fn big_endian(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

fn check_size(place: &Place, width: u32, height: u32) -> Result<(), DataError> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || width > MAX_SIDE || height > MAX_SIDE || pixels > MAX_PIXELS {
        let limits = format!("from 1 to {MAX_SIDE} on a side and at most {MAX_PIXELS} in all are read");
        return Err(place.invalid(format!("the picture claims {width}x{height} pixels; {limits}")));
    }
    Ok(())
}

fn broken(place: &Place, error: &ImageError) -> DataError {
    place.invalid(format!("the picture cannot be decoded: {error}"))
}

/// The decoder fills what is missing of a torn JPEG with grey and says nothing: look for the end marker after the last
/// start of a scan (in compressed data a byte 0xff is never followed by those).
fn jpeg_ends(bytes: &[u8]) -> bool {
    let last = |marker: u8| bytes.windows(2).rposition(|pair| pair == [0xff, marker]);
    last(0xd9).is_some_and(|end| last(0xda).is_none_or(|scan| end > scan))
}

fn read(path: &Path) -> Result<(Place, Vec<u8>), DataError> {
    let place = Place::file(path);
    let bytes = read_at_most(&place, &mut open_regular(path)?, MAX_FILE)?;
    Ok((place, bytes))
}

pub(super) fn header(path: &Path) -> Result<Header, DataError> {
    let (place, bytes) = read(path)?;
    decoder(&place, &bytes).map(|(header, _)| header)
}

/// Size and channels that pictures are brought to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub height: u32,
    pub width: u32,
    /// 1 or 3.
    pub channels: usize,
    /// Scale the shorter side and take the middle, else refuse another size.
    pub resize: bool,
}

/// The pixels of a picture, `[H, W, C]`. Transparency is ignored, 16 bits are reduced to 8.
pub(super) fn decode(path: &Path, shape: Shape) -> Result<Vec<u8>, DataError> {
    let (place, bytes) = read(path)?;
    let (header, decoder) = decoder(&place, &bytes)?;
    let right_size = (header.width, header.height) == (shape.width, shape.height);
    if !right_size && !shape.resize {
        return Err(wrong_size(path, header, shape.width, shape.height));
    }
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|error| broken(&place, &error))?;
    if !right_size {
        picture = picture.resize_to_fill(shape.width, shape.height, FilterType::Triangle);
    }
    Ok(if shape.channels == 1 { picture.into_luma8().into_raw() } else { picture.into_rgb8().into_raw() })
}

pub(super) fn wrong_size(path: &Path, header: Header, width: u32, height: u32) -> DataError {
    Place::file(path).invalid(format!(
        "the picture is {}x{}, the first one of the set {width}x{height}; set `data.size` to bring all to one size",
        header.width, header.height
    ))
}
