//! What the engine said, and what happened.

use super::Scene;
use crate::explorer::draw::Pad;
use crate::explorer::state::Line;
use crate::run::event::Level;
use crate::text;

pub fn draw(pad: &mut Pad, scene: &Scene) {
    let (ui, log) = (scene.ui, &scene.state.log);
    let lines: Vec<&Line> =
        log.lines.iter().filter(|l| l.level >= ui.log_level && text::contains(&l.text, ui.filter())).collect();
    let mut note = match ui.log_scroll {
        0 => format!("{} lines, newest at the bottom", lines.len()),
        n => format!("{n} lines up from the newest of {}", lines.len()),
    };
    if log.dropped > 0 {
        note = format!("{note}, {} older ones in events.jsonl", log.dropped);
    }
    let title = match (ui.log_level, ui.filter()) {
        (Level::Debug, "") => "log".to_string(),
        (Level::Info, "") => "log, without chatter".into(),
        (Level::Warning, "") => "log, warnings and errors".into(),
        (Level::Error, "") => "log, errors".into(),
        (_, filter) => format!("log, with `{}`", text::sanitize(filter)),
    };
    let mut inner = pad.panel(&title, &note, false);
    if log.lines.is_empty() {
        inner.prose("What the engine says and what happens to the run will be listed here, from its first moment on.");
        return;
    }
    if lines.is_empty() {
        inner.prose("No line passes the filter and the level.");
        return;
    }
    let (dim, plain) = (inner.theme.dim(), inner.theme.plain());
    let rows = usize::from(inner.height());
    let end = lines.len().saturating_sub(ui.log_scroll).max(rows.min(lines.len()));
    let begin = end.saturating_sub(rows);
    for (y, line) in lines[begin..end].iter().enumerate() {
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
