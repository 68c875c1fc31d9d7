//! All runs in the runs folder.

use super::Scene;
use crate::explorer::draw::Pad;
use crate::explorer::text;

pub fn draw(pad: &mut Pad, scene: &Scene) {
    let folder = text::sanitize(scene.folder);
    let mut inner = pad.panel("runs", &folder, false);
    if scene.runs.is_empty() {
        inner.prose("No runs yet. `zonas run` makes one, or start the demo from the first screen (1).");
        return;
    }
    let (dim, plain) = (inner.theme.dim(), inner.theme.plain());
    let w = inner.width();
    let name = 24.min(w / 3);
    let head = ["state", "age", "best", "kept", "data"];
    let at = [name + 2, name + 14, name + 28, name + 34, name + 42];
    inner.text(1, 0, "name", dim);
    for (i, (x, title)) in at.iter().zip(head).enumerate() {
        if matches!(i, 2 | 3) {
            inner.right(x + 4, 0, title, dim);
        } else {
            inner.text(*x, 0, title, dim);
        }
    }
    let rows = usize::from(inner.height().saturating_sub(1));
    let first = scene.ui.runs.saturating_sub(rows.saturating_sub(1));
    for (i, run) in scene.runs.iter().enumerate().skip(first).take(rows) {
        let y = 1 + (i - first) as u16;
        inner.fitted(1, y, name, &text::sanitize(&run.name), plain);
        inner.fitted(at[0], y, 11, &run.status, plain);
        let age = (scene.now - run.last).max(0.0);
        inner.fitted(at[1], y, 11, &text::age(age), dim);
        let best = run.accuracy.map_or_else(|| "—".into(), |a| format!("{:.1} %", a * 100.0));
        inner.right(at[2] + 4, y, &best, plain);
        let kept = run.kept.map_or_else(|| "—".into(), |k| k.to_string());
        inner.right(at[3] + 4, y, &kept, plain);
        let room = w.saturating_sub(at[4] + 1);
        inner.fitted(at[4], y, room, &text::sanitize(&run.data), dim);
        if i == scene.ui.runs {
            let style = inner.theme.cursor();
            inner.style(0, y, w, 1, style);
        }
    }
}
