//! Text that is being typed, with its cursor, in as many columns as there are.

use ratatui::style::Style;

use crate::explorer::draw::Pad;
use crate::explorer::ui::Typed;
use crate::text;

/// Draws what was typed in at most `room` columns, the cursor among them, so that it stays in sight; returns the column behind.
pub fn draw(pad: &mut Pad, x: u16, y: u16, room: u16, typed: &Typed, style: Style) -> u16 {
    let (before, rest) = typed.parts();
    // Of what follows the cursor some stays in sight, too.
    let kept = text::width(rest).min(room / 4);
    let end = pad.text(x, y, &text::fit_end(before, room.saturating_sub(kept.max(1))), style);
    let left = (x + room).saturating_sub(end);
    let after = pad.text(end, y, &text::fit(rest, left), style);
    let cursor = pad.theme.cursor();
    if rest.is_empty() {
        pad.put(end, y, ' ', cursor);
        return end + 1;
    }
    let under = rest.chars().next().map_or(1, |c| text::width(&c.to_string())).clamp(1, 2);
    pad.style(end, y, under, 1, cursor);
    after
}
