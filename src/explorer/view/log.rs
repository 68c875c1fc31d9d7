//! What the engine said, and what happened.

use super::Scene;
use crate::explorer::draw::Pad;
use crate::explorer::text;
use crate::run::event::Level;

pub fn draw(pad: &mut Pad, scene: &Scene) {
    let log = &scene.state.log;
    let note = match scene.ui.log_scroll {
        0 => format!("{} lines, newest at the bottom", log.lines.len()),
        n => format!("{n} lines up from the newest of {}", log.lines.len()),
    };
    let mut inner = pad.panel("log", &note, false);
    if log.lines.is_empty() {
        inner.prose("What the engine says and what happens to the run will be listed here.");
        return;
    }
    let (dim, plain) = (inner.theme.dim(), inner.theme.plain());
    let rows = usize::from(inner.height());
    let end = log.lines.len().saturating_sub(scene.ui.log_scroll).max(1);
    let begin = end.saturating_sub(rows);
    for (y, line) in log.lines.range(begin..end).enumerate() {
        let y = y as u16;
        let x = inner.text(1, y, &text::clock(line.time), dim) + 1;
        let (word, style) = match line.level {
            Level::Debug => ("debug", dim),
            Level::Info => ("", plain),
            Level::Warning => ("warning", inner.theme.warning()),
            Level::Error => ("error", inner.theme.bad()),
        };
        let x = if word.is_empty() { x } else { inner.text(x, y, word, style) + 1 };
        let room = inner.width().saturating_sub(x + 1);
        inner.fitted(x, y, room, &line.text, if line.level == Level::Debug { dim } else { plain });
    }
}
