//! ImageNet16-120 (Chrabaszcz et al. 2017, arXiv 1707.08819; NAS-Bench-201, arXiv 2001.00326): ImageNet at 16x16 pixels,
//! of which the first 120 classes are taken.

use super::cifar::pickled_rows;
use super::memory::Pictures;
use super::{DataError, Place};

pub(super) const SIDE: usize = 16;
pub(super) const CLASSES: u32 = 120;

/// A dictionary with `data` (uint8, `[N, 768]`) and `labels` from 1 to 1000.
pub(super) fn decode(place: &Place, bytes: &[u8]) -> Result<Pictures, DataError> {
    let class = |label: i64| u32::try_from(label - 1).ok().filter(|&class| class < CLASSES);
    pickled_rows(place, bytes, "labels", 3 * SIDE * SIDE, 1000, 1, class)
}
