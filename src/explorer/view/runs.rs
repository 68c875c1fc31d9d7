//! All runs in the runs folder.

use super::Scene;
use crate::explorer::draw::Pad;
use crate::explorer::runs::Row;
use crate::explorer::text;
use crate::explorer::ui::Target;

/// Columns of `3 min ago`.
const AGE: u16 = 11;

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
    // Room for `waiting for a cut`, if there is any.
    let state = if w >= 76 { 18 } else { 11 };
    let state_at = name + 2;
    let age_at = state_at + state + 1;
    // Where the numbers end; in the narrowest windows the accuracy takes the place of the age.
    let old = w >= age_at + AGE + 8;
    let best = (if old { age_at + AGE } else { age_at }) + 7;
    let kept = best + 6;
    let data_at = kept + 3;
    inner.text(1, 0, "name", dim);
    inner.text(state_at, 0, "state", dim);
    if old {
        inner.text(age_at, 0, "age", dim);
    }
    inner.right(best, 0, "best", dim);
    if kept < w {
        inner.right(kept, 0, "kept", dim);
    }
    inner.text(data_at, 0, "data", dim);
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
        inner.fitted(state_at, y, state, &run.status, plain);
        if old {
            let age = (scene.now - run.last).max(0.0);
            inner.fitted(age_at, y, AGE, &text::age(age), dim);
        }
        let accuracy = run.accuracy.map_or_else(|| "—".into(), |a| format!("{:.1} %", a * 100.0));
        inner.right(best, y, &accuracy, plain);
        if kept < w {
            inner.right(kept, y, &run.kept.map_or_else(|| "—".into(), |k| k.to_string()), plain);
        }
        let room = w.saturating_sub(data_at + 1);
        inner.fitted(data_at, y, room, &text::sanitize(&run.data), dim);
        if i == scene.ui.runs {
            let style = inner.theme.cursor();
            inner.style(0, y, w, 1, style);
        }
    }
}
