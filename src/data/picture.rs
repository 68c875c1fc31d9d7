//! One file with a picture: PNG, JPEG, WebP or BMP.

use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};

use image::codecs::bmp::BmpDecoder;
use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageError, ImageResult};

use super::source::{fill, open_regular, read_at_most};
use super::{DataError, Place, bmp, jpeg, png, webp};

/// Larger files are not pictures for this purpose.
const MAX_FILE: u64 = 256 << 20;
/// Nor are pictures with more pixels in all or on one side: a small file can claim any number.
const MAX_PIXELS: u64 = 1 << 26;
const MAX_SIDE: u32 = 1 << 14;
/// Nor those that take more bytes decoded, or while they are scaled.
const MAX_DECODED: u64 = 256 << 20;
const MAX_SCALING: u64 = 512 << 20;
/// Files that are read at once, before anything is known of them.
const SMALL_FILE: u64 = 1 << 20;

/// What the beginning of a file says about the picture in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub width: u32,
    pub height: u32,
    pub grey: bool,
    /// How its pixels are stored, in words.
    pub mode: &'static str,
    /// Some of it may be transparent, which is ignored.
    pub transparent: bool,
    /// EXIF says that it is to be turned or mirrored, which is not done.
    pub turned: bool,
    /// Bytes of a decoded pixel.
    bytes: u64,
}

/// All that [`Header::mode`] may be.
pub(super) const MODES: [&str; 12] = [
    "black and white",
    "grey, 8 bits",
    "grey, 16 bits",
    "colour, 8 bits",
    "colour, 16 bits",
    "palette",
    "grey with transparency, 8 bits",
    "grey with transparency, 16 bits",
    "colour with transparency, 8 bits",
    "colour with transparency, 16 bits",
    "CMYK",
    "colour, 5 or 6 bits",
];

impl Header {
    fn of_png(head: png::Head) -> Option<Header> {
        let (mode, grey, channels) = match (head.color, head.bits) {
            (0, 1) => ("black and white", true, 1),
            (0, 2..=8) => ("grey, 8 bits", true, 1),
            (0, 16) => ("grey, 16 bits", true, 1),
            (2, 8) => ("colour, 8 bits", false, 3),
            (2, 16) => ("colour, 16 bits", false, 3),
            (3, 1..=8) => ("palette", false, 3),
            (4, 8) => ("grey with transparency, 8 bits", true, 2),
            (4, 16) => ("grey with transparency, 16 bits", true, 2),
            (6, 8) => ("colour with transparency, 8 bits", false, 4),
            (6, 16) => ("colour with transparency, 16 bits", false, 4),
            _ => return None,
        };
        let alpha = u64::from(head.transparent && head.color < 4);
        Some(Header {
            width: head.width,
            height: head.height,
            grey,
            mode,
            transparent: head.transparent || head.color >= 4,
            turned: head.turned,
            bytes: (channels + alpha) * u64::from(head.bits).div_ceil(8),
        })
    }

    fn of_jpeg(head: jpeg::Head) -> Option<Header> {
        let (mode, grey) = match head.components {
            1 => ("grey, 8 bits", true),
            3 => ("colour, 8 bits", false),
            4 => ("CMYK", false),
            _ => return None,
        };
        Some(Header {
            width: head.width,
            height: head.height,
            grey,
            mode,
            transparent: false,
            turned: head.turned,
            bytes: u64::from(head.components),
        })
    }

    fn of_bmp(head: bmp::Head) -> Option<Header> {
        let (mode, channels) = match head.bits {
            1 | 2 | 4 | 8 if head.grey => ("grey, 8 bits", 3),
            1 | 2 | 4 | 8 => ("palette", 3),
            16 => ("colour, 5 or 6 bits", 3),
            24 => ("colour, 8 bits", 3),
            32 if head.transparent => ("colour with transparency, 8 bits", 4),
            32 => ("colour, 8 bits", 3),
            _ => return None,
        };
        Some(Header {
            width: head.width,
            height: head.height,
            grey: head.grey,
            mode,
            transparent: head.transparent,
            turned: false,
            bytes: channels,
        })
    }

    /// A WebP is colour always.
    fn of_webp(head: webp::Head) -> Option<Header> {
        let (mode, bytes) =
            if head.transparent { ("colour with transparency, 8 bits", 4) } else { ("colour, 8 bits", 3) };
        Some(Header {
            width: head.width,
            height: head.height,
            grey: false,
            mode,
            transparent: head.transparent,
            turned: head.turned,
            bytes,
        })
    }

    fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Png,
    Jpeg,
    Bmp,
    WebP,
}

fn head(place: &Place, reader: impl Read + Seek) -> Result<(Header, Format), DataError> {
    let mut reader = BufReader::with_capacity(1 << 12, reader);
    let mut start = [0; 12];
    let reading = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => place.invalid("the picture is torn: it ends before its pixels begin"),
        _ => place.reading(error),
    };
    let length = fill(&mut reader, &mut start).map_err(reading)?;
    if length == 0 {
        return Err(place.invalid("the picture is an empty file; fetch it again, or remove it"));
    }
    // Back to the place where the head of the format begins.
    let read = length as i64;
    let mut back = |to: i64| reader.seek_relative(to - read).map_err(reading);
    let (header, format) = if start.starts_with(&png::SIGNATURE) {
        back(8)?;
        (png::head(&mut reader).map_err(reading)?.map(Header::of_png), Format::Png)
    } else if start.starts_with(&[0xff, 0xd8, 0xff]) {
        back(2)?;
        (jpeg::head(&mut reader).map_err(reading)?.map(Header::of_jpeg), Format::Jpeg)
    } else if webp::begins(&start) {
        let head = webp::head(&mut reader).map_err(reading)?;
        if head.is_some_and(|head| head.animated) {
            return Err(
                place.invalid("an animated WebP: which of its pictures is meant? save one of them, or remove it")
            );
        }
        (head.map(Header::of_webp), Format::WebP)
    } else if start.starts_with(b"BM") {
        back(0)?;
        (bmp::head(&mut reader).map_err(reading)?.map(Header::of_bmp), Format::Bmp)
    } else {
        return Err(place.invalid("none of the pictures that are read (PNG, JPEG, WebP, BMP), whatever its name says"));
    };
    let Some(header) = header else {
        return Err(place.invalid("the picture cannot be decoded: it has no header"));
    };
    let Some(header) = header else {
        return Err(place.invalid("the picture cannot be decoded: its colours are of an unknown kind"));
    };
    check_size(place, &header)?;
    Ok((header, format))
}

fn check_size(place: &Place, header: &Header) -> Result<(), DataError> {
    let (width, height, pixels) = (header.width, header.height, header.pixels());
    if pixels == 0 || width > MAX_SIDE || height > MAX_SIDE || pixels > MAX_PIXELS {
        let limits = format!("from 1 to {MAX_SIDE} on a side and at most {MAX_PIXELS} in all are read");
        return Err(place.invalid(format!("the picture claims {width}x{height} pixels; {limits}")));
    }
    let bytes = pixels * header.bytes;
    if bytes > MAX_DECODED {
        let (bytes, limit) = (bytes >> 20, MAX_DECODED >> 20);
        return Err(place.invalid(format!(
            "the picture ({width}x{height}, {}) takes {bytes} MiB decoded, at most {limit} are taken; make it smaller",
            header.mode
        )));
    }
    Ok(())
}

fn broken(place: &Place, error: &ImageError) -> DataError {
    place.invalid(format!("the picture cannot be decoded: {error}"))
}

/// Reads as little of a file as tells what is in it.
pub(super) fn header(path: &Path) -> Result<Header, DataError> {
    let place = Place::file(path);
    Ok(head(&place, open_regular(path)?)?.0)
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
    let place = Place::file(path);
    let file = open_regular(path)?;
    let length = file.metadata().map_err(|error| DataError::read(path, error))?.len();
    if length > MAX_FILE {
        let reason = format!("{length} bytes; a picture may have {MAX_FILE}");
        return Err(place.invalid(reason));
    }
    if length <= SMALL_FILE {
        // Read at once, whatever it is: it is opened and looked through only once then.
        let bytes = read_at_most(&place, &mut &file, SMALL_FILE)?;
        let (header, _) = head(&place, Cursor::new(&bytes))?;
        let _room = room(&header, length, shape);
        return decoded(path, &place, bytes, shape);
    }
    let (header, _) = head(&place, &file)?;
    let _room = room(&header, length, shape);
    let bytes = read_at_most(&place, &mut open_regular(path)?, MAX_FILE)?;
    decoded(path, &place, bytes, shape)
}

/// Room for a file of so many bytes, its picture, and its scaling.
fn room(header: &Header, length: u64, shape: Shape) -> Room {
    Room::take(length + 2 * header.pixels() * header.bytes.max(4) + scaling(header, shape))
}

/// The pixels of the picture that these bytes are.
fn decoded(path: &Path, place: &Place, bytes: Vec<u8>, shape: Shape) -> Result<Vec<u8>, DataError> {
    // Again, because the file may have changed; and from here on nothing is read any more.
    let (header, format) = head(place, Cursor::new(&bytes))?;
    let right_size = (header.width, header.height) == (shape.width, shape.height);
    if !right_size {
        if !shape.resize {
            return Err(wrong_size(path, header, shape.width, shape.height));
        }
        check_scaling(place, &header, shape)?;
    }
    let mut picture = pixels(place, bytes, format)?;
    if (picture.width(), picture.height()) != (header.width, header.height) {
        let reason = format!(
            "the picture cannot be decoded: it says {}x{} and is {}x{}",
            header.width,
            header.height,
            picture.width(),
            picture.height()
        );
        return Err(place.invalid(reason));
    }
    if !right_size {
        picture = picture.resize_to_fill(shape.width, shape.height, filter(&header, shape));
    }
    Ok(if shape.channels == 1 { picture.into_luma8().into_raw() } else { picture.into_rgb8().into_raw() })
}

fn pixels(place: &Place, mut bytes: Vec<u8>, format: Format) -> Result<DynamicImage, DataError> {
    let picture: ImageResult<DynamicImage> = match format {
        Format::Png => {
            let bytes = png::bare(bytes);
            PngDecoder::new(Cursor::new(&bytes)).and_then(DynamicImage::from_decoder)
        }
        Format::Jpeg => {
            // The decoder fills what is missing of a torn file with grey and says nothing.
            let end = jpeg::end(&bytes);
            bytes.truncate(end.ok_or_else(|| place.invalid("the picture is torn: a JPEG file without its end"))?);
            JpegDecoder::new(Cursor::new(&bytes)).and_then(DynamicImage::from_decoder)
        }
        Format::Bmp => {
            let head = bmp::head(&mut Cursor::new(&bytes)).map_err(|error| place.reading(error))?;
            if head.is_some_and(|head| head.length > bytes.len() as u64) {
                return Err(place.invalid("the picture is torn: a BMP file that ends before its pixels do"));
            }
            BmpDecoder::new(Cursor::new(&bytes)).and_then(DynamicImage::from_decoder)
        }
        Format::WebP => {
            let end = webp::end(&bytes);
            bytes.truncate(end.ok_or_else(|| place.invalid("the picture is torn: a WebP file that ends too early"))?);
            WebPDecoder::new(Cursor::new(&bytes)).and_then(DynamicImage::from_decoder)
        }
    };
    picture.map_err(|error| broken(place, &error))
}

/// How shrinking and enlarging interpolate, in words.
pub(super) const FILTERS: &str = "shrunk by Lanczos-3 over all pixels that one covers, enlarged by bicubic";

/// What is made smaller takes a wide filter that is stretched over all pixels that one covers, so that fine patterns do not
/// turn into others; what is made larger, one that does not ring far. Both are those of Pillow.
fn filter(header: &Header, shape: Shape) -> FilterType {
    let larger = header.width < shape.width || header.height < shape.height;
    if larger { FilterType::CatmullRom } else { FilterType::Lanczos3 }
}

/// Bytes that scaling takes. A picture that is very narrow becomes very long before its middle is taken.
fn scaling(header: &Header, shape: Shape) -> u64 {
    let (width, height) = (u64::from(header.width), u64::from(header.height));
    if !shape.resize || (header.width, header.height) == (shape.width, shape.height) {
        return 0;
    }
    let side = u64::from(shape.width.max(shape.height));
    let scaled = |length: u64| (length * side).div_ceil(width.min(height).max(1));
    // The scaler holds four floats a pixel in between.
    (width * scaled(height)).max(scaled(width) * scaled(height)) * 16
}

fn check_scaling(place: &Place, header: &Header, shape: Shape) -> Result<(), DataError> {
    let bytes = scaling(header, shape);
    if bytes <= MAX_SCALING {
        return Ok(());
    }
    Err(place.invalid(format!(
        "the picture is {}x{}: to scale it to a shorter side of {} takes {} MiB, at most {} are taken; crop it, or make \
         data.size smaller",
        header.width,
        header.height,
        shape.width,
        bytes >> 20,
        MAX_SCALING >> 20
    )))
}

pub(super) fn wrong_size(path: &Path, header: Header, width: u32, height: u32) -> DataError {
    Place::file(path).invalid(format!(
        "the picture is {}x{}, the first one of the set {width}x{height}; set `data.size` to bring all to one size",
        header.width, header.height
    ))
}

/// Bytes that pictures take which are being decoded, on all threads together: a large one waits for its turn.
struct Room(u64);

const ROOM: u64 = 512 << 20;
static TAKEN: Mutex<u64> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

impl Room {
    fn take(bytes: u64) -> Room {
        // One that needs more than there is gets all of it.
        let bytes = bytes.min(ROOM);
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken + bytes > ROOM {
            taken = FREED.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken += bytes;
        Room(bytes)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) -= self.0;
        FREED.notify_all();
    }
}
