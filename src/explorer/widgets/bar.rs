//! A bar that is filled to a share.

use crate::explorer::draw::Pad;

/// A bar of `width` columns filled to `share` (0 to 1), in half columns.
pub fn bar(pad: &mut Pad, x: u16, y: u16, width: u16, share: f64) {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let halves = (share * f64::from(width) * 2.0).round() as u16;
    let (style, empty) = (pad.theme.accent(), pad.theme.dim());
    for i in 0..width {
        match halves.saturating_sub(2 * i) {
            0 => pad.put(x + i, y, '─', empty),
            1 => pad.put(x + i, y, '╸', style),
            _ => pad.put(x + i, y, '━', style),
        }
    }
}
