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

/// The last `width` values as a row of small columns, scaled to their own range; `?` where a value is not finite.
pub fn spark(values: &[f64], width: usize) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown = &values[values.len().saturating_sub(width)..];
    let finite = || shown.iter().copied().filter(|v| v.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    shown
        .iter()
        .map(|v| {
            if !v.is_finite() {
                '?'
            } else if high > low {
                LEVELS[(((v - low) / (high - low) * 7.0).round() as usize).min(7)]
            } else {
                LEVELS[3]
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::spark;

    #[test]
    fn a_sparkline_spans_its_own_range() {
        assert_eq!(spark(&[0.0, 7.0, 3.0, f64::NAN], 10), "▁█▄?");
        assert_eq!(spark(&[1.0, 2.0, 3.0], 2), "▁█");
        assert_eq!(spark(&[5.0, 5.0], 2), "▄▄");
        assert_eq!(spark(&[], 2), "");
    }
}
