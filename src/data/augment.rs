//! Random changes of training pictures: crop, mirror, cutout.

use rand::Rng;

use super::{DataError, Summary};
use crate::random::below;

/// Random changes of training pictures as DARTS makes them (arXiv 1806.09055, appendix A.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Augment {
    /// Black pixels added on each side before cropping back to the old size at a random place; 0: off.
    pub crop_padding: usize,
    /// Flip left and right with probability one half.
    pub flip: bool,
    /// Side of a square, centred anywhere in the picture, that is set to the mean colour (arXiv 1708.04552); 0: off.
    pub cutout: usize,
}

impl Augment {
    /// Pictures as they are, normalised only.
    pub const NONE: Augment = Augment { crop_padding: 0, flip: false, cutout: 0 };

    /// Refuse padding that could crop all of a picture away.
    pub fn check(&self, summary: &Summary) -> Result<(), DataError> {
        let side = summary.height.min(summary.width);
        if self.crop_padding < side {
            return Ok(());
        }
        Err(DataError::Setting {
            name: "crop_padding",
            value: self.crop_padding.to_string(),
            reason: format!("it must be smaller than the pictures, whose shorter side is {side}"),
        })
    }
}

/// Shape of a picture and how its pixels become numbers.
pub(super) struct Normaliser {
    height: usize,
    width: usize,
    channels: usize,
    /// Normalised value by channel and pixel value.
    table: Vec<[f32; 256]>,
}

impl Normaliser {
    /// `(value / 255 - mean) / std` for each channel.
    pub fn new(summary: &Summary) -> Self {
        let table = summary.mean.iter().zip(&summary.std).map(|(&mean, &std)| {
            std::array::from_fn(|value| ((value as f64 / 255.0 - f64::from(mean)) / f64::from(std)) as f32)
        });
        Normaliser { height: summary.height, width: summary.width, channels: summary.channels, table: table.collect() }
    }

    /// Augment and normalise one picture `[H, W, C]` and append it to `out`. Numbers are drawn in a fixed order: crop
    /// row, crop column, flip, cutout row, cutout column; what is off draws none.
    pub fn append(&self, pixels: &[u8], augment: &Augment, rng: &mut impl Rng, out: &mut Vec<f32>) {
        let (height, width, channels) = (self.height, self.width, self.channels);
        let padding = augment.crop_padding;
        let mut offset = || if padding == 0 { 0 } else { below(rng, 2 * padding as u64 + 1) as usize };
        let (top, left) = (offset(), offset());
        let flip = augment.flip && below(rng, 2) == 1;
        let start = out.len();
        for y in 0..height {
            // Row and column of the source picture, if not in the padding around it.
            let row = (y + top).checked_sub(padding).filter(|&row| row < height);
            for x in 0..width {
                let x = if flip { width - 1 - x } else { x };
                let column = (x + left).checked_sub(padding).filter(|&column| column < width);
                let source = row.zip(column).map(|(row, column)| (row * width + column) * channels);
                for (channel, table) in self.table.iter().enumerate() {
                    let value = source.and_then(|source| pixels.get(source + channel)).copied().unwrap_or(0);
                    out.push(table[usize::from(value)]);
                }
            }
        }
        if augment.cutout > 0 {
            let (y, x) = (below(rng, height as u64) as usize, below(rng, width as u64) as usize);
            let half = augment.cutout / 2;
            let span = |centre: usize, size: usize| centre.saturating_sub(half)..(centre + half).min(size);
            for y in span(y, height) {
                for x in span(x, width) {
                    let at = start + (y * width + x) * channels;
                    out[at..at + channels].fill(0.0);
                }
            }
        }
    }
}
