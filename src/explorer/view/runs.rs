//! All runs in the runs folder.

use super::Scene;
use crate::explorer::draw::Pad;
use crate::explorer::runs::Row;
use crate::explorer::text;
use crate::explorer::ui::Target;

pub fn draw(pad: &mut Pad, scene: &Scene) {
    let folder = text::sanitize(scene.folder);
    let note = match scene.ui.filter() {
        "" => folder,
        filter => format!("with `{}` in {folder}", text::sanitize(filter)),
    };
    let mut inner = pad.panel("runs", &note, false);
    if scene.runs.is_empty() {
        inner.prose("No runs yet. `zonas run` makes one, or start the demo from the first screen (1).");
        return;
    }
    let rows: Vec<&Row> = scene.runs.iter().filter(|r| scene.ui.lists(r)).collect();
    if rows.is_empty() {
        inner.prose("No run has these letters in its name, state or data.");
        return;
    }
    let (dim, plain) = (inner.theme.dim(), inner.theme.plain());
    let w = inner.width();
    let name = if w < 90 { 20.min(w / 3) } else { 24 };
    let head = ["state", "age", "best", "kept", "data"];
    // Room for `waiting for a cut`, if there is any.
    let state = if w >= 76 { 18 } else { 11 };
    let at = [2, 3 + state, 14 + state, 20 + state, 27 + state].map(|x| name + x);
    inner.text(1, 0, "name", dim);
    for (i, (x, title)) in at.iter().zip(head).enumerate() {
        if matches!(i, 2 | 3) {
            inner.right(x + 4, 0, title, dim);
        } else {
            inner.text(*x, 0, title, dim);
        }
    }
    let room = usize::from(inner.height().saturating_sub(1));
    let first = scene.ui.runs.saturating_sub(room.saturating_sub(1));
    for (i, run) in rows.into_iter().enumerate().skip(first).take(room) {
        let y = 1 + (i - first) as u16;
        scene.hits.add(inner.area_of(0, y, w, 1), Target::Run(i));
        if let Some(at) = scene.ui.chosen.iter().position(|n| *n == run.name) {
            let style = inner.theme.series(at);
            inner.put(0, y, '●', style);
        }
        inner.fitted(1, y, name, &text::sanitize(&run.name), plain);
        inner.fitted(at[0], y, state, &run.status, plain);
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
