//! Losses and accuracies in print.

use super::{GAP, MARGIN, SMALL};
use crate::explorer::figure::paper::{Anchor, Axes, INK, PRINT, Paper, series, tick};
use crate::explorer::figure::search::Curves;
use crate::explorer::state::State;

/// Room at the left of a frame, above and below it.
const LEFT: f64 = 34.0;
const ABOVE: f64 = 14.0;
const BELOW: f64 = 22.0;
/// From this width on the panels stand side by side.
const WIDE: f64 = 360.0;

pub fn draw(state: &State, width: f64) -> Option<String> {
    let all = Curves::of(state)?;
    let beside = width >= WIDE;
    let each = if beside { (width - GAP) / 2.0 } else { width };
    let frame = each - LEFT - 2.0 * MARGIN - 4.0;
    let height = (0.6 * frame).clamp(80.0, 180.0);
    let panel_height = ABOVE + height + BELOW;
    let mut p = Paper::printed(width, if beside { panel_height } else { 2.0 * panel_height + GAP });
    let panels = [("loss (nats)", (0.0, all.top * 1.05), &all.losses), ("accuracy (%)", (0.0, 100.0), &all.accuracies)];
    for (i, (label, y, curves)) in panels.into_iter().enumerate() {
        let at = i as f64;
        let (x, top) = if beside { ((each + GAP) * at, 0.0) } else { (0.0, (panel_height + GAP) * at) };
        let left = x + MARGIN + LEFT;
        let axes = Axes { left, top: top + ABOVE, width: frame, height, x: (0.0, all.epochs), y };
        axes.draw_as(&PRINT, &mut p, ("epoch", label), (&tick, &tick));
        all.draw(&mut p, &axes, curves, 0.9);
        let mut at = left;
        for (i, name) in all.names.into_iter().enumerate() {
            p.path(&format!("M{at:.1} {:.1}h12", top + 7.0), "none", &series(i), 0.9);
            p.text(at + 15.0, top + 9.5, SMALL, INK, Anchor::Start, name);
            at += 24.0 + Paper::wide(name, SMALL);
        }
    }
    Some(p.done())
}
