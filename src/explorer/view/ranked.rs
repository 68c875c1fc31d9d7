//! All operations in order of importance, or those that the filter leaves.

use super::Scene;
use super::rounds::when;
use crate::explorer::action::Action;
use crate::explorer::draw::Pad;
use crate::explorer::state::Ranking;
use crate::explorer::ui::Target;
use crate::text;

pub fn draw(pad: &mut Pad, scene: &Scene, ranking: &Ranking) {
    let (ui, score) = (scene.ui, &scene.state.score);
    let round = ui.round_of(scene.state);
    let list = ui.ordered(scene.state);
    let note = match ui.filter() {
        "" => format!("{} · {} filters", score.function_name(ui.function), scene.keymap.of(Action::Filter)),
        filter => format!("{} with `{}`", list.len(), text::sanitize(filter)),
    };
    let all = if ui.filter().is_empty() { format!("all {} operations", list.len()) } else { "operations".into() };
    let title = match round {
        Some(_) => format!("{all} of {}, highest first", when(scene, round)),
        None => format!("{all}, last removed first"),
    };
    let mut inner = pad.panel(&title, &note, true);
    if list.is_empty() {
        inner.prose("No operation matches the filter. Names as on the map work (sep3, 0>2, normal); esc in the filter clears it.");
        return;
    }
    let (dim, plain) = (inner.theme.dim(), inner.theme.plain());
    let w = inner.width();
    for (end, title) in [(5, "rank"), (48, "value"), (58, "spread"), (67, "p")] {
        inner.right(end, 0, title, dim);
    }
    inner.text(7, 0, "cell       edge operation", dim);
    inner.text(69, 0, "removed", dim);
    let rows = usize::from(inner.height().saturating_sub(1)).max(1);
    let at = list.iter().position(|p| *p == ui.place()).unwrap_or(0);
    let first = at.saturating_sub(rows / 2).min(list.len().saturating_sub(rows));
    for (row, place) in list.iter().skip(first).take(rows).enumerate() {
        let y = 1 + row as u16;
        let value = |v: Option<f64>| v.map_or_else(|| "—".into(), |v| text::significant(v, 3));
        if let Some(heat) = ranking.height(*place) {
            let style = inner.theme.heat(heat);
            inner.style(0, y, 6, 1, style);
            inner.right(5, y, &ranking.rank(*place).map_or_else(String::new, |r| r.to_string()), style);
        }
        inner.text(
            7,
            y,
            &format!("{:<10} {:<4} {}", place.cell.name(), place.edge.to_string(), place.operation),
            plain,
        );
        inner.right(48, y, &value(score.number(*place, ui.function, round)), plain);
        inner.right(58, y, &value(score.spread(*place, ui.function, round)), dim);
        let tested = score.summary(*place, round).and_then(|s| s.p).map(|p| text::significant(p.0, 2));
        inner.right(67, y, &tested.unwrap_or_default(), dim);
        inner.text(69, y, &score.place(*place).removed.map_or_else(String::new, |r| format!("round {}", r + 1)), dim);
        scene.hits.add(inner.area_of(0, y, w, 1), Target::Place(*place));
        if *place == ui.place() {
            let style = inner.theme.cursor();
            inner.style(7, y, w.saturating_sub(7), 1, style);
        }
    }
}
